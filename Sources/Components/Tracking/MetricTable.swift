import Contracts
import Core
import GRDB
import Storage

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

    init(_ statement: RepeatedStatement, from column: Int32) {
        step = statement.integer(column)
        timestamp = statement.integer(column + 1)
        value = statement.double(column + 2)
        isNaN = statement.integer(column + 3) != 0
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

extension RepeatedStatement {
    /// As `step, timestamp, value, is_nan`.
    fileprivate func bind(_ point: StoredPoint, from parameter: Int32) {
        bind(parameter, point.step)
        bind(parameter + 1, point.timestamp)
        bind(parameter + 2, point.value)
        bind(parameter + 3, Int64(point.isNaN ? 1 : 0))
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
        let finder = try SeriesFinder(run: run, in: db)
        let insert = try RepeatedStatement(
            "INSERT OR IGNORE INTO tracking_points (series, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?)",
            in: db)
        for point in points {
            let stored = StoredPoint(point)
            var series = try all[point.key] ?? finder.findOrCreate(point.key, stored)
            if series.latest < stored {
                series.latest = stored
                series.isStale = true
            }
            all[point.key] = series
            insert.bind(1, series.id)
            insert.bind(stored, from: 2)
            _ = try insert.step()
        }
        guard all.values.contains(where: \.isStale) else { return }
        let update = try RepeatedStatement(
            "UPDATE tracking_series SET step = ?, timestamp = ?, value = ?, is_nan = ? WHERE id = ?", in: db)
        for series in all.values where series.isStale {
            update.bind(series.latest, from: 1)
            update.bind(5, series.id)
            _ = try update.step()
        }
    }

    private struct SeriesFinder {
        let find: RepeatedStatement
        let create: RepeatedStatement
        let db: Database

        init(run: String, in db: Database) throws {
            self.db = db
            find = try RepeatedStatement(
                "SELECT id, step, timestamp, value, is_nan FROM tracking_series WHERE run_id = ? AND key = ?", in: db)
            create = try RepeatedStatement(
                """
                INSERT INTO tracking_series (run_id, key, step, timestamp, value, is_nan, is_ranked)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, EXISTS (SELECT 1 FROM tracking_ranked_keys WHERE key = ?2))
                """, in: db)
            find.bind(1, run)
            create.bind(1, run)
        }

        func findOrCreate(_ key: String, _ first: StoredPoint) throws -> Series {
            find.bind(2, key)
            if try find.step() {
                defer { find.reset() }
                return Series(id: find.integer(0), latest: StoredPoint(find, from: 1))
            }
            create.bind(2, key)
            create.bind(first, from: 3)
            _ = try create.step()
            return Series(id: db.lastInsertedRowID, latest: first)
        }
    }

    /// The latest points of many runs in one statement, by key within a run. `runs` is a JSON array of ids.
    static func latest(ofRuns runs: String, in db: Database) throws -> [String: [MetricPoint]] {
        let rows = try RepeatedStatement(
            """
            SELECT run_id, key, step, timestamp, value, is_nan FROM tracking_series
            WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, key
            """, in: db)
        rows.bind(1, runs)
        var found: [String: [MetricPoint]] = [:]
        while try rows.step() {
            found[rows.text(0), default: []].append(StoredPoint(rows, from: 2).point(rows.text(1)))
        }
        return found
    }

    /// The latest points of one run by key; nil when there are more than `most`.
    static func latest(ofRun run: String, most: Int, in db: Database) throws -> [MetricPoint]? {
        let rows = try RepeatedStatement(
            """
            SELECT key, step, timestamp, value, is_nan FROM tracking_series WHERE run_id = ? ORDER BY key LIMIT ?
            """, in: db)
        rows.bind(1, run)
        rows.bind(2, Int64(most) + 1)
        var found: [MetricPoint] = []
        while try rows.step() { found.append(StoredPoint(rows, from: 1).point(rows.text(0))) }
        return found.count > most ? nil : found
    }

    /// The latest point of each key, by key.
    static func latest(of points: [MetricPoint]) -> [MetricPoint] {
        var found: [String: StoredPoint] = [:]
        for point in points {
            let stored = StoredPoint(point)
            found[point.key] = found[point.key].map { max($0, stored) } ?? stored
        }
        return found.map { $1.point($0) }.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
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
