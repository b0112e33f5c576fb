import Core

package enum LifecycleStage: String, Codable, Sendable, CaseIterable {
    case active, deleted
}

package struct Experiment: Codable, Sendable, Hashable {
    /// A number as text, as MLflow has it; "0" is the experiment `Default`.
    package var id: String
    package var name: String
    package var artifactLocation: String
    package var lifecycleStage: LifecycleStage
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var tags: [String: String]

    package init(
        id: String, name: String, artifactLocation: String, lifecycleStage: LifecycleStage, createdAt: Timestamp,
        updatedAt: Timestamp, tags: [String: String]
    ) {
        self.id = id
        self.name = name
        self.artifactLocation = artifactLocation
        self.lifecycleStage = lifecycleStage
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.tags = tags
    }
}

package enum RunStatus: String, Codable, Sendable, CaseIterable {
    case running = "RUNNING"
    case scheduled = "SCHEDULED"
    case finished = "FINISHED"
    case failed = "FAILED"
    case killed = "KILLED"
}

package struct MetricPoint: Codable, Sendable, Hashable {
    package var key: String
    package var value: Double
    package var timestamp: Timestamp
    package var step: Int64

    package init(key: String, value: Double, timestamp: Timestamp, step: Int64 = 0) {
        self.key = key
        self.value = value
        self.timestamp = timestamp
        self.step = step
    }
}

/// A dataset that a run read, as MLflow records it.
package struct RunInput: Codable, Sendable, Hashable {
    package var name: String
    package var digest: String
    package var sourceType: String
    package var source: String
    package var schema: String?
    package var profile: String?
    package var tags: [String: String]

    package init(
        name: String, digest: String, sourceType: String, source: String, schema: String? = nil, profile: String? = nil,
        tags: [String: String] = [:]
    ) {
        self.name = name
        self.digest = digest
        self.sourceType = sourceType
        self.source = source
        self.schema = schema
        self.profile = profile
        self.tags = tags
    }
}

package struct Run: Codable, Sendable, Hashable {
    /// 32 hexadecimal digits.
    package var id: String
    package var experimentID: String
    package var name: String
    package var user: String
    package var status: RunStatus
    package var startTime: Timestamp
    package var endTime: Timestamp?
    package var lifecycleStage: LifecycleStage
    /// `mlflow-artifacts:/<experiment>/<run>/artifacts`
    package var artifactURI: String
    package var params: [String: String]
    /// The latest point of each key: highest step, then latest time, then highest value.
    package var metrics: [MetricPoint]
    package var tags: [String: String]
    package var inputs: [RunInput]
    /// Ids of the logged models that it used.
    package var modelInputs: [String]
    /// The logged models that it made.
    package var modelOutputs: [ModelOutput]

    package init(
        id: String, experimentID: String, name: String, user: String, status: RunStatus, startTime: Timestamp,
        endTime: Timestamp?, lifecycleStage: LifecycleStage, artifactURI: String, params: [String: String],
        metrics: [MetricPoint], tags: [String: String], inputs: [RunInput], modelInputs: [String] = [],
        modelOutputs: [ModelOutput] = []
    ) {
        self.id = id
        self.experimentID = experimentID
        self.name = name
        self.user = user
        self.status = status
        self.startTime = startTime
        self.endTime = endTime
        self.lifecycleStage = lifecycleStage
        self.artifactURI = artifactURI
        self.params = params
        self.metrics = metrics
        self.tags = tags
        self.inputs = inputs
        self.modelInputs = modelInputs
        self.modelOutputs = modelOutputs
    }

    package func metric(_ key: String) -> Double? { metrics.first { $0.key == key }?.value }
    /// The run of which this is a child (tag `mlflow.parentRunId`).
    package var parentID: String? { tags["mlflow.parentRunId"] }
    /// Where the run's files lie in the artifact store.
    package var artifactPath: String {
        (try? ArtifactPath.path(ofURI: artifactURI)) ?? "\(experimentID)/\(id)/artifacts"
    }
}

package struct NewRun: Codable, Sendable {
    package var experimentID: String
    package var name: String?
    package var user: String?
    package var startTime: Timestamp?
    package var tags: [String: String]

    package init(
        experimentID: String, name: String? = nil, user: String? = nil, startTime: Timestamp? = nil,
        tags: [String: String] = [:]
    ) {
        self.experimentID = experimentID
        self.name = name
        self.user = user
        self.startTime = startTime
        self.tags = tags
    }
}

package struct RunUpdate: Codable, Sendable {
    package var status: RunStatus?
    package var endTime: Timestamp?
    package var name: String?

    package init(status: RunStatus? = nil, endTime: Timestamp? = nil, name: String? = nil) {
        self.status = status
        self.endTime = endTime
        self.name = name
    }
}

/// What one call logs: everything or nothing.
package struct LogBatch: Codable, Sendable {
    package var metrics: [MetricPoint]
    package var params: [String: String]
    package var tags: [String: String]
    /// Which of the metrics measure a logged model. They are metrics of the run too, so they are in `metrics` as well.
    package var modelMetrics: [LoggedModelMetric]

    package init(
        metrics: [MetricPoint] = [], params: [String: String] = [:], tags: [String: String] = [:],
        modelMetrics: [LoggedModelMetric] = []
    ) {
        self.metrics = metrics
        self.params = params
        self.tags = tags
        self.modelMetrics = modelMetrics
    }
}

