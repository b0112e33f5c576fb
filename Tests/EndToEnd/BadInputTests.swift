import Core
import Foundation
import TestSupport
import Testing

/// Every route group with input that is wrong: 4xx with code, place and hint, nothing half-written, server up.
@Suite struct BadInputTests {
    private struct Case {
        var method: String
        var path: String
        var body: String?
        var status: Int
        /// Must appear in the answer.
        var says: String
    }

    private static let cases = [
        Case(method: "GET", path: "/api/v1/datasets/nothing", status: 404, says: "no dataset named `nothing`"),
        Case(method: "GET", path: "/api/v1/nothing", status: 404, says: "not_found"),
        Case(method: "PATCH", path: "/api/v1/datasets", status: 405, says: "GET"),
        Case(
            method: "POST", path: "/api/v1/datasets/a%2Fb/versions?format=csv", body: "x\n1\n", status: 400, says: "a/b"
        ),
        Case(
            method: "POST", path: "/api/v1/datasets/bad/versions?format=csv", body: "a,b\n1,2\n3\n", status: 400,
            says: "line 3"),
        Case(
            method: "POST", path: "/api/v1/datasets/bad/versions?format=csv", body: "a,b\n\"1,2\n", status: 400,
            says: "quote"),
        Case(method: "POST", path: "/api/v1/datasets/bad/versions?format=csv", body: "", status: 400, says: "empty"),
        Case(
            method: "POST", path: "/api/v1/datasets/bad/versions?format=jsonl", body: "{\"a\": 1}\n{\"a\": ",
            status: 400, says: "line 2"),
        Case(
            method: "POST", path: "/api/v1/datasets/bad/versions?format=xml", body: "a\n1\n", status: 400, says: "xml"),
        Case(method: "PUT", path: "/api/v1/features", body: "entities: [", status: 400, says: "line"),
        Case(
            method: "PUT", path: "/api/v1/features", body: "entities: []\nfeature_view: []\n", status: 400,
            says: "feature_view"),
        Case(
            method: "PUT", path: "/api/v1/features",
            body: "entities: []\nfeature_views: [{name: v, entities: [e], dataset: d, features: [x]}]", status: 400,
            says: "`e`"),
        Case(
            method: "POST", path: "/api/v1/features/online", body: #"{"features": ["x"], "entities": []}"#, status: 400,
            says: "view:feature"),
        Case(method: "POST", path: "/api/v1/training", body: "name: x\n", status: 400, says: "dataset"),
        Case(method: "POST", path: "/api/v1/training", body: "{", status: 400, says: "invalid_argument"),
        Case(method: "POST", path: "/api/v1/jobs", body: #"{"kind": 1}"#, status: 400, says: "kind"),
        Case(method: "GET", path: "/api/v1/jobs/nothing", status: 404, says: "nothing"),
        Case(
            method: "POST", path: "/api/v1/deployments", body: #"{"name": "d", "model": "m", "version": "1"}"#,
            status: 404, says: "`m`"),
        Case(
            method: "POST", path: "/api/v1/deployments/nothing/predict", body: #"{"rows": [{}]}"#, status: 404,
            says: "nothing"),
        Case(method: "GET", path: "/api/v1/events?limit=many", status: 400, says: "limit"),
        Case(method: "POST", path: "/api/2.0/mlflow/runs/log-metric", body: "{", status: 400, says: "error_code"),
        Case(
            method: "POST", path: "/api/2.0/mlflow/runs/log-metric", body: #"{"run_id": "x"}"#, status: 400,
            says: "INVALID_PARAMETER_VALUE"),
        Case(
            method: "POST", path: "/api/2.0/mlflow/runs/log-metric",
            body: #"{"run_id": "x", "key": "k", "value": 1, "timestamp": 1}"#,
            status: 404, says: "RESOURCE_DOES_NOT_EXIST"),
        Case(method: "PUT", path: "/api/2.0/mlflow/runs/get", status: 405, says: "it answers GET"),
        Case(
            method: "POST", path: "/api/2.0/mlflow/runs/search",
            body: #"{"experiment_ids": ["0"], "order_by": ["metrics.auc UP"]}"#,
            status: 400, says: "metrics.auc UP"),
        Case(
            method: "POST", path: "/api/2.0/mlflow/model-versions/create",
            body: #"{"name": "m", "source": "file:///etc/passwd"}"#,
            status: 400, says: "runs:/RUN/path"),
        Case(
            method: "POST", path: "/api/2.0/mlflow/model-versions/create",
            body: #"{"name": "m", "source": "mlflow-artifacts:/0/%2e%2e/x"}"#,
            status: 400, says: "without `..`"),
        Case(method: "GET", path: "/api/2.0/mlflow/no-such-call", status: 404, says: "ENDPOINT_NOT_FOUND"),
        Case(method: "GET", path: "/v2/models/nothing", status: 404, says: #"{"error":"#),
        Case(method: "POST", path: "/v2/models/nothing/infer", body: "{", status: 404, says: "nothing"),
        Case(method: "POST", path: "/invocations", body: #"{"inputs": []}"#, status: 404, says: "nothing is deployed"),
    ]

    @Test func wrongInputIsNamedWithItsPlace() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        for item in Self.cases {
            var arguments = ["curl", "-s", "-w", "\n%{http_code}", "-X", item.method, server.url + item.path]
            if let body = item.body {
                arguments += [
                    "-H", body.hasPrefix("{") ? "Content-Type: application/json" : "Content-Type: text/plain",
                    "--data-binary", body,
                ]
            }
            let answer = try runCommand("/usr/bin/env", arguments).output
            let status = answer.split(separator: "\n").last.flatMap { Int($0) }
            #expect(status == item.status, "\(item.method) \(item.path): \(answer)")
            #expect(answer.contains(item.says), "\(item.method) \(item.path) does not say «\(item.says)»: \(answer)")
            if item.path.hasPrefix("/api/v1/") {
                #expect(answer.contains(#""hint":""#), "\(item.method) \(item.path) gives no hint: \(answer)")
            }
        }
        // Nothing of a refused import stays.
        let datasets: JSONValue = try await server.remote.client.get("/api/v1/datasets")
        #expect(datasets == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("data/datasets")).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("data/tmp")).isEmpty)
    }

    /// Bodies that cost far more to read than to send. Each is refused by its depth, and `/health` answers meanwhile.
    @Test func deeplyNestedBodiesAreRefused() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let routes = [
            ("PUT", "/api/v1/features", 1_000_000), ("POST", "/api/v1/jobs", 250_000),
            ("POST", "/api/v1/training", 200_000), ("POST", "/api/v1/deployments", 4_000_000),
            ("POST", "/api/2.0/mlflow/runs/log-batch", 900_000), ("POST", "/v2/repository/index", 4_000_000),
        ]
        for (index, opening) in ["[", #"{"a":"#, #"{"kind":"k","name":"n","payload":["#].enumerated() {
            await withTaskGroup(of: (String, String).self) { group in
                for (number, (method, path, size)) in routes.enumerated() {
                    let file = directory.file("body-\(index)-\(number)")
                    let body = Data(String(repeating: opening, count: size / opening.utf8.count).utf8)
                    group.addTask {
                        do {
                            try body.write(to: URL(fileURLWithPath: file))
                            let answer = try runCommand(
                                "/usr/bin/env",
                                [
                                    "curl", "-s", "-w", "%{http_code}", "-X", method, "-H",
                                    "Content-Type: application/json", "--data-binary", "@" + file, server.url + path,
                                ])
                            return (path, answer.output)
                        } catch {
                            return (path, "\(error)")
                        }
                    }
                }
                for _ in 0..<20 {
                    let health: JSONValue? = try? await server.remote.client.get("/health")
                    #expect(health?["status"] == "ok")
                }
                for await (path, answer) in group {
                    #expect(
                        answer.contains("nested more than 64 levels deep"), "\(path) \(opening): \(answer.prefix(400))")
                    #expect(answer.hasSuffix("400"), "\(path) \(opening): \(answer.suffix(400))")
                }
            }
        }
        var bomb = ["entities: &a0 [lol, lol]"]
        for level in 1...40 { bomb.append("a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]") }
        for (method, path) in [("PUT", "/api/v1/features"), ("POST", "/api/v1/training")] {
            let answer = try runCommand(
                "/usr/bin/env",
                [
                    "curl", "-s", "-w", "%{http_code}", "-X", method, "--data-binary", bomb.joined(separator: "\n"),
                    server.url + path,
                ])
            #expect(answer.output.contains("aliases") && answer.output.hasSuffix("400"), "\(path): \(answer.output)")
        }
    }

    @Test func aCompressedBodyIsRefusedAsSuch() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        for path in ["/api/2.0/mlflow/runs/search", "/api/v1/jobs", "/api/v1/datasets/a/versions?format=csv"] {
            let answer = try runCommand(
                "/usr/bin/env",
                ["curl", "-s", "-X", "POST", "-H", "Content-Encoding: gzip", "--data-binary", "x", server.url + path]
            ).output
            #expect(answer.contains("Content-Encoding `gzip`"), "\(path): \(answer)")
        }
    }

    @Test func anOversizedBodyIsRefused() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let path = directory.file("big.json")
        try Data(("{\"run_id\": \"" + String(repeating: "x", count: 80 << 20) + "\"}").utf8).write(
            to: URL(fileURLWithPath: path))
        for route in ["/api/2.0/mlflow/runs/log-batch", "/api/v1/jobs"] {
            let answer = try runCommand(
                "/usr/bin/env",
                [
                    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json",
                    "--data-binary", "@" + path, server.url + route,
                ])
            #expect(answer.output.hasSuffix("413"), "\(route): \(answer.output)")
        }
        let health: JSONValue = try await server.remote.client.get("/health")
        #expect(health["status"] == "ok")
    }
}
