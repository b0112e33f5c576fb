import Contracts
import Core
import GRDB
import Storage

/// A search for runs as SQL over both files, where metrics are `telemetry.tracking_series`.
///
/// Filters ask per run whether there is a row (EXISTS), so that no join multiplies rows; one that few runs can pass gives its
/// runs from an index instead. Ordered by a metric, the search walks that metric's index when the runs searched are a good
/// part of all, and sorts the runs otherwise. Metrics are indexed once they are searched by (`unrankedKeys`).
struct RunQuery: Sendable {
    private let experiments: [Int64]
    private let view: ViewType
    private let filter: SearchFilter
    private let order: [SearchOrder]
    private let limit: Int
    private let position: [SortValue]?
    /// What the page tokens of this search belong to.
    private let identity: [String]

    /// More rows than this in an index, and it is quicker to ask run by run.
    private static let fewRows = 2000
    /// Fewer runs than this are sorted rather than walked through by metric.
    private static let manyRuns = 1000

    init(_ search: RunSearch) throws {
        filter = try SearchFilter(search.filter, .runs)
        order = try SearchOrder.parse(search.orderBy, .runs)
        experiments = try search.experimentIDs.map { try Int64($0) ?? EmbeddedTracking.experimentNumber($0) }
        view = search.view
        limit = search.maxResults
        identity =
            [search.view.rawValue, search.filter, try JSON.string(search.experimentIDs)] + search.orderBy
        position = try Keyset.position(
            in: search.pageToken, search: identity, terms: Self.terms(order).map(\.terms.count).reduce(0, +))
    }

    /// The ids of the page's runs, and the token of the next page.
    func page(in db: Database) throws -> (ids: [String], next: String?) {
        guard !experiments.isEmpty else { return ([], nil) }
        let filters = try filter.clauses.map { try condition($0, in: db) }
        var rows: [Row] = []
        for part in try parts(in: db) where rows.count <= limit {
            guard let statement = statement(part, filters: filters, limit: limit + 1 - rows.count) else { continue }
            rows += try SQLRequest<Row>(literal: statement).fetchAll(db)
        }
        var next: String?
        if rows.count > limit {
            let last = rows[limit - 1]
            next = try Keyset.token(
                after: (1..<last.count).map { SortValue(last[$0] as DatabaseValue) }, search: identity)
        }
        return (rows.prefix(limit).map { $0[0] }, next)
    }

    /// The statements for a first page, for tests to look at their plans.
    func statements(in db: Database) throws -> [SQL] {
        let filters = try filter.clauses.map { try condition($0, in: db) }
        return try parts(in: db).compactMap { statement($0, filters: filters, limit: limit + 1) }
    }

    // MARK: Order

    /// How one clause orders: what it joins, and its terms. What can be missing has a term before it that puts it last.
    private struct Ordering {
        var join: SQL = ""
        var terms: [SortTerm]
    }

    private static func terms(_ order: [SearchOrder]) -> [Ordering] {
        var all = order.enumerated().map { index, clause in
            let alias = SQL(sql: "o\(index)")
            func joined(_ table: String, missing: SQL) -> Ordering {
                Ordering(
                    join: """
                         LEFT JOIN \(sql: table) \(literal: alias) ON \(literal: alias).run_id = r.id
                        AND \(literal: alias).key = \(clause.field.key)
                        """,
                    terms: [
                        SortTerm(missing),
                        SortTerm("\(literal: alias).value", isAscending: clause.isAscending),
                    ])
            }
            switch clause.field.entity {
            case .metric:
                // Numbers, then NaN, then nothing, ascending or descending.
                return joined(
                    "telemetry.tracking_series",
                    missing: "CASE WHEN \(literal: alias).value IS NULL THEN 2 ELSE \(literal: alias).is_nan END")
            case .param: return joined("tracking_params", missing: "\(literal: alias).value IS NULL")
            case .tag: return joined("tracking_tags", missing: "\(literal: alias).value IS NULL")
            default:
                let isDuration = clause.field.key == "duration"
                let column = SQL(
                    sql: isDuration ? "(r.end_time - r.start_time)" : "r.\(Self.column(clause.field.key))")
                let value = SortTerm(column, isAscending: clause.isAscending)
                // What still runs comes last.
                return Ordering(
                    terms: isDuration || clause.field.key == "end_time"
                        ? [SortTerm("\(literal: column) IS NULL"), value] : [value])
            }
        }
        if !order.contains(where: { $0.field == SearchField(.attribute, "start_time") }) {
            all.append(Ordering(terms: [SortTerm("r.start_time", isAscending: false)]))
        }
        if !order.contains(where: { $0.field == SearchField(.attribute, "run_id") }) {
            all.append(Ordering(terms: [SortTerm("r.id")]))
        }
        return all
    }

