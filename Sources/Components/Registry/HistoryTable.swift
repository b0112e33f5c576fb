import Contracts
import Core
import GRDB
import Storage

/// The rows of history, under the model's name at the time being: they outlive the model, so they hang on nothing.
struct HistoryTable: Sendable {
    /// Of the registry that is kept here.
    static let own = HistoryTable(name: "registry_history")
    /// Of somebody else's, as far as it was changed through this Nestbox.
    static let recorded = HistoryTable(name: "registry_recorded_moves")

    private let name: String

    struct Move {
        var kind: ModelTransition.Kind
        var label: String
        var from: Int?
        var to: Int?
        var fromStage: ModelStage?
        var reason: String

        static func alias(_ alias: String, from: Int?, to: Int?, reason: String) -> Move {
            Move(kind: .alias, label: alias, from: from, to: to, reason: reason)
        }

        static func stage(of version: Int, from: ModelStage, to: ModelStage, reason: String) -> Move {
            Move(
                kind: .stage, label: to.rawValue, from: version, to: version, fromStage: from, reason: reason)
        }

        static func deleted(version: Int, in stage: ModelStage, reason: String) -> Move {
            Move(kind: .version, label: ModelTransition.deleted, from: version, fromStage: stage, reason: reason)
        }

        static func deletedModel(reason: String) -> Move {
            Move(kind: .model, label: ModelTransition.deleted, reason: reason)
        }
    }

    func add(_ move: Move, to model: String, _ context: WriteContext) throws {
        try context.db.execute(
            sql: """
                INSERT INTO \(name) (model, at, actor, kind, label, from_version, to_version, from_stage, reason)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                model, context.now.milliseconds, context.actor, move.kind.rawValue, move.label, move.from, move.to,
                move.fromStage?.rawValue, move.reason,
            ])
    }

    /// The rows of the model that has the name now; those of a deleted one before it keep the name.
    func rename(_ model: String, to newName: String, _ context: WriteContext) throws {
        try context.db.execute(
            sql: """
                UPDATE \(name) SET model = ?1 WHERE model = ?2 AND id > coalesce(
                    (SELECT max(id) FROM \(name) WHERE model = ?2 AND kind = 'model'), 0)
                """, arguments: [newName, model])
    }

    /// - Parameter exists: whether there is such a model; without one the history must not be empty.
    func page(of model: String, _ search: HistorySearch, exists: Bool, in db: Database) throws -> Page<ModelTransition>
    {
        let before = try PageToken.decode(Int64.self, search.pageToken)
        let known = try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM \(name) WHERE model = ?)", arguments: [model])
        guard exists || known == true else { throw NestboxError.notFound("registered model", model) }
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM \(name) WHERE model = ?1 AND (?2 IS NULL OR id < ?2)
                AND (?3 IS NULL OR kind = 'alias' AND label = ?3) AND (?4 IS NULL OR ?4 IN (from_version, to_version))
                ORDER BY id DESC LIMIT ?5
                """, arguments: [model, before, search.alias, search.version, search.maxResults + 1])
        let shown = rows.prefix(search.maxResults)
        let next =
            try rows.count > search.maxResults ? shown.last.map { try PageToken.encode($0["id"] as Int64) } : nil
        return Page(items: try shown.map(RegistryRows.transition), nextPageToken: next)
    }
}
