import Contracts
import Core

/// `ModelRegistry` over MLflow REST. The history of aliases and the reasons for moving them are Nestbox's own: MLflow
/// servers ignore the reason, and keep no history that could be asked for.
package struct RemoteRegistry: ModelRegistry {
    private let client: APIClient
    /// What a server may be asked for in one page of models.
    private static let largestPage = 1000

    package init(_ client: APIClient) { self.client = client }

    private struct ModelAnswer: Decodable { var registered_model: MLflowWire.Model }
    private struct VersionAnswer: Decodable { var model_version: MLflowWire.Version }

    // MARK: Models

    package func createModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel
    {
        struct Body: Encodable {
            var name: String
            var description: String
            var tags: [MLflowWire.Pair]
        }
        let body = Body(name: name, description: description, tags: MLflowWire.pairs(tags))
        return try await client.mlflow(.POST, "registered-models/create", body, as: ModelAnswer.self).registered_model
            .value
    }

    package func model(_ name: String) async throws -> RegisteredModel {
        try await client.mlflow("registered-models/get", query: [("name", name)], as: ModelAnswer.self).registered_model
            .value
    }

    /// A page may hold fewer models than asked for and still have a next one.
    package func models(nameContains: String?, maxResults: Int, pageToken: String?) async throws -> Page<
        RegisteredModel
    > {
        struct Answer: Decodable {
            var registered_models: [MLflowWire.Model]?
            var next_page_token: String?
        }
        try Self.check(maxResults)
        // The filter's quote cannot be escaped, so it becomes the wildcard for one character; what passes by a wildcard
        // alone is taken out again below.
        let pattern = nameContains.map { "name ILIKE '%\($0.replacing("'", with: "_"))%'" }
        let answer = try await client.mlflow(
            "registered-models/search",
            query: [
                ("filter", pattern), ("max_results", String(min(maxResults, Self.largestPage))),
                ("page_token", pageToken),
            ], as: Answer.self)
        var models = (answer.registered_models ?? []).map(\.value)
        if let wanted = nameContains?.lowercased(), !wanted.isEmpty {
            models.removeAll { !$0.name.lowercased().contains(wanted) }
        }
        return Page(items: models, nextPageToken: RemoteTracking.token(answer.next_page_token))
    }

    package func searchModels(_ search: ModelSearch) async throws -> Page<RegisteredModel> {
        struct Answer: Decodable {
            var registered_models: [MLflowWire.Model]?
            var next_page_token: String?
        }
        let answer = try await client.mlflow("registered-models/search", query: Self.query(search), as: Answer.self)
        return Page(
            items: (answer.registered_models ?? []).map(\.value),
            nextPageToken: RemoteTracking.token(answer.next_page_token))
    }

    /// For an MLflow server, 0 is as if nothing had been said.
    private static func check(_ maxResults: Int) throws {
        guard maxResults > 0 else {
            throw NestboxError.invalid("`max_results` is \(maxResults); expected a positive whole number")
        }
    }

    private static func query(_ search: ModelSearch) -> [(String, String?)] {
        [
            ("filter", search.filter.isEmpty ? nil : search.filter), ("max_results", String(search.maxResults)),
            ("page_token", search.pageToken),
        ] + search.orderBy.map { ("order_by", $0) }
    }

    package func updateModel(_ name: String, description: String) async throws -> RegisteredModel {
        try await client.mlflow(
            .PATCH, "registered-models/update", ["name": name, "description": description], as: ModelAnswer.self
        ).registered_model.value
    }

    package func renameModel(_ name: String, to newName: String) async throws -> RegisteredModel {
        try await client.mlflow(
            .POST, "registered-models/rename", ["name": name, "new_name": newName], as: ModelAnswer.self
        ).registered_model.value
    }

    package func deleteModel(_ name: String, reason: String) async throws {
        try await client.mlflow(.DELETE, "registered-models/delete", with(reason, ["name": name]))
    }

    package func setModelTag(_ name: String, key: String, value: String?) async throws {
        if let value {
            try await client.mlflow(.POST, "registered-models/set-tag", ["name": name, "key": key, "value": value])
        } else {
            try await client.mlflow(.DELETE, "registered-models/delete-tag", ["name": name, "key": key])
        }
    }

    // MARK: Versions

    package func createVersion(_ request: NewModelVersion) async throws -> ModelVersion {
        struct Body: Encodable {
            var name: String
            var source: String
            var run_id: String?
            var model_id: String?
            var description: String
            var tags: [MLflowWire.Pair]
        }
        // Where the files lie is for the server to find out.
        let body = Body(
            name: request.name, source: request.source, run_id: request.runID, model_id: request.modelID,
            description: request.description, tags: MLflowWire.pairs(request.tags))
        return try await client.mlflow(.POST, "model-versions/create", body, as: VersionAnswer.self).model_version.value
    }

    package func version(_ name: String, _ version: Int) async throws -> ModelVersion {
        try await located(
            try await client.mlflow(
                "model-versions/get", query: [("name", name), ("version", String(version))], as: VersionAnswer.self
            ).model_version.value)
    }

    /// With the place of its files: an MLflow server tells it apart, and follows `models:/` but not `runs:/`.
    private func located(_ version: ModelVersion) async throws -> ModelVersion {
        struct Answer: Decodable { var artifact_uri: String? }
        struct RunAnswer: Decodable { var run: MLflowWire.Run }
        guard client.dialect != .nestbox, !version.source.hasPrefix("mlflow-artifacts:") else { return version }
        var version = version
        if version.source.hasPrefix("models:/") {
            let query = [("name", version.name), ("version", String(version.version))]
            let answer = try await client.mlflow("model-versions/get-download-uri", query: query, as: Answer.self)
            version.artifactURI = answer.artifact_uri ?? version.source
        } else if version.source.hasPrefix("runs:/") {
            let parts = version.source.dropFirst(6).split(separator: "/", maxSplits: 1)
            let run = try await client.mlflow(
                "runs/get", query: [("run_id", parts.first.map(String.init))], as: RunAnswer.self
            ).run.value
            version.artifactURI = ([run.artifactURI] + parts.dropFirst().map(String.init)).joined(separator: "/")
        }
        return version
    }

    package func versions(of name: String?, maxResults: Int, pageToken: String?) async throws -> Page<ModelVersion> {
        struct Answer: Decodable {
            var model_versions: [MLflowWire.Version]?
            var next_page_token: String?
        }
        try Self.check(maxResults)
        let answer = try await client.mlflow(
            "model-versions/search",
            query: [
                ("filter", try name.map { "name = \(try Self.quoted($0))" }),
                ("order_by", name == nil ? "creation_timestamp DESC" : "version_number DESC"),
                ("max_results", String(maxResults)), ("page_token", pageToken),
            ], as: Answer.self)
        let versions = (answer.model_versions ?? []).map(\.value)
        // MLflow's search finds nothing in a model that is not there; the seam says so.
        if versions.isEmpty, let name { _ = try await model(name) }
        return Page(items: versions, nextPageToken: RemoteTracking.token(answer.next_page_token))
    }

    package func searchVersions(_ search: ModelSearch) async throws -> Page<ModelVersion> {
        struct Answer: Decodable {
            var model_versions: [MLflowWire.Version]?
            var next_page_token: String?
        }
        let answer = try await client.mlflow("model-versions/search", query: Self.query(search), as: Answer.self)
        return Page(
            items: (answer.model_versions ?? []).map(\.value),
            nextPageToken: RemoteTracking.token(answer.next_page_token))
    }

    package func updateVersion(_ name: String, _ version: Int, description: String) async throws -> ModelVersion {
        try await client.mlflow(
            .PATCH, "model-versions/update", ["name": name, "version": String(version), "description": description],
            as: VersionAnswer.self
        ).model_version.value
    }

    package func deleteVersion(_ name: String, _ version: Int, reason: String) async throws {
        try await client.mlflow(
            .DELETE, "model-versions/delete", with(reason, ["name": name, "version": String(version)]))
    }

    /// At an MLflow server it is a tag, with nobody there to keep the order.
    package func setSemanticVersion(
        _ name: String, _ version: Int, to semantic: SemanticVersion, reason: String
    ) async throws -> ModelVersion {
        try client.requireNestbox(
            "keep semantic versions",
            hint: "ask a Nestbox that uses it (`nestbox serve --tracking-url`), or set the tag \(SemanticVersion.tag)")
        return try await client.send(
            .PUT, "/api/v1/models/\(APIClient.escape(name))/versions/\(version)/semantic",
            body: SemanticChoice(semanticVersion: semantic, reason: reason))
    }

    package func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws {
        var body = ["name": name, "version": String(version), "key": key]
        if let value {
            body["value"] = value
            try await client.mlflow(.POST, "model-versions/set-tag", body)
        } else {
            try await client.mlflow(.DELETE, "model-versions/delete-tag", body)
        }
    }

    // MARK: Moves

    package func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws {
        try await client.mlflow(
            .POST, "registered-models/alias",
            with(reason, ["name": name, "alias": alias, "version": String(version)]))
    }

    package func deleteAlias(_ name: String, alias: String, reason: String) async throws {
        try await client.mlflow(.DELETE, "registered-models/alias", with(reason, ["name": name, "alias": alias]))
    }

    /// The body of a move. Only a Nestbox asks why.
    private func with(_ reason: String, _ body: [String: String]) -> [String: String] {
        client.dialect == .nestbox && !reason.isEmpty ? body.merging(["reason": reason]) { $1 } : body
    }

    package func version(_ name: String, alias: String) async throws -> ModelVersion {
        do {
            let answer = try await client.mlflow(
                "registered-models/alias", query: [("name", name), ("alias", alias)], as: VersionAnswer.self)
            return try await located(answer.model_version.value)
        } catch let error as NestboxError where client.dialect != .nestbox && error.code == .invalidArgument {
            // How an MLflow server says that the model has no such alias.
            let aliases = try await model(name).aliases.sorted { $0.key < $1.key }
            guard !aliases.contains(where: { $0.key == alias }) else { throw error }
            throw NestboxError(
                .notFound, "model `\(name)` has no alias `\(alias)`",
                hint: aliases.isEmpty
                    ? "it has no alias yet"
                    : "its aliases are " + aliases.map { "`\($0.key)` (version \($0.value))" }.joined(separator: ", "),
                cause: error.cause)
        }
    }

    package func transition(
        _ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool, reason: String
    ) async throws -> ModelVersion {
        struct Body: Encodable {
            var name: String
            var version: String
            var stage: ModelStage
            var archive_existing_versions: Bool
            var reason: String?
        }
        let body = Body(
            name: name, version: String(version), stage: stage, archive_existing_versions: archiveExisting,
            reason: client.dialect == .nestbox && !reason.isEmpty ? reason : nil)
        return try await client.mlflow(.POST, "model-versions/transition-stage", body, as: VersionAnswer.self)
            .model_version.value
    }

    package func history(of name: String, _ search: HistorySearch) async throws -> Page<ModelTransition> {
        try client.requireNestbox(
            "tell the history of aliases and stages",
            hint: "ask a Nestbox that uses it (`nestbox serve --tracking-url`): it keeps what is done through it")
        return try await client.get(
            APIClient.path(
                "/api/v1/models/\(APIClient.escape(name))/history",
                query: [
                    ("alias", search.alias), ("version", search.version.map(String.init)),
                    ("limit", String(search.maxResults)), ("page_token", search.pageToken),
                ]))
    }

    /// A value in MLflow's filter language, which has two quotes and no escape.
    static func quoted(_ name: String) throws -> String {
        if !name.contains("'") { return "'\(name)'" }
        guard !name.contains("\"") else {
            throw NestboxError.invalid("`\(name)` holds both kinds of quotes and cannot be searched for")
        }
        return "\"\(name)\""
    }
}
