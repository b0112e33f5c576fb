import Contracts
import Core
import Foundation

/// Traces as they arrive in MLflow's JSON, and spans as OTLP's JSON sends them.
enum TraceWire {
    static func info(_ json: JSONValue) throws -> TraceInfo {
        guard let id = json["trace_id"]?.stringValue,
            let experiment = json["trace_location"]?["mlflow_experiment"]?["experiment_id"]?.stringValue,
            let time = json["request_time"]?.stringValue.flatMap({ Timestamp(iso8601: $0) })
        else { throw broken("a trace") }
        return TraceInfo(
            id: id, experimentID: experiment, requestTime: time,
            duration: json["execution_duration"]?.stringValue.flatMap { Double($0.dropLast()) }
                .map { Int64(($0 * 1000).rounded()) },
            state: json["state"]?.stringValue.flatMap(TraceState.init) ?? .unspecified,
            clientRequestID: json["client_request_id"]?.stringValue,
            requestPreview: json["request_preview"]?.stringValue,
            responsePreview: json["response_preview"]?.stringValue, metadata: strings(json["trace_metadata"]),
            tags: strings(json["tags"]), assessments: try (json["assessments"]?.arrayValue ?? []).map(assessment))
    }

    static func trace(_ json: JSONValue) throws -> Trace {
        Trace(
            info: try info(json["trace_info"] ?? .null), spans: try (json["spans"]?.arrayValue ?? []).map(span))
    }

    static func assessment(_ json: JSONValue) throws -> Assessment {
        guard let assessment = try Assessment(mlflow: json) else { throw broken("an assessment") }
        return assessment
    }

    private static func span(_ json: JSONValue) throws -> TraceSpan {
        guard let trace = hex(json["trace_id"]), let id = hex(json["span_id"]), let name = json["name"]?.stringValue,
            let start = whole(json["start_time_unix_nano"])
        else { throw broken("a span") }
        let code = json["status"]?["code"]?.stringValue?.replacing("STATUS_CODE_", with: "")
        return TraceSpan(
            traceID: trace, id: id, parentID: hex(json["parent_span_id"]), name: name, start: start,
            end: whole(json["end_time_unix_nano"]), status: code.flatMap(TraceSpan.Status.init) ?? .unset,
            statusMessage: json["status"]?["message"]?.stringValue ?? "", attributes: attributes(json),
            events: (json["events"]?.arrayValue ?? []).map {
                TraceSpan.Event(
                    name: $0["name"]?.stringValue ?? "", time: whole($0["time_unix_nano"]) ?? 0,
                    attributes: attributes($0))
            },
            links: (json["links"]?.arrayValue ?? []).map {
                TraceSpan.Link(
                    traceID: hex($0["trace_id"]) ?? "", spanID: hex($0["span_id"]) ?? "", attributes: attributes($0))
            })
    }

    private static func attributes(_ json: JSONValue) -> [String: JSONValue] {
        pairs(json["attributes"])
    }

    private static func pairs(_ list: JSONValue?) -> [String: JSONValue] {
        Dictionary(
            (list?.arrayValue ?? []).map { ($0["key"]?.stringValue ?? "", plain($0["value"])) },
            uniquingKeysWith: { $1 })
    }

    private static func plain(_ value: JSONValue?) -> JSONValue {
        guard let member = value?.objectValue?.first else { return .null }
        switch member.key {
        case "array_value": return .array((member.value["values"]?.arrayValue ?? []).map(plain))
        case "kvlist_value": return .object(pairs(member.value["values"]))
        case "int_value": return whole(member.value).map(JSONValue.int) ?? .null
        default: return member.value
        }
    }

    private static func whole(_ value: JSONValue?) -> Int64? {
        value?.intValue ?? value?.stringValue.flatMap { Int64($0) }
    }

    private static func strings(_ value: JSONValue?) -> [String: String] {
        (value?.objectValue ?? [:]).compactMapValues(\.stringValue)
    }

    private static func hex(_ value: JSONValue?) -> String? {
        value?.stringValue.flatMap { Data(base64Encoded: $0) }.map {
            $0.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
    }

    private static func base64(_ hex: String) -> String {
        let digits = Array(hex.utf8)
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
        }
        return Data(bytes).base64EncodedString()
    }

    private static func broken(_ what: String) -> NestboxError {
        NestboxError(.unavailable, "the server's answer holds \(what) without the fields that every one has")
    }

    // MARK: sending

