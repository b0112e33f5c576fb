import Contracts
import Core
import Foundation
import GRDB
import Storage

extension EmbeddedJobQueue {
    /// Leases of children of this server begin so: when the server starts again, they are gone.
    package static let localWorkerPrefix = "local/"
    /// How often a job may be lost with the server without losing an attempt: one that brings the server down itself must
    /// end at some time.
    static let freeInterruptions = 3

    package func lease(jobID: String?, kinds: [String], worker: String, seconds: Double) async throws -> JobLease? {
        try Self.check(seconds: seconds)
        guard !worker.isEmpty, worker.utf8.count <= 200 else {
            throw NestboxError.invalid("a worker's name must be 1–200 bytes")
        }
        // Looked up first, so that workers that wait cost no write.
        let now = ambient.now()
        let isWorth = try await store.read { db in
            if let jobID { _ = try JobRow.fetch(db, id: jobID) }
            return try Self.hasExpired(db, now) || Self.due(db, jobID: jobID, kinds: kinds, now: now) != nil
        }
        guard isWorth else { return nil }
        let token = ambient.newID()
        let (lease, lost) = try await store.write { [policy, ambient] context -> (JobLease?, [Job]) in
            let lost = try Self.expire(context, policy: policy, ambient: ambient)
            guard var row = try Self.due(context.db, jobID: jobID, kinds: kinds, now: context.now) else {
                return (nil, lost)
            }
            row.job.state = .running
            row.job.attempt += 1
            row.job.startedAt = context.now
            row.job.notBefore = nil
            row.job.leaseUntil = context.now.adding(seconds: seconds)
            row.job.progress = JobProgress(fraction: 0, message: "starting")
            row.token = token
            row.worker = worker
            row.leaseSeconds = seconds
            row.progressedAt = nil
            try row.save(context.db)
            try context.record("job.started", "job/\(row.job.id)", row.facts(["worker": .string(worker)]))
            return (JobLease(job: row.job, token: token), lost)
        }
        self.lost.withLock { $0 += lost }
        return lease
    }

    package func renew(id: String, token: String, seconds: Double, progress: JobProgress?) async throws -> LeaseStatus {
        try Self.check(seconds: seconds)
        if let progress {
            guard (0...1).contains(progress.fraction), progress.message.utf8.count <= 2000 else {
                throw NestboxError.invalid(
                    "progress is \(progress.fraction) with \(progress.message.utf8.count) bytes; expected 0–1 and at most 2000"
                )
            }
        }
        return try await store.write { context in
            var row = try JobRow.fetch(context.db, id: id)
            guard row.job.state == .running, row.token == token else { throw Self.givenUp(row.job) }
            let until = context.now.adding(seconds: seconds)
            row.job.leaseUntil = until
            row.leaseSeconds = seconds
            if let progress, progress != row.job.progress {
                row.job.progress = progress
                // Live pages need no more than one a second.
                if row.progressedAt.map({ context.now.seconds(since: $0) >= 1 }) ?? true {
                    row.progressedAt = context.now
                    try context.record(
                        "job.progressed", "job/\(id)",
                        row.facts(["fraction": .number(progress.fraction), "message": .string(progress.message)]))
                }
            }
            try row.save(context.db)
            return LeaseStatus(cancelRequested: row.job.cancelRequested, leaseUntil: until)
        }
    }

    package func finish(id: String, token: String, _ outcome: JobOutcome) async throws -> Job {
        shown(try await end(id: id, token: token, outcome))
    }

    private func end(id: String, token: String, _ outcome: JobOutcome) async throws -> Job {
        try await store.write { [policy, ambient] context in
            var row = try JobRow.fetch(context.db, id: id)
            guard row.token == token else { throw Self.givenUp(row.job) }
            // The same end again: the first answer was lost on its way.
            guard row.job.state == .running else { return row.job }
            switch outcome {
            case .succeeded(let result):
                row.job.result = result
                row.job.error = nil
                row.end(.succeeded, now: context.now, message: "done")
                try row.save(context.db)
                try context.record("job.succeeded", "job/\(id)", row.facts())
            case .failed(let error, let retryable):
                try row.fail(error, retryable: retryable, context, policy: policy, ambient: ambient)
            case .cancelled:
                row.end(.cancelled, now: context.now, message: "cancelled")
                try row.save(context.db)
                try context.record("job.cancelled", "job/\(id)", row.facts())
            }
            return row.job
        }
    }

