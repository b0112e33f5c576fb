import Contracts
import Core
import Foundation

/// `mlflow/model-versions/…`
enum MLflowVersionRoutes {
    static func routes(_ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore) -> [Route] {
        changing(registry, tracking: tracking) + reading(registry) + tagging(registry)
    }

    private static func changing(
        _ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore
    ) -> [Route] {
        MLflowRoutes.endpoint(.post, "model-versions/create", "Add a version to a registered model") { request in
            _ = try request.string("run_link")
            let origin = try await MLflowVersionSource.resolve(request, registry, tracking: tracking)
            let version = try await registry.createVersion(
                NewModelVersion(
                    name: try request.required("name"), source: origin.source, runID: origin.runID,
                    description: try request.string("description") ?? "", tags: try request.pairs("tags"),
                    modelID: origin.modelID, artifactURI: origin.artifactURI))
            if let model = origin.modelID { try await MLflowVersionSource.note(version, on: model, tracking) }
            return answer(version)
        }
            + MLflowRoutes.endpoint(.patch, "model-versions/update", "Change a version's description") { request in
                answer(
                    try await registry.updateVersion(
                        try request.required("name"), try request.version(),
                        description: try request.string("description") ?? ""))
            }
            + MLflowRoutes.endpoint(.post, "model-versions/transition-stage", "Move a version to a stage") { request in
                answer(
                    try await registry.transition(
                        try request.required("name"), try request.version(),
                        to: try ModelStage(mlflow: try request.required("stage"), in: request),
                        archiveExisting: try request.bool("archive_existing_versions") ?? false,
                        reason: try request.reason()))
            }
            + MLflowRoutes.endpoint(.delete, "model-versions/delete", "Delete a version") { request in
                try await registry.deleteVersion(
                    try request.required("name"), try request.version(), reason: try request.reason())
                return MLflowRoutes.nothing
            }
    }

    private static func reading(_ registry: any ModelRegistry) -> [Route] {
        let one: [Route.QueryParameter] = [
            .init("name", "the model", isRequired: true), .init("version", "its number", isRequired: true),
        ]
        return MLflowRoutes.endpoint(.get, "model-versions/get", "One version", query: one) { request in
            answer(try await registry.version(try request.required("name"), try request.version()))
        }
            + MLflowRoutes.endpoint(.get, "model-versions/get-download-uri", "Where a version's files lie", query: one)
        { request in
            let version = try await registry.version(try request.required("name"), try request.version())
            return MLflowJSONWriter.object { $0.field("artifact_uri", version.artifactURI) }
        }
            + MLflowRoutes.endpoint(
                .get, "model-versions/search", "Search versions",
                query: [
                    .init("filter", "`name = 'a'`"), .init("order_by", "`version_number DESC`; may be repeated"),
                    .init("max_results", "1 to 200000, default 10000"), .init("page_token", "from the page before"),
                ]
            ) { request in
                let page = try await registry.searchVersions(
                    try request.modelSearch(default: 10_000, in: 1...200_000))
                return MLflowJSONWriter.object {
                    $0.list("model_versions", page.items) { $0.modelVersion($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func tagging(_ registry: any ModelRegistry) -> [Route] {
        MLflowRoutes.endpoint(.post, "model-versions/set-tag", "Set a tag of a version") { request in
            try await registry.setVersionTag(
                try request.required("name"), try request.version(), key: try request.required("key"),
                value: try request.string("value") ?? "")
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.endpoint(.delete, "model-versions/delete-tag", "Remove a tag of a version") { request in
                try await registry.setVersionTag(
                    try request.required("name"), try request.version(), key: try request.required("key"), value: nil)
                return MLflowRoutes.nothing
            }
    }

    private static func answer(_ version: ModelVersion) -> [UInt8] {
        MLflowJSONWriter.object { $0.object("model_version") { $0.modelVersion(version) } }
    }
}
