import Core

/// MLflow 3's logged models: a model is an entity of its own, made by a run and measured by any number of runs.
package struct LoggedModel: Codable, Sendable, Hashable {
    /// `m-` and 32 hexadecimal digits.
    package var id: String
    package var experimentID: String
    package var name: String
    package var modelType: String?
    /// The run that made it.
    package var sourceRunID: String?
    package var status: LoggedModelStatus
    package var statusMessage: String?
    package var lifecycleStage: LifecycleStage
    /// `mlflow-artifacts:/<experiment>/models/<id>/artifacts`
    package var artifactURI: String
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var params: [String: String]
    package var tags: [String: String]
    /// Every point that was logged for it, in the order of logging.
    package var metrics: [LoggedModelMetric]

    package init(
        id: String, experimentID: String, name: String, modelType: String? = nil, sourceRunID: String? = nil,
        status: LoggedModelStatus, statusMessage: String? = nil, lifecycleStage: LifecycleStage = .active,
        artifactURI: String, createdAt: Timestamp, updatedAt: Timestamp, params: [String: String] = [:],
        tags: [String: String] = [:], metrics: [LoggedModelMetric] = []
    ) {
        self.id = id
        self.experimentID = experimentID
        self.name = name
        self.modelType = modelType
        self.sourceRunID = sourceRunID
        self.status = status
        self.statusMessage = statusMessage
        self.lifecycleStage = lifecycleStage
        self.artifactURI = artifactURI
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.params = params
        self.tags = tags
        self.metrics = metrics
    }
}

package enum LoggedModelStatus: String, Codable, Sendable, CaseIterable {
    case unspecified = "LOGGED_MODEL_STATUS_UNSPECIFIED"
    /// Its files are still on their way.
    case pending = "LOGGED_MODEL_PENDING"
    case ready = "LOGGED_MODEL_READY"
    case failed = "LOGGED_MODEL_UPLOAD_FAILED"
}

/// One measurement of a logged model, by a run and, when it says so, on a dataset.
package struct LoggedModelMetric: Codable, Sendable, Hashable {
    package var modelID: String
    package var point: MetricPoint
    /// The run that measured; filled in by the store.
    package var runID: String
    package var datasetName: String?
    package var datasetDigest: String?

    package init(
        modelID: String, point: MetricPoint, runID: String = "", datasetName: String? = nil,
        datasetDigest: String? = nil
    ) {
        self.modelID = modelID
        self.point = point
        self.runID = runID
        self.datasetName = datasetName
        self.datasetDigest = datasetDigest
    }
}

package struct NewLoggedModel: Codable, Sendable {
    package var experimentID: String
    /// Nil is given a readable name.
    package var name: String?
    package var modelType: String?
    package var sourceRunID: String?
    package var params: [String: String]
    package var tags: [String: String]

    package init(
        experimentID: String, name: String? = nil, modelType: String? = nil, sourceRunID: String? = nil,
        params: [String: String] = [:], tags: [String: String] = [:]
    ) {
        self.experimentID = experimentID
        self.name = name
        self.modelType = modelType
        self.sourceRunID = sourceRunID
        self.params = params
        self.tags = tags
    }
}

/// A model that a run made, and at which of its steps.
package struct ModelOutput: Codable, Sendable, Hashable {
    package var modelID: String
    package var step: Int64

    package init(modelID: String, step: Int64 = 0) {
        self.modelID = modelID
        self.step = step
    }
}

package struct LoggedModelSearch: Codable, Sendable {
    /// Only measurements on it count; nil `digest` is every version of it.
    package struct Dataset: Codable, Sendable, Hashable {
        package var name: String
        package var digest: String?

        package init(name: String, digest: String? = nil) {
            self.name = name
            self.digest = digest
        }
    }

    package struct Order: Codable, Sendable, Hashable {
        /// `metrics.auc`, or an attribute: `creation_timestamp`, `name`, …
        package var field: String
        package var isAscending: Bool
        /// For metrics: only what was measured on this dataset.
        package var datasetName: String?
        package var datasetDigest: String?

        package init(
            _ field: String, isAscending: Bool = true, datasetName: String? = nil, datasetDigest: String? = nil
        ) {
            self.field = field
            self.isAscending = isAscending
            self.datasetName = datasetName
            self.datasetDigest = datasetDigest
        }
    }

    package var experimentIDs: [String]
    /// `metrics.auc > 0.7 AND params.depth = '6'`; empty is everything.
    package var filter: String
    package var datasets: [Dataset]
    /// Default: newest first.
    package var orderBy: [Order]
    package var maxResults: Int
    package var pageToken: String?

    package init(
        experimentIDs: [String], filter: String = "", datasets: [Dataset] = [], orderBy: [Order] = [],
        maxResults: Int = 100, pageToken: String? = nil
    ) {
        self.experimentIDs = experimentIDs
        self.filter = filter
        self.datasets = datasets
        self.orderBy = orderBy
        self.maxResults = maxResults
        self.pageToken = pageToken
    }
}

