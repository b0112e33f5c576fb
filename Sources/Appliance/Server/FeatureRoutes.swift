import Contracts
import Core
import Features
import Foundation
import Hummingbird

/// Entities and feature views, training sets, the online store.
enum FeatureRoutes {
    struct MaterializeRequest: Codable, Sendable {
        /// All views when left out.
        var views: [String]?
        /// Only rows known by then.
        var until: Timestamp?
    }

    private static let tag = "Features"

    static func routes(_ appliance: Appliance) -> [Route] {
        let features = appliance.features
        return [
            .get("/api/v1/features", tag, "All definitions", returns: FeatureDefinitions.self) { _ in
                try await features.definitions()
            },
            apply(features),
            .json(
                .post, "/api/v1/features/training-sets", tag,
                "Join features to a dataset as they were known at each row's time",
                takes: TrainingSetRequest.self, returns: DatasetVersion.self
            ) { _, request in try await features.trainingSet(request) },
            .json(
                .post, "/api/v1/features/materialize", tag, "Bring the newest row of every entity to the online store",
                takes: MaterializeRequest.self, returns: [MaterializationResult].self
            ) { _, request in try await features.materialize(views: request.views ?? [], until: request.until) },
            .get(
                "/api/v1/features/materializations", tag, "What is in the online store",
                returns: [MaterializationResult].self
            ) { _ in
                try await features.materializations()
            },
            .json(
                .post, "/api/v1/features/online", tag, "Look features up by entity",
                takes: OnlineFeatureRequest.self, returns: OnlineFeatureResponse.self
            ) { _, request in try await features.lookup(request) },
        ]
    }

    /// YAML or JSON: JSON is YAML too.
    private static func apply(_ features: any FeatureStore) -> Route {
        var route = Route(.put, "/api/v1/features", tag, "Add or replace definitions; all or nothing") { call in
            let definitions = try await call.read { body in
                guard let text = String(validating: body, as: UTF8.self) else {
                    throw NestboxError.invalid("the definitions are not UTF-8 text")
                }
                return try FeatureDefinitions(yaml: text)
            }
            return try .json(try await features.apply(definitions))
        }
        route.request = .init(type: "application/yaml", schema: SchemaProbe.schema(of: FeatureDefinitions.self))
        route.response = .json(FeatureDefinitions.self)
        route.bodyLimit = YAMLText.largest
        return route
    }
}
