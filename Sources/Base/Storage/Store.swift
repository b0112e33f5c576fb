import Core
import Foundation
import GRDB

/// One SQLite file: concurrent reads from a pool, writes through one group-committing writer.
public final class Store: Sendable {
    /// How much a commit promises when the power fails. A killed process loses nothing either way.
    public enum Durability: Sendable {
        /// Synced before the write is acknowledged: decisions.
        case full
        /// Synced at checkpoints: telemetry, where the last moments before a power cut may be lost.
        case checkpoint
    }

    public let path: String
    public let durability: Durability
    public let events: EventHub
    public let ambient: Ambient
    let pool: DatabasePool
    private let writer: GroupCommitWriter
    /// The connection of `readAtOnce`.
    private let brief: LazyConnection

    /// Opens or creates the file and brings it to `migrations`.
    ///
    /// Throws `conflict` when the file was written by a newer Nestbox, `unavailable` or `storage_full` when the disk refuses.
    public init(
        path: String, durability: Durability, migrations: [Migration], events: EventHub, ambient: Ambient,
        backupDirectory: String? = nil
    ) throws {
        self.path = path
        self.durability = durability
        self.events = events
        self.ambient = ambient
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 6
        configuration.foreignKeysEnabled = true
        configuration.prepareDatabase { db in
            // In an empty file, or it is too late: pages that become free can then leave it. Readers may not even ask for it.
            if !db.configuration.readonly, try Int.fetchOne(db, sql: "PRAGMA page_count") == 0 {
                try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            }
            try db.execute(sql: "PRAGMA synchronous = \(durability == .full ? "FULL" : "NORMAL")")
            try db.execute(sql: "PRAGMA cache_size = -16000")
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
            try db.execute(sql: "PRAGMA mmap_size = 268435456")
            // Makes a commit wait for the disk; the writer sees to it before the log is that long.
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 65536")
        }
        let made = configuration
        brief = LazyConnection {
            var configuration = made
            configuration.readonly = true
            return try DatabaseQueue(path: path, configuration: configuration)
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            try Migration.apply(
                migrations + [Migration.events, Migration.eventKinds], to: pool, path: path,
                backupDirectory: backupDirectory)
        } catch let error as DatabaseError {
            throw Store.explain(error, path: path)
        }
        writer = GroupCommitWriter(pool: pool, path: path, ambient: ambient, events: events)
    }

    /// Runs `body` inside a transaction together with whatever other writes are waiting, and returns once it is committed.
    ///
    /// When `body` throws, its own changes are undone and the others stay. A cancelled task's write still completes:
    /// what has begun to be recorded is recorded.
    public func write<T: Sendable>(_ body: @escaping @Sendable (WriteContext) throws -> T) async throws -> T {
        try await writer.submit(actor: Caller.name, body)
    }

    /// Tells listeners of what is stored elsewhere and keeps nothing.
    public func announce(_ kind: String, _ subject: String, _ data: JSONValue) {
        events.publish([
            Event(id: 0, log: log, at: ambient.now(), kind: kind, subject: subject, actor: Caller.name, data: data)
        ])
    }

    /// Reads a consistent snapshot. Blocking, so it runs on SQLite's own reader threads.
    public func read<T: Sendable>(_ body: @escaping @Sendable (GRDB.Database) throws -> T) async throws -> T {
        do {
            return try await pool.read(body)
        } catch let error as DatabaseError {
            throw Store.explain(error, path: path)
        }
    }

    /// Reads a consistent snapshot on the calling thread, over a connection that only such reads use, so that none waits for a long
    /// one. For what takes well under a millisecond.
    public func readAtOnce<T>(_ body: (GRDB.Database) throws -> T) throws -> T {
        do {
            return try brief.opened().unsafeRead { db in
                // Prepared once; GRDB's own way prepares both each time, which is a third of a short read.
                try db.cachedStatement(sql: "BEGIN DEFERRED TRANSACTION").execute()
                do {
                    let value = try body(db)
                    try db.cachedStatement(sql: "COMMIT TRANSACTION").execute()
                    return value
                } catch {
                    if db.isInsideTransaction { try? db.rollback() }
                    throw error
                }
            }
        } catch let error as DatabaseError {
            throw Store.explain(error, path: path)
        }
    }

    /// Events after `id`, oldest first.
    public func eventLog(after id: Int64 = 0, subject: String? = nil, limit: Int = 200) async throws -> [Event] {
        try await read { db in
            var sql = "SELECT id, at, kind, subject, actor, data FROM events WHERE id > ?"
            var arguments: StatementArguments = [id]
            if let subject {
                sql += " AND subject = ?"
                arguments += [subject]
            }
            return try Row.fetchAll(db, sql: sql + " ORDER BY id LIMIT ?", arguments: arguments + [limit]).map {
                Event(row: $0, log: self.log)
            }
        }
    }

