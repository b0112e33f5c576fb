import Contracts
import Core
import GRDB
import Storage

/// `serving_deployments` in `nestbox.db`: one row per deployment.
enum DeploymentTable {
    static let migrations = [
        Migration("serving.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE serving_deployments (
                        name TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, lookup TEXT NOT NULL,
                        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, updated_by TEXT NOT NULL) WITHOUT ROWID;
                    """)
        }
    ]

    static func all(_ db: GRDB.Database) throws -> [Deployment] {
        try Row.fetchAll(db, sql: "SELECT * FROM serving_deployments ORDER BY name").map(deployment)
    }

    /// Creates or moves a deployment, with its event. One that is there already is returned as it is.
    static func save(
        name: String, model: String, version: Int, lookup: [String], in context: WriteContext
    ) throws -> Deployment {
        let existing = try Row.fetchOne(
            context.db, sql: "SELECT * FROM serving_deployments WHERE name = ?", arguments: [name]
        ).map(deployment)
        if let existing, existing.model == model, existing.version == version, existing.lookup == lookup {
            return existing
        }
        let saved = Deployment(
            name: name, model: model, version: version, lookup: lookup, createdAt: existing?.createdAt ?? context.now,
            updatedAt: context.now, updatedBy: context.actor)
        try context.db.execute(
            sql: "INSERT OR REPLACE INTO serving_deployments VALUES (?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                name, model, version, try JSON.string(lookup), saved.createdAt.milliseconds,
                saved.updatedAt.milliseconds,
                saved.updatedBy,
            ])
        var data = facts(saved)
        if let existing {
            data["from_model"] = .string(existing.model)
            data["from_version"] = .int(Int64(existing.version))
        }
        try context.record(
            existing == nil ? "deployment.created" : "deployment.updated", "deployment/\(name)", .object(data))
        return saved
    }

    static func delete(_ deployment: Deployment, in context: WriteContext) throws {
        try context.db.execute(sql: "DELETE FROM serving_deployments WHERE name = ?", arguments: [deployment.name])
        try context.record("deployment.deleted", "deployment/\(deployment.name)", .object(facts(deployment)))
    }

    private static func facts(_ deployment: Deployment) -> [String: JSONValue] {
        [
            "model": .string(deployment.model), "version": .int(Int64(deployment.version)),
            "lookup": .array(deployment.lookup.map { .string($0) }),
        ]
    }

    private static func deployment(_ row: Row) throws -> Deployment {
        let lookup: String = row["lookup"]
        return Deployment(
            name: row["name"], model: row["model"], version: row["version"],
            lookup: try JSON.decode([String].self, from: lookup), createdAt: Timestamp(milliseconds: row["created_at"]),
            updatedAt: Timestamp(milliseconds: row["updated_at"]), updatedBy: row["updated_by"])
    }
}
