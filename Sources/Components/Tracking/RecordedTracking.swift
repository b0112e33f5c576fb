import Contracts
import Core
import Storage
import Synchronization

/// Runs and logged models that somebody else keeps, and here the events of what changes through this Nestbox, as the embedded
/// store has them: live pages and whoever reads the events miss nothing that came this way. What others change there is not
/// seen. An event is written after the other side has answered.
package final class RecordedTracking: Tracking {
    let base: any Tracking & LoggedModelStore
    let decisions: Store
    private let telemetry: Store
    private let experiments = Mutex<[String: String]>([:])
    private static let mostRemembered = 10_000

    /// - Parameters:
    ///   - decisions: `nestbox.db`
    ///   - telemetry: `telemetry.db`
    package init(_ base: any Tracking & LoggedModelStore, decisions: Store, telemetry: Store) {
        self.base = base
        self.decisions = decisions
        self.telemetry = telemetry
    }

    func record(_ kind: String, _ subject: String, _ data: [String: JSONValue] = [:]) async throws {
        try await decisions.write { context in try context.record(kind, subject, .object(data)) }
    }

    /// The run's experiment, asked for once.
    func experiment(ofRun id: String) async throws -> JSONValue {
        if let known = experiments.withLock({ $0[id] }) { return .string(known) }
        return .string(remember(try await base.run(id: id)).experimentID)
    }

    @discardableResult
    private func remember(_ run: Run) -> Run {
        experiments.withLock {
            if $0.count >= Self.mostRemembered { $0.removeAll() }
            $0[run.id] = run.experimentID
        }
        return run
    }

    // MARK: Experiments

    package func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws
        -> Experiment
    {
        let made = try await base.createExperiment(name: name, artifactLocation: artifactLocation, tags: tags)
        try await record("experiment.created", "experiment/\(made.id)", ["name": .string(name)])
        return made
    }

    package func experiment(id: String) async throws -> Experiment { try await base.experiment(id: id) }

    package func experiment(named name: String) async throws -> Experiment { try await base.experiment(named: name) }

    package func experiments(_ search: ExperimentSearch) async throws -> Page<Experiment> {
        try await base.experiments(search)
    }

    package func renameExperiment(id: String, to name: String) async throws {
        let old = try await base.experiment(id: id).name
        try await base.renameExperiment(id: id, to: name)
        try await record("experiment.renamed", "experiment/\(id)", ["from": .string(old), "to": .string(name)])
    }

    package func deleteExperiment(id: String) async throws {
        try await base.deleteExperiment(id: id)
        try await record("experiment.deleted", "experiment/\(id)")
    }

    package func restoreExperiment(id: String) async throws {
        try await base.restoreExperiment(id: id)
        try await record("experiment.restored", "experiment/\(id)")
    }

    package func setExperimentTag(id: String, key: String, value: String?) async throws {
        try await base.setExperimentTag(id: id, key: key, value: value)
        try await record("experiment.tagged", "experiment/\(id)", ["key": .string(key)])
    }

    // MARK: Runs

    package func createRun(_ request: NewRun) async throws -> Run {
        let run = remember(try await base.createRun(request))
        try await record(
            "run.created", "run/\(run.id)", ["experiment": .string(run.experimentID), "name": .string(run.name)])
        return run
    }

    package func run(id: String) async throws -> Run { try await base.run(id: id) }

    package func updateRun(id: String, _ update: RunUpdate) async throws -> Run {
        let run = remember(try await base.updateRun(id: id, update))
        var data: [String: JSONValue] = [
            "experiment": .string(run.experimentID), "status": .string(run.status.rawValue),
        ]
        data["name"] = update.name.map { .string($0) }
        let isEnd = update.status != nil && run.status.isFinal
        try await record(isEnd ? "run.finished" : "run.updated", "run/\(id)", data)
        return run
    }

    package func deleteRun(id: String) async throws {
        try await base.deleteRun(id: id)
        try await record("run.deleted", "run/\(id)", ["experiment": try await experiment(ofRun: id)])
    }

    package func restoreRun(id: String) async throws {
        try await base.restoreRun(id: id)
        try await record("run.restored", "run/\(id)", ["experiment": try await experiment(ofRun: id)])
    }

    package func log(runID: String, _ batch: LogBatch) async throws {
        try await base.log(runID: runID, batch)
        if !batch.metrics.isEmpty {
            let keys = Set(batch.metrics.lazy.map(\.key))
            var data: [String: JSONValue] = ["points": .int(Int64(batch.metrics.count))]
            // As in the embedded store: a run with many keys is drawn anew anyway.
            if keys.count <= 20 { data["keys"] = .array(keys.sorted().map { .string($0) }) }
            let event = JSONValue.object(data)
            try await telemetry.write { context in try context.record("metrics.logged", "run/\(runID)", event) }
        }
        guard !batch.params.isEmpty || !batch.tags.isEmpty || !batch.modelMetrics.isEmpty else { return }
        var data: [String: JSONValue] = [
            "experiment": try await experiment(ofRun: runID),
            "params": .array(batch.params.keys.sorted().map { .string($0) }),
            "tags": .array(batch.tags.keys.sorted().map { .string($0) }),
        ]
        if !batch.modelMetrics.isEmpty {
            data["measured_models"] = .array(Set(batch.modelMetrics.map(\.modelID)).sorted().map { .string($0) })
        }
        try await record("run.logged", "run/\(runID)", data)
    }

    package func deleteTag(runID: String, key: String) async throws {
        try await base.deleteTag(runID: runID, key: key)
        try await record("run.logged", "run/\(runID)", ["removed_tag": .string(key)])
    }

    package func logInputs(runID: String, _ inputs: [RunInput]) async throws {
        try await base.logInputs(runID: runID, inputs)
        guard !inputs.isEmpty else { return }
        let names = inputs.map { JSONValue.string("\($0.name)@\($0.digest)") }
        try await record("run.logged", "run/\(runID)", ["inputs": .array(names)])
    }

    package func metricHistory(
        runID: String, key: String, maxResults: Int, pageToken: String?
    ) async throws -> Page<MetricPoint> {
        try await base.metricHistory(runID: runID, key: key, maxResults: maxResults, pageToken: pageToken)
    }

    package func runs(_ search: RunSearch) async throws -> Page<Run> { try await base.runs(search) }

    package func metricSample(
        runID: String, key: String, steps: ClosedRange<Int64>?, maxResults: Int
    ) async throws -> [MetricPoint] {
        try await base.metricSample(runID: runID, key: key, steps: steps, maxResults: maxResults)
    }

    package func metricCurve(
        runID: String, key: String, steps: ClosedRange<Int64>?, buckets: Int
    ) async throws -> MetricCurve {
        try await base.metricCurve(runID: runID, key: key, steps: steps, buckets: buckets)
    }

    package func datasetSummaries(experimentIDs: [String]) async throws -> [DatasetSummary] {
        try await base.datasetSummaries(experimentIDs: experimentIDs)
    }
}

