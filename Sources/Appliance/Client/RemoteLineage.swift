import Contracts
import Core

/// What a Nestbox server knows of where things came from.
package struct RemoteLineage: Sendable {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    package func graph(_ request: LineageRequest) async throws -> LineageGraph {
        try await client.get(
            "/api/v1/lineage?node=\(APIClient.escape(request.node))&direction=\(request.direction.rawValue)"
                + "&depth=\(request.depth)&limit=\(request.limit)&breadth=\(request.breadth)")
    }
}
