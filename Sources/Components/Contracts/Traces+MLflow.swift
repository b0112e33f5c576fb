import Core

extension Assessment {
    /// MLflow's JSON of one; nil without the fields that every one has. Throws when a serialized value is not JSON.
    /// Source: mlflow/protos/assessments.proto (3.17).
    package init?(mlflow json: JSONValue) throws {
        guard let id = json["assessment_id"]?.stringValue, let name = json["assessment_name"]?.stringValue,
            let created = json["create_time"]?.stringValue.flatMap({ Timestamp(iso8601: $0) }),
            let updated = json["last_update_time"]?.stringValue.flatMap({ Timestamp(iso8601: $0) })
        else { return nil }
        var kind = Kind.feedback, value = json["feedback"]?["value"] ?? .null
        if let expectation = json["expectation"] {
            kind = .expectation
            let serialized = expectation["serialized_value"]?["value"]?.stringValue
            value = try serialized.map { try JSONReader.parse($0) } ?? expectation["value"] ?? .null
        } else if let issue = json["issue"] {
            (kind, value) = (.issue, issue)
        }
        self.init(
            id: id, traceID: json["trace_id"]?.stringValue ?? "", name: name, kind: kind, value: value,
            error: json["feedback"]?["error"].flatMap(Failure.init(mlflow:)),
            sourceType: json["source"]?["source_type"]?.stringValue.flatMap(SourceType.init) ?? .unspecified,
            sourceID: json["source"]?["source_id"]?.stringValue ?? "", createdAt: created, updatedAt: updated,
            spanID: json["span_id"]?.stringValue, rationale: json["rationale"]?.stringValue,
            metadata: (json["metadata"]?.objectValue ?? [:]).compactMapValues(\.stringValue),
            overrides: json["overrides"]?.stringValue, isValid: json["valid"]?.boolValue ?? true)
    }
}

extension Assessment.Failure {
    /// Nil for null.
    package init?(mlflow json: JSONValue) {
        guard json.objectValue != nil else { return nil }
        self.init(
            code: json["error_code"]?.stringValue ?? "", message: json["error_message"]?.stringValue,
            stackTrace: json["stack_trace"]?.stringValue)
    }
}
