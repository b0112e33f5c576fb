import Contracts
import Core
import Foundation

/// Where the facts are asked for.
package struct LineageSources: Sendable {
    package var datasets: any DatasetStore
    package var tracking: any Tracking & LoggedModelStore
    package var registry: any ModelRegistry
    package var serving: any ModelServer

    package init(
        datasets: any DatasetStore, tracking: any Tracking & LoggedModelStore, registry: any ModelRegistry,
        serving: any ModelServer
    ) {
        self.datasets = datasets
        self.tracking = tracking
        self.registry = registry
        self.serving = serving
    }
}

/// A node with what is known of it.
enum LineageThing: Sendable {
    case dataset(DatasetVersion)
    case externalDataset(RunInput)
    case run(Run)
    case loggedModel(LoggedModel)
    case modelVersion(ModelVersion)
    case deployment(Deployment)
    case missing(LineageKey)

    var key: LineageKey {
        switch self {
        case .dataset(let version): .dataset(version.dataset, version.version)
        case .externalDataset(let input): .externalDataset(input.name, digest: input.digest)
        case .run(let run): .run(run.id)
        case .loggedModel(let model): .loggedModel(model.id)
        case .modelVersion(let version): .modelVersion(version.name, version.version)
        case .deployment(let deployment): .deployment(deployment.name)
        case .missing(let key): key
        }
    }
}

/// `from` went into `to`.
struct LineageLink: Hashable, Sendable {
    var from: LineageKey
    var to: LineageKey
    var kind: LineageEdge.Kind
    var label = ""
}

/// The facts of one walk, each asked for once.
///
/// Every arrow is stated by exactly one thing: a run says what it read, used and made and whose part it is, a logged model
/// which run made it, a version what it is a version of, a deployment what it answers with. So both directions agree.
struct LineageFacts {
    let sources: LineageSources
    private var things: [LineageKey: LineageThing] = [:]
    private var versionsOfDataset: [String: [DatasetVersion]] = [:]
    private var allDeployments: [Deployment]?

    init(_ sources: LineageSources) { self.sources = sources }

    // MARK: things

    /// `missing` when it is not there.
    mutating func thing(_ key: LineageKey) async throws -> LineageThing {
        if let known = things[key] { return known }
        let loaded = try await Self.optional { try await load(key) } ?? .missing(key)
        return remember(loaded)
    }

    @discardableResult
    private mutating func remember(_ thing: LineageThing) -> LineageThing {
        things[thing.key] = thing
        return thing
    }

    private func load(_ key: LineageKey) async throws -> LineageThing {
        switch key {
        case .dataset(let name, let version):
            return .dataset(try await sources.datasets.version(DatasetReference(name: name, version: version)))
        case .externalDataset(let name, let digest):
            let reader = try await sources.tracking.runs(.reading(dataset: name, digest: digest), limit: 1).first
            guard let input = reader?.inputs.first(where: { $0.name == name && $0.digest == digest }) else {
                throw NestboxError.notFound("dataset that a run read", "\(name), digest \(digest)")
            }
            return .externalDataset(input)
        case .run(let id): return .run(try await sources.tracking.run(id: id))
        case .loggedModel(let id):
            return .loggedModel(try await sources.tracking.loggedModel(id: id, includingDeleted: true))
        case .modelVersion(let name, let version):
            return .modelVersion(try await sources.registry.version(name, version))
        case .deployment(let name): return .deployment(try await sources.serving.deployment(name))
        }
    }

    /// What somebody named. Throws `not_found` when it is not there.
    mutating func resolve(_ text: String) async throws -> LineageThing {
        let reference = try LineageReference(text), name = reference.name
        let selector = reference.selector ?? "latest"
        let key: LineageKey
        switch reference.kind {
        case .dataset:
            let number = Int(selector)
            guard number != nil || selector == "latest" else {
                throw NestboxError.invalid(
                    "`\(text.prefix(120))`: `\(selector.prefix(40))` is not a version number",
                    hint: "write dataset:\(name)/1")
            }
            let found = try await sources.datasets.version(DatasetReference(name: name, version: number))
            return remember(.dataset(found))
        case .modelVersion:
            let found = try await sources.registry.resolve(name, selector)
            return remember(.modelVersion(found))
        case .externalDataset:
            guard let digest = reference.selector else {
                throw NestboxError.invalid(
                    "`\(text.prefix(120))` has no digest", hint: "write external-dataset:NAME/DIGEST")
            }
            key = .externalDataset(name, digest: digest)
        case .run: key = .run(name)
        case .loggedModel: key = .loggedModel(name)
        case .deployment: key = .deployment(name)
        }
        let loaded = try await load(key)
        return remember(loaded)
    }

