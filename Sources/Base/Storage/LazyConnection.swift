import GRDB
import Synchronization

/// A connection that is opened when it is first asked for.
final class LazyConnection: Sendable {
    private let open: @Sendable () throws -> DatabaseQueue
    private let connection = Mutex<DatabaseQueue?>(nil)

    init(_ open: @escaping @Sendable () throws -> DatabaseQueue) { self.open = open }

    func opened() throws -> DatabaseQueue {
        try connection.withLock { connection in
            if let connection { return connection }
            let made = try open()
            connection = made
            return made
        }
    }

    func close() throws {
        try connection.withLock { connection in
            try connection?.close()
            connection = nil
        }
    }
}
