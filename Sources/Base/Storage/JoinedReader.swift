import Core
import GRDB
import Synchronization

/// Reads two files in one statement: the tables of the first by their names, those of the second as `name.table`.
///
/// It has connections of its own, read-only and opened with the first read, because a file can be attached only outside
/// transactions, and to nothing that also writes. Each file is read as of one moment, and the two moments may differ.
public final class JoinedReader: Sendable {
    private let main: String
    private let other: String
    private let name: String
    private let pool = Mutex<DatabasePool?>(nil)

    public init(_ main: Store, attaching other: Store, as name: String) {
        self.main = main.path
        self.other = other.path
        self.name = name
    }

    public func read<T: Sendable>(_ body: @escaping @Sendable (GRDB.Database) throws -> T) async throws -> T {
        do {
            return try await opened().read(body)
        } catch let error as DatabaseError {
            throw Store.explain(error, path: main)
        }
    }

    private func opened() throws -> DatabasePool {
        try pool.withLock { pool in
            if let pool { return pool }
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            configuration.maximumReaderCount = 4
            configuration.prepareDatabase { [other, name] db in
                try db.execute(sql: "ATTACH DATABASE ? AS \(name)", arguments: [other])
                for schema in ["main", name] {
                    try db.execute(sql: "PRAGMA \(schema).cache_size = -8000")
                    try db.execute(sql: "PRAGMA \(schema).mmap_size = 268435456")
                }
                try db.execute(sql: "PRAGMA temp_store = MEMORY")
            }
            let made = try DatabasePool(path: main, configuration: configuration)
            pool = made
            return made
        }
    }
}
