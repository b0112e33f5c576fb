import Contracts
import Core

/// `mlflow/traces/{trace_id}/assessments/…`
enum MLflowAssessmentRoutes {
    static func routes(_ traces: any TraceStore) -> [Route] {
        let path = "traces/{trace_id}/assessments"
        return MLflowTraceRoutes.endpoint(.post, path, "Assess a trace") { call, request in
            guard let assessment = try request.object("assessment") else { throw request.missing("assessment") }
            return answer(
                try await traces.addAssessment(try assessment.assessment(of: try call.parameter("trace_id"))))
        }
            + MLflowTraceRoutes.endpoint(.get, path + "/{assessment_id}", "One assessment") { call, _ in
                answer(
                    try await traces.assessment(
                        traceID: try call.parameter("trace_id"), id: try call.parameter("assessment_id")))
            }
            + MLflowTraceRoutes.endpoint(.patch, path + "/{assessment_id}", "Change an assessment") { call, request in
                answer(
                    try await traces.updateAssessment(
                        traceID: try call.parameter("trace_id"), id: try call.parameter("assessment_id"),
                        try update(request)))
            }
            + MLflowTraceRoutes.endpoint(.delete, path + "/{assessment_id}", "Remove an assessment") { call, _ in
                try await traces.deleteAssessment(
                    traceID: try call.parameter("trace_id"), id: try call.parameter("assessment_id"))
                return MLflowRoutes.nothing
            }
    }

    private static func answer(_ assessment: Assessment) -> [UInt8] {
        MLflowJSONWriter.object { $0.object("assessment") { $0.assessment(assessment) } }
    }

    /// A field mask says which fields count; in JSON it is one text, in camel case or as the fields are called.
    private static func update(_ request: MLflowRequest) throws -> AssessmentUpdate {
        guard let assessment = try request.object("assessment") else { throw request.missing("assessment") }
        var update = AssessmentUpdate()
        for path in try request.required("update_mask").split(separator: ",") {
            switch path.trimmingCharacters(in: .whitespaces) {
            case "assessment_name", "assessmentName": update.name = try assessment.required("assessment_name")
            case "expectation", "feedback":
                let (kind, value, error) = try assessment.assessmentValue()
                (update.kind, update.value, update.error) = (kind, value, error)
            case "rationale": update.rationale = try assessment.string("rationale") ?? ""
            case "metadata": update.metadata = try assessment.map("metadata")
            case "valid":
                throw NestboxError.invalid(
                    "`valid` cannot be set", hint: "add an assessment that overrides this one, or remove that again")
            default: break
            }
        }
        return update
    }
}
