import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    static let runNameTag = "mlflow.runName"
    static let userTag = "mlflow.user"

    package func createRun(_ request: NewRun) async throws -> Run {
        let experimentID = try Self.experimentNumber(request.experimentID)
        let (name, tags) = try nameAndTags(request)
        try TrackingRules.checkFirstTags(tags)
        let id = ambient.newID(), deletions = activeRuns.deletions
        let run = try await decisions.write { context in
            let experiment = try Self.activeExperiment(experimentID, in: context.db)
            let run = Run(
                id: id, experimentID: experiment.id, name: name,
                user: request.user ?? tags[Self.userTag] ?? context.actor, status: .running,
                startTime: request.startTime ?? context.now, endTime: nil, lifecycleStage: .active,
                artifactURI: "\(experiment.artifactLocation)/\(id)/artifacts", params: [:], metrics: [], tags: tags,
                inputs: [])
            let insert = try context.db.cachedStatement(
                sql: """
                    INSERT INTO tracking_runs (id, experiment_id, name, user, status, start_time, stage, artifact_uri)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """)
            try insert.execute(arguments: [
                id, experimentID, run.name, run.user, run.status.rawValue, run.startTime.milliseconds,
                run.lifecycleStage.rawValue, run.artifactURI,
            ])
            for (key, value) in tags { try Self.setTag(key, value, run: id, in: context.db) }
            try context.record(
                "run.created", "run/\(id)", ["experiment": .string(experiment.id), "name": .string(run.name)])
            return run
        }
        activeRuns.insert(id, readAt: deletions)
        return run
    }

    package func run(id: String) async throws -> Run {
        guard let run = try await runs(withIDs: [id]).first else { throw Self.noRun(id) }
        return run
    }

    /// Larger runs take longer than others should wait.
    private static let mostAtOnce = 250

    package func runAtOnce(id: String) throws -> Run? {
        guard hasNoPendingBatches else { return nil }
        let parts = try decisions.readAtOnce { db in try RunParts([id], in: db) }
        guard var run = parts.run(id), run.params.count <= Self.mostAtOnce, run.tags.count <= Self.mostAtOnce else {
            return nil
        }
        let waiting = points.waiting(ofRun: id)
        let stored = try telemetry.readAtOnce { db in
            try MetricTable.latest(ofRun: id, most: Self.mostAtOnce, in: db)
        }
        guard let stored, waiting.count <= Self.mostAtOnce else { return nil }
        run.metrics = waiting.isEmpty ? stored : MetricTable.latest(of: stored + waiting)
        return run
    }

    package func updateRun(id: String, _ update: RunUpdate) async throws -> Run {
        if let name = update.name { try TrackingRules.checkRunName(name) }
        try await decisions.write { context in
            let row = try Self.activeRun(id, in: context.db)
            var data: [String: JSONValue] = ["experiment": .string(String(row["experiment_id"] as Int64))]
            var event = "run.updated"
            if let name = update.name {
                try Self.setTag(Self.runNameTag, name, run: id, in: context.db)
                data["name"] = .string(name)
            }
            let status = try update.status ?? Self.status(row["status"])
            var endTime = update.endTime?.milliseconds ?? row["end_time"] as Int64?
            if update.status != nil, status.isFinal {
                event = "run.finished"
                endTime = endTime ?? context.now.milliseconds
            }
            data["status"] = .string(status.rawValue)
            try context.db.execute(
                sql: "UPDATE tracking_runs SET status = ?, end_time = ? WHERE id = ?",
                arguments: [status.rawValue, endTime, id])
            try context.record(event, "run/\(id)", .object(data))
        }
        return try await run(id: id)
    }

    package func deleteRun(id: String) async throws {
        try await setStage(ofRun: id, to: .deleted, event: "run.deleted")
        activeRuns.remove(id)
    }

    package func restoreRun(id: String) async throws {
        try await setStage(ofRun: id, to: .active, event: "run.restored")
    }

    package func deleteTag(runID: String, key: String) async throws {
        try await decisions.write { context in
            _ = try Self.activeRun(runID, in: context.db)
            try context.db.execute(
                sql: "DELETE FROM tracking_tags WHERE run_id = ? AND key = ?", arguments: [runID, key])
            guard context.db.changesCount > 0 else {
                throw NestboxError(.notFound, "run `\(runID)` has no tag `\(key)`")
            }
            try context.record("run.logged", "run/\(runID)", ["removed_tag": .string(key)])
        }
    }

    /// The same dataset (name and digest) logged again changes nothing.
    package func logInputs(runID: String, _ inputs: [RunInput]) async throws {
        for input in inputs { try TrackingRules.checkInput(input) }
        try await decisions.write { context in
            _ = try Self.activeRun(runID, in: context.db)
            guard !inputs.isEmpty else { return }
            let statement = try context.db.cachedStatement(
                sql: """
                    INSERT INTO tracking_inputs (run_id, name, digest, source_type, source, schema, profile, tags)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (run_id, name, digest) DO NOTHING
                    """)
            for input in inputs {
                try statement.execute(arguments: [
                    runID, input.name, input.digest, input.sourceType, input.source, input.schema, input.profile,
                    try JSON.string(input.tags),
                ])
            }
            try context.record(
                "run.logged", "run/\(runID)", ["inputs": .array(inputs.map { .string("\($0.name)@\($0.digest)") })])
        }
    }

    // MARK: Rows

    private func nameAndTags(_ request: NewRun) throws -> (name: String, tags: [String: String]) {
        var tags = request.tags
        if let name = request.name, !name.isEmpty, let tagged = tags[Self.runNameTag], tagged != name {
            throw NestboxError.invalid(
                "the run is named `\(name)`, but its tag \(Self.runNameTag) says `\(tagged)`",
                hint: "give one of the two")
        }
        let name =
            [request.name, tags[Self.runNameTag]].compactMap { $0 }.first { !$0.isEmpty } ?? RunNames.make(ambient)
        try TrackingRules.checkRunName(name)
        tags[Self.runNameTag] = name
        return (name, tags)
    }

    private func setStage(ofRun id: String, to stage: LifecycleStage, event: String) async throws {
        try await decisions.write { context in
            let row = try Self.runRow(id, in: context.db)
            guard try Self.stage(row["stage"]) != stage else { return }
            if stage == .active { _ = try Self.activeExperiment(row["experiment_id"], in: context.db) }
            try context.db.execute(
                sql: "UPDATE tracking_runs SET stage = ?, deleted_at = ? WHERE id = ?",
                arguments: [stage.rawValue, stage == .deleted ? context.now.milliseconds : nil, id])
            try context.record(event, "run/\(id)", ["experiment": .string(String(row["experiment_id"] as Int64))])
        }
    }

    /// Whole runs, in the order of `ids`, with six statements however many there are; unknown ids are left out.
    func runs(withIDs ids: [String]) async throws -> [Run] {
        await completePendingBatchesIfPossible()
        let parts = try await decisions.read { db in try RunParts(ids, in: db) }
        guard !parts.runs.isEmpty else { return [] }
        let list = try JSON.string(ids)
        let metrics = try await telemetry.read { db in try MetricTable.latest(ofRuns: list, in: db) }
        return ids.compactMap { id in
            guard var run = parts.run(id) else { return nil }
            run.metrics = metrics[id] ?? []
            return run
        }
    }

    private struct RunParts: Sendable {
        var runs: [String: Run] = [:]
        var params: [String: [String: String]] = [:]
        var tags: [String: [String: String]] = [:]
        var inputs: [String: [RunInput]] = [:]
        var modelInputs: [String: [String]] = [:]
        var modelOutputs: [String: [ModelOutput]] = [:]

        /// All but its metrics.
        func run(_ id: String) -> Run? {
            guard var run = runs[id] else { return nil }
            run.params = params[id] ?? [:]
            run.tags = tags[id] ?? [:]
            run.inputs = inputs[id] ?? []
            run.modelInputs = modelInputs[id] ?? []
            run.modelOutputs = modelOutputs[id] ?? []
            return run
        }

        init(_ ids: [String], in db: Database) throws {
            // One run has a way of its own: taking a list apart takes as long as finding a run.
            let (wanted, list) =
                ids.count == 1 ? ("= ?", ids[0]) : ("IN (SELECT value FROM json_each(?))", try JSON.string(ids))
            func rows(_ sql: String) throws -> RepeatedStatement {
                let rows = try RepeatedStatement(sql, in: db)
                rows.bind(1, list)
                return rows
            }
            let all = try rows("SELECT \(EmbeddedTracking.runColumns) FROM tracking_runs WHERE id \(wanted)")
            while try all.step() {
                let run = try EmbeddedTracking.run(all)
                runs[run.id] = run
            }
            for (table, path) in [("tracking_params", \RunParts.params), ("tracking_tags", \RunParts.tags)] {
                let pairs = try rows("SELECT run_id, key, value FROM \(table) WHERE run_id \(wanted)")
                while try pairs.step() {
                    self[keyPath: path][pairs.text(0), default: [:]][pairs.text(1)] = pairs.text(2)
                }
            }
            let datasets = try rows(
                """
                SELECT run_id, name, digest, source_type, source, schema, profile, tags FROM tracking_inputs
                WHERE run_id \(wanted) ORDER BY id
                """)
            while try datasets.step() {
                inputs[datasets.text(0), default: []].append(
                    RunInput(
                        name: datasets.text(1), digest: datasets.text(2), sourceType: datasets.text(3),
                        source: datasets.text(4), schema: datasets.optionalText(5), profile: datasets.optionalText(6),
                        tags: try JSON.decode(
                            [String: String].self, from: datasets.text(7), what: "the tags of an input")))
            }
            let models = try rows(
                "SELECT run_id, role, model_id, step FROM tracking_run_models WHERE run_id \(wanted) ORDER BY id")
            while try models.step() {
                let run = models.text(0)
                if models.text(1) == LoggedModelRows.Role.input.rawValue {
                    modelInputs[run, default: []].append(models.text(2))
                } else {
                    modelOutputs[run, default: []].append(ModelOutput(modelID: models.text(2), step: models.integer(3)))
                }
            }
        }
    }

    private static let runColumns = "id, experiment_id, name, user, status, start_time, end_time, stage, artifact_uri"

    /// Of `runColumns`.
    private static func run(_ row: RepeatedStatement) throws -> Run {
        Run(
            id: row.text(0), experimentID: String(row.integer(1)), name: row.text(2), user: row.text(3),
            status: try status(row.text(4)), startTime: Timestamp(milliseconds: row.integer(5)),
            endTime: row.isNull(6) ? nil : Timestamp(milliseconds: row.integer(6)),
            lifecycleStage: try stage(row.text(7)), artifactURI: row.text(8), params: [:], metrics: [], tags: [:],
            inputs: [])
    }
    static func runRow(_ id: String, in db: Database) throws -> Row {
        let statement = try db.cachedStatement(
            sql: "SELECT experiment_id, status, end_time, stage FROM tracking_runs WHERE id = ?")
        guard let row = try Row.fetchOne(statement, arguments: [id]) else { throw noRun(id) }
        return row
    }

    /// Throws `not_found` when there is none, `invalid_argument` when it is deleted.
    @discardableResult
    static func activeRun(_ id: String, in db: Database) throws -> Row {
        let row = try runRow(id, in: db)
        guard try stage(row["stage"]) == .active else {
            throw NestboxError.invalid("run `\(id)` is deleted and cannot be changed", hint: "restore it first")
        }
        return row
    }

    static func setTag(_ key: String, _ value: String, run: String, in db: Database) throws {
        // A run keeps the name it has: MLflow takes an empty one and does nothing.
        if key == runNameTag, value.isEmpty { return }
        let statement = try RepeatedStatement(
            "INSERT OR REPLACE INTO tracking_tags (run_id, key, value) VALUES (?, ?, ?)", in: db)
        statement.bind(1, run)
        statement.bind(2, key)
        statement.bind(3, value)
        _ = try statement.step()
        // The name of a run is also this tag; MLflow's clients write either.
        if key == runNameTag {
            let rename = try db.cachedStatement(sql: "UPDATE tracking_runs SET name = ? WHERE id = ?")
            try rename.execute(arguments: [value, run])
        }
    }

    static func status(_ text: String) throws -> RunStatus {
        guard let status = RunStatus(rawValue: text) else {
            throw NestboxError(.internalError, "nestbox.db holds `\(text)` where the status of a run was expected")
        }
        return status
    }

    static func noRun(_ id: String) -> NestboxError {
        NestboxError(
            .notFound, "there is no run with id `\(id)`", hint: "search the experiment's runs to see their ids")
    }
}

extension RunStatus {
    var isFinal: Bool {
        switch self {
        case .finished, .failed, .killed: true
        case .running, .scheduled: false
        }
    }
}
