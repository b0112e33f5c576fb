import Contracts
import Core

/// Metrics of many runs at once, as charts ask for them, and the datasets of experiments.
enum MLflowMetricRoutes {
    /// Source: mlflow/server/handlers.py and mlflow/store/tracking/__init__.py (3.17).
    private static let mostRuns = 100, mostPoints = 25_000, mostPointsOfARun = 2500, mostExperiments = 20

    static func routes(_ tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(
            .get, "metrics/get-history-bulk", "Every point of one metric of several runs",
            query: [
                .init("run_id", "a run; may be repeated", isRequired: true),
                .init("metric_key", "the metric", isRequired: true), .init("max_results", "points altogether"),
            ]
        ) { try await bulk($0, tracking) }
            + MLflowRoutes.endpoint(
                .get, "metrics/get-history-bulk-interval", "Points of one metric of several runs, evenly thinned out",
                query: [
                    .init("run_ids", "a run; may be repeated", isRequired: true),
                    .init("metric_key", "the metric", isRequired: true),
                    .init("start_step", "the first step; with end_step"), .init("end_step", "the last step"),
                    .init("max_results", "points of each run, 1 to 2500"),
                ]
            ) { try await interval($0, tracking) }
            + MLflowRoutes.endpoint(
                .post, "experiments/search-datasets", "The datasets that runs of experiments read"
            ) { try await datasets($0, tracking) }
    }

    private static func bulk(_ request: MLflowRequest, _ tracking: any Tracking) async throws -> [UInt8] {
        let runs = try request.strings("run_id")
        guard !runs.isEmpty else {
            throw NestboxError.invalid("GetMetricHistoryBulk request must specify at least one run_id.")
        }
        guard runs.count <= mostRuns else {
            throw NestboxError.invalid(
                "GetMetricHistoryBulk request cannot specify more than \(mostRuns) run_ids. Received \(runs.count) run_ids."
            )
        }
        guard let key = try request.string("metric_key") else {
            throw NestboxError.invalid("GetMetricHistoryBulk request must specify a metric_key.")
        }
        let limit = min(try request.integer("max_results", default: mostPoints, in: 1...Int.max), mostPoints)
        var found: [(run: String, point: MetricPoint)] = []
        for run in Set(runs).sorted() where found.count < limit {
            try await ignoringMissing {
                let page = try await tracking.metricHistory(
                    runID: run, key: key, maxResults: limit - found.count, pageToken: nil)
                found += page.items.map { (run, $0) }
            }
        }
        // Also when there are none: MLflow makes this answer by hand.
        return found.isEmpty ? Array("{\"metrics\":[]}".utf8) : answer(found)
    }

    private static func interval(_ request: MLflowRequest, _ tracking: any Tracking) async throws -> [UInt8] {
        let runs = try request.strings("run_ids")
        guard !runs.isEmpty else { throw request.missing("run_ids") }
        guard runs.count <= mostRuns else {
            throw NestboxError.invalid(
                "GetMetricHistoryBulkInterval request must specify at most \(mostRuns) run_ids. Received \(runs.count) run_ids."
            )
        }
        let key = try request.required("metric_key")
        let limit = try request.integer("max_results", default: mostPointsOfARun, in: 1...mostPointsOfARun)
        var steps: ClosedRange<Int64>?
        switch (try request.integer("start_step"), try request.integer("end_step")) {
        case (let first?, let last?):
            guard first <= last else {
                throw NestboxError.invalid(
                    "end_step must be greater than start_step. Found start_step=\(first) and end_step=\(last).")
            }
            steps = first...last
        case (nil, nil): break
        default:
            throw NestboxError.invalid(
                "If either start step or end step are specified, both must be specified.")
        }
        var found: [(run: String, point: MetricPoint)] = []
        for run in runs {
            try await ignoringMissing {
                let points = try await tracking.metricSample(runID: run, key: key, steps: steps, maxResults: limit)
                found += points.map { (run, $0) }
            }
        }
        return answer(found)
    }

    /// A run that somebody removed must not empty the chart of the others.
    private static func ignoringMissing(_ body: () async throws -> Void) async throws {
        do { try await body() } catch let error as NestboxError where error.code == .notFound {}
    }

    private static func answer(_ found: [(run: String, point: MetricPoint)]) -> [UInt8] {
        MLflowJSONWriter.object {
            $0.list("metrics", found) { writer, item in
                writer.metric(item.point)
                writer.field("run_id", item.run)
            }
        }
    }

    private static func datasets(_ request: MLflowRequest, _ tracking: any Tracking) async throws -> [UInt8] {
        let experiments = try request.strings("experiment_ids")
        guard !experiments.isEmpty else {
            throw NestboxError.invalid("SearchDatasets request must specify at least one experiment_id.")
        }
        guard experiments.count <= mostExperiments else {
            throw NestboxError.invalid(
                "SearchDatasets request cannot specify more than \(mostExperiments) experiment_ids. "
                    + "Received \(experiments.count) experiment_ids.")
        }
        let summaries = try await tracking.datasetSummaries(experimentIDs: experiments)
        return MLflowJSONWriter.object {
            $0.list("dataset_summaries", summaries) { writer, summary in
                writer.field("experiment_id", summary.experimentID)
                writer.field("name", summary.name)
                writer.field("digest", summary.digest)
                writer.field("context", summary.context)
            }
        }
    }
}
