import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry {
    /// Pointing an alias to where it points already changes nothing and records nothing.
    package func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws {
        try RegistryRules.checkAlias(alias)
        try RegistryRules.checkReason(reason)
        try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            _ = try RegistryRows.versionID(model, version, in: context.db)
            let old = try Self.target(of: alias, model, in: context.db)
            guard old != version else { return }
            let reason = try Self.reason(reason, model, version, context)
            try context.db.execute(
                sql: "INSERT OR REPLACE INTO registry_aliases (model_id, alias, version) VALUES (?, ?, ?)",
                arguments: [model.id, alias, version])
            try HistoryTable.own.add(.alias(alias, from: old, to: version, reason: reason), to: name, context)
            try context.record(
                "alias.moved", "model/\(name)",
                Self.fact(
                    [
                        "alias": .string(alias), "from": old.map { .int(Int64($0)) } ?? .null,
                        "to": .int(Int64(version)), "reason": .string(reason),
                    ], isPrompt: try RegistryRows.isPrompt(model, in: context.db)))
        }
    }

    /// Removing an alias that is not there is no error, as in MLflow.
    package func deleteAlias(_ name: String, alias: String, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        try RegistryRules.checkAliasSpelling(alias)
        try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            guard let old = try Self.target(of: alias, model, in: context.db) else { return }
            let reason = try Self.reason(reason, model, old, context)
            try Self.removeAlias(alias, of: model, from: old, reason: reason, context)
        }
    }

    package func version(_ name: String, alias: String) async throws -> ModelVersion {
        try RegistryRules.checkAliasSpelling(alias)
        return try await store.read { db in
            let model = try RegistryRows.model(name, in: db)
            if let version = try Self.target(of: alias, model, in: db) {
                return try RegistryRows.version(model, version, in: db)
            }
            let aliases = try RegistryRows.model(model, in: db).aliases.sorted { $0.key < $1.key }
            throw NestboxError(
                .notFound, "model `\(name)` has no alias `\(alias)`",
                hint: aliases.isEmpty
                    ? "it has no alias yet"
                    : "its aliases are " + aliases.map { "`\($0.key)` (version \($0.value))" }.joined(separator: ", "))
        }
    }

    /// With `archiveExisting`, the versions that were in `stage` go to Archived in the same transaction.
    /// Throws `invalid_argument` when that is asked for a stage other than Staging and Production.
    package func transition(
        _ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool, reason: String
    ) async throws -> ModelVersion {
        try RegistryRules.checkReason(reason)
        guard !archiveExisting || stage == .staging || stage == .production else {
            throw NestboxError.invalid(
                "existing versions cannot be archived on a move to \(stage.rawValue)",
                hint: "that is possible for Staging and Production")
        }
        return try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            let current = try RegistryRows.version(model, version, in: context.db)
            var given = reason
            if current.stage != stage { given = try Self.reason(reason, model, version, context) }
            if archiveExisting {
                let others = try Int.fetchAll(
                    context.db,
                    sql:
                        "SELECT version FROM registry_versions WHERE model_id = ? AND stage = ? AND version <> ? ORDER BY version",
                    arguments: [model.id, stage.rawValue, version])
                for other in others {
                    try Self.move(
                        model, other, from: stage, to: .archived,
                        reason: Self.because("replaced by version \(version)", given), context)
                }
            }
            if current.stage != stage {
                try Self.move(model, version, from: current.stage, to: stage, reason: given, context)
            }
            return try RegistryRows.version(model, version, in: context.db)
        }
    }

    package func history(of name: String, _ search: HistorySearch) async throws -> Page<ModelTransition> {
        try RegistryRules.checkPageSize(search.maxResults)
        return try await store.read { db in
            let exists = try Bool.fetchOne(
                db, sql: "SELECT EXISTS (SELECT 1 FROM registry_models WHERE name = ?)", arguments: [name])
            return try HistoryTable.own.page(of: name, search, exists: exists == true, in: db)
        }
    }

    /// The reason given, or the one that a client left in the version's tag for its next move, which takes the tag away.
    private static func reason(
        _ given: String, _ model: RegistryRows.ModelKey, _ version: Int, _ context: WriteContext
    ) throws -> String {
        guard given.isEmpty else { return given }
        let tags = try RegistryRows.version(model, version, in: context.db).tags
        guard let left = tags[ModelTransition.reasonTag] else { return "" }
        try tag(model, version, ModelTransition.reasonTag, nil, context)
        return left
    }

    /// What a move is the consequence of, and why that happened.
    static func because(_ cause: String, _ reason: String) -> String { reason.isEmpty ? cause : "\(cause): \(reason)" }

    static func removeAlias(
        _ alias: String, of model: RegistryRows.ModelKey, from version: Int, reason: String, _ context: WriteContext
    ) throws {
        try context.db.execute(
            sql: "DELETE FROM registry_aliases WHERE model_id = ? AND alias = ?", arguments: [model.id, alias])
        try HistoryTable.own.add(.alias(alias, from: version, to: nil, reason: reason), to: model.name, context)
        try context.record(
            "alias.removed", "model/\(model.name)",
            fact(
                ["alias": .string(alias), "from": .int(Int64(version)), "reason": .string(reason)],
                isPrompt: try RegistryRows.isPrompt(model, in: context.db)))
    }

    private static func move(
        _ model: RegistryRows.ModelKey, _ version: Int, from old: ModelStage, to new: ModelStage, reason: String,
        _ context: WriteContext
    ) throws {
        try context.db.execute(
            sql: "UPDATE registry_versions SET stage = ?, updated_at = ? WHERE model_id = ? AND version = ?",
            arguments: [new.rawValue, context.now.milliseconds, model.id, version])
        try HistoryTable.own.add(.stage(of: version, from: old, to: new, reason: reason), to: model.name, context)
        try touch(model, context)
        try context.record(
            "stage.changed", "model/\(model.name)",
            [
                "version": .int(Int64(version)), "from": .string(old.rawValue), "to": .string(new.rawValue),
                "reason": .string(reason),
            ])
    }

    private static func target(of alias: String, _ model: RegistryRows.ModelKey, in db: Database) throws -> Int? {
        try Int.fetchOne(
            db, sql: "SELECT version FROM registry_aliases WHERE model_id = ? AND alias = ?",
            arguments: [model.id, alias])
    }
}
