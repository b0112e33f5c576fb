import Contracts
import Core
import GRDB

/// Logged models as rows. What belongs to many models is read in one statement each.
enum LoggedModelRows {
    /// How a run and a model belong together.
    enum Role: String { case input, output }

    static func insert(_ model: LoggedModel, in db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO tracking_models (id, experiment_id, name, model_type, source_run_id, status, stage, artifact_uri,
                    created_at, updated_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                model.id, Int64(model.experimentID), model.name, model.modelType, model.sourceRunID,
                model.status.rawValue, model.lifecycleStage.rawValue, model.artifactURI, model.createdAt.milliseconds,
                model.updatedAt.milliseconds,
            ])
        try insert(model.params, into: "tracking_model_params", model: model.id, in: db)
        try insert(model.tags, into: "tracking_model_tags", model: model.id, in: db)
    }

    static func insert(_ pairs: [String: String], into table: String, model: String, in db: Database) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO \(table) (model_id, key, value) VALUES (?, ?, ?)")
        for (key, value) in pairs { try statement.execute(arguments: [model, key, value]) }
    }

    /// A point is stored once however often it is told. Throws `invalid_argument` for another value or dataset at the same step
    /// and time, and for a model that is not there.
    static func insert(_ metrics: [LoggedModelMetric], run: String, in db: Database) throws {
        for model in Set(metrics.map(\.modelID)) {
            guard try experiment(of: model, in: db) != nil else {
                // The call's fault, not a missing thing of its own: MLflow answers 400 too.
                throw NestboxError(
                    .invalidArgument, "there is no logged model with id `\(model)` to measure",
                    cause: MLflowCode.badRequest)
            }
        }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO tracking_model_metrics (model_id, run_id, key, value, is_nan, timestamp, step,
                    dataset_name, dataset_digest)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for metric in metrics where try !isStored(metric, run: run, in: db) {
            let point = StoredPoint(metric.point)
            try statement.execute(arguments: [
                metric.modelID, run, metric.point.key, point.value, point.isNaN, point.timestamp, point.step,
                metric.datasetName ?? "", metric.datasetDigest ?? "",
            ])
        }
    }

    private static func isStored(_ metric: LoggedModelMetric, run: String, in db: Database) throws -> Bool {
        let point = StoredPoint(metric.point)
        let statement = try db.cachedStatement(
            sql: """
                SELECT value IS ? AND is_nan = ? AND dataset_name = ? AND dataset_digest = ? FROM tracking_model_metrics
                WHERE model_id = ? AND key = ? AND timestamp = ? AND step = ? AND run_id = ?
                """)
        let isSame = try Bool.fetchOne(
            statement,
            arguments: [
                point.value, point.isNaN, metric.datasetName ?? "", metric.datasetDigest ?? "", metric.modelID,
                metric.point.key, point.timestamp, point.step, run,
            ])
        guard let isSame else { return false }
        guard isSame else {
            throw NestboxError(
                .invalidArgument,
                "logged model `\(metric.modelID)` has metric `\(metric.point.key)` of this run at step "
                    + "\(metric.point.step) and this time already, with another value or dataset",
                hint: "give it another step or timestamp", cause: MLflowCode.badRequest)
        }
        return true
    }

    /// Nil when there is no such model.
    static func experiment(of model: String, in db: Database) throws -> Int64? {
        let statement = try db.cachedStatement(sql: "SELECT experiment_id FROM tracking_models WHERE id = ?")
        return try Int64.fetchOne(statement, arguments: [model])
    }

    /// Whole models in the order of `ids`; unknown ids are left out.
    static func models(_ ids: [String], in db: Database) throws -> [LoggedModel] {
        let list = try JSON.string(ids)
        let wanted = "IN (SELECT value FROM json_each(?))"
        var found: [String: LoggedModel] = [:]
        let rows = try Row.fetchCursor(db, sql: "SELECT * FROM tracking_models WHERE id \(wanted)", arguments: [list])
        while let row = try rows.next() { found[row["id"] as String] = try model(row) }
        for (table, path) in [
            ("tracking_model_params", \LoggedModel.params), ("tracking_model_tags", \LoggedModel.tags),
        ] {
            let rows = try Row.fetchCursor(
                db, sql: "SELECT model_id, key, value FROM \(table) WHERE model_id \(wanted)", arguments: [list])
            while let row = try rows.next() { found[row[0] as String]?[keyPath: path][row[1]] = row[2] as String }
        }
        let metrics = try Row.fetchCursor(
            db, sql: "SELECT * FROM tracking_model_metrics WHERE model_id \(wanted) ORDER BY id", arguments: [list])
        while let row = try metrics.next() { found[row["model_id"] as String]?.metrics.append(metric(row)) }
        return ids.compactMap { found[$0] }
    }

    private static func model(_ row: Row) throws -> LoggedModel {
        guard let status = LoggedModelStatus(rawValue: row["status"]) else {
            throw NestboxError(
                .internalError,
                "nestbox.db holds `\(row["status"] as String)` where a logged model's status was expected")
        }
        return LoggedModel(
            id: row["id"], experimentID: String(row["experiment_id"] as Int64), name: row["name"],
            modelType: row["model_type"], sourceRunID: row["source_run_id"], status: status,
            statusMessage: row["status_message"], lifecycleStage: try EmbeddedTracking.stage(row["stage"]),
            artifactURI: row["artifact_uri"], createdAt: Timestamp(milliseconds: row["created_at"]),
            updatedAt: Timestamp(milliseconds: row["updated_at"]))
    }

    private static func metric(_ row: Row) -> LoggedModelMetric {
        let isNaN: Bool = row["is_nan"]
        return LoggedModelMetric(
            modelID: row["model_id"],
            point: MetricPoint(
                key: row["key"], value: isNaN ? .nan : row["value"],
                timestamp: Timestamp(milliseconds: row["timestamp"]),
                step: row["step"]), runID: row["run_id"], datasetName: text(row["dataset_name"]),
            datasetDigest: text(row["dataset_digest"]))
    }

    private static func text(_ text: String) -> String? { text.isEmpty ? nil : text }
}
