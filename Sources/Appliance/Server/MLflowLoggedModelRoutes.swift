import Contracts
import Core
import Hummingbird

/// `mlflow/logged-models/…`, and what runs make and use of them.
enum MLflowLoggedModelRoutes {
    private static let statuses: [LoggedModelStatus] = [.pending, .ready, .failed]

    static func routes(_ models: any LoggedModelStore, artifacts: any ArtifactStore) -> [Route] {
        lifecycle(models) + logging(models) + outputs(models) + files(models, artifacts)
            + MLflowRoutes.endpoint(.post, "logged-models/search", "Search logged models") { request in
                guard request.has("experiment_ids") else { throw request.missing("experiment_ids") }
                if try request.asksForNothing() { return MLflowRoutes.nothing }
                let page = try await models.loggedModels(try search(request))
                return MLflowJSONWriter.object {
                    $0.list("models", page.items) { $0.loggedModel($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func lifecycle(_ models: any LoggedModelStore) -> [Route] {
        MLflowRoutes.endpoint(.post, "logged-models", "Begin a logged model; its files follow") { request in
            let model = try await models.createLoggedModel(
                NewLoggedModel(
                    experimentID: try request.required("experiment_id"), name: try request.nonempty("name"),
                    modelType: try request.nonempty("model_type"), sourceRunID: try request.nonempty("source_run_id"),
                    params: try request.distinctPairs("params"), tags: try request.distinctPairs("tags")))
            return answer(model)
        }
            + MLflowRoutes.resource(.get, "logged-models/{model_id}", "One logged model") { call, request in
                answer(
                    try await models.loggedModel(
                        id: try call.parameter("model_id"),
                        includingDeleted: try request.string("allow_deleted")?.lowercased() == "true"))
            }
            + MLflowRoutes.resource(.patch, "logged-models/{model_id}", "Say that a model's files are stored") {
                _, request in
                let id = try request.required("model_id")
                guard let status = try request.choice("status", numbered: statuses) else {
                    throw request.missing("status")
                }
                return answer(try await models.finalizeLoggedModel(id: id, status: status))
            }
            + MLflowRoutes.resource(.delete, "logged-models/{model_id}", "Mark a logged model as deleted") { call, _ in
                try await models.deleteLoggedModel(id: try call.parameter("model_id"))
                return MLflowRoutes.nothing
            }
    }

    private static func logging(_ models: any LoggedModelStore) -> [Route] {
        MLflowRoutes.resource(.patch, "logged-models/{model_id}/tags", "Set tags of a logged model") { call, request in
            try await models.setLoggedModelTags(id: try call.parameter("model_id"), try request.pairs("tags"))
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.resource(.delete, "logged-models/{model_id}/tags/{tag_key}", "Remove a tag") { call, _ in
                try await models.deleteLoggedModelTag(
                    id: try call.parameter("model_id"), key: try call.parameter("tag_key"))
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.resource(.post, "logged-models/{model_id}/params", "Log parameters of a model") {
                _, request in
                try await models.logLoggedModelParams(
                    id: try request.required("model_id"), try request.distinctPairs("params"))
                return MLflowRoutes.nothing
            }
    }

    private static func outputs(_ models: any LoggedModelStore) -> [Route] {
        MLflowRoutes.endpoint(.post, "runs/outputs", "Record the models that a run made") { request in
            let id = try request.runID()
            guard request.has("models") else { throw request.missing("models") }
            let outputs = try request.objects("models").map {
                ModelOutput(modelID: try $0.required("model_id"), step: try $0.integer("step") ?? 0)
            }
            try await models.logModelOutputs(runID: id, outputs)
            return MLflowRoutes.nothing
        }
    }

    private static func files(_ models: any LoggedModelStore, _ artifacts: any ArtifactStore) -> [Route] {
        MLflowRoutes.resource(
            .get, "logged-models/{model_id}/artifacts/directories", "Files and folders of a logged model",
            query: [.init("artifact_directory_path", "a folder below its files")]
        ) { call, request in
            let model = try await models.loggedModel(id: try call.parameter("model_id"), includingDeleted: false)
            return try await MLflowArtifactRoutes.listing(
                of: model.artifactURI, folder: try request.nonempty("artifact_directory_path"), artifacts)
        }
    }

    private static func answer(_ model: LoggedModel) -> [UInt8] {
        MLflowJSONWriter.object { $0.object("model") { $0.loggedModel(model) } }
    }

    private static func search(_ request: MLflowRequest) throws -> LoggedModelSearch {
        LoggedModelSearch(
            experimentIDs: try request.strings("experiment_ids"), filter: try request.string("filter") ?? "",
            datasets: try request.objects("datasets").map {
                .init(name: try $0.string("dataset_name") ?? "", digest: try $0.nonempty("dataset_digest"))
            },
            orderBy: try request.objects("order_by").map {
                .init(
                    try $0.string("field_name") ?? "", isAscending: try $0.bool("ascending") ?? true,
                    datasetName: try $0.nonempty("dataset_name"), datasetDigest: try $0.nonempty("dataset_digest"))
            },
            maxResults: try request.integer("max_results", default: 100, in: 1...50_000),
            pageToken: try request.pageToken())
    }
}

extension MLflowRoutes {
    /// One endpoint with parts of its path as values.
    static func resource(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, query: [Route.QueryParameter] = [],
        _ body: @escaping @Sendable (Call, MLflowRequest) async throws -> [UInt8]
    ) -> [Route] {
        endpoint(method, path, summary, query: query) { _ in nothing }.map { route in
            route.with {
                $0.handler = { call in
                    .bytes(try await body(call, try await MLflowRequest(call)), type: "application/json")
                }
            }
        }
    }
}

extension MLflowRequest {
    /// A text, where an empty one means that there is none.
    func nonempty(_ name: String) throws -> String? { try string(name).flatMap { $0.isEmpty ? nil : $0 } }
}

extension MLflowJSONWriter {
    mutating func loggedModel(_ model: LoggedModel) {
        object("info") {
            $0.field("model_id", model.id)
            $0.field("experiment_id", model.experimentID)
            $0.field("name", model.name)
            $0.field("creation_timestamp_ms", model.createdAt.milliseconds)
            $0.field("last_updated_timestamp_ms", model.updatedAt.milliseconds)
            $0.field("artifact_uri", model.artifactURI)
            $0.field("status", model.status.rawValue)
            $0.field("model_type", model.modelType ?? "")
            $0.field("source_run_id", model.sourceRunID ?? "")
            $0.field("status_message", model.statusMessage)
            $0.pairs("tags", model.tags)
        }
        object("data") {
            $0.pairs("params", model.params)
            $0.list("metrics", model.metrics) { writer, metric in
                writer.metric(metric.point)
                writer.field("dataset_name", metric.datasetName)
                writer.field("dataset_digest", metric.datasetDigest)
                writer.field("model_id", metric.modelID)
                writer.field("run_id", metric.runID)
            }
        }
    }
}
