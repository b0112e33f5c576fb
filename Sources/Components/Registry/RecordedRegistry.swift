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

    /// - Parameter store: `nestbox.db`, opened with `migrations`.
    package init(_ base: any ModelRegistry, store: Store) {
        self.base = base
        self.store = store
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
            try context.db.execute(
                sql: "UPDATE registry_recorded_moves SET model = ? WHERE model = ?", arguments: [newName, name])
            try context.record("model.renamed", "model/\(newName)", ["from": .string(name), "to": .string(newName)])
        }
        return model
    }

    package func deleteModel(_ name: String) async throws {
        let model = try await base.model(name)
        let versions = try await allVersions(of: name).map(\.version).sorted()
        try await base.deleteModel(name)
        try await store.write { context in
            try context.db.execute(sql: "DELETE FROM registry_recorded_moves WHERE model = ?", arguments: [name])
            try context.record(
                "model.deleted", "model/\(name)",
                [
                    "versions": .array(versions.map { .int(Int64($0)) }),
                    "aliases": .object(model.aliases.mapValues { .int(Int64($0)) }),
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
        let version = try await base.createVersion(request)
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

    package func deleteVersion(_ name: String, _ version: Int) async throws {
        let model = try await base.model(name), isPrompt = RegistryRules.isPrompt(model.tags)
        let aliases = model.aliases.filter { $0.value == version }.map(\.key).sorted()
        try await base.deleteVersion(name, version)
        try await store.write { context in
            for alias in aliases {
                try Self.removed(
                    alias, of: name, from: version, reason: "version \(version) was deleted", isPrompt: isPrompt,
                    context)
            }
            try context.record("model_version.deleted", "model/\(name)", ["version": .int(Int64(version))])
        }
    }

    package func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws {
        try await base.setVersionTag(name, version, key: key, value: value)
        try await record(
            "model_version.tagged", name,
            EmbeddedRegistry.fact(
                ["version": .int(Int64(version)), "key": .string(key), "value": value.map { .string($0) } ?? .null],
                isPrompt: try await isPrompt(name)))
    }

    // MARK: Moves

    package func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws {
        let model = try await base.model(name), old = model.aliases[alias]
        try await base.setAlias(name, alias: alias, version: version, reason: reason)
        guard old != version else { return }
        try await store.write { context in
            try Self.move(name, kind: .alias, label: alias, from: old, to: version, reason: reason, context)
            try context.record(
                "alias.moved", "model/\(name)",
                EmbeddedRegistry.fact(
                    [
                        "alias": .string(alias), "from": old.map { .int(Int64($0)) } ?? .null,
                        "to": .int(Int64(version)), "reason": .string(reason),
                    ], isPrompt: RegistryRules.isPrompt(model.tags)))
        }
    }

    package func deleteAlias(_ name: String, alias: String) async throws {
        let model = try await base.model(name), old = model.aliases[alias]
        try await base.deleteAlias(name, alias: alias)
        guard let old else { return }
        try await store.write { context in
            try Self.removed(
                alias, of: name, from: old, reason: "", isPrompt: RegistryRules.isPrompt(model.tags), context)
        }
    }

    package func version(_ name: String, alias: String) async throws -> ModelVersion {
        try await base.version(name, alias: alias)
    }

    package func transition(
        _ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool
    ) async throws -> ModelVersion {
        let before = try await base.version(name, version).stage
        let archived =
            archiveExisting
            ? try await allVersions(of: name).filter { $0.stage == stage && $0.version != version }.map(\.version) : []
        let moved = try await base.transition(name, version, to: stage, archiveExisting: archiveExisting)
        var moves = archived.sorted().map {
            (version: $0, from: stage, to: ModelStage.archived, reason: "replaced by version \(version)")
        }
        if before != stage { moves.append((version, before, stage, "")) }
        try await store.write { [moves] context in
            for move in moves {
                try Self.move(
                    name, kind: .stage, label: move.to.rawValue, from: move.version, to: move.version,
                    fromStage: move.from, reason: move.reason, context)
                try context.record(
                    "stage.changed", "model/\(name)",
                    [
                        "version": .int(Int64(move.version)), "from": .string(move.from.rawValue),
                        "to": .string(move.to.rawValue),
                    ])
            }
        }
        return moved
    }

    /// The moves that were made through this Nestbox.
    package func transitions(of name: String) async throws -> [ModelTransition] {
        _ = try await base.model(name)
        return try await store.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM registry_recorded_moves WHERE model = ? ORDER BY id DESC", arguments: [name]
            ).map { try RegistryRows.transition($0, model: name) }
        }
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
        try move(model, kind: .alias, label: alias, from: version, to: nil, reason: reason, context)
        try context.record(
            "alias.removed", "model/\(model)",
            EmbeddedRegistry.fact(
                ["alias": .string(alias), "from": .int(Int64(version)), "reason": .string(reason)], isPrompt: isPrompt))
    }

    private static func move(
        _ model: String, kind: ModelTransition.Kind, label: String, from: Int?, to: Int?,
        fromStage: ModelStage? = nil, reason: String, _ context: WriteContext
    ) throws {
        try context.db.execute(
            sql: """
                INSERT INTO registry_recorded_moves
                    (model, at, actor, kind, label, from_version, to_version, from_stage, reason)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                model, context.now.milliseconds, context.actor, kind.rawValue, label, from, to, fromStage?.rawValue,
                reason,
            ])
    }

    private func allVersions(of name: String) async throws -> [ModelVersion] {
        var found: [ModelVersion] = [], token: String?
        repeat {
            let page = try await base.versions(of: name, maxResults: 1000, pageToken: token)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        return found
    }
}
