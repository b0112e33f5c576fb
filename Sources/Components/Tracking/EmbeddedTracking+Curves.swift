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
        let steps = steps ?? .min ... .max
        let start: CurveStart = try await telemetry.read { db in
            let find = try db.cachedStatement(sql: "SELECT id FROM tracking_series WHERE run_id = ? AND key = ?")
            guard let series = try Int64.fetchOne(find, arguments: [runID, key]) else {
                return .whole(MetricCurve(buckets: []))
            }
            return try CurveStart(series, steps, buckets, in: db)
        }
        switch start {
        case .whole(let curve): return curve
        case .parts(let parts): return try await read(parts)
        }
    }

    /// Several at a time: reading a million points is computation.
    private func read(_ parts: [CurvePart]) async throws -> MetricCurve {
        try await withThrowingTaskGroup(of: (Int, [MetricCurve.Bucket]).self) { group in
            for (index, part) in parts.enumerated() {
                group.addTask { (index, try await self.telemetry.read { db in try part.buckets(in: db) }) }
            }
            var found = [[MetricCurve.Bucket]](repeating: [], count: parts.count)
            for try await (index, buckets) in group { found[index] = buckets }
            return MetricCurve(buckets: Array(found.joined()))
        }
    }
}

/// A curve that needs no buckets, or the parts that its buckets are read in.
private enum CurveStart: Sendable {
    case whole(MetricCurve)
    case parts([CurvePart])

    init(_ series: Int64, _ steps: ClosedRange<Int64>, _ most: Int, in db: Database) throws {
        func points(_ rest: String, _ more: StatementArguments) throws -> [StoredPoint] {
            let statement = try db.cachedStatement(
                sql: """
                    SELECT step, timestamp, value, is_nan FROM tracking_points
                    WHERE series = ? AND step BETWEEN ? AND ? \(rest)
                    """)
            return try Row.fetchAll(statement, arguments: [series, steps.lowerBound, steps.upperBound] + more).map {
                StoredPoint(row: $0, from: 0)
            }
        }
        // Few points are drawn as they are.
        let all = try points("ORDER BY step, timestamp, value, is_nan LIMIT ?", [most + 1])
        guard all.count > most, let first = all.first,
            let last = try points("ORDER BY step DESC, timestamp DESC LIMIT 1", []).first
        else {
            self = .whole(MetricCurve(buckets: all.filter { !$0.isNaN }.map { .init($0.point("")) }))
            return
        }
        let isTimed = first.step == last.step
        let range = isTimed ? first.timestamp...last.timestamp : first.step...last.step
        self = .parts(CurvePart.all(series, range, step: isTimed ? first.step : nil, into: most))
    }
}

/// Some of a curve's buckets. They are read as that many ranges of the points' primary key: SQLite finds each by its index and
/// computes inside it without a sort, so that a million points take little longer than reading them.
private struct CurvePart: Sendable {
    let series: Int64
    /// What all buckets divide.
    let whole: ClosedRange<Int64>
    /// The one step of all points, when the buckets divide times.
    let step: Int64?
    /// Of a bucket. Distances are unsigned numbers: steps may lie further apart than a signed one can say.
    let width: UInt64
    /// From the beginning of the whole.
    let from: UInt64
    let to: UInt64

    /// As many as SQLite may read at a time without keeping other readers waiting.
    private static let parts = 4

    static func all(_ series: Int64, _ whole: ClosedRange<Int64>, step: Int64?, into most: Int) -> [CurvePart] {
        let length = UInt64(bitPattern: whole.upperBound &- whole.lowerBound)
        let width = length / UInt64(most) + 1
        return (0..<parts).compactMap { index in
            let (from, isBeyond) = UInt64(most * index / parts).multipliedReportingOverflow(by: width)
            let (next, isLast) = UInt64(most * (index + 1) / parts).multipliedReportingOverflow(by: width)
            guard !isBeyond, from <= length, isLast || next > from else { return nil }
            return CurvePart(
                series: series, whole: whole, step: step, width: width, from: from,
                to: isLast ? length : min(length, next - 1))
        }
    }

    func buckets(in db: Database) throws -> [MetricCurve.Bucket] {
        let condition =
            step == nil
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
        let more: StatementArguments = step.map { [$0] } ?? []
        let upper = whole.lowerBound &+ Int64(bitPattern: to)
        var buckets: [MetricCurve.Bucket] = []
        var position = whole.lowerBound &+ Int64(bitPattern: from)
        while let next = try Row.fetchOne(begin, arguments: [series, position, upper] + more) {
            let place: Int64 = next[step == nil ? 0 : 1]
            let offset = UInt64(bitPattern: place &- whole.lowerBound) / width * width
            let start = whole.lowerBound &+ Int64(bitPattern: offset)
            let left = UInt64(bitPattern: upper &- start)
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
            if end == upper { break }
            position = end + 1
        }
        return buckets
    }
}
