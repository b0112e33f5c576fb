import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func createExperiment(name: String, artifactLocation: String?, tags: [String: String]) async throws
        -> Experiment
    {
        try TrackingRules.checkExperimentName(name)
        if let artifactLocation { try TrackingRules.checkArtifactLocation(artifactLocation) }
        for (key, value) in tags { try TrackingRules.checkExperimentTag(key, value) }
        return try await decisions.write { context in
            let db = context.db
            try Self.requireFreeName(name, in: db)
            let now = context.now.milliseconds
            try db.execute(
                sql: """
                    INSERT INTO tracking_experiments (name, artifact_location, stage, created_at, updated_at)
                    VALUES (?, ?, 'active', ?, ?)
                    """, arguments: [name, artifactLocation ?? "", now, now])
            let id = db.lastInsertedRowID
            if artifactLocation == nil {
                try db.execute(
                    sql: "UPDATE tracking_experiments SET artifact_location = ? WHERE id = ?",
                    arguments: ["mlflow-artifacts:/\(id)", id])
            }
            for (key, value) in tags { try Self.setExperimentTag(id, key, value, in: db) }
            try context.record("experiment.created", "experiment/\(id)", ["name": .string(name)])
            return try Self.experiment(id: id, in: db)
        }
    }

    package func experiment(id: String) async throws -> Experiment {
        let number = try Self.experimentNumber(id)
        return try await decisions.read { try Self.experiment(id: number, in: $0) }
    }

    package func experiment(named name: String) async throws -> Experiment {
        try await decisions.read { db in
            let sql = "SELECT id FROM tracking_experiments WHERE name = ?"
            guard let id = try Int64.fetchOne(db, sql: sql, arguments: [name]) else {
                let names = try String.fetchAll(
                    db, sql: "SELECT name FROM tracking_experiments WHERE stage = 'active' LIMIT 1000")
                throw NestboxError.notFound("experiment", name, among: names)
            }
            return try Self.experiment(id: id, in: db)
        }
    }

    /// Newest first unless ordered otherwise.
    package func experiments(_ search: ExperimentSearch) async throws -> Page<Experiment> {
        try TrackingRules.checkPageSize(search.maxResults)
        let filter = try SearchFilter(search.filter, .experiments)
        let terms = Self.terms(try SearchOrder.parse(search.orderBy, .experiments))
        let identity = [search.view.rawValue, search.filter] + search.orderBy
        let position = try Keyset.position(in: search.pageToken, search: identity, terms: terms.count)
        return try await decisions.read { db in
            var conditions = [SQL(sql: Self.condition(search.view))] + (try filter.clauses.map(Self.condition))
            if let position { conditions.append("(\(literal: Keyset.after(position, in: terms)))") }
            let rows = try SQLRequest<Row>(
                literal: """
                    SELECT *, \(literal: terms.map(\.expression).joined(separator: ", ")) FROM tracking_experiments e
                    WHERE \(literal: conditions.joined(separator: " AND "))
                    ORDER BY \(literal: Keyset.order(terms)) LIMIT \(search.maxResults + 1)
                    """
            ).fetchAll(db)
            let shown = rows.prefix(search.maxResults)
            let tags = try Self.tags(of: shown.map { $0["id"] }, in: db)
            let items = try shown.map { try Self.experiment($0, tags: tags[$0["id"] as Int64] ?? [:]) }
            var next: String?
            if rows.count > search.maxResults, let last = shown.last {
                let place = (last.count - terms.count..<last.count).map { SortValue(last[$0] as DatabaseValue) }
                next = try Keyset.token(after: place, search: identity)
            }
            return Page(items: items, nextPageToken: next)
        }
    }

    private static func terms(_ order: [SearchOrder]) -> [SortTerm] {
        // Of experiments made in one moment, MLflow's default lists the first one first, and any other order the last one.
        guard !order.isEmpty else { return [SortTerm("e.created_at", isAscending: false), SortTerm("e.id")] }
        var terms = order.map { SortTerm(SQL(sql: "e." + column($0.field.key)), isAscending: $0.isAscending) }
        if !order.contains(where: { $0.field.key == "experiment_id" }) {
            terms.append(SortTerm("e.id", isAscending: false))
        }
        return terms
    }

    private static func condition(_ clause: SearchFilter.Clause) throws -> SQL {
        guard clause.field.entity == .tag else { return try clause.sql(on: "e." + column(clause.field.key)) }
        var test: SQL = "t.experiment_id = e.id AND t.key = \(clause.field.key)"
        let isAbout = clause.comparator != .isNull && clause.comparator != .isNotNull
        if isAbout { test = "\(literal: test) AND \(literal: try clause.sql(on: "t.value"))" }
        let exists: SQL = "EXISTS (SELECT 1 FROM tracking_experiment_tags t WHERE \(literal: test))"
        return clause.comparator == .isNull ? "NOT \(literal: exists)" : exists
    }

    /// The attribute's column in `tracking_experiments`.
    private static func column(_ attribute: String) -> String {
        switch attribute {
        case "experiment_id": "id"
        case "creation_time": "created_at"
        case "last_update_time": "updated_at"
        default: attribute
        }
    }

    private static func tags(of ids: [Int64], in db: Database) throws -> [Int64: [String: String]] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT experiment_id, key, value FROM tracking_experiment_tags
                WHERE experiment_id IN (SELECT value FROM json_each(?))
                """, arguments: [try JSON.string(ids)])
        var tags: [Int64: [String: String]] = [:]
        for row in rows { tags[row[0] as Int64, default: [:]][row[1]] = row[2] as String }
        return tags
    }

    package func renameExperiment(id: String, to name: String) async throws {
        let number = try Self.experimentNumber(id)
        try TrackingRules.checkExperimentName(name)
        try await decisions.write { context in
            let experiment = try Self.experiment(id: number, in: context.db)
            guard experiment.lifecycleStage == .active else {
                throw NestboxError(
                    .conflict, "experiment `\(experiment.name)` is deleted and cannot be renamed",
                    hint: "restore it first", cause: MLflowCode.invalidState)
            }
            guard experiment.name != name else { return }
            do {
                try Self.requireFreeName(name, in: context.db)
            } catch var error as NestboxError {
                error.cause = MLflowCode.badRequest
                throw error
            }
            try context.db.execute(
                sql: "UPDATE tracking_experiments SET name = ?, updated_at = ? WHERE id = ?",
                arguments: [name, context.now.milliseconds, number])
            try context.record(
                "experiment.renamed", "experiment/\(number)", ["from": .string(experiment.name), "to": .string(name)])
        }
    }

    /// Marks the experiment and all its runs deleted.
    package func deleteExperiment(id: String) async throws {
        let number = try Self.experimentNumber(id)
        guard number != 0 else {
            throw NestboxError.invalid(
                "experiment 0, `Default`, cannot be deleted: runs without an experiment go there")
        }
        try await setStage(of: number, from: .active, to: .deleted, event: "experiment.deleted")
        activeRuns.removeAll()
    }

    /// Brings the experiment and all its runs back.
    package func restoreExperiment(id: String) async throws {
        try await setStage(of: try Self.experimentNumber(id), from: .deleted, to: .active, event: "experiment.restored")
    }

    package func setExperimentTag(id: String, key: String, value: String?) async throws {
        let number = try Self.experimentNumber(id)
        try TrackingRules.checkExperimentTag(key, value ?? "")
        if let value { try RetentionRule.check(tag: key, value) }
        try await decisions.write { context in
            _ = try Self.activeExperiment(number, in: context.db)
            if let value {
                try Self.setExperimentTag(number, key, value, in: context.db)
            } else {
                try context.db.execute(
                    sql: "DELETE FROM tracking_experiment_tags WHERE experiment_id = ? AND key = ?",
                    arguments: [number, key])
                guard context.db.changesCount > 0 else {
                    throw NestboxError(.notFound, "experiment `\(number)` has no tag `\(key)`")
                }
            }
            try context.db.execute(
                sql: "UPDATE tracking_experiments SET updated_at = ? WHERE id = ?",
                arguments: [context.now.milliseconds, number])
            try context.record("experiment.tagged", "experiment/\(number)", ["key": .string(key)])
        }
    }

    // MARK: Rows

    private func setStage(of id: Int64, from: LifecycleStage, to: LifecycleStage, event: String) async throws {
        try await decisions.write { context in
            let experiment = try Self.experiment(id: id, in: context.db)
            guard experiment.lifecycleStage == from else {
                throw NestboxError(
                    .notFound, "there is no \(from.rawValue) experiment with id `\(id)`",
                    hint: "`\(experiment.name)` is \(experiment.lifecycleStage.rawValue) already")
            }
            try context.db.execute(
                sql: "UPDATE tracking_experiments SET stage = ?, updated_at = ? WHERE id = ?",
                arguments: [to.rawValue, context.now.milliseconds, id])
            try context.db.execute(
                sql: "UPDATE tracking_runs SET stage = ?, deleted_at = ? WHERE experiment_id = ?",
                arguments: [to.rawValue, to == .deleted ? context.now.milliseconds : nil, id])
            try context.record(
                event, "experiment/\(id)",
                ["name": .string(experiment.name), "runs": .int(Int64(context.db.changesCount))])
        }
    }

    /// Throws `invalid_argument` for what is no number at all, as MLflow does.
    static func experimentNumber(_ id: String) throws -> Int64 {
        guard let number = Int64(id) else {
            throw NestboxError.invalid(
                "`\(id.prefix(80))` is not the id of an experiment", hint: "experiment ids are whole numbers")
        }
        guard number >= 0 else { throw noExperiment(id) }
        return number
    }

    /// Throws `not_found` when there is none, `invalid_argument` when it is deleted.
    static func activeExperiment(_ id: Int64, in db: Database) throws -> Experiment {
        let experiment = try experiment(id: id, in: db)
        guard experiment.lifecycleStage == .active else {
            throw NestboxError.invalid(
                "experiment `\(experiment.name)` (id \(id)) is deleted", hint: "restore it first")
        }
        return experiment
    }

    static func experiment(id: Int64, in db: Database) throws -> Experiment {
        let find = try db.cachedStatement(sql: "SELECT * FROM tracking_experiments WHERE id = ?")
        guard let row = try Row.fetchOne(find, arguments: [id]) else { throw noExperiment(String(id)) }
        let tagged = try db.cachedStatement(
            sql: "SELECT key, value FROM tracking_experiment_tags WHERE experiment_id = ?")
        let rows = try Row.fetchAll(tagged, arguments: [id])
        var tags: [String: String] = [:]
        for row in rows { tags[row[0] as String] = row[1] as String }
        return try experiment(row, tags: tags)
    }

    private static func experiment(_ row: Row, tags: [String: String]) throws -> Experiment {
        Experiment(
            id: String(row["id"] as Int64), name: row["name"], artifactLocation: row["artifact_location"],
            lifecycleStage: try stage(row["stage"]), createdAt: Timestamp(milliseconds: row["created_at"]),
            updatedAt: Timestamp(milliseconds: row["updated_at"]), tags: tags)
    }

    private static func setExperimentTag(_ id: Int64, _ key: String, _ value: String, in db: Database) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO tracking_experiment_tags (experiment_id, key, value) VALUES (?, ?, ?)",
            arguments: [id, key, value])
    }

    /// A deleted experiment keeps its name, so that restoring it cannot fail.
    private static func requireFreeName(_ name: String, in db: Database) throws {
        let sql = "SELECT stage FROM tracking_experiments WHERE name = ?"
        guard let stage = try String.fetchOne(db, sql: sql, arguments: [name]) else { return }
        let isDeleted = stage == LifecycleStage.deleted.rawValue
        throw NestboxError(
            .alreadyExists, "there is already \(isDeleted ? "a deleted" : "an") experiment named `\(name)`",
            hint: isDeleted ? "restore it, or choose another name" : "use it, or choose another name")
    }

    private static func noExperiment(_ id: String) -> NestboxError {
        NestboxError(.notFound, "there is no experiment with id `\(id)`", hint: "list experiments to see their ids")
    }

    static func condition(_ view: ViewType) -> String {
        switch view {
        case .activeOnly: "stage = 'active'"
        case .deletedOnly: "stage = 'deleted'"
        case .all: "stage IN ('active', 'deleted')"
        }
    }

    static func stage(_ text: String) throws -> LifecycleStage {
        guard let stage = LifecycleStage(rawValue: text) else {
            throw NestboxError(.internalError, "nestbox.db holds `\(text)` where `active` or `deleted` was expected")
        }
        return stage
    }
}
