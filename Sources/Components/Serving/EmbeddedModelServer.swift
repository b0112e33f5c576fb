import Contracts
import Core
import Foundation
import Logging
import Storage
import Synchronization
import Tables
import Tabular

/// Answers predictions inside this process. Deployments are rows of `nestbox.db`, the prediction log is in `telemetry.db`.
package final class EmbeddedModelServer: ModelServer, PredictionLog {
    /// For `nestbox.db`.
    package static let decisionMigrations = DeploymentTable.migrations
    /// For `telemetry.db`.
    package static let telemetryMigrations = PredictionLogTable.migrations

    /// From this many rows on, a request is computed on the compute threads instead of the calling task.
    private static let batchRows = 256

    private enum State: Sendable {
        case serving(ServedModel)
        case failed(NestboxError)
    }

    private struct Slot: Sendable {
        var deployment: Deployment
        var state: State
        let recorder: ServingRecorder

        /// Whether the failure is another server's, and may pass.
        var waitsForServer: Bool {
            guard case .failed(let error) = state else { return false }
            return (error.cause as? NestboxError)?.code == .unavailable
        }

        func model() throws -> ServedModel {
            switch state {
            case .serving(let model): return model
            case .failed(let error): throw error
            }
        }
    }

    /// Writes the log; run it as a service.
    package let logWriter: PredictionLogWriter
    private let decisions: Store
    private let telemetry: Store
    private let registry: any ModelRegistry
    private let artifacts: any ArtifactStore
    private let features: (any FeatureStore)?
    private let ambient: Ambient
    private let logger = Logger(label: "nestbox.serving")
    private let slots = Mutex<[String: Slot]>([:])
    private let changes = ChangeQueue()

    /// Serves nothing yet: call `loadDeployments()` before taking requests.
    package init(
        decisions: Store, telemetry: Store, registry: any ModelRegistry, artifacts: any ArtifactStore,
        features: (any FeatureStore)?, ambient: Ambient, log: PredictionLogWriter.Limits = .init()
    ) {
        self.decisions = decisions
        self.telemetry = telemetry
        self.registry = registry
        self.artifacts = artifacts
        self.features = features
        self.ambient = ambient
        logWriter = PredictionLogWriter(store: telemetry, limits: log)
    }

    /// Loads every recorded deployment. One that cannot load is reported (event `deployment.failed`) and answers
    /// `unavailable` with the reason; the others work.
    package func loadDeployments() async throws {
        try await changes.run { [self] in
            for deployment in try await decisions.read(DeploymentTable.all) {
                let state: State
                do {
                    state = .serving(try await load(deployment))
                } catch {
                    state = .failed(try await reportFailure(of: deployment, error))
                }
                install(deployment, state)
            }
        }
    }

    /// Loads again what could not be loaded because the server did not answer that keeps the models.
    package func retryUnavailable() async throws {
        try await changes.run { [self] in
            for deployment in slots.withLock({ $0.values.filter(\.waitsForServer).map(\.deployment) }) {
                do {
                    install(deployment, .serving(try await load(deployment)))
                    logger.notice("deployment \(deployment.name) serves again")
                } catch let error as NestboxError where error.code == .unavailable {
                    // Still away; its failure is recorded already.
                } catch {
                    install(deployment, .failed(try await reportFailure(of: deployment, error)))
                }
            }
        }
    }

    private func reportFailure(of deployment: Deployment, _ error: any Error) async throws -> NestboxError {
        let reason = (error as? NestboxError)?.message ?? "\(error)"
        logger.warning("deployment \(deployment.name) cannot serve: \(reason)")
        try await decisions.write { context in
            try context.record(
                "deployment.failed", "deployment/\(deployment.name)",
                [
                    "model": .string(deployment.model), "version": .int(Int64(deployment.version)),
                    "reason": .string(reason),
                ])
        }
        return NestboxError(
            .unavailable,
            "deployment `\(deployment.name)` could not load model `\(deployment.model)` version \(deployment.version): \(reason)",
            hint: (error as? NestboxError)?.hint ?? "deploy another version under this name", cause: error)
    }

    private func install(_ deployment: Deployment, _ state: State) {
        slots.withLock { slots in
            let recorder = slots[deployment.name]?.recorder ?? ServingRecorder()
            slots[deployment.name] = Slot(deployment: deployment, state: state, recorder: recorder)
        }
    }

    private func load(_ deployment: Deployment) async throws -> ServedModel {
        let version = try await registry.version(deployment.model, deployment.version)
        return try await load(version, lookup: deployment.lookup)
    }

    private func load(_ version: ModelVersion, lookup: [String]) async throws -> ServedModel {
        try await ServedModel.load(version, lookup: lookup, artifacts: artifacts, features: features)
    }

    private func slot(_ name: String) throws -> Slot {
        let (slot, names) = slots.withLock { slots in
            let slot = slots[name]
            return (slot, slot == nil ? Array(slots.keys) : [])
        }
        guard let slot else { throw NestboxError.notFound("deployment", name, among: names) }
        return slot
    }
}

