import Contracts
import Core
import GRDB
import Storage

extension EmbeddedJobQueue {
    /// For the decisions file, nestbox.db.
    package static let migrations: [Migration] = [
        Migration("jobs.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE jobs_jobs (
                        id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL,
                        state TEXT NOT NULL, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL, timeout_seconds REAL,
                        created_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER, not_before INTEGER,
                        lease_until INTEGER, lease_token TEXT, worker TEXT,
                        progress REAL NOT NULL, progress_message TEXT NOT NULL, progressed_at INTEGER,
                        error TEXT, result TEXT, cancel_requested INTEGER NOT NULL, created_by TEXT NOT NULL)
                        WITHOUT ROWID;
                    CREATE INDEX jobs_jobs_by_state ON jobs_jobs (state, id);
                    """)
        },
        Migration("jobs.2") { db in
            try db.execute(
                sql: """
                    ALTER TABLE jobs_jobs ADD COLUMN lease_seconds REAL;
                    ALTER TABLE jobs_jobs ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;
                    """)
        },
    ]
}

/// A row of `jobs_jobs`: the job with what only the queue may see.
struct JobRow {
    var job: Job
    var token: String?
    /// Who holds the lease; of a queued job, the child of the runner that is being started for it.
    var worker: String?
    /// For how long the lease was last taken.
    var leaseSeconds: Double?
    /// Attempts that were not counted because they were lost with the server.
    var interruptions: Int
    /// When the last `job.progressed` was recorded.
    var progressedAt: Timestamp?

    init(_ row: Row) throws {
        func time(_ column: String) -> Timestamp? { (row[column] as Int64?).map { Timestamp(milliseconds: $0) } }
        let state: String = row["state"]
        guard let known = JobState(rawValue: state) else {
            throw NestboxError(.internalError, "a stored job has the unknown state `\(state)`")
        }
        let payload: String = row["payload"]
        let error: String? = row["error"], result: String? = row["result"]
        job = Job(
            id: row["id"], kind: row["kind"], name: row["name"],
            payload: try JSON.decode(JSONValue.self, from: payload),
            state: known, attempt: row["attempt"], maxAttempts: row["max_attempts"],
            timeoutSeconds: row["timeout_seconds"],
            createdAt: time("created_at") ?? Timestamp(milliseconds: 0), startedAt: time("started_at"),
            finishedAt: time("finished_at"), notBefore: time("not_before"), leaseUntil: time("lease_until"),
            progress: JobProgress(fraction: row["progress"], message: row["progress_message"]),
            error: try error.map { try JSON.decode(ErrorBody.Detail.self, from: $0) },
            result: try result.map { try JSON.decode(JSONValue.self, from: $0) },
            cancelRequested: row["cancel_requested"], createdBy: row["created_by"])
        token = row["lease_token"]
        worker = row["worker"]
        leaseSeconds = row["lease_seconds"]
        interruptions = row["interruptions"]
        progressedAt = time("progressed_at")
    }

    /// Throws `not_found`.
    static func fetch(_ db: Database, id: String) throws -> JobRow {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM jobs_jobs WHERE id = ?", arguments: [id]) else {
            throw NestboxError(.notFound, "there is no job `\(id.prefix(80))`", hint: "see the list of jobs")
        }
        return try JobRow(row)
    }

    /// Writes every column, replacing the row.
    func save(_ db: Database) throws {
        let values: [(any DatabaseValueConvertible)?] = [
            job.id, job.kind, job.name, try JSON.string(job.payload), job.state.rawValue, job.attempt, job.maxAttempts,
            job.timeoutSeconds, job.createdAt.milliseconds, job.startedAt?.milliseconds, job.finishedAt?.milliseconds,
            job.notBefore?.milliseconds, job.leaseUntil?.milliseconds, token, worker, job.progress.fraction,
            job.progress.message, progressedAt?.milliseconds, try job.error.map { try JSON.string($0) },
            try job.result.map { try JSON.string($0) }, job.cancelRequested, job.createdBy, leaseSeconds,
            interruptions,
        ]
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO jobs_jobs (
                    id, kind, name, payload, state, attempt, max_attempts, timeout_seconds, created_at, started_at,
                    finished_at, not_before, lease_until, lease_token, worker, progress, progress_message, progressed_at,
                    error, result, cancel_requested, created_by, lease_seconds, interruptions)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """, arguments: StatementArguments(values))
    }

    /// What events say about a job, with `more`.
    func facts(_ more: [String: JSONValue] = [:]) -> JSONValue {
        .object(
            ["name": .string(job.name), "kind": .string(job.kind), "attempt": .int(Int64(job.attempt))]
                .merging(more) { $1 })
    }
}
