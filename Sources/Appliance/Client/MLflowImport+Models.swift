import Contracts
import Core

extension MLflowImport {
    func bringLoggedModels(of experiment: Experiment, into here: Experiment, _ state: inout State) async throws {
        for found in try await source.loggedModels(of: experiment) {
            try await attempt("logged models", Self.name(of: found, "logged model", \.id), &state) { state in
                try await bring(found.get(), into: here, &state)
            }
        }
    }

    private func bring(_ model: LoggedModel, into experiment: Experiment, _ state: inout State) async throws {
        say("logged model \(model.id)")
        var wanted = model
        wanted.experimentID = experiment.id
        let what = "logged model `\(model.id)`"
        wanted.artifactURI = place(
            model.artifactURI, here: "\(experiment.artifactLocation)/models/\(model.id)/artifacts", &state)
        let here = try await absent { try await target.tracking.loggedModel(id: model.id, includingDeleted: true) }
        if let here { wanted.tags.merge(here.tags) { source, _ in source } }
        let isSame = here.map { Self.holds($0, wanted) } ?? false
        if !isSame { try await target.exchange.importLoggedModel(wanted) }
        try await bringFiles(from: model.artifactURI, to: wanted.artifactURI, of: model.id, what, &state)
        state.places.append((model.artifactURI, wanted.artifactURI))
        state.loggedModelPlaces[model.id] = wanted.artifactURI
        guard Self.holds(try await target.tracking.loggedModel(id: model.id, includingDeleted: true), wanted) else {
            throw NestboxError(.conflict, "it was changed here while it was imported", hint: "import again")
        }
        state.report.add("logged models", imported: isSame ? 0 : 1, skipped: isSame ? 1 : 0)
    }

    private static func holds(_ here: LoggedModel, _ wanted: LoggedModel) -> Bool {
        here.experimentID == wanted.experimentID && here.status == wanted.status
            && here.artifactURI == wanted.artifactURI && here.lifecycleStage == wanted.lifecycleStage
            && here.params == wanted.params && here.metrics.count >= wanted.metrics.count
            && wanted.tags.allSatisfy { here.tags[$0.key] == $0.value }
    }

    // MARK: Registered models and prompts

    func bringRegisteredModels(_ state: inout State) async throws {
        for kind in [MLflowModelKind.model, .prompt] {
            let name = kind.single
            try await attempt(name + "s", "the \(name)s", &state) { state in
                for found in try await source.registeredModels(kind) {
                    try await attempt(name + "s", Self.name(of: found, name, \.name), &state) { state in
                        try await bring(found.get(), kind, &state)
                    }
                }
            }
        }
    }

    private func bring(_ model: RegisteredModel, _ kind: MLflowModelKind, _ state: inout State) async throws {
        say("\(kind.single) \(model.name)")
        var versions: [ModelVersion] = []
        for found in try await source.versions(of: model, kind) {
            try await attempt(kind.versions, "\(kind.single) `\(model.name)`: version", &state) { state in
                versions.append(moved(try found.get(), state))
            }
        }
        let before = try await stored(model.name, kind)
        var wanted = ModelWithVersions(model: model, versions: versions)
        let numbers = Set(versions.map(\.version))
        for (alias, version) in model.aliases where !numbers.contains(version) {
            wanted.model.aliases[alias] = nil
            state.note("\(kind.single) `\(model.name)`: alias `\(alias)` names version \(version), which did not come")
        }
        if !Self.holds(before, wanted) { try await target.exchange.importModel(wanted) }
        let after = try await stored(model.name, kind)
        let isSame = before?.model.tags == after?.model.tags && before?.model.aliases == after?.model.aliases
        state.report.add(
            kind.single + "s", imported: after == nil || (before != nil && isSame) ? 0 : 1,
            skipped: before != nil && isSame ? 1 : 0)
        let old = Set((before?.versions ?? []).map(Self.key)), new = Set((after?.versions ?? []).map(Self.key))
        let sought = Set(versions.map(Self.key))
        state.report.add(
            kind.versions, source: sought.count,
            imported: sought.intersection(new).subtracting(old).count, skipped: sought.intersection(old).count)
    }

    /// With the places that its files have here.
    private func moved(_ version: ModelVersion, _ state: State) -> ModelVersion {
        var moved = version
        func place(_ uri: String) -> String {
            for (from, to) in state.places where uri == from || uri.hasPrefix(from + "/") {
                return to + uri.dropFirst(from.count)
            }
            return uri
        }
        moved.source = place(version.source)
        moved.artifactURI = place(version.artifactURI)
        // A database of MLflow keeps the logged model in the source alone.
        let prefix = "models:/"
        if version.source.hasPrefix(prefix + "m-") {
            let model = String(version.source.dropFirst(prefix.count))
            moved.modelID = version.modelID ?? model
            if let folder = state.loggedModelPlaces[model] { moved.artifactURI = folder }
        }
        return moved
    }

    private func stored(_ name: String, _ kind: MLflowModelKind) async throws -> ModelWithVersions? {
        guard let model = try await absent({ try await target.registry.model(name) }) else { return nil }
        let versions = try await MLflowServer.listed(name, kind, in: target.registry)
        return ModelWithVersions(model: model, versions: versions)
    }

    private static func key(_ version: ModelVersion) -> [String] {
        [
            String(version.version), String(version.createdAt.milliseconds), version.stage.rawValue, version.source,
            version.description, version.runID ?? "",
        ]
    }

    private static func holds(_ here: ModelWithVersions?, _ wanted: ModelWithVersions) -> Bool {
        guard let here, here.model.description == wanted.model.description else { return false }
        let tags = Dictionary(here.versions.map { ($0.version, $0.tags) }, uniquingKeysWith: { $1 })
        return wanted.model.tags.allSatisfy { here.model.tags[$0.key] == $0.value }
            && wanted.model.aliases.allSatisfy { here.model.aliases[$0.key] == $0.value }
            && Set(here.versions.map(key)).isSuperset(of: wanted.versions.map(key))
            && wanted.versions.allSatisfy { version in
                version.tags.allSatisfy { tags[version.version]?[$0.key] == $0.value }
            }
    }
}

extension MLflowModelKind {
    var single: String { self == .prompt ? "prompt" : "registered model" }
    var versions: String { self == .prompt ? "prompt versions" : "model versions" }
}
