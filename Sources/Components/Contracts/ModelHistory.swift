import Core

/// One row of a registered model's history: a move of an alias or of a stage, or a deletion.
package struct ModelTransition: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        case alias, stage
        /// A version was deleted; its aliases, if it had any, have rows of their own.
        case version
        /// The model was deleted.
        case model
    }

    /// The tag of a version in which a client that cannot say why (MLflow's) leaves the reason before it moves an alias to the
    /// version or off it, changes its stage or deletes it. The move takes the tag away. For the deletion of a model: the
    /// model's own tag of that name.
    package static let reasonTag = "nestbox.reason"
    /// The label of deletions.
    package static let deleted = "deleted"

    package var at: Timestamp
    package var actor: String
    package var kind: Kind
    /// The alias, the stage moved to, or `deleted`.
    package var label: String
    package var model: String
    /// The version the alias pointed to before; for a stage and a deletion, the version itself. Nil for a new alias.
    package var fromVersion: Int?
    /// Nil for an alias that was removed, and for deletions.
    package var toVersion: Int?
    /// The stage moved from, or deleted in; nil for aliases.
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

/// Which part of a model's history.
package struct HistorySearch: Codable, Sendable {
    /// Only moves of this alias.
    package var alias: String?
    /// Only what left this version or came to it.
    package var version: Int?
    package var maxResults: Int
    package var pageToken: String?

    package init(alias: String? = nil, version: Int? = nil, maxResults: Int = 100, pageToken: String? = nil) {
        self.alias = alias
        self.version = version
        self.maxResults = maxResults
        self.pageToken = pageToken
    }
}
