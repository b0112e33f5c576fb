import Contracts
import Core

/// The API of traces before MLflow 3, which clients fall back to: begin, end, one, search.
enum MLflowLegacyTraceRoutes {
    static func routes(_ traces: any TraceStore) -> [Route] {
        MLflowRoutes.endpoint(.post, "traces", "Begin a trace") { request in
            answer(
                try await traces.begin(
                    experimentID: try request.required("experiment_id"), at: try moment(request),
                    metadata: try request.pairs("request_metadata"), tags: try request.pairs("tags")))
        }
            + MLflowTraceRoutes.endpoint(.patch, "traces/{trace_id}", "End a trace", version: "2.0") {
                call, request in
                let state = try request.choice("status", numbered: [TraceState.ok, .error, .inProgress])
                return answer(
                    try await traces.end(
                        id: try call.parameter("trace_id"), at: try moment(request), state: state ?? .unspecified,
                        metadata: try request.pairs("request_metadata"), tags: try request.pairs("tags")))
            }
            + MLflowTraceRoutes.endpoint(
                .get, "traces/{trace_id}/info", "One trace without its spans", version: "2.0"
            ) { call, _ in
                answer(try await traces.info(id: try call.parameter("trace_id")))
            }
            + MLflowRoutes.endpoint(
                .get, "traces", "Search the traces of experiments",
                query: [.init("experiment_ids", "an experiment; repeat for more", isRequired: true)]
            ) { request in
                let experiments = try request.strings("experiment_ids")
                guard !experiments.isEmpty else { throw request.missing("experiment_ids") }
                let page = try await traces.search(try MLflowTraceRoutes.search(request, experiments))
                return MLflowJSONWriter.object {
                    $0.list("traces", page.items) { $0.legacyTraceInfo($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func answer(_ info: TraceInfo) -> [UInt8] {
        MLflowJSONWriter.object { $0.object("trace_info") { $0.legacyTraceInfo(info) } }
    }

    private static func moment(_ request: MLflowRequest) throws -> Timestamp {
        let milliseconds = try request.integer("timestamp_ms") ?? 0
        // Years 1 to 9999: what the newer API can write as text.
        guard (-62_135_596_800_000...253_402_300_799_999).contains(milliseconds) else {
            throw request.wrong("timestamp_ms", .int(milliseconds), "milliseconds since 1970")
        }
        return Timestamp(milliseconds: milliseconds)
    }
}
