import Core
import Foundation
import GRDB

/// One step of one component's tables. Steps run in the order given, each in its own transaction, each once.
public struct Migration: Sendable {
    /// Unique and permanent: `tracking.1`.
    public let id: String
    let apply: @Sendable (GRDB.Database) throws -> Void

    public init(_ id: String, _ apply: @escaping @Sendable (GRDB.Database) throws -> Void) {
        self.id = id
        self.apply = apply
    }

    static let events = Migration("storage.1") { db in
        try db.execute(
            sql: """
                CREATE TABLE events (
                    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL,
                    subject TEXT NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL);
                CREATE INDEX events_by_subject ON events (subject, id);
                """)
    }

    static let eventKinds = Migration("storage.2") { db in
        // Progress and logging are most of the events, and nobody asks for them by kind.
        try db.execute(
            sql: "CREATE INDEX events_by_kind ON events (kind, id) WHERE kind NOT IN ('run.logged', 'job.progressed')")
    }

    /// Brings the file up to date. An existing file is copied to `backupDirectory` before its first new step.
    static func apply(_ migrations: [Migration], to pool: DatabasePool, path: String, backupDirectory: String?) throws {
        var migrator = DatabaseMigrator()
        for migration in migrations { migrator.registerMigration(migration.id, migrate: migration.apply) }
        let (applied, newer) = try pool.read { db in
            (try migrator.appliedIdentifiers(db), try migrator.hasBeenSuperseded(db))
        }
        if newer {
            let unknown = applied.subtracting(migrations.map(\.id)).sorted().joined(separator: ", ")
            throw NestboxError(
                .conflict, "\(path) was written by a newer Nestbox (unknown migrations: \(unknown))",
                hint: "run that newer version, or start from a backup made before the upgrade")
        }
        let missing = migrations.contains { !applied.contains($0.id) }
        if missing, !applied.isEmpty, let backupDirectory {
            let name = (path as NSString).lastPathComponent
            let copy = "\(backupDirectory)/\(name)-before-upgrade-\(applied.count)"
            try? FileManager.default.removeItem(atPath: copy)
            let queue = try DatabaseQueue(path: copy)
            try pool.backup(to: queue)
            try queue.close()
        }
        try migrator.migrate(pool)
    }
}
