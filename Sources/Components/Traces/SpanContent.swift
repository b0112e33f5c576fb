import Contracts
import Core
import Foundation

/// A span's attributes, events and links as JSON that SQLite can search: `{"name": …, "attributes": {…}, …}`.
///
/// Written like Python's `json.dumps`, with a space behind `,` and `:`, so that filters on `trace.text` written for MLflow's
/// own server match here. `1` and `1.0` stay apart; NaN and infinities, which JSON does not have, become text.
enum SpanContent {
    static func encode(_ span: TraceSpan) -> String {
        var content: [String: JSONValue] = ["name": .string(span.name), "attributes": .object(span.attributes)]
        if !span.statusMessage.isEmpty { content["message"] = .string(span.statusMessage) }
        if !span.events.isEmpty {
            content["events"] = .array(
                span.events.map {
                    ["name": .string($0.name), "time": .int($0.time), "attributes": .object($0.attributes)]
                })
        }
        if !span.links.isEmpty {
            content["links"] = .array(
                span.links.map {
                    [
                        "trace_id": .string($0.traceID), "span_id": .string($0.spanID),
                        "attributes": .object($0.attributes),
                    ]
                })
        }
        return text(.object(content))
    }

    /// Fills in what `encode` wrote.
    static func decode(_ text: String, into span: inout TraceSpan) throws {
        let content = try JSONReader.parse(text, what: "the content of span \(span.id)")
        span.attributes = content["attributes"]?.objectValue ?? [:]
        span.statusMessage = content["message"]?.stringValue ?? ""
        span.events = (content["events"]?.arrayValue ?? []).map {
            TraceSpan.Event(
                name: $0["name"]?.stringValue ?? "", time: $0["time"]?.intValue ?? 0,
                attributes: $0["attributes"]?.objectValue ?? [:])
        }
        span.links = (content["links"]?.arrayValue ?? []).map {
            TraceSpan.Link(
                traceID: $0["trace_id"]?.stringValue ?? "", spanID: $0["span_id"]?.stringValue ?? "",
                attributes: $0["attributes"]?.objectValue ?? [:])
        }
    }

    /// One JSON value as text, keys in order.
    static func text(_ value: JSONValue) -> String {
        var out: [UInt8] = []
        write(value, to: &out)
        return String(decoding: out, as: UTF8.self)
    }

    private static func write(_ value: JSONValue, to out: inout [UInt8]) {
        switch value {
        case .null: out += "null".utf8
        case .bool(let flag): out += (flag ? "true" : "false").utf8
        case .int(let number): out += String(number).utf8
        case .number(let number) where number.isFinite: out += number.description.utf8
        case .number(let number):
            JSON.append(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity", to: &out)
        case .string(let text): JSON.append(text, to: &out)
        case .array(let items):
            out.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { out += ", ".utf8 }
                write(item, to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let object):
            out.append(UInt8(ascii: "{"))
            for (index, member) in object.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { out += ", ".utf8 }
                JSON.append(member.key, to: &out)
                out += ": ".utf8
                write(member.value, to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }
}
