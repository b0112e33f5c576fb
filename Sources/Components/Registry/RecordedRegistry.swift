import Contracts
import Core
import GRDB
import Storage

/// A registry that somebody else keeps, and here a record of what changes through this Nestbox: an event for each change, as
/// the embedded registry has them, and the history of aliases and stages, which an MLflow server does not keep.
///
/// A change is recorded after the other side has answered. One whose record fails (a full disk) has still happened there; a
/// change that others make there is not seen here.
package struct RecordedRegistry: ModelRegistry {
    /// For `nestbox.db`. A model is its name here: the other side gives no number.
    package static let migrations = [
        Migration("registry.recorded.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE registry_recorded_moves (
                        id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, at INTEGER NOT NULL,
                        actor TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, from_version INTEGER,
                        to_version INTEGER, from_stage TEXT, reason TEXT NOT NULL);
                    CREATE INDEX registry_recorded_moves_by_model ON registry_recorded_moves (model, id);
                    """)
        }
    ]

    private let base: any ModelRegistry
    private let store: Store
    private let proposer: VersionProposer?

    /// - Parameters:
    ///   - store: `nestbox.db`, opened with `migrations`.
    ///   - proposer: finds out what changed between versions; without one, every version counts as a minor change.
    package init(_ base: any ModelRegistry, store: Store, proposer: VersionProposer? = nil) {
        self.base = base
        self.store = store
        self.proposer = proposer
    }

    // MARK: Models

    package func createModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel
    {
        let model = try await base.createModel(name: name, description: description, tags: tags)
        try await record(
            "model.created", name,
            EmbeddedRegistry.fact(
                ["description": .string(description), "tags": .object(tags.mapValues { .string($0) })],
                isPrompt: RegistryRules.isPrompt(tags)))
        return model
    }

    package func model(_ name: String) async throws -> RegisteredModel { try await base.model(name) }

    package func models(nameContains: String?, maxResults: Int, pageToken: String?) async throws -> Page<
        RegisteredModel
    > { try await base.models(nameContains: nameContains, maxResults: maxResults, pageToken: pageToken) }

    package func searchModels(_ search: ModelSearch) async throws -> Page<RegisteredModel> {
        try await base.searchModels(search)
    }

    package func updateModel(_ name: String, description: String) async throws -> RegisteredModel {
        let model = try await base.updateModel(name, description: description)
        try await record("model.updated", name, ["description": .string(description)])
        return model
    }

    package func renameModel(_ name: String, to newName: String) async throws -> RegisteredModel {
        let model = try await base.renameModel(name, to: newName)
        guard name != newName else { return model }
        try await store.write { context in
            try HistoryTable.recorded.rename(name, to: newName, context)
            try context.record("model.renamed", "model/\(newName)", ["from": .string(name), "to": .string(newName)])
        }
        return model
    }

    package func deleteModel(_ name: String, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        let model = try await base.model(name)
        let versions = try await base.allVersions(of: name).sorted { $0.version < $1.version }
        let reason = reason.isEmpty ? model.tags[ModelTransition.reasonTag] ?? "" : reason
        try await base.deleteModel(name, reason: reason)
        try await store.write { context in
            let because = EmbeddedRegistry.because("the model was deleted", reason)
            for (alias, version) in model.aliases.sorted(by: { $0.key < $1.key }) {
                try HistoryTable.recorded.add(
                    .alias(alias, from: version, to: nil, reason: because), to: name, context)
            }
            for version in versions where version.stage != .none {
                try HistoryTable.recorded.add(
                    .deleted(version: version.version, in: version.stage, reason: because), to: name, context)
            }
            try HistoryTable.recorded.add(.deletedModel(reason: reason), to: name, context)
            try context.record(
                "model.deleted", "model/\(name)",
                [
                    "versions": .array(versions.map { .int(Int64($0.version)) }),
                    "aliases": .object(model.aliases.mapValues { .int(Int64($0)) }), "reason": .string(reason),
                ])
        }
    }

    package func setModelTag(_ name: String, key: String, value: String?) async throws {
        try await base.setModelTag(name, key: key, value: value)
        try await record(
            "model.tagged", name,
            EmbeddedRegistry.fact(
                ["key": .string(key), "value": value.map { .string($0) } ?? .null], isPrompt: try await isPrompt(name)))
    }

    // MARK: Versions

    package func createVersion(_ request: NewModelVersion) async throws -> ModelVersion {
        var numbered = request
        try await number(&numbered)
        let version = try await base.createVersion(numbered)
        try await record(
            "model_version.created", version.name,
            EmbeddedRegistry.fact(
                [
                    "version": .int(Int64(version.version)), "source": .string(version.source),
                    "run": version.runID.map { .string($0) } ?? .null,
                    "model_id": version.modelID.map { .string($0) } ?? .null,
                    "description": .string(request.description),
                    "tags": .object(request.tags.mapValues { .string($0) }),
                ], isPrompt: RegistryRules.isPrompt(request.tags)))
        return version
    }

    package func version(_ name: String, _ version: Int) async throws -> ModelVersion {
        try await base.version(name, version)
    }

    package func versions(of name: String?, maxResults: Int, pageToken: String?) async throws -> Page<ModelVersion> {
        try await base.versions(of: name, maxResults: maxResults, pageToken: pageToken)
    }

    package func searchVersions(_ search: ModelSearch) async throws -> Page<ModelVersion> {
        try await base.searchVersions(search)
    }

    package func updateVersion(_ name: String, _ version: Int, description: String) async throws -> ModelVersion {
        let changed = try await base.updateVersion(name, version, description: description)
        try await record(
            "model_version.updated", name, ["version": .int(Int64(version)), "description": .string(description)])
        return changed
    }

    package func deleteVersion(_ name: String, _ version: Int, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        let model = try await base.model(name), isPrompt = RegistryRules.isPrompt(model.tags)
        let old = try await base.version(name, version)
        let aliases = model.aliases.filter { $0.value == version }.map(\.key).sorted()
        let reason = reason.isEmpty ? old.tags[ModelTransition.reasonTag] ?? "" : reason
        try await base.deleteVersion(name, version, reason: reason)
        try await store.write { context in
            for alias in aliases {
                try Self.removed(
                    alias, of: name, from: version,
                    reason: EmbeddedRegistry.because("version \(version) was deleted", reason), isPrompt: isPrompt,
                    context)
            }
            try HistoryTable.recorded.add(.deleted(version: version, in: old.stage, reason: reason), to: name, context)
            try context.record(
                "model_version.deleted", "model/\(name)",
                ["version": .int(Int64(version)), "reason": .string(reason)])
        }
    }

    package func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws {
        if key == SemanticVersion.tag, try await !isPrompt(name) {
            guard let value else { throw SemanticOrder.removal(name, version) }
            _ = try await setSemanticVersion(
                name, version, to: try SemanticVersion(parsing: value), reason: "set as a tag")
            return
        }
        try await base.setVersionTag(name, version, key: key, value: value)
        try await record(
            "model_version.tagged", name,
            EmbeddedRegistry.fact(
                ["version": .int(Int64(version)), "key": .string(key), "value": value.map { .string($0) } ?? .null],
                isPrompt: try await isPrompt(name)))
    }

    // MARK: Semantic versions

    /// The tags that a new version gets. Kept by an MLflow server, tags are all there is: of two clients that register a version
    /// of a model at the same moment, both may get the same, and a deleted version's is given again.
    private func number(_ request: inout NewModelVersion) async throws {
        guard !RegistryRules.isPrompt(request.tags) else { return }
        let model = try await base.model(request.name)
        guard !RegistryRules.isPrompt(model.tags) else { return }
        let versions = try await base.allVersions(of: request.name)
        let highest = versions.compactMap { version in version.semantic.map { (version: version.version, semantic: $0) }
        }
        .max { $0.semantic < $1.semantic }
        if let given = request.tags[SemanticVersion.tag] {
            let next = (model.latestVersion ?? 0) + 1
            try SemanticOrder.check(
                try SemanticVersion(parsing: given), for: next, of: request.name, before: highest, after: nil)
            return
        }
        var proposal: SemanticProposal?
        if let proposer, let previous = versions.first {
            let located = try await base.version(request.name, previous.version)
            proposal = await proposer.proposal(for: request, after: located)
        }
        let (semantic, reason) = SemanticOrder.next(after: highest?.semantic, proposal)
        request.tags[SemanticVersion.tag] = semantic.description
        request.tags[SemanticVersion.reasonTag] = String(reason.prefix(RegistryRules.reasonLength))
    }

    package func setSemanticVersion(
        _ name: String, _ version: Int, to semantic: SemanticVersion, reason: String
    ) async throws -> ModelVersion {
        try RegistryRules.checkReason(reason)
        guard try await !isPrompt(name) else { throw SemanticOrder.prompt(name) }
        let old = try await base.version(name, version)
        let others = try await base.allVersions(of: name).compactMap { other in
            other.semantic.map { (version: other.version, semantic: $0) }
        }
        try SemanticOrder.check(
            semantic, for: version, of: name,
            before: others.filter { $0.version < version }.max { $0.version < $1.version },
            after: others.filter { $0.version > version }.min { $0.version < $1.version })
        try await base.setVersionTag(name, version, key: SemanticVersion.tag, value: semantic.description)
        try await base.setVersionTag(name, version, key: SemanticVersion.reasonTag, value: reason)
        try await record(
            "model_version.renumbered", name,
            [
                "version": .int(Int64(version)), "from": old.semantic.map { .string($0.description) } ?? .null,
                "to": .string(semantic.description), "reason": .string(reason),
            ])
        return try await base.version(name, version)
    }

    // MARK: Moves

    package func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        let model = try await base.model(name), old = model.aliases[alias]
        try await base.setAlias(name, alias: alias, version: version, reason: reason)
        guard old != version else { return }
        let reason = try await self.reason(reason, name, version)
        try await store.write { context in
            try HistoryTable.recorded.add(.alias(alias, from: old, to: version, reason: reason), to: name, context)
            try context.record(
                "alias.moved", "model/\(name)",
                EmbeddedRegistry.fact(
                    [
                        "alias": .string(alias), "from": old.map { .int(Int64($0)) } ?? .null,
                        "to": .int(Int64(version)), "reason": .string(reason),
                    ], isPrompt: RegistryRules.isPrompt(model.tags)))
        }
    }

    package func deleteAlias(_ name: String, alias: String, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        let model = try await base.model(name), old = model.aliases[alias]
        try await base.deleteAlias(name, alias: alias, reason: reason)
        guard let old else { return }
        let reason = try await self.reason(reason, name, old)
        try await store.write { context in
            try Self.removed(
                alias, of: name, from: old, reason: reason, isPrompt: RegistryRules.isPrompt(model.tags), context)
        }
    }

    package func version(_ name: String, alias: String) async throws -> ModelVersion {
        try await base.version(name, alias: alias)
    }

    package func transition(
        _ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool, reason: String
    ) async throws -> ModelVersion {
        try RegistryRules.checkReason(reason)
        let before = try await base.version(name, version).stage
        let archived =
            archiveExisting
            ? try await base.allVersions(of: name).filter { $0.stage == stage && $0.version != version }.map(\.version)
            : []
        var moved = try await base.transition(
            name, version, to: stage, archiveExisting: archiveExisting, reason: reason)
        let reason = before == stage ? reason : try await self.reason(reason, name, version)
        if before != stage { moved.tags[ModelTransition.reasonTag] = nil }
        var moves = archived.sorted().map {
            (
                version: $0, from: stage, to: ModelStage.archived,
                reason: EmbeddedRegistry.because("replaced by version \(version)", reason)
            )
        }
        if before != stage { moves.append((version, before, stage, reason)) }
        try await store.write { [moves] context in
            for move in moves {
                try HistoryTable.recorded.add(
                    .stage(of: move.version, from: move.from, to: move.to, reason: move.reason), to: name, context)
                try context.record(
                    "stage.changed", "model/\(name)",
                    [
                        "version": .int(Int64(move.version)), "from": .string(move.from.rawValue),
                        "to": .string(move.to.rawValue), "reason": .string(move.reason),
                    ])
            }
        }
        return moved
    }

    /// What was done through this Nestbox.
    package func history(of name: String, _ search: HistorySearch) async throws -> Page<ModelTransition> {
        try RegistryRules.checkPageSize(search.maxResults)
        let exists: Bool
        do {
            exists = try await base.model(name).name == name
        } catch let error as NestboxError where error.code == .notFound {
            exists = false
        }
        return try await store.read { db in
            try HistoryTable.recorded.page(of: name, search, exists: exists, in: db)
        }
    }

    /// The reason given, or the one that a client left in the version's tag, which it then takes away.
    private func reason(_ given: String, _ name: String, _ version: Int) async throws -> String {
        guard given.isEmpty else { return given }
        guard let left = try await base.version(name, version).tags[ModelTransition.reasonTag] else { return "" }
        try await setVersionTag(name, version, key: ModelTransition.reasonTag, value: nil)
        return left
    }

    // MARK: Records

    private func record(_ kind: String, _ model: String, _ data: JSONValue = [:]) async throws {
        try await store.write { context in try context.record(kind, "model/\(model)", data) }
    }

    private func isPrompt(_ model: String) async throws -> Bool {
        RegistryRules.isPrompt(try await base.model(model).tags)
    }

    private static func removed(
        _ alias: String, of model: String, from version: Int, reason: String, isPrompt: Bool, _ context: WriteContext
    ) throws {
        try HistoryTable.recorded.add(.alias(alias, from: version, to: nil, reason: reason), to: model, context)
        try context.record(
            "alias.removed", "model/\(model)",
            EmbeddedRegistry.fact(
                ["alias": .string(alias), "from": .int(Int64(version)), "reason": .string(reason)], isPrompt: isPrompt))
    }
}
