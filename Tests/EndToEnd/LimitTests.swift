import Core
import Foundation
import TestSupport
import Testing

/// Limits and wrong input: status and error code of every request as MLflow's own server (3.17.2) answered it, recorded by
/// mlflow_limits.py. Where Nestbox answers otherwise, one of few rules says why.
@Suite struct LimitTests {
    private struct Outcome: Equatable {
        var status: Int
        var code: String
    }

    private struct Exchange {
        var path: String
        var body: String
        var theirs: Outcome
        var ours: Outcome
        var message: String

        var isRefused: Bool { ours == Outcome(status: 400, code: "INVALID_PARAMETER_VALUE") }
    }

    /// Why some answers differ, and how many do: a rule that begins to cover others has to be looked at.
    private struct Rule: Sendable {
        var reason: String
        var count: Int
        var covers: @Sendable (Exchange) -> Bool
    }

    private static let rules = [
        Rule(
            reason: "a value of the wrong type or out of range, and an unknown enumerator, is named, not dropped",
            count: 244
        ) {
            $0.theirs.status == 200 || $0.theirs.code == "BAD_REQUEST"
                ? $0.isRefused && $0.message.hasPrefix("Invalid value ") && $0.message.contains(" for parameter '")
                : false
        },
        Rule(reason: "what must be there and was dropped is missing", count: 8) {
            [200, 400].contains($0.theirs.status) && $0.isRefused && $0.message.hasPrefix("Missing value for required")
        },
        Rule(reason: "a wrong request on which MLflow fails is a 4xx", count: 140) {
            $0.theirs.status == 500 && (400..<500).contains($0.ours.status)
        },
        Rule(reason: "null is a field that was left out; a trace without spans may be asked for", count: 10) {
            $0.theirs.status == 500 && $0.ours.status == 200
                && ($0.body.contains("null") || $0.path.contains("trace_id") || $0.body.contains("end_time"))
        },
        Rule(reason: "MLflow's web server answers without an error code", count: 13) {
            $0.theirs.code.isEmpty && $0.theirs.status == $0.ours.status
        },
        Rule(reason: "`..` behind a backslash leads out, and `#` is refused where nothing follows it, too", count: 36) {
            $0.isRefused && $0.message.hasPrefix("Invalid path")
                && ($0.path.contains("%5c") || $0.path.contains("%23") || $0.path.contains("%2523"))
        },
        Rule(reason: "paths that begin with a slash are refused, not redirected", count: 7) {
            $0.path.contains("mlflow-artifacts/artifacts//") || $0.theirs.status == 308 && $0.isRefused
        },
        Rule(reason: "control characters stay percent-encoded in paths of artifacts", count: 4) {
            ($0.path.contains("%0a") || $0.path.contains("%00")) && $0.ours.status == 200
        },
        Rule(reason: "files cannot be written to folders whose name begins with `..`", count: 1) {
            $0.path.contains("..;/") && $0.isRefused
        },
        Rule(reason: "what MLflow's filters overlook is an error, with its position", count: 34) {
            [200, 400].contains($0.theirs.status) && $0.isRefused && $0.message.hasPrefix("Invalid filter")
        },
        Rule(reason: "one filter language for all: IN for traces, quoted names to order models by", count: 5) {
            $0.theirs.status == 400 && $0.ours.status == 200
                && ($0.body.contains(" IN (") || $0.path.contains("order_by=%60name"))
        },
        Rule(reason: "page tokens of one server mean nothing to the other", count: 7) {
            $0.isRefused && $0.message.hasPrefix("the page token")
        },
        Rule(reason: "experiment 0 stays", count: 2) {
            $0.path.hasPrefix("/api/2.0/mlflow/experiments/") && $0.body == #"{"experiment_id": "0"}"#
        },
        Rule(reason: "artifact locations with `..` are refused", count: 3) {
            $0.isRefused && $0.message.contains("cannot be an artifact location")
        },
        Rule(reason: "webhooks may go to http, and their addresses have at most 2,048 characters", count: 3) {
            $0.path.hasSuffix("/webhooks") && $0.body.contains("http")
                && ($0.ours.status == 200 || $0.message.contains("2048") || $0.message.contains("is not a URL"))
        },
        Rule(reason: "limits of MLflow's columns, which SQLite does not keep; a line feed ends no alias", count: 2) {
            $0.isRefused
                && ($0.message.contains("more than 250 characters") || $0.message.contains("cannot be an alias"))
        },
    ]

