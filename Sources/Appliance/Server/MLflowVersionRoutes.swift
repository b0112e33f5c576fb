import Contracts
import Core
import Foundation

/// `mlflow/model-versions/…`
enum MLflowVersionRoutes {
    static func routes(_ registry: any ModelRegistry, tracking: any Tracking) -> [Route] {
        changing(registry, tracking: tracking) + reading(registry) + tagging(registry)
    }

    private static func changing(_ registry: any ModelRegistry, tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(.post, "model-versions/create", "Add a version to a registered model") { request in
            let name = try request.required("name")
            let source = try await resolve(try request.required("source"), registry, tracking: tracking)
            let version = try await registry.createVersion(
                NewModelVersion(
                    name: name, source: source, runID: try request.string("run_id").flatMap { $0.isEmpty ? nil : $0 },
                    description: try request.string("description") ?? "", tags: try request.pairs("tags")))
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
            return MLflowJSONWriter.object { $0.field("artifact_uri", version.source) }
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

    /// Where a source really lies: `runs:/RUN/path` and `models:/NAME/VERSION` are followed once, when the version is made,
    /// so that it keeps pointing at the same files.
    private static func resolve(
        _ source: String, _ registry: any ModelRegistry, tracking: any Tracking
    ) async throws -> String {
        if source.hasPrefix("runs:/") {
            let parts = source.dropFirst(6).split(separator: "/", maxSplits: 1)
            guard let id = parts.first else {
                throw NestboxError.invalid("`\(source)` names no run", hint: "runs:/RUN/path")
            }
            let root = try await tracking.run(id: String(id)).artifactURI
            return parts.count == 2 ? "\(root)/\(parts[1])" : root
        }
        guard source.hasPrefix("models:/") else { return try safe(source) }
        let reference = source.dropFirst(8).drop { $0 == "/" }
        if reference.hasPrefix("m-"), !reference.contains("/"), !reference.contains("@") {
            throw NestboxError.invalid(
                "`\(source)` is a logged model, which this server does not keep yet",
                hint: "log the model's files to the run and register runs:/RUN/path")
        }
        let separator: Character = reference.contains("@") ? "@" : "/"
        guard let cut = reference.lastIndex(of: separator) else {
            throw NestboxError.invalid(
                "`\(source)` names no version", hint: "models:/NAME/VERSION or models:/NAME@ALIAS")
        }
        let selector = String(reference[reference.index(after: cut)...])
        return try await registry.resolve(String(reference[..<cut]), selector).source
    }

    /// Where files lie that a client would fetch by itself: never on the client's own disk, nor outside the store that is
    /// named. A plain word, as prompts have it, is no place at all.
    private static func safe(_ source: String) throws -> String {
        let scheme = source.range(of: ":/").map { source[..<$0.lowerBound].lowercased() }
        let refused = ["file", "http", "https", "ftp"]
        let isPath = scheme == nil && source.contains("/")
        let steps = (source.removingPercentEncoding ?? source).split {
            $0 == "/" || $0 == "\\" || $0 == "?" || $0 == "#"
        }
        guard !isPath, !refused.contains(scheme ?? ""), !steps.contains("..") else {
            throw NestboxError.invalid(
                "`\(source.prefix(120))` cannot be a version's source",
                hint:
                    "register runs:/RUN/path, models:/NAME/VERSION, or a URI of a store such as mlflow-artifacts:/ or s3://, without `..`"
            )
        }
        return source
    }
}
