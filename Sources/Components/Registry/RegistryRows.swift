import Contracts
import Core
import GRDB

/// Rows to values. Tags and aliases of many models or versions are read in one statement each.
enum RegistryRows {
    struct ModelKey {
        var id: Int64
        var name: String
    }

    /// Throws `not_found` with the nearest names as the hint, and `invalid_argument` for what cannot be a name.
    static func model(_ name: String, in db: Database) throws -> ModelKey {
        try RegistryRules.checkName(name)
        guard let id = try Int64.fetchOne(db, sql: "SELECT id FROM registry_models WHERE name = ?", arguments: [name])
        else {
            let names = try String.fetchAll(db, sql: "SELECT name FROM registry_models LIMIT 1000")
            throw NestboxError.notFound("registered model", name, among: names)
        }
        return ModelKey(id: id, name: name)
    }

    /// As MLflow tells a prompt from a model.
    static func isPrompt(_ model: ModelKey, in db: Database) throws -> Bool {
        let value = try String.fetchOne(
            db, sql: "SELECT value FROM registry_model_tags WHERE model_id = ? AND key = ?",
            arguments: [model.id, RegistryQuery.promptTag])
        return RegistryRules.isPrompt(value.map { [RegistryQuery.promptTag: $0] } ?? [:])
    }

    static func models(_ ids: [Int64], in db: Database) throws -> [RegisteredModel] {
        let list = try JSON.string(ids)
        let wanted = "IN (SELECT value FROM json_each(?))"
        let tags = try tags("registry_model_tags", "model_id", list, in: db)
        var aliases: [Int64: [String: Int]] = [:]
        let aliasSQL = "SELECT model_id, alias, version FROM registry_aliases WHERE model_id \(wanted)"
        for row in try Row.fetchAll(db, sql: aliasSQL, arguments: [list]) {
            aliases[row[0] as Int64, default: [:]][row[1]] = row[2] as Int
        }
        let sql = """
            SELECT m.*, (SELECT max(version) FROM registry_versions WHERE model_id = m.id) AS latest
            FROM registry_models m WHERE id \(wanted)
            """
        var found: [Int64: RegisteredModel] = [:]
        for row in try Row.fetchAll(db, sql: sql, arguments: [list]) {
            let id: Int64 = row["id"]
            found[id] = RegisteredModel(
                name: row["name"], description: row["description"], tags: tags[id] ?? [:], aliases: aliases[id] ?? [:],
                latestVersion: row["latest"], createdAt: Timestamp(milliseconds: row["created_at"]),
                updatedAt: Timestamp(milliseconds: row["updated_at"]))
        }
        return ids.compactMap { found[$0] }
    }

    static func model(_ key: ModelKey, in db: Database) throws -> RegisteredModel {
        guard let model = try models([key.id], in: db).first else {
            throw NestboxError.notFound("registered model", key.name)
        }
        return model
    }

    /// The row number of one version. Throws `not_found` saying which versions there are.
    static func versionID(_ model: ModelKey, _ version: Int, in db: Database) throws -> Int64 {
        let sql = "SELECT id FROM registry_versions WHERE model_id = ? AND version = ?"
        if let id = try Int64.fetchOne(db, sql: sql, arguments: [model.id, version]) { return id }
        let newest = try Int.fetchAll(
            db, sql: "SELECT version FROM registry_versions WHERE model_id = ? ORDER BY version DESC LIMIT 5",
            arguments: [model.id])
        throw NestboxError(
            .notFound, "model `\(model.name)` has no version \(version)",
            hint: newest.isEmpty
                ? "it has no version yet"
                : "its newest versions are " + newest.map(String.init).joined(separator: ", "))
    }

    /// In the order of `ids`.
    static func versions(_ ids: [Int64], in db: Database) throws -> [ModelVersion] {
        let list = try JSON.string(ids)
        let tags = try tags("registry_version_tags", "version_id", list, in: db)
        var aliases: [Int64: [String]] = [:]
        let aliasSQL = """
            SELECT v.id, a.alias FROM registry_versions v JOIN registry_aliases a
            ON a.model_id = v.model_id AND a.version = v.version
            WHERE v.id IN (SELECT value FROM json_each(?)) ORDER BY a.alias
            """
        for row in try Row.fetchAll(db, sql: aliasSQL, arguments: [list]) {
            aliases[row[0] as Int64, default: []].append(row[1])
        }
        let sql = """
            SELECT v.*, m.name FROM registry_versions v JOIN registry_models m ON m.id = v.model_id
            WHERE v.id IN (SELECT value FROM json_each(?))
            """
        var found: [Int64: ModelVersion] = [:]
        for row in try Row.fetchAll(db, sql: sql, arguments: [list]) {
            let id: Int64 = row["id"]
            found[id] = ModelVersion(
                name: row["name"], version: row["version"], source: row["source"], runID: row["run_id"],
                stage: try stage(row["stage"]), description: row["description"], tags: tags[id] ?? [:],
                aliases: aliases[id] ?? [], createdAt: Timestamp(milliseconds: row["created_at"]),
                updatedAt: Timestamp(milliseconds: row["updated_at"]), createdBy: row["created_by"],
                modelID: row["logged_model_id"], artifactURI: row["artifact_uri"])
        }
        return ids.compactMap { found[$0] }
    }

    static func version(_ model: ModelKey, _ version: Int, in db: Database) throws -> ModelVersion {
        let id = try versionID(model, version, in: db)
        guard let found = try versions([id], in: db).first else {
            throw NestboxError(.notFound, "model `\(model.name)` has no version \(version)")
        }
        return found
    }

    static func transition(_ row: Row) throws -> ModelTransition {
        let kind: String = row["kind"]
        guard let known = ModelTransition.Kind(rawValue: kind) else {
            throw NestboxError(.internalError, "nestbox.db holds `\(kind)` where a move's kind was expected")
        }
        return ModelTransition(
            at: Timestamp(milliseconds: row["at"]), actor: row["actor"], kind: known, label: row["label"],
            model: row["model"], fromVersion: row["from_version"], toVersion: row["to_version"],
            fromStage: try (row["from_stage"] as String?).map(stage), reason: row["reason"])
    }

    static func stage(_ text: String) throws -> ModelStage {
        guard let stage = ModelStage(rawValue: text) else {
            throw NestboxError(.internalError, "nestbox.db holds `\(text)` where a model stage was expected")
        }
        return stage
    }

    private static func tags(
        _ table: String, _ column: String, _ list: String, in db: Database
    ) throws -> [Int64: [String: String]] {
        let sql = "SELECT \(column), key, value FROM \(table) WHERE \(column) IN (SELECT value FROM json_each(?))"
        var tags: [Int64: [String: String]] = [:]
        for row in try Row.fetchAll(db, sql: sql, arguments: [list]) {
            tags[row[0] as Int64, default: [:]][row[1]] = row[2] as String
        }
        return tags
    }
}
