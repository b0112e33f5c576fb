import Contracts
import Core
import Foundation
import Statistics
import Storage
import Synchronization
import Tables

extension EmbeddedDatasets {
    package func importVersion(_ request: DatasetImport, body: ByteStream) async throws -> DatasetVersion {
        try Self.check(request)
        let upload = "\(temporary)/upload-\(ambient.newID())"
        defer { unlink(upload) }
        try await Self.receive(body, into: upload)
        let format = request.format, limits = importLimits
        let table = try await ComputePool.shared.run {
            switch format {
            case .csv:
                var options = CSVOptions()
                options.limits = limits
                return try CSVReader.read(path: upload, options: options)
            case .jsonl:
                var options = JSONLOptions()
                options.limits = limits
                return try JSONLReader.read(path: upload, options: options)
            }
        }
        return try await save(table, as: request)
    }

    package func save(_ table: Table, as request: DatasetImport) async throws -> DatasetVersion {
        try Self.check(request)
        guard !table.columns.isEmpty else { throw NestboxError.invalid("a dataset needs at least one column") }
        try Task.checkCancellation()
        let file = "\(temporary)/dataset-\(ambient.newID())"
        defer { unlink(file) }
        let (written, profile) = try await ComputePool.shared.run {
            let written = try CanonicalFile.write(table, to: file)
            return (written, try JSON.string(Self.profile(table)))
        }
        try Task.checkCancellation()
        let schema = table.schema, rowCount = table.rowCount
        return try await publishing.run {
            try await self.publish(
                file, written, profile: profile, schema: schema, rowCount: rowCount, request: request)
        }
    }

    /// Gives the file its place and its row. Runs alone, see `publishing`.
    private func publish(
        _ file: String, _ written: CanonicalFile.Written, profile: String, schema: Schema, rowCount: Int,
        request: DatasetImport
    ) async throws -> DatasetVersion {
        let latest = try await store.read { try DatasetRows.latest(request.name, $0) }
        if let latest, latest.contentHash == written.contentHash { return latest }
        let draft = DatasetVersion(
            dataset: request.name, version: (latest?.version ?? 0) + 1, schema: schema, rowCount: rowCount,
            byteCount: written.byteCount, contentHash: written.contentHash, source: request.source,
            createdAt: ambient.now(), createdBy: "")
        let path = path(draft)
        let folder = (path as NSString).deletingLastPathComponent
        let parent = (folder as NSString).deletingLastPathComponent
        do {
            let directory = directory
            try await ComputePool.shared.run {
                try? FileManager.default.removeItem(atPath: folder)
                try DurableFile.makeDirectory(folder)
                try DurableFile.commit(file, as: path)
                try DurableFile.syncDirectory(parent)
                try DurableFile.syncDirectory(directory)
            }
            return try await store.write { context in
                var version = draft
                version.createdAt = context.now
                version.createdBy = context.actor
                try DatasetRows.insert(version, description: request.description, profile: profile, context.db)
                try context.record(
                    "dataset.imported", "dataset/\(version.dataset)",
                    [
                        "version": .int(Int64(version.version)), "rows": .int(Int64(rowCount)),
                        "content_hash": .string(version.contentHash), "source": .string(version.source),
                    ])
                return version
            }
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            rmdir(parent)
            throw error
        }
    }

    private static func check(_ request: DatasetImport) throws {
        try Name.check(request.name, what: "dataset")
        // The name is a folder's name, and file systems count bytes.
        guard request.name.utf8.count <= 200 else {
            throw NestboxError.invalid("the dataset's name is longer than 200 bytes", hint: "choose a shorter name")
        }
    }

    private static func receive(_ body: ByteStream, into path: String) async throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DurableFile.failure("create", path) }
        defer { close(descriptor) }
        var pending: [UInt8] = []
        for try await chunk in body {
            try Task.checkCancellation()
            pending += chunk
            guard pending.count >= 1 << 20 else { continue }
            let full = pending
            pending = []
            try await ComputePool.shared.run { try DurableFile.writeAll(full, to: descriptor, path: path) }
        }
        let rest = pending
        try await ComputePool.shared.run { try DurableFile.writeAll(rest, to: descriptor, path: path) }
    }

    /// The columns' profiles, computed on all compute threads.
    private static func profile(_ table: Table) -> DatasetProfile {
        let profiles = Mutex<[Int: ColumnProfile]>([:])
        let columns = table.columns
        ComputePool.shared.parallelFor(columns.count) { index in
            let profile = ColumnProfile(columns[index])
            profiles.withLock { $0[index] = profile }
        }
        let found = profiles.withLock { $0 }
        return DatasetProfile(
            columns: table.schema.names.enumerated().compactMap { index, name in
                found[index].map { DatasetProfile.Item(name: name, profile: $0) }
            })
    }
}
