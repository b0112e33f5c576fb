import Contracts
import Core
import Foundation
import Synchronization

/// Tells how far the work is; throws `CancellationError` when it should stop. With nil it only asks.
package typealias JobReport = @Sendable (JobProgress?) throws -> Void
/// Does a job of one kind and returns its result. Long computation belongs on compute threads, not on the caller's.
package typealias JobHandler = @Sendable (Job, @escaping JobReport) async throws -> JSONValue

/// Works on jobs of a queue that may be across the network: leases one, renews the lease while the handler runs, and
/// finishes it. Knows nothing of the server, so that it runs the same as its child and on another machine.
package struct Worker: Sendable {
    package var queue: any JobQueue
    package var handlers: [String: JobHandler]
    package var name: String
    /// Seconds that a lease lasts without a sign of life.
    package var leaseSeconds = 30.0
    /// Seconds between signs of life.
    package var renewSeconds = 1.0
    /// Seconds for which a server that does not answer is waited for, in renewals and with the result.
    package var patienceSeconds = 3600.0
    /// Where lines for the job's log go; the runner reads the child's standard output.
    package var log: @Sendable (String) -> Void = Worker.printFlushed

    package init(queue: any JobQueue, handlers: [String: JobHandler], name: String = WorkerProcess.name()) {
        self.queue = queue
        self.handlers = handlers
        self.name = name
    }

    package static let printFlushed: @Sendable (String) -> Void = { line in
        print(line)
        fflush(nil)
    }

    /// Works on that job. Nil when it could not be leased: it is not due, or somebody else has it.
    @discardableResult
    package func runOne(jobID: String) async throws -> Job? {
        let lease = try await queue.lease(jobID: jobID, kinds: [], worker: name, seconds: leaseSeconds)
        guard let lease else { return nil }
        return try await work(on: lease)
    }

    /// Takes one due job after the other until its task is cancelled.
    package func runLoop(pollSeconds: Double = 2) async throws {
        while !Task.isCancelled {
            let lease: JobLease?
            do {
                lease = try await queue.lease(
                    jobID: nil, kinds: handlers.keys.sorted(), worker: name, seconds: leaseSeconds)
            } catch let error as NestboxError where Self.mayPass(error) {
                log("no job could be taken, trying again: \(error.message)")
                lease = nil
            }
            if let lease {
                do {
                    _ = try await work(on: lease)
                } catch let error as NestboxError where !Task.isCancelled {
                    // One attempt is over; the next job has nothing to do with it.
                    log("gave up job \(lease.job.id): \(error.message)")
                }
            } else {
                try? await Task.sleep(for: .seconds(pollSeconds))
            }
        }
    }

    private func work(on lease: JobLease) async throws -> Job {
        let job = lease.job
        guard let handler = handlers[job.kind] else {
            let error = ErrorBody.Detail(
                code: "invalid_argument", message: "this worker has no handler for jobs of kind `\(job.kind)`",
                hint: "the kinds are \(handlers.keys.sorted().map { "`\($0)`" }.joined(separator: ", "))")
            return try await queue.finish(id: job.id, token: lease.token, .failed(error, retryable: false))
        }
        let hold = Hold(job.progress)
        let log = log, name = name
        // The runner reads its child's output itself.
        let shipped = name.hasPrefix(EmbeddedJobQueue.localWorkerPrefix) ? nil : ShippedLog()
        shipped?.add("[worker \(name)] attempt \(job.attempt) of \(job.maxAttempts) starts")
        let report: JobReport = { progress in
            if let progress, hold.note(progress) {
                log(progress.message)
                shipped?.add(progress.message)
            }
            if hold.isStopped { throw CancellationError() }
        }
        let work = Task { try await handler(job, report) }
        hold.onStop { work.cancel() }
        let renewal = Task { await renew(lease, hold, shipped) }
        let result = await withTaskCancellationHandler {
            await work.result
        } onCancel: {
            hold.stop(.shutDown)
        }
        renewal.cancel()
        await renewal.value
        if hold.reason == .lost {
            throw NestboxError(.conflict, "the lease of job `\(job.id)` was lost; another attempt goes on with it")
        }
        if hold.reason == .shutDown, name.hasPrefix(EmbeddedJobQueue.localWorkerPrefix), case .failure = result {
            // The runner that stopped this child knows why, and ends the attempt accordingly.
            throw NestboxError(.cancelled, "the worker was told to stop")
        }
        // Apart from this task, which may be cancelled: the end must still be told.
        return try await Task {
            let outcome = self.outcome(of: result, job, hold.reason)
            shipped?.add("[worker \(name)] \(Self.sentence(outcome))")
            await shipped?.send(lease, to: queue)
            // Whoever stops a worker waits for it.
            return try await finish(lease, outcome, patience: hold.reason == .shutDown ? 5 : patienceSeconds)
        }.value
    }

    /// Renews until cancelled, and stops the handler when it should not go on. While the server does not answer the work
    /// goes on: only the server knows whether the lease is still held, and one that comes back leaves it some time.
    private func renew(_ lease: JobLease, _ hold: Hold, _ shipped: ShippedLog?) async {
        let clock = ContinuousClock()
        let started = clock.now
        var awaySince: ContinuousClock.Instant?
        var pause = renewSeconds
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: .seconds(pause))
                if let limit = lease.job.timeoutSeconds, clock.now - started >= .seconds(limit) { hold.stop(.timedOut) }
                let status = try await queue.renew(
                    id: lease.job.id, token: lease.token, seconds: leaseSeconds, progress: hold.progress)
                if awaySince != nil { log("the server is back") }
                (awaySince, pause) = (nil, renewSeconds)
                if status.cancelRequested { hold.stop(.cancelled) }
                // Apart from this task: lines whose sending is broken off would be sent again.
                if let shipped { await Task { await shipped.send(lease, to: queue) }.value }
            } catch is CancellationError {
                return
            } catch let error as NestboxError where Self.isRefusal(error) {
                log("the lease is refused: \(error.message)")
                return hold.stop(.lost)
            } catch {
                if Task.isCancelled { return }
                if awaySince == nil { log("the lease could not be renewed, trying again: \(error)") }
                let since = awaySince ?? clock.now
                awaySince = since
                if clock.now - since >= .seconds(patienceSeconds) { return hold.stop(.lost) }
                pause = min(max(pause * 2, renewSeconds), max(5, renewSeconds))
            }
        }
    }

    private static func isRefusal(_ error: NestboxError) -> Bool {
        [.conflict, .notFound, .unauthenticated, .permissionDenied].contains(error.code)
    }

    private static func mayPass(_ error: NestboxError) -> Bool {
        [.unavailable, .storageFull, .rateLimited, .internalError].contains(error.code)
    }

    private static func sentence(_ outcome: JobOutcome) -> String {
        switch outcome {
        case .succeeded: "done"
        case .cancelled: "cancelled"
        case .failed(let error, _): "failed: \(error.message)"
        }
    }

    private func outcome(of result: Result<JSONValue, any Error>, _ job: Job, _ reason: Hold.Reason?) -> JobOutcome {
        switch (result, reason) {
        case (.success(let value), _):
            return .succeeded(value)
        case (.failure(let error), .cancelled?) where Self.isCancellation(error):
            log("cancelled")
            return .cancelled
        case (.failure(let error), let reason?) where Self.isCancellation(error):
            let message =
                reason == .timedOut
                ? "the attempt took longer than its \(job.timeoutSeconds ?? 0) seconds" : "the worker was told to stop"
            log(message)
            return .failed(ErrorBody.Detail(code: "unavailable", message: message, hint: nil), retryable: true)
        case (.failure(let error), _):
            log("failed: \(error)")
            return Self.outcome(of: error)
        }
    }

    private static func isCancellation(_ error: any Error) -> Bool {
        error is CancellationError || (error as? NestboxError)?.code == .cancelled
    }

    /// What another attempt cannot cure is not retried: a wrong recipe stays wrong.
    package static func outcome(of error: any Error) -> JobOutcome {
        guard let error = error as? NestboxError else {
            return .failed(ErrorBody.Detail(code: "internal", message: "\(error)", hint: nil), retryable: true)
        }
        let hopeless: Set<NestboxError.Code> = [
            .invalidArgument, .notFound, .conflict, .alreadyExists, .permissionDenied, .unauthenticated,
        ]
        return .failed(ErrorBody(error).error, retryable: !hopeless.contains(error.code))
    }

    /// The result is worth some patience: the server may be restarting.
    private func finish(_ lease: JobLease, _ outcome: JobOutcome, patience: Double) async throws -> Job {
        let deadline = ContinuousClock.now + .seconds(patience)
        var pause = min(0.5, patience)
        while true {
            do {
                return try await queue.finish(id: lease.job.id, token: lease.token, outcome)
            } catch let error as NestboxError where error.code != .unavailable && error.code != .storageFull {
                throw error
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                log("the result could not be handed over, trying again: \(error)")
                try await Task.sleep(for: .seconds(pause))
                pause = min(pause * 2, 5)
            }
        }
    }
}

/// What the handler, the renewal and the caller of one attempt share.
private final class Hold: Sendable {
    enum Reason: Sendable {
        case cancelled, timedOut, lost, shutDown
    }

    private struct State {
        var progress: JobProgress
        var reason: Reason?
        var action: (@Sendable () -> Void)?
    }

    private let state: Mutex<State>

    init(_ progress: JobProgress) { state = Mutex(State(progress: progress)) }

    var progress: JobProgress { state.withLock { $0.progress } }
    var reason: Reason? { state.withLock { $0.reason } }
    var isStopped: Bool { reason != nil }

    /// True when the message is a new one.
    func note(_ progress: JobProgress) -> Bool {
        let fraction = progress.fraction.isFinite ? min(1, max(0, progress.fraction)) : 0
        return state.withLock { state in
            let isNew = state.progress.message != progress.message
            state.progress = JobProgress(fraction: fraction, message: String(progress.message.prefix(400)))
            return isNew
        }
    }

    func onStop(_ action: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            state.action = action
            return state.reason != nil
        }
        if now { action() }
    }

    /// The first reason counts.
    func stop(_ reason: Reason) {
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.reason == nil else { return nil }
            state.reason = reason
            return state.action
        }
        action?()
    }
}
