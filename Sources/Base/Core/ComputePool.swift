import Foundation
import Synchronization

/// Threads for long computations and blocking calls, so that Swift's cooperative pool always has a free thread to answer
/// `/health` with. One pool per process is enough; its width is the number of processors unless configured.
public final class ComputePool: Sendable {
    public static let shared = ComputePool(
        threads: ProcessInfo.processInfo.environment["NESTBOX_THREADS"].flatMap { Int($0) }
            ?? ProcessInfo.processInfo.activeProcessorCount)

    /// How many threads there are.
    public let width: Int
    private let queue: WorkQueue

    public init(threads: Int) {
        width = max(1, threads)
        queue = WorkQueue()
        for index in 0..<width {
            let thread = Thread { [queue] in queue.serve() }
            thread.name = "compute-\(index)"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    deinit { queue.close() }

    /// Runs `body` on a compute thread and returns what it returns. Cancellation is `body`'s own business.
    public func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.add { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// Calls `body` with every index below `count`, on all threads at once, and returns when all are done.
    ///
    /// The calling thread works too, so a nested call cannot dead-lock. Indices are taken one by one from a counter:
    /// make each worth at least some ten microseconds.
    public func parallelFor(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        guard count > 1, width > 1 else {
            for index in 0..<max(0, count) { body(index) }
            return
        }
        let job = ParallelJob(count: count, body: body)
        for _ in 1..<min(width, count) { queue.add { job.work() } }
        job.work()
        job.wait()
    }
}

/// A first-in, first-out list of closures, served by blocking threads.
private final class WorkQueue: @unchecked Sendable {
    // Unchecked: every field is touched only while `condition` is locked.
    private let condition = NSCondition()
    private var pending: [@Sendable () -> Void] = []
    private var head = 0
    private var closed = false

    func add(_ work: @escaping @Sendable () -> Void) {
        condition.lock()
        pending.append(work)
        condition.signal()
        condition.unlock()
    }

    func close() {
        condition.lock()
        closed = true
        condition.broadcast()
        condition.unlock()
    }

    func serve() {
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while head == pending.count {
            if closed { return nil }
            condition.wait()
        }
        let work = pending[head]
        head += 1
        if head > 64, head * 2 > pending.count {
            pending.removeFirst(head)
            head = 0
        }
        return work
    }
}

/// One `parallelFor`: a counter of indices taken, and a count of indices finished.
private final class ParallelJob: @unchecked Sendable {
    // Unchecked: `finished` is touched only while `condition` is locked, the rest is constant or atomic.
    private let count: Int
    private let body: @Sendable (Int) -> Void
    private let next = Atomic<Int>(0)
    private let condition = NSCondition()
    private var finished = 0

    init(count: Int, body: @escaping @Sendable (Int) -> Void) {
        self.count = count
        self.body = body
    }

    func work() {
        var done = 0
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            if index >= count { break }
            body(index)
            done += 1
        }
        guard done > 0 else { return }
        condition.lock()
        finished += done
        if finished == count { condition.broadcast() }
        condition.unlock()
    }

    func wait() {
        condition.lock()
        while finished < count { condition.wait() }
        condition.unlock()
    }
}
