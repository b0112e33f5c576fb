import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func log(runID: String, _ batch: LogBatch) async throws {
        try TrackingRules.check(batch)
        try await completePendingBatches()
        if points.isFull { try await points.moveAll() }
        guard !batch.params.isEmpty || !batch.tags.isEmpty || !batch.modelMetrics.isEmpty else {
            try await requireActiveRun(runID)
            if !batch.metrics.isEmpty { try await storeMetrics(batch.metrics, run: runID) }
            return
        }
        let pending = try await decide(batch, run: runID)
        guard let pending else { return }
        do {
            try await movePoints(batch.metrics, run: runID, pending: pending)
        } catch {
            // Decided and kept in nestbox.db; the next use brings the points over.
            pendingBatchesAreLeft()
            throw error
        }
    }

    /// Writes params, tags and measurements of models, and keeps the batch's points beside them until they are in the other file.
    /// Returns the number under which they wait; nil when there are none.
    private func decide(_ batch: LogBatch, run: String) async throws -> Int64? {
        let points = batch.metrics.isEmpty ? nil : try JSON.string(batch.metrics)
        return try await decisions.write { context in
            let db = context.db
            let row = try Self.activeRun(run, in: db)
            let find = try db.cachedStatement(sql: "SELECT value FROM tracking_params WHERE run_id = ? AND key = ?")
            let insert = try db.cachedStatement(
                sql: "INSERT INTO tracking_params (run_id, key, value) VALUES (?, ?, ?)")
            for (key, value) in batch.params {
                if let old = try String.fetchOne(find, arguments: [run, key]) {
                    guard old == value else { throw Self.changedParam(key, from: old, to: value, run: run) }
                } else {
                    try insert.execute(arguments: [run, key, value])
                }
            }
            for (key, value) in batch.tags { try Self.setTag(key, value, run: run, in: db) }
            try LoggedModelRows.insert(batch.modelMetrics, run: run, in: db)
            var data: [String: JSONValue] = [
                "experiment": .string(String(row["experiment_id"] as Int64)),
                "params": .array(batch.params.keys.sorted().map { .string($0) }),
                "tags": .array(batch.tags.keys.sorted().map { .string($0) }),
            ]
            if !batch.modelMetrics.isEmpty {
                data["measured_models"] = .array(Set(batch.modelMetrics.map(\.modelID)).sorted().map { .string($0) })
            }
            try context.record("run.logged", "run/\(run)", .object(data))
            guard let points else { return nil }
            let keep = try db.cachedStatement(
                sql: "INSERT INTO tracking_pending_metrics (run_id, points) VALUES (?, ?)")
            try keep.execute(arguments: [run, points])
            return db.lastInsertedRowID
        }
    }

    func storeMetrics(_ points: [MetricPoint], run: String) async throws {
        let event = Self.logged(points)
        try await telemetry.write { context in
            try MetricTable.insert(points, run: run, in: context.db)
            context.announce("metrics.logged", "run/\(run)", event)
        }
    }

    package func logAtOnce(runID: String, _ points: [MetricPoint]) throws -> Bool {
        guard hasNoPendingBatches, activeRuns.contains(runID) else { return false }
        try TrackingRules.check(LogBatch(metrics: points))
        guard telemetry.durability == .checkpoint, try self.points.append(points, run: runID) else { return false }
        telemetry.announce("metrics.logged", "run/\(runID)", Self.logged(points))
        return true
    }

    /// Says which charts to draw again; the points themselves are the record. A run with many keys is drawn anew anyway.
    private static func logged(_ points: [MetricPoint]) -> JSONValue {
        var data: [String: JSONValue] = ["points": .int(Int64(points.count))]
        var keys: Set<String> = []
        for point in points where keys.count <= 20 { keys.insert(point.key) }
        if keys.count <= 20 { data["keys"] = .array(keys.sorted().map { .string($0) }) }
        return .object(data)
    }

    /// Throws `not_found` or `invalid_argument`; asks the database only the first time.
    private func requireActiveRun(_ id: String) async throws {
        if activeRuns.contains(id) { return }
        let deletions = activeRuns.deletions
        _ = try await decisions.read { db in
            try Self.activeRun(id, in: db)
            return true
        }
        activeRuns.insert(id, readAt: deletions)
    }

    private static func changedParam(_ key: String, from old: String, to new: String, run: String) -> NestboxError {
        .invalid(
            "param `\(key)` of run `\(run)` is `\(old.prefix(200))` and cannot be changed to `\(new.prefix(200))`",
            hint: "params are written once; use a tag for what changes, or start another run")
    }
}
