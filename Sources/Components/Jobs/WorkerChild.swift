import Contracts
import Core
import Foundation
import Logging
import Subprocess
import Synchronization

/// One child process: output into the job's log, limits while it runs, and a sentence about its end.
struct WorkerChild {
    let job: Job
    let executable: String
    let options: JobRunner.Options
    let log: JobLog
    let arguments: [String]
    let environment: [String: String]
    let logger: Logger

    /// Why the child was told to stop.
    private enum Stop {
        case cancelled, timedOut
    }

    /// Runs the child and returns how it ended, as the error of an attempt that it left unfinished.
    ///
    /// Throws when it cannot be started. When the calling task is cancelled the child gets SIGTERM, then SIGKILL.
    func run(isCancelRequested: @escaping @Sendable () async throws -> Bool) async throws -> ErrorBody.Detail {
        let pump = try OutputPump(log: log, logger: logger)
        var platform = PlatformOptions()
        // A session of its own: signals reach what the child started too, and Ctrl-C at the server's terminal does not.
        platform.createSession = true
        platform.teardownSequence = [
            .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: .seconds(options.grace))
        ]
        var variables: [Environment.Key: String?] = [:]
        for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
        let configuration = Configuration(
            executable: .path(.init(executable)),
            arguments: Arguments(executablePathOverride: "nestbox", remainingValues: arguments),
            environment: .inherit.updating(variables), platformOptions: platform)
        try log.note("attempt \(job.attempt + 1) of \(job.maxAttempts) starts")
        pump.start()
        let result: ExecutionResult<Stop?, FileDescriptorOutput, CombinedErrorOutput>
        do {
            result = try await Subprocess.run(
                configuration, input: .none,
                output: .fileDescriptor(.init(rawValue: pump.writeEnd), closeAfterSpawningProcess: true),
                error: .combinedWithOutput
            ) { execution in
                try await supervise(execution.processIdentifier.value, isCancelRequested)
            }
        } catch {
            await pump.finish()
            try log.note("the worker was stopped: \(error)")
            throw error
        }
        await pump.finish()
        let ending = describe(result.terminationStatus, stop: result.closureResult)
        try log.note(ending.message)
        return ending
    }

    /// Watches the limits until the process has ended. The process is not yet reaped while this runs, so its number
    /// cannot have been given to another one.
    private func supervise(_ pid: pid_t, _ isCancelRequested: @Sendable () async throws -> Bool) async throws -> Stop? {
        setpriority(.init(PRIO_PROCESS.rawValue), id_t(pid), options.niceness)
        let clock = ContinuousClock()
        let started = clock.now
        var stop: (reason: Stop, killAt: ContinuousClock.Instant)?
        var nextLook = started
        while !Self.hasEnded(pid) {
            let now = clock.now
            if let stop {
                if now >= stop.killAt { kill(-pid, SIGKILL) }
            } else {
                var reason: Stop?
                if let limit = job.timeoutSeconds, now - started >= .seconds(limit) {
                    reason = .timedOut
                } else if now >= nextLook {
                    nextLook = now + .milliseconds(250)
                    do {
                        if try await isCancelRequested() { reason = .cancelled }
                    } catch let error where !(error is CancellationError) {
                        // A moment's trouble with the disk is no reason to stop hours of work.
                        logger.warning(
                            "a running job could not be looked up", metadata: ["job": "\(job.id)", "error": "\(error)"])
                    }
                }
                if let reason {
                    kill(-pid, SIGTERM)
                    stop = (reason, now + .seconds(options.grace))
                }
            }
            try await Task.sleep(for: .milliseconds(25))
        }
        return stop?.reason
    }

    /// Whether the process has ended; leaves it to be reaped by its owner.
    private static func hasEnded(_ pid: pid_t) -> Bool {
        var info = siginfo_t()
        let answer = waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT)
        // Without a change `waitid` succeeds and leaves the signal number at zero.
        return answer != 0 ? errno == ECHILD : info.si_signo != 0
    }

    private func describe(_ status: TerminationStatus, stop: Stop?) -> ErrorBody.Detail {
        switch (stop, status) {
        case (.timedOut, _):
            ErrorBody.Detail(
                code: "unavailable",
                message: "the attempt took longer than its \(job.timeoutSeconds ?? 0) seconds and was stopped",
                hint: "give the job a longer timeout")
        case (.cancelled, _):
            ErrorBody.Detail(code: "cancelled", message: "the job was cancelled", hint: nil)
        case (nil, .signaled(SIGKILL)):
            ErrorBody.Detail(
                code: "unavailable", message: "the worker was killed (SIGKILL)",
                hint: "by hand, or by the system because memory ran out: see dmesg")
        case (nil, .signaled(let signal)):
            ErrorBody.Detail(
                code: "internal",
                message: "the worker crashed: signal \(signal) (\(String(cString: strsignal(signal))))",
                hint: "see the job's log")
        case (nil, .exited(let code)):
            ErrorBody.Detail(
                code: "internal", message: "the worker ended with exit code \(code)", hint: "see the job's log")
        }
    }
}

/// Copies what the child prints into the log, on a thread of its own: reading blocks.
private final class OutputPump: Sendable {
    let writeEnd: Int32
    private let readEnd: Int32
    private let log: JobLog
    private let logger: Logger
    private let childEnded = Atomic<Bool>(false)
    private let done: AsyncStream<Void>
    private let markDone: AsyncStream<Void>.Continuation

    init(log: JobLog, logger: Logger) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw DurableFile.failure("open", "a pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (readEnd, writeEnd) = (ends[0], ends[1])
        self.log = log
        self.logger = logger
        (done, markDone) = AsyncStream.makeStream(of: Void.self)
    }

    func start() {
        let thread = Thread { self.copy() }
        thread.name = "job log"
        thread.start()
    }

    /// Returns when everything the child printed is in the log. Whatever its orphans print later is not waited for.
    func finish() async {
        childEnded.store(true, ordering: .releasing)
        for await _ in done {}
    }

    private func copy() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let ended = childEnded.load(ordering: .acquiring)
            var poll = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
            let ready = Foundation.poll(&poll, 1, ended ? 0 : 100)
            if ready < 0, errno == EINTR { continue }
            if ready == 0 {
                if ended { break }
                continue
            }
            let count = buffer.withUnsafeMutableBytes { read(readEnd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            do {
                try log.append(Array(buffer[..<count]))
            } catch {
                logger.error("a job's log is cut", metadata: ["error": "\(error)"])
            }
        }
        close(readEnd)
        markDone.finish()
    }
}
