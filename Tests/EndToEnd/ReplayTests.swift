import Core
import Foundation
import TestSupport
import Testing

/// What MLflow's Python client said to MLflow's own server, said to Nestbox: every status and every field of every answer
/// must be there again. Recorded by record_mlflow_traffic.py from mlflow 3.17.2, client and server.
@Suite struct ReplayTests {
    /// Fields that differ for a reason, wherever they are.
    private static let exempt: [String: String] = [
        "creation_time": "the server's clock", "last_update_time": "the server's clock",
        "creation_timestamp": "the server's clock", "last_updated_timestamp": "the server's clock",
        "creation_timestamp_ms": "the server's clock", "last_updated_timestamp_ms": "the server's clock",
        "message": "sentences are our own", "sqlstate": "a databricks code beside error_code",
        "error_class": "a databricks code beside error_code",
        "multipart_uploads_enabled": "Nestbox puts parts together by itself",
        "features_enabled": "there is no gateway here",
    ]

    /// Fields whose values the server makes up; they stand for the recorded ones from then on.
    private static let madeByServer: Set = ["run_id", "run_uuid", "model_id", "run_name"]

    @Test func recordedTrafficIsAnsweredAsMLflowAnswers() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let path = repositoryRoot + "/Tests/EndToEnd/mlflow-3.17-traffic.jsonl"
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        var replay = Replay(exempt: Set(Self.exempt.keys), madeByServer: Self.madeByServer)
        for (index, line) in lines.enumerated() {
            let call = try JSON.decode(JSONValue.self, from: String(line))
            guard let method = call["m"]?.stringValue, let target = call["u"]?.stringValue else {
                throw NestboxError.invalid("line \(index + 1) of \(path) is not a call")
            }
            let place = "call \(index + 1), \(call["s"]?.stringValue ?? ""): \(method) \(target)"
            let answer = try send(call, method, replay.live(target), replay, server, directory)
            #expect(answer.status == call["st"]?.intValue, "\(place): \(answer.text.prefix(500))")
            let faults = try replay.compare(call["r"] ?? .null, with: answer)
            #expect(faults.isEmpty, "\(place): \(faults.joined(separator: "; "))")
        }
        #expect(lines.count > 100)
    }

    private func send(
        _ call: JSONValue, _ method: String, _ target: String, _ replay: Replay, _ server: ServerProcess,
        _ directory: TemporaryDirectory
    ) throws -> Replay.Answer {
        let output = directory.file("answer"), input = directory.file("body")
        var arguments = ["curl", "-s", "-o", output, "-w", "%{http_code}", "-X", method]
        var type = "application/json"
        for (name, value) in call["h"]?.objectValue ?? [:] {
            if name.lowercased() == "content-type" {
                type = value.stringValue ?? type
            } else {
                arguments += ["-H", "\(name): \(value.stringValue ?? "")"]
            }
        }
        if let body = call["b"] {
            let data: Data
            if let size = body["file"]?.intValue {
                data = Data(repeating: UInt8(ascii: "x"), count: Int(size))
                type = "application/octet-stream"
            } else if let text = body["base64"]?.stringValue {
                data = Data(base64Encoded: text) ?? Data()
            } else {
                data = Data(replay.live(try JSON.string(body)).utf8)
            }
            try data.write(to: URL(fileURLWithPath: input))
            arguments += ["-H", "Content-Type: \(type)", "--data-binary", "@" + input]
        }
        try Data().write(to: URL(fileURLWithPath: output))
        let result = try runCommand("/usr/bin/env", arguments + [server.url + target])
        return Replay.Answer(
            status: Int64(result.output) ?? 0, body: try Data(contentsOf: URL(fileURLWithPath: output)))
    }
}

/// Recorded answers against live ones: everything recorded must be there; what is there besides is allowed.
struct Replay {
    struct Answer {
        var status: Int64
        var body: Data
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    let exempt: Set<String>
    let madeByServer: Set<String>
    /// Recorded → live.
    private var names: [String: String] = [:]
    /// Lists whose order matters; others are compared as sets.
    private let ordered: Set = ["runs", "models", "traces", "latest_versions", "model_versions"]

