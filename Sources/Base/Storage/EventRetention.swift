import Core
import GRDB
import Synchronization

/// Removes old events of one log, some thousand at a time, so that other writes hardly wait for it.
///
/// Positions are never given out again, so a client of the stream that was away finds what is left in order.
public final class EventRetention: Sendable {
    /// Events looked at in one step.
    public static let step = 2000

    private let store: Store
    private let seconds: Double
    private let kinds: [String]?
    /// Up to here everything old has been looked at: what stays is not read again by every round.
    private let position = Mutex<Int64>(0)

    /// - Parameters:
    ///   - seconds: events are kept at least that long.
    ///   - kinds: what is removed; nil for everything.
    public init(store: Store, seconds: Double, kinds: [String]?) {
        self.store = store
        self.seconds = seconds
        self.kinds = kinds
    }

    /// Returns how many events it removed. Throws `CancellationError` between steps.
    @discardableResult
    public func prune() async throws -> Int {
        let bound = store.ambient.now().adding(seconds: -seconds).milliseconds
        var removed = 0
        while true {
            try Task.checkCancellation()
            let start = position.withLock { $0 }
            guard let end = try await lastOld(after: start, bound) else { return removed }
            removed += try await remove(after: start, upTo: end)
            position.withLock { $0 = end }
        }
    }

    /// The end of the next step: a log is in order of time, so it ends before the first event that is young enough.
    private func lastOld(after start: Int64, _ bound: Int64) async throws -> Int64? {
        try await store.read { db in
            let next = try Row.fetchAll(
                db, sql: "SELECT id, at FROM events WHERE id > ? ORDER BY id LIMIT ?", arguments: [start, Self.step])
            return next.prefix { row in (row["at"] as Int64) < bound }.last.map { $0["id"] }
        }
    }

    private func remove(after start: Int64, upTo end: Int64) async throws -> Int {
        let kinds = kinds
        return try await store.write { context in
            var sql = "DELETE FROM events WHERE id > ? AND id <= ?"
            var arguments: StatementArguments = [start, end]
            if let kinds {
                sql += " AND kind IN (\(kinds.map { _ in "?" }.joined(separator: ", ")))"
                arguments += StatementArguments(kinds)
            }
            try context.db.execute(sql: sql, arguments: arguments)
            return context.db.changesCount
        }
    }
}
