import Contracts
import Core
import Foundation
import Storage
import Tables

/// Datasets as CSV files in a directory, with their facts in SQLite.
package final class EmbeddedDatasets: DatasetStore {
    let directory: String
    let temporary: String
    let store: Store
    let ambient: Ambient
    let importLimits: TableLimits
    /// Numbers are given one version at a time, so that a failed one leaves no gap and no folder.
    let publishing = SerialQueue()
    private let tables = TableCache()

    /// - Parameters:
    ///   - directory: holds `<name>/<version>/data.csv`.
    ///   - temporary: on the same file system, emptied at every start.
    ///   - importMemory: the bytes that a table may take up while it is imported. By default a quarter of the machine's,
    ///     because arrays that grow are there twice for a moment, and two imports may run at once.
    package init(
        directory: String, temporary: String, store: Store, ambient: Ambient,
        importMemory: Int = MachineMemory.bytes / 4
    ) {
        self.directory = directory
        self.temporary = temporary
        self.store = store
        self.ambient = ambient
        importLimits = TableLimits(
            memoryBytes: importMemory,
            hint:
                "split the file, or start the server with a larger --import-memory (NESTBOX_IMPORT_MEMORY, in megabytes)"
        )
    }

    /// Removes the folders that a killed import left without a row. Call it once at start.
    package func recover() async throws {
        let published = try await store.read { try DatasetRows.published($0) }
        let directory = directory
        try await publishing.run {
            try await ComputePool.shared.run {
                let files = FileManager.default
                for name in (try? files.contentsOfDirectory(atPath: directory)) ?? [] {
                    for version in (try? files.contentsOfDirectory(atPath: "\(directory)/\(name)")) ?? []
                    where !published.contains("\(name)/\(version)") {
                        try? files.removeItem(atPath: "\(directory)/\(name)/\(version)")
                    }
                    // Succeeds only when nothing is left in it.
                    rmdir("\(directory)/\(name)")
                }
            }
        }
    }

    package func datasets() async throws -> [Dataset] { try await store.read { try DatasetRows.datasets($0) } }

    package func dataset(_ name: String) async throws -> Dataset {
        try await store.read { try DatasetRows.dataset(name, $0) }
    }

    package func versions(of name: String) async throws -> [DatasetVersion] {
        try await store.read { try DatasetRows.versions(of: name, $0) }
    }

    package func version(_ reference: DatasetReference) async throws -> DatasetVersion {
        try await store.read { try DatasetRows.version(reference, $0) }
    }

    package func table(_ reference: DatasetReference, columns: [String]?) async throws -> Table {
        let version = try await version(reference)
        _ = try version.fields(columns ?? [])
        let table = try await whole(version)
        return try columns.map { try table.select($0) } ?? table
    }

    package func preview(_ reference: DatasetReference, rows: Int) async throws -> Table {
        guard rows >= 0 else { throw NestboxError.invalid("`\(rows)` is not a number of rows") }
        let table = try await whole(try await version(reference))
        return table.gather(Array(0..<min(rows, table.rowCount)))
    }

    package func profile(_ reference: DatasetReference) async throws -> DatasetProfile {
        let text = try await store.read { db in
            let version = try DatasetRows.version(reference, db)
            return try DatasetRows.profile(version, db) ?? ""
        }
        return try JSON.decode(DatasetProfile.self, from: text, what: "the stored profile of \(reference)")
    }

    func path(_ version: DatasetVersion) -> String { "\(directory)/\(version.dataset)/\(version.version)/data.csv" }

    private func whole(_ version: DatasetVersion) async throws -> Table {
        let path = path(version)
        let key = TableCache.Key(dataset: version.dataset, version: version.version)
        return try await tables.table(key, bytes: version.byteCount) {
            try await ComputePool.shared.run {
                try CanonicalFile.read(
                    path: path, schema: version.schema, contentHash: version.contentHash,
                    what: "dataset `\(version.dataset)@\(version.version)`")
            }
        }
    }
}
