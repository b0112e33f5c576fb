import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking: RetentionStore {
    /// Points removed in one transaction, so that other writes hardly wait.
    private static let pointsAtOnce = 20_000

    package func deleteRuns(ofExperiment id: String, endedBefore time: Timestamp) async throws -> Int {
        let number = try Self.experimentNumber(id)
        let ids = try await decisions.write { context in
            let ids = try String.fetchAll(
                context.db,
                sql: """
                    UPDATE tracking_runs SET stage = 'deleted', deleted_at = ?
                    WHERE experiment_id = ? AND stage = 'active' AND end_time < ? RETURNING id
                    """, arguments: [context.now.milliseconds, number, time.milliseconds])
            for id in ids {
                try context.record(
                    "run.deleted", "run/\(id)", ["experiment": .string(String(number)), "reason": "retention"])
            }
            return ids
        }
        for id in ids { activeRuns.remove(id) }
        return ids.count
    }

    package func purge(deletedBefore time: Timestamp, limit: Int) async throws -> Int {
        try await decisions.write { context in
            let db = context.db, bound = time.milliseconds
            let runs = try Row.fetchAll(
                db,
                sql: """
                    SELECT id, experiment_id, artifact_uri FROM tracking_runs
                    WHERE stage = 'deleted' AND coalesce(deleted_at, 0) < ? LIMIT ?
                    """, arguments: [bound, limit])
            for row in runs { try Self.purge(.run, row, Self.runTables, context) }
            let models = try Row.fetchAll(
                db,
                sql: """
                    SELECT m.id, m.experiment_id, m.artifact_uri FROM tracking_models m
                    JOIN tracking_experiments e ON e.id = m.experiment_id
                    WHERE m.stage = 'deleted' AND m.updated_at < ?1 OR e.stage = 'deleted' AND e.updated_at < ?1 LIMIT ?2
                    """, arguments: [bound, limit - runs.count])
            for row in models { try Self.purge(.loggedModel, row, Self.modelTables, context) }
            // An experiment goes last: whatever it holds has been deleted with it.
            let experiments = try Row.fetchAll(
                db,
                sql: """
                    SELECT id, id AS experiment_id, artifact_location AS artifact_uri FROM tracking_experiments e
                    WHERE stage = 'deleted' AND updated_at < ?
                        AND NOT EXISTS (SELECT 1 FROM tracking_runs WHERE experiment_id = e.id)
                        AND NOT EXISTS (SELECT 1 FROM tracking_models WHERE experiment_id = e.id) LIMIT ?
                    """, arguments: [bound, limit - runs.count - models.count])
            for row in experiments { try Self.purge(.experiment, row, Self.experimentTables, context) }
            return runs.count + models.count + experiments.count
        }
    }

    /// Tables with the rows of one item, and the column that names it.
    private static let runTables = [
        ("tracking_params", "run_id"), ("tracking_tags", "run_id"), ("tracking_inputs", "run_id"),
        ("tracking_pending_metrics", "run_id"), ("tracking_run_models", "run_id"), ("tracking_runs", "id"),
    ]
    private static let modelTables = [
        ("tracking_model_params", "model_id"), ("tracking_model_tags", "model_id"),
        ("tracking_model_metrics", "model_id"), ("tracking_run_models", "model_id"), ("tracking_models", "id"),
    ]
    private static let experimentTables = [
        ("tracking_experiment_tags", "experiment_id"), ("tracking_experiments", "id"),
    ]

    private static func purge(
        _ kind: PurgedItem.Kind, _ row: Row, _ tables: [(table: String, column: String)], _ context: WriteContext
    ) throws {
        let id: DatabaseValue = row["id"]
        for (table, column) in tables {
            try context.db.execute(sql: "DELETE FROM \(table) WHERE \(column) = ?", arguments: [id])
        }
        let experiment = String(row["experiment_id"] as Int64), text = kind == .experiment ? experiment : row["id"]
        try context.db.execute(
            sql: "INSERT INTO tracking_purged (kind, id, experiment_id, artifact_uri) VALUES (?, ?, ?, ?)",
            arguments: [kind.rawValue, text, experiment, row["artifact_uri"] as String])
        try context.record("\(kind.rawValue).purged", "\(kind.rawValue)/\(text)", ["experiment": .string(experiment)])
    }

    package func purgedItems(after last: PurgedItem?, limit: Int) async throws -> [PurgedItem] {
        try await decisions.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT kind, id, experiment_id, artifact_uri FROM tracking_purged
                    WHERE (kind, id) > (?, ?) ORDER BY kind, id LIMIT ?
                    """, arguments: [last?.kind.rawValue ?? "", last?.id ?? "", limit]
            ).compactMap { row in
                PurgedItem.Kind(rawValue: row[0]).map {
                    PurgedItem(kind: $0, id: row[1], experimentID: row[2], artifactURI: row[3])
                }
            }
        }
    }

    package func removePoints(of item: PurgedItem) async throws -> Int {
        guard item.kind == .run else { return 0 }
        try await settle()
        let all = try await telemetry.read { db in
            try Int64.fetchAll(db, sql: "SELECT id FROM tracking_series WHERE run_id = ?", arguments: [item.id])
        }
        var removed = 0
        for series in all {
            while true {
                let count = try await telemetry.write { context in try Self.removePoints(series, in: context.db) }
                removed += count
                if count == 0 { break }
            }
        }
        return removed
    }

    /// The first of a series' points; the series itself when there are none left.
    private static func removePoints(_ series: Int64, in db: GRDB.Database) throws -> Int {
        let bound = try Row.fetchOne(
            db,
            sql: """
                SELECT step, timestamp FROM tracking_points WHERE series = ?
                ORDER BY step, timestamp, value, is_nan LIMIT 1 OFFSET ?
                """, arguments: [series, pointsAtOnce])
        if let bound {
            try db.execute(
                sql: "DELETE FROM tracking_points WHERE series = ? AND (step, timestamp) <= (?, ?)",
                arguments: [series, bound[0] as Int64, bound[1] as Int64])
        } else {
            try db.execute(sql: "DELETE FROM tracking_points WHERE series = ?", arguments: [series])
        }
        let removed = db.changesCount
        if removed == 0 { try db.execute(sql: "DELETE FROM tracking_series WHERE id = ?", arguments: [series]) }
        return removed
    }

    package func forget(_ item: PurgedItem) async throws {
        try await decisions.write { context in
            try context.db.execute(
                sql: "DELETE FROM tracking_purged WHERE kind = ? AND id = ?", arguments: [item.kind.rawValue, item.id])
        }
    }
}
