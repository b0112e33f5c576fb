import Contracts
import Core
import Foundation
import Synchronization
import Tables
import Testing
import Training

private let unused = NestboxError(.internalError, "not needed by training")

/// One table under one name.
struct FakeDatasets: DatasetStore {
    let content: Table

    func version(_ reference: DatasetReference) async throws -> DatasetVersion {
        guard reference.name == "flights", (reference.version ?? 2) == 2 else {
            throw NestboxError.notFound("dataset", reference.description, among: ["flights"])
        }
        return DatasetVersion(
            dataset: "flights", version: 2, schema: content.schema, rowCount: content.rowCount, byteCount: 1,
            contentHash: String(repeating: "ab", count: 32), source: "test", createdAt: Timestamp(milliseconds: 0),
            createdBy: "t")
    }
    func table(_ reference: DatasetReference, columns: [String]?) async throws -> Table {
        _ = try await version(reference)
        return try columns.map { try content.select($0) } ?? content
    }
    func importVersion(_ request: DatasetImport, body: ByteStream) async throws -> DatasetVersion { throw unused }
    func save(_ table: Table, as request: DatasetImport) async throws -> DatasetVersion { throw unused }
    func datasets() async throws -> [Dataset] { throw unused }
    func dataset(_ name: String) async throws -> Dataset { throw unused }
    func versions(of name: String) async throws -> [DatasetVersion] { throw unused }
    func preview(_ reference: DatasetReference, rows: Int) async throws -> Table { throw unused }
    func profile(_ reference: DatasetReference) async throws -> DatasetProfile { throw unused }
}

/// Experiments and runs in memory, with every point and the number of log calls.
final class FakeTracking: Tracking {
    struct State {
        var experiments: [Experiment] = []
        var runs: [Run] = []
        var points: [String: [MetricPoint]] = [:]
        var logCalls = 0
    }

    let state = Mutex(State())

    var runs: [Run] { state.withLock { $0.runs } }
    func points(_ run: String, _ key: String) -> [MetricPoint] {
        state.withLock { ($0.points[run] ?? []).filter { $0.key == key } }
    }

    func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws -> Experiment {
        state.withLock { state in
            let now = Timestamp(milliseconds: 0)
            let made = Experiment(
                id: String(state.experiments.count + 1), name: name, artifactLocation: "", lifecycleStage: .active,
                createdAt: now, updatedAt: now, tags: tags)
            state.experiments.append(made)
            return made
        }
    }
    func experiment(named name: String) async throws -> Experiment {
        guard let found = state.withLock({ $0.experiments.first { $0.name == name } }) else {
            throw NestboxError.notFound("experiment", name)
        }
        return found
    }
    func createRun(_ request: NewRun) async throws -> Run {
        state.withLock { state in
            let id = "run\(state.runs.count)"
            let run = Run(
                id: id, experimentID: request.experimentID, name: request.name ?? "", user: request.user ?? "",
                status: .running,
                startTime: request.startTime ?? Timestamp(milliseconds: 0), endTime: nil, lifecycleStage: .active,
                artifactURI: "mlflow-artifacts:/\(request.experimentID)/\(id)/artifacts", params: [:], metrics: [],
                tags: request.tags, inputs: [])
            state.runs.append(run)
            return run
        }
    }
    private func change(_ id: String, _ body: (inout Run) throws -> Void) throws -> Run {
        try state.withLock { state in
            guard let index = state.runs.firstIndex(where: { $0.id == id }) else {
                throw NestboxError.notFound("run", id)
            }
            try body(&state.runs[index])
            return state.runs[index]
        }
    }
    func run(id: String) async throws -> Run { try change(id) { _ in } }
    func updateRun(id: String, _ update: RunUpdate) async throws -> Run {
        try change(id) {
            $0.status = update.status ?? $0.status
            $0.endTime = update.endTime ?? $0.endTime
        }
    }
    func log(runID: String, _ batch: LogBatch) async throws {
        _ = try change(runID) { run in
            for (key, value) in batch.params {
                guard (run.params[key] ?? value) == value else { throw NestboxError.invalid("param `\(key)` changed") }
                run.params[key] = value
            }
            run.tags.merge(batch.tags) { $1 }
            for point in batch.metrics {
                run.metrics.removeAll { $0.key == point.key && $0.step <= point.step }
                run.metrics.append(point)
            }
        }
        state.withLock {
            $0.points[runID, default: []] += batch.metrics
            $0.logCalls += 1
        }
    }
    func logInputs(runID: String, _ inputs: [RunInput]) async throws { _ = try change(runID) { $0.inputs += inputs } }
    func runs(_ search: RunSearch) async throws -> Page<Run> {
        // Pages of two, so that whoever searches has to turn them.
        let all = runs.filter { search.experimentIDs.contains($0.experimentID) }.sorted { $0.startTime > $1.startTime }
        let start = search.pageToken.flatMap { Int($0) } ?? 0
        let items = Array(all.dropFirst(start).prefix(2))
        return Page(items: items, nextPageToken: start + 2 < all.count ? String(start + 2) : nil)
    }
    func experiment(id: String) async throws -> Experiment { throw unused }
    func experiments(_ search: ExperimentSearch) async throws -> Page<Experiment> { throw unused }
    func renameExperiment(id: String, to name: String) async throws { throw unused }
    func deleteExperiment(id: String) async throws { throw unused }
    func restoreExperiment(id: String) async throws { throw unused }
    func setExperimentTag(id: String, key: String, value: String?) async throws { throw unused }
    func deleteRun(id: String) async throws { throw unused }
    func restoreRun(id: String) async throws { throw unused }
    func deleteTag(runID: String, key: String) async throws { throw unused }
    func metricHistory(runID: String, key: String, maxResults: Int, pageToken: String?) async throws -> Page<
        MetricPoint
    > {
        throw unused
    }
}

