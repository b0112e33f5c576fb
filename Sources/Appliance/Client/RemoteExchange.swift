import Contracts
import Core

/// What a Nestbox server takes from elsewhere, with its identifiers and times.
package struct RemoteExchange: TrackingImport, RegistryImport {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    private struct Taken: Decodable { var id: String }

    package func importRun(_ run: Run) async throws {
        _ = try await client.send(.POST, "/api/v1/imports/runs", body: run, as: Taken.self)
    }

    package func importLoggedModel(_ model: LoggedModel) async throws {
        _ = try await client.send(.POST, "/api/v1/imports/logged-models", body: model, as: Taken.self)
    }

    package func importModel(_ model: ModelWithVersions) async throws {
        _ = try await client.send(.POST, "/api/v1/imports/models", body: model, as: Taken.self)
    }
}
