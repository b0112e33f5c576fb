import Contracts
import Core
import Foundation
import Jobs
import Storage
import Synchronization
import TestSupport
import Testing

/// A clock that the test moves, and seeded chance.
final class TestClock: Sendable {
    private let milliseconds = Mutex<Int64>(1_700_000_000_000)
    private let generator = Mutex(SeededGenerator(seed: 3))

    func advance(_ seconds: Double) { milliseconds.withLock { $0 += Int64(seconds * 1000) } }

    var ambient: Ambient {
        Ambient(
            now: { Timestamp(milliseconds: self.milliseconds.withLock { $0 }) },
            randomBits: { self.generator.withLock { $0.next() } })
    }
}

/// A queue in a directory of its own.
struct TestQueue {
    let directory: TemporaryDirectory
    let store: Store
    let queue: EmbeddedJobQueue

    init(
        in directory: TemporaryDirectory? = nil, ambient: Ambient = .live, policy: RetryPolicy = RetryPolicy(),
        limits: EmbeddedJobQueue.Limits = .init()
    ) throws {
        self.directory = try directory ?? TemporaryDirectory()
        store = try Store(in: self.directory, EmbeddedJobQueue.migrations, ambient: ambient)
        queue = EmbeddedJobQueue(
            store: store, directory: self.directory.file("jobs"), ambient: ambient, policy: policy, limits: limits)
    }

    func events(_ id: String) async throws -> [Event] { try await store.eventLog(subject: "job/\(id)") }
}

private let detail = ErrorBody.Detail(code: "unavailable", message: "no luck", hint: nil)

@Test func theEmbeddedQueueKeepsTheContract() async throws {
    let clock = TestClock()
    let test = try TestQueue(ambient: clock.ambient)
    try await checkJobQueue(test.queue) { clock.advance($0) }
}

@Test func aRetryWaitsTwiceAsLongEachTimeAndThenGivesUp() async throws {
    let clock = TestClock()
    let test = try TestQueue(ambient: clock.ambient, policy: RetryPolicy(base: 10, limit: 1000))
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null, maxAttempts: 4))
    for attempt in 1...3 {
        let lease = try #require(try await test.queue.lease(jobID: nil, kinds: [], worker: "w", seconds: 60))
        #expect(lease.job.attempt == attempt)
        let waiting = try await test.queue.finish(id: job.id, token: lease.token, .failed(detail, retryable: true))
        let until = try #require(waiting.notBefore)
        let delay = until.seconds(since: clock.ambient.now())
        let most = 10 * pow(2, Double(attempt - 1))
        #expect(delay >= most / 2 && delay <= most)
        clock.advance(delay - 0.01)
        #expect(try await test.queue.lease(jobID: nil, kinds: [], worker: "w", seconds: 60) == nil)
        #expect(try await test.queue.nextDue(for: "local/1", excluding: []) == nil)
        clock.advance(0.02)
        #expect(try await test.queue.nextDue(for: "local/1", excluding: [])?.id == job.id)
        #expect(try await test.queue.nextDue(for: "local/1", excluding: [job.id]) == nil)
    }
    let lease = try #require(try await test.queue.lease(jobID: nil, kinds: [], worker: "w", seconds: 60))
    #expect(
        try await test.queue.finish(id: job.id, token: lease.token, .failed(detail, retryable: true)).state == .failed)
    let kinds = try await test.events(job.id).map(\.kind)
    let round = ["job.started", "job.retried"]
    #expect(kinds == ["job.submitted"] + round + round + round + ["job.started", "job.failed"])
}

@Test func theDelayIsBoundedForEveryAttempt() {
    let policy = RetryPolicy(base: 2, limit: 300)
    for (attempt, most) in [(1, 2.0), (2, 4), (3, 8), (8, 256), (9, 300), (1000, 300)] {
        #expect(policy.delay(afterAttempt: attempt, randomBits: 0) == most / 2)
        let longest = policy.delay(afterAttempt: attempt, randomBits: .max)
        #expect(longest <= most && longest > most * 0.999)
    }
}

