import Contracts
import Core
import Foundation

// Traces in MLflow's JSON, written and read. Source: mlflow/protos/service.proto, assessments.proto (3.17).

extension MLflowJSONWriter {
    mutating func trace(_ trace: Trace) {
        object("trace_info") { $0.traceInfo(trace.info) }
        list("spans", trace.spans) { $0.span($1) }
    }

    mutating func traceInfo(_ info: TraceInfo) {
        field("trace_id", info.id)
        field("client_request_id", info.clientRequestID)
        object("trace_location") {
            $0.field("type", "MLFLOW_EXPERIMENT")
            $0.object("mlflow_experiment") { $0.field("experiment_id", info.experimentID) }
        }
        field("request_time", info.requestTime.iso8601)
        field("execution_duration", info.duration.map(Self.duration))
        field("state", info.state.rawValue)
        map("trace_metadata", info.metadata)
        list("assessments", info.assessments) { $0.assessment($1) }
        map("tags", info.tags)
        field("request_preview", info.requestPreview)
        field("response_preview", info.responsePreview)
    }

    /// The form before MLflow 3.
    mutating func legacyTraceInfo(_ info: TraceInfo) {
        field("request_id", info.id)
        field("experiment_id", info.experimentID)
        field("timestamp_ms", info.requestTime.milliseconds)
        field("execution_time_ms", info.duration ?? 0)
        field("status", info.state == .unspecified ? "TRACE_STATUS_UNSPECIFIED" : info.state.rawValue)
        pairs("request_metadata", info.metadata)
        pairs("tags", info.tags)
    }

    mutating func assessment(_ assessment: Assessment) {
        field("assessment_id", assessment.id)
        field("assessment_name", assessment.name)
        field("trace_id", assessment.traceID)
        field("span_id", assessment.spanID)
        object("source") {
            $0.field("source_type", assessment.sourceType.rawValue)
            $0.field("source_id", assessment.sourceID)
        }
        field("create_time", assessment.createdAt.iso8601)
        field("last_update_time", assessment.updatedAt.iso8601)
        switch assessment.kind {
        case .feedback:
            object("feedback") {
                $0.value("value", assessment.value)
                guard let error = assessment.error else { return }
                $0.object("error") {
                    $0.field("error_code", error.code)
                    $0.field("error_message", error.message)
                    $0.field("stack_trace", error.stackTrace)
                }
            }
        case .expectation:
            object("expectation") { writer in
                switch assessment.value {
                case .array, .object:
                    writer.object("serialized_value") {
                        $0.field("serialization_format", "JSON_FORMAT")
                        $0.field("value", try? JSON.string(assessment.value))
                    }
                default: writer.value("value", assessment.value)
                }
            }
        case .issue: object("issue") { $0.field("issue_name", assessment.value["issue_name"]?.stringValue ?? "") }
        }
        field("rationale", assessment.rationale)
        map("metadata", assessment.metadata)
        field("overrides", assessment.overrides)
        field("valid", assessment.isValid)
    }

    /// A span in the JSON of its protocol buffer: identifiers in base64, values with their types.
    private mutating func span(_ span: TraceSpan) {
        field("trace_id", Self.base64(span.traceID))
        field("span_id", Self.base64(span.id))
        field("parent_span_id", span.parentID.map(Self.base64))
        field("name", span.name)
        field("start_time_unix_nano", span.start)
        field("end_time_unix_nano", span.end)
        attributes(span.attributes)
        list("events", span.events) { writer, event in
            writer.field("time_unix_nano", event.time)
            writer.field("name", event.name)
            writer.attributes(event.attributes)
        }
        list("links", span.links) { writer, link in
            writer.field("trace_id", Self.base64(link.traceID))
            writer.field("span_id", Self.base64(link.spanID))
            writer.attributes(link.attributes)
        }
        object("status") {
            $0.field("message", span.statusMessage.isEmpty ? nil : span.statusMessage)
            $0.field("code", "STATUS_CODE_\(span.status.rawValue)")
        }
    }

    private mutating func attributes(_ attributes: [String: JSONValue]) {
        guard !attributes.isEmpty else { return }
        value("attributes", .array(Self.pairs(attributes)))
    }

    private static func pairs(_ object: [String: JSONValue]) -> [JSONValue] {
        object.sorted { $0.key < $1.key }.map { key, value in
            value == .null ? ["key": .string(key)] : ["key": .string(key), "value": typed(value)]
        }
    }

    /// An `AnyValue`.
    private static func typed(_ value: JSONValue) -> JSONValue {
        switch value {
        case .null: [:]
        case .bool: ["bool_value": value]
        case .int: ["int_value": value]
        case .number: ["double_value": value]
        case .string: ["string_value": value]
        case .array(let items): ["array_value": items.isEmpty ? [:] : ["values": .array(items.map(typed))]]
        case .object(let object): ["kvlist_value": object.isEmpty ? [:] : ["values": .array(pairs(object))]]
        }
    }

