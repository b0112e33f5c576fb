import Core
import Foundation
import GRDB

/// What a write may do: change rows through `db`, and record the event that says so.
public final class WriteContext {
    /// The connection, inside a transaction.
    public let db: GRDB.Database
    /// When the transaction began; one reading for all rows of a write.
    public let now: Timestamp
    /// Who asked for the write.
    public let actor: String
    private let log: String
    fileprivate var recorded: [Event] = []

    init(db: GRDB.Database, log: String, now: Timestamp, actor: String) {
        self.db = db
        self.log = log
        self.now = now
        self.actor = actor
    }

    /// Records a fact in the same transaction. Listeners hear of it after the commit.
    public func record(_ kind: String, _ subject: String, _ data: JSONValue = .object([:])) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT INTO events (at, kind, subject, actor, data) VALUES (?, ?, ?, ?, ?)")
        try statement.execute(arguments: [now.milliseconds, kind, subject, actor, try JSON.string(data)])
        recorded.append(
            Event(id: db.lastInsertedRowID, log: log, at: now, kind: kind, subject: subject, actor: actor, data: data))
    }
}

/// One thread that takes all waiting writes, runs them in one transaction, each in a savepoint of its own, and commits
/// once. Under load the cost of a sync to disk is shared; alone, a write waits for nobody.
final class GroupCommitWriter: Sendable {
    private struct Pending: Sendable {
        /// Runs the body and returns the closure that hands its outcome to the caller after the commit.
        var perform: @Sendable (GRDB.Database, Timestamp) -> Outcome
        var fail: @Sendable (any Error) -> Void
    }

    private struct Outcome: Sendable {
        var succeeded: Bool
        var events: [Event]
        var deliver: @Sendable () -> Void
    }

    private final class Queue: @unchecked Sendable {
        // Unchecked: touched only while `condition` is locked.
        let condition = NSCondition()
        var pending: [Pending] = []
        var stopping = false
        var stopped = false
    }

    private static let largestGroup = 512

    private let queue = Queue()
    private let pool: DatabasePool
    private let path: String
    private let ambient: Ambient
    private let events: EventHub

    init(pool: DatabasePool, path: String, ambient: Ambient, events: EventHub) {
        self.pool = pool
        self.path = path
        self.ambient = ambient
        self.events = events
        let thread = Thread { [queue] in
            while let group = Self.next(queue) {
                Self.commit(group, pool: pool, path: path, ambient: ambient, events: events)
            }
            queue.condition.withLock {
                queue.stopped = true
                queue.condition.broadcast()
            }
        }
        thread.name = "writer \((path as NSString).lastPathComponent)"
        thread.start()
    }

    deinit { stop() }

    func submit<T: Sendable>(actor: String, _ body: @escaping @Sendable (WriteContext) throws -> T) async throws -> T {
        let path = path, log = Store.log(path)
        return try await withCheckedThrowingContinuation { continuation in
            let work = Pending(
                perform: { db, now in
                    let context = WriteContext(db: db, log: log, now: now, actor: actor)
                    do {
                        let value = try body(context)
                        return Outcome(succeeded: true, events: context.recorded) {
                            continuation.resume(returning: value)
                        }
                    } catch {
                        let shown = (error as? DatabaseError).map { Store.explain($0, path: path) } ?? error
                        return Outcome(succeeded: false, events: []) { continuation.resume(throwing: shown) }
                    }
                },
                fail: { continuation.resume(throwing: $0) })
            let accepted = queue.condition.withLock {
                guard !queue.stopping else { return false }
                queue.pending.append(work)
                queue.condition.signal()
                return true
            }
            if !accepted { work.fail(NestboxError(.unavailable, "the server is shutting down")) }
        }
    }

    /// Waits until everything queued is committed, and refuses what comes later.
    func stop() {
        queue.condition.withLock {
            queue.stopping = true
            queue.condition.broadcast()
            while !queue.stopped { queue.condition.wait() }
        }
    }

    private static func next(_ queue: Queue) -> [Pending]? {
        queue.condition.withLock {
            while queue.pending.isEmpty {
                if queue.stopping { return nil }
                queue.condition.wait()
            }
            let group = Array(queue.pending.prefix(largestGroup))
            queue.pending.removeFirst(group.count)
            return group
        }
    }

    private static func commit(_ group: [Pending], pool: DatabasePool, path: String, ambient: Ambient, events: EventHub)
    {
        var outcomes: [Outcome] = []
        do {
            try pool.writeWithoutTransaction { db in
                let now = ambient.now()
                try db.inTransaction(.immediate) {
                    for work in group {
                        var outcome: Outcome?
                        try db.inSavepoint {
                            let result = work.perform(db, now)
                            outcome = result
                            return result.succeeded ? .commit : .rollback
                        }
                        if let outcome { outcomes.append(outcome) }
                    }
                    return .commit
                }
            }
        } catch {
            // Nothing of the group is on disk: everybody hears so, whatever their own body returned.
            let shown = (error as? DatabaseError).map { Store.explain($0, path: path) } ?? error
            for work in group { work.fail(shown) }
            return
        }
        events.publish(outcomes.flatMap(\.events))
        for outcome in outcomes { outcome.deliver() }
    }
}
