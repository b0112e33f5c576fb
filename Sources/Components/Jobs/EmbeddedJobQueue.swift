import Contracts
import Core
import Foundation
import GRDB
import Storage
import Synchronization

/// The durable queue: jobs in nestbox.db, one folder with a log per job.
package final class EmbeddedJobQueue: JobQueue {
    let store: Store
    /// `jobs/` of the data directory.
    let directory: String
    let ambient: Ambient
    let policy: RetryPolicy
    let limits: Limits
    /// Jobs whose lease ran out, until the runner asks for them.
    let lost = Mutex<[Job]>([])

    package struct Limits: Sendable {
        /// Jobs that this server runs at once; with 0 a queued job says that it waits for a worker elsewhere.
        package var slots: Int
        /// Bytes that a job's log may grow to.
        package var log: Int64

        package init(slots: Int = 1, log: Int64 = 16 << 20) {
            self.slots = slots
            self.log = log
        }
    }

    package init(
        store: Store, directory: String, ambient: Ambient, policy: RetryPolicy = RetryPolicy(),
        limits: Limits = Limits()
    ) {
        self.store = store
        self.ambient = ambient
        self.directory = directory
        self.policy = policy
        self.limits = limits
    }

    /// The job as others see it. What a queued job waits for depends on the server that runs now, so it is not stored.
    func shown(_ job: Job) -> Job {
        guard job.state == .queued, limits.slots == 0 else { return job }
        var job = job
        job.progress.message += " for a worker: this server has no job slots"
        return job
    }

    package func submit(_ request: JobRequest) async throws -> Job {
        try Self.check(request)
        let id = ambient.newID()
        return try await shownWrite { context in
            var row = JobRow(request, id: id, now: context.now, actor: context.actor)
            row.job.progress.message = "waiting"
            try row.save(context.db)
            try context.record("job.submitted", "job/\(id)", row.facts())
            return row.job
        }
    }

    package func job(id: String) async throws -> Job {
        shown(try await store.read { try JobRow.fetch($0, id: id).job })
    }

    package func jobs(state: JobState?, limit: Int) async throws -> [Job] {
        guard (1...10_000).contains(limit) else {
            throw NestboxError.invalid("limit is \(limit); expected a number from 1 to 10000")
        }
        return try await store.read { db in
            // Identifiers begin with the time, so their order is the order of submission.
            let rows =
                if let state {
                    try Row.fetchAll(
                        db, sql: "SELECT * FROM jobs_jobs WHERE state = ? ORDER BY id DESC LIMIT ?",
                        arguments: [state.rawValue, limit])
                } else {
                    try Row.fetchAll(db, sql: "SELECT * FROM jobs_jobs ORDER BY id DESC LIMIT ?", arguments: [limit])
                }
            return try rows.map { self.shown(try JobRow($0).job) }
        }
    }

    package func cancel(id: String) async throws -> Job {
        try await store.write { context in
            var row = try JobRow.fetch(context.db, id: id)
            switch row.job.state {
            case .queued:
                row.end(.cancelled, now: context.now, message: "cancelled before it started")
                row.job.cancelRequested = true
                try row.save(context.db)
                try context.record("job.cancelled", "job/\(id)", row.facts())
            case .running where !row.job.cancelRequested:
                row.job.cancelRequested = true
                try row.save(context.db)
                try context.record("job.cancel_requested", "job/\(id)", row.facts())
            case .running, .cancelled:
                break
            case .succeeded, .failed:
                throw NestboxError(.conflict, "job `\(id)` has already \(row.job.state.rawValue)")
            }
            return row.job
        }
    }

    package func retry(id: String) async throws -> Job {
        try await shownWrite { context in
            var row = try JobRow.fetch(context.db, id: id)
            guard row.job.state == .failed || row.job.state == .cancelled else {
                throw NestboxError(
                    .conflict, "job `\(id)` is \(row.job.state.rawValue); only failed and cancelled jobs can be retried"
                )
            }
            row.job.state = .queued
            row.job.attempt = 0
            row.interruptions = 0
            (row.job.startedAt, row.job.finishedAt, row.job.notBefore) = (nil, nil, nil)
            (row.job.error, row.job.result, row.token) = (nil, nil, nil)
            row.job.cancelRequested = false
            row.job.progress = JobProgress(fraction: 0, message: "waiting")
            try row.save(context.db)
            try context.record("job.retried", "job/\(id)", row.facts(["by_hand": true]))
            return row.job
        }
    }

    private func shownWrite(_ body: @escaping @Sendable (WriteContext) throws -> Job) async throws -> Job {
        shown(try await store.write(body))
    }

    /// An offset behind the end gets an empty page that goes on at the end.
    package func log(id: String, offset: Int64) async throws -> JobLogChunk {
        let isFinal = try await job(id: id).state.isFinal
        let path = logPath(id)
        return try await ComputePool.shared.run { try JobLog.read(path, offset: offset, isComplete: isFinal) }
    }

    package func appendLog(id: String, token: String, text: String) async throws {
        guard text.utf8.count <= JobLog.mostPerCall else {
            throw NestboxError(
                .payloadTooLarge, "\(text.utf8.count) bytes of log at once; at most \(JobLog.mostPerCall) are taken",
                hint: "send them in parts")
        }
        try await store.read { db in
            let row = try JobRow.fetch(db, id: id)
            guard row.job.state == .running, row.token == token else { throw Self.givenUp(row.job) }
        }
        let path = logPath(id), limit = limits.log
        try await ComputePool.shared.run { try JobLog(path: path, limit: limit).append(Array(text.utf8)) }
    }

    /// Only for identifiers of stored jobs.
    package func logPath(_ id: String) -> String { "\(directory)/\(id)/log" }

    private static func check(_ request: JobRequest) throws {
        guard !request.kind.isEmpty, request.kind.utf8.count <= 100 else {
            throw NestboxError.invalid("a job's `kind` must be 1–100 bytes", hint: "`train` or `study`, say")
        }
        guard !request.name.isEmpty, request.name.utf8.count <= 500 else {
            throw NestboxError.invalid("a job's `name` must be 1–500 bytes")
        }
        guard (1...100).contains(request.maxAttempts) else {
            throw NestboxError.invalid("`maxAttempts` is \(request.maxAttempts); expected a number from 1 to 100")
        }
        if let seconds = request.timeoutSeconds, !(seconds > 0 && seconds <= 31_536_000) {
            throw NestboxError.invalid("`timeoutSeconds` is \(seconds); expected more than 0 and at most a year")
        }
    }
}

extension JobRow {
    init(_ request: JobRequest, id: String, now: Timestamp, actor: String) {
        job = Job(
            id: id, kind: request.kind, name: request.name, payload: request.payload, state: .queued, attempt: 0,
            maxAttempts: request.maxAttempts, timeoutSeconds: request.timeoutSeconds, createdAt: now, startedAt: nil,
            finishedAt: nil, notBefore: nil, leaseUntil: nil, progress: JobProgress(fraction: 0, message: ""),
            error: nil,
            result: nil, cancelRequested: false, createdBy: actor)
        (token, worker, leaseSeconds, progressedAt) = (nil, nil, nil, nil)
        interruptions = 0
    }

    /// Ends the job. The token stays, so that an end reported twice (its first answer was lost) is recognised.
    mutating func end(_ state: JobState, now: Timestamp, message: String) {
        job.state = state
        job.finishedAt = now
        (job.leaseUntil, job.notBefore, worker) = (nil, nil, nil)
        job.progress.message = message
        if state == .succeeded { job.progress.fraction = 1 }
    }
}
