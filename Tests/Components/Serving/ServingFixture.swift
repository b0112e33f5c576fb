import Contracts
import Core
import Foundation
import Serving
import Storage
import Synchronization
import Tables
import Tabular
import TestSupport

/// A model server over real files, with a registry and artifacts in memory. Version 1 and 2 of `late` answer differently.
struct ServingFixture {
    let directory: TemporaryDirectory
    let decisions: Store
    let telemetry: Store
    let registry = MemoryRegistry()
    let artifacts = MemoryArtifacts()
    let features = MemoryFeatures()
    let server: EmbeddedModelServer

    static let rows: [[String: JSONValue]] = [
        ["hour": 8, "distance": 400.5, "carrier": "AA", "weekend": false, "at": "2013-05-01T08:00:00Z"],
        ["hour": 20, "distance": 1200, "carrier": "BB", "weekend": true, "at": 1_370_000_000_000],
        ["hour": 13, "distance": .null, "carrier": "unseen", "weekend": .null, "at": .null],
    ]

    static let sample = ModelServerSample(model: "late", rows: rows, numericInput: "distance")

    init(
        directory: TemporaryDirectory? = nil, ambient: Ambient = .live, limits: PredictionLogWriter.Limits = .init()
    ) async throws {
        self.directory = try directory ?? TemporaryDirectory()
        decisions = try Store(
            in: self.directory, EmbeddedModelServer.decisionMigrations, name: "decisions.db", ambient: ambient)
        telemetry = try Store(
            in: self.directory, EmbeddedModelServer.telemetryMigrations, name: "telemetry.db", ambient: ambient)
        server = EmbeddedModelServer(
            decisions: decisions, telemetry: telemetry, registry: registry, artifacts: artifacts, features: features,
            ambient: ambient, log: limits)
        for version in 1...2 {
            let folder = "1/run\(version)/artifacts/model"
            let model = try Self.model(flipped: version == 2)
            _ = try await artifacts.put("\(folder)/model.json", try model.encoded())
            _ = try await artifacts.put("\(folder)/baseline.json", Data("{\"version\":\(version)}".utf8))
            registry.add("late", source: ArtifactPath.uri(folder))
        }
    }

    /// Late flights are the far ones in the evening; with `flipped`, the others.
    static func model(flipped: Bool) throws -> TabularModel {
        var generator = SeededGenerator(seed: 5)
        let count = 600
        let hours = (0..<count).map { _ in Int64.random(in: 0..<24, using: &generator) }
        let distances = (0..<count).map { _ in Double.random(in: 100...2000, using: &generator) }
        let late = (0..<count).map { (Double(hours[$0]) * 60 + distances[$0] > 1500) != flipped }
        let table = try Table([
            ("hour", .int64(hours)), ("distance", .float64(distances)),
            ("carrier", .string((0..<count).map { ["AA", "BB", "CC"][$0 % 3] })),
            ("weekend", .bool((0..<count).map { $0 % 7 > 4 })),
            ("at", .timestamp((0..<count).map { 1_357_000_000_000 + Int64($0) * 3_600_000 })),
            ("late", .bool(late)),
        ])
        var parameters = BoostingParameters()
        parameters.numTrees = 10
        return try TabularModel.fit(table, target: "late", parameters: .boosting(parameters))
    }

    func deploy(_ name: String = "d", version: String = "1", lookup: [String]? = nil) async throws {
        _ = try await server.deploy(.init(name: name, model: "late", version: version, lookup: lookup))
    }
}

/// The part of a registry that serving asks for.
final class MemoryRegistry: ModelRegistry {
    private let sources = Mutex<[String: [String]]>([:])
    private let isAway = Atomic(false)

    func add(_ name: String, source: String) { sources.withLock { $0[name, default: []].append(source) } }
    func removeAll() { sources.withLock { $0 = [:] } }
    /// As if somebody else's server kept the versions.
    func setAway(_ away: Bool) { isAway.store(away, ordering: .sequentiallyConsistent) }

