import Contracts
import Core
import Foundation
import Hummingbird
import Training

/// The job queue: for people the list, logs, cancel and retry; for workers lease, renew and finish.
enum JobRoutes {
    /// A `JobRequest` whose limits may be left out.
    struct NewJob: Codable, Sendable {
        var kind: String
        var name: String
        var payload: JSONValue
        var maxAttempts: Int?
        var timeoutSeconds: Double?
    }

    static func routes(_ appliance: Appliance) -> [Route] {
        people(appliance.jobs, datasets: appliance.datasets) + workers(appliance.jobs)
    }

    private static func people(_ jobs: any JobQueue, datasets: any DatasetStore) -> [Route] {
        [
            .json(
                .post, "/api/v1/jobs", "Jobs", "Submit a job", takes: NewJob.self, returns: Job.self, status: .created
            ) { _, new in
                var request = JobRequest(
                    kind: new.kind, name: new.name, payload: new.payload, maxAttempts: new.maxAttempts ?? 3,
                    timeoutSeconds: new.timeoutSeconds)
                if TrainingHandlers.kinds.contains(new.kind) {
                    let recipe = try await TrainingRecipe(value: new.payload).resolved(in: datasets).recipe
                    guard recipe.jobKind == new.kind else {
                        throw NestboxError.invalid(
                            "this recipe makes a job of kind `\(recipe.jobKind)`, not `\(new.kind)`")
                    }
                    request.payload = try recipe.jobRequest().payload
                }
                return try await jobs.submit(request)
            }.with { $0.bodyLimit = TrainingRoutes.bodyLimit },
            .get(
                "/api/v1/jobs", "Jobs", "Jobs, newest first",
                query: [
                    .init("state", "queued, running, succeeded, failed or cancelled"),
                    .limit(100, most: 1000),
                ], returns: [Job].self
            ) { call in
                let limit = try call.queryInteger("limit", default: 100, in: 1...1000)
                guard let text = call.query("state") else { return try await jobs.jobs(state: nil, limit: limit) }
                guard let state = JobState(rawValue: text) else {
                    throw NestboxError.invalid(
                        "there is no job state `\(text.prefix(40))`",
                        hint: "the states are " + JobState.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", "))
                }
                return try await jobs.jobs(state: state, limit: limit)
            },
            .get("/api/v1/jobs/{id}", "Jobs", "One job", returns: Job.self) {
                try await jobs.job(id: try $0.parameter("id"))
            },
            .action(
                .post, "/api/v1/jobs/{id}/cancel", "Jobs", "End a queued job, ask a running one to stop",
                returns: Job.self
            ) {
                try await jobs.cancel(id: try $0.parameter("id"))
            },
            .action(
                .post, "/api/v1/jobs/{id}/retry", "Jobs", "Queue a failed or cancelled job again", returns: Job.self
            ) {
                try await jobs.retry(id: try $0.parameter("id"))
            },
            .get(
                "/api/v1/jobs/{id}/log", "Jobs", "Whole lines of a job's log",
                query: [.init("offset", "the byte to begin at: the last answer's nextOffset")],
                returns: JobLogChunk.self
            ) { call in
                try await jobs.log(id: try call.parameter("id"), offset: try logOffset(call))
            },
        ]
    }

    /// Negative ones are left to the queue, which says what is wrong with them.
    static func logOffset(_ call: Call) throws -> Int64 {
        guard let text = call.query("offset") else { return 0 }
        guard let offset = Int64(text) else {
            throw NestboxError.invalid(
                "`offset` is `\(text.prefix(40))`; expected a byte position from 0 on",
                hint: "begin at 0, and go on from the last answer's `nextOffset`")
        }
        return offset
    }

    private static func workers(_ jobs: any JobQueue) -> [Route] {
        [
            .json(
                .post, "/api/v1/jobs/lease", "Jobs", "Take a job that is due, or the one named",
                takes: LeaseRequest.self,
                returns: LeaseAnswer.self
            ) { call, body in
                if let own = call.context.job, body.jobID != own {
                    throw NestboxError(
                        .permissionDenied, "the token of job `\(own)` leases that job only",
                        hint: "a worker for any job is started by hand, with the access token")
                }
                return LeaseAnswer(
                    lease: try await jobs.lease(
                        jobID: body.jobID, kinds: body.kinds ?? [], worker: body.worker, seconds: body.seconds))
            },
            .json(
                .post, "/api/v1/jobs/{id}/renew", "Jobs", "Keep a lease and tell how far the work is",
                takes: RenewRequest.self,
                returns: LeaseStatus.self
            ) { call, body in
                try await jobs.renew(
                    id: try call.parameter("id"), token: body.token, seconds: body.seconds, progress: body.progress)
            },
            .json(
                .post, "/api/v1/jobs/{id}/finish", "Jobs", "End a leased job", takes: FinishRequest.self,
                returns: Job.self
            ) { call, body in
                try await jobs.finish(id: try call.parameter("id"), token: body.token, try body.outcome)
            },
            .json(
                .post, "/api/v1/jobs/{id}/log", "Jobs", "Add lines of a leased job's worker to the job's log",
                takes: AppendLogRequest.self, returns: Acknowledgement.self
            ) { call, body in
                try await jobs.appendLog(id: try call.parameter("id"), token: body.token, text: body.text)
                return Acknowledgement()
            },
        ]
    }
}
