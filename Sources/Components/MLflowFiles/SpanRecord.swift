import Contracts
import Core
import Foundation

/// Spans as MLflow stores them, in its database and in `traces.json`. Source: mlflow/entities/span.py (3.17), `Span.to_dict`
/// and the two older forms that `from_dict` reads.
enum SpanRecord {
    /// A file of an agent's long session is big, and is read as a whole.
    static let largestFile = 1 << 30
    /// Inputs and outputs are people's own, nested as they like.
    private static let deepest = JSON.deepest

    static func parse(_ text: some Collection<UInt8>, what: String) throws -> JSONValue {
        do {
            return try JSONReader.parse(text, what: what, acceptsNonFinite: true, deepest: deepest)
        } catch let error as NestboxError {
            throw unreadable(error.message)
        }
    }

    /// The spans of a `traces.json`.
    static func spans(file data: some Collection<UInt8>, path: String) throws -> [TraceSpan] {
        let json = try parse(data, what: "`\(path)`")
        guard let spans = json["spans"]?.arrayValue else { throw unreadable("`\(path)` holds no `spans`") }
        return try spans.enumerated().map { try span($1, what: "`\(path)`, span \($0 + 1)") }
    }

    static func span(_ json: JSONValue, what: String) throws -> TraceSpan {
        let context = json["context"] ?? json
        let parent = json["parent_span_id"]?.stringValue ?? json["parent_id"]?.stringValue
        guard let trace = identifier(context["trace_id"], digits: 32),
            let id = identifier(context["span_id"], digits: 16),
            let name = json["name"]?.stringValue,
            let start = whole(json["start_time_unix_nano"]) ?? whole(json["start_time"])
        else {
            throw unreadable("\(what) lacks its identifiers, name or start")
        }
        let code = json["status"]?["code"]?.stringValue ?? json["status_code"]?.stringValue ?? "UNSET"
        return TraceSpan(
            traceID: trace, id: id,
            parentID: (parent ?? "").isEmpty ? nil : identifier(.string(parent ?? ""), digits: 16), name: name,
            start: start, end: whole(json["end_time_unix_nano"]) ?? whole(json["end_time"]),
            status: TraceSpan.Status(rawValue: code.replacing("STATUS_CODE_", with: "")) ?? .unset,
            statusMessage: json["status"]?["message"]?.stringValue ?? json["status_message"]?.stringValue ?? "",
            attributes: (json["attributes"]?.objectValue ?? [:]).mapValues(attribute),
            events: (json["events"]?.arrayValue ?? []).map {
                TraceSpan.Event(
                    name: $0["name"]?.stringValue ?? "",
                    time: whole($0["time_unix_nano"]) ?? whole($0["timestamp"]) ?? 0,
                    attributes: $0["attributes"]?.objectValue ?? [:])
            },
            links: (json["links"]?.arrayValue ?? []).map {
                TraceSpan.Link(
                    traceID: identifier($0["trace_id"], digits: 32) ?? "",
                    spanID: identifier($0["span_id"], digits: 16) ?? "",
                    attributes: $0["attributes"]?.objectValue ?? [:])
            })
    }

    /// MLflow puts every value into JSON of its own; other programs' are plain.
    private static func attribute(_ value: JSONValue) -> JSONValue {
        guard case .string(let text) = value else { return value }
        return (try? JSONReader.parse(text.utf8, acceptsNonFinite: true, deepest: deepest)) ?? value
    }

    private static func whole(_ value: JSONValue?) -> Int64? {
        value?.intValue ?? value?.stringValue.flatMap { Int64($0) }
    }

    /// Base64 of the bytes, which its length makes end with `=`, or hexadecimal digits, after `0x` or `tr-`.
    private static func identifier(_ value: JSONValue?, digits: Int) -> String? {
        guard var text = value?.stringValue else { return nil }
        if text.hasSuffix("=") {
            guard let data = Data(base64Encoded: text), data.count * 2 == digits else { return nil }
            return data.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        for prefix in ["tr-", "0x"] where text.hasPrefix(prefix) { text.removeFirst(prefix.count) }
        guard (1...digits).contains(text.utf8.count), text.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit })
        else { return nil }
        return String(repeating: "0", count: digits - text.utf8.count) + text.lowercased()
    }
}
