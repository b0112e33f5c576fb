import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func runs(_ search: RunSearch) async throws -> Page<Run> {
        try TrackingRules.checkPageSize(search.maxResults)
        let order = try search.orderBy.map(RunOrder.init(parsing:))
        let cursor = try PageToken.decode(RunCursor.self, search.pageToken)
        if let cursor, cursor.order != order { throw PageToken.invalid(search.pageToken ?? "") }
        // An id that is no number names no experiment, and a search in none finds nothing, as in MLflow.
        let experiments = try JSON.string(search.experimentIDs.compactMap { Int64($0) })

        var positions = try await decisions.read { db in
            try Self.positions(experiments, search.view, order: order, in: db)
        }
        positions = try await addMetrics(to: positions, order: order)
        let maxResults = search.maxResults
        // On a reader's thread, because sorting ten thousand runs takes longer than a cooperative thread should be held.
        let unsorted = positions
        let page = try await decisions.read { _ in
            Self.page(of: unsorted, after: cursor?.last, order: order, limit: maxResults + 1)
        }
        let shown = page.prefix(maxResults)
        var next: String?
        if page.count > maxResults, let last = shown.last {
            next = try PageToken.encode(RunCursor(order: order, last: last))
        }
        return Page(items: try await runs(withIDs: shown.map(\.id)), nextPageToken: next)
    }

    private struct HistoryCursor: Codable {
        var key: String
        var last: StoredPoint
    }

    package func metricHistory(
        runID: String, key: String, maxResults: Int, pageToken: String?
    ) async throws -> Page<MetricPoint> {
        try TrackingRules.checkPageSize(maxResults, in: TrackingRules.historyPageSize)
        let cursor = try PageToken.decode(HistoryCursor.self, pageToken)
        if let cursor, cursor.key != key { throw PageToken.invalid(pageToken ?? "") }
        _ = try await decisions.read { db in try Self.runRow(runID, in: db).count }
        await completePendingBatchesIfPossible()
        let points = try await telemetry.read { db in
            try MetricTable.history(key, run: runID, after: cursor?.last, limit: maxResults + 1, in: db)
        }
        let shown = points.prefix(maxResults)
        var next: String?
        if points.count > maxResults, let last = shown.last {
            next = try PageToken.encode(HistoryCursor(key: key, last: last))
        }
        return Page(items: shown.map { $0.point(key) }, nextPageToken: next)
    }

    /// Every run of the experiments, newest first, with its values for the clauses that `nestbox.db` can answer.
    private static func positions(
        _ experiments: String, _ view: ViewType, order: [RunOrder], in db: Database
    ) throws -> [RunPosition] {
        let found = "FROM tracking_runs WHERE experiment_id IN (SELECT value FROM json_each(?)) AND \(condition(view))"
        let columns = order.map { clause in
            if case .attribute(let column) = clause.field { column } else { "NULL" }
        }
        let sql =
            "SELECT \((["id", "start_time"] + columns).joined(separator: ", ")) \(found) ORDER BY start_time DESC, id"
        var positions: [RunPosition] = []
        let rows = try Row.fetchCursor(db, sql: sql, arguments: [experiments])
        while let row = try rows.next() {
            let values = order.indices.map { value(row[$0 + 2] as DatabaseValue) }
            positions.append(RunPosition(values: values, startTime: row[1], id: row[0]))
        }
        for (index, clause) in order.enumerated() {
            let table: String, key: String
            switch clause.field {
            case .param(let name): (table, key) = ("tracking_params", name)
            case .tag(let name): (table, key) = ("tracking_tags", name)
            case .metric, .attribute: continue
            }
            let sql = "SELECT run_id, value FROM \(table) WHERE key = ? AND run_id IN (SELECT id \(found))"
            var texts: [String: String] = [:]
            let rows = try Row.fetchCursor(db, sql: sql, arguments: [key, experiments])
            while let row = try rows.next() { texts[row[0] as String] = row[1] as String }
            for at in positions.indices {
                positions[at].values[index] = texts[positions[at].id].map { .text($0) } ?? .missing
            }
        }
        return positions
    }

    private static func value(_ value: DatabaseValue) -> RunOrderValue {
        switch value.storage {
        case .int64(let number): .number(Double(number))
        case .double(let number): .number(number)
        case .string(let text): .text(text)
        case .null, .blob: .missing
        }
    }

    private func addMetrics(to positions: [RunPosition], order: [RunOrder]) async throws -> [RunPosition] {
        let keys: [String?] = order.map { clause in
            if case .metric(let key) = clause.field { return key }
            return nil
        }
        guard keys.contains(where: { $0 != nil }), !positions.isEmpty else { return positions }
        await completePendingBatchesIfPossible()
        let ids = try JSON.string(positions.map(\.id))
        return try await telemetry.read { db in
            var positions = positions
            for (index, key) in keys.enumerated() {
                guard let key else { continue }
                let numbers = try MetricTable.latest(key, ofRuns: ids, in: db)
                for at in positions.indices { positions[at].values[index] = RunOrderValue(numbers[positions[at].id]) }
            }
            return positions
        }
    }

    private static func page(
        of positions: [RunPosition], after last: RunPosition?, order: [RunOrder], limit: Int
    ) -> [RunPosition] {
        var rest = positions
        if let last { rest.removeAll { !last.precedes($0, in: order) } }
        // Without a clause the rows come in order already.
        if !order.isEmpty { rest.sort { $0.precedes($1, in: order) } }
        return Array(rest.prefix(limit))
    }
}
