import Contracts
import Core
import Foundation

/// `mlflow/model-versions/…`
enum MLflowVersionRoutes {
    private static let vocabulary = MLflowFilter.Vocabulary(
        attributes: [
            "name": .text, "run_id": .text, "source_path": .text, "version_number": .number, "current_stage": .text,
            "creation_timestamp": .number, "last_updated_timestamp": .number,
        ],
        hasTags: true, hasMetricsAndParams: false)

    static func routes(_ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore) -> [Route] {
        changing(registry, tracking: tracking) + reading(registry) + tagging(registry)
    }

    private static func changing(
        _ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore
    ) -> [Route] {
        MLflowRoutes.endpoint(.post, "model-versions/create", "Add a version to a registered model") { request in
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
                        archiveExisting: try request.bool("archive_existing_versions") ?? false))
            }
            + MLflowRoutes.endpoint(.delete, "model-versions/delete", "Delete a version") { request in
                try await registry.deleteVersion(try request.required("name"), try request.version())
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
                let page = try await search(request, registry)
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

    private static func search(_ request: MLflowRequest, _ registry: any ModelRegistry) async throws -> Page<
        ModelVersion
    > {
        let limit = try request.integer("max_results", default: 10_000, in: 1...200_000)
        let search = try MLflowSearch(request, vocabulary)
        let name = search.filter.equality(of: .attribute("name"))
        return try await search.page(limit: limit) { token in
            do {
                return try await registry.versions(of: name, maxResults: 1000, pageToken: token)
            } catch let error as NestboxError where error.code == .notFound && name != nil {
                // A filter that names no model finds nothing.
                return Page(items: [])
            }
        } value: { version, field in
            switch field {
            case .tag(MLflowModelRoutes.promptTag): .text(version.tags[MLflowModelRoutes.promptTag] ?? "false")
            case .tag(let key): version.tags[key].map { .text($0) }
            case .attribute("name"): .text(version.name)
            case .attribute("run_id"): .text(version.runID ?? "")
            case .attribute("source_path"): .text(version.source)
            case .attribute("version_number"): .number(Double(version.version))
            case .attribute("current_stage"): .text(version.stage.rawValue)
            case .attribute("creation_timestamp"): .number(Double(version.createdAt.milliseconds))
            case .attribute("last_updated_timestamp"): .number(Double(version.updatedAt.milliseconds))
            default: nil
            }
        }
    }
}
