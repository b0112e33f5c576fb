import Contracts
import Core

/// `LoggedModelStore` over MLflow REST, of MLflow 3.
extension RemoteTracking: LoggedModelStore {
    /// Points of a run that a server may be asked for.
    private static let largestSample = 2500

    private struct ModelAnswer: Decodable { var model: MLflowWire.LoggedModel }

    private struct Tags: Encodable { var tags: [MLflowWire.Pair] }

    private static func path(_ id: String, _ rest: String = "") -> String {
        "logged-models/\(APIClient.escape(id))\(rest)"
    }

    package func createLoggedModel(_ request: NewLoggedModel) async throws -> LoggedModel {
        struct Body: Encodable {
            var experiment_id: String
            var name: String?
            var model_type: String?
            var source_run_id: String?
            var params: [MLflowWire.Pair]
            var tags: [MLflowWire.Pair]
        }
        // An empty name is how MLflow says "any"; here it is a mistake.
        if request.name == "" { throw NestboxError.invalid("a logged model cannot be given an empty name") }
        let body = Body(
            experiment_id: request.experimentID, name: request.name, model_type: request.modelType,
            source_run_id: request.sourceRunID, params: MLflowWire.pairs(request.params),
            tags: MLflowWire.pairs(request.tags))
        return try await client.mlflow(.POST, "logged-models", body, as: ModelAnswer.self).model.value
    }

    package func loggedModel(id: String, includingDeleted: Bool) async throws -> LoggedModel {
        try await client.mlflow(
            Self.path(id), query: [("allow_deleted", includingDeleted ? "true" : nil)], as: ModelAnswer.self
        ).model.value
    }

    package func finalizeLoggedModel(id: String, status: LoggedModelStatus) async throws -> LoggedModel {
        try await client.mlflow(
            .PATCH, Self.path(id), ["model_id": id, "status": status.rawValue], as: ModelAnswer.self
        ).model.value
    }

    package func deleteLoggedModel(id: String) async throws {
        try await client.send(.DELETE, APIClient.mlflow + Self.path(id))
    }

    package func setLoggedModelTags(id: String, _ tags: [String: String]) async throws {
        try await client.mlflow(.PATCH, Self.path(id, "/tags"), Tags(tags: MLflowWire.pairs(tags)))
    }

    package func deleteLoggedModelTag(id: String, key: String) async throws {
        try await client.send(.DELETE, APIClient.mlflow + Self.path(id, "/tags/\(APIClient.escape(key))"))
    }

    package func logLoggedModelParams(id: String, _ params: [String: String]) async throws {
        struct Body: Encodable {
            var model_id: String
            var params: [MLflowWire.Pair]
        }
        try await client.mlflow(
            .POST, Self.path(id, "/params"), Body(model_id: id, params: MLflowWire.pairs(params)))
    }

    package func loggedModels(_ search: LoggedModelSearch) async throws -> Page<LoggedModel> {
        struct Dataset: Encodable {
            var dataset_name: String?
            var dataset_digest: String?
        }
        struct Order: Encodable {
            var field_name: String
            var ascending: Bool
            var dataset_name: String?
            var dataset_digest: String?
        }
        struct Body: Encodable {
            var experiment_ids: [String]
            var filter: String
            var datasets: [Dataset]
            var order_by: [Order]
            var max_results: Int
            var page_token: String?
        }
        struct Answer: Decodable {
            var models: [MLflowWire.LoggedModel]?
            var next_page_token: String?
        }
        let body = Body(
            experiment_ids: search.experimentIDs, filter: search.filter,
            datasets: search.datasets.map { Dataset(dataset_name: $0.name, dataset_digest: $0.digest) },
            order_by: search.orderBy.map {
                Order(
                    field_name: $0.field, ascending: $0.isAscending, dataset_name: $0.datasetName,
                    dataset_digest: $0.datasetDigest)
            },
            max_results: search.maxResults, page_token: search.pageToken)
        let answer = try await client.mlflow(.POST, "logged-models/search", body, as: Answer.self)
        return Page(items: (answer.models ?? []).map(\.value), nextPageToken: Self.token(answer.next_page_token))
    }

    // MARK: Runs

    private struct Links: Encodable {
        var run_id: String
        var models: [MLflowWire.ModelOutput]
    }

    package func logModelInputs(runID: String, modelIDs: [String]) async throws {
        let models = modelIDs.map { MLflowWire.ModelOutput(model_id: $0) }
        try await client.mlflow(.POST, "runs/log-inputs", Links(run_id: runID, models: models))
    }

    package func logModelOutputs(runID: String, _ outputs: [ModelOutput]) async throws {
        let models = outputs.map { MLflowWire.ModelOutput(model_id: $0.modelID, step: .init($0.step)) }
        try await client.mlflow(.POST, "runs/outputs", Links(run_id: runID, models: models))
    }

    // MARK: Metrics and datasets

