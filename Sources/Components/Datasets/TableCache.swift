import Core
import Tables

/// Tables that were read lately, so that a page, a join and a training job share one parse. Bounded by the bytes of their
/// files; the least recently used goes first. Tables are values with shared storage, so an evicted one lives on in use.
package actor TableCache {
    package struct Key: Hashable, Sendable {
        package var dataset: String
        package var version: Int

        package init(dataset: String, version: Int) {
            self.dataset = dataset
            self.version = version
        }
    }

    private struct Entry {
        var table: Table
        var bytes: Int64
        var lastUse: Int
    }

    private let byteLimit: Int64
    private let entryLimit: Int
    private var entries: [Key: Entry] = [:]
    private var inFlight: [Key: Task<Table, any Error>] = [:]
    private var uses = 0

    /// - Parameter bytes: of the tables' files, not of memory.
    package init(bytes: Int64 = 512 << 20, entries: Int = 16) {
        byteLimit = bytes
        entryLimit = entries
    }

    /// The cached table, or what `load` gives; callers that want the same table at the same time share one load.
    package func table(_ key: Key, bytes: Int64, load: @escaping @Sendable () async throws -> Table) async throws
        -> Table
    {
        uses += 1
        if entries[key] != nil {
            entries[key]?.lastUse = uses
            if let table = entries[key]?.table { return table }
        }
        if let task = inFlight[key] { return try await task.value }
        let task = Task { try await load() }
        inFlight[key] = task
        defer { inFlight[key] = nil }
        let table = try await task.value
        insert(Entry(table: table, bytes: bytes, lastUse: uses), key)
        return table
    }

    package var keys: Set<Key> { Set(entries.keys) }

    private func insert(_ entry: Entry, _ key: Key) {
        guard entry.bytes <= byteLimit else { return }
        entries[key] = entry
        while entries.count > entryLimit || entries.values.reduce(0, { $0 + $1.bytes }) > byteLimit {
            guard let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key else { return }
            entries[oldest] = nil
        }
    }
}
