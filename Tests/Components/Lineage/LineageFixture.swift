import Contracts
import Core
import Datasets
import Foundation
import Lineage
import Registry
import Storage
import Synchronization
import TestSupport
import Tracking

/// Real datasets, runs and versions on fresh files; deployments that are only said to be there.
struct LineageFixture {
    let directory: TemporaryDirectory
    let store: Store
    let datasets: EmbeddedDatasets
    let tracking: EmbeddedTracking
    let registry: EmbeddedRegistry
    let serving = SaidServing()
    let sources: LineageSources

    init() throws {
        directory = try TemporaryDirectory()
        store = try Store(
            in: directory,
            EmbeddedDatasets.migrations + EmbeddedTracking.decisionMigrations + EmbeddedRegistry.migrations)
        let telemetry = try Store(in: directory, EmbeddedTracking.telemetryMigrations, name: "telemetry.db")
        for name in ["datasets", "tmp"] { try DurableFile.makeDirectory(directory.file(name)) }
        datasets = EmbeddedDatasets(
            directory: directory.file("datasets"), temporary: directory.file("tmp"), store: store, ambient: .live,
            importMemory: 1 << 28)
        tracking = try EmbeddedTracking(decisions: store, telemetry: telemetry, ambient: .live)
        registry = EmbeddedRegistry(store: store, ambient: .live)
        sources = LineageSources(datasets: datasets, tracking: tracking, registry: registry, serving: serving)
    }

    func graph(
        _ node: String, _ direction: LineageRequest.Direction = .both, depth: Int = 8, limit: Int = 200,
        breadth: Int = 50
    ) async throws -> LineageGraph {
        try await LineageWalk(sources).graph(
            LineageRequest(node: node, direction: direction, depth: depth, limit: limit, breadth: breadth))
    }

    func dataset(_ name: String, _ rows: String = "a\n1\n") async throws -> DatasetVersion {
        try await datasets.importVersion(
            DatasetImport(name: name, format: .csv, source: "test"), body: ByteStream(Data(rows.utf8)))
    }

    func run(
        _ name: String, reading inputs: [RunInput] = [], parent: String? = nil, at time: Int64? = nil
    ) async throws -> Run {
        let run = try await tracking.createRun(
            NewRun(
                experimentID: "0", name: name, startTime: time.map(Timestamp.init(milliseconds:)),
                tags: parent.map { ["mlflow.parentRunId": $0] } ?? [:]))
        try await tracking.logInputs(runID: run.id, inputs)
        return try await tracking.run(id: run.id)
    }

    /// As `log_model` does.
    func model(_ name: String, by run: Run) async throws -> LoggedModel {
        let model = try await tracking.createLoggedModel(
            NewLoggedModel(experimentID: run.experimentID, name: name, modelType: "sklearn", sourceRunID: run.id))
        try await tracking.logModelOutputs(runID: run.id, [ModelOutput(modelID: model.id)])
        return try await tracking.finalizeLoggedModel(id: model.id, status: .ready)
    }

    func version(_ name: String, _ source: String, run: String? = nil, model: String? = nil) async throws
        -> ModelVersion
    {
        _ = try await registry.ensureModel(named: name)
        return try await registry.createVersion(
            NewModelVersion(name: name, source: source, runID: run, modelID: model))
    }

    func external(_ name: String, _ digest: String) -> RunInput {
        RunInput(
            name: name, digest: digest, sourceType: "local", source: #"{"uri": "/data/x.csv"}"#,
            tags: ["mlflow.data.context": "training"])
    }
}

/// Deployments without the models behind them.
final class SaidServing: ModelServer {
    private let all = Mutex<[Deployment]>([])

    func say(_ name: String, _ model: String, _ version: Int) {
        let now = Timestamp(milliseconds: 1000)
        all.withLock {
            $0.append(
                Deployment(
                    name: name, model: model, version: version, lookup: [], createdAt: now, updatedAt: now,
                    updatedBy: "test"))
        }
    }

    func deployments() async throws -> [Deployment] { all.withLock { $0 } }

    func deployment(_ name: String) async throws -> Deployment {
        guard let found = all.withLock({ $0.first { $0.name == name } }) else {
            throw NestboxError.notFound("deployment", name)
        }
        return found
    }

    private var none: NestboxError { NestboxError(.notImplemented, "these deployments are only said to be there") }

    func deploy(_ request: DeploymentRequest) async throws -> Deployment { throw none }
    func undeploy(_ name: String) async throws { throw none }
    func signature(_ name: String) async throws -> ModelSignature { throw none }
    func predict(_ name: String, rows: [[String: JSONValue]], at: Timestamp?) async throws -> Prediction { throw none }
    func statistics(_ name: String) async throws -> ServingStatistics { throw none }
    func predictions(_ name: String, limit: Int) async throws -> [LoggedPrediction] { throw none }
    func prediction(id: String) async throws -> [LoggedPrediction] { throw none }
}
