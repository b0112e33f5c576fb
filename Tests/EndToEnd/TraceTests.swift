import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Traces over HTTP: what an exporter may send wrong, files beside traces, and the pages.
@Suite struct TraceTests {
    private struct Answer {
        var status: Int
        var type: String
        var body: Data
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private func ask(
        _ server: ServerProcess, _ method: String, _ path: String, _ body: Data? = nil,
        _ headers: [String: String] = [:]
    ) async throws -> Answer {
        let scratch = try TemporaryDirectory()
        var arguments = [
            "curl", "-s", "--path-as-is", "-X", method, "-o", scratch.file("answer"), "-w",
            "%{http_code} %{content_type}",
        ]
        // curl names a type of its own where none is given.
        for (name, value) in ["Content-Type": ""].merging(headers, uniquingKeysWith: { $1 }) {
            arguments += ["-H", value.isEmpty ? "\(name):" : "\(name): \(value)"]
        }
        if let body {
            try body.write(to: URL(fileURLWithPath: scratch.file("body")))
            arguments += ["--data-binary", "@" + scratch.file("body")]
        }
        let output = try runCommand("/usr/bin/env", arguments + [server.url + path]).output.split(separator: " ")
        return Answer(
            status: output.first.flatMap { Int($0) } ?? 0, type: output.dropFirst().joined(separator: " "),
            body: (try? Data(contentsOf: URL(fileURLWithPath: scratch.file("answer")))) ?? Data())
    }

    private func span(_ trace: String, more: String = "") -> String {
        """
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "\(trace)", "spanId": "0102030405060708",
        "name": "<b>root</b>", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000",
        "attributes": [{"key": "input.value", "value": {"stringValue": "{\\"q\\": \\"<script>\\"}"}}]}\(more)]}]}]}
        """
    }

    private let json = ["Content-Type": "application/json", "x-mlflow-experiment-id": "0"]