    // MARK: For the runner

    /// The oldest job that is due, but none of `excluded`, marked as the one that a child will lease as `worker`.
    package func nextDue(for worker: String, excluding excluded: Set<String>) async throws -> Job? {
        let now = ambient.now()
        let isAny = try await store.read {
            try Self.due($0, jobID: nil, kinds: [], now: now, excluding: excluded) != nil
        }
        guard isAny else { return nil }
        return try await store.write { context in
            guard
                var row = try Self.due(context.db, jobID: nil, kinds: [], now: context.now, excluding: excluded)
            else { return nil }
            row.worker = worker
            try row.save(context.db)
            return row.job
        }
    }

    /// Gives back every lease that ran out. Returns the jobs that lost an attempt so since the last call, also those that
    /// another worker's `lease` found.
    package func expireLeases() async throws -> [Job] {
        let now = ambient.now()
        if try await store.read({ try Self.hasExpired($0, now) }) {
            let expired = try await store.write { [policy, ambient] in
                try Self.expire($0, policy: policy, ambient: ambient)
            }
            lost.withLock { $0 += expired }
        }
        return lost.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
    }

    /// The child that was to lease, or had leased, as `worker` is gone. Ends the attempt if the child had not done so, and
    /// nothing else: a job that was queued again meanwhile is no longer that worker's.
    /// An attempt that is not the job's fault, as at a shutdown, is not counted and does not delay the next.
    @discardableResult
    package func workerEnded(
        id: String, worker: String, error: ErrorBody.Detail, isCounted: Bool = true
    ) async throws -> Job {
        try await store.write { [policy, ambient] context in
            var row = try JobRow.fetch(context.db, id: id)
            guard row.worker == worker, !row.job.state.isFinal else { return row.job }
            // It died before it could lease.
            if row.job.state == .queued { row.job.attempt += 1 }
            if !isCounted { row.job.attempt -= 1 }
            try row.fail(error, retryable: true, wait: isCounted, context, policy: policy, ambient: ambient)
            return row.job
        }
    }

    /// At boot: queues again what children of an earlier server process were running, and clears the temporary files in
    /// the job folders. Workers elsewhere could not renew while there was no server, so each gets the time of one lease.
    ///
    /// Returns the jobs whose attempt was given up. It is not counted: the server's end is rarely the job's fault.
    @discardableResult
    package func recover() async throws -> [Job] {
        let directory = directory
        try await ComputePool.shared.run { try JobLog.clearTemporaryFiles(below: directory) }
        return try await store.write { [policy, ambient] context in
            let rows = try Row.fetchAll(context.db, sql: "SELECT * FROM jobs_jobs WHERE state = 'running' ORDER BY id")
                .map { try JobRow($0) }
            var lost: [Job] = []
            for var row in rows {
                guard row.worker?.hasPrefix(Self.localWorkerPrefix) == true else {
                    let grace = context.now.adding(seconds: row.leaseSeconds ?? 30)
                    row.job.leaseUntil = max(row.job.leaseUntil ?? grace, grace)
                    try row.save(context.db)
                    continue
                }
                let error = ErrorBody.Detail(
                    code: "unavailable",
                    message: "worker lost: the server stopped while attempt \(row.job.attempt) ran",
                    hint: nil)
                row.interruptions += 1
                if row.interruptions <= Self.freeInterruptions { row.job.attempt -= 1 }
                try row.fail(error, retryable: true, wait: false, context, policy: policy, ambient: ambient)
                lost.append(row.job)
            }
            return lost
        }
    }

    // MARK: Rules

