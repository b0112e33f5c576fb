import Contracts
import Core
import Foundation

/// What runs log, `mlflow/runs/log-…`, and `mlflow/metrics/get-history`.
package enum MLflowLoggingRoutes {
    /// Of one batch. Source: mlflow/utils/validation.py.
    private static let mostMetrics = 1000, mostParamsOrTags = 100, mostEntities = 1000

    static func routes(_ tracking: any Tracking & LoggedModelStore) -> [Route] {
        single(tracking) + tags(tracking) + inputs(tracking) + history(tracking)
            + MLflowRoutes.endpoint(
                .post, "runs/log-batch", "Log metrics, parameters and tags: all or nothing", isBrief: true,
                immediate: { _, body in try logAtOnce(PlainMetrics.batch(body.readableBytesView), tracking) }
            ) { request in
                try await tracking.log(runID: try request.required("run_id"), try batch(request))
                return MLflowRoutes.nothing
            }
    }

    private static func single(_ tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(
            .post, "runs/log-metric", "Log one point of a metric", isBrief: true,
            immediate: { _, body in try logAtOnce(PlainMetrics.single(body.readableBytesView), tracking) }
        ) { request in
            let point = try point(request)
            let measured = try measurement(point, request).map { [$0] } ?? []
            try await tracking.log(runID: try request.runID(), LogBatch(metrics: [point], modelMetrics: measured))
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.endpoint(.post, "runs/log-parameter", "Log a parameter", isBrief: true) { request in
                let key = try request.required("key")
                try await tracking.log(
                    runID: try request.runID(), LogBatch(params: [key: try request.string("value") ?? ""]))
                return MLflowRoutes.nothing
            }
    }

    private static func logAtOnce(_ plain: PlainMetrics?, _ tracking: any Tracking) throws -> [UInt8]? {
        guard let plain, try tracking.logAtOnce(runID: plain.run, plain.points) else { return nil }
        return MLflowRoutes.nothing
    }

    private static func tags(_ tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(.post, "runs/set-tag", "Set a tag of a run", isBrief: true) { request in
            let key = try request.required("key")
            try await tracking.log(runID: try request.runID(), LogBatch(tags: [key: try request.string("value") ?? ""]))
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.endpoint(.post, "runs/delete-tag", "Remove a tag of a run") { request in
                _ = try request.runID()
                // MLflow looks for the run by its newer name only.
                try await tracking.deleteTag(
                    runID: try request.string("run_id") ?? "", key: try request.required("key"))
                return MLflowRoutes.nothing
            }
    }

    private static func inputs(_ tracking: any Tracking & LoggedModelStore) -> [Route] {
        MLflowRoutes.endpoint(.post, "runs/log-inputs", "Record the datasets and models that a run used") { request in
            let runID = try request.required("run_id")
            let models = try request.objects("models").map { try $0.required("model_id") }
            let datasets = try request.objects("datasets").map(input)
            if models.isEmpty || !datasets.isEmpty { try await tracking.logInputs(runID: runID, datasets) }
            if !models.isEmpty { try await tracking.logModelInputs(runID: runID, modelIDs: models) }
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.endpoint(.post, "runs/log-model", "Record that a run stored a model (before MLflow 3)") {
                request in
                let runID = try request.runID()
                let model = try model(request)
                // Kept where MLflow's own servers keep it.
                let tag = "mlflow.log-model.history"
                let history = try await tracking.run(id: runID).tags[tag] ?? "[]"
                var models = (try? JSON.decode([JSONValue].self, from: history)) ?? []
                models.append(model)
                try await tracking.log(runID: runID, LogBatch(tags: [tag: try JSON.string(models)]))
                return MLflowRoutes.nothing
            }
    }

    private static func history(_ tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(
            .get, "metrics/get-history", "Every point of a run's metric, by step and time",
            query: [
                .init("run_id", "the run", isRequired: true), .init("metric_key", "the metric", isRequired: true),
                .init("max_results", "points of one page; all without it"), .init("page_token", "from the page before"),
            ]
        ) { request in
            let runID = try request.runID(), key = try request.required("metric_key")
            var page = Page<MetricPoint>(items: [], nextPageToken: try request.pageToken())
            if request.has("max_results") {
                let limit = try request.integer("max_results", default: 1, in: 1...1_000_000)
                page = try await tracking.metricHistory(
                    runID: runID, key: key, maxResults: limit, pageToken: page.nextPageToken)
            } else {
                repeat {
                    let next = try await tracking.metricHistory(
                        runID: runID, key: key, maxResults: 25_000, pageToken: page.nextPageToken)
                    page = Page(items: page.items + next.items, nextPageToken: next.nextPageToken)
                } while page.nextPageToken != nil
            }
            return MLflowJSONWriter.object {
                $0.list("metrics", page.items) { $0.metric($1) }
                $0.field("next_page_token", page.nextPageToken)
            }
        }
    }

    package static func batch(_ request: MLflowRequest) throws -> LogBatch {
        let metrics = try request.objects("metrics"), params = try request.objects("params")
        let tags = try request.objects("tags")
        for (name, count, most) in [
            ("metrics", metrics.count, mostMetrics), ("params", params.count, mostParamsOrTags),
            ("tags", tags.count, mostParamsOrTags),
        ] where count > most {
            throw NestboxError.invalid("A batch logging request can contain at most \(most) \(name). Got \(count).")
        }
        let total = metrics.count + params.count + tags.count
        guard total <= mostEntities else {
            throw NestboxError.invalid(
                "A batch logging request can contain at most \(mostEntities) metrics, params and tags together. Got \(total)."
            )
        }
        var batch = LogBatch()
        for metric in metrics {
            let point = try point(metric)
            batch.metrics.append(point)
            if let measured = try measurement(point, metric) { batch.modelMetrics.append(measured) }
        }
        for param in params {
            let key = try param.required("key"), value = try param.string("value") ?? ""
            guard batch.params.updateValue(value, forKey: key) == nil else {
                throw NestboxError.invalid(
                    "Duplicate parameter keys have been submitted: `\(key)` is twice in one batch")
            }
        }
        for tag in tags { batch.tags[try tag.required("key")] = try tag.string("value") ?? "" }
        return batch
    }

    package static func point(_ request: MLflowRequest) throws -> MetricPoint {
        let key = try request.required("key")
        guard let value = try request.number("value") else { throw request.missing("value") }
        guard let timestamp = try request.integer("timestamp") else { throw request.missing("timestamp") }
        guard timestamp >= 0 else { throw request.wrong("timestamp", .int(timestamp), "milliseconds since 1970") }
        return MetricPoint(
            key: key, value: value, timestamp: Timestamp(milliseconds: timestamp),
            step: try request.integer("step") ?? 0)
    }

    /// A metric that names a logged model measures that too.
    private static func measurement(_ point: MetricPoint, _ request: MLflowRequest) throws -> LoggedModelMetric? {
        let name = try request.nonempty("dataset_name"), digest = try request.nonempty("dataset_digest")
        guard (name == nil) == (digest == nil) else {
            throw NestboxError.invalid("Both dataset_name and dataset_digest must be provided if one is provided")
        }
        guard let model = try request.nonempty("model_id") else { return nil }
        return LoggedModelMetric(modelID: model, point: point, datasetName: name, datasetDigest: digest)
    }

    private static func input(_ request: MLflowRequest) throws -> RunInput {
        // What is left out is empty, as for MLflow.
        let dataset = try request.object("dataset") ?? MLflowRequest(fields: [:])
        return RunInput(
            name: try dataset.string("name") ?? "", digest: try dataset.string("digest") ?? "",
            sourceType: try dataset.string("source_type") ?? "", source: try dataset.string("source") ?? "",
            schema: try dataset.string("schema"), profile: try dataset.string("profile"),
            tags: try request.distinctPairs("tags"))
    }

    private static func model(_ request: MLflowRequest) throws -> JSONValue {
        let model = try JSONReader.parse(try request.required("model_json").utf8, what: "`model_json`")
        let missing = ["artifact_path", "flavors", "run_id", "utc_time_created"].filter { model[$0] == nil }
        guard missing.isEmpty else {
            throw NestboxError.invalid("Model json is missing mandatory fields: \(missing.joined(separator: ", "))")
        }
        return model
    }
}
