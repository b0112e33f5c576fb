import Core
import Foundation
import GRDB

/// An SQLite file that belongs to somebody else, who may have it open: read in short reads, never written, and with no file
/// made beside it.
///
/// SQLite makes `-wal` and `-shm` even for a reader, and a half-finished transaction must be rolled back before anybody can
/// read. Where that would happen, a copy in a temporary folder is read instead.
final class ForeignDatabase: Sendable {
    let path: String
    private let queue: DatabaseQueue
    /// Goes with the value.
    private let copy: TemporaryCopy?

    private static let magic = Data("SQLite format 3\0".utf8)

    init(_ path: String) throws {
        self.path = path
        let usesLog = try Self.checkHeader(path)
        let hasLog = ["-wal", "-shm"].allSatisfy { access(path + $0, F_OK) == 0 }
        do {
            if usesLog, !hasLog {
                let copy = try TemporaryCopy(of: path)
                (self.copy, queue) = (copy, try Self.open(copy.path, readOnly: false))
            } else {
                var opened: (TemporaryCopy?, DatabaseQueue)
                do {
                    opened = (nil, try Self.open(path, readOnly: true))
                } catch let error as DatabaseError
                    where [.SQLITE_READONLY, .SQLITE_CANTOPEN].contains(error.resultCode) && access(path, R_OK) == 0
                {
                    let copy = try TemporaryCopy(of: path)
                    opened = (copy, try Self.open(copy.path, readOnly: false))
                }
                (copy, queue) = opened
            }
        } catch let error as DatabaseError {
            throw Self.explain(error, path)
        }
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        do {
            return try await queue.read(body)
        } catch let error as DatabaseError {
            throw Self.explain(error, path)
        }
    }

    private static func open(_ path: String, readOnly: Bool) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.busyMode = .timeout(10)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        _ = try queue.inDatabase { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") }
        return queue
    }

    /// Whether it keeps a write-ahead log. Throws when it is no SQLite file, or one that was cut off.
    private static func checkHeader(_ path: String) throws -> Bool {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw unreadable("`\(path)` cannot be opened: \(StoreFolder.reason)")
        }
        defer { try? file.close() }
        guard let header = try? file.read(upToCount: 100), !header.isEmpty else {
            throw unreadable("`\(path)` is empty")
        }
        guard header.starts(with: magic), header.count == 100 else {
            throw unreadable(
                "`\(path)` is no SQLite database",
                hint: "give MLflow's database file (mlflow.db), its mlruns folder, or the address of a server")
        }
        return header[18] == 2 || header[19] == 2
    }

    private static func explain(_ error: DatabaseError, _ path: String) -> NestboxError {
        let message = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return unreadable(
                "the database `\(path)` is damaged or cut off: \(message)",
                hint: "copy it again, or rescue what it holds with `sqlite3 FILE .recover`")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return NestboxError(
                .unavailable, "the database `\(path)` is being written without a pause", hint: "import again",
                cause: error)
        default: return unreadable("the database `\(path)` cannot be read: \(message)")
        }
    }
}

/// A database with its journals, copied while nobody wrote.
private final class TemporaryCopy: Sendable {
    let path: String
    private let folder: String

    private static let attempts = 5

    init(of source: String) throws {
        folder = NSTemporaryDirectory() + "nestbox-import-\(UUID().uuidString)"
        path = folder + "/copy.db"
        let files = FileManager.default
        do {
            for attempt in 1... {
                try files.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                let before = Self.state(source)
                for suffix in ["", "-wal", "-journal"] where files.fileExists(atPath: source + suffix) {
                    try files.copyItem(atPath: source + suffix, toPath: path + suffix)
                    try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path + suffix)
                }
                if Self.state(source) == before { return }
                try? files.removeItem(atPath: folder)
                guard attempt < Self.attempts else {
                    throw NestboxError(
                        .unavailable, "the database `\(source)` is being written all the time",
                        hint: "stop the MLflow server, or import from its address")
                }
            }
        } catch let error as NestboxError {
            throw error
        } catch {
            try? files.removeItem(atPath: folder)
            throw NestboxError(
                .storageFull, "cannot copy the database `\(source)` to `\(folder)`",
                hint: "it needs as much room there as it has itself; TMPDIR names another place", cause: error)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private static func state(_ source: String) -> [[Int64]] {
        ["", "-wal", "-journal"].map { suffix in
            var status = stat()
            guard stat(source + suffix, &status) == 0 else { return [] }
            #if os(Linux)
            let time = status.st_mtim
            #else
            let time = status.st_mtimespec
            #endif
            return [Int64(status.st_size), Int64(time.tv_sec), Int64(time.tv_nsec), Int64(status.st_ino)]
        }
    }
}
