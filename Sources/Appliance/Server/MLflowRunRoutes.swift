import Contracts
import Core

/// `mlflow/runs/…` but for what logs to them.
enum MLflowRunRoutes {
    private static let statuses: [RunStatus] = [.running, .scheduled, .finished, .failed, .killed]

    static func routes(_ tracking: any Tracking) -> [Route] {
        lifecycle(tracking)
            + MLflowRoutes.endpoint(.post, "runs/search", "Search the runs of experiments") { request in
                let page = try await search(request, tracking)
                return MLflowJSONWriter.object {
                    $0.list("runs", page.items) { $0.run($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func lifecycle(_ tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(.post, "runs/create", "Begin a run", isBrief: true) { request in
            guard let experiment = try request.nonempty("experiment_id") else { throw refusal("experiment_id") }
            let tags = try request.distinctPairs("tags")
            guard tags["mlflow.runName"] != "" else { throw refusal("tags: mlflow.runName") }
            let run = try await tracking.createRun(
                NewRun(
                    experimentID: experiment, name: try request.nonempty("run_name") ?? tags["mlflow.runName"],
                    user: try request.string("user_id"),
                    startTime: try request.integer("start_time").map(Timestamp.init(milliseconds:)), tags: tags))
            return MLflowJSONWriter.object { $0.object("run") { $0.run(run) } }
        }.map(noBodyIsABadRequest)
            + MLflowRoutes.endpoint(
                .get, "runs/get", "One run with its parameters, latest metrics, tags and inputs",
                query: [.init("run_id", "its identifier", isRequired: true)], isBrief: true,
                immediate: { query, _ in
                    let request = MLflowRequest(query: query)
                    guard let run = try tracking.runAtOnce(id: try request.runID()) else { return nil }
                    return MLflowJSONWriter.object { $0.object("run") { $0.run(run) } }
                }
            ) { request in
                let run = try await tracking.run(id: try request.runID())
                return MLflowJSONWriter.object { $0.object("run") { $0.run(run) } }
            }
            + MLflowRoutes.endpoint(.post, "runs/update", "Change a run's status, end time or name", isBrief: true) {
                request in
                let run = try await tracking.updateRun(
                    id: try request.runID(),
                    RunUpdate(
                        status: try request.choice("status", numbered: statuses),
                        endTime: try request.integer("end_time").map(Timestamp.init(milliseconds:)),
                        name: try request.string("run_name").flatMap { $0.isEmpty ? nil : $0 }))
                return MLflowJSONWriter.object { $0.object("run_info") { $0.runInfo(run) } }
            }
            + MLflowRoutes.endpoint(.post, "runs/delete", "Mark a run as deleted") { request in
                try await tracking.deleteRun(id: try request.runID())
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.endpoint(.post, "runs/restore", "Restore a deleted run") { request in
                try await tracking.restoreRun(id: try request.runID())
                return MLflowRoutes.nothing
            }
    }

    /// What MLflow leaves to its database to refuse, and has another code for.
    private static func refusal(_ what: String) -> NestboxError {
        NestboxError(
            .invalidArgument, "Missing value for required parameter '\(what)'.", hint: "every run is in an experiment",
            cause: MLflowCode.badRequest)
    }

    /// For MLflow a body that is no JSON object is an empty one.
    private static func noBodyIsABadRequest(_ route: Route) -> Route {
        route.with {
            $0.handler = { call in
                do {
                    return try await route.handler(call)
                } catch let error as NestboxError where error.cause is MLflowRequest.NoObject {
                    return MLflowError.response(error, as: MLflowCode.badRequest.rawValue, MLflowCode.badRequest.status)
                }
            }
        }
    }

    private static func search(_ request: MLflowRequest, _ tracking: any Tracking) async throws -> Page<Run> {
        try await tracking.runs(
            RunSearch(
                experimentIDs: try request.strings("experiment_ids"),
                view: try request.choice("run_view_type", numbered: [ViewType.activeOnly, .deletedOnly, .all])
                    ?? .activeOnly, filter: try request.string("filter") ?? "",
                maxResults: try request.integer("max_results", default: 1000, in: 1...50_000),
                orderBy: try request.strings("order_by"), pageToken: try request.pageToken()))
    }
}
