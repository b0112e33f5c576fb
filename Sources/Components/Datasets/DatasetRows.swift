import Contracts
import Core
import Foundation
import GRDB
import Storage
import Tables

extension EmbeddedDatasets {
    /// For the decisions file.
    package static let migrations: [Migration] = [
        Migration("datasets.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE datasets_datasets (
                        name TEXT PRIMARY KEY, description TEXT NOT NULL, latest_version INTEGER NOT NULL,
                        created_at INTEGER NOT NULL);
                    CREATE TABLE datasets_versions (
                        dataset TEXT NOT NULL, version INTEGER NOT NULL, schema TEXT NOT NULL, row_count INTEGER NOT NULL,
                        byte_count INTEGER NOT NULL, content_hash TEXT NOT NULL, source TEXT NOT NULL,
                        profile TEXT NOT NULL, created_at INTEGER NOT NULL, created_by TEXT NOT NULL,
                        PRIMARY KEY (dataset, version));
                    """)
        }
    ]
}

/// The SQL of this component.
enum DatasetRows {
    private static let versionColumns =
        "dataset, version, schema, row_count, byte_count, content_hash, source, created_at, created_by"

    static func datasets(_ db: Database) throws -> [Dataset] {
        try Row.fetchAll(
            db, sql: "SELECT name, description, latest_version, created_at FROM datasets_datasets ORDER BY name"
        ).map(dataset)
    }

    static func dataset(_ name: String, _ db: Database) throws -> Dataset {
        let row = try Row.fetchOne(
            db, sql: "SELECT name, description, latest_version, created_at FROM datasets_datasets WHERE name = ?",
            arguments: [name])
        guard let row else {
            let names = try String.fetchAll(db, sql: "SELECT name FROM datasets_datasets")
            throw NestboxError.notFound("dataset", name, among: names)
        }
        return dataset(row)
    }

    static func versions(of name: String, _ db: Database) throws -> [DatasetVersion] {
        let dataset = try dataset(name, db)
        return try Row.fetchAll(
            db, sql: "SELECT \(versionColumns) FROM datasets_versions WHERE dataset = ? ORDER BY version DESC",
            arguments: [dataset.name]
        ).map(version)
    }

    static func version(_ reference: DatasetReference, _ db: Database) throws -> DatasetVersion {
        let dataset = try dataset(reference.name, db)
        let number = reference.version ?? dataset.latestVersion
        guard let found = try version(reference.name, number, db) else {
            throw NestboxError(
                .notFound, "dataset `\(reference.name)` has no version \(number)",
                hint: "its versions are 1 to \(dataset.latestVersion)")
        }
        return found
    }

    /// Nil when there is no such dataset yet.
    static func latest(_ name: String, _ db: Database) throws -> DatasetVersion? {
        let number = try Int.fetchOne(
            db, sql: "SELECT latest_version FROM datasets_datasets WHERE name = ?", arguments: [name])
        guard let number else { return nil }
        return try version(name, number, db)
    }

    static func profile(_ version: DatasetVersion, _ db: Database) throws -> String? {
        try String.fetchOne(
            db, sql: "SELECT profile FROM datasets_versions WHERE dataset = ? AND version = ?",
            arguments: [version.dataset, version.version])
    }

    /// `name/version` of everything that is published.
    static func published(_ db: Database) throws -> Set<String> {
        try Set(String.fetchAll(db, sql: "SELECT dataset || '/' || version FROM datasets_versions"))
    }

    static func insert(_ version: DatasetVersion, description: String?, profile: String, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO datasets_datasets (name, description, latest_version, created_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET
                    latest_version = excluded.latest_version, description = COALESCE(?, description)
                """,
            arguments: [
                version.dataset, description ?? "", version.version, version.createdAt.milliseconds, description,
            ])
        try db.execute(
            sql: """
                INSERT INTO datasets_versions (dataset, version, schema, row_count, byte_count, content_hash, source,
                    profile, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                version.dataset, version.version, try JSON.string(version.schema), version.rowCount, version.byteCount,
                version.contentHash, version.source, profile, version.createdAt.milliseconds, version.createdBy,
            ])
    }

    private static func version(_ name: String, _ number: Int, _ db: Database) throws -> DatasetVersion? {
        try Row.fetchOne(
            db, sql: "SELECT \(versionColumns) FROM datasets_versions WHERE dataset = ? AND version = ?",
            arguments: [name, number]
        ).map(version)
    }

    private static func dataset(_ row: Row) -> Dataset {
        Dataset(
            name: row["name"], description: row["description"], latestVersion: row["latest_version"],
            createdAt: Timestamp(milliseconds: row["created_at"]))
    }

    private static func version(_ row: Row) throws -> DatasetVersion {
        let schema: String = row["schema"]
        return DatasetVersion(
            dataset: row["dataset"], version: row["version"],
            schema: try JSON.decode(Schema.self, from: schema, what: "a stored schema"), rowCount: row["row_count"],
            byteCount: row["byte_count"], contentHash: row["content_hash"], source: row["source"],
            createdAt: Timestamp(milliseconds: row["created_at"]), createdBy: row["created_by"])
    }
}
