import Contracts
import Core
import GRDB

/// One query of trace metrics as one SQL statement; its columns are the dimensions, then the aggregations.
struct TraceMetricStatement {
    private(set) var sql = ""
    private(set) var arguments = StatementArguments()
    /// In the order of the columns; the first is `time_bucket` when there is an interval.
    let dimensions: [String]
    static let bucket = "time_bucket"

    private var conditions: [String] = []

    init(_ query: TraceMetricQuery, offset: Int) throws {
        let table = TraceMetricTable.of(query.view)
        let metric = try Self.check(query, table)
        var keys = query.dimensions.compactMap { table.dimensions[$0]?.expression }
        if let interval = query.interval {
            keys.insert(Self.bucket(table.time, interval), at: 0)
            dimensions = [Self.bucket] + query.dimensions
        } else {
            dimensions = query.dimensions
        }
        var joins = metric.joins
        for case let join? in query.dimensions.map({ table.dimensions[$0]?.join }) where !joins.contains(join) {
            joins.append(join)
        }
        let aggregations = query.aggregations.map { aggregation in
            aggregation.percentile == nil
                ? "\(aggregation.kind.rawValue)(\(metric.expression))" : "\(Percentile.name)(\(metric.expression), ?)"
        }
        arguments += StatementArguments(query.aggregations.compactMap(\.percentile))
        sql = """
            SELECT \((keys + aggregations).joined(separator: ", ")) FROM \(table.source) \(joins.joined(separator: " "))
            """
        let scope = TraceQuery.scope(query.experimentIDs)
        add(scope.sql, scope.arguments)
        try addTimes(query, table)
        for filter in query.filters { try add(filter, query.view) }
        for key in query.dimensions.compactMap({ table.dimensions[$0]?.expression }) + [metric.expression] {
            // A count of distinct values leaves NULL out by itself.
            if !key.hasPrefix("DISTINCT ") { conditions.append("\(key) IS NOT NULL") }
        }
        sql += " WHERE " + conditions.joined(separator: " AND ")
        if !keys.isEmpty {
            let columns = (1...keys.count).map(String.init).joined(separator: ", ")
            sql += " GROUP BY \(columns) ORDER BY \(columns)"
        }
        sql += " LIMIT ? OFFSET ?"
        arguments += [query.maxResults + 1, offset]
    }

    /// The beginning of the interval, in milliseconds, that a row falls into.
    private static func bucket(_ time: (expression: String, perMillisecond: Int64), _ interval: Int64) -> String {
        let size = interval * 1000 * time.perMillisecond, moment = time.expression
        return "((\(moment) - ((\(moment) % \(size)) + \(size)) % \(size)) / \(time.perMillisecond))"
    }

    private mutating func add(_ condition: String, _ more: StatementArguments) {
        conditions.append(condition)
        arguments += more
    }

    /// Counts and durations of spans go by their trace's time, their costs by their own: as in the original.
    private mutating func addTimes(_ query: TraceMetricQuery, _ table: TraceMetricTable) throws {
        let isCost = query.view == .spans && query.metric.hasSuffix("_cost")
        let (moment, unit) = isCost ? table.time : ("t.timestamp_ms", 1)
        func scaled(_ milliseconds: Int64, adding: Int64) -> Int64 {
            let (product, overflows) = milliseconds.multipliedReportingOverflow(by: unit)
            if overflows { return milliseconds < 0 ? .min : .max }
            let (sum, overflowsToo) = product.addingReportingOverflow(adding)
            return overflowsToo ? .max : sum
        }
        if let start = query.start { add("\(moment) >= ?", [scaled(start, adding: 0)]) }
        // All of the last millisecond.
        if let end = query.end { add("\(moment) <= ?", [scaled(end, adding: unit - 1)]) }
    }

    // MARK: filters

    private mutating func add(_ filter: String, _ view: TraceMetricQuery.View) throws {
        let clauses = try SearchFilter(filter, .traceMetrics).clauses
        guard clauses.count == 1, let clause = clauses.first, case .text(let value)? = clause.values.first else {
            throw NestboxError.invalid(
                "Invalid filter: '\(filter.prefix(200))'. Expected one filter clause.",
                hint: "write one comparison in each of the filters, which must all hold")
        }
        let key = clause.field.key
        switch clause.field.entity {
        case .trace: add("t.status = ?", [value])
        case .tag: add(Self.pair("tracing_tags"), [key, value])
        case .metadata where key == TraceKey.sourceRun:
            add(
                """
                (\(Self.pair("tracing_metadata")) OR EXISTS (
                    SELECT 1 FROM tracing_links l WHERE l.kind = 'run' AND l.target = ? AND l.trace_id = t.id))
                """, [key, value, value])
        case .metadata: add(Self.pair("tracing_metadata"), [key, value])
        case .span:
            try Self.require(.spans, view, "span")
            add("s.\(key) = ?", [value])
        default:
            try Self.require(.assessments, view, "assessment")
            add(key == "type" ? "a.kind = ?" : "a.name = ?", [value])
        }
    }

