import Contracts
import Core

/// `mlflow/experiments/…`
enum MLflowExperimentRoutes {
    static func routes(_ tracking: any Tracking) -> [Route] {
        reading(tracking) + searching(tracking)
            + MLflowRoutes.endpoint(.post, "experiments/create", "Create an experiment") { request in
                let experiment = try await tracking.createExperiment(
                    name: try request.required("name"), artifactLocation: try request.nonempty("artifact_location"),
                    tags: try tags(request))
                return MLflowJSONWriter.object { $0.field("experiment_id", experiment.id) }
            }
            + MLflowRoutes.endpoint(.post, "experiments/update", "Rename an experiment") { request in
                try await tracking.renameExperiment(
                    id: try request.required("experiment_id"), to: try request.required("new_name"))
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.endpoint(.post, "experiments/delete", "Delete an experiment and its runs") { request in
                try await tracking.deleteExperiment(id: try request.required("experiment_id"))
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.endpoint(.post, "experiments/restore", "Restore a deleted experiment") { request in
                try await tracking.restoreExperiment(id: try request.required("experiment_id"))
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.endpoint(.post, "experiments/set-experiment-tag", "Set a tag of an experiment") { request in
                try await tracking.setExperimentTag(
                    id: try request.required("experiment_id"), key: try request.required("key"),
                    value: try request.string("value") ?? "")
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.endpoint(.post, "experiments/delete-experiment-tag", "Remove a tag of an experiment") {
                request in
                try await tracking.setExperimentTag(
                    id: try request.required("experiment_id"), key: try request.required("key"), value: nil)
                return MLflowRoutes.nothing
            }
    }

    /// MLflow takes a key that comes twice for an experiment that is there twice.
    private static func tags(_ request: MLflowRequest) throws -> [String: String] {
        do {
            return try request.distinctPairs("tags")
        } catch let error as NestboxError where error.cause is MLflowCode {
            throw NestboxError(.alreadyExists, error.message)
        }
    }

    private static func reading(_ tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(
            .get, "experiments/get", "One experiment",
            query: [.init("experiment_id", "its identifier", isRequired: true)]
        ) { request in
            let experiment = try await tracking.experiment(id: try request.required("experiment_id"))
            return MLflowJSONWriter.object { $0.object("experiment") { $0.experiment(experiment) } }
        }
            + MLflowRoutes.endpoint(
                .get, "experiments/get-by-name", "One experiment by its name",
                query: [.init("experiment_name", "its name", isRequired: true)]
            ) { request in
                let experiment = try await tracking.experiment(named: try request.required("experiment_name"))
                return MLflowJSONWriter.object { $0.object("experiment") { $0.experiment(experiment) } }
            }
    }

    private static func searching(_ tracking: any Tracking) -> [Route] {
        let query: [Route.QueryParameter] = [
            .init("view_type", "ACTIVE_ONLY (default), DELETED_ONLY or ALL"), .init("filter", "`name LIKE 'a%'`"),
            .init("order_by", "`name ASC`; may be repeated"), .init("max_results", "1 to 50000", isRequired: true),
            .init("page_token", "from the page before"),
        ]
        return [.get, .post].flatMap { method in
            MLflowRoutes.endpoint(
                method, "experiments/search", "Search experiments", query: method == .get ? query : []
            ) { request in
                let page = try await search(request, tracking)
                return MLflowJSONWriter.object {
                    $0.list("experiments", page.items) { $0.experiment($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
        }
    }

    private static func search(_ request: MLflowRequest, _ tracking: any Tracking) async throws -> Page<Experiment> {
        guard request.has("max_results") else { throw request.missing("max_results") }
        return try await tracking.experiments(
            ExperimentSearch(
                view: try request.choice("view_type", numbered: [ViewType.activeOnly, .deletedOnly, .all])
                    ?? .activeOnly, filter: try request.string("filter") ?? "",
                maxResults: try request.integer("max_results", default: 1000, in: 1...50_000),
                orderBy: try request.strings("order_by"), pageToken: try request.pageToken()))
    }
}