/// The part of tracking that keeps logged models. Metrics reach them through `Tracking.log`.
package protocol LoggedModelStore: Sendable {
    func createLoggedModel(_ request: NewLoggedModel) async throws -> LoggedModel
    /// Throws `not_found`, also for a deleted one unless `includingDeleted`.
    func loggedModel(id: String, includingDeleted: Bool) async throws -> LoggedModel
    /// Says how the upload of its files ended.
    func finalizeLoggedModel(id: String, status: LoggedModelStatus) async throws -> LoggedModel
    func deleteLoggedModel(id: String) async throws
    func setLoggedModelTags(id: String, _ tags: [String: String]) async throws
    /// Throws `not_found` when there is no such tag.
    func deleteLoggedModelTag(id: String, key: String) async throws
    /// A parameter that is there with another value throws `invalid_argument`.
    func logLoggedModelParams(id: String, _ params: [String: String]) async throws
    func loggedModels(_ search: LoggedModelSearch) async throws -> Page<LoggedModel>
    /// The newest that name it as their source.
    func loggedModels(madeBy run: Run, limit: Int) async throws -> [LoggedModel]

    /// Records which models a run used. Recording one twice records it once.
    func logModelInputs(runID: String, modelIDs: [String]) async throws
    /// Records which models a run made. Recording one again changes its step.
    func logModelOutputs(runID: String, _ outputs: [ModelOutput]) async throws
}

/// A dataset that runs of an experiment read.
package struct DatasetSummary: Codable, Sendable, Hashable {
    package var experimentID: String
    package var name: String
    package var digest: String
    /// Tag `mlflow.data.context` of the input: `training`.
    package var context: String?

    package static let contextTag = "mlflow.data.context"
    /// Of one answer, as in MLflow.
    package static let most = 1000

    package init(experimentID: String, name: String, digest: String, context: String?) {
        self.experimentID = experimentID
        self.name = name
        self.digest = digest
        self.context = context
    }
}

// What every `Tracking` can answer from its other answers; a store that can do it faster does.
extension Tracking {
    package func metricSample(
        runID: String, key: String, steps: ClosedRange<Int64>?, maxResults: Int
    ) async throws -> [MetricPoint] {
        var points: [MetricPoint] = [], token: String?
        repeat {
            let page = try await metricHistory(runID: runID, key: key, maxResults: 25_000, pageToken: token)
            points += page.items.filter { steps?.contains($0.step) ?? true }
            token = page.nextPageToken
        } while token != nil
        points.sort { ($0.step, $0.timestamp.milliseconds) < ($1.step, $1.timestamp.milliseconds) }
        return MetricSample.indices(of: points.count, atMost: maxResults).map { points[$0] }
    }

    package func datasetSummaries(experimentIDs: [String]) async throws -> [DatasetSummary] {
        var found: [DatasetSummary] = [], seen: Set<DatasetSummary> = [], token: String?
        repeat {
            let page = try await runs(RunSearch(experimentIDs: experimentIDs, view: .all, pageToken: token))
            for run in page.items {
                for input in run.inputs {
                    let summary = DatasetSummary(
                        experimentID: run.experimentID, name: input.name, digest: input.digest,
                        context: input.tags[DatasetSummary.contextTag])
                    if seen.insert(summary).inserted { found.append(summary) }
                }
            }
            token = page.nextPageToken
        } while token != nil && found.count < DatasetSummary.most
        return Array(found.prefix(DatasetSummary.most))
    }
}

/// Which points of a long series are shown: the first of each of `most` equal parts, and the last of all.
package enum MetricSample {
    package static func indices(of count: Int, atMost most: Int) -> [Int] {
        guard count > most, most > 0 else { return Array(0..<max(0, count)) }
        // As SQL's NTILE cuts: the first parts are one longer when the count does not divide.
        let size = count / most, longer = count % most
        var starts = (0..<most).map { $0 * size + min($0, longer) }
        starts[most - 1] = count - 1
        return starts
    }
}
