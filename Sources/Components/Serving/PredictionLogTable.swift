import Contracts
import Core
import Foundation
import GRDB
import Storage
import Tables

/// `serving_predictions` in `telemetry.db`: one row per row of a request, its inputs as compact JSON. The names of
/// deployment and model are kept once, in `serving_targets`.
enum PredictionLogTable {
    static let migrations = [
        Migration("serving.log.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE serving_targets (
                        id INTEGER PRIMARY KEY, deployment TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
                        UNIQUE (deployment, model, version));
                    CREATE TABLE serving_predictions (
                        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, line INTEGER NOT NULL, at INTEGER NOT NULL,
                        target INTEGER NOT NULL, inputs TEXT NOT NULL, output REAL NOT NULL);
                    CREATE INDEX serving_predictions_by_id ON serving_predictions (id);
                    CREATE INDEX serving_predictions_by_target ON serving_predictions (target, at);
                    """)
        }
    ]

    /// Rows removed by one write.
    static let pruneStep = 5000

    struct Line: Sendable {
        let id: String
        let row: Int
        let at: Timestamp
        let deployment: String
        let model: String
        let version: Int
        let inputs: String
        let output: Double
    }

    static func insert(_ lines: [Line], in context: WriteContext) throws {
        let insert = try context.db.cachedStatement(
            sql: "INSERT INTO serving_predictions (id, line, at, target, inputs, output) VALUES (?, ?, ?, ?, ?, ?)")
        var last: (line: Line, id: Int64)?
        for line in lines {
            let target: Int64
            if let last, last.line.deployment == line.deployment, last.line.model == line.model,
                last.line.version == line.version
            {
                target = last.id
            } else {
                target = try self.target(line, in: context)
                last = (line, target)
            }
            try insert.execute(arguments: [line.id, line.row, line.at.milliseconds, target, line.inputs, line.output])
        }
    }

    private static func target(_ line: Line, in context: WriteContext) throws -> Int64 {
        let key: StatementArguments = [line.deployment, line.model, line.version]
        let find = "SELECT id FROM serving_targets WHERE deployment = ? AND model = ? AND version = ?"
        if let id = try Int64.fetchOne(context.db, sql: find, arguments: key) { return id }
        try context.db.execute(
            sql: "INSERT INTO serving_targets (deployment, model, version) VALUES (?, ?, ?)", arguments: key)
        return context.db.lastInsertedRowID
    }

    /// Removes at most `pruneStep` rows that are beyond a limit. Looks at the oldest rows only, so it costs little when
    /// there is nothing to do.
    static func prune(_ limits: PredictionLogWriter.Limits, in context: WriteContext) throws -> Int {
        let newest = try Int64.fetchOne(context.db, sql: "SELECT MAX(seq) FROM serving_predictions") ?? 0
        let bound = try Int64.fetchOne(
            context.db,
            sql: """
                SELECT MAX(seq) FROM (SELECT seq, at FROM serving_predictions ORDER BY seq LIMIT ?)
                WHERE at < ? OR seq <= ?
                """,
            arguments: [
                pruneStep, context.now.adding(seconds: -limits.keptSeconds).milliseconds,
                newest - Int64(limits.keptRows),
            ])
        guard let bound else { return 0 }
        try context.db.execute(sql: "DELETE FROM serving_predictions WHERE seq <= ?", arguments: [bound])
        return context.db.changesCount
    }

    // MARK: Reading

    private static let columns = "p.seq, p.id, p.line, p.at, p.inputs, p.output, t.deployment, t.model, t.version"

    /// The newest rows of a deployment, over all versions it has had, newest first.
    static func newest(_ limit: Int, of deployment: String, in db: GRDB.Database) throws -> [LoggedPrediction] {
        let targets = try Int64.fetchAll(
            db, sql: "SELECT id FROM serving_targets WHERE deployment = ?", arguments: [deployment])
        // Per target and then merged: over several targets at once, SQLite would sort the whole log.
        let rows = try targets.flatMap { target in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT \(columns) FROM serving_predictions p JOIN serving_targets t ON t.id = p.target
                    WHERE p.target = ? ORDER BY p.at DESC, p.seq DESC LIMIT ?
                    """, arguments: [target, limit])
        }
        func order(_ row: Row) -> (Int64, Int64) { (row["at"], row["seq"]) }
        return try rows.sorted { order($0) > order($1) }.prefix(limit).map(logged)
    }

    static func rows(of id: String, in db: GRDB.Database) throws -> [LoggedPrediction] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT \(columns) FROM serving_predictions p JOIN serving_targets t ON t.id = p.target
                WHERE p.id = ? ORDER BY p.line
                """, arguments: [id]
        ).map(logged)
    }

    private static func logged(_ row: Row) throws -> LoggedPrediction {
        let inputs: String = row["inputs"]
        return LoggedPrediction(
            id: row["id"], row: row["line"], at: Timestamp(milliseconds: row["at"]), deployment: row["deployment"],
            model: row["model"], version: row["version"],
            inputs: try JSONReader.parse(inputs.utf8, what: "the logged inputs").objectValue ?? [:],
            output: row["output"])
    }

    /// Logged rows as they were stored, oldest first.
    struct Logged: Sendable {
        var inputs: [String] = []
        var outputs: [Double] = []
        var times: [Int64] = []

        func columns(_ reader: RowReader) throws -> LoggedColumns {
            let rows = try inputs.map { try JSONReader.parse($0.utf8, what: "the logged inputs").objectValue ?? [:] }
            return LoggedColumns(
                inputs: try reader.table(try reader.cells(rows, found: [:]), rowCount: rows.count), outputs: outputs,
                times: times.map { Timestamp(milliseconds: $0) })
        }
    }

    static func columns(
        of deployment: String, model: String, version: Int, since: Timestamp, limit: Int, in db: GRDB.Database
    ) throws -> Logged {
        let cursor = try Row.fetchCursor(
            db,
            sql: """
                SELECT p.at, p.inputs, p.output FROM serving_predictions p
                WHERE p.target = (SELECT id FROM serving_targets WHERE deployment = ? AND model = ? AND version = ?)
                AND p.at >= ? ORDER BY p.at DESC, p.seq DESC LIMIT ?
                """, arguments: [deployment, model, version, since.milliseconds, max(0, limit)])
        var logged = Logged()
        while let row = try cursor.next() {
            logged.inputs.append(row["inputs"])
            logged.outputs.append(row["output"])
            logged.times.append(row["at"])
        }
        logged.inputs.reverse()
        logged.outputs.reverse()
        logged.times.reverse()
        return logged
    }
}