    @Test func exportersHearWhatWasWrong() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let trace = TraceSample.id(), fine = span(trace)
        let protobuf = ["Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"]
        let cases: [(Data, [String: String], Int, String)] = [
            (Data(fine.utf8), ["Content-Type": "application/json"], 400, "x-mlflow-experiment-id"),
            (Data(fine.utf8), ["Content-Type": "text/plain", "x-mlflow-experiment-id": "0"], 400, "Content-Type"),
            (Data("{".utf8), json, 400, "well-formed"), (Data(), protobuf, 400, "no spans"),
            (Data([0xFF, 0xFF]), protobuf, 400, "not well-formed"), (Data("{}".utf8), json, 400, "no spans"),
            (Data(span("00").utf8), json, 400, "trace_id"),
            (Data(fine.utf8), json.merging(["x-mlflow-experiment-id": "987"]) { $1 }, 404, "987"),
            (Data(fine.utf8), json.merging(["Content-Encoding": "br"]) { $1 }, 415, "br"),
            (Data(fine.utf8), json.merging(["Content-Encoding": "gzip"]) { $1 }, 400, "gzip"),
        ]
        for (body, headers, status, says) in cases {
            let answer = try await ask(server, "POST", "/v1/traces", body, headers)
            #expect(answer.status == status && answer.text.contains(says), "\(headers) \(answer.text)")
            #expect(
                answer.type
                    == (headers["Content-Type"] == "application/x-protobuf"
                        ? "application/x-protobuf" : "application/json"))
        }
        let good = try await ask(server, "POST", "/v1/traces", Data(fine.utf8), json)
        #expect(good.status == 200 && good.text == "{}" && good.type == "application/json")
        let partly = span(trace, more: ", {\"name\": \"nobody\"}")
        let partial = try await ask(server, "POST", "/v1/traces", Data(partly.utf8), json)
        #expect(partial.status == 200 && partial.text.contains("\"rejectedSpans\":\"1\""), "\(partial.text)")
        #expect(partial.text.contains("nobody"))
        #expect(try await ask(server, "GET", "/health").status == 200)
    }

    @Test func aBombIsRefusedBeforeItGoesOff() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let plain = directory.file("zeros")
        _ = FileManager.default.createFile(atPath: plain, contents: Data(count: 64 << 20))
        #expect(try runCommand("/usr/bin/env", ["gzip", plain]).status == 0)
        let bomb = try Data(contentsOf: URL(fileURLWithPath: plain + ".gz"))
        #expect(bomb.count < 1 << 20)
        let answer = try await ask(
            server, "POST", "/v1/traces", bomb,
            ["Content-Type": "application/x-protobuf", "Content-Encoding": "gzip", "x-mlflow-experiment-id": "0"])
        #expect(answer.status == 413 && answer.text.contains("expands"), "\(answer.text)")
        let large = try await ask(server, "POST", "/v1/traces", Data(count: 33 << 20), json)
        #expect(large.status == 413)
    }

    @Test func theFileBesideATraceIsServedAndShown() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let trace = TraceSample.id()
        let info = try await server.remote.traces.put(TraceSample.info(trace, "0"))
        let missing = try await ask(server, "GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=\(info.id)")
        #expect(missing.status == 404)
        let file = """
            {"spans": [{"trace_id": "hB37dYnYxPwe4IUQpEWelQ==", "span_id": "SitWMMUP10Q=", "parent_span_id": null,
            "name": "from a file", "start_time_unix_nano": 1, "end_time_unix_nano": 2, "status": {"code": "STATUS_CODE_OK"},
            "attributes": {"mlflow.spanInputs": "{\\"x\\": 1}"}}]}
            """
        let path = "0/traces/\(info.id)/artifacts/traces.json"
        let put = try await ask(
            server, "PUT", "/api/2.0/mlflow-artifacts/artifacts/\(path)", Data(file.utf8),
            ["Content-Type": "text/plain"])
        #expect(put.status == 200)
        let read = try await ask(server, "GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=\(info.id)")
        #expect(read.status == 200 && read.text == file)
        #expect(try await ask(server, "GET", "/traces/\(info.id)").text.contains("from a file"))
        // Once the spans are here, they are the answer.
        try await server.remote.traces.record(
            [TraceSample.span(trace, "from the store", [TraceKey.spanInputs: ["x": 1]])], resource: [:],
            experimentID: "0")
        let stored = try await ask(server, "GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=\(info.id)")
        #expect(stored.text.contains("from the store"))
        // Removing the trace removes its files.
        #expect(try await server.remote.traces.delete(experimentID: "0", .ids([info.id])) == [info.id])
        #expect(try await ask(server, "GET", "/api/2.0/mlflow-artifacts/artifacts/\(path)").status == 404)
        let outside = try await ask(
            server, "GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=\(info.id)&path=../../secret")
        #expect(outside.status >= 400 && outside.status < 500)
    }

    @Test func pagesShowAndEscape() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let trace = TraceSample.id()
        #expect(try await ask(server, "POST", "/v1/traces", Data(span(trace).utf8), json).status == 200)
        let page = try await ask(server, "GET", "/traces/tr-\(trace)").text
        #expect(page.contains("&lt;b&gt;root&lt;/b&gt;") && !page.contains("<b>root</b></b>"))
        #expect(page.contains("&lt;script&gt;") && page.contains("class=\"waterfall\""))
        #expect(try await ask(server, "GET", "/traces").text.contains("/traces/tr-\(trace)"))
        let filter = "/traces?experiment=0&filter=" + APIClient.escape("span.name LIKE '%root%'")
        #expect(try await ask(server, "GET", filter).text.contains("/traces/tr-\(trace)"))
        let wrong = try await ask(server, "GET", "/traces?filter=" + APIClient.escape("nonsense = '<i>'"))
        #expect(wrong.status == 200 && wrong.text.contains("position 1") && wrong.text.contains("&lt;i&gt;"))
        #expect(try await ask(server, "GET", "/traces/tr-nothing", nil, ["Accept": "text/html"]).status == 404)
    }

    @Test func mlflowsOwnWordsForWhatIsWrong() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let info = try await server.remote.traces.put(TraceSample.info(TraceSample.id(), "0"))
        let cases: [(String, String, String?, Int, String)] = [
            ("GET", "/api/3.0/mlflow/traces/tr-x", nil, 404, "Trace with ID 'tr-x' not found."),
            ("GET", "/api/3.0/mlflow/traces/get?trace_id=tr-x", nil, 404, "RESOURCE_DOES_NOT_EXIST"),
            ("GET", "/api/3.0/mlflow/traces/batchGet", nil, 400, "Missing value for required parameter 'trace_ids'"),
            ("POST", "/api/3.0/mlflow/traces/search", "{}", 400, "Missing value for required parameter 'locations'"),
            ("POST", "/api/3.0/mlflow/traces/search", #"{"locations": [], "max_results": 501}"#, 400, "max_results"),
            ("POST", "/api/3.0/mlflow/traces", "{}", 400, "'trace'"),
            ("POST", "/api/3.0/mlflow/traces", #"{"trace": {"trace_info": {"trace_id": "x"}}}"#, 400, "trace_location"),
            ("POST", "/api/3.0/mlflow/traces/delete-traces", #"{"experiment_id": "0"}"#, 400, "Either"),
            (
                "POST", "/api/3.0/mlflow/traces/delete-traces",
                #"{"experiment_id": "0", "request_ids": ["a"], "max_timestamp_millis": 1}"#, 400, "Only one"
            ),
            ("POST", "/api/3.0/mlflow/traces/\(info.id)/assessments", "{}", 400, "'assessment'"),
            (
                "POST", "/api/3.0/mlflow/traces/\(info.id)/assessments", #"{"assessment": {"assessment_name": "x"}}"#,
                400,
                "feedback"
            ),
            (
                "PATCH", "/api/2.0/mlflow/traces/\(info.id)/tags",
                #"{"key": "mlflow.trace.spansLocation", "value": "x"}"#,
                400, "immutable"
            ),
            ("POST", "/api/3.0/mlflow/traces/metrics", "{}", 400, "experiment_ids"),
            ("POST", "/api/2.0/mlflow/traces", #"{"experiment_id": "0", "timestamp_ms": 9e18}"#, 400, "timestamp_ms"),
        ]
        for (method, path, body, status, says) in cases {
            let answer = try await ask(
                server, method, path, body.map { Data($0.utf8) }, ["Content-Type": "application/json"])
            #expect(answer.status == status && answer.text.contains(says), "\(method) \(path): \(answer.text)")
            #expect(answer.text.contains("error_code"))
        }
    }
}
