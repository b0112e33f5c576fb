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

/// One recorded move of an alias or a stage.
package struct ModelTransition: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable { case alias, stage }

    package var at: Timestamp
    package var actor: String
    package var kind: Kind
    /// The alias, or the stage moved to.
    package var label: String
    package var model: String
    /// The version the alias pointed to before; for a stage, the version itself. Nil for a new alias.
    package var fromVersion: Int?
    /// Nil for an alias that was removed.
    package var toVersion: Int?
    /// The stage moved from; nil for aliases.
    package var fromStage: ModelStage?
    package var reason: String

    package init(
        at: Timestamp, actor: String, kind: Kind, label: String, model: String, fromVersion: Int?, toVersion: Int?,
        fromStage: ModelStage?, reason: String
    ) {
        self.at = at
        self.actor = actor
        self.kind = kind
        self.label = label
        self.model = model
        self.fromVersion = fromVersion
        self.toVersion = toVersion
        self.fromStage = fromStage
        self.reason = reason
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
    func deleteModel(_ name: String) async throws
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
    func deleteVersion(_ name: String, _ version: Int) async throws
    /// Nil removes the tag.
    func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws

    func setAlias(_ name: String, alias: String, version: Int, reason: String) async throws
    func deleteAlias(_ name: String, alias: String) async throws
    /// Throws `not_found` naming the aliases there are.
    func version(_ name: String, alias: String) async throws -> ModelVersion
    func transition(_ name: String, _ version: Int, to stage: ModelStage, archiveExisting: Bool) async throws
        -> ModelVersion
    /// Newest first.
    func transitions(of name: String) async throws -> [ModelTransition]
}

extension ModelRegistry {
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

    /// `3`, `@champion` or `champion` → that version; `latest` → the newest.
    package func resolve(_ name: String, _ selector: String) async throws -> ModelVersion {
        if let number = Int(selector) { return try await version(name, number) }
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
