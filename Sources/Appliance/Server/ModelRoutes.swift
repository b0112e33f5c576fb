import Contracts
import Core

/// What the registry knows beyond MLflow's protocol: who moved an alias or a stage or deleted what, when and why.
enum ModelRoutes {
    private static let longestPage = 1000

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            .get(
                "/api/v1/models/{name}/history", "Models",
                "Every move of an alias or a stage and every deletion, newest first; also of a model that was deleted",
                query: [
                    .init("alias", "only moves of this alias"), .init("version", "only what concerns this version"),
                    .limit(100, most: longestPage), .init("page_token", "`nextPageToken` of the page before"),
                ], returns: Page<ModelTransition>.self
            ) { call in try await appliance.registry.history(of: try call.parameter("name"), try search(call)) },
            .get(
                "/api/v1/models/{name}/versions", "Models",
                "The versions of a model, newest first; those in a range of semantic versions, the highest first",
                query: [
                    .init("semantic", "`1.2.3`, `^1.2`, `~1.2`, `1.x` or `>=1.2 <2`; all of them on one page"),
                    .limit(100, most: longestPage), .init("page_token", "`nextPageToken` of the page before"),
                ], returns: Page<ModelVersion>.self
            ) { call in try await versions(call, appliance.registry) },
        ] + semantics(appliance.semantics)
    }

    private static func semantics(_ review: SemanticReview) -> [Route] {
        let path = "/api/v1/models/{name}/versions/{version}/semantic"
        return [
            .get(
                path, "Models", "A version's semantic version, why, and what would be proposed by what is known now",
                returns: SemanticReview.Status.self
            ) { call in try await review.status(try call.parameter("name"), try call.integerParameter("version")) },
            .json(
                .put, path, "Models",
                "Set a version's semantic version, or how far it is from the version before: major, minor or patch",
                takes: SemanticChoice.self, returns: ModelVersion.self
            ) { call, choice in
                try await review.choose(try call.parameter("name"), try call.integerParameter("version"), choice)
            },
        ]
    }

    private static func versions(_ call: Call, _ registry: any ModelRegistry) async throws -> Page<ModelVersion> {
        let name = try call.parameter("name")
        let limit = try call.queryInteger("limit", default: 100, in: 1...longestPage)
        guard let range = call.query("semantic") else {
            return try await registry.versions(of: name, maxResults: limit, pageToken: call.query("page_token"))
        }
        return Page(items: try await registry.versions(of: name, in: try SemanticRange(parsing: range)))
    }

    private static func search(_ call: Call) throws -> HistorySearch {
        HistorySearch(
            alias: call.query("alias"),
            version: call.query("version") == nil
                ? nil : try call.queryInteger("version", default: 1, in: 1...Int(Int32.max)),
            maxResults: try call.queryInteger("limit", default: 100, in: 1...longestPage),
            pageToken: call.query("page_token"))
    }
}