    /// The oldest queued job whose time has come.
    private static func due(
        _ db: Database, jobID: String?, kinds: [String], now: Timestamp, excluding excluded: Set<String> = []
    ) throws -> JobRow? {
        var sql = "SELECT * FROM jobs_jobs WHERE state = 'queued' AND (not_before IS NULL OR not_before <= ?)"
        var arguments: StatementArguments = [now.milliseconds]
        if let jobID {
            sql += " AND id = ?"
            arguments += [jobID]
        }
        // Whoever submitted it takes it by its id.
        if jobID == nil, !kinds.contains(JobRequest.reproduce) {
            sql += " AND kind <> ?"
            arguments += [JobRequest.reproduce]
        }
        for (column, names, word) in [("kind", kinds, "IN"), ("id", excluded.sorted(), "NOT IN")] where !names.isEmpty {
            sql += " AND \(column) \(word) (\(names.map { _ in "?" }.joined(separator: ", ")))"
            arguments += StatementArguments(names)
        }
        return try Row.fetchOne(db, sql: sql + " ORDER BY id LIMIT 1", arguments: arguments).map { try JobRow($0) }
    }

    private static func hasExpired(_ db: Database, _ now: Timestamp) throws -> Bool {
        try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM jobs_jobs WHERE state = 'running' AND lease_until < ?)",
            arguments: [now.milliseconds]) ?? false
    }

    /// Gives back every lease that ran out. The lease was the wait, so the next attempt is due at once.
    private static func expire(_ context: WriteContext, policy: RetryPolicy, ambient: Ambient) throws -> [Job] {
        let rows = try Row.fetchAll(
            context.db, sql: "SELECT * FROM jobs_jobs WHERE state = 'running' AND lease_until < ? ORDER BY id",
            arguments: [context.now.milliseconds])
        return try rows.map { stored in
            var row = try JobRow(stored)
            let error = ErrorBody.Detail(
                code: "unavailable",
                message: "worker lost: `\(row.worker ?? "?")` stopped renewing attempt \(row.job.attempt)",
                hint: "its machine or process is gone, or cannot reach this server")
            // From here on the lost worker's token is refused, also for its end of the job.
            row.token = nil
            try row.fail(error, retryable: true, wait: false, context, policy: policy, ambient: ambient)
            return row.job
        }
    }

    static func givenUp(_ job: Job) -> NestboxError {
        NestboxError(
            .conflict,
            "this lease of job `\(job.id)` is no longer valid: the job is \(job.state.rawValue), attempt \(job.attempt)",
            hint: "stop working on it: the attempt was given up or has ended")
    }

    private static func check(seconds: Double) throws {
        guard seconds > 0, seconds <= 86_400 else {
            throw NestboxError.invalid(
                "a lease of \(seconds) seconds is not possible; expected more than 0 and at most a day")
        }
    }
}

extension JobRow {
    /// An attempt failed: the job is queued again while attempts are left, and otherwise ends. Saves and records.
    mutating func fail(
        _ error: ErrorBody.Detail, retryable: Bool, wait: Bool = true, _ context: WriteContext, policy: RetryPolicy,
        ambient: Ambient
    ) throws {
        job.error = error
        let kind: String
        var more: [String: JSONValue] = ["code": .string(error.code), "error": .string(error.message)]
        if job.cancelRequested {
            end(.cancelled, now: context.now, message: "cancelled")
            kind = "job.cancelled"
        } else if retryable, job.attempt < job.maxAttempts {
            job.state = .queued
            (job.leaseUntil, worker, job.notBefore) = (nil, nil, nil)
            job.progress.message = "waiting for attempt \(job.attempt + 1) of \(job.maxAttempts)"
            if wait {
                let delay = policy.delay(afterAttempt: job.attempt, randomBits: ambient.randomBits())
                job.notBefore = context.now.adding(seconds: delay)
                more["delay_seconds"] = .number(delay)
            }
            kind = "job.retried"
        } else {
            end(.failed, now: context.now, message: "failed")
            kind = "job.failed"
        }
        try save(context.db)
        try context.record(kind, "job/\(job.id)", facts(more))
    }
}