@Test func aRestartGivesBackWhatLocalWorkersHeldAndClearsTheirFiles() async throws {
    let directory = try TemporaryDirectory()
    let first = try TestQueue(in: directory)
    let local = try await first.queue.submit(JobRequest(kind: "a", name: "local", payload: .null))
    let remote = try await first.queue.submit(JobRequest(kind: "b", name: "remote", payload: .null))
    let done = try await first.queue.submit(JobRequest(kind: "c", name: "done", payload: .null))
    let localLease = try #require(
        try await first.queue.lease(jobID: local.id, kinds: [], worker: "local/1", seconds: 600))
    let remoteLease = try #require(
        try await first.queue.lease(jobID: remote.id, kinds: [], worker: "host/9", seconds: 600))
    let doneLease = try #require(
        try await first.queue.lease(jobID: done.id, kinds: [], worker: "local/2", seconds: 600))
    _ = try await first.queue.finish(id: done.id, token: doneLease.token, .succeeded(1))
    let folder = directory.file("jobs/\(local.id)")
    try FileManager.default.createDirectory(atPath: folder + "/tmp", withIntermediateDirectories: true)
    for name in ["log", "x.tmp-1", "tmp/y"] {
        try Data("a\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    try first.store.close()

    let second = try TestQueue(in: directory)
    let recovered = try await second.queue.recover()
    #expect(recovered.map(\.id) == [local.id])
    let job = try await second.queue.job(id: local.id)
    #expect(job.state == .queued && job.attempt == 0 && job.error?.message.contains("worker lost") == true)
    #expect(try await second.queue.job(id: done.id).state == .succeeded)
    #expect(try await second.queue.log(id: local.id, offset: 0).text == "a\n")
    #expect(directory.files.filter { $0.hasPrefix("jobs/\(local.id)/") } == ["jobs/\(local.id)/log"])
    await expectCode(.conflict) {
        _ = try await second.queue.renew(id: local.id, token: localLease.token, seconds: 1, progress: nil)
    }
    #expect(
        try await second.queue.renew(id: remote.id, token: remoteLease.token, seconds: 9, progress: nil).cancelRequested
            == false)
    #expect(try await second.queue.recover().isEmpty)
}

@Test func aJobLostWithItsServerKeepsItsAttemptsButNotForEver() async throws {
    let test = try TestQueue()
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null, maxAttempts: 2))
    var attempts: [Int] = []
    while try await !test.queue.job(id: job.id).state.isFinal {
        let lease = try #require(try await test.queue.lease(jobID: job.id, kinds: [], worker: "local/1", seconds: 60))
        attempts.append(lease.job.attempt)
        #expect(try await test.queue.recover().map(\.id) == [job.id])
    }
    #expect(attempts == [1, 1, 1, 1, 2])
    #expect(try await test.queue.job(id: job.id).state == .failed)
}

@Test func aWorkerElsewhereGetsTheTimeOfALeaseWhenTheServerIsBack() async throws {
    let clock = TestClock()
    let test = try TestQueue(ambient: clock.ambient)
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
    let lease = try #require(try await test.queue.lease(jobID: job.id, kinds: [], worker: "host/9", seconds: 40))
    clock.advance(3600)
    #expect(try await test.queue.recover().isEmpty)
    clock.advance(39)
    #expect(try await test.queue.expireLeases().isEmpty)
    #expect(try await test.queue.lease(jobID: job.id, kinds: [], worker: "other", seconds: 40) == nil)
    _ = try await test.queue.renew(id: job.id, token: lease.token, seconds: 40, progress: nil)
    #expect(try await test.queue.finish(id: job.id, token: lease.token, .succeeded(1)).attempt == 1)
}

@Test func theEndOfAWorkerEndsOnlyTheAttemptThatItRan() async throws {
    let test = try TestQueue()
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
    _ = try await test.queue.nextDue(for: "local/1", excluding: [])
    let lease = try #require(try await test.queue.lease(jobID: job.id, kinds: [], worker: "local/1", seconds: 60))
    _ = try await test.queue.finish(id: job.id, token: lease.token, .failed(detail, retryable: false))
    let again = try await test.queue.retry(id: job.id)
    // The process of the failed attempt ends only now.
    #expect(try await test.queue.workerEnded(id: job.id, worker: "local/1", error: detail) == again)
    _ = try await test.queue.nextDue(for: "local/2", excluding: [])
    #expect(try await test.queue.workerEnded(id: job.id, worker: "local/1", error: detail) == again)
    let ended = try await test.queue.workerEnded(id: job.id, worker: "local/2", error: detail)
    #expect(ended.state == .queued && ended.attempt == 1 && ended.error == detail)
}