package enum ViewType: String, Codable, Sendable, CaseIterable {
    case activeOnly = "ACTIVE_ONLY"
    case deletedOnly = "DELETED_ONLY"
    case all = "ALL"
}

package struct RunSearch: Codable, Sendable {
    package var experimentIDs: [String]
    package var view: ViewType
    /// In the language of `SearchVocabulary.runs`; empty for all.
    package var filter: String
    package var maxResults: Int
    /// `metrics.auc DESC`, `attributes.start_time ASC`, …; default: start time, newest first.
    package var orderBy: [String]
    package var pageToken: String?

    package init(
        experimentIDs: [String], view: ViewType = .activeOnly, filter: String = "", maxResults: Int = 1000,
        orderBy: [String] = [], pageToken: String? = nil
    ) {
        self.experimentIDs = experimentIDs
        self.view = view
        self.filter = filter
        self.maxResults = maxResults
        self.orderBy = orderBy
        self.pageToken = pageToken
    }
}

package struct ExperimentSearch: Codable, Sendable {
    package var view: ViewType
    /// In the language of `SearchVocabulary.experiments`; empty for all.
    package var filter: String
    package var maxResults: Int
    /// `name ASC`, `last_update_time DESC`, …; default: newest first.
    package var orderBy: [String]
    package var pageToken: String?

    package init(
        view: ViewType = .activeOnly, filter: String = "", maxResults: Int = 1000, orderBy: [String] = [],
        pageToken: String? = nil
    ) {
        self.view = view
        self.filter = filter
        self.maxResults = maxResults
        self.orderBy = orderBy
        self.pageToken = pageToken
    }
}

package protocol Tracking: Sendable {
    /// Throws `already_exists` for a taken name.
    func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws -> Experiment
    func experiment(id: String) async throws -> Experiment
    func experiment(named name: String) async throws -> Experiment
    /// Throws `invalid_argument` for a filter or an order that is not understood, with the position.
    func experiments(_ search: ExperimentSearch) async throws -> Page<Experiment>
    func renameExperiment(id: String, to name: String) async throws
    func deleteExperiment(id: String) async throws
    func restoreExperiment(id: String) async throws
    /// Nil removes the tag; throws `not_found` when there is none.
    func setExperimentTag(id: String, key: String, value: String?) async throws

    func createRun(_ request: NewRun) async throws -> Run
    func run(id: String) async throws -> Run
    /// Reads a run on the calling thread. Nil when it is not there, or when that would take long: then use `run`.
    func runAtOnce(id: String) throws -> Run?
    func updateRun(id: String, _ update: RunUpdate) async throws -> Run
    func deleteRun(id: String) async throws
    func restoreRun(id: String) async throws
    /// Logging a parameter again with another value throws `invalid_argument`; a metric point logged twice is stored once.
    func log(runID: String, _ batch: LogBatch) async throws
    /// Logs points on the calling thread. False, with nothing done, when that would mean waiting: then use `log`.
    func logAtOnce(runID: String, _ points: [MetricPoint]) throws -> Bool
    /// Brings what is acknowledged into the database that a copy is about to be made of.
    func settle() async throws
    func deleteTag(runID: String, key: String) async throws
    func logInputs(runID: String, _ inputs: [RunInput]) async throws
    /// Points of one key by step, then time.
    func metricHistory(runID: String, key: String, maxResults: Int, pageToken: String?) async throws -> Page<
        MetricPoint
    >
    /// Throws `invalid_argument` for a filter or an order that is not understood, with the position, and for a token of
    /// another search.
    func runs(_ search: RunSearch) async throws -> Page<Run>

    /// At most `maxResults` points of one key, evenly over all of them, by step, then time; with the first and the last.
    func metricSample(
        runID: String, key: String, steps: ClosedRange<Int64>?, maxResults: Int
    ) async throws -> [MetricPoint]
    /// One key's course in at most `buckets` buckets, of all steps or of some. Throws `invalid_argument` for a number of buckets
    /// outside 1 to `MetricCurve.mostBuckets`.
    func metricCurve(runID: String, key: String, steps: ClosedRange<Int64>?, buckets: Int) async throws -> MetricCurve
    /// The datasets that runs of the experiments read, each once per context; 1000 at the most.
    func datasetSummaries(experimentIDs: [String]) async throws -> [DatasetSummary]
    /// The newest runs that are linked so, of all experiments, deleted ones among them.
    func runs(_ link: RunLink, limit: Int) async throws -> [Run]
}

extension Tracking {
    package func logAtOnce(runID: String, _ points: [MetricPoint]) throws -> Bool { false }

    package func runAtOnce(id: String) throws -> Run? { nil }

    package func settle() async throws {}
}

extension Tracking {
    /// Newest first.
    package func experiments(view: ViewType, maxResults: Int, pageToken: String?) async throws -> Page<Experiment> {
        try await experiments(ExperimentSearch(view: view, maxResults: maxResults, pageToken: pageToken))
    }

    /// The experiment of that name, created when there is none.
    package func ensureExperiment(named name: String) async throws -> Experiment {
        do {
            return try await experiment(named: name)
        } catch let error as NestboxError where error.code == .notFound {
            do {
                return try await createExperiment(name: name, artifactLocation: nil, tags: [:])
            } catch let error as NestboxError where error.code == .alreadyExists {
                // Somebody else was a moment faster.
                return try await experiment(named: name)
            }
        }
    }
}