    init(exempt: Set<String>, madeByServer: Set<String>) {
        self.exempt = exempt
        self.madeByServer = madeByServer
    }

    /// The recorded text with the live server's names in it.
    func live(_ text: String) -> String {
        names.reduce(text) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
    }

    /// What of `recorded` the answer lacks.
    mutating func compare(_ recorded: JSONValue, with answer: Answer) throws -> [String] {
        // A file or plain text: MLflow answers an upload with nothing, and Nestbox with `{}`.
        if let size = recorded["bytes"]?.intValue, recorded["type"] != nil {
            return size == 0 || size == answer.body.count ? [] : ["\(answer.body.count) bytes, not \(size)"]
        }
        let actual = try JSON.decode(JSONValue.self, from: answer.body, what: "the answer")
        learn(from: recorded, actual)
        var faults: [String] = []
        check(try JSON.decode(JSONValue.self, from: live(try JSON.string(recorded))), actual, "", &faults)
        return faults
    }

    private mutating func learn(from recorded: JSONValue, _ actual: JSONValue) {
        switch (recorded, actual) {
        case (.object(let old), .object(let new)):
            for (key, value) in old {
                guard let found = new[key] else { continue }
                if madeByServer.contains(key), let a = value.stringValue, let b = found.stringValue {
                    // Only what is not known yet: a wrong id later on must not become the right one.
                    if a != b, a.count > 8, names[a] == nil { names[a] = b }
                } else {
                    learn(from: value, found)
                }
            }
        case (.array(let old), .array(let new)):
            for (a, b) in zip(old, new) where old.count == new.count { learn(from: a, b) }
        default: break
        }
    }

    private func check(_ expected: JSONValue, _ actual: JSONValue, _ place: String, _ faults: inout [String]) {
        switch (expected, actual) {
        case (.object(let wanted), .object(let found)):
            for (key, value) in wanted.sorted(by: { $0.key < $1.key }) {
                let inside = place.isEmpty ? key : "\(place).\(key)"
                guard let other = found[key] else {
                    if !exempt.contains(key) { faults.append("\(inside) is missing, expected \(short(value))") }
                    continue
                }
                if !exempt.contains(key) { check(value, other, inside, &faults) }
            }
        case (.array(let wanted), .array(let found)):
            guard wanted.count == found.count else {
                faults.append("\(place) has \(found.count) items, not \(wanted.count)")
                return
            }
            if ordered.contains(place.split(separator: ".").last.map(String.init) ?? "") {
                for (index, value) in wanted.enumerated() { check(value, found[index], "\(place)[\(index)]", &faults) }
                return
            }
            var rest = found
            for value in wanted {
                if let match = rest.firstIndex(where: { matches(value, $0) }) {
                    rest.remove(at: match)
                } else {
                    faults.append("\(place) lacks \(short(value))")
                }
            }
        default:
            if !isSame(expected, actual) { faults.append("\(place) is \(short(actual)), not \(short(expected))") }
        }
    }

    private func matches(_ expected: JSONValue, _ actual: JSONValue) -> Bool {
        var faults: [String] = []
        check(expected, actual, "", &faults)
        return faults.isEmpty
    }

    /// Numbers by value, and JSON inside a text by what it says.
    private func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
        if a == b { return true }
        if let x = a.doubleValue, let y = b.doubleValue { return x == y }
        guard case (.string(let x), .string(let y)) = (a, b), "[{".contains(x.prefix(1)), !x.isEmpty,
            let inner = try? JSON.decode(JSONValue.self, from: x), let other = try? JSON.decode(JSONValue.self, from: y)
        else { return false }
        return inner == other
    }

    private func short(_ value: JSONValue) -> String { String(((try? JSON.string(value)) ?? value.kind).prefix(200)) }
}
