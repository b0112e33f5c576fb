import Dispatch
import GRDB

/// Brings a file's write-ahead log into the file over a connection of its own, while others read and write: what waits for the
/// disk here is no commit.
final class Checkpointer: Sendable {
    private let queue = DispatchQueue(label: "checkpoint", qos: .utility)
    private let connection: LazyConnection

    init(path: String) {
        connection = LazyConnection {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { db in
                // As the writer's: a checkpoint then syncs the log before it moves it, and the file afterwards.
                try db.execute(sql: "PRAGMA synchronous = NORMAL")
            }
            return try DatabaseQueue(path: path, configuration: configuration)
        }
    }

    /// Tells `done` the pages in the log, those that are in the file by now among them; nil when SQLite refused. A log of more than
    /// `most` pages is gone over several times, so that whoever waits for the last of it waits for little.
    func begin(most: Int, _ done: @escaping @Sendable (_ pages: Int?) -> Void) {
        queue.async { [connection] in
            do {
                let file = try connection.opened()
                var pages = 0
                for _ in 1...3 {
                    pages = try file.writeWithoutTransaction { db in try db.checkpoint(.passive).walFrameCount }
                    if pages <= most { break }
                }
                done(pages)
            } catch {
                // The log only grows meanwhile; the next commits try again.
                done(nil)
            }
        }
    }

    /// Runs `body` while no checkpoint is under way: SQLite refuses the second of two at once.
    func exclude<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// Waits for what has begun. Nothing may begin afterwards.
    func close() { queue.sync { try? connection.close() } }
}