    /// The parts of an order by a metric that are searched one after the other, or everything at once.
    private enum Part: Equatable {
        case everything
        case numbers, notANumber, missing

        /// The value of the first term.
        var rank: Int64 {
            switch self {
            case .everything, .numbers: 0
            case .notANumber: 1
            case .missing: 2
            }
        }
    }

    private func parts(in db: Database) throws -> [Part] {
        guard let first = order.first?.field, first.entity == .metric, try isRanked(first.key, in: db) else {
            return [.everything]
        }
        let searched = try runsSearched(in: db)
        // No less than the number of runs.
        let all = try Int.fetchOne(db, sql: "SELECT max(rowid) FROM tracking_runs") ?? 0
        return searched >= Self.manyRuns && searched * 4 >= all ? [.numbers, .notANumber, .missing] : [.everything]
    }

    /// The keys of metrics whose index this search would use, if there were one.
    func unrankedKeys(in db: Database) throws -> [String] {
        var keys = filter.clauses.filter { $0.field.entity == .metric && $0.comparator != .notEqual }.map(\.field.key)
        if let first = order.first?.field, first.entity == .metric { keys.append(first.key) }
        guard !keys.isEmpty, try runsSearched(in: db) >= Self.manyRuns else { return [] }
        return try Set(keys).filter { try !isRanked($0, in: db) }
    }

    private func runsSearched(in db: Database) throws -> Int {
        try SQLRequest<Int>(literal: "SELECT count(*) FROM tracking_runs r WHERE \(literal: scope)").fetchOne(db) ?? 0
    }