    // MARK: arrows

    /// The arrows that the thing itself states, to it and from it.
    mutating func stated(by thing: LineageThing) async throws -> [LineageLink] {
        switch thing {
        case .dataset, .externalDataset, .missing: return []
        case .run(let run): return try await stated(by: run)
        case .loggedModel(let model):
            return model.sourceRunID.map { [LineageLink(from: .run($0), to: thing.key, kind: .made)] } ?? []
        case .modelVersion(let version): return try await origins(of: version)
        case .deployment(let deployment):
            let version = LineageKey.modelVersion(deployment.model, deployment.version)
            return [LineageLink(from: version, to: thing.key, kind: .deployed)]
        }
    }

    private mutating func stated(by run: Run) async throws -> [LineageLink] {
        let key = LineageKey.run(run.id)
        var links: [LineageLink] = []
        for input in run.inputs {
            links.append(
                LineageLink(
                    from: try await dataset(of: input), to: key, kind: .read,
                    label: input.tags[DatasetSummary.contextTag] ?? ""))
        }
        let made = Set(run.modelOutputs.map(\.modelID))
        for model in run.modelInputs where !made.contains(model) {
            // Who measures the model that it just made is not fed by it.
            if case .loggedModel(let loaded) = try await thing(.loggedModel(model)), loaded.sourceRunID == run.id {
                continue
            }
            links.append(LineageLink(from: .loggedModel(model), to: key, kind: .used))
        }
        links += run.modelOutputs.map { LineageLink(from: key, to: .loggedModel($0.modelID), kind: .made) }
        if let parent = run.parentID, parent != run.id {
            links.append(LineageLink(from: key, to: .run(parent), kind: .child))
        }
        return links
    }

    /// The dataset of this server that a run's input is, by its digest, or the input as its client named it.
    mutating func dataset(of input: RunInput) async throws -> LineageKey {
        if let version = try await version(of: input) {
            return remember(.dataset(version)).key
        }
        let key = LineageKey.externalDataset(input.name, digest: input.digest)
        if things[key] == nil { remember(.externalDataset(input)) }
        return key
    }

    private mutating func version(of input: RunInput) async throws -> DatasetVersion? {
        guard input.digest.count == DatasetVersion.digestLength else { return nil }
        if versionsOfDataset[input.name] == nil {
            versionsOfDataset[input.name] =
                try await Self.optional { try await sources.datasets.versions(of: input.name) } ?? []
        }
        let same = (versionsOfDataset[input.name] ?? []).filter { $0.digest == input.digest }
        // Content that came back later is two versions with one digest.
        return same.first { (try? $0.runInput.source) == input.source } ?? same.first
    }

    /// What a version is a version of, as it was registered; for what was registered by a place alone, as its address says.
    private mutating func origins(of version: ModelVersion) async throws -> [LineageLink] {
        let key = LineageKey.modelVersion(version.name, version.version)
        if let other = VersionSource.version(version.source), other != key {
            return [LineageLink(from: other, to: key, kind: .copied)]
        }
        var links: [LineageLink] = []
        var maker: String?
        if let id = version.modelID ?? VersionSource.model(version.source) {
            let loaded = try await thing(.loggedModel(id))
            if case .loggedModel(let model) = loaded { maker = model.sourceRunID }
            let isKnown = if case .missing = loaded { false } else { true }
            // An address may belong to another server; what was stated is shown even when it is gone.
            if isKnown || version.modelID != nil || version.source.hasPrefix("models:/") {
                links.append(LineageLink(from: .loggedModel(id), to: key, kind: .registered))
            }
        }
        if let run = version.runID, run != maker {
            links.append(LineageLink(from: .run(run), to: key, kind: .registered))
        } else if version.runID == nil, links.isEmpty, let run = VersionSource.run(version.source) {
            if case .run = try await thing(.run(run)) {
                links.append(LineageLink(from: .run(run), to: key, kind: .registered))
            }
        }
        return links
    }