// MARK: - Logged models

extension RecordedTracking: LoggedModelStore {
    package func createLoggedModel(_ request: NewLoggedModel) async throws -> LoggedModel {
        let model = try await base.createLoggedModel(request)
        try await record(
            "logged_model.created", "logged_model/\(model.id)",
            [
                "experiment": .string(model.experimentID), "name": .string(model.name),
                "run": model.sourceRunID.map { .string($0) } ?? .null,
            ])
        return model
    }

    package func loggedModel(id: String, includingDeleted: Bool) async throws -> LoggedModel {
        try await base.loggedModel(id: id, includingDeleted: includingDeleted)
    }

    package func finalizeLoggedModel(id: String, status: LoggedModelStatus) async throws -> LoggedModel {
        let model = try await base.finalizeLoggedModel(id: id, status: status)
        try await record(
            "logged_model.finalized", "logged_model/\(id)",
            ["status": .string(status.rawValue), "experiment": .string(model.experimentID)])
        return model
    }

    package func deleteLoggedModel(id: String) async throws {
        try await base.deleteLoggedModel(id: id)
        try await record("logged_model.deleted", "logged_model/\(id)")
    }

    package func setLoggedModelTags(id: String, _ tags: [String: String]) async throws {
        try await base.setLoggedModelTags(id: id, tags)
        let keys = JSONValue.array(tags.keys.sorted().map { .string($0) })
        try await record("logged_model.tagged", "logged_model/\(id)", ["keys": keys])
    }

    package func deleteLoggedModelTag(id: String, key: String) async throws {
        try await base.deleteLoggedModelTag(id: id, key: key)
        try await record("logged_model.tagged", "logged_model/\(id)", ["removed": .string(key)])
    }

    package func logLoggedModelParams(id: String, _ params: [String: String]) async throws {
        try await base.logLoggedModelParams(id: id, params)
        let keys = JSONValue.array(params.keys.sorted().map { .string($0) })
        try await record("logged_model.logged", "logged_model/\(id)", ["params": keys])
    }

    package func loggedModels(_ search: LoggedModelSearch) async throws -> Page<LoggedModel> {
        try await base.loggedModels(search)
    }

    package func logModelInputs(runID: String, modelIDs: [String]) async throws {
        try await base.logModelInputs(runID: runID, modelIDs: modelIDs)
        try await recordLink(runID, "model_inputs", modelIDs)
    }

    package func logModelOutputs(runID: String, _ outputs: [ModelOutput]) async throws {
        try await base.logModelOutputs(runID: runID, outputs)
        try await recordLink(runID, "model_outputs", outputs.map(\.modelID))
    }

    private func recordLink(_ run: String, _ role: String, _ models: [String]) async throws {
        guard !models.isEmpty else { return }
        try await record(
            "run.logged", "run/\(run)",
            ["experiment": try await experiment(ofRun: run), role: .array(models.map { .string($0) })])
    }
}