    package func metricSample(
        runID: String, key: String, steps: ClosedRange<Int64>?, maxResults: Int
    ) async throws -> [MetricPoint] {
        struct Answer: Decodable { var metrics: [MLflowWire.Metric]? }
        return try await client.mlflow(
            "metrics/get-history-bulk-interval",
            query: [
                ("run_ids", runID), ("metric_key", key), ("start_step", steps.map { String($0.lowerBound) }),
                ("end_step", steps.map { String($0.upperBound) }),
                ("max_results", String(min(maxResults, Self.largestSample))),
            ], as: Answer.self
        ).metrics?.map(\.point) ?? []
    }

    package func metricCurve(
        runID: String, key: String, steps: ClosedRange<Int64>?, buckets: Int
    ) async throws -> MetricCurve {
        guard client.dialect == .nestbox else {
            return try await curveOfPoints(runID: runID, key: key, steps: steps, buckets: buckets)
        }
        return try await client.get(
            APIClient.path(
                "/api/v1/runs/\(APIClient.escape(runID))/curve",
                query: [
                    ("key", key), ("buckets", String(buckets)), ("from", steps.map { String($0.lowerBound) }),
                    ("to", steps.map { String($0.upperBound) }),
                ]))
    }

    /// Points of a series that an MLflow server is asked for one by one; it has no summaries.
    private static let mostPointsOfACurve = 100_000

    /// A longer series is drawn from an even sample.
    private func curveOfPoints(
        runID: String, key: String, steps: ClosedRange<Int64>?, buckets: Int
    ) async throws -> MetricCurve {
        guard (1...MetricCurve.mostBuckets).contains(buckets) else {
            throw NestboxError.invalid("a curve has 1 to \(MetricCurve.mostBuckets) buckets, not \(buckets)")
        }
        _ = try await run(id: runID)
        var points: [MetricPoint] = [], token: String?
        repeat {
            let page = try await metricHistory(runID: runID, key: key, maxResults: 25_000, pageToken: token)
            points += page.items.filter { steps?.contains($0.step) ?? true }
            token = page.nextPageToken
        } while token != nil && points.count < Self.mostPointsOfACurve
        if token != nil {
            points = try await metricSample(runID: runID, key: key, steps: steps, maxResults: Self.largestSample)
        }
        points.sort { ($0.step, $0.timestamp.milliseconds) < ($1.step, $1.timestamp.milliseconds) }
        return MetricCurve(points, atMost: buckets)
    }

    package func datasetSummaries(experimentIDs: [String]) async throws -> [DatasetSummary] {
        struct Summary: Decodable {
            var experiment_id: String
            var name: String?
            var digest: String?
            var context: String?
        }
        struct Answer: Decodable { var dataset_summaries: [Summary]? }
        // Under MLflow's other prefix: its servers answer it to their own pages only.
        let answer = try await client.send(
            .POST, "/ajax-api/2.0/mlflow/experiments/search-datasets", body: ["experiment_ids": experimentIDs],
            as: Answer.self)
        return (answer.dataset_summaries ?? []).map {
            DatasetSummary(
                experimentID: $0.experiment_id, name: $0.name ?? "", digest: $0.digest ?? "", context: $0.context)
        }
    }
}

extension MLflowWire {
    /// Also an input, which has no step.
    package struct ModelOutput: Codable, Sendable {
        package var model_id: String
        package var step: Whole?

        package var value: Contracts.ModelOutput { .init(modelID: model_id, step: step?.value ?? 0) }
    }

    package struct LoggedModel: Codable, Sendable {
        package struct Info: Codable, Sendable {
            package var model_id: String
            package var experiment_id: String
            package var name: String
            package var creation_timestamp_ms: Whole?
            package var last_updated_timestamp_ms: Whole?
            package var artifact_uri: String?
            package var status: LoggedModelStatus
            package var model_type: String?
            package var source_run_id: String?
            package var status_message: String?
            package var tags: [Pair]?
        }

        package struct Data: Codable, Sendable {
            package var params: [Pair]?
            package var metrics: [Metric]?
        }

        package var info: Info
        package var data: Data?

        /// An MLflow server does not say whether a model is deleted.
        package var value: Contracts.LoggedModel {
            let created = info.creation_timestamp_ms?.timestamp ?? Timestamp(milliseconds: 0)
            return Contracts.LoggedModel(
                id: info.model_id, experimentID: info.experiment_id, name: info.name, modelType: text(info.model_type),
                sourceRunID: text(info.source_run_id), status: info.status, statusMessage: text(info.status_message),
                artifactURI: info.artifact_uri ?? "", createdAt: created,
                updatedAt: info.last_updated_timestamp_ms?.timestamp ?? created, params: dictionary(data?.params),
                tags: dictionary(info.tags),
                metrics: (data?.metrics ?? []).map {
                    LoggedModelMetric(
                        modelID: info.model_id, point: $0.point, runID: $0.run_id ?? "",
                        datasetName: text($0.dataset_name), datasetDigest: text($0.dataset_digest))
                })
        }

        private func text(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
    }
}
