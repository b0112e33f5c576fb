import Contracts
import Core

/// Deployments of a server elsewhere, over `/api/v1`.
package struct RemoteServing: ModelServer {
    private struct PredictRequest: Codable, Sendable {
        var rows: [[String: JSONValue]]
        var at: Timestamp?
    }

    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    private func path(_ name: String, _ rest: String = "") -> String {
        "/api/v1/deployments/\(APIClient.escape(name))\(rest)"
    }

    package func deploy(_ request: DeploymentRequest) async throws -> Deployment {
        try await client.send(.POST, "/api/v1/deployments", body: request)
    }

    package func deployments() async throws -> [Deployment] { try await client.get("/api/v1/deployments") }

    package func deployment(_ name: String) async throws -> Deployment { try await client.get(path(name)) }

    package func undeploy(_ name: String) async throws { try await client.send(.DELETE, path(name)) }

    package func signature(_ name: String) async throws -> ModelSignature {
        try await client.get(path(name, "/signature"))
    }

    package func predict(_ name: String, rows: [[String: JSONValue]], at: Timestamp?) async throws -> Prediction {
        try await client.send(.POST, path(name, "/predict"), body: PredictRequest(rows: rows, at: at))
    }

    package func statistics(_ name: String) async throws -> ServingStatistics {
        try await client.get(path(name, "/statistics"))
    }

    package func predictions(_ name: String, limit: Int) async throws -> [LoggedPrediction] {
        try await client.get(APIClient.path(path(name, "/predictions"), query: [("limit", "\(limit)")]))
    }

    package func prediction(id: String) async throws -> [LoggedPrediction] {
        try await client.get("/api/v1/predictions/\(APIClient.escape(id))")
    }
}
