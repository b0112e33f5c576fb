import Contracts
import Core
import NIOHTTP1

/// The job queue of a server, over its native API.
package struct RemoteJobs: JobQueue {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    /// Submits a training recipe in YAML or JSON; it is checked against its dataset before it is queued.
    package func train(recipe: String) async throws -> Job {
        let path = "/api/v1/training"
        let answer = try await client.send(
            .POST, path, body: ByteStream(Array(recipe.utf8)), contentType: "application/yaml")
        return try JSON.decode(Job.self, from: answer, what: "the answer of \(path)")
    }

    package func submit(_ request: JobRequest) async throws -> Job {
        try await client.send(.POST, "/api/v1/jobs", body: request)
    }

    package func job(id: String) async throws -> Job { try await client.get(Self.path(id)) }

    package func jobs(state: JobState?, limit: Int) async throws -> [Job] {
        try await client.get(
            APIClient.path("/api/v1/jobs", query: [("state", state?.rawValue), ("limit", String(limit))]))
    }

    package func cancel(id: String) async throws -> Job { try await client.call(.POST, Self.path(id) + "/cancel") }

    package func retry(id: String) async throws -> Job { try await client.call(.POST, Self.path(id) + "/retry") }

    package func log(id: String, offset: Int64) async throws -> JobLogChunk {
        try await client.get(APIClient.path(Self.path(id) + "/log", query: [("offset", String(offset))]))
    }

    package func lease(jobID: String?, kinds: [String], worker: String, seconds: Double) async throws -> JobLease? {
        let request = LeaseRequest(jobID: jobID, kinds: kinds, worker: worker, seconds: seconds)
        return try await client.send(.POST, "/api/v1/jobs/lease", body: request, as: LeaseAnswer.self).lease
    }

    package func renew(id: String, token: String, seconds: Double, progress: JobProgress?) async throws -> LeaseStatus {
        try await client.send(
            .POST, Self.path(id) + "/renew", body: RenewRequest(token: token, seconds: seconds, progress: progress))
    }

    package func finish(id: String, token: String, _ outcome: JobOutcome) async throws -> Job {
        try await client.send(.POST, Self.path(id) + "/finish", body: FinishRequest(token: token, outcome))
    }

    package func appendLog(id: String, token: String, text: String) async throws {
        let body = try JSON.encode(AppendLogRequest(token: token, text: text))
        try await client.send(
            .POST, Self.path(id) + "/log", body: ByteStream(body), contentType: "application/json")
    }

    private static func path(_ id: String) -> String { "/api/v1/jobs/" + APIClient.escape(id) }
}
