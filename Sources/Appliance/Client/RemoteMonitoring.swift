import Contracts
import Core

/// Drift reports and alerts of a server elsewhere, over `/api/v1`.
package struct RemoteMonitoring: Monitor {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    private func path(_ deployment: String, _ rest: String = "") -> String {
        "/api/v1/deployments/\(APIClient.escape(deployment))/drift\(rest)"
    }

    package func check(_ deployment: String) async throws -> DriftReport {
        try await client.call(.POST, path(deployment))
    }

    package func latestReport(_ deployment: String) async throws -> DriftReport? {
        try await client.get(path(deployment), as: DriftReport?.self)
    }

    package func reports(_ deployment: String, limit: Int) async throws -> [DriftReport] {
        try await client.get(APIClient.path(path(deployment, "/history"), query: [("limit", "\(limit)")]))
    }

    package func alerts(open: Bool?, limit: Int) async throws -> [DriftAlert] {
        try await client.get(
            APIClient.path("/api/v1/alerts", query: [("open", open.map { "\($0)" }), ("limit", "\(limit)")]))
    }
}
