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
            } catch let error as NestboxError where error.code == .unavailable {
                log("the server does not answer, trying again: \(error.message)")
                lease = nil
            }
            if let lease {
                do {
                    _ = try await work(on: lease)
                } catch let error as NestboxError where error.code == .conflict {
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
        let log = log
        let report: JobReport = { progress in
            if let progress, hold.note(progress) { log(progress.message) }
            if hold.isStopped { throw CancellationError() }
        }
        let work = Task { try await handler(job, report) }
        hold.onStop { work.cancel() }
        let renewal = Task { await renew(lease, hold) }
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
        return try await Task { try await finish(lease, outcome(of: result, job, hold.reason)) }.value
    }

    /// Renews until cancelled, and stops the handler when it should not go on.
    private func renew(_ lease: JobLease, _ hold: Hold) async {
        let clock = ContinuousClock()
        let started = clock.now
        var heldUntil = started + .seconds(leaseSeconds)
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: .seconds(renewSeconds))
                let asked = clock.now
                let status = try await queue.renew(
                    id: lease.job.id, token: lease.token, seconds: leaseSeconds, progress: hold.progress)
                heldUntil = asked + .seconds(leaseSeconds)
                if status.cancelRequested { hold.stop(.cancelled) }
                if let limit = lease.job.timeoutSeconds, asked - started >= .seconds(limit) { hold.stop(.timedOut) }
            } catch is CancellationError {
                return
            } catch let error as NestboxError where error.code == .conflict || error.code == .notFound {
                log("the lease is refused: \(error.message)")
                return hold.stop(.lost)
            } catch {
                // The server may be restarting; the lease outlives that.
                if Task.isCancelled { return }
                log("the lease could not be renewed: \(error)")
                if clock.now >= heldUntil { return hold.stop(.lost) }
            }
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
    private func finish(_ lease: JobLease, _ outcome: JobOutcome) async throws -> Job {
        var pause = 0.5
        while true {
            do {
                return try await queue.finish(id: lease.job.id, token: lease.token, outcome)
            } catch let error as NestboxError where error.code != .unavailable && error.code != .storageFull {
                throw error
            } catch {
                guard pause < leaseSeconds / 2 else { throw error }
                log("the result could not be handed over, trying again: \(error)")
                try await Task.sleep(for: .seconds(pause))
                pause *= 2
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