    private static func pair(_ table: String) -> String {
        "EXISTS (SELECT 1 FROM \(table) p WHERE p.trace_id = t.id AND p.key = ? AND p.value = ?)"
    }

    private static func require(_ needed: TraceMetricQuery.View, _ view: TraceMetricQuery.View, _ what: String) throws {
        guard view != needed else { return }
        throw NestboxError.invalid(
            "Filtering by \(what) is only supported for \(needed.rawValue) view type, got \(view.rawValue)")
    }

    // MARK: checks

    private static func check(
        _ query: TraceMetricQuery, _ table: TraceMetricTable
    ) throws -> TraceMetricTable.Metric {
        guard let metric = table.metrics[query.metric] else {
            throw NestboxError.invalid(
                "metric_name must be one of \(table.metrics.keys.sorted().joined(separator: ", ")), got '\(query.metric.prefix(80))'"
            )
        }
        for aggregation in query.aggregations {
            guard metric.aggregations.contains(aggregation.kind) else {
                let known = metric.aggregations.map(\.rawValue).sorted().joined(separator: ", ")
                throw NestboxError.invalid(
                    "Found invalid aggregation_type(s): \(aggregation.kind.rawValue). Supported aggregation types: \(known)"
                )
            }
            try check(aggregation)
        }
        for dimension in query.dimensions where !metric.dimensions.contains(dimension) {
            throw NestboxError.invalid(
                "Found invalid dimension(s): \(dimension.prefix(80)). Supported dimensions: \(metric.dimensions.sorted().joined(separator: ", "))"
            )
        }
        guard !query.aggregations.isEmpty, query.aggregations.count <= 100, query.filters.count <= 100,
            Set(query.dimensions).count == query.dimensions.count
        else {
            throw NestboxError.invalid(
                "expected 1 to 100 aggregations, at most 100 filters, and each dimension once")
        }
        try checkTimes(query)
        return metric
    }

    private static func check(_ aggregation: TraceMetricQuery.Aggregation) throws {
        if aggregation.kind == .percentile {
            guard let percentile = aggregation.percentile else {
                throw NestboxError.invalid("Percentile value is required for PERCENTILE aggregation")
            }
            guard (0...100).contains(percentile) else {
                throw NestboxError.invalid("Percentile value must be between 0 and 100, got \(percentile)")
            }
        } else if aggregation.percentile != nil {
            throw NestboxError.invalid(
                "Percentile value is only allowed for PERCENTILE aggregation type, got \(aggregation.kind.rawValue)")
        }
    }

    private static func checkTimes(_ query: TraceMetricQuery) throws {
        if let interval = query.interval {
            guard query.start != nil, query.end != nil else {
                throw NestboxError.invalid(
                    "start_time_ms and end_time_ms are required if time_interval_seconds is set")
            }
            guard (1...1_000_000_000).contains(interval) else {
                throw NestboxError.invalid("time_interval_seconds must be from 1 to 1000000000, got \(interval)")
            }
        }
        guard (1...TraceMetricQuery.mostResults).contains(query.maxResults) else {
            throw NestboxError.invalid(
                "max_results must be from 1 to \(TraceMetricQuery.mostResults), got \(query.maxResults)")
        }
        for id in query.experimentIDs where Int64(id) == nil {
            throw NestboxError.invalid("Invalid experiment ID: \(id.prefix(80)). Experiment ID must be a number.")
        }
    }
}

/// The value below which `percentile` of 100 parts lie, interpolated between the two that it falls between.
struct Percentile: DatabaseAggregate {
    static let name = "nestbox_percentile"
    static let function = DatabaseFunction(name, argumentCount: 2, pure: true, aggregate: Percentile.self)

    private var values: [Double] = []
    private var percentile = 0.0

    init() {}

    mutating func step(_ arguments: [DatabaseValue]) {
        guard let value = Double.fromDatabaseValue(arguments[0]),
            let percentile = Double.fromDatabaseValue(arguments[1])
        else { return }
        values.append(value)
        self.percentile = percentile
    }

    func finalize() -> (any DatabaseValueConvertible)? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted(), place = percentile / 100 * Double(sorted.count - 1)
        let lower = Int(place), upper = min(lower + 1, sorted.count - 1)
        return sorted[lower] + (place - Double(lower)) * (sorted[upper] - sorted[lower])
    }
}
