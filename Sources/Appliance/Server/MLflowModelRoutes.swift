import Contracts
import Core
import Foundation

/// `mlflow/registered-models/…`
enum MLflowModelRoutes {
    static func routes(_ registry: any ModelRegistry) -> [Route] {
        changing(registry) + tagging(registry) + aliases(registry) + latest(registry)
            + MLflowRoutes.endpoint(
                .get, "registered-models/get", "One registered model",
                query: [.init("name", "its name", isRequired: true)]
            ) { request in try await answer(try await registry.model(try request.required("name")), registry) }
            + MLflowRoutes.endpoint(
                .get, "registered-models/search", "Search registered models",
                query: [
                    .init("filter", "`name LIKE 'a%'`"), .init("order_by", "`name ASC`; may be repeated"),
                    .init("max_results", "1 to 1000, default 100"), .init("page_token", "from the page before"),
                ]
            ) { request in
                if try request.asksForNothing() { return MLflowRoutes.nothing }
                let page = try await registry.searchModels(
                    try request.modelSearch(default: 100, in: 1...1000))
                var latest: [String: [ModelVersion]] = [:]
                for model in page.items { latest[model.name] = try await newest(of: model, registry) }
                return MLflowJSONWriter.object { [latest] in
                    $0.list("registered_models", page.items) { $0.registeredModel($1, latest: latest[$1.name] ?? []) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func changing(_ registry: any ModelRegistry) -> [Route] {
        MLflowRoutes.endpoint(.post, "registered-models/create", "Register a model name") { request in
            let model = try await registry.createModel(
                name: try request.required("name"), description: try request.string("description") ?? "",
                tags: try request.pairs("tags"))
            return try await answer(model, registry)
        }
            + MLflowRoutes.endpoint(.patch, "registered-models/update", "Change a model's description") { request in
                let model = try await registry.updateModel(
                    try request.required("name"), description: try request.string("description") ?? "")
                return try await answer(model, registry)
            }
            + MLflowRoutes.endpoint(.post, "registered-models/rename", "Rename a model") { request in
                let model = try await registry.renameModel(
                    try request.required("name"), to: try request.required("new_name"))
                return try await answer(model, registry)
            }
            + MLflowRoutes.endpoint(.delete, "registered-models/delete", "Delete a model with its versions") {
                request in
                try await registry.deleteModel(try request.required("name"), reason: try request.reason())
                return MLflowRoutes.nothing
            }
    }

    private static func tagging(_ registry: any ModelRegistry) -> [Route] {
        MLflowRoutes.endpoint(.post, "registered-models/set-tag", "Set a tag of a model") { request in
            try await registry.setModelTag(
                try request.required("name"), key: try request.required("key"), value: try request.string("value") ?? ""
            )
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.endpoint(.delete, "registered-models/delete-tag", "Remove a tag of a model") { request in
                try await registry.setModelTag(
                    try request.required("name"), key: try request.required("key"), value: nil)
                return MLflowRoutes.nothing
            }
    }

    private static func aliases(_ registry: any ModelRegistry) -> [Route] {
        MLflowRoutes.endpoint(.post, "registered-models/alias", "Point an alias at a version") { request in
            try await registry.setAlias(
                try request.required("name"), alias: try request.required("alias"), version: try request.version(),
                reason: try request.reason())
            return MLflowRoutes.nothing
        }
            + MLflowRoutes.endpoint(.delete, "registered-models/alias", "Remove an alias") { request in
                try await registry.deleteAlias(
                    try request.required("name"), alias: try request.required("alias"), reason: try request.reason())
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.endpoint(
                .get, "registered-models/alias", "The version that an alias points at",
                query: [.init("name", "the model", isRequired: true), .init("alias", "the alias", isRequired: true)]
            ) { request in
                let name = try request.required("name"), alias = try request.required("alias")
                // MLflow's clients count on an alias `latest` that always is the newest version.
                let version =
                    alias.lowercased() == "latest"
                    ? try await registry.resolve(name, "latest") : try await registry.version(name, alias: alias)
                return MLflowJSONWriter.object { $0.object("model_version") { $0.modelVersion(version) } }
            }.map { unknownAliasIsInvalid($0, registry) }
    }

    /// MLflow answers INVALID_PARAMETER_VALUE when the model is there and the alias is not.
    private static func unknownAliasIsInvalid(_ route: Route, _ registry: any ModelRegistry) -> Route {
        route.with {
            $0.handler = { call in
                do {
                    return try await route.handler(call)
                } catch let error as NestboxError where error.code == .notFound {
                    // From the query only: a body can be read once.
                    let fields = MLflowRequest.query(call.request.uri.query ?? "")
                    guard let name = fields["name"]?.stringValue, fields["alias"]?.stringValue?.lowercased() != "latest"
                    else { throw error }
                    _ = try await registry.model(name)
                    return MLflowError.response(error, as: "INVALID_PARAMETER_VALUE", 400)
                }
            }
        }
    }

    private static func latest(_ registry: any ModelRegistry) -> [Route] {
        [.get, .post].flatMap { method in
            MLflowRoutes.endpoint(
                method, "registered-models/get-latest-versions", "The newest version in each stage",
                query: method == .get
                    ? [.init("name", "the model", isRequired: true), .init("stages", "only these; may be repeated")]
                    : []
            ) { request in
                let model = try await registry.model(try request.required("name"))
                let stages = try request.strings("stages").map { try ModelStage(mlflow: $0, in: request) }
                let versions = try await newest(of: model, registry).filter {
                    stages.isEmpty || stages.contains($0.stage)
                }
                return MLflowJSONWriter.object { $0.list("model_versions", versions) { $0.modelVersion($1) } }
            }
        }
    }

    private static func answer(_ model: RegisteredModel, _ registry: any ModelRegistry) async throws -> [UInt8] {
        let latest = try await newest(of: model, registry)
        return MLflowJSONWriter.object { $0.object("registered_model") { $0.registeredModel(model, latest: latest) } }
    }

    /// The newest version in each stage, as MLflow shows them with a model.
    static func newest(of model: RegisteredModel, _ registry: any ModelRegistry) async throws -> [ModelVersion] {
        guard model.latestVersion != nil else { return [] }
        var found: [ModelStage: ModelVersion] = [:]
        var token: String?
        repeat {
            let page = try await registry.versions(of: model.name, maxResults: 500, pageToken: token)
            for version in page.items where found[version.stage] == nil { found[version.stage] = version }
            token = page.nextPageToken
        } while token != nil && found.count < ModelStage.allCases.count
        return found.values.sorted { $0.version < $1.version }
    }
}

extension ModelStage {
    /// In any case, as MLflow takes it.
    init(mlflow text: String, in request: MLflowRequest) throws {
        guard let stage = Self.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw request.wrong(
                "stage", .string(text), "one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = stage
    }
}

extension MLflowRequest {
    /// Not MLflow's: why something moves or goes, for the history. MLflow's clients leave it in a tag, see
    /// `ModelTransition.reasonTag`.
    func reason() throws -> String { try string("reason") ?? "" }

    /// The number of a version, as text: MLflow refuses another type.
    func version() throws -> Int {
        let text = try required("version")
        let plain = text.trimmingCharacters(in: .whitespacesAndNewlines).replacingOccurrences(of: "_", with: "")
        guard let value = Int(plain) else { throw wrong("version", .string(text), "a whole number") }
        return value
    }

    /// A page of no size, or of less, is an empty one where MLflow leaves that to its database.
    func asksForNothing() throws -> Bool { try integer("max_results").map { $0 < 1 } ?? false }

    func modelSearch(default standard: Int, in range: ClosedRange<Int>) throws -> ModelSearch {
        ModelSearch(
            filter: try string("filter") ?? "",
            maxResults: try integer("max_results", default: standard, in: range),
            orderBy: try strings("order_by"), pageToken: try pageToken())
    }

    /// Nil for an empty one, which some clients send with the first page.
    func pageToken() throws -> String? {
        try string("page_token").flatMap { $0.isEmpty ? nil : $0 }
    }
}
