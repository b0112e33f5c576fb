import Core

// What the calls of a worker carry over HTTP; server and client share these.

package struct LeaseRequest: Codable, Sendable {
    /// Nil for the oldest that is due.
    package var jobID: String?
    /// None for all.
    package var kinds: [String]?
    package var worker: String
    package var seconds: Double

    package init(jobID: String?, kinds: [String]?, worker: String, seconds: Double) {
        self.jobID = jobID
        self.kinds = kinds
        self.worker = worker
        self.seconds = seconds
    }
}

package struct LeaseAnswer: Codable, Sendable {
    /// Nil when no job is due.
    package var lease: JobLease?

    package init(lease: JobLease?) { self.lease = lease }
}

package struct RenewRequest: Codable, Sendable {
    package var token: String
    package var seconds: Double
    package var progress: JobProgress?

    package init(token: String, seconds: Double, progress: JobProgress?) {
        self.token = token
        self.seconds = seconds
        self.progress = progress
    }
}

package struct AppendLogRequest: Codable, Sendable {
    package var token: String
    /// Whole lines.
    package var text: String

    package init(token: String, text: String) {
        self.token = token
        self.text = text
    }
}

package struct FinishRequest: Codable, Sendable {
    package enum State: String, Codable, Sendable, CaseIterable { case succeeded, failed, cancelled }

    package var token: String
    package var state: State
    /// Of a job that succeeded.
    package var result: JSONValue?
    /// Of a job that failed.
    package var error: ErrorBody.Detail?
    /// Whether another attempt may go better; default true.
    package var retryable: Bool?

    package init(token: String, _ outcome: JobOutcome) {
        self.token = token
        switch outcome {
        case .succeeded(let value): (state, result) = (.succeeded, value)
        case .failed(let detail, let isRetryable): (state, error, retryable) = (.failed, detail, isRetryable)
        case .cancelled: state = .cancelled
        }
    }

    /// Throws `invalid_argument` when a failure comes without its error.
    package var outcome: JobOutcome {
        get throws {
            switch state {
            case .succeeded: return .succeeded(result ?? .null)
            case .cancelled: return .cancelled
            case .failed:
                guard let error else { throw NestboxError.invalid("a failed job needs its `error`: {code, message}") }
                return .failed(error, retryable: retryable ?? true)
            }
        }
    }
}
