import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird

/// `mlflow/traces/…` of the 3.0 API, and what both versions share. Assessments and the older API have files of their own.
enum MLflowTraceRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        let traces = appliance.traces, artifacts = appliance.artifacts
        return reading(traces) + writing(traces, artifacts) + links(traces) + MLflowAssessmentRoutes.routes(traces)
            + MLflowLegacyTraceRoutes.routes(traces) + MLflowTraceMetricRoutes.routes(traces) + [
                artifact(traces, artifacts)
            ]
    }

    /// The same endpoint in both versions of the API.
    static func both(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String,
        _ body: @escaping @Sendable (MLflowRequest) async throws -> [UInt8]
    ) -> [Route] {
        ["3.0", "2.0"].flatMap { MLflowRoutes.endpoint(method, path, summary, version: $0, body) }
    }

    /// An endpoint whose path names a trace, or an assessment of one.
    static func endpoint(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, version: String = "3.0",
        _ body: @escaping @Sendable (Call, MLflowRequest) async throws -> [UInt8]
    ) -> [Route] {
        // The path's values are known only to the call.
        MLflowRoutes.endpoint(method, path, summary, version: version) { _ in [] }.map {
            $0.with {
                $0.handler = { call in
                    .bytes(try await body(call, try await MLflowRequest(call)), type: "application/json")
                }
            }
        }
    }

    // MARK: reading

    private static func reading(_ traces: any TraceStore) -> [Route] {
        endpoint(.get, "traces/{trace_id}", "One trace without its spans") { call, _ in
            let info = try await traces.info(id: try call.parameter("trace_id"))
            return MLflowJSONWriter.object { $0.object("trace") { $0.object("trace_info") { $0.traceInfo(info) } } }
        }
            + MLflowRoutes.endpoint(
                .get, "traces/get", "One trace with its spans",
                query: [
                    .init("trace_id", "its identifier", isRequired: true),
                    .init("allow_partial", "true: do not wait for spans that are missing"),
                ], version: "3.0"
            ) { request in
                let trace = try await traces.trace(
                    id: try request.required("trace_id"), allowPartial: try request.bool("allow_partial") ?? false)
                return MLflowJSONWriter.object { $0.object("trace") { $0.trace(trace) } }
            }
            + MLflowRoutes.endpoint(
                .get, "traces/batchGet", "Traces with their spans",
                query: [.init("trace_ids", "an identifier; repeat for more", isRequired: true)], version: "3.0"
            ) { request in
                let (ids, experiments) = try identifiers(request)
                let found = try await traces.traces(ids: ids).filter {
                    experiments?.contains($0.info.experimentID) ?? true
                }
                return MLflowJSONWriter.object { $0.list("traces", found) { $0.trace($1) } }
            }
            + MLflowRoutes.endpoint(.post, "traces/batchGetInfos", "Traces without their spans", version: "3.0") {
                request in
                let (ids, experiments) = try identifiers(request)
                let found = try await traces.infos(ids: ids).filter { experiments?.contains($0.experimentID) ?? true }
                return MLflowJSONWriter.object { $0.list("trace_infos", found) { $0.traceInfo($1) } }
            }
            + MLflowRoutes.endpoint(.post, "traces/search", "Search the traces of experiments", version: "3.0") {
                request in
                guard request.has("locations") else { throw request.missing("locations") }
                let experiments = try request.objects("locations").compactMap {
                    try $0.object("mlflow_experiment")?.required("experiment_id")
                }
                let page = try await traces.search(try search(request, experiments))
                return MLflowJSONWriter.object {
                    $0.list("traces", page.items) { $0.traceInfo($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func identifiers(_ request: MLflowRequest) throws -> ([String], Set<String>?) {
        let ids = try request.strings("trace_ids")
        guard !ids.isEmpty else { throw request.missing("trace_ids") }
        guard ids.count <= 500 else {
            throw NestboxError.invalid("`trace_ids` names \(ids.count) traces; at most 500 are answered at once")
        }
        return (ids, request.has("experiment_ids") ? Set(try request.strings("experiment_ids")) : nil)
    }

    static func search(_ request: MLflowRequest, _ experiments: [String]) throws -> TraceSearch {
        TraceSearch(
            experimentIDs: experiments, filter: try request.string("filter") ?? "",
            orderBy: try request.strings("order_by"),
            maxResults: try request.integer("max_results", default: 100, in: 1...500),
            pageToken: try request.filled("page_token"))
    }

    // MARK: writing

    private static func writing(_ traces: any TraceStore, _ artifacts: any ArtifactStore) -> [Route] {
        let put = MLflowRoutes.endpoint(.post, "traces", "Store a trace's summary", version: "3.0") { request in
            guard let trace = try request.object("trace"), let info = try trace.object("trace_info") else {
                throw request.missing("trace")
            }
            let stored = try await traces.put(try info.traceInfo())
            return MLflowJSONWriter.object { $0.object("trace") { $0.object("trace_info") { $0.traceInfo(stored) } } }
        }
        let delete = both(.post, "traces/delete-traces", "Remove traces by identifier or by age") { request in
            let experiment = try request.required("experiment_id")
            let ids = try await traces.delete(experimentID: experiment, try selection(request))
            for id in ids {
                do {
                    try await artifacts.delete("\(experiment)/traces/\(id)")
                } catch let error as NestboxError where error.code == .notFound {
                    // Most traces have no files.
                }
            }
            return MLflowJSONWriter.object { $0.field("traces_deleted", Int64(ids.count)) }
        }
        let tags = ["3.0", "2.0"].flatMap { version in
            endpoint(.patch, "traces/{trace_id}/tags", "Set a tag of a trace", version: version) { call, request in
                let key = try request.required("key")
                try refuseSystemTag(key, "set")
                do {
                    try await traces.setTag(
                        id: try call.parameter("trace_id"), key: key, value: try request.string("value") ?? "")
                } catch var error as NestboxError where error.code == .notFound {
                    error.cause = MLflowCode.badRequest
                    throw error
                }
                return MLflowRoutes.nothing
            }
                + endpoint(.delete, "traces/{trace_id}/tags", "Remove a tag of a trace", version: version) {
                    call, request in
                    let key = try request.required("key")
                    try refuseSystemTag(key, "deleted")
                    try await traces.setTag(id: try call.parameter("trace_id"), key: key, value: nil)
                    return MLflowRoutes.nothing
                }
        }
        return put + delete + tags
    }

    private static func selection(_ request: MLflowRequest) throws -> TraceSelection {
        let ids = try request.strings("request_ids")
        let moment = try request.integer("max_timestamp_millis"), limit = try request.integer("max_traces")
        guard moment != nil || !ids.isEmpty else {
            throw NestboxError.invalid("Either `max_timestamp_millis` or `trace_ids` must be specified.")
        }
        guard moment == nil || ids.isEmpty else {
            throw NestboxError.invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified.")
        }
        guard limit == nil || ids.isEmpty else {
            throw NestboxError.invalid("`max_traces` can't be specified if `trace_ids` is specified.")
        }
        guard limit ?? 1 > 0 else {
            throw NestboxError.invalid("`max_traces` must be a positive integer, received \(limit ?? 0).")
        }
        return moment.map { .until(Timestamp(milliseconds: $0), limit: limit.map { Int(clamping: $0) }) } ?? .ids(ids)
    }

    private static func refuseSystemTag(_ key: String, _ operation: String) throws {
        guard key == TraceKey.spansLocation || key == "mlflow.trace.archiveLocation" else { return }
        throw NestboxError.invalid("Tag '\(key)' is immutable and cannot be \(operation) on a trace.")
    }

    private static func links(_ traces: any TraceStore) -> [Route] {
        both(.post, "traces/link-to-run", "Link traces to a run") { request in
            guard request.has("trace_ids") else { throw request.missing("trace_ids") }
            let ids = try request.strings("trace_ids")
            let run = try request.required("run_id")
            if !ids.isEmpty { try await traces.link(traceIDs: ids, toRun: run) }
            return MLflowRoutes.nothing
        }
            + both(.post, "traces/link-prompts", "Link prompt versions to a trace") { request in
                guard request.has("prompt_versions") else { throw request.missing("prompt_versions") }
                let prompts = try request.objects("prompt_versions").map {
                    "\(try $0.required("name"))/\(try $0.required("version"))"
                }
                try await traces.link(traceID: try request.required("trace_id"), toPrompts: prompts)
                return MLflowRoutes.nothing
            }
    }

    // MARK: artifacts

    /// The spans as the file `traces.json` that clients keep traces in, or a file beside it.
    private static func artifact(_ traces: any TraceStore, _ artifacts: any ArtifactStore) -> Route {
        Route(.get, "/ajax-api/3.0/mlflow/get-trace-artifact", "MLflow", "A trace's spans as a file") { call in
            let request = try await MLflowRequest(call)
            let trace = try await traces.trace(id: try request.required("request_id"), allowPartial: true)
            let folder = try ArtifactPath.path(ofURI: trace.info.tags[TraceKey.artifactLocation] ?? "")
            if let path = try request.filled("path") {
                return try await MLflowArtifactRoutes.send("\(folder)/attachments/\(path)", call, artifacts)
            }
            guard trace.spans.isEmpty else {
                var response = Response.bytes(try TraceFile.encode(trace.spans), type: "application/json")
                response.headers[.contentDisposition] = "attachment; filename=\"traces.json\""
                return response
            }
            return try await MLflowArtifactRoutes.send("\(folder)/traces.json", call, artifacts)
        }.with {
            $0.errors = .mlflow
            $0.isHidden = true
        }
    }
}
