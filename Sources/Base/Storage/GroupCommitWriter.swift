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

    /// Tells listeners after the commit and keeps nothing: for measurements whose rows are record enough.
    public func announce(_ kind: String, _ subject: String, _ data: JSONValue = .object([:])) {
        recorded.append(Event(id: 0, log: log, at: now, kind: kind, subject: subject, actor: actor, data: data))
    }
}

/// Takes all waiting writes, runs them in one transaction, each in a savepoint of its own, and commits once. Under load the
/// cost of a sync to disk is shared; alone, a write waits for nobody.
/// A thread of its own does so.
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
        var commitsSinceCheckpoint = 0
        var isCheckpointing = false
        /// Writes went on during every checkpoint, so that the log never was all in the file and could not begin anew.
        var mustWaitForCheckpoint = false
        var stopping = false
        var stopped = false
    }

    private static let largestGroup = 512
    /// Commits of some pages each: the write-ahead log then holds about ten megabytes.
    private static let commitsPerCheckpoint = 1000
    /// 64 MB of log: under an unbroken load writes wait for the last of a checkpoint every one or two seconds.
    private static let mostPagesInLog = 16_384

    private let queue = Queue()
    private let pool: DatabasePool
    private let path: String
    private let log: String
    private let ambient: Ambient
    private let events: EventHub
    private let checkpointer: Checkpointer

    /// It checkpoints the log itself: the file's connections should not.
    init(pool: DatabasePool, path: String, ambient: Ambient, events: EventHub) {
        self.pool = pool
        self.path = path
        log = Store.log(path)
        self.ambient = ambient
        self.events = events
        let checkpointer = Checkpointer(path: path)
        self.checkpointer = checkpointer
        let thread = Thread { [queue] in
            let release = { queue.condition.withLock { Self.countCommit(queue, checkpointer) } }
            while let step = Self.next(queue) {
                switch step {
                case .commit(let group):
                    Self.commit(group, pool: pool, path: path, ambient: ambient, events: events, release: release)
                case .checkpoint:
                    // What fails here is tried again after the next commits, and the log only grows meanwhile.
                    _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.passive) }
                }
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
        let path = path, log = log
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
            guard queue.condition.withLock({ admit(work) }) else {
                return work.fail(NestboxError(.unavailable, "the server is shutting down"))
            }
        }
    }

    private func admit(_ work: Pending) -> Bool {
        guard !queue.stopping else { return false }
        queue.pending.append(work)
        queue.condition.signal()
        return true
    }

    /// Begins a checkpoint when it is time; called while the queue's condition is locked.
    private static func countCommit(_ queue: Queue, _ checkpointer: Checkpointer) {
        queue.commitsSinceCheckpoint += 1
        guard queue.commitsSinceCheckpoint >= commitsPerCheckpoint, !queue.isCheckpointing, !queue.stopping else {
            return
        }
        queue.commitsSinceCheckpoint = 0
        queue.isCheckpointing = true
        checkpointer.begin(most: mostPagesInLog) { pages in
            queue.condition.withLock {
                queue.isCheckpointing = false
                guard let pages, pages > mostPagesInLog else { return }
                queue.mustWaitForCheckpoint = true
                queue.condition.signal()
            }
        }
    }

    /// Runs `body` while no checkpoint is under way.
    func excludingCheckpoints<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await checkpointer.exclude(body)
    }

    /// Waits until everything queued is committed, and refuses what comes later.
    func stop() {
        queue.condition.withLock {
            queue.stopping = true
            queue.condition.broadcast()
            while !queue.stopped { queue.condition.wait() }
        }
        checkpointer.close()
    }

    private enum Step {
        case commit([Pending])
        case checkpoint
    }

    /// Waits for something to do; nil at the end.
    private static func next(_ queue: Queue) -> Step? {
        queue.condition.withLock {
            while true {
                if queue.mustWaitForCheckpoint {
                    queue.mustWaitForCheckpoint = false
                    return .checkpoint
                }
                if !queue.pending.isEmpty {
                    let group = Array(queue.pending.prefix(largestGroup))
                    queue.pending.removeFirst(group.count)
                    return .commit(group)
                }
                if queue.stopping { return nil }
                queue.condition.wait()
            }
        }
    }

    /// - Parameter release: called after the commit, before anybody hears of the outcome.
    private static func commit(
        _ group: [Pending], pool: DatabasePool, path: String, ambient: Ambient, events: EventHub,
        release: () -> Void
    ) {
        var outcomes: [Outcome] = []
        do {
            try pool.writeWithoutTransaction { db in
                let now = ambient.now()
                try db.inTransaction(.immediate) {
                    for work in group { outcomes.append(try perform(work, isAlone: group.count == 1, now, in: db)) }
                    // A single write that failed has no savepoint to go back to.
                    return group.count == 1 && !outcomes[0].succeeded ? .rollback : .commit
                }
            }
        } catch {
            release()
            // Nothing of the group is on disk: everybody hears so, whatever their own body returned.
            let shown = (error as? DatabaseError).map { Store.explain($0, path: path) } ?? error
            for work in group { work.fail(shown) }
            return
        }
        release()
        events.publish(outcomes.flatMap(\.events))
        for outcome in outcomes { outcome.deliver() }
    }

    private static func perform(
        _ work: Pending, isAlone: Bool, _ now: Timestamp, in db: GRDB.Database
    ) throws -> Outcome {
        if isAlone { return work.perform(db, now) }
        var outcome = Outcome(succeeded: false, events: [], deliver: {})
        try db.inSavepoint {
            outcome = work.perform(db, now)
            return outcome.succeeded ? .commit : .rollback
        }
        return outcome
    }
}
