import Core

package struct RegisteredModel: Codable, Sendable, Hashable {
    package var name: String
    package var description: String
    package var tags: [String: String]
    /// Alias → version: `champion: 3`.
    package var aliases: [String: Int]
    /// Nil before the first version.
    package var latestVersion: Int?
    package var createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        name: String, description: String, tags: [String: String], aliases: [String: Int], latestVersion: Int?,
        createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.name = name
        self.description = description
        self.tags = tags
        self.aliases = aliases
        self.latestVersion = latestVersion
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// MLflow's stages, kept for clients that still move versions through them.
package enum ModelStage: String, Codable, Sendable, CaseIterable {
    case none = "None"
    case staging = "Staging"
    case production = "Production"
    case archived = "Archived"
}

package struct ModelVersion: Codable, Sendable, Hashable {
    package var name: String
    package var version: Int
    /// What it was made from, as it was given: an artifact URI, or `models:/m-…` for a logged model.
    package var source: String
    /// The model folder: an artifact URI, `mlflow-artifacts:/1/<run>/artifacts/model`.
    package var artifactURI: String
    package var runID: String?
    /// The logged model that it is a version of.
    package var modelID: String?
    package var stage: ModelStage
    package var description: String
    package var tags: [String: String]
    package var aliases: [String]
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var createdBy: String

    package init(
        name: String, version: Int, source: String, runID: String?, stage: ModelStage, description: String,
        tags: [String: String], aliases: [String], createdAt: Timestamp, updatedAt: Timestamp, createdBy: String,
        modelID: String? = nil, artifactURI: String? = nil
    ) {
        self.name = name
        self.version = version
        self.source = source
        self.artifactURI = artifactURI ?? source
        self.runID = runID
        self.modelID = modelID
        self.stage = stage
        self.description = description
        self.tags = tags
        self.aliases = aliases
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.createdBy = createdBy
    }
}

package struct NewModelVersion: Codable, Sendable {
    package var name: String
    package var source: String
    package var runID: String?
    package var description: String
    package var tags: [String: String]
    package var modelID: String?
    /// Where its files lie, when `source` is another name for that.
    package var artifactURI: String?

    package init(
        name: String, source: String, runID: String?, description: String = "", tags: [String: String] = [:],
        modelID: String? = nil, artifactURI: String? = nil
    ) {
        self.name = name
        self.source = source
        self.runID = runID
        self.modelID = modelID
        self.artifactURI = artifactURI
        self.description = description
        self.tags = tags
    }
}

/// A search for registered models or for versions.
package struct ModelSearch: Codable, Sendable {
    /// In the language of `SearchVocabulary.registeredModels` or `.modelVersions`; empty for all. Prompts, which are models
    /// with a tag, are found only by a filter that asks for them.
    package var filter: String
    package var maxResults: Int
    /// `name ASC`, `last_updated_timestamp DESC`, …; default: models by name, versions by their last change, newest first.
    package var orderBy: [String]
    package var pageToken: String?

    package init(filter: String = "", maxResults: Int = 100, orderBy: [String] = [], pageToken: String? = nil) {
        self.filter = filter
        self.maxResults = maxResults
        self.orderBy = orderBy
        self.pageToken = pageToken
    }
}

package protocol ModelRegistry: Sendable {
    /// Throws `already_exists` for a taken name.
    func createModel(name: String, description: String, tags: [String: String]) async throws -> RegisteredModel
    func model(_ name: String) async throws -> RegisteredModel
    /// By name; `nameContains` narrows.
    func models(nameContains: String?, maxResults: Int, pageToken: String?) async throws -> Page<RegisteredModel>
    /// Throws `invalid_argument` for a filter or an order that is not understood, with the position.
    func searchModels(_ search: ModelSearch) async throws -> Page<RegisteredModel>
    func updateModel(_ name: String, description: String) async throws -> RegisteredModel
    func renameModel(_ name: String, to newName: String) async throws -> RegisteredModel
    func deleteModel(_ name: String, reason: String) async throws
    /// Nil removes the tag.
    func setModelTag(_ name: String, key: String, value: String?) async throws

    func createVersion(_ request: NewModelVersion) async throws -> ModelVersion
    func version(_ name: String, _ version: Int) async throws -> ModelVersion
    /// Newest first. All models when `name` is nil.
    func versions(of name: String?, maxResults: Int, pageToken: String?) async throws -> Page<ModelVersion>
    /// Throws `invalid_argument` for a filter or an order that is not understood, with the position.
    func searchVersions(_ search: ModelSearch) async throws -> Page<ModelVersion>
    /// The newest versions that were made from any of it.
    func versions(from origin: VersionOrigin, limit: Int) async throws -> [ModelVersion]
    func updateVersion(_ name: String, _ version: Int, description: String) async throws -> ModelVersion
    func deleteVersion(_ name: String, _ version: Int, reason: String) async throws
    /// Throws `invalid_argument` unless it lies between those of the versions before and after, deleted ones among them.
    func setSemanticVersion(_ name: String, _ version: Int, to semantic: SemanticVersion, reason: String) async throws
        -> ModelVersion
    /// Nil removes the tag. `SemanticVersion.tag` sets the semantic version, by its rules.
    func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws

    /// Every move below is one row of history; without a reason, the one in the version's `ModelTransition.reasonTag` counts.
    func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws
    func deleteAlias(_ name: String, alias: String, reason: String) async throws
    /// Throws `not_found` naming the aliases there are.
    func version(_ name: String, alias: String) async throws -> ModelVersion
    func transition(_ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool, reason: String)
        async throws -> ModelVersion
    /// Who moved aliases and stages and deleted what, when and why; newest first. It outlives the model, under its name.
    /// Throws `not_found` for a name that has neither a model nor a history.
    func history(of name: String, _ search: HistorySearch) async throws -> Page<ModelTransition>
}

extension ModelRegistry {
    package func deleteModel(_ name: String) async throws { try await deleteModel(name, reason: "") }

    package func deleteVersion(_ name: String, _ version: Int) async throws {
        try await deleteVersion(name, version, reason: "")
    }

    package func deleteAlias(_ name: String, alias: String) async throws {
        try await deleteAlias(name, alias: alias, reason: "")
    }

    package func transition(
        _ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool
    ) async throws -> ModelVersion {
        try await transition(name, version, to: stage, archiveExisting: archiveExisting, reason: "")
    }

    package func ensureModel(named name: String) async throws -> RegisteredModel {
        do {
            return try await model(name)
        } catch let error as NestboxError where error.code == .notFound {
            do {
                return try await createModel(name: name, description: "", tags: [:])
            } catch let error as NestboxError where error.code == .alreadyExists {
                return try await model(name)
            }
        }
    }

    /// `3`, `@champion` or `champion` → that version; `latest` → the newest; `1.2.0` or `^1.2` → the highest in that range.
    package func resolve(_ name: String, _ selector: String) async throws -> ModelVersion {
        if let number = Int(selector) { return try await version(name, number) }
        // None of these can be in an alias.
        if selector.contains(where: { ".^~<>=*".contains($0) }) {
            let range = try SemanticRange(parsing: selector)
            if let found = try await versions(of: name, in: range).first { return found }
            throw NestboxError(
                .notFound, "model `\(name)` has no version in \(selector)", hint: "`nestbox models show` lists them")
        }
        let alias = selector.hasPrefix("@") ? String(selector.dropFirst()) : selector
        if alias == "latest" {
            guard let latest = try await model(name).latestVersion else {
                throw NestboxError(.notFound, "model `\(name)` has no version yet", hint: "train one and register it")
            }
            return try await version(name, latest)
        }
        return try await version(name, alias: alias)
    }
}