    static func json(_ info: TraceInfo) -> JSONValue {
        var json: [String: JSONValue] = [
            "trace_id": .string(info.id), "request_time": .string(info.requestTime.iso8601),
            "trace_location": [
                "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": ["experiment_id": .string(info.experimentID)],
            ], "state": .string(info.state.rawValue),
            "trace_metadata": .object(info.metadata.mapValues(JSONValue.string)),
            "tags": .object(info.tags.mapValues(JSONValue.string)), "assessments": .array(info.assessments.map(json)),
        ]
        json["execution_duration"] = info.duration.map { .string("\(Double($0) / 1000)s") }
        json["client_request_id"] = info.clientRequestID.map(JSONValue.string)
        json["request_preview"] = info.requestPreview.map(JSONValue.string)
        json["response_preview"] = info.responsePreview.map(JSONValue.string)
        return .object(json)
    }

    static func json(_ assessment: Assessment) -> JSONValue {
        var json: [String: JSONValue] = [
            "assessment_name": .string(assessment.name), "trace_id": .string(assessment.traceID),
            "source": [
                "source_type": .string(assessment.sourceType.rawValue), "source_id": .string(assessment.sourceID),
            ], "create_time": .string(assessment.createdAt.iso8601),
            "last_update_time": .string(assessment.updatedAt.iso8601),
            "metadata": .object(assessment.metadata.mapValues(JSONValue.string)), "valid": .bool(assessment.isValid),
        ]
        if !assessment.id.isEmpty { json["assessment_id"] = .string(assessment.id) }
        json["span_id"] = assessment.spanID.map(JSONValue.string)
        json["rationale"] = assessment.rationale.map(JSONValue.string)
        json["overrides"] = assessment.overrides.map(JSONValue.string)
        json.merge(value(assessment.kind, assessment.value, assessment.error)) { $1 }
        return .object(json)
    }

    static func value(
        _ kind: Assessment.Kind, _ value: JSONValue, _ error: Assessment.Failure?
    ) -> [String: JSONValue] {
        switch kind {
        case .issue: return ["issue": value]
        case .expectation:
            switch value {
            case .array, .object:
                let text = (try? JSON.string(value)) ?? "null"
                return [
                    "expectation": [
                        "serialized_value": ["serialization_format": "JSON_FORMAT", "value": .string(text)]
                    ]
                ]
            default: return ["expectation": ["value": value]]
            }
        case .feedback:
            var feedback: [String: JSONValue] = ["value": value]
            if let error {
                var json: [String: JSONValue] = ["error_code": .string(error.code)]
                json["error_message"] = error.message.map(JSONValue.string)
                json["stack_trace"] = error.stackTrace.map(JSONValue.string)
                feedback["error"] = .object(json)
            }
            return ["feedback": .object(feedback)]
        }
    }

    /// An `ExportTraceServiceRequest` in OTLP's JSON.
    /// - Parameter isForMLflow: whether links name spans as protocol buffers' JSON has it: an MLflow server (3.17) reads the
    ///   hexadecimal digits of spans, and drops links that have them.
    static func export(_ spans: [TraceSpan], resource: [String: JSONValue], isForMLflow: Bool) -> JSONValue {
        [
            "resourceSpans": [
                [
                    "resource": ["attributes": typed(resource)],
                    "scopeSpans": [["spans": .array(spans.map { json($0, isForMLflow: isForMLflow) })]],
                ]
            ]
        ]
    }

    private static func json(_ span: TraceSpan, isForMLflow: Bool) -> JSONValue {
        func linked(_ id: String) -> JSONValue { .string(isForMLflow ? base64(id) : id) }
        var json: [String: JSONValue] = [
            "traceId": .string(span.traceID), "spanId": .string(span.id), "name": .string(span.name),
            "startTimeUnixNano": .string(String(span.start)), "attributes": typed(span.attributes),
            "status": [
                "code": span.status == .error ? 2 : span.status == .ok ? 1 : 0, "message": .string(span.statusMessage),
            ],
            "events": .array(
                span.events.map {
                    [
                        "name": .string($0.name), "timeUnixNano": .string(String($0.time)),
                        "attributes": typed($0.attributes),
                    ]
                }),
            "links": .array(
                span.links.map {
                    [
                        "traceId": linked($0.traceID), "spanId": linked($0.spanID),
                        "attributes": typed($0.attributes),
                    ]
                }),
        ]
        json["parentSpanId"] = span.parentID.map(JSONValue.string)
        json["endTimeUnixNano"] = span.end.map { .string(String($0)) }
        return .object(json)
    }

    private static func typed(_ object: [String: JSONValue]) -> JSONValue {
        .array(object.map { ["key": .string($0.key), "value": typed($0.value)] })
    }

    private static func typed(_ value: JSONValue) -> JSONValue {
        switch value {
        case .null: [:]
        case .bool: ["boolValue": value]
        case .int(let number): ["intValue": .string(String(number))]
        case .number: ["doubleValue": value]
        case .string: ["stringValue": value]
        case .array(let items): ["arrayValue": ["values": .array(items.map(typed))]]
        case .object(let object): ["kvlistValue": ["values": typed(object)]]
        }
    }
}
