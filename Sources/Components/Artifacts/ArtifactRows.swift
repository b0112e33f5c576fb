import Contracts
import Core
import GRDB

/// The table `artifacts_entries`: one row per file. Folders exist as long as something lies below them.
///
/// What lies below `a` are the paths from `a/` up to `a0`: `0` is the character after the slash, and SQLite compares bytes.
enum ArtifactRows {
    static func file(_ path: String, _ db: Database) throws -> ArtifactEntry? {
        try Row.fetchOne(
            db.cachedStatement(sql: "SELECT path, digest, size FROM artifacts_entries WHERE path = ?"),
            arguments: [path]
        ).map(entry)
    }

    static func isFolder(_ path: String, _ db: Database) throws -> Bool { try firstBelow(path, db) != nil }

    /// Throws `conflict` when `path` lies below a file or is a folder.
    static func refuseClash(_ path: String, _ db: Database) throws {
        if let below = try firstBelow(path, db) {
            throw NestboxError(
                .conflict, "`\(path)` is a folder (it holds `\(below)`), so no file can be stored there",
                hint: "choose another name, or delete the folder first")
        }
        // By bytes, as SQLite compares: a slash under a combining mark is no `Character` of its own.
        let bytes = Array(path.utf8)
        for index in bytes.indices where bytes[index] == UInt8(ascii: "/") {
            let above = String(decoding: bytes[..<index], as: UTF8.self)
            guard try file(above, db) == nil else {
                throw NestboxError(
                    .conflict, "`\(path)` cannot be stored: `\(above)` is a file, not a folder",
                    hint: "choose another name, or delete that file first")
            }
        }
    }

    static func save(_ path: String, digest: String, size: Int64, at: Timestamp, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO artifacts_entries (path, digest, size, created_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, size = excluded.size, created_at = excluded.created_at
                """
        ).execute(arguments: [path, digest, size, at.milliseconds])
    }

    /// Files and folders directly in `folder` (the root when empty), by name.
    ///
    /// Files come from one scan; at the first file of a subfolder the scan starts again behind that subfolder, so the cost
    /// follows the number of children, not of everything below them.
    static func children(of folder: String, _ db: Database) throws -> [ArtifactEntry] {
        let prefix = folder.isEmpty ? "" : folder + "/"
        let limit = folder.isEmpty ? "" : "AND path < ?"
        var entries: [ArtifactEntry] = []
        var from: String? = prefix
        while let start = from {
            from = nil
            let rows = try Row.fetchCursor(
                db, sql: "SELECT path, digest, size FROM artifacts_entries WHERE path >= ? \(limit) ORDER BY path",
                arguments: folder.isEmpty ? [start] : [start, folder + "0"])
            while let row = try rows.next() {
                let found = entry(row)
                let rest = found.path.utf8.dropFirst(prefix.utf8.count)
                guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else {
                    entries.append(found)
                    continue
                }
                let name = String(decoding: rest[..<slash], as: UTF8.self)
                entries.append(ArtifactEntry(path: prefix + name, isDirectory: true))
                from = prefix + name + "0"
                break
            }
        }
        return entries.sorted { $0.path < $1.path }
    }

    /// Removes a file, or everything below a folder. Returns how many files went.
    static func delete(_ path: String, _ db: Database) throws -> Int {
        try db.execute(
            sql: "DELETE FROM artifacts_entries WHERE path = ? OR (path >= ? AND path < ?)",
            arguments: [path, path + "/", path + "0"])
        return db.changesCount
    }

    static func digests(_ db: Database) throws -> Set<String> {
        try String.fetchSet(db, sql: "SELECT DISTINCT digest FROM artifacts_entries")
    }

    static func isReferenced(_ digest: String, _ db: Database) throws -> Bool {
        try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM artifacts_entries WHERE digest = ?)", arguments: [digest]) ?? false
    }

    private static func firstBelow(_ path: String, _ db: Database) throws -> String? {
        try String.fetchOne(
            db.cachedStatement(
                sql: "SELECT path FROM artifacts_entries WHERE path >= ? AND path < ? ORDER BY path LIMIT 1"),
            arguments: [path + "/", path + "0"])
    }

    private static func entry(_ row: Row) -> ArtifactEntry {
        ArtifactEntry(path: row["path"], isDirectory: false, size: row["size"], digest: row["digest"])
    }
}
