import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry {
    package func createVersion(_ request: NewModelVersion) async throws -> ModelVersion {
        try RegistryRules.checkSource(request.source)
        if let uri = request.artifactURI { try RegistryRules.checkSource(uri) }
        try RegistryRules.checkDescription(request.description)
        for (key, value) in request.tags { try RegistryRules.checkTag(key, value) }
        let proposal = try await proposal(for: request)
        return try await store.write { context in
            let db = context.db
            let model = try RegistryRows.model(request.name, in: db)
            let isPrompt = try RegistryRules.isPrompt(request.tags) || RegistryRows.isPrompt(model, in: db)
            let now = context.now.milliseconds
            // Counted on the model, not from its versions: a deleted version's number stays taken.
            try db.execute(
                sql: "UPDATE registry_models SET last_number = last_number + 1, updated_at = ? WHERE id = ?",
                arguments: [now, model.id])
            let version =
                try Int.fetchOne(db, sql: "SELECT last_number FROM registry_models WHERE id = ?", arguments: [model.id])
                ?? 1
            try db.execute(
                sql: """
                    INSERT INTO registry_versions
                        (model_id, version, source, run_id, stage, description, created_at, updated_at, created_by,
                        logged_model_id, artifact_uri)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    model.id, version, request.source, request.runID, ModelStage.none.rawValue, request.description,
                    now, now, context.actor, request.modelID, request.artifactURI,
                ])
            let id = db.lastInsertedRowID
            var tags = request.tags, semantic: SemanticVersion?
            if !isPrompt {
                let (number, reason) = try Self.first(request.tags, proposal, of: model, in: db)
                try Self.claim(number, for: version, of: model, context)
                tags[SemanticVersion.tag] = number.description
                tags[SemanticVersion.reasonTag] = reason
                semantic = number
            }
            for (key, value) in tags {
                try db.execute(
                    sql: "INSERT INTO registry_version_tags (version_id, key, value) VALUES (?, ?, ?)",
                    arguments: [id, key, value])
            }
            try context.record(
                "model_version.created", "model/\(model.name)",
                Self.fact(
                    [
                        "version": .int(Int64(version)), "source": .string(request.source),
                        "run": request.runID.map { .string($0) } ?? .null,
                        "model_id": request.modelID.map { .string($0) } ?? .null,
                        "description": .string(request.description),
                        "tags": .object(request.tags.mapValues { .string($0) }),
                        "semantic_version": semantic.map { .string($0.description) } ?? .null,
                    ], isPrompt: RegistryRules.isPrompt(request.tags)))
            return try RegistryRows.version(model, version, in: db)
        }
    }

    /// What changed since the newest version; nil when there is none, or when nobody asks.
    private func proposal(for request: NewModelVersion) async throws -> SemanticProposal? {
        guard let proposer, request.tags[SemanticVersion.tag] == nil, !RegistryRules.isPrompt(request.tags) else {
            return nil
        }
        let previous = try await store.read { db -> ModelVersion? in
            let model = try RegistryRows.model(request.name, in: db)
            guard try !RegistryRows.isPrompt(model, in: db),
                let newest = try Int.fetchOne(
                    db, sql: "SELECT max(version) FROM registry_versions WHERE model_id = ?", arguments: [model.id])
            else { return nil }
            return try RegistryRows.version(model, newest, in: db)
        }
        guard let previous else { return nil }
        return await proposer.proposal(for: request, after: previous)
    }

    package func version(_ name: String, _ version: Int) async throws -> ModelVersion {
        try await store.read { db in
            try RegistryRows.version(try RegistryRows.model(name, in: db), version, in: db)
        }
    }

    package func versions(of name: String?, maxResults: Int, pageToken: String?) async throws -> Page<ModelVersion> {
        try RegistryRules.checkPageSize(maxResults)
        let before = try PageToken.decode(Int64.self, pageToken)
        return try await store.read { db in
            let model = try name.map { try RegistryRows.model($0, in: db).id }
            // Row numbers grow with creation, so newest first is simply downwards.
            let ids = try Int64.fetchAll(
                db,
                sql: """
                    SELECT id FROM registry_versions
                    WHERE (?1 IS NULL OR model_id = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3
                    """, arguments: [model, before, maxResults + 1])
            let shown = Array(ids.prefix(maxResults))
            let next = try ids.count > maxResults ? shown.last.map { try PageToken.encode($0) } : nil
            return Page(items: try RegistryRows.versions(shown, in: db), nextPageToken: next)
        }
    }

    package func updateVersion(_ name: String, _ version: Int, description: String) async throws -> ModelVersion {
        try RegistryRules.checkDescription(description)
        return try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            let id = try RegistryRows.versionID(model, version, in: context.db)
            try context.db.execute(
                sql: "UPDATE registry_versions SET description = ?, updated_at = ? WHERE id = ?",
                arguments: [description, context.now.milliseconds, id])
            try context.record(
                "model_version.updated", "model/\(name)",
                ["version": .int(Int64(version)), "description": .string(description)])
            return try RegistryRows.version(model, version, in: context.db)
        }
    }

    /// Aliases that pointed to the version are removed with it, each with its row of history.
    package func deleteVersion(_ name: String, _ version: Int, reason: String) async throws {
        try RegistryRules.checkReason(reason)
        try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            let id = try RegistryRows.versionID(model, version, in: context.db)
            let old = try RegistryRows.version(model, version, in: context.db)
            let reason = reason.isEmpty ? old.tags[ModelTransition.reasonTag] ?? "" : reason
            for alias in old.aliases {
                try Self.removeAlias(
                    alias, of: model, from: version, reason: Self.because("version \(version) was deleted", reason),
                    context)
            }
            try context.db.execute(sql: "DELETE FROM registry_versions WHERE id = ?", arguments: [id])
            try Self.touch(model, context)
            try HistoryTable.own.add(.deleted(version: version, in: old.stage, reason: reason), to: name, context)
            try context.record(
                "model_version.deleted", "model/\(name)",
                ["version": .int(Int64(version)), "reason": .string(reason)])
        }
    }

    package func setVersionTag(_ name: String, _ version: Int, key: String, value: String?) async throws {
        try RegistryRules.checkTag(key, value)
        try await store.write { context in
            let model = try RegistryRows.model(name, in: context.db)
            if key == SemanticVersion.tag, try !RegistryRows.isPrompt(model, in: context.db) {
                _ = try RegistryRows.versionID(model, version, in: context.db)
                guard let value else { throw SemanticOrder.removal(name, version) }
                let number = try SemanticVersion(parsing: value)
                return try Self.set(number, of: model, version, reason: "set as a tag", context)
            }
            try Self.tag(model, version, key, value, context)
        }
    }

    static func tag(
        _ model: RegistryRows.ModelKey, _ version: Int, _ key: String, _ value: String?, _ context: WriteContext
    ) throws {
        let id = try RegistryRows.versionID(model, version, in: context.db)
        if let value {
            try context.db.execute(
                sql: "INSERT OR REPLACE INTO registry_version_tags (version_id, key, value) VALUES (?, ?, ?)",
                arguments: [id, key, value])
        } else {
            try context.db.execute(
                sql: "DELETE FROM registry_version_tags WHERE version_id = ? AND key = ?", arguments: [id, key])
            guard context.db.changesCount > 0 else { return }
        }
        try context.record(
            "model_version.tagged", "model/\(model.name)",
            fact(
                [
                    "version": .int(Int64(version)), "key": .string(key), "value": value.map { .string($0) } ?? .null,
                ], isPrompt: try RegistryRows.isPrompt(model, in: context.db)))
    }
}