    /// Things that may state an arrow to this one, or from it: the newest of each kind.
    mutating func others(
        _ thing: LineageThing, _ direction: LineageRequest.Direction, limit: Int
    ) async throws -> [[LineageThing]] {
        let found: [[LineageThing]]
        switch (thing, direction) {
        case (.run(let run), .upstream): found = [try await runs(.children(of: run.id), limit)]
        case (.loggedModel(let model), .upstream): found = [try await runs(.making(model: model.id), limit)]
        case (.dataset(let version), .downstream):
            found = [try await runs(.reading(dataset: version.dataset, digest: version.digest), limit)]
        case (.externalDataset(let input), .downstream):
            found = [try await runs(.reading(dataset: input.name, digest: input.digest), limit)]
        case (.run(let run), .downstream):
            let models = try await sources.tracking.loggedModels(madeBy: run, limit: limit)
            let origin = VersionOrigin(runID: run.id, sources: [run.artifactURI, "runs:/\(run.id)"])
            found = [models.map { .loggedModel($0) }, try await versions(origin, limit)]
        case (.loggedModel(let model), .downstream):
            let origin = VersionOrigin(modelID: model.id, sources: ["models:/\(model.id)", model.artifactURI])
            found = [try await versions(origin, limit), try await runs(.using(model: model.id), limit)]
        case (.modelVersion(let version), .downstream):
            let origin = VersionOrigin(sources: ["models:/\(version.name)/\(version.version)"])
            found = [try await deployments(of: version), try await versions(origin, limit)]
        default: found = []
        }
        for thing in found.joined() where things[thing.key] == nil { remember(thing) }
        return found
    }

    private func runs(_ link: RunLink, _ limit: Int) async throws -> [LineageThing] {
        try await sources.tracking.runs(link, limit: limit).map { .run($0) }
    }

    private func versions(_ origin: VersionOrigin, _ limit: Int) async throws -> [LineageThing] {
        try await sources.registry.versions(from: origin, limit: limit).map { .modelVersion($0) }
    }

    private mutating func deployments(of version: ModelVersion) async throws -> [LineageThing] {
        let all = if let allDeployments { allDeployments } else { try await sources.serving.deployments() }
        allDeployments = all
        return all.filter { $0.model == version.name && $0.version == version.version }.map { .deployment($0) }
    }

    private static func optional<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
        do { return try await body() } catch let error as NestboxError where error.code == .notFound { return nil }
    }
}

/// What the source of a version says.
enum VersionSource {
    /// `models:/NAME/VERSION`
    static func version(_ source: String) -> LineageKey? {
        guard source.hasPrefix("models:/") else { return nil }
        let name = source.dropFirst("models:/".count).drop { $0 == "/" }
        guard let cut = name.lastIndex(of: "/"), let number = Int(name[name.index(after: cut)...]) else { return nil }
        return .modelVersion(String(name[..<cut]), number)
    }

    /// `models:/m-…`, or `…/models/m-…/artifacts…`
    static func model(_ source: String) -> String? {
        if source.hasPrefix("models:/m-"), !source.dropFirst("models:/".count).contains("/") {
            return String(source.dropFirst("models:/".count))
        }
        return source.firstMatch(of: #/\/models\/(m-[0-9a-f]{32})\/artifacts(?:\/|$)/#).map { String($0.output.1) }
    }

    /// `runs:/ID/…`, or `…/ID/artifacts…`
    static func run(_ source: String) -> String? {
        if source.hasPrefix("runs:/") {
            return source.dropFirst("runs:/".count).split(separator: "/").first.map(String.init)
        }
        return source.firstMatch(of: #/\/([0-9a-f]{32})\/artifacts(?:\/|$)/#).map { String($0.output.1) }
    }
}