    static func base64(_ hex: String) -> String {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map(UInt8.init) }
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        return Data(bytes).base64EncodedString()
    }

    /// Milliseconds as protocol buffers write a duration: `0.723s`.
    private static func duration(_ milliseconds: Int64) -> String {
        let size = milliseconds.magnitude, rest = size % 1000
        let digits = rest == 0 ? "" : "." + String(String(1000 + rest).dropFirst())
        return (milliseconds < 0 ? "-" : "") + String(size / 1000) + digits + "s"
    }
}

extension MLflowRequest {
    /// Traces elsewhere, such as in inference tables, are Databricks' own.
    private enum LocationKind: String, CaseIterable {
        case experiment = "MLFLOW_EXPERIMENT"
    }

    /// `trace.trace_info` of the 3.0 API.
    func traceInfo() throws -> TraceInfo {
        guard let location = try object("trace_location"), let experiment = try location.object("mlflow_experiment")
        else { throw missing("trace_location.mlflow_experiment") }
        guard try location.choice("type", numbered: [LocationKind.experiment]) != nil else {
            throw location.missing("type")
        }
        let id = try required("trace_id")
        return TraceInfo(
            id: id, experimentID: try experiment.required("experiment_id"),
            requestTime: try moment("request_time") ?? Timestamp(milliseconds: 0),
            duration: try string("execution_duration").map { try duration($0) },
            state: try choice("state", numbered: [.ok, .error, .inProgress]) ?? .unspecified,
            clientRequestID: try string("client_request_id"), requestPreview: try string("request_preview"),
            responsePreview: try string("response_preview"), metadata: try map("trace_metadata"),
            tags: try map("tags"), assessments: try objects("assessments").map { try $0.assessment(of: id) })
    }

    func moment(_ name: String) throws -> Timestamp? {
        guard let text = try string(name) else { return nil }
        guard let moment = Timestamp(iso8601: text) else {
            throw wrong(name, .string(text), "a moment like 2026-11-23T20:47:07.811Z")
        }
        return moment
    }

    private func duration(_ text: String) throws -> Int64 {
        guard text.hasSuffix("s"), let seconds = Double(text.dropLast()), abs(seconds) < 1e12 else {
            throw wrong("execution_duration", .string(text), "seconds like 0.723s")
        }
        return Int64((seconds * 1000).rounded())
    }

    /// An assessment, as it is sent along with a trace or by itself.
    func assessment(of trace: String) throws -> Assessment {
        let now = Ambient.live.now()
        let (kind, value, error) = try assessmentValue()
        let source = try object("source")
        let type = try source?.choice(
            "source_type", numbered: [Assessment.SourceType.human, .judge, .code])
        let created = try moment("create_time") ?? now
        return Assessment(
            id: try string("assessment_id") ?? "", traceID: trace, name: try required("assessment_name"), kind: kind,
            value: value, error: error, sourceType: type ?? .unspecified,
            sourceID: try source?.string("source_id") ?? "default", createdAt: created,
            updatedAt: try moment("last_update_time") ?? created, spanID: try filled("span_id"),
            rationale: try filled("rationale"), metadata: try map("metadata"), overrides: try filled("overrides"),
            isValid: try bool("valid") ?? true)
    }

    /// The one of `feedback`, `expectation` and `issue` that is there.
    func assessmentValue() throws -> (Assessment.Kind, JSONValue, Assessment.Failure?) {
        if let feedback = try object("feedback") {
            let error = try (try feedback.object("error") ?? object("error")).map {
                Assessment.Failure(
                    code: try $0.string("error_code") ?? "", message: try $0.string("error_message"),
                    stackTrace: try $0.string("stack_trace"))
            }
            return (.feedback, feedback.value("value") ?? .null, error)
        }
        if let expectation = try object("expectation") {
            guard let serialized = try expectation.object("serialized_value") else {
                guard let value = expectation.value("value"), value != .null else {
                    throw expectation.missing("value")
                }
                return (.expectation, value, nil)
            }
            let format = try serialized.string("serialization_format") ?? ""
            guard format == "JSON_FORMAT" else {
                throw NestboxError.invalid(
                    "Unknown serialization format: \(format.prefix(40)). Only JSON_FORMAT is supported.")
            }
            return (.expectation, try JSONReader.parse(try serialized.required("value")), nil)
        }
        if let issue = try object("issue") {
            return (.issue, ["issue_name": .string(try issue.string("issue_name") ?? "")], nil)
        }
        throw NestboxError.invalid(
            "an assessment needs a `feedback`, an `expectation` or an `issue`",
            hint: "send {\"assessment_name\": …, \"feedback\": {\"value\": true}}")
    }

    /// A text; an empty one counts as none, as in protocol buffers.
    func filled(_ name: String) throws -> String? { try string(name).flatMap { $0.isEmpty ? nil : $0 } }
}
