import Contracts
import Core

/// What a Nestbox server knows of the making of its runs.
package struct RemoteProvenance: Sendable {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    package func environment(ofRun id: String) async throws -> RunEnvironment {
        try await client.get("/api/v1/runs/\(APIClient.escape(id))/environment")
    }

    package func diff(_ a: String, _ b: String) async throws -> RunDiff {
        try await client.get("/api/v1/runs/\(APIClient.escape(a))/diff/\(APIClient.escape(b))")
    }
}
