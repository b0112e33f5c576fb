import Contracts
import Core
import Foundation
import Logging
import ServiceLifecycle
import Storage
import Synchronization

/// Works off the queue inside the server process: each due job runs as a child `nestbox worker --url … --job …`, at most
/// `slots` at a time. The child is a client like any other; when it dies, only its attempt does.
package final class JobRunner: Service {
    /// How children are treated.
    package struct Options: Sendable {
        /// Seconds between SIGTERM and SIGKILL.
        package var grace = 10.0
        /// 0 … 19; children yield to the server, so that `/health` and predictions stay quick.
        package var niceness: Int32 = 10

        package init() {}
    }

    /// This process's own program; under Linux also when its file was replaced meanwhile.
    package static var currentExecutable: String {
        #if os(Linux)
        "/proc/self/exe"
        #else
        Bundle.main.executablePath ?? CommandLine.arguments.first ?? "nestbox"
        #endif
    }

    private let queue: EmbeddedJobQueue
    private let options: Options
    private let executable: String
    private let slots: Int
    private let serverURL: @Sendable () async throws -> String
    private let mintToken: @Sendable (_ jobID: String) async throws -> String
    private let revokeToken: @Sendable (_ jobID: String) async throws -> Void
    private let attemptEnded: @Sendable (Job) async throws -> Void
    private let mayStart: @Sendable () async -> Bool
    private let logger: Logger
    private let inFlight = Mutex<Set<String>>([])

    /// - Parameters:
    ///   - slots: how many jobs run at once; with 0 all work is left to workers elsewhere.
    ///   - serverURL: where children reach this server, once it answers.
    ///   - executable: what children run; nil is the server's own program.
    ///   - mintToken: a secret with which the child of that job may call the server.
    ///   - revokeToken: takes that job's secret back when the child is gone.
    ///   - attemptEnded: called with the job after each child's end, for each attempt whose lease ran out, and at boot for
    ///     each attempt lost with an earlier server; the place to end what a killed worker left open.
    ///   - mayStart: asked before each attempt; while it says no, due jobs wait, and use up none of their attempts.
    package init(
        queue: EmbeddedJobQueue, slots: Int = 1, serverURL: @escaping @Sendable () async throws -> String,
        executable: String? = nil, mintToken: @escaping @Sendable (String) async throws -> String,
        revokeToken: @escaping @Sendable (String) async throws -> Void,
        attemptEnded: @escaping @Sendable (Job) async throws -> Void = { _ in },
        mayStart: @escaping @Sendable () async -> Bool = { true }, options: Options = Options(), logger: Logger
    ) {
        self.queue = queue
        self.slots = slots
        self.serverURL = serverURL
        self.executable = executable ?? Self.currentExecutable
        self.mintToken = mintToken
        self.revokeToken = revokeToken
        self.attemptEnded = attemptEnded
        self.mayStart = mayStart
        self.options = options
        self.logger = logger
    }

    /// Recovers what an earlier server left running, then serves until the shutdown; children are stopped with it.
    package func run() async throws {
        for job in try await queue.recover() {
            logger.notice("a job's worker was lost with the earlier server", metadata: ["job": "\(job.id)"])
            await noteEnd(of: job)
        }
        await cancelWhenGracefulShutdown { await self.serve() }
    }

    private func serve() async {
        let (wakeups, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let events = queue.store.events.subscribe { $0.kind.hasPrefix("job.") }
        await withDiscardingTaskGroup { group in
            group.addTask { for await _ in events { wake.yield() } }
            // Retries and expired leases come due without an event.
            group.addTask {
                while !Task.isCancelled {
                    wake.yield()
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            for await _ in wakeups {
                do {
                    try await self.endLostAttempts()
                    while let (job, worker) = try await self.takeDue() {
                        group.addTask {
                            await self.attempt(job, as: worker)
                            self.inFlight.withLock { _ = $0.remove(job.id) }
                            wake.yield()
                        }
                    }
                } catch is CancellationError {
                    break
                } catch {
                    // A full disk, say: the next tick tries again.
                    self.logger.error("the job queue cannot be read", metadata: ["error": "\(error)"])
                }
            }
            group.cancelAll()
        }
    }

    /// Workers elsewhere fall silent whether or not a slot is free here.
    private func endLostAttempts() async throws {
        for lost in try await queue.expireLeases() {
            logger.notice("a job's worker fell silent", metadata: ["job": "\(lost.id)"])
            // As it is now: whoever works on it again already ends himself what was left open.
            await noteEnd(of: try await queue.job(id: lost.id))
        }
    }

    /// A due job, marked as in flight, when a slot is free, and the name under which its child leases.
    private func takeDue() async throws -> (job: Job, worker: String)? {
        let busy = inFlight.withLock { $0 }
        guard busy.count < slots, await mayStart() else { return nil }
        let worker = EmbeddedJobQueue.localWorkerPrefix + queue.ambient.newID()
        guard let job = try await queue.nextDue(for: worker, excluding: busy) else { return nil }
        inFlight.withLock { _ = $0.insert(job.id) }
        return (job, worker)
    }

    /// One child from start to end. Never throws: whatever happens becomes the attempt's error.
    private func attempt(_ job: Job, as worker: String) async {
        var error: ErrorBody.Detail
        do {
            let secret = try await mintToken(job.id)
            let child = WorkerChild(
                job: job, executable: executable, options: options,
                log: try JobLog(path: queue.logPath(job.id), limit: queue.limits.log),
                arguments: ["worker", "--url", try await serverURL(), "--job", job.id],
                environment: [
                    WorkerProcess.tokenVariable: secret, WorkerProcess.nameVariable: worker,
                    WorkerProcess.parentVariable: String(getpid()),
                ],
                logger: logger)
            error = try await child.run { [queue] in try await queue.job(id: job.id).cancelRequested }
        } catch let failure {
            if !(failure is CancellationError) {
                logger.error("a worker could not be run", metadata: ["job": "\(job.id)", "error": "\(failure)"])
            }
            let shown = failure as? NestboxError
            error = ErrorBody.Detail(
                code: shown?.code.rawValue ?? "internal",
                message: "the worker could not be run: \(shown?.message ?? String(describing: failure))",
                hint: shown?.hint)
        }
        // However the child ended: it may have been told to stop together with the server, and before the server told it.
        let isCounted = !Task.isCancelled
        if !isCounted {
            error = ErrorBody.Detail(
                code: "unavailable", message: "the server was stopped while the job ran", hint: nil)
        }
        // Apart from this task: its end must be recorded also when the server is stopping.
        await Task { [error, isCounted] in
            await self.settle(job, worker: worker, error: error, isCounted: isCounted)
        }.value
    }

    private func settle(
        _ job: Job, worker: String, error: ErrorBody.Detail, isCounted: Bool
    ) async {
        do {
            try await revokeToken(job.id)
        } catch {
            logger.error("a worker's token could not be revoked", metadata: ["job": "\(job.id)", "error": "\(error)"])
        }
        do {
            let ended = try await queue.workerEnded(
                id: job.id, worker: worker, error: error, isCounted: isCounted)
            await noteEnd(of: ended)
        } catch {
            // The lease runs out by itself, which gives the job back later.
            logger.error("an attempt's end could not be stored", metadata: ["job": "\(job.id)", "error": "\(error)"])
        }
    }

    private func noteEnd(of job: Job) async {
        do {
            try await attemptEnded(job)
        } catch {
            logger.error("an attempt was not tidied up", metadata: ["job": "\(job.id)", "error": "\(error)"])
        }
    }
}