    @Test func wrongInputIsAnsweredAsMLflowAnswers() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let http = try RawHTTP(server.url)
        let text = try String(
            contentsOfFile: repositoryRoot + "/Tests/EndToEnd/mlflow-3.17-limits.tsv", encoding: .utf8)
        let lines = text.split(separator: "\n")
        var names: [String: String] = [:]
        var covered = [Int](repeating: 0, count: Self.rules.count)
        for (index, line) in lines.enumerated() {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            try #require(fields.count == 6, "line \(index + 1)")
            let path = fields[2].hasPrefix("/") ? fields[2] : "/api/2.0/mlflow/" + fields[2]
            let target = fill(path, names)
            let isFile = target.hasPrefix("/api/2.0/mlflow-artifacts")
            let answer = try http.send(
                fields[1], target, fields[5].isEmpty ? nil : bytes(fill(fields[5], names)),
                type: !fields[4].isEmpty ? fields[4] : isFile ? "application/octet-stream" : "application/json")
            for pair in fields[3].split(separator: ",").map({ $0.split(separator: "=") }) {
                let value = pair[1].split(separator: ".").reduce(answer.json) { $0?[String($1)] }
                names[String(pair[0])] = try #require(value?.stringValue, "line \(index + 1)")
            }
            let theirs = outcome(fields[0]), ours = Outcome(status: answer.status, code: answer.errorCode)
            guard ours != theirs else { continue }
            let exchange = Exchange(
                path: path, body: fields[5], theirs: theirs, ours: ours,
                message: answer.json?["message"]?.stringValue ?? "")
            if let rule = Self.rules.firstIndex(where: { $0.covers(exchange) }) {
                covered[rule] += 1
            } else {
                Issue.record(
                    """
                    line \(index + 1): \(fields[1]) \(path) \(exchange.body.prefix(300)): \(exchange.ours), not \
                    \(exchange.theirs). \(exchange.message.prefix(300))
                    """)
            }
        }
        for (rule, count) in zip(Self.rules, covered) { #expect(count == rule.count, "\(rule.reason)") }
        #expect(lines.count > 3500)
        #expect(server.isRunning)
    }

    /// `400` is an invalid parameter, `404 -` has no error code.
    private func outcome(_ text: String) -> Outcome {
        let parts = text.split(separator: " ").map(String.init)
        let status = Int(parts[0]) ?? 0
        let code = parts.count > 1 ? parts[1] : status == 400 ? "INVALID_PARAMETER_VALUE" : ""
        return Outcome(status: status, code: code == "-" ? "" : code)
    }

    private static let location = #"{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}"#

    /// `{name}` stands for what was kept, `<x:6001>` for that many letters, `"<7*…>"` for seven items with their numbers for `#`.
    private func fill(_ text: String, _ names: [String: String]) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "<") }) else { return text }
        var text = text.replacingOccurrences(of: "{at}", with: Self.location)
        for (name, value) in names where text.contains("{\(name)}") {
            text = text.replacingOccurrences(of: "{\(name)}", with: value)
        }
        guard text.utf8.contains(UInt8(ascii: "<")) else { return text }
        while let range = text.range(of: #""<[0-9]+\*(?:[^"\\]|\\.)*>""#, options: .regularExpression),
            let parts = (try? JSON.decode(String.self, from: String(text[range])))?.dropFirst().dropLast()
                .split(separator: "*", maxSplits: 1), let count = Int(parts[0])
        {
            let items = (0..<count).map { parts[1].replacingOccurrences(of: "#", with: String($0)) }
            text.replaceSubrange(range, with: items.joined(separator: ", "))
        }
        while let range = text.range(of: #"<(\\u[0-9a-f]{4}|.):[0-9]+>"#, options: .regularExpression),
            let colon = text[range].lastIndex(of: ":"),
            let count = Int(text[text.index(after: colon)..<range.upperBound].dropLast())
        {
            let letter = String(text[range.lowerBound..<colon].dropFirst())
            text.replaceSubrange(range, with: String(repeating: letter, count: count))
        }
        return text
    }

    /// The text with `<hex:ff>` as that byte.
    private func bytes(_ text: String) -> Data {
        guard text.contains("<hex:") else { return Data(text.utf8) }
        let parts = text.components(separatedBy: "<hex:")
        return parts.dropFirst().reduce(Data(parts[0].utf8)) { data, part in
            data + [UInt8(part.prefix(2), radix: 16) ?? 0] + part.dropFirst(3).utf8
        }
    }
}