@Test func aLeaseThatRanOutIsToldWhoeverFoundIt() async throws {
    let clock = TestClock()
    let test = try TestQueue(ambient: clock.ambient)
    var jobs: [Job] = []
    for _ in 0..<2 {
        let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
        _ = try #require(try await test.queue.lease(jobID: job.id, kinds: [], worker: "lost", seconds: 5))
        jobs.append(job)
        clock.advance(6)
    }
    // The second lease found the first job; nobody has found the second yet.
    let told = try await test.queue.expireLeases()
    #expect(Set(told.map(\.id)) == Set(jobs.map(\.id)))
    #expect(try await test.queue.expireLeases().isEmpty)
}

@Test func aServerWithoutSlotsSaysWhatJobsWaitFor() async throws {
    let test = try TestQueue(limits: .init(slots: 0))
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
    #expect(job.progress.message == "waiting for a worker: this server has no job slots")
    #expect(try await test.queue.job(id: job.id) == job)
    #expect(try await test.queue.jobs(state: nil, limit: 1) == [job])
    let lease = try #require(try await test.queue.lease(jobID: nil, kinds: [], worker: "w", seconds: 60))
    #expect(!lease.job.progress.message.contains("slots"))
}

@Test func progressIsRecordedAsAnEventAtMostOnceASecond() async throws {
    let clock = TestClock()
    let test = try TestQueue(ambient: clock.ambient)
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
    let lease = try #require(try await test.queue.lease(jobID: nil, kinds: [], worker: "w", seconds: 60))
    for step in 1...10 {
        let progress = JobProgress(fraction: Double(step) / 10, message: "step \(step)")
        _ = try await test.queue.renew(id: job.id, token: lease.token, seconds: 60, progress: progress)
        clock.advance(0.4)
    }
    let told = try await test.events(job.id).filter { $0.kind == "job.progressed" }.compactMap {
        $0.data["message"]?.stringValue
    }
    #expect(told == ["step 1", "step 4", "step 7", "step 10"])
    #expect(try await test.queue.job(id: job.id).progress.message == "step 10")
}

@Test func anEventNamesWhoCausedIt() async throws {
    let test = try TestQueue()
    let job = try await Caller.$name.withValue("ada") {
        try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
    }
    #expect(job.createdBy == "ada")
    _ = try await Caller.$name.withValue("bob") { try await test.queue.cancel(id: job.id) }
    #expect(
        try await test.events(job.id).map { "\($0.kind) \($0.actor)" } == ["job.submitted ada", "job.cancelled bob"])
}

@Test func logsAreReadInWholeLines() async throws {
    let test = try TestQueue()
    let job = try await test.queue.submit(JobRequest(kind: "k", name: "n", payload: .null))
    let path = test.queue.logPath(job.id)
    try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data("one\ntwö\nthr".utf8).write(to: URL(fileURLWithPath: path))
    let first = try await test.queue.log(id: job.id, offset: 0)
    #expect(first.text == "one\ntwö\n" && first.nextOffset == 9)
    let none = try await test.queue.log(id: job.id, offset: 9)
    #expect(none.text == "" && none.nextOffset == 9)
    _ = try await test.queue.cancel(id: job.id)
    #expect(try await test.queue.log(id: job.id, offset: 9).text == "thr")
    // A line that is longer than any chunk, of characters of two bytes.
    try Data(("x" + String(repeating: "ö", count: 200_000)).utf8).write(to: URL(fileURLWithPath: path))
    var text = "", offset: Int64 = 0
    while true {
        let chunk = try await test.queue.log(id: job.id, offset: offset)
        if chunk.nextOffset == offset { break }
        text += chunk.text
        offset = chunk.nextOffset
    }
    #expect(text == "x" + String(repeating: "ö", count: 200_000))
}
