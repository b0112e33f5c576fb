import Contracts
import Core
import Jobs
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct WorkerTests {
    private func worker(_ test: TestQueue, name: String = "w", _ handler: @escaping JobHandler) -> Worker {
        var worker = Worker(queue: test.queue, handlers: ["k": handler], name: name)
        worker.renewSeconds = 0.01
        worker.log = { _ in }
        return worker
    }

    private func submit(_ test: TestQueue, kind: String = "k", timeout: Double? = nil) async throws -> Job {
        try await test.queue.submit(JobRequest(kind: kind, name: "n", payload: ["x": 20], timeoutSeconds: timeout))
    }

    /// Works until told to stop.
    private static let endless: JobHandler = { _, report in
        while true {
            try report(nil)
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    @Test func aHandlersResultAndProgressReachTheQueue() async throws {
        let test = try TestQueue()
        let job = try await submit(test)
        let worker = worker(test) { job, report in
            try report(JobProgress(fraction: 0.25, message: "a quarter"))
            while try await test.queue.job(id: job.id).progress.message != "a quarter" {
                try await Task.sleep(for: .milliseconds(5))
            }
            return .int((job.payload["x"]?.intValue ?? 0) + 1)
        }
        #expect(try await worker.runOne(jobID: job.id)?.result == 21)
        #expect(try await worker.runOne(jobID: job.id) == nil)
    }

    @Test(arguments: [
        (NestboxError.invalid("bad"), JobState.failed), (NestboxError(.notFound, "gone"), .failed),
        (NestboxError(.conflict, "taken"), .failed), (NestboxError(.unavailable, "down"), .queued),
        (NestboxError(.storageFull, "full"), .queued), (NestboxError(.internalError, "bug"), .queued),
    ])
    func onlyErrorsThatMayPassAreRetried(error: NestboxError, state: JobState) async throws {
        let test = try TestQueue()
        let job = try await submit(test)
        let ended = try #require(try await worker(test) { _, _ in throw error }.runOne(jobID: job.id))
        #expect(
            ended.state == state && ended.error?.message == error.message && ended.error?.code == error.code.rawValue)
    }

    @Test func anErrorOfAnotherTypeIsRetried() async throws {
        struct Odd: Error {}
        let test = try TestQueue()
        let job = try await submit(test)
        #expect(try await worker(test) { _, _ in throw Odd() }.runOne(jobID: job.id)?.state == .queued)
    }

    @Test func aKindWithoutAHandlerFailsForGood() async throws {
        let test = try TestQueue()
        let job = try await submit(test, kind: "other")
        let ended = try await worker(test, Self.endless).runOne(jobID: job.id)
        #expect(ended?.state == .failed && ended?.error?.message.contains("`other`") == true)
    }

    @Test func aCancelledJobStopsItsHandler() async throws {
        let test = try TestQueue()
        let job = try await submit(test)
        let worker = worker(test) { job, report in
            _ = try await test.queue.cancel(id: job.id)
            return try await Self.endless(job, report)
        }
        #expect(try await worker.runOne(jobID: job.id)?.state == .cancelled)
    }

    @Test func anAttemptOverItsTimeIsStopped() async throws {
        let test = try TestQueue()
        let job = try await submit(test, timeout: 0.05)
        let ended = try await worker(test, Self.endless).runOne(jobID: job.id)
        #expect(ended?.state == .queued && ended?.error?.message.contains("longer than") == true)
    }

    @Test func aLostLeaseStopsTheHandlerAndNothingIsFinished() async throws {
        let clock = TestClock()
        let test = try TestQueue(ambient: clock.ambient)
        let job = try await submit(test)
        let taken = Mutex<JobLease?>(nil)
        let worker = worker(test) { job, report in
            var other: JobLease?
            while other == nil {
                clock.advance(3600)
                other = try await test.queue.lease(jobID: job.id, kinds: [], worker: "other", seconds: 80_000)
            }
            taken.withLock { [other] in $0 = other }
            return try await Self.endless(job, report)
        }
        await expectCode(.conflict) { try await worker.runOne(jobID: job.id) }
        let lease = try #require(taken.withLock { $0 })
        #expect(try await test.queue.job(id: job.id).state == .running)
        #expect(try await test.queue.finish(id: job.id, token: lease.token, .succeeded(1)).state == .succeeded)
    }

    @Test func aServerThatIsAwayForAWhileCostsNothing() async throws {
        let clock = TestClock()
        let test = try TestQueue(ambient: clock.ambient)
        let job = try await submit(test)
        let queue = AbsentQueue(test.queue)
        var worker = Worker(queue: queue, handlers: [:], name: "host/1")
        worker.leaseSeconds = 0.05
        worker.renewSeconds = 0.01
        worker.log = { _ in }
        worker.handlers["k"] = { _, report in
            queue.isAway.withLock { $0 = true }
            // Far longer than the lease.
            while queue.refused.withLock({ $0 }) < 5 {
                try report(JobProgress(fraction: 0.5, message: "going on"))
                try await Task.sleep(for: .milliseconds(5))
            }
            // It comes back while the result is being handed over.
            Task {
                let before = queue.refused.withLock { $0 }
                while queue.refused.withLock({ $0 }) < before + 2 { try await Task.sleep(for: .milliseconds(5)) }
                queue.isAway.withLock { $0 = false }
            }
            return 7
        }
        let ended = try await worker.runOne(jobID: job.id)
        #expect(ended?.state == .succeeded && ended?.result == 7 && ended?.attempt == 1)
    }

    @Test(arguments: [("local/1", false), ("host/1", true)])
    func theOutputOfAWorkerElsewhereReachesTheJobsLog(name: String, isShipped: Bool) async throws {
        let test = try TestQueue()
        let job = try await submit(test)
        let worker = worker(test, name: name) { _, report in
            for step in 1...3 { try report(JobProgress(fraction: 0.1, message: "step \(step)")) }
            throw NestboxError.invalid("bad luck")
        }
        _ = try await worker.runOne(jobID: job.id)
        let log = try await test.queue.log(id: job.id, offset: 0).text
        let lines = [
            "[worker \(name)] attempt 1 of 3 starts", "step 1", "step 2", "step 3", "[worker \(name)] failed: bad luck",
            "",
        ]
        #expect(log == (isShipped ? lines.joined(separator: "\n") : ""))
    }

    @Test(arguments: [("host/1", JobState.queued), ("local/1", .running)])
    func aWorkerToldToStopSaysSoUnlessItsRunnerDoes(name: String, state: JobState) async throws {
        let test = try TestQueue()
        let job = try await submit(test)
        let (started, signal) = AsyncStream.makeStream(of: Void.self)
        let worker = worker(test, name: name) { job, report in
            signal.finish()
            return try await Self.endless(job, report)
        }
        let task = Task { try await worker.runOne(jobID: job.id) }
        for await _ in started {}
        task.cancel()
        _ = await task.result
        #expect(try await test.queue.job(id: job.id).state == state)
    }

    @Test func theLoopWorksOffWhatIsQueued() async throws {
        let test = try TestQueue()
        var jobs: [Job] = []
        for _ in 0..<3 { jobs.append(try await submit(test)) }
        let count = Mutex(0)
        let worker = worker(test) { _, _ in
            .int(
                Int64(
                    count.withLock {
                        $0 += 1; return $0
                    }))
        }
        let task = Task { try await worker.runLoop(pollSeconds: 0.01) }
        for job in jobs {
            while try await !test.queue.job(id: job.id).state.isFinal { try await Task.sleep(for: .milliseconds(5)) }
        }
        task.cancel()
        _ = await task.result
        #expect(count.withLock { $0 } == 3)
    }
}

/// A queue whose server is away at times.
private final class AbsentQueue: JobQueue {
    let queue: EmbeddedJobQueue
    let isAway = Mutex(false)
    let refused = Mutex(0)

    init(_ queue: EmbeddedJobQueue) { self.queue = queue }

    private func call() throws {
        guard isAway.withLock({ $0 }) else { return }
        refused.withLock { $0 += 1 }
        throw NestboxError(.unavailable, "no answer")
    }

    func submit(_ request: JobRequest) async throws -> Job { try await queue.submit(request) }
    func job(id: String) async throws -> Job { try await queue.job(id: id) }
    func jobs(state: JobState?, limit: Int) async throws -> [Job] { try await queue.jobs(state: state, limit: limit) }
    func cancel(id: String) async throws -> Job { try await queue.cancel(id: id) }
    func retry(id: String) async throws -> Job { try await queue.retry(id: id) }
    func log(id: String, offset: Int64) async throws -> JobLogChunk { try await queue.log(id: id, offset: offset) }
    func lease(jobID: String?, kinds: [String], worker: String, seconds: Double) async throws -> JobLease? {
        try call()
        return try await queue.lease(jobID: jobID, kinds: kinds, worker: worker, seconds: seconds)
    }
    func renew(id: String, token: String, seconds: Double, progress: JobProgress?) async throws -> LeaseStatus {
        try call()
        return try await queue.renew(id: id, token: token, seconds: seconds, progress: progress)
    }
    func finish(id: String, token: String, _ outcome: JobOutcome) async throws -> Job {
        try call()
        return try await queue.finish(id: id, token: token, outcome)
    }
    func appendLog(id: String, token: String, text: String) async throws {
        try call()
        try await queue.appendLog(id: id, token: token, text: text)
    }
}