final class FakeRegistry: ModelRegistry {
    let made = Mutex<[ModelVersion]>([])
    /// What happens to the job while the registry is at work.
    let whileCreating = Mutex<(@Sendable () -> Void)?>(nil)
    private let names = Mutex<Set<String>>([])
    private let now = Timestamp(milliseconds: 0)

    private func value(_ name: String) -> RegisteredModel {
        RegisteredModel(
            name: name, description: "", tags: [:], aliases: [:], latestVersion: nil, createdAt: now, updatedAt: now)
    }
    func createModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel {
        names.withLock { _ = $0.insert(name) }
        return value(name)
    }
    func model(_ name: String) async throws -> RegisteredModel {
        guard names.withLock({ $0.contains(name) }) else { throw NestboxError.notFound("model", name) }
        return value(name)
    }
    func createVersion(_ request: NewModelVersion) async throws -> ModelVersion {
        whileCreating.withLock { $0 }?()
        try Task.checkCancellation()
        return made.withLock { made in
            let version = ModelVersion(
                name: request.name, version: made.count + 1, source: request.source, runID: request.runID, stage: .none,
                description: request.description, tags: request.tags, aliases: [], createdAt: now, updatedAt: now,
                createdBy: "t")
            made.append(version)
            return version
        }
    }
    func versions(of name: String?, maxResults: Int, pageToken: String?) async throws -> Page<ModelVersion> {
        Page(items: made.withLock { $0.reversed() })
    }
    func models(nameContains: String?, maxResults: Int, pageToken: String?) async throws -> Page<RegisteredModel> {
        throw unused
    }
    func searchModels(_ search: ModelSearch) async throws -> Page<RegisteredModel> { throw unused }
    func searchVersions(_ search: ModelSearch) async throws -> Page<ModelVersion> { throw unused }
    func updateModel(_ name: String, description: String) async throws -> RegisteredModel { throw unused }
    func renameModel(_ name: String, to newName: String) async throws -> RegisteredModel { throw unused }
    func deleteModel(_ name: String, reason: String) async throws { throw unused }
    func setModelTag(_ name: String, key: String, value: String?) async throws { throw unused }
    func version(_ name: String, _ version: Int) async throws -> ModelVersion { throw unused }
    func updateVersion(_ name: String, _ version: Int, description: String) async throws -> ModelVersion {
        throw unused
    }
    func deleteVersion(_ name: String, _ version: Int, reason: String) async throws { throw unused }
    func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws { throw unused }
    func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws { throw unused }
    func deleteAlias(_ name: String, alias: String, reason: String) async throws { throw unused }
    func version(_ name: String, alias: String) async throws -> ModelVersion { throw unused }
    func transition(
        _ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool, reason: String
    ) async throws -> ModelVersion {
        throw unused
    }
    func setSemanticVersion(
        _ name: String, _ version: Int, to semantic: SemanticVersion, reason: String
    ) async throws -> ModelVersion { throw unused }
    func history(of name: String, _ search: HistorySearch) async throws -> Page<ModelTransition> {
        throw unused
    }
}

