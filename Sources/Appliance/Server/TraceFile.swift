import Contracts
import Core
import Foundation

/// `traces.json`: the spans of a trace in a file, as MLflow's clients write it beside the runs' artifacts and read it back.
/// Identifiers are base64, and each attribute's value is JSON inside a text.
package enum TraceFile {
    package static func encode(_ spans: [TraceSpan]) throws -> Data {
        let list = try spans.map { span -> JSONValue in
            var object: [String: JSONValue] = [
                "trace_id": .string(base64(span.traceID)), "span_id": .string(base64(span.id)),
                "parent_span_id": span.parentID.map { .string(base64($0)) } ?? .null, "name": .string(span.name),
                "start_time_unix_nano": .int(span.start), "end_time_unix_nano": span.end.map(JSONValue.int) ?? .null,
                "status": [
                    "code": .string("STATUS_CODE_\(span.status.rawValue)"), "message": .string(span.statusMessage),
                ],
            ]
            object["attributes"] = .object(try span.attributes.mapValues { .string(try JSON.string($0)) })
            object["events"] = .array(
                span.events.map {
                    ["name": .string($0.name), "time_unix_nano": .int($0.time), "attributes": .object($0.attributes)]
                })
            object["links"] = .array(
                span.links.map {
                    [
                        "trace_id": .string("tr-" + $0.traceID), "span_id": .string($0.spanID),
                        "attributes": .object($0.attributes),
                    ]
                })
            return .object(object)
        }
        return try JSON.encode(JSONValue.object(["spans": .array(list)]))
    }

    /// Throws `invalid_argument` for a file that holds something else.
    package static func decode(_ data: Data) throws -> [TraceSpan] {
        let file = try JSONReader.parse(data, what: "traces.json", acceptsNonFinite: true)
        return try (file["spans"]?.arrayValue ?? []).map { item in
            guard let trace = hex(item["trace_id"]), let id = hex(item["span_id"]),
                let name = item["name"]?.stringValue,
                let start = nanoseconds(item["start_time_unix_nano"])
            else { throw NestboxError.invalid("traces.json: a span has no identifiers, no name or no start") }
            let code = item["status"]?["code"]?.stringValue ?? ""
            return TraceSpan(
                traceID: trace, id: id, parentID: hex(item["parent_span_id"]), name: name, start: start,
                end: nanoseconds(item["end_time_unix_nano"]),
                status: code.hasSuffix("ERROR") ? .error : code.hasSuffix("OK") ? .ok : .unset,
                statusMessage: item["status"]?["message"]?.stringValue ?? "",
                attributes: (item["attributes"]?.objectValue ?? [:]).mapValues(plain),
                events: (item["events"]?.arrayValue ?? []).map {
                    TraceSpan.Event(
                        name: $0["name"]?.stringValue ?? "", time: nanoseconds($0["time_unix_nano"]) ?? 0,
                        attributes: $0["attributes"]?.objectValue ?? [:])
                })
        }
    }

    private static func plain(_ value: JSONValue) -> JSONValue {
        guard let text = value.stringValue else { return value }
        return (try? JSONReader.parse(text.utf8, what: "an attribute", acceptsNonFinite: true)) ?? value
    }

    private static func nanoseconds(_ value: JSONValue?) -> Int64? {
        let number = value?.intValue ?? value?.stringValue.flatMap { Int64($0) }
        return number.flatMap { $0 > 0 ? $0 : nil }
    }

    private static func base64(_ hex: String) -> String { MLflowJSONWriter.base64(hex) }

    private static func hex(_ value: JSONValue?) -> String? {
        guard let text = value?.stringValue, let bytes = Data(base64Encoded: text), [8, 16].contains(bytes.count)
        else { return nil }
        return OTLPTraces.hex([UInt8](bytes))
    }
}
