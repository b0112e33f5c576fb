import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func metricCurve(
        runID: String, key: String, steps: ClosedRange<Int64>?, buckets: Int
    ) async throws -> MetricCurve {
        guard (1...MetricCurve.mostBuckets).contains(buckets) else {
            throw NestboxError.invalid("a curve has 1 to \(MetricCurve.mostBuckets) buckets, not \(buckets)")
        }
        _ = try await decisions.read { db in try Self.runRow(runID, in: db).count }
        await completePendingBatchesIfPossible()
        return try await telemetry.read { db in
            let find = try db.cachedStatement(sql: "SELECT id FROM tracking_series WHERE run_id = ? AND key = ?")
            guard let series = try Int64.fetchOne(find, arguments: [runID, key]) else {
                return MetricCurve(buckets: [])
            }
            return try CurveReader(series: series, steps: steps ?? .min ... .max, in: db).curve(buckets)
        }
    }
}

/// Reads a series in as many ranges of its primary key as there are buckets: SQLite finds each range by its index and
/// computes inside it without a sort, so that a million points take little longer than reading them.
private struct CurveReader {
    /// What the buckets divide.
    private enum Axis: String { case step, timestamp }

    let series: Int64
    let steps: ClosedRange<Int64>
    let db: Database

    init(series: Int64, steps: ClosedRange<Int64>, in db: Database) {
        self.series = series
        self.steps = steps
        self.db = db
    }

    func curve(_ most: Int) throws -> MetricCurve {
        // Few points are drawn as they are.
        let all = try points("ORDER BY step, timestamp, value, is_nan LIMIT ?", [most + 1])
        if all.count <= most { return MetricCurve(buckets: all.filter { !$0.isNaN }.map { .init($0.point("")) }) }
        guard let first = all.first, let last = try points("ORDER BY step DESC, timestamp DESC LIMIT 1", []).first
        else { return MetricCurve(buckets: []) }
        return first.step == last.step
            ? try divide(first.timestamp...last.timestamp, along: .timestamp, step: first.step, into: most)
            : try divide(first.step...last.step, along: .step, step: first.step, into: most)
    }

    private func divide(
        _ range: ClosedRange<Int64>, along axis: Axis, step: Int64, into most: Int
    ) throws -> MetricCurve {
        // Distances in unsigned numbers: the steps may lie further apart than a signed one can say.
        let width = UInt64(bitPattern: range.upperBound &- range.lowerBound) / UInt64(most) + 1
        let condition =
            axis == .step
            ? "series = ?1 AND step BETWEEN ?2 AND ?3" : "series = ?1 AND step = ?4 AND timestamp BETWEEN ?2 AND ?3"
        let begin = try db.cachedStatement(
            sql: """
                SELECT step, timestamp FROM tracking_points WHERE \(condition) ORDER BY step, timestamp LIMIT 1
                """)
        let summary = try db.cachedStatement(
            sql: """
                SELECT min(value), max(value), avg(value), count(*) FROM tracking_points
                WHERE \(condition) AND is_nan = 0
                """)
        var buckets: [MetricCurve.Bucket] = []
        let more: StatementArguments = axis == .step ? [] : [step]
        var position = range.lowerBound
        while let next = try Row.fetchOne(begin, arguments: [series, position, range.upperBound] + more) {
            let place: Int64 = next[axis == .step ? 0 : 1]
            let offset = UInt64(bitPattern: place &- range.lowerBound) / width * width
            let start = range.lowerBound &+ Int64(bitPattern: offset)
            let left = UInt64(bitPattern: range.upperBound &- start)
            let end = start &+ Int64(bitPattern: min(left, width - 1))
            if let row = try Row.fetchOne(summary, arguments: [series, start, end] + more), let low = row[0] as Double?,
                let high = row[1] as Double?
            {
                buckets.append(
                    .init(
                        step: next[0], timestamp: Timestamp(milliseconds: next[1]), min: low, max: high,
                        // No number where both infinities meet.
                        mean: row[2] as Double? ?? .nan, count: row[3]))
            }
            if end == range.upperBound { break }
            position = end + 1
        }
        return MetricCurve(buckets: buckets)
    }

    private func points(_ rest: String, _ more: StatementArguments) throws -> [StoredPoint] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT step, timestamp, value, is_nan FROM tracking_points WHERE series = ? AND step BETWEEN ? AND ? \(rest)
                """)
        return try Row.fetchAll(statement, arguments: [series, steps.lowerBound, steps.upperBound] + more).map {
            StoredPoint(row: $0, from: 0)
        }
    }
}
