import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry: RegistryImport {
    package func importModel(_ imported: ModelWithVersions) async throws {
        let model = imported.model
        try Name.check(model.name, what: "registered model")
        try RegistryRules.checkDescription(model.description)
        for (key, value) in model.tags { try RegistryRules.checkTag(key, value) }
        for alias in model.aliases.keys { try RegistryRules.checkAlias(alias) }
        for version in imported.versions { try Self.check(version, of: model) }
        try await store.write { context in
            let db = context.db
            try db.execute(
                sql: """
                    INSERT INTO registry_models (name, description, created_at, updated_at) VALUES (?, ?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET description = excluded.description
                    """,
                arguments: [model.name, model.description, model.createdAt.milliseconds, model.updatedAt.milliseconds])
            let key = try RegistryRows.model(model.name, in: db)
            for (tag, value) in model.tags {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO registry_model_tags (model_id, key, value) VALUES (?, ?, ?)",
                    arguments: [key.id, tag, value])
            }
            for version in imported.versions.sorted(by: { $0.version < $1.version }) {
                try Self.importVersion(version, of: key, in: db)
            }
            // Numbers of versions that were deleted in the source are not given again either.
            let last = max(model.latestVersion ?? 0, imported.versions.map(\.version).max() ?? 0)
            try db.execute(
                sql: "UPDATE registry_models SET last_number = max(last_number, ?) WHERE id = ?",
                arguments: [last, key.id])
            for (alias, version) in model.aliases {
                _ = try RegistryRows.versionID(key, version, in: db)
                try db.execute(
                    sql: "INSERT OR REPLACE INTO registry_aliases (model_id, alias, version) VALUES (?, ?, ?)",
                    arguments: [key.id, alias, version])
            }
            try context.record(
                "model.imported", "model/\(model.name)",
                ["versions": .array(imported.versions.map { .int(Int64($0.version)) })])
        }
    }

    private static func check(_ version: ModelVersion, of model: RegisteredModel) throws {
        guard version.name == model.name, version.version > 0 else {
            throw NestboxError.invalid("`\(version.name)` version \(version.version) is no version of `\(model.name)`")
        }
        try RegistryRules.checkSource(version.source)
        try RegistryRules.checkSource(version.artifactURI)
        try RegistryRules.checkDescription(version.description)
        for (key, value) in version.tags { try RegistryRules.checkTag(key, value) }
    }

    private static func importVersion(
        _ version: ModelVersion, of model: RegistryRows.ModelKey, in db: Database
    ) throws {
        let sql = "SELECT id, created_at, run_id FROM registry_versions WHERE model_id = ? AND version = ?"
        if let there = try Row.fetchOne(db, sql: sql, arguments: [model.id, version.version]) {
            guard there[1] as Int64 == version.createdAt.milliseconds, there[2] as String? == version.runID else {
                throw NestboxError(
                    .conflict, "model `\(model.name)` has a version \(version.version) of its own here",
                    hint: "rename one of the two models first")
            }
            try db.execute(
                sql: """
                    UPDATE registry_versions SET source = ?, artifact_uri = ?, stage = ?, description = ?, updated_at = ?,
                        logged_model_id = ? WHERE id = ?
                    """,
                arguments: [
                    version.source, version.artifactURI, version.stage.rawValue, version.description,
                    version.updatedAt.milliseconds, version.modelID, there[0] as Int64,
                ])
        } else {
            try db.execute(
                sql: """
                    INSERT INTO registry_versions (model_id, version, source, artifact_uri, run_id, logged_model_id, stage,
                        description, created_at, updated_at, created_by)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    model.id, version.version, version.source, version.artifactURI, version.runID, version.modelID,
                    version.stage.rawValue, version.description, version.createdAt.milliseconds,
                    version.updatedAt.milliseconds, version.createdBy,
                ])
        }
        let id = try RegistryRows.versionID(model, version.version, in: db)
        for (tag, value) in version.tags {
            try db.execute(
                sql: "INSERT OR REPLACE INTO registry_version_tags (version_id, key, value) VALUES (?, ?, ?)",
                arguments: [id, tag, value])
        }
    }
}
