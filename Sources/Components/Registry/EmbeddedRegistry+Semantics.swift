import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry {
    package func setSemanticVersion(
        _ name: String, _ version: Int, to semantic: SemanticVersion, reason: String
    ) async throws -> ModelVersion {
        try RegistryRules.checkReason(reason)
        return try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            _ = try RegistryRows.versionID(model, version, in: context.db)
            try Self.set(semantic, of: model, version, reason: reason, context)
            return try RegistryRows.version(model, version, in: context.db)
        }
    }

    /// The tags follow. Throws `invalid_argument` unless it lies between those of the versions before and after.
    static func set(
        _ semantic: SemanticVersion, of model: RegistryRows.ModelKey, _ version: Int, reason: String,
        _ context: WriteContext
    ) throws {
        guard try !RegistryRows.isPrompt(model, in: context.db) else { throw SemanticOrder.prompt(model.name) }
        let old = try claim(semantic, for: version, of: model, context)
        try tag(model, version, SemanticVersion.tag, semantic.description, context)
        try tag(model, version, SemanticVersion.reasonTag, reason, context)
        try context.record(
            "model_version.renumbered", "model/\(model.name)",
            [
                "version": .int(Int64(version)), "from": old.map { .string($0.description) } ?? .null,
                "to": .string(semantic.description), "reason": .string(reason),
            ])
    }

    /// What a new version gets: what its tags say, or the one that is proposed after the highest so far.
    static func first(
        _ tags: [String: String], _ proposal: SemanticProposal?, of model: RegistryRows.ModelKey, in db: Database
    ) throws -> (SemanticVersion, reason: String) {
        if let given = tags[SemanticVersion.tag] {
            return (try SemanticVersion(parsing: given), tags[SemanticVersion.reasonTag] ?? "given with the version")
        }
        // Of deleted versions, too: what was promised once is not promised again.
        let highest = try Row.fetchOne(
            db, sql: "SELECT * FROM registry_semantic_versions WHERE model_id = ? ORDER BY version DESC LIMIT 1",
            arguments: [model.id]
        ).map(semantic)
        return SemanticOrder.next(after: highest, proposal)
    }

    /// Returns the one that it had.
    @discardableResult
    static func claim(
        _ semantic: SemanticVersion, for version: Int, of model: RegistryRows.ModelKey, _ context: WriteContext
    ) throws -> SemanticVersion? {
        let table = "registry_semantic_versions WHERE model_id = ? AND version"
        func row(_ condition: String) throws -> (version: Int, semantic: SemanticVersion)? {
            try Row.fetchOne(
                context.db, sql: "SELECT * FROM \(table) \(condition) LIMIT 1", arguments: [model.id, version]
            ).map { ($0["version"], Self.semantic($0)) }
        }
        try SemanticOrder.check(
            semantic, for: version, of: model.name, before: try row("< ? ORDER BY version DESC"),
            after: try row("> ? ORDER BY version"))
        let old = try row("= ?")?.semantic
        try context.db.execute(
            sql: """
                INSERT OR REPLACE INTO registry_semantic_versions (model_id, version, major, minor, patch)
                VALUES (?, ?, ?, ?, ?)
                """, arguments: [model.id, version, semantic.major, semantic.minor, semantic.patch])
        return old
    }

    private static func semantic(_ row: Row) -> SemanticVersion {
        SemanticVersion(major: row["major"], minor: row["minor"], patch: row["patch"])
    }
}

/// Semantic versions of one model grow with its versions, so that no two are the same.
enum SemanticOrder {
    static func check(
        _ semantic: SemanticVersion, for version: Int, of model: String,
        before: (version: Int, semantic: SemanticVersion)?, after: (version: Int, semantic: SemanticVersion)?
    ) throws {
        let isAbove = before.map { semantic > $0.semantic } ?? true
        let isBelow = after.map { semantic < $0.semantic } ?? true
        guard !isAbove || !isBelow else { return }
        let (other, relation) = isAbove ? (after!, "later") : (before!, "earlier")
        let bounds = [before.map { "above \($0.semantic)" }, after.map { "below \($0.semantic)" }].compactMap { $0 }
        throw NestboxError.invalid(
            "version \(version) of `\(model)` cannot be \(semantic): the \(relation) version \(other.version) is or was \(other.semantic)",
            hint: "semantic versions grow with the versions: choose one \(bounds.joined(separator: " and "))")
    }

    static func next(
        after highest: SemanticVersion?, _ proposal: SemanticProposal?
    ) -> (SemanticVersion, reason: String) {
        guard let highest else {
            return (.first, "\(SemanticProposal.mark)first: the first version of the model")
        }
        guard let proposal else {
            return (highest.next(.minor), "\(SemanticProposal.mark)minor: there was no version to compare with")
        }
        return (highest.next(proposal.bump), proposal.text)
    }

    static func prompt(_ name: String) -> NestboxError {
        .invalid("`\(name)` is a prompt, and prompts have no semantic versions")
    }

    static func removal(_ name: String, _ version: Int) -> NestboxError {
        .invalid(
            "version \(version) of `\(name)` cannot be without a semantic version",
            hint: "set another one instead of deleting the tag")
    }
}