// MARK: - Deployments

extension EmbeddedModelServer {
    /// Deploying what is already deployed loads it again and records nothing.
    package func deploy(_ request: DeploymentRequest) async throws -> Deployment {
        try Name.check(request.name, what: "deployment")
        return try await changes.run { [self] in
            let version = try await registry.resolve(request.model, request.version)
            let current = slots.withLock { $0[request.name]?.deployment }
            let lookup = request.lookup ?? current?.lookup ?? []
            let model = try await load(version, lookup: lookup)
            let deployment = try await decisions.write { context in
                try DeploymentTable.save(
                    name: request.name, model: version.name, version: version.version, lookup: lookup, in: context)
            }
            install(deployment, .serving(model))
            return deployment
        }
    }

    package func undeploy(_ name: String) async throws {
        try await changes.run { [self] in
            let deployment = try slot(name).deployment
            try await decisions.write { context in try DeploymentTable.delete(deployment, in: context) }
            slots.withLock { _ = $0.removeValue(forKey: name) }
        }
    }

    package func deployments() async throws -> [Deployment] {
        slots.withLock { $0.values.map(\.deployment) }.sorted { $0.name < $1.name }
    }

    package func deployment(_ name: String) async throws -> Deployment { try slot(name).deployment }

    package func signature(_ name: String) async throws -> ModelSignature { try slot(name).model().signature }

    package func statistics(_ name: String) async throws -> ServingStatistics {
        try slot(name).recorder.statistics(of: name, at: ambient.now())
    }

    package func baseline(_ deployment: String) async throws -> [UInt8]? { try slot(deployment).model().baseline }
}

// MARK: - Predictions

extension EmbeddedModelServer {
    package func predict(_ name: String, rows: [[String: JSONValue]], at eventTime: Timestamp?) async throws
        -> Prediction
    {
        let started = ContinuousClock.now
        let slot = try slot(name)
        do {
            let model = try slot.model()
            let answer = try await answer(rows, at: eventTime, with: model)
            let at = ambient.now()
            let prediction = Prediction(
                id: ambient.newID(), deployment: name, model: slot.deployment.model, version: slot.deployment.version,
                outputs: answer.outputs)
            logWriter.append(
                LoggedRequest(
                    prediction: prediction, at: at, cells: answer.cells, model: model, recorder: slot.recorder))
            slot.recorder.answered(rows: rows.count, took: started.duration(to: .now), at: at)
            return prediction
        } catch {
            slot.recorder.failed(at: ambient.now())
            throw error
        }
    }

    private func answer(
        _ rows: [[String: JSONValue]], at eventTime: Timestamp?, with model: ServedModel
    ) async throws -> (cells: [Cell], outputs: [Double]) {
        guard !rows.isEmpty else {
            throw NestboxError.invalid("`rows` is empty; expected at least one row", hint: model.reader.inputsHint)
        }
        try PredictionLimits.check(rows: rows.count, columns: model.reader.inputs.count)
        let found = try await model.lookup?.find(rows, at: eventTime, reader: model.reader) ?? [:]
        if rows.count < Self.batchRows { return try model.answer(rows, found: found) }
        return try await ComputePool.shared.run { try model.answerBatch(rows, found: found) }
    }

    package func predictions(_ name: String, limit: Int) async throws -> [LoggedPrediction] {
        _ = try slot(name)
        await logWriter.flush()
        let limit = max(0, min(limit, 10_000))
        return try await telemetry.read { try PredictionLogTable.newest(limit, of: name, in: $0) }
    }

    package func prediction(id: String) async throws -> [LoggedPrediction] {
        await logWriter.flush()
        let rows = try await telemetry.read { try PredictionLogTable.rows(of: id, in: $0) }
        guard !rows.isEmpty else {
            throw NestboxError(
                .notFound, "there is no logged prediction `\(id.prefix(64))`",
                hint: "old predictions are removed after a while; newer ones are listed per deployment")
        }
        return rows
    }

    package func loggedColumns(_ deployment: String, since: Timestamp, limit: Int) async throws -> LoggedColumns {
        let slot = try slot(deployment)
        let reader = try slot.model().reader
        await logWriter.flush()
        let (name, model, version) = (slot.deployment.name, slot.deployment.model, slot.deployment.version)
        let logged = try await telemetry.read {
            try PredictionLogTable.columns(of: name, model: model, version: version, since: since, limit: limit, in: $0)
        }
        return try await ComputePool.shared.run { try logged.columns(reader) }
    }
}

/// Runs changes of deployments one at a time, so that memory and table agree on which came last.
private actor ChangeQueue {
    private var last: Task<Void, Never>?

    /// Not cancelled with its caller: what has begun to be deployed is deployed.
    func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let previous = last
        let task = Task {
            await previous?.value
            return try await body()
        }
        last = Task { _ = await task.result }
        return try await task.value
    }
}
