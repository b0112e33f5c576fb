import Contracts
import Core

extension MLflowImport {
    func bringLoggedModels(of experiment: Experiment, into here: Experiment, _ state: inout State) async throws {
        let models = try await Self.all { token in
            try await source.tracking.loggedModels(
                LoggedModelSearch(experimentIDs: [experiment.id], maxResults: 50, pageToken: token))
        }
        for model in models {
            try await attempt("logged models", "logged model `\(model.id)`", &state) { state in
                try await bring(model, into: here, &state)
            }
        }
    }

    private func bring(_ model: LoggedModel, into experiment: Experiment, _ state: inout State) async throws {
        say("logged model \(model.id)")
        var wanted = model
        wanted.experimentID = experiment.id
        wanted.artifactURI = "\(experiment.artifactLocation)/models/\(model.id)/artifacts"
        let here = try await absent { try await target.tracking.loggedModel(id: model.id, includingDeleted: true) }
        if let here { wanted.tags.merge(here.tags) { source, _ in source } }
        let isSame = here.map { Self.holds($0, wanted) } ?? false
        if !isSame { try await target.exchange.importLoggedModel(wanted) }
        try await bringFiles(from: model.artifactURI, to: wanted.artifactURI, "logged model `\(model.id)`", &state)
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

    /// A prompt is a registered model with this tag, which searches leave out unless they ask for it.
    private static let promptKind = "prompts"
    private static let prompts = "tags.`mlflow.prompt.is_prompt` = 'true'"

    func bringRegisteredModels(_ state: inout State) async throws {
        for (kind, filter) in [("registered models", ""), (Self.promptKind, Self.prompts)] {
            let models = try await Self.all { token in
                try await source.registry.searchModels(
                    ModelSearch(filter: filter, maxResults: 100, pageToken: token))
            }
            for model in models {
                try await attempt(kind, "\(kind.dropLast()) `\(model.name)`", &state) { state in
                    try await bring(model, kind, &state)
                }
            }
        }
    }

    private func bring(_ model: RegisteredModel, _ kind: String, _ state: inout State) async throws {
        say("\(kind.dropLast()) \(model.name)")
        let listed = try await Self.versions(of: model.name, kind, source.registry)
        var versions: [ModelVersion] = []
        for version in listed { versions.append(try await moved(version, state)) }
        let before = try await stored(model.name, kind)
        let wanted = ModelWithVersions(model: model, versions: versions)
        if !Self.holds(before, wanted) { try await target.exchange.importModel(wanted) }
        let after = try await stored(model.name, kind)
        let isSame = before?.model.tags == after?.model.tags && before?.model.aliases == after?.model.aliases
        state.report.add(
            kind, imported: after == nil || (before != nil && isSame) ? 0 : 1, skipped: before != nil && isSame ? 1 : 0)
        let old = Set((before?.versions ?? []).map(Self.key)), new = Set((after?.versions ?? []).map(Self.key))
        let sought = Set(versions.map(Self.key))
        state.report.add(
            kind == Self.promptKind ? "prompt versions" : "model versions", source: sought.count,
            imported: sought.intersection(new).subtracting(old).count, skipped: sought.intersection(old).count)
    }

    /// With the places that its files have here.
    private func moved(_ version: ModelVersion, _ state: State) async throws -> ModelVersion {
        var moved = version
        func place(_ uri: String) -> String {
            for (from, to) in state.places where uri == from || uri.hasPrefix(from + "/") {
                return to + uri.dropFirst(from.count)
            }
            return uri
        }
        moved.source = place(version.source)
        if let model = version.modelID, version.source == "models:/\(model)",
            let folder = state.loggedModelPlaces[model]
        {
            moved.artifactURI = folder
        } else if version.source.hasPrefix("runs:/") || version.source.hasPrefix("models:/") {
            let located = try await source.registry.version(version.name, version.version)
            moved.artifactURI = place(located.artifactURI)
        } else {
            moved.artifactURI = moved.source
        }
        return moved
    }

    private func stored(_ name: String, _ kind: String) async throws -> ModelWithVersions? {
        guard let model = try await absent({ try await target.registry.model(name) }) else { return nil }
        return ModelWithVersions(model: model, versions: try await Self.versions(of: name, kind, target.registry))
    }

    /// A prompt's versions, too, are found only when they are asked for.
    private static func versions(
        of name: String, _ kind: String, _ registry: RemoteRegistry
    ) async throws -> [ModelVersion] {
        var filter = "name = \(try RemoteRegistry.quoted(name))"
        if kind == promptKind { filter += " AND " + prompts }
        return try await all { token in
            try await registry.searchVersions(
                ModelSearch(filter: filter, maxResults: 100, orderBy: ["version_number ASC"], pageToken: token))
        }
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
