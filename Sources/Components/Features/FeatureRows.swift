import Contracts
import Core
import Foundation
import GRDB
import Storage

extension EmbeddedFeatures {
    /// For the decisions file.
    package static let migrations: [Migration] = [
        Migration("features.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE features_entities (
                        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL);
                    CREATE TABLE features_views (
                        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL);
                    CREATE TABLE features_materializations (
                        view TEXT PRIMARY KEY, features TEXT NOT NULL, entity_count INTEGER NOT NULL,
                        dataset_version INTEGER NOT NULL, up_to INTEGER, at INTEGER NOT NULL);
                    CREATE TABLE features_online (
                        view TEXT NOT NULL, entity TEXT NOT NULL, "values" TEXT NOT NULL, event_time INTEGER,
                        PRIMARY KEY (view, entity)) WITHOUT ROWID;
                    """)
        }
    ]
}

/// The SQL of this component.
enum FeatureRows {
    static func definitions(_ db: Database) throws -> FeatureDefinitions {
        let entities = try String.fetchAll(db, sql: "SELECT definition FROM features_entities ORDER BY id")
        let views = try String.fetchAll(db, sql: "SELECT definition FROM features_views ORDER BY id")
        return FeatureDefinitions(
            entities: try entities.map { try JSON.decode(Entity.self, from: $0, what: "a stored entity") },
            featureViews: try views.map { try JSON.decode(FeatureView.self, from: $0, what: "a stored feature view") })
    }

    static func save(_ entity: Entity, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO features_entities (name, definition) VALUES (?, ?)
                ON CONFLICT (name) DO UPDATE SET definition = excluded.definition
                """, arguments: [entity.name, try JSON.string(entity)])
    }

    static func save(_ view: FeatureView, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO features_views (name, definition) VALUES (?, ?)
                ON CONFLICT (name) DO UPDATE SET definition = excluded.definition
                """, arguments: [view.name, try JSON.string(view)])
    }

    static func online(_ db: Database) throws -> [String: OnlineView] {
        var views: [String: OnlineView] = [:]
        let rows = try Row.fetchCursor(
            db, sql: "SELECT view, features, entity_count, dataset_version, up_to FROM features_materializations")
        while let row = try rows.next() {
            let name: String = row["view"], features: String = row["features"], upTo: Int64? = row["up_to"]
            let result = MaterializationResult(
                view: name, entityCount: row["entity_count"], datasetVersion: row["dataset_version"],
                upTo: upTo.map { Timestamp(milliseconds: $0) })
            views[name] = OnlineView(
                result: result, features: try JSON.decode([String].self, from: features, what: "stored feature names"),
                rows: try onlineRows(of: name, db))
        }
        return views
    }

    private static func onlineRows(of view: String, _ db: Database) throws -> [String: OnlineRow] {
        var found: [String: OnlineRow] = [:]
        let rows = try Row.fetchCursor(
            db, sql: "SELECT entity, \"values\", event_time FROM features_online WHERE view = ?", arguments: [view])
        while let row = try rows.next() {
            let entity: String = row[0], values: String = row[1], time: Int64? = row[2]
            found[entity] = OnlineRow(
                values: try StoredValues.decode(values), eventTime: time.map { Timestamp(milliseconds: $0) })
        }
        return found
    }

    /// Makes the stored rows those of `new`, touching only what differs from `old`, which is what is stored now.
    static func replace(_ old: OnlineView?, with new: OnlineView, at now: Timestamp, _ db: Database) throws {
        let view = new.result.view
        try db.execute(
            sql: """
                INSERT INTO features_materializations (view, features, entity_count, dataset_version, up_to, at)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (view) DO UPDATE SET features = excluded.features, entity_count = excluded.entity_count,
                    dataset_version = excluded.dataset_version, up_to = excluded.up_to, at = excluded.at
                """,
            arguments: [
                view, try JSON.string(new.features), new.result.entityCount, new.result.datasetVersion,
                new.result.upTo?.milliseconds, now.milliseconds,
            ])
        let delete = try db.cachedStatement(sql: "DELETE FROM features_online WHERE view = ? AND entity = ?")
        for entity in (old?.rows ?? [:]).keys where new.rows[entity] == nil {
            try delete.execute(arguments: [view, entity])
        }
        let insert = try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO features_online (view, entity, \"values\", event_time) VALUES (?, ?, ?, ?)")
        for (entity, row) in new.rows where old?.rows[entity] != row {
            try insert.execute(arguments: [view, entity, try JSON.string(row.values), row.eventTime?.milliseconds])
        }
    }

    static func removeOnline(_ view: String, _ db: Database) throws {
        try db.execute(sql: "DELETE FROM features_online WHERE view = ?", arguments: [view])
        try db.execute(sql: "DELETE FROM features_materializations WHERE view = ?", arguments: [view])
    }
}
