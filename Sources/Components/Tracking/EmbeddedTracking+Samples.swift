import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func metricSample(
        runID: String, key: String, steps: ClosedRange<Int64>?, maxResults: Int
    ) async throws -> [MetricPoint] {
        try TrackingRules.checkPageSize(maxResults, in: TrackingRules.historyPageSize)
        _ = try await decisions.read { db in try Self.runRow(runID, in: db).count }
        await completePendingBatchesIfPossible()
        return try await telemetry.read { db in
            try MetricTable.sample(key, run: runID, steps: steps, atMost: maxResults, in: db).map { $0.point(key) }
        }
    }

    package func datasetSummaries(experimentIDs: [String]) async throws -> [DatasetSummary] {
        let experiments = try JSON.string(experimentIDs.map { try Self.experimentNumber($0) })
        return try await decisions.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT r.experiment_id, i.name, i.digest, json_extract(i.tags, ?) AS context
                    FROM tracking_inputs i JOIN tracking_runs r ON r.id = i.run_id
                    WHERE r.experiment_id IN (SELECT value FROM json_each(?))
                    GROUP BY 1, 2, 3, 4 ORDER BY min(i.id) LIMIT ?
                    """, arguments: ["$.\"\(DatasetSummary.contextTag)\"", experiments, DatasetSummary.most])
            return rows.map {
                DatasetSummary(
                    experimentID: String($0["experiment_id"] as Int64), name: $0["name"], digest: $0["digest"],
                    context: $0["context"])
            }
        }
    }
}

extension MetricTable {
    /// The first point of each of `limit` equal parts of a series, and its last point. The parts are counted over the
    /// primary key, and only the chosen points are read whole.
    static func sample(
        _ key: String, run: String, steps: ClosedRange<Int64>?, atMost limit: Int, in db: Database
    ) throws -> [StoredPoint] {
        guard
            let series = try Int64.fetchOne(
                db, sql: "SELECT id FROM tracking_series WHERE run_id = ? AND key = ?", arguments: [run, key])
        else { return [] }
        let condition = steps == nil ? "series = ?" : "series = ? AND step BETWEEN ? AND ?"
        var arguments: StatementArguments = [series]
        if let steps { arguments += [steps.lowerBound, steps.upperBound] }
        let count =
            try Int.fetchOne(
                db, sql: "SELECT COUNT(*) FROM tracking_points WHERE \(condition)", arguments: arguments) ?? 0
        let wanted = MetricSample.indices(of: count, atMost: limit)
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT step, timestamp, value, is_nan FROM tracking_points WHERE \(condition)
                ORDER BY step, timestamp, value, is_nan
                """, arguments: arguments)
        var points: [StoredPoint] = [], position = 0, next = 0
        while next < wanted.count, let row = try rows.next() {
            if position == wanted[next] {
                points.append(StoredPoint(row: row, from: 0))
                next += 1
            }
            position += 1
        }
        return points
    }
}
