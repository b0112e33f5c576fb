import Core

package enum JobState: String, Codable, Sendable, CaseIterable {
    case queued, running, succeeded, failed, cancelled

    package var isFinal: Bool { self == .succeeded || self == .failed || self == .cancelled }
}

package struct JobRequest: Codable, Sendable {
    /// The kind of jobs whose work is a command of somebody's own. Only `nestbox runs reproduce` that submits one does it,
    /// where it was called; no worker takes it, so that nobody has a server run a command.
    package static let reproduce = "reproduce"

    /// What kind of work: `train`, `study`.
    package var kind: String
    package var name: String
    /// What the worker is given; for `train` and `study` a `TrainingRecipe`.
    package var payload: JSONValue
    /// Attempts in all, the first included.
    package var maxAttempts: Int
    /// Seconds one attempt may take; nil for no limit.
    package var timeoutSeconds: Double?

    package init(kind: String, name: String, payload: JSONValue, maxAttempts: Int = 3, timeoutSeconds: Double? = nil) {
        self.kind = kind
        self.name = name
        self.payload = payload
        self.maxAttempts = maxAttempts
        self.timeoutSeconds = timeoutSeconds
    }
}

package struct JobProgress: Codable, Sendable, Hashable {
    /// 0 … 1.
    package var fraction: Double
    package var message: String

    package init(fraction: Double, message: String) {
        self.fraction = fraction
        self.message = message
    }
}

package struct Job: Codable, Sendable, Hashable {
    package var id: String
    package var kind: String
    package var name: String
    package var payload: JSONValue
    package var state: JobState
    /// Attempts begun so far.
    package var attempt: Int
    package var maxAttempts: Int
    package var timeoutSeconds: Double?
    package var createdAt: Timestamp
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    /// A retry waits until then.
    package var notBefore: Timestamp?
    package var leaseUntil: Timestamp?
    package var progress: JobProgress
    /// The last attempt's error; also kept while a retry waits.
    package var error: ErrorBody.Detail?
    /// What the worker handed back; for `train` a `TrainingOutcome`.
    package var result: JSONValue?
    package var cancelRequested: Bool
    package var createdBy: String

    package init(
        id: String, kind: String, name: String, payload: JSONValue, state: JobState, attempt: Int, maxAttempts: Int,
        timeoutSeconds: Double?, createdAt: Timestamp, startedAt: Timestamp?, finishedAt: Timestamp?,
        notBefore: Timestamp?,
        leaseUntil: Timestamp?, progress: JobProgress, error: ErrorBody.Detail?, result: JSONValue?,
        cancelRequested: Bool,
        createdBy: String
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.payload = payload
        self.state = state
        self.attempt = attempt
        self.maxAttempts = maxAttempts
        self.timeoutSeconds = timeoutSeconds
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.notBefore = notBefore
        self.leaseUntil = leaseUntil
        self.progress = progress
        self.error = error
        self.result = result
        self.cancelRequested = cancelRequested
        self.createdBy = createdBy
    }
}

/// A worker's hold on one attempt. Calls with an older token are refused with `conflict`: that attempt was given up.
package struct JobLease: Codable, Sendable {
    package var job: Job
    package var token: String

    package init(job: Job, token: String) {
        self.job = job
        self.token = token
    }
}

/// What a worker learns when it renews.
package struct LeaseStatus: Codable, Sendable {
    package var cancelRequested: Bool
    package var leaseUntil: Timestamp

    package init(cancelRequested: Bool, leaseUntil: Timestamp) {
        self.cancelRequested = cancelRequested
        self.leaseUntil = leaseUntil
    }
}

package enum JobOutcome: Codable, Sendable {
    case succeeded(JSONValue)
    /// `retryable` false for errors that another attempt cannot cure, like a recipe that names an unknown column.
    case failed(ErrorBody.Detail, retryable: Bool)
    case cancelled
}

/// Part of a log: whole lines from a byte offset on.
package struct JobLogChunk: Codable, Sendable, Hashable {
    package var text: String
    /// Where to go on reading.
    package var nextOffset: Int64

    package init(text: String, nextOffset: Int64) {
        self.text = text
        self.nextOffset = nextOffset
    }
}

package protocol JobQueue: Sendable {
    func submit(_ request: JobRequest) async throws -> Job
    func job(id: String) async throws -> Job
    /// Newest first.
    func jobs(state: JobState?, limit: Int) async throws -> [Job]
    /// A queued job ends at once; a running one is asked to stop and is killed when it does not.
    func cancel(id: String) async throws -> Job
    /// Queues a failed or cancelled job again with fresh attempts.
    func retry(id: String) async throws -> Job
    /// Whole lines from `offset` on; behind the end an empty page that goes on at the end.
    func log(id: String, offset: Int64) async throws -> JobLogChunk

    /// Takes the oldest job that is due (or the one named), for `seconds`. Nil when there is none.
    func lease(jobID: String?, kinds: [String], worker: String, seconds: Double) async throws -> JobLease?
    func renew(id: String, token: String, seconds: Double, progress: JobProgress?) async throws -> LeaseStatus
    func finish(id: String, token: String, _ outcome: JobOutcome) async throws -> Job
    /// Whole lines for the job's log, from a worker whose output the server does not see itself.
    func appendLog(id: String, token: String, text: String) async throws
}
