import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry {
    package func createModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel
    {
        try RegistryRules.checkName(name)
        try RegistryRules.checkDescription(description)
        for (key, value) in tags { try RegistryRules.checkTag(key, value) }
        return try await store.write { context in
            try Self.requireFreeName(name, in: context.db)
            let now = context.now.milliseconds
            try context.db.execute(
                sql: "INSERT INTO registry_models (name, description, created_at, updated_at) VALUES (?, ?, ?, ?)",
                arguments: [name, description, now, now])
            let key = RegistryRows.ModelKey(id: context.db.lastInsertedRowID, name: name)
            for (tag, value) in tags {
                try context.db.execute(
                    sql: "INSERT INTO registry_model_tags (model_id, key, value) VALUES (?, ?, ?)",
                    arguments: [key.id, tag, value])
            }
            try context.record(
                "model.created", "model/\(name)",
                Self.fact(
                    [
                        "description": .string(description), "tags": .object(tags.mapValues { .string($0) }),
                    ], isPrompt: RegistryRules.isPrompt(tags)))
            return try RegistryRows.model(key, in: context.db)
        }
    }

    package func model(_ name: String) async throws -> RegisteredModel {
        try await store.read { db in try RegistryRows.model(RegistryRows.model(name, in: db), in: db) }
    }

    package func models(nameContains: String?, maxResults: Int, pageToken: String?) async throws -> Page<
        RegisteredModel
    > {
        try RegistryRules.checkPageSize(maxResults)
        let after = try PageToken.decode(String.self, pageToken)
        return try await store.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT id, name FROM registry_models
                    WHERE (?1 IS NULL OR name > ?1) AND (?2 IS NULL OR instr(lower(name), lower(?2)) > 0)
                    ORDER BY name LIMIT ?3
                    """, arguments: [after, nameContains, maxResults + 1])
            let shown = rows.prefix(maxResults)
            let next = try rows.count > maxResults ? shown.last.map { try PageToken.encode($0["name"] as String) } : nil
            return Page(items: try RegistryRows.models(shown.map { $0["id"] }, in: db), nextPageToken: next)
        }
    }

    package func updateModel(_ name: String, description: String) async throws -> RegisteredModel {
        try RegistryRules.checkDescription(description)
        return try await store.write { context in
            let key = try RegistryRows.model(name, in: context.db)
            try context.db.execute(
                sql: "UPDATE registry_models SET description = ?, updated_at = ? WHERE id = ?",
                arguments: [description, context.now.milliseconds, key.id])
            try context.record("model.updated", "model/\(name)", ["description": .string(description)])
            return try RegistryRows.model(key, in: context.db)
        }
    }

    package func renameModel(_ name: String, to newName: String) async throws -> RegisteredModel {
        try RegistryRules.checkName(newName)
        return try await store.write { context in
            let key = try RegistryRows.model(name, in: context.db)
            if name != newName {
                try Self.requireFreeName(newName, in: context.db)
                try context.db.execute(
                    sql: "UPDATE registry_models SET name = ?, updated_at = ? WHERE id = ?",
                    arguments: [newName, context.now.milliseconds, key.id])
                try HistoryTable.own.rename(name, to: newName, context)
                try context.record(
                    "model.renamed", "model/\(newName)", ["from": .string(name), "to": .string(newName)])
            }
            return try RegistryRows.model(.init(id: key.id, name: newName), in: context.db)
        }
    }

    /// Removes the model with its versions and aliases; the history and the events stay. Versions that had neither an alias nor
    /// a stage have no row of their own in it.
    package func deleteModel(_ name: String, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        try await store.write { context in
            let key = try RegistryRows.model(name, in: context.db)
            let model = try RegistryRows.model(key, in: context.db)
            let reason = reason.isEmpty ? model.tags[ModelTransition.reasonTag] ?? "" : reason
            let versions = try Row.fetchAll(
                context.db, sql: "SELECT version, stage FROM registry_versions WHERE model_id = ? ORDER BY version",
                arguments: [key.id])
            for (alias, version) in model.aliases.sorted(by: { $0.key < $1.key }) {
                try HistoryTable.own.add(
                    .alias(alias, from: version, to: nil, reason: Self.because("the model was deleted", reason)),
                    to: name, context)
            }
            for row in versions {
                let stage = try RegistryRows.stage(row["stage"])
                guard stage != .none else { continue }
                try HistoryTable.own.add(
                    .deleted(
                        version: row["version"], in: stage, reason: Self.because("the model was deleted", reason)),
                    to: name, context)
            }
            try HistoryTable.own.add(.deletedModel(reason: reason), to: name, context)
            try context.db.execute(sql: "DELETE FROM registry_models WHERE id = ?", arguments: [key.id])
            try context.record(
                "model.deleted", "model/\(name)",
                [
                    "versions": .array(versions.map { .int(Int64($0["version"] as Int)) }),
                    "aliases": .object(model.aliases.mapValues { .int(Int64($0)) }), "reason": .string(reason),
                ])
        }
    }

    package func setModelTag(_ name: String, key: String, value: String?) async throws {
        try RegistryRules.checkTag(key, value)
        try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            if let value {
                try context.db.execute(
                    sql: "INSERT OR REPLACE INTO registry_model_tags (model_id, key, value) VALUES (?, ?, ?)",
                    arguments: [model.id, key, value])
            } else {
                try context.db.execute(
                    sql: "DELETE FROM registry_model_tags WHERE model_id = ? AND key = ?", arguments: [model.id, key])
                guard context.db.changesCount > 0 else { return }
            }
            try context.record(
                "model.tagged", "model/\(name)",
                Self.fact(
                    ["key": .string(key), "value": value.map { .string($0) } ?? .null],
                    isPrompt: try RegistryRows.isPrompt(model, in: context.db)))
        }
    }

    /// What an event says, and that it is of a prompt when it is: webhooks tell prompts from models.
    static func fact(_ data: [String: JSONValue], isPrompt: Bool) -> JSONValue {
        .object(isPrompt ? data.merging(["prompt": true]) { $1 } : data)
    }

    /// The model changed just now. Tags and aliases are no change of the model, as in MLflow.
    static func touch(_ model: RegistryRows.ModelKey, _ context: WriteContext) throws {
        try context.db.execute(
            sql: "UPDATE registry_models SET updated_at = ? WHERE id = ?",
            arguments: [context.now.milliseconds, model.id])
    }

    private static func requireFreeName(_ name: String, in db: Database) throws {
        let sql = "SELECT EXISTS (SELECT 1 FROM registry_models WHERE name = ?)"
        guard try Bool.fetchOne(db, sql: sql, arguments: [name]) != true else {
            throw NestboxError(
                .alreadyExists, "there is already a registered model named `\(name)`",
                hint: "add a version to it, or choose another name")
        }
    }
}
