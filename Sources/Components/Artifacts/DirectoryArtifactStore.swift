import Contracts
import Core
import Foundation
import GRDB
import Storage
import Synchronization

/// The embedded artifact store: contents in a directory by SHA-256, paths in `nestbox.db`.
///
/// Contents are immutable and shared by every path that refers to them. A path becomes visible in the transaction that
/// follows the contents' rename, so a killed process leaves at most contents without a path, which garbage collection takes.
package final class DirectoryArtifactStore: ArtifactStore {
    /// For the decisions file.
    package static let migrations = [
        Migration("artifacts.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE artifacts_entries (
                        path TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL
                    ) WITHOUT ROWID;
                    CREATE INDEX artifacts_entries_by_digest ON artifacts_entries (digest);
                    """)
        }
    ]

    /// Bytes held in memory before they are hashed and written, so that a compute thread is asked once per mebibyte.
    private static let writeSize = 1 << 20
    private static let uploadPrefix = "artifact-"

    private let contents: String
    private let temporary: String
    private let store: Store
    private let ambient: Ambient
    private let gate = DigestGate()
    private let uploads = Mutex<Set<String>>([])

    /// - Parameters:
    ///   - directory: the contents go to `sha256/` below it.
    ///   - temporary: for bodies that are still arriving; on the same file system as `directory`.
    ///   - store: the decisions file, with `migrations` applied.
    package init(directory: String, temporary: String, store: Store, ambient: Ambient) {
        contents = directory + "/sha256"
        self.temporary = temporary
        self.store = store
        self.ambient = ambient
    }

    package func put(_ path: String, _ body: ByteStream) async throws -> ArtifactEntry {
        let path = try ArtifactPath.normalize(path)
        // Also checked in the transaction below; here it spares the upload.
        try await store.read { db in try ArtifactRows.refuseClash(path, db) }
        let name = Self.uploadPrefix + ambient.newID()
        let upload = UploadFile(path: "\(temporary)/\(name)")
        _ = uploads.withLock { $0.insert(name) }
        defer { _ = uploads.withLock { $0.remove(name) } }
        do {
            let (digest, size) = try await receive(body, into: upload)
            await gate.use(digest)
            do {
                let entry = try await commit(upload, path: path, digest: digest, size: size)
                await gate.release(digest)
                return entry
            } catch {
                await gate.release(digest)
                throw error
            }
        } catch {
            try? await ComputePool.shared.run { upload.discard() }
            throw error
        }
    }

    private func receive(_ body: ByteStream, into upload: UploadFile) async throws -> (digest: String, size: Int64) {
        var waiting: [UInt8] = []
        for try await chunk in body {
            waiting += chunk
            guard waiting.count >= Self.writeSize else { continue }
            let full = waiting
            waiting = []
            try await ComputePool.shared.run { try upload.append(full) }
        }
        let rest = waiting
        return try await ComputePool.shared.run {
            try upload.append(rest)
            return try upload.finish()
        }
    }

    private func commit(_ upload: UploadFile, path: String, digest: String, size: Int64) async throws -> ArtifactEntry {
        let place = place(of: digest)
        let contents = contents
        try await ComputePool.shared.run {
            let shard = (place as NSString).deletingLastPathComponent
            if !FileManager.default.fileExists(atPath: shard) {
                try DurableFile.makeDirectory(shard)
                try DurableFile.syncDirectory(contents)
            }
            // Renamed also over equal contents: it costs nothing and replaces a copy that the disk has damaged.
            try upload.move(to: place)
        }
        return try await store.write { context in
            try ArtifactRows.refuseClash(path, context.db)
            try ArtifactRows.save(path, digest: digest, size: size, at: context.now, context.db)
            try context.record("artifact.stored", "artifact/\(path)", ["digest": .string(digest), "size": .int(size)])
            return ArtifactEntry(path: path, isDirectory: false, size: size, digest: digest)
        }
    }

    package func entry(_ path: String) async throws -> ArtifactEntry {
        let path = try ArtifactPath.normalize(path)
        return try await store.read { db in
            if let file = try ArtifactRows.file(path, db) { return file }
            if try ArtifactRows.isFolder(path, db) { return ArtifactEntry(path: path, isDirectory: true) }
            throw Self.missing(path)
        }
    }

    package func open(_ path: String, range: Range<Int64>?) async throws -> (entry: ArtifactEntry, body: ByteStream) {
        var entry = try await file(path)
        while true {
            do {
                return (entry, try stream(entry, range: range))
            } catch let error as NestboxError where error.code == .notFound {
                // Garbage collection can take the old contents of a path that was replaced or deleted since the look-up.
                let again = try await file(path)
                guard again.digest != entry.digest else {
                    throw NestboxError(
                        .internalError, "the contents of `\(entry.path)` are missing from the artifact store",
                        hint: "restore the artifacts folder from a backup, or upload the file again", cause: error)
                }
                entry = again
            }
        }
    }

    private func file(_ path: String) async throws -> ArtifactEntry {
        let found = try await entry(path)
        guard !found.isDirectory else {
            throw NestboxError.invalid("`\(found.path)` is a folder", hint: "list it, and open one of its files")
        }
        return found
    }

    private func stream(_ entry: ArtifactEntry, range: Range<Int64>?) throws -> ByteStream {
        let digest = entry.digest ?? "", size = entry.size ?? 0
        guard let range else {
            let reader = try VerifiedReader(file: place(of: digest), path: entry.path, digest: digest, size: size)
            return ByteStream(length: size) { try await ComputePool.shared.run { try reader.next() } }
        }
        guard range.lowerBound >= 0, range.lowerBound <= size else {
            throw NestboxError.invalid("`\(entry.path)` has \(size) bytes; the range begins at \(range.lowerBound)")
        }
        return try ByteStream(
            file: place(of: digest), offset: range.lowerBound, count: min(range.upperBound, size) - range.lowerBound)
    }

    package func list(_ directory: String) async throws -> [ArtifactEntry] {
        let folder = directory.isEmpty ? "" : try ArtifactPath.normalize(directory)
        return try await store.read { db in try ArtifactRows.children(of: folder, db) }
    }

    package func delete(_ path: String) async throws {
        let path = try ArtifactPath.normalize(path)
        try await store.write { context in
            let files = try ArtifactRows.delete(path, context.db)
            if files > 0 { try context.record("artifact.deleted", "artifact/\(path)", ["files": .int(Int64(files))]) }
        }
    }

    /// How many different contents the paths refer to, and their bytes.
    package func usage() async throws -> ReclaimedSpace {
        try await store.read { db in
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*), coalesce(sum(size), 0)
                    FROM (SELECT max(size) AS size FROM artifacts_entries GROUP BY digest)
                    """)
            return ReclaimedSpace(objects: row?[0] ?? 0, bytes: row?[1] ?? 0)
        }
    }

    package func collectGarbage() async throws -> ReclaimedSpace {
        try await removeStrayUploads()
        let referenced = try await store.read { db in try ArtifactRows.digests(db) }
        let contents = contents
        let candidates = try await ComputePool.shared.run { try Self.objects(in: contents, except: referenced) }
        var reclaimed = ReclaimedSpace(objects: 0, bytes: 0)
        for digest in candidates {
            guard await gate.claim(digest) else { continue }
            do {
                if let bytes = try await removeUnreferenced(digest) {
                    reclaimed.objects += 1
                    reclaimed.bytes += bytes
                }
                await gate.unclaim(digest)
            } catch {
                await gate.unclaim(digest)
                throw error
            }
        }
        let total = reclaimed
        if total.objects > 0 {
            try await store.write { context in
                try context.record(
                    "artifacts.collected", "artifacts/store",
                    ["objects": .int(Int64(total.objects)), "bytes": .int(total.bytes)])
            }
        }
        return reclaimed
    }

    /// Removes contents while the gate keeps uploads of the same contents waiting. Nil when a path refers to them after
    /// all: an upload may have been committed between the first look and the claim.
    private func removeUnreferenced(_ digest: String) async throws -> Int64? {
        guard try await !store.read({ db in try ArtifactRows.isReferenced(digest, db) }) else { return nil }
        let place = place(of: digest)
        return try await ComputePool.shared.run {
            var status = stat()
            guard stat(place, &status) == 0 else { return nil }
            guard unlink(place) == 0 else { throw DurableFile.failure("remove", place) }
            return Int64(status.st_size)
        }
    }

    private func removeStrayUploads() async throws {
        let temporary = temporary
        // Listed first: an upload that begins later is then not on the list, and one that ended is no stray.
        let names = try await ComputePool.shared.run { try FileManager.default.contentsOfDirectory(atPath: temporary) }
        let live = uploads.withLock { $0 }
        for name in names where name.hasPrefix(Self.uploadPrefix) && !live.contains(name) {
            unlink("\(temporary)/\(name)")
        }
    }

    private static func objects(in contents: String, except referenced: Set<String>) throws -> [String] {
        // Nothing was ever stored here.
        guard FileManager.default.fileExists(atPath: contents) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: contents).flatMap { shard in
            try FileManager.default.contentsOfDirectory(atPath: "\(contents)/\(shard)")
                .filter { $0.utf8.count == 64 && !referenced.contains($0) }
        }
    }

    private func place(of digest: String) -> String { "\(contents)/\(digest.prefix(2))/\(digest)" }

    private static func missing(_ path: String) -> NestboxError {
        NestboxError(.notFound, "there is no artifact `\(path)`", hint: "list the folder above it to see what there is")
    }
}