    func model(_ name: String) async throws -> RegisteredModel {
        guard let versions = sources.withLock({ $0[name] }) else { throw NestboxError.notFound("model", name) }
        let time = Timestamp(milliseconds: 0)
        return RegisteredModel(
            name: name, description: "", tags: [:], aliases: [:], latestVersion: versions.count, createdAt: time,
            updatedAt: time)
    }

    func version(_ name: String, _ version: Int) async throws -> ModelVersion {
        guard !isAway.load(ordering: .sequentiallyConsistent) else {
            throw NestboxError(.unavailable, "no answer from http://mlflow")
        }
        guard let versions = sources.withLock({ $0[name] }), versions.indices.contains(version - 1) else {
            throw NestboxError.notFound("version of model `\(name)`", "\(version)")
        }
        let time = Timestamp(milliseconds: 0)
        return ModelVersion(
            name: name, version: version, source: versions[version - 1], runID: nil, stage: .none, description: "",
            tags: [:],
            aliases: [], createdAt: time, updatedAt: time, createdBy: "test")
    }

    private var unused: NestboxError { NestboxError(.internalError, "serving has no business here") }
    func createModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel {
        throw unused
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
    func createVersion(_ request: NewModelVersion) async throws -> ModelVersion { throw unused }
    func versions(of name: String?, maxResults: Int, pageToken: String?) async throws -> Page<ModelVersion> {
        throw unused
    }
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

final class MemoryArtifacts: ArtifactStore {
    private let files = Mutex<[String: [UInt8]]>([:])

    func put(_ path: String, _ body: ByteStream) async throws -> ArtifactEntry {
        let bytes = try await body.collect(upTo: 1 << 24)
        files.withLock { $0[path] = bytes }
        return ArtifactEntry(path: path, isDirectory: false, size: Int64(bytes.count))
    }

    func entry(_ path: String) async throws -> ArtifactEntry {
        ArtifactEntry(path: path, isDirectory: false, size: Int64(try bytes(path).count))
    }

    func open(_ path: String, range: Range<Int64>?) async throws -> (entry: ArtifactEntry, body: ByteStream) {
        (try await entry(path), ByteStream(try bytes(path)))
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        guard let bytes = files.withLock({ $0[path] }) else { throw NestboxError.notFound("artifact", path) }
        return bytes
    }

    func list(_ directory: String) async throws -> [ArtifactEntry] { [] }
    func delete(_ path: String) async throws { files.withLock { _ = $0.removeValue(forKey: path) } }
    func collectGarbage() async throws -> ReclaimedSpace { ReclaimedSpace(objects: 0, bytes: 0) }
}

/// Views `trips` by `route_id` and `planes` by `tailnum`, and what they were asked.
final class MemoryFeatures: FeatureStore {
    let requests = Mutex<[OnlineFeatureRequest]>([])

    func definitions() async throws -> FeatureDefinitions {
        FeatureDefinitions(
            entities: [Entity(name: "route", joinKey: "route_id"), Entity(name: "plane", joinKey: "tailnum")],
            featureViews: [
                FeatureView(
                    name: "trips", entities: ["route"], dataset: try DatasetReference(parsing: "trips"),
                    features: ["distance", "stops"]),
                FeatureView(
                    name: "planes", entities: ["plane"], dataset: try DatasetReference(parsing: "planes"),
                    features: ["seats"]),
            ])
    }

    func lookup(_ request: OnlineFeatureRequest) async throws -> OnlineFeatureResponse {
        requests.withLock { $0.append(request) }
        return OnlineFeatureResponse(
            rows: request.entities.map { entity in
                let distance: JSONValue = entity["route_id"] == "far" ? 1900 : .null
                let seats: JSONValue = entity["tailnum"] == "N1" ? 180 : .null
                return .init(values: ["trips__distance": distance, "planes__seats": seats], eventTimes: [:])
            })
    }

    private var unused: NestboxError { NestboxError(.internalError, "serving has no business here") }
    func apply(_ definitions: FeatureDefinitions) async throws -> FeatureDefinitions { throw unused }
    func trainingSet(_ request: TrainingSetRequest) async throws -> DatasetVersion { throw unused }
    func materialize(views: [String], until: Timestamp?) async throws -> [MaterializationResult] { throw unused }
    func materializations() async throws -> [MaterializationResult] { throw unused }
}