    /// The newest events, newest first.
    public func recentEvents(limit: Int = 50) async throws -> [Event] {
        try await read { db in
            try Row.fetchAll(
                db, sql: "SELECT id, at, kind, subject, actor, data FROM events ORDER BY id DESC LIMIT ?",
                arguments: [limit]
            ).map { Event(row: $0, log: self.log) }
        }
    }

    /// The newest events of one kind, newest first.
    public func recentEvents(kind: String, limit: Int) async throws -> [Event] {
        try await read { db in
            try Row.fetchAll(
                db,
                // The second condition is the index's own.
                sql: """
                    SELECT id, at, kind, subject, actor, data FROM events
                    WHERE kind = ? AND kind NOT IN ('run.logged', 'job.progressed') ORDER BY id DESC LIMIT ?
                    """, arguments: [kind, limit]
            ).map { Event(row: $0, log: self.log) }
        }
    }

    /// The name of the file's event log.
    var log: String { Self.log(path) }

    static func log(_ path: String) -> String {
        URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    }

    /// Throws when the file does not answer.
    public func ping() async throws {
        _ = try await read { db in try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM sqlite_master") }
    }

    /// Moves the write-ahead log into the file and empties it. Returns the log's size in bytes beforehand.
    @discardableResult
    public func checkpoint() async throws -> Int64 {
        let size = walSize, pool = pool
        try await writer.excludingCheckpoints {
            _ = try pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
        }
        return size
    }

    /// Pages given back to the disk in one step, so that other writes hardly wait.
    private static let pagesAtOnce = 2000

    /// Shortens the file by what was deleted from it. Returns the bytes that the disk got back.
    public func reclaimFreePages() async throws -> Int64 {
        var pages = 0
        while true {
            try Task.checkCancellation()
            let freed = try await write { context in
                let before = try Int.fetchOne(context.db, sql: "PRAGMA freelist_count") ?? 0
                guard before > 0 else { return 0 }
                // Each row of this pragma is a page freed.
                _ = try Row.fetchAll(context.db, sql: "PRAGMA incremental_vacuum(\(Self.pagesAtOnce))")
                return before - (try Int.fetchOne(context.db, sql: "PRAGMA freelist_count") ?? 0)
            }
            guard freed > 0 else { break }
            pages += freed
        }
        guard pages > 0 else { return 0 }
        try await checkpoint()
        let size = try await read { db in try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0 }
        return Int64(pages) * size
    }

    /// Bytes of the file itself.
    public var fileSize: Int64 {
        ((try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? NSNumber)?.int64Value ?? 0
    }

    /// Bytes in the write-ahead log.
    public var walSize: Int64 {
        ((try? FileManager.default.attributesOfItem(atPath: path + "-wal"))?[.size] as? NSNumber)?.int64Value ?? 0
    }

    /// Copies the file while it is in use; the copy is whole and consistent.
    public func backup(to destination: String) async throws {
        let pool = pool
        try await ComputePool.shared.run {
            let temporary = destination + ".tmp"
            try? FileManager.default.removeItem(atPath: temporary)
            do {
                let copy = try DatabaseQueue(path: temporary)
                try pool.backup(to: copy)
                try copy.close()
                try DurableFile.commit(temporary, as: destination)
            } catch let error as DatabaseError {
                try? FileManager.default.removeItem(atPath: temporary)
                throw Store.explain(error, path: destination)
            }
        }
    }

    /// Waits for queued writes, then closes the file.
    public func close() throws {
        writer.stop()
        try brief.close()
        try pool.close()
    }

    /// SQLite's complaint as one of ours: a full disk, a read-only place, a damaged file, a broken constraint.
    static func explain(_ error: DatabaseError, path: String) -> NestboxError {
        switch error.resultCode {
        case .SQLITE_FULL:
            return NestboxError(
                .storageFull, "cannot write to \(path): the disk is full",
                hint: "free some space; nothing was half-written and the server goes on", cause: error)
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
            return NestboxError(
                .unavailable, "cannot write to \(path): \(error.message ?? "it is read-only")",
                hint: "make the data directory writable", cause: error)
        case .SQLITE_IOERR:
            return NestboxError(
                .storageFull, "the disk refused to read or write \(path): \(error.message ?? "I/O error")",
                hint: "check free space (df) and the disk's health", cause: error)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return NestboxError(
                .unavailable, "\(path) is damaged or is not a Nestbox database",
                hint: "restore the newest copy from the backups folder", cause: error)
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return NestboxError(.unavailable, "\(path) is busy", hint: "try again", cause: error)
        case .SQLITE_CONSTRAINT:
            return NestboxError(.conflict, "the change conflicts with what is stored", cause: error)
        default:
            return NestboxError(.internalError, "the database refused the request", cause: error)
        }
    }
}

extension Event {
    init(row: Row, log: String) {
        let data: String = row["data"]
        self.init(
            id: row["id"], log: log, at: Timestamp(milliseconds: row["at"]), kind: row["kind"], subject: row["subject"],
            actor: row["actor"], data: (try? JSON.decode(JSONValue.self, from: data)) ?? .null)
    }
}
