import Contracts
import Core

/// Features of a server elsewhere, over `/api/v1`.
package struct RemoteFeatures: FeatureStore {
    private struct MaterializeRequest: Codable, Sendable {
        var views: [String]
        var until: Timestamp?
    }

    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    package func apply(_ definitions: FeatureDefinitions) async throws -> FeatureDefinitions {
        try await client.send(.PUT, "/api/v1/features", body: definitions)
    }

    /// Applies the text of a `features.yaml`; the server reads it, so that its errors name the place.
    package func apply(yaml: String) async throws -> FeatureDefinitions {
        let answer = try await client.send(
            .PUT, "/api/v1/features", body: ByteStream([UInt8](yaml.utf8)), contentType: "application/yaml")
        return try JSON.decode(FeatureDefinitions.self, from: answer, what: "the answer of /api/v1/features")
    }

    package func definitions() async throws -> FeatureDefinitions { try await client.get("/api/v1/features") }

    package func trainingSet(_ request: TrainingSetRequest) async throws -> DatasetVersion {
        try await client.send(.POST, "/api/v1/features/training-sets", body: request)
    }

    package func materialize(views: [String], until: Timestamp?) async throws -> [MaterializationResult] {
        try await client.send(
            .POST, "/api/v1/features/materialize", body: MaterializeRequest(views: views, until: until))
    }

    package func materializations() async throws -> [MaterializationResult] {
        try await client.get("/api/v1/features/materializations")
    }

    package func lookup(_ request: OnlineFeatureRequest) async throws -> OnlineFeatureResponse {
        try await client.send(.POST, "/api/v1/features/online", body: request)
    }
}
