import Contracts
import Core
import Foundation
import Jobs
import Logging
import Synchronization
import TestSupport
import Testing

/// A runner whose children are a shell script.
private final class TestRunner: Sendable {
    let test: TestQueue
    let task: Task<Void, any Error>
    let revoked: Revoked
    /// Jobs that the runner was told to tidy up after.
    let ended = Ended()
    let gate = Gate()
    var directory: TemporaryDirectory { test.directory }

    final class Revoked: Sendable {
        let jobs = Mutex<[String]>([])
    }
    final class Gate: Sendable {
        let isOpen = Atomic(true)
        let refused = Atomic(0)
    }
    final class Ended: Sendable {
        let jobs = Mutex<[Job]>([])
    }

    init(
        _ script: String, slots: Int = 1, grace: Double = 10, logLimit: Int64 = 1 << 20, ambient: Ambient = .live,
        isOpen: Bool = true
    ) throws {
        test = try TestQueue(
            ambient: ambient, policy: RetryPolicy(base: 0.02, limit: 0.05), limits: .init(slots: slots, log: logLimit))
        let path = test.directory.file("worker.sh")
        try Data("#!/bin/sh\ncd \(test.directory.path)\n\(script)\n".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        var options = JobRunner.Options()
        options.grace = grace
        let revoked = Revoked(), ended = self.ended, gate = self.gate
        gate.isOpen.store(isOpen, ordering: .sequentiallyConsistent)
        self.revoked = revoked
        let runner = JobRunner(
            queue: test.queue, slots: slots, serverURL: { "http://server:1" }, executable: path,
            mintToken: { "token-of-\($0)" }, revokeToken: { job in revoked.jobs.withLock { $0.append(job) } },
            attemptEnded: { job in ended.jobs.withLock { $0.append(job) } },
            mayStart: {
                let isOpen = gate.isOpen.load(ordering: .sequentiallyConsistent)
                if !isOpen { gate.refused.add(1, ordering: .sequentiallyConsistent) }
                return isOpen
            }, options: options,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        task = Task { try await runner.run() }
    }

    deinit { task.cancel() }

    func submit(attempts: Int = 1, timeout: Double? = nil) async throws -> Job {
        try await test.queue.submit(
            JobRequest(kind: "k", name: "n", payload: .null, maxAttempts: attempts, timeoutSeconds: timeout))
    }

    /// Waits, without a limit of its own: a test that hangs here fails by the runner's limit.
    func wait<T>(for look: () async throws -> T?) async throws -> T {
        while true {
            if let found = try await look() { return found }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func wait(for job: Job, until condition: (Job) -> Bool) async throws -> Job {
        try await wait {
            let now = try await test.queue.job(id: job.id)
            return condition(now) ? now : nil
        }
    }

    /// Leases the job in the name of its child, which has written that name to a file: what a real worker does over HTTP.
    func leaseForChild(_ job: Job) async throws -> JobLease {
        let name = try await wait { () -> String? in
            let text = try? String(contentsOfFile: directory.file("name"), encoding: .utf8)
            return text.flatMap { $0.hasSuffix("\n") ? String($0.dropLast()) : nil }
        }
        return try #require(try await test.queue.lease(jobID: job.id, kinds: [], worker: name, seconds: 60))
    }

    func log(_ job: Job) async throws -> String { try await test.queue.log(id: job.id, offset: 0).text }
}

@Suite(.timeLimit(.minutes(5))) struct JobRunnerTests {
    @Test func aChildThatEndsWithoutAWordIsTriedAgainAndThenFails() async throws {
        let runner = try TestRunner("echo \"args: $*\"; echo \"token: $NESTBOX_TOKEN\" >&2; exit 3")
        let job = try await runner.submit(attempts: 2)
        let failed = try await runner.wait(for: job) { $0.state.isFinal }
        #expect(failed.state == .failed && failed.attempt == 2)
        #expect(failed.error?.message.contains("exit code 3") == true)
        let log = try await runner.log(job)
        #expect(
            log.components(separatedBy: "args: worker --url http://server:1 --job \(job.id)\n").count == 3, "\(log)")
        #expect(log.components(separatedBy: "token: token-of-\(job.id)\n").count == 3)
        #expect(runner.revoked.jobs.withLock { $0 } == [job.id, job.id])
    }

    /// Somebody else's server, which jobs cannot do without, is away.
    @Test func jobsWaitWhileNoneMayStart() async throws {
        let runner = try TestRunner("exit 3", isOpen: false)
        let job = try await runner.submit()
        try await runner.wait { runner.gate.refused.load(ordering: .sequentiallyConsistent) > 2 ? true : nil }
        let waiting = try await runner.test.queue.job(id: job.id)
        #expect(waiting.state == .queued && waiting.attempt == 0)
        runner.gate.isOpen.store(true, ordering: .sequentiallyConsistent)
        #expect(try await runner.wait(for: job) { $0.state.isFinal }.attempt == 1)
    }

    @Test func aKilledChildGivesItsLeaseBackAtOnce() async throws {
        let runner = try TestRunner("echo $NESTBOX_WORKER > name; while [ ! -e go ]; do sleep 0.02; done; kill -9 $$")
        let job = try await runner.submit()
        let lease = try await runner.leaseForChild(job)
        try Data().write(to: URL(fileURLWithPath: runner.directory.file("go")))
        let failed = try await runner.wait(for: job) { $0.state.isFinal }
        #expect(failed.state == .failed && failed.attempt == 1)
        #expect(failed.error?.message.contains("SIGKILL") == true)
        await expectCode(.conflict) {
            _ = try await runner.test.queue.renew(id: job.id, token: lease.token, seconds: 1, progress: nil)
        }
    }

    @Test func aFinishedJobStaysFinishedWhenItsChildEnds() async throws {
        let runner = try TestRunner("echo $NESTBOX_WORKER > name; while [ ! -e go ]; do sleep 0.02; done; exit 1")
        let job = try await runner.submit()
        let lease = try await runner.leaseForChild(job)
        _ = try await runner.test.queue.finish(id: job.id, token: lease.token, .succeeded(7))
        try Data().write(to: URL(fileURLWithPath: runner.directory.file("go")))
        try await runner.wait { runner.revoked.jobs.withLock { $0.isEmpty } ? nil : () }
        let done = try await runner.test.queue.job(id: job.id)
        #expect(done.state == .succeeded && done.result == 7)
    }

    @Test(arguments: [("exec sleep 100", 10.0), ("trap '' TERM; while :; do sleep 0.05; done", 0.1)])
    func aCancelledChildIsStoppedAlsoWhenItIgnoresTheFirstSignal(script: String, grace: Double) async throws {
        let runner = try TestRunner("echo $NESTBOX_WORKER > name; " + script, grace: grace)
        let job = try await runner.submit(attempts: 3)
        _ = try await runner.leaseForChild(job)
        _ = try await runner.test.queue.cancel(id: job.id)
        let ended = try await runner.wait(for: job) { $0.state != .running }
        #expect(ended.state == .cancelled)
    }

    @Test func anAttemptThatTakesTooLongIsStopped() async throws {
        let runner = try TestRunner("exec sleep 100")
        let job = try await runner.submit(timeout: 0.2)
        let ended = try await runner.wait(for: job) { $0.state.isFinal }
        #expect(ended.state == .failed && ended.error?.message.contains("0.2 seconds") == true)
    }

    @Test func aLongLogIsCutWithALineThatSaysSo() async throws {
        let runner = try TestRunner(
            "i=0; while [ $i -lt 400 ]; do echo line $i of the log; i=$((i+1)); done; exit 1", logLimit: 2000)
        let job = try await runner.submit()
        _ = try await runner.wait(for: job) { $0.state.isFinal }
        let log = try await runner.log(job)
        #expect(log.contains("line 0 of") && !log.contains("line 399"))
        #expect(log.hasSuffix("[the log was cut here: it has reached 2000 bytes]\n"))
    }

    @Test func aProgramThatIsMissingFailsTheAttemptWithItsReason() async throws {
        let runner = try TestRunner("")
        try FileManager.default.removeItem(atPath: runner.directory.file("worker.sh"))
        let job = try await runner.submit()
        let failed = try await runner.wait(for: job) { $0.state.isFinal }
        #expect(failed.error?.message.contains("could not be run") == true)
    }

    @Test func aShutdownStopsTheChildAndDoesNotCountTheAttempt() async throws {
        let runner = try TestRunner("echo $NESTBOX_WORKER > name; echo $$ > pid; exec sleep 100")
        let job = try await runner.submit()
        _ = try await runner.leaseForChild(job)
        let pid = try await runner.wait {
            (try? String(contentsOfFile: runner.directory.file("pid"), encoding: .utf8)).flatMap {
                pid_t($0.dropLast())
            }
        }
        runner.task.cancel()
        _ = await runner.task.result
        let waiting = try await runner.test.queue.job(id: job.id)
        #expect(
            waiting.state == .queued && waiting.attempt == 0
                && waiting.error?.message.contains("server was stopped") == true)
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }

    /// With every slot taken, or none at all, workers elsewhere fall silent too.
    @Test(arguments: [0, 1]) func aWorkerElsewhereThatFellSilentIsTidiedUpAfterWithoutAFreeSlot(slots: Int) async throws
    {
        let clock = TestClock()
        let runner = try TestRunner("exec sleep 100", slots: slots, ambient: clock.ambient)
        let busy = try await runner.submit()
        if slots > 0 {
            let path = runner.test.queue.logPath(busy.id)
            try await runner.wait { FileManager.default.fileExists(atPath: path) ? () : nil }
        }
        let queue = runner.test.queue
        let lost = try await queue.submit(JobRequest(kind: "k", name: "lost", payload: .null, maxAttempts: 1))
        _ = try #require(try await queue.lease(jobID: lost.id, kinds: [], worker: "host/9", seconds: 5))
        let told = try await runner.wait {
            // Again and again: a runner that only starts now gives leases of before some more time.
            clock.advance(6)
            return runner.ended.jobs.withLock { $0.first }
        }
        #expect(told.id == lost.id && told.state == .failed && told.error?.message.contains("worker lost") == true)
    }

    @Test func asManyChildrenRunAsThereAreSlots() async throws {
        let runner = try TestRunner(
            "mkdir -p up; : > up/$5; while [ $(ls up | wc -l) -lt 2 ]; do sleep 0.02; done; exit 0", slots: 2)
        let jobs = [try await runner.submit(), try await runner.submit()]
        for job in jobs { #expect(try await runner.wait(for: job) { $0.state.isFinal }.attempt == 1) }
    }
}
