import Contracts
import Core
import GRDB

/// One stored point. SQLite keeps a NaN as NULL, so it is kept as 0 with a mark; infinities it keeps as they are.
struct StoredPoint: Codable, Comparable {
    var step: Int64
    var timestamp: Int64
    var value: Double
    var isNaN: Bool

    init(_ point: MetricPoint) {
        step = point.step
        timestamp = point.timestamp.milliseconds
        isNaN = point.value.isNaN
        value = isNaN ? 0 : point.value
    }

    /// Columns `step, timestamp, value, is_nan`, from `column` on.
    init(row: Row, from column: Int) {
        step = row[column]
        timestamp = row[column + 1]
        value = row[column + 2]
        isNaN = row[column + 3]
    }

    var number: Double { isNaN ? .nan : value }

    func point(_ key: String) -> MetricPoint {
        MetricPoint(key: key, value: number, timestamp: Timestamp(milliseconds: timestamp), step: step)
    }

    /// The order that decides which point is the latest: step, then time, then value.
    static func < (a: StoredPoint, b: StoredPoint) -> Bool {
        if a.step != b.step { return a.step < b.step }
        if a.timestamp != b.timestamp { return a.timestamp < b.timestamp }
        if a.value != b.value { return a.value < b.value }
        return !a.isNaN && b.isNaN
    }
}

/// Series and points in `telemetry.db`.
enum MetricTable {
    private struct Series {
        var id: Int64
        var latest: StoredPoint
        var isStale = false
    }

    /// Stores each point once and keeps each series' latest.
    static func insert(_ points: [MetricPoint], run: String, in db: Database) throws {
        var all: [String: Series] = [:]
        let insert = try db.cachedStatement(
            sql: "INSERT OR IGNORE INTO tracking_points (series, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?)"
        )
        for point in points {
            let stored = StoredPoint(point)
            var series = try all[point.key] ?? findOrCreate(point.key, stored, run: run, in: db)
            if series.latest < stored {
                series.latest = stored
                series.isStale = true
            }
            all[point.key] = series
            try insert.execute(arguments: [series.id, stored.step, stored.timestamp, stored.value, stored.isNaN])
        }
        let update = try db.cachedStatement(
            sql: "UPDATE tracking_series SET step = ?, timestamp = ?, value = ?, is_nan = ? WHERE id = ?")
        for series in all.values where series.isStale {
            let latest = series.latest
            try update.execute(arguments: [latest.step, latest.timestamp, latest.value, latest.isNaN, series.id])
        }
    }

    private static func findOrCreate(_ key: String, _ first: StoredPoint, run: String, in db: Database) throws -> Series
    {
        let find = try db.cachedStatement(
            sql: "SELECT id, step, timestamp, value, is_nan FROM tracking_series WHERE run_id = ? AND key = ?")
        if let row = try Row.fetchOne(find, arguments: [run, key]) {
            return Series(id: row[0], latest: StoredPoint(row: row, from: 1))
        }
        let create = try db.cachedStatement(
            sql: """
                INSERT INTO tracking_series (run_id, key, step, timestamp, value, is_nan, is_ranked)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, EXISTS (SELECT 1 FROM tracking_ranked_keys WHERE key = ?2))
                """)
        try create.execute(arguments: [run, key, first.step, first.timestamp, first.value, first.isNaN])
        return Series(id: db.lastInsertedRowID, latest: first)
    }

    /// The latest points of many runs in one statement, by key within a run. `runs` is a JSON array of ids.
    static func latest(ofRuns runs: String, in db: Database) throws -> [String: [MetricPoint]] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT run_id, key, step, timestamp, value, is_nan FROM tracking_series
                WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, key
                """, arguments: [runs])
        var found: [String: [MetricPoint]] = [:]
        while let row = try rows.next() {
            found[row[0] as String, default: []].append(StoredPoint(row: row, from: 2).point(row[1]))
        }
        return found
    }

    /// More keys than anybody orders runs by.
    private static let mostRankedKeys = 100

    /// Brings a key's series into the index of values, now and whenever one is added.
    static func rank(_ key: String, in db: Database) throws {
        let ranked = try Int.fetchOne(db, sql: "SELECT count(*) FROM tracking_ranked_keys") ?? 0
        guard ranked < mostRankedKeys else { return }
        try db.execute(sql: "INSERT OR IGNORE INTO tracking_ranked_keys VALUES (?)", arguments: [key])
        guard db.changesCount > 0 else { return }
        try db.execute(sql: "UPDATE tracking_series SET is_ranked = 1 WHERE key = ?", arguments: [key])
    }

    /// At most `limit` points of one key after `cursor`, by step, time and value.
    static func history(
        _ key: String, run: String, after cursor: StoredPoint?, limit: Int, in db: Database
    ) throws -> [StoredPoint] {
        var sql = """
            SELECT step, timestamp, value, is_nan FROM tracking_points
            WHERE series = (SELECT id FROM tracking_series WHERE run_id = ? AND key = ?)
            """
        var arguments: StatementArguments = [run, key]
        if let cursor {
            sql += " AND (step, timestamp, value, is_nan) > (?, ?, ?, ?)"
            arguments += [cursor.step, cursor.timestamp, cursor.value, cursor.isNaN]
        }
        sql += " ORDER BY step, timestamp, value, is_nan LIMIT ?"
        return try Row.fetchAll(db, sql: sql, arguments: arguments + [limit]).map { StoredPoint(row: $0, from: 0) }
    }
}
