import Contracts
import Core

/// `Tracking` over MLflow REST: another Nestbox, or an MLflow server that a team has outgrown it to.
///
/// An MLflow server has rules of its own where a Nestbox has better ones: it cuts long values off, keeps ±Inf as the largest
/// number, keeps the metrics of a batch whose logged model is unknown, pages by offset, and complains without positions.
package struct RemoteTracking: Tracking {
    let client: APIClient
    /// Where the files of a new experiment go when the request does not say; nil leaves it to the server.
    private let artifactLocation: (@Sendable () -> String)?

    package init(_ client: APIClient, artifactLocation: (@Sendable () -> String)? = nil) {
        self.client = client
        self.artifactLocation = artifactLocation
    }

    // MARK: Experiments

    private struct ExperimentAnswer: Decodable { var experiment: MLflowWire.Experiment }

    package func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws
        -> Experiment
    {
        struct Body: Encodable {
            var name: String
            var artifact_location: String?
            var tags: [MLflowWire.Pair]
        }
        struct Answer: Decodable { var experiment_id: String }
        let location = artifactLocation ?? self.artifactLocation?()
        let body = Body(name: name, artifact_location: location, tags: MLflowWire.pairs(tags))
        let made = try await client.mlflow(.POST, "experiments/create", body, as: Answer.self)
        return try await experiment(id: made.experiment_id)
    }

    package func experiment(id: String) async throws -> Experiment {
        try await client.mlflow("experiments/get", query: [("experiment_id", id)], as: ExperimentAnswer.self).experiment
            .value
    }

    package func experiment(named name: String) async throws -> Experiment {
        try await client.mlflow(
            "experiments/get-by-name", query: [("experiment_name", name)], as: ExperimentAnswer.self
        ).experiment.value
    }

    package func experiments(_ search: ExperimentSearch) async throws -> Page<Experiment> {
        struct Body: Encodable {
            var view_type: ViewType
            var filter: String
            var max_results: Int
            var order_by: [String]
            var page_token: String?
        }
        struct Answer: Decodable {
            var experiments: [MLflowWire.Experiment]?
            var next_page_token: String?
        }
        let body = Body(
            view_type: search.view, filter: search.filter, max_results: search.maxResults, order_by: search.orderBy,
            page_token: search.pageToken)
        let answer = try await client.mlflow(.POST, "experiments/search", body, as: Answer.self)
        return Page(items: (answer.experiments ?? []).map(\.value), nextPageToken: Self.token(answer.next_page_token))
    }

    package func renameExperiment(id: String, to name: String) async throws {
        try await client.mlflow(.POST, "experiments/update", ["experiment_id": id, "new_name": name])
    }

    package func deleteExperiment(id: String) async throws {
        try await client.mlflow(.POST, "experiments/delete", ["experiment_id": id])
    }

    package func restoreExperiment(id: String) async throws {
        try await client.mlflow(.POST, "experiments/restore", ["experiment_id": id])
    }

    package func setExperimentTag(id: String, key: String, value: String?) async throws {
        if let value {
            try await client.mlflow(
                .POST, "experiments/set-experiment-tag", ["experiment_id": id, "key": key, "value": value])
        } else {
            try await client.mlflow(.POST, "experiments/delete-experiment-tag", ["experiment_id": id, "key": key])
        }
    }

    // MARK: Runs

    private struct RunAnswer: Decodable { var run: MLflowWire.Run }

    package func createRun(_ request: NewRun) async throws -> Run {
        struct Body: Encodable {
            var experiment_id: String
            var run_name: String?
            var user_id: String?
            var start_time: Int64?
            var tags: [MLflowWire.Pair]
        }
        let body = Body(
            experiment_id: request.experimentID, run_name: request.name, user_id: request.user,
            start_time: request.startTime?.milliseconds, tags: MLflowWire.pairs(request.tags))
        return try await client.mlflow(.POST, "runs/create", body, as: RunAnswer.self).run.value
    }

    package func run(id: String) async throws -> Run {
        try await client.mlflow("runs/get", query: [("run_id", id)], as: RunAnswer.self).run.value
    }

    package func updateRun(id: String, _ update: RunUpdate) async throws -> Run {
        struct Body: Encodable {
            var run_id: String
            var status: RunStatus?
            var end_time: Int64?
            var run_name: String?
        }
        // An empty name is how MLflow says "no change"; here it is a mistake.
        if update.name == "" { throw NestboxError.invalid("a run cannot be given an empty name") }
        let body = Body(
            run_id: id, status: update.status, end_time: update.endTime?.milliseconds, run_name: update.name)
        try await client.mlflow(.POST, "runs/update", body)
        return try await run(id: id)
    }

    package func deleteRun(id: String) async throws { try await client.mlflow(.POST, "runs/delete", ["run_id": id]) }

    package func restoreRun(id: String) async throws { try await client.mlflow(.POST, "runs/restore", ["run_id": id]) }

    package func log(runID: String, _ batch: LogBatch) async throws {
        struct Body: Encodable {
            var run_id: String
            var metrics: [MLflowWire.Metric]
            var params: [MLflowWire.Pair]
            var tags: [MLflowWire.Pair]
        }
        // On the wire, a metric of the run and of a model are one.
        let measured = Set(batch.modelMetrics.map(\.point))
        let metrics =
            batch.metrics.filter { !measured.contains($0) }.map { MLflowWire.Metric($0) }
            + batch.modelMetrics.map { MLflowWire.Metric($0) }
        let body = Body(
            run_id: runID, metrics: metrics, params: MLflowWire.pairs(batch.params),
            tags: MLflowWire.pairs(batch.tags))
        try await client.mlflow(.POST, "runs/log-batch", body)
    }

    package func deleteTag(runID: String, key: String) async throws {
        try await client.mlflow(.POST, "runs/delete-tag", ["run_id": runID, "key": key])
    }

    package func logInputs(runID: String, _ inputs: [RunInput]) async throws {
        struct Body: Encodable {
            var run_id: String
            var datasets: [MLflowWire.Input]
        }
        try await client.mlflow(
            .POST, "runs/log-inputs", Body(run_id: runID, datasets: inputs.map(MLflowWire.Input.init)))
    }

    /// An MLflow server orders the points by time, then step; a Nestbox by step, then time.
    package func metricHistory(
        runID: String, key: String, maxResults: Int, pageToken: String?
    ) async throws -> Page<MetricPoint> {
        struct Answer: Decodable {
            var metrics: [MLflowWire.Metric]?
            var next_page_token: String?
        }
        let answer = try await client.mlflow(
            "metrics/get-history",
            query: [
                ("run_id", runID), ("metric_key", key), ("max_results", String(maxResults)), ("page_token", pageToken),
            ], as: Answer.self)
        return Page(items: (answer.metrics ?? []).map(\.point), nextPageToken: Self.token(answer.next_page_token))
    }

    package func runs(_ search: RunSearch) async throws -> Page<Run> {
        struct Body: Encodable {
            var experiment_ids: [String]
            var run_view_type: ViewType
            var filter: String
            var max_results: Int
            var order_by: [String]
            var page_token: String?
        }
        struct Answer: Decodable {
            var runs: [MLflowWire.Run]?
            var next_page_token: String?
        }
        let body = Body(
            experiment_ids: search.experimentIDs, run_view_type: search.view, filter: search.filter,
            max_results: search.maxResults, order_by: search.orderBy, page_token: search.pageToken)
        let answer = try await client.mlflow(.POST, "runs/search", body, as: Answer.self)
        return Page(items: (answer.runs ?? []).map(\.value), nextPageToken: Self.token(answer.next_page_token))
    }

    /// Some servers send an empty token with the last page.
    static func token(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
}