final class FakeArtifacts: ArtifactStore {
    let files = Mutex<[String: [UInt8]]>([:])
    let isFull = Mutex(false)

    func put(_ path: String, _ body: ByteStream) async throws -> ArtifactEntry {
        if isFull.withLock({ $0 }) { throw NestboxError(.storageFull, "the disk is full") }
        let bytes = try await body.collect(upTo: 1 << 30)
        files.withLock { $0[path] = bytes }
        return ArtifactEntry(path: path, isDirectory: false, size: Int64(bytes.count))
    }
    func open(_ path: String, range: Range<Int64>?) async throws -> (entry: ArtifactEntry, body: ByteStream) {
        guard let bytes = files.withLock({ $0[path] }) else { throw NestboxError.notFound("artifact", path) }
        return (ArtifactEntry(path: path, isDirectory: false, size: Int64(bytes.count)), ByteStream(bytes))
    }
    func entry(_ path: String) async throws -> ArtifactEntry { throw unused }
    func list(_ directory: String) async throws -> [ArtifactEntry] { throw unused }
    func delete(_ path: String) async throws { throw unused }
    func collectGarbage() async throws -> ReclaimedSpace { throw unused }
}

/// Four in-memory stores around one synthetic table: `late` follows from `delay` and `carrier`, with some noise.
struct TestBench {
    let tracking = FakeTracking()
    let registry = FakeRegistry()
    let artifacts = FakeArtifacts()
    let table: Table
    let said = Said()

    final class Said: Sendable {
        let progress = Mutex<[JobProgress]>([])
        /// Throws `CancellationError` once this many reports were made.
        let limit = Mutex(Int.max)
    }

    init(rows: Int = 800) throws { table = try Self.makeTable(rows: rows) }

    var seams: TrainingSeams {
        TrainingSeams(
            datasets: FakeDatasets(content: table), tracking: tracking, registry: registry, artifacts: artifacts,
            ambient: .fixed(start: Self.start))
    }

    /// After every row's day, as a job would be.
    static let start = Timestamp(milliseconds: 1_700_000_000_000)

    func trainer(id: String = "job1", attempt: Int = 1, kind: String = "train") -> Trainer {
        Trainer(seams, job: Self.job(id: id, attempt: attempt, kind: kind)) { [said] progress in
            guard let progress else { return }
            let count = said.progress.withLock {
                $0.append(progress); return $0.count
            }
            if count > said.limit.withLock({ $0 }) { throw CancellationError() }
        }
    }

    static func job(id: String, attempt: Int, kind: String, payload: JSONValue = .null, state: JobState = .running)
        -> Job
    {
        Job(
            id: id, kind: kind, name: "n", payload: payload, state: state, attempt: attempt, maxAttempts: 3,
            timeoutSeconds: nil, createdAt: start, startedAt: nil, finishedAt: nil, notBefore: nil, leaseUntil: nil,
            progress: JobProgress(fraction: 0, message: ""), error: nil, result: nil, cancelRequested: false,
            createdBy: "ada")
    }

    /// One row every six hours from 2013-01-01.
    static func makeTable(rows: Int) throws -> Table {
        var generator = SeededGenerator(seed: 11)
        var delay: [Double] = [], carrier: [String?] = [], late: [Bool] = [], day: [Int64] = []
        for row in 0..<rows {
            let value = generator.unit() * 60
            let isSlow = generator.unit() < 0.3
            delay.append(value)
            carrier.append(row % 50 == 7 ? nil : isSlow ? "UA" : "DL")
            late.append(value + (isSlow ? 15 : 0) + generator.unit() * 10 > 40)
            day.append(1_356_998_400_000 + Int64(row) * 21_600_000)
        }
        return try Table([
            ("delay", .float64(delay)), ("carrier", .string(carrier)), ("at", .timestamp(day)),
            ("late", .bool(late, Validity((0..<rows).map { $0 % 100 != 3 }))), ("note", .string(carrier)),
        ])
    }

    func file(_ path: String) throws -> Data {
        Data(try #require(artifacts.files.withLock { $0[path] }, "\(path) is missing"))
    }
}

let recipeYAML = """
    name: flights-late
    experiment: flights
    dataset: flights
    target: late
    task: binary
    features: [delay, carrier]
    split: {by: seed, seed: 1, validation: 0.2, test: 0.2}
    learner: gradient_boosting
    parameters: {num_trees: 25, num_leaves: 8}
    metrics: [auc, log_loss]
    require: {auc: 0.8}
    register_as: late
    """
