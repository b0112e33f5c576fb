import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking: TrackingImport {
    package func importRun(_ run: Run) async throws {
        try TrackingRules.checkImported(run)
        let experiment = try Self.experimentNumber(run.experimentID)
        try await decisions.write { context in
            let db = context.db
            _ = try Self.experiment(id: experiment, in: db)
            let there = "SELECT experiment_id FROM tracking_runs WHERE id = ?"
            if let other = try Int64.fetchOne(db, sql: there, arguments: [run.id]), other != experiment {
                throw NestboxError(
                    .conflict, "run `\(run.id)` is in experiment `\(other)` here, not in `\(experiment)`")
            }
            try db.execute(
                sql: """
                    INSERT INTO tracking_runs (id, experiment_id, name, user, status, start_time, end_time, stage, artifact_uri,
                        deleted_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET name = excluded.name, user = excluded.user, status = excluded.status,
                        start_time = excluded.start_time, end_time = excluded.end_time, stage = excluded.stage,
                        artifact_uri = excluded.artifact_uri, deleted_at = excluded.deleted_at
                    """,
                arguments: [
                    run.id, experiment, run.name, run.user, run.status.rawValue, run.startTime.milliseconds,
                    run.endTime?.milliseconds, run.lifecycleStage.rawValue, run.artifactURI,
                    run.lifecycleStage == .deleted ? context.now.milliseconds : nil,
                ])
            for (table, pairs) in [("tracking_params", run.params), ("tracking_tags", run.tags)] {
                let statement = try db.cachedStatement(
                    sql: "INSERT OR REPLACE INTO \(table) (run_id, key, value) VALUES (?, ?, ?)")
                for (key, value) in pairs { try statement.execute(arguments: [run.id, key, value]) }
            }
            try Self.importInputs(run, in: db)
            try context.record(
                "run.imported", "run/\(run.id)",
                ["experiment": .string(run.experimentID), "name": .string(run.name)])
        }
        activeRuns.remove(run.id)
    }

    private static func importInputs(_ run: Run, in db: Database) throws {
        let inputs = try db.cachedStatement(
            sql: """
                INSERT INTO tracking_inputs (run_id, name, digest, source_type, source, schema, profile, tags)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (run_id, name, digest) DO UPDATE SET tags = json_patch(tags, excluded.tags)
                """)
        for input in run.inputs {
            try inputs.execute(arguments: [
                run.id, input.name, input.digest, input.sourceType, input.source, input.schema, input.profile,
                try JSON.string(input.tags),
            ])
        }
        let models = try db.cachedStatement(
            sql: """
                INSERT INTO tracking_run_models (run_id, role, model_id, step) VALUES (?, ?, ?, ?)
                ON CONFLICT (run_id, role, model_id) DO UPDATE SET step = excluded.step
                """)
        for model in run.modelInputs {
            try models.execute(arguments: [run.id, LoggedModelRows.Role.input.rawValue, model, 0])
        }
        for output in run.modelOutputs {
            try models.execute(arguments: [run.id, LoggedModelRows.Role.output.rawValue, output.modelID, output.step])
        }
    }

    package func importLoggedModel(_ model: LoggedModel) async throws {
        try TrackingRules.checkImported(model)
        let experiment = try Self.experimentNumber(model.experimentID)
        try await decisions.write { context in
            let db = context.db
            _ = try Self.experiment(id: experiment, in: db)
            for (table, column) in [
                ("tracking_models", "id"), ("tracking_model_params", "model_id"), ("tracking_model_tags", "model_id"),
            ] {
                try db.execute(sql: "DELETE FROM \(table) WHERE \(column) = ?", arguments: [model.id])
            }
            try LoggedModelRows.insert(model, in: db)
            try db.execute(
                sql: "UPDATE tracking_models SET status_message = ? WHERE id = ?",
                arguments: [model.statusMessage, model.id])
            for (run, metrics) in Dictionary(grouping: model.metrics, by: \.runID) {
                try LoggedModelRows.insert(metrics, run: run, in: db)
            }
            try context.record(
                "logged_model.imported", "logged_model/\(model.id)",
                ["experiment": .string(model.experimentID), "name": .string(model.name)])
        }
    }
}

extension TrackingRules {
    /// Throws `invalid_argument` naming what of the run may not be stored.
    static func checkImported(_ run: Run) throws {
        try checkID(run.id, of: "run", length: 32)
        try checkRunName(run.name)
        for (key, value) in run.params { try check(LogBatch(params: [key: value])) }
        for (key, value) in run.tags { try checkTag(key, value) }
        for input in run.inputs { try checkInput(input) }
        for model in run.modelInputs + run.modelOutputs.map(\.modelID) {
            try checkID(model, of: "logged model", length: 36)
        }
        try checkArtifactLocation(run.artifactURI)
    }

    static func checkImported(_ model: LoggedModel) throws {
        try checkID(model.id, of: "logged model", length: 36)
        try check(
            NewLoggedModel(
                experimentID: model.experimentID, name: model.name, modelType: model.modelType, params: model.params,
                tags: model.tags))
        for metric in model.metrics {
            try check(LogBatch(metrics: [metric.point]))
            guard metric.modelID == model.id else {
                throw NestboxError.invalid("a metric of logged model `\(model.id)` names `\(metric.modelID)`")
            }
        }
        // Of a logged model MLflow allows longer ones than of a run.
        guard model.artifactURI.utf8.count <= 1000 else {
            throw NestboxError.invalid("logged model `\(model.id)`: its artifact location is longer than 1000 bytes")
        }
    }

    /// Identifiers become parts of paths.
    private static func checkID(_ id: String, of what: String, length: Int) throws {
        let isPlain = id.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || byte == 0x2D || byte == 0x5F
        }
        guard !id.isEmpty, id.utf8.count <= length, isPlain else {
            throw NestboxError.invalid(
                "`\(id.prefix(80))` is not the id of a \(what)", hint: "expected 1–\(length) letters, digits, - and _")
        }
    }
}