    private func isRanked(_ key: String, in db: Database) throws -> Bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM telemetry.tracking_ranked_keys WHERE key = ?)"
        return try Bool.fetchOne(db, sql: sql, arguments: [key]) ?? false
    }

    /// Nil when the page begins after this part.
    private func statement(_ part: Part, filters: [SQL], limit: Int) -> SQL? {
        let orderings = Self.terms(order)
        var terms = orderings.flatMap(\.terms), after = position
        var columns = terms.map(\.expression), joins = orderings.map(\.join)
        var source: SQL = "tracking_runs r"
        var conditions = [scope] + filters
        if part != .everything {
            let key = order[0].field.key
            if case .integer(let rank)? = after?.first {
                if rank > part.rank { return nil }
                if rank < part.rank { after = nil }
            }
            // The first term, and the second but for numbers, are the same for all rows of the part.
            let fixed = part == .numbers ? 1 : 2
            terms.removeFirst(fixed)
            after?.removeFirst(fixed)
            columns[0] = SQL(sql: "\(part.rank)")
            joins.removeFirst()
            if part == .missing {
                columns[1] = "NULL"
                conditions.append(
                    """
                    NOT EXISTS (SELECT 1 FROM telemetry.tracking_series s
                    WHERE s.run_id = r.id AND s.key = \(key))
                    """)
            } else {
                // CROSS JOIN keeps this order of tables: along the index, until the page is full.
                source = "telemetry.tracking_series o0 CROSS JOIN tracking_runs r ON r.id = o0.run_id"
                conditions.append(
                    "o0.is_ranked = 1 AND o0.key = \(key) AND o0.is_nan = \(sql: part == .numbers ? "0" : "1")")
            }
        }
        if let after { conditions.append("(\(literal: Keyset.after(after, in: terms)))") }
        return """
            SELECT r.id, \(literal: columns.joined(separator: ", ")) FROM \(literal: source)\(literal: joins.joined())
            WHERE \(literal: conditions.joined(separator: " AND "))
            ORDER BY \(literal: Keyset.order(terms)) LIMIT \(limit)
            """
    }

    // MARK: Conditions

    private var scope: SQL {
        let ids = experiments.map(String.init).joined(separator: ", ")
        let inExperiments: SQL =
            experiments.count == 1
            ? "r.experiment_id = \(experiments[0])"
            : "r.experiment_id IN (SELECT value FROM json_each(\("[\(ids)]")))"
        switch view {
        case .activeOnly: return "\(literal: inExperiments) AND r.stage = 'active'"
        case .deletedOnly: return "\(literal: inExperiments) AND r.stage = 'deleted'"
        case .all: return inExperiments
        }
    }

    private func condition(_ clause: SearchFilter.Clause, in db: Database) throws -> SQL {
        let key = clause.field.key
        switch clause.field.entity {
        case .attribute: return try clause.sql(on: "r.\(Self.column(key))")
        case .metric:
            let comparison = try clause.sql(on: "s.value")
            guard clause.comparator != .notEqual else {
                return try exists(
                    "telemetry.tracking_series", "s.key = \(key) AND (\(literal: comparison) OR s.is_nan = 1)", in: db)
            }
            var test: SQL = "s.key = \(key) AND s.is_nan = 0 AND \(literal: comparison)"
            let isRanked = try isRanked(key, in: db)
            // In the words of the index.
            if isRanked { test = "s.is_ranked = 1 AND \(literal: test)" }
            return try exists("telemetry.tracking_series", test, isIndexed: isRanked, in: db)
        case .dataset:
            if key == "context" {
                let context = "json_extract(s.tags, '$.\"mlflow.data.context\"')"
                return try exists("tracking_inputs", try clause.sql(on: context), in: db)
            }
            return try exists(
                "tracking_inputs", try clause.sql(on: "s.\(key)"), isIndexed: clause.comparator == .equal, in: db)
        default:
            let table = clause.field.entity == .param ? "tracking_params" : "tracking_tags"
            switch clause.comparator {
            case .isNull: return "NOT \(literal: try exists(table, "s.key = \(key)", in: db))"
            case .isNotNull: return try exists(table, "s.key = \(key)", in: db)
            default:
                var test: SQL = "s.key = \(key) AND \(literal: try clause.sql(on: "s.value"))"
                var isIndexed = false
                if clause.comparator == .equal, case .text(let text)? = clause.values.first,
                    text.unicodeScalars.count <= Self.longestIndexedValue
                {
                    // In the words of the index, which leaves long values out.
                    test = "\(literal: test) AND \(sql: Self.isIndexed("s.value"))"
                    isIndexed = true
                }
                return try exists(table, test, isIndexed: isIndexed, in: db)
            }
        }
    }

    /// Whether a run has a row in `table` (as `s`) that passes `test`.
    ///
    /// - Parameter isIndexed: whether an index finds the rows that pass by themselves, without their runs.
    private func exists(_ table: String, _ test: SQL, isIndexed: Bool = false, in db: Database) throws -> SQL {
        if isIndexed {
            let few =
                try SQLRequest<Int>(
                    literal: """
                        SELECT count(*) FROM (SELECT 1 FROM \(sql: table) s WHERE \(literal: test)
                        LIMIT \(Self.fewRows + 1))
                        """
                ).fetchOne(db) ?? 0
            if few <= Self.fewRows { return "r.id IN (SELECT s.run_id FROM \(sql: table) s WHERE \(literal: test))" }
        }
        return "EXISTS (SELECT 1 FROM \(sql: table) s WHERE s.run_id = r.id AND \(literal: test))"
    }

    /// Characters of a param or tag that is in the index of values.
    static let longestIndexedValue = 250

    static func isIndexed(_ column: String) -> String { "length(\(column)) <= \(longestIndexedValue)" }

    /// The attribute's column in `tracking_runs`.
    private static func column(_ attribute: String) -> String {
        switch attribute {
        case "run_id": "id"
        case "run_name": "name"
        case "user_id": "user"
        default: attribute
        }
    }
}

extension SearchFilter.Clause {
    func sql(on column: String) throws -> SQL {
        let condition = try condition(on: column)
        return SQL(sql: condition.sql, arguments: StatementArguments(condition.values.map(\.databaseValue)))
    }
}

extension SearchValue {
    var databaseValue: DatabaseValue {
        switch self {
        case .text(let text): text.databaseValue
        case .integer(let number): number.databaseValue
        case .number(let number): number.databaseValue
        }
    }
}
