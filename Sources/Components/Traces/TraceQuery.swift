import Contracts
import Core
import GRDB

/// A filter and an order as one statement that gives identifiers of traces.
///
/// Everything that came from outside is an argument of the statement, never a part of its text.
struct TraceQuery: Sendable {
    private(set) var sql: String
    private(set) var arguments: StatementArguments
    /// Whether the statement needs `TracePatterns.function`.
    private(set) var hasPatterns = false
    private var conditions: [String] = []

    init(filter: String, orderBy: [String], experiments: [String]) throws {
        sql = "SELECT t.id FROM tracing_traces t"
        arguments = []
        let keys = ordering(try SearchOrder.parse(orderBy, .traces))
        let scope = Self.scope(experiments)
        where_(scope.sql, scope.arguments)
        try add(filter)
        sql += " WHERE " + conditions.joined(separator: " AND ") + " ORDER BY " + keys.joined(separator: ", ")
    }

    /// A filter alone, as a condition on `tracing_traces t`.
    init(condition filter: String) throws {
        sql = ""
        arguments = []
        try add(filter)
        sql = conditions.isEmpty ? "1" : "(" + conditions.joined(separator: " AND ") + ")"
    }

    /// One experiment can be read in the order of its index; many cannot.
    static func scope(_ experiments: [String]) -> (sql: String, arguments: StatementArguments) {
        if experiments.count == 1 { return ("t.experiment_id = ?", [experiments[0]]) }
        let list = SpanContent.text(.array(experiments.map(JSONValue.string)))
        return ("t.experiment_id IN (SELECT value FROM json_each(?))", [list])
    }

    private mutating func add(_ filter: String) throws {
        // Comparisons about spans speak of one and the same span.
        var span: [(String, StatementArguments)] = []
        for clause in try SearchFilter(filter, .traces).clauses {
            if let condition = try self.span(clause) { span.append(condition) } else { try add(clause) }
        }
        guard !span.isEmpty else { return }
        let all = span.map(\.0).joined(separator: " AND ")
        where_(
            "EXISTS (SELECT 1 FROM tracing_spans s WHERE s.trace_id = t.id AND \(all))",
            span.reduce(StatementArguments()) { $0 + $1.1 })
    }

    mutating func page(offset: Int, limit: Int) {
        sql += " LIMIT ? OFFSET ?"
        arguments += [limit, offset]
    }

    // MARK: order

    /// What is not set comes last either way.
    private mutating func ordering(_ orders: [SearchOrder]) -> [String] {
        var keys: [String] = []
        for (index, order) in orders.enumerated() {
            let expression: String
            switch Self.place(of: order.field) {
            case .column(let column): expression = column
            case .tag(let key): expression = join("tracing_tags", "o\(index)", key)
            case .metadata(let key): expression = join("tracing_metadata", "o\(index)", key)
            }
            keys += ["\(expression) IS NULL", expression + (order.isAscending ? "" : " DESC")]
        }
        for (key, tieBreaker) in [("timestamp_ms", "t.timestamp_ms DESC"), ("request_id", "t.id")]
        where !orders.contains(where: { $0.field == SearchField(.attribute, key) }) {
            keys.append(tieBreaker)
        }
        return keys
    }

    /// Where a field's value lies.
    private enum Place {
        case column(String)
        case tag(String)
        case metadata(String)
    }

    private static func place(of field: SearchField) -> Place {
        switch (field.entity, field.key) {
        case (.tag, let key): .tag(key)
        case (.metadata, let key): .metadata(key)
        case (_, "name"): .tag(TraceKey.name)
        case (_, "run_id"): .metadata(TraceKey.sourceRun)
        case (_, "request_id"): .column("t.id")
        case (_, "end_time_ms"): .column("(t.timestamp_ms + coalesce(t.execution_time_ms, 0))")
        // The others are named after their columns.
        case (_, let key): .column("t.\(key)")
        }
    }

    private mutating func join(_ table: String, _ alias: String, _ key: String) -> String {
        sql += " LEFT JOIN \(table) \(alias) ON \(alias).trace_id = t.id AND \(alias).key = ?"
        arguments += [key]
        return "\(alias).value"
    }

    // MARK: conditions

    private mutating func where_(_ condition: String, _ more: StatementArguments) {
        conditions.append(condition)
        arguments += more
    }

    private mutating func add(_ clause: SearchFilter.Clause) throws {
        switch (clause.field.entity, clause.field.key) {
        case (.feedback, let name): try assessment(.feedback, name, clause)
        case (.expectation, let name): try assessment(.expectation, name, clause)
        case (.issue, _):
            where_(
                """
                EXISTS (SELECT 1 FROM tracing_assessments f
                    WHERE f.trace_id = t.id AND f.kind = 'issue' AND f.name = ?)
                """, values(clause))
        case (.attribute, "prompt"), (.tag, TraceKey.linkedPrompts):
            where_(
                "EXISTS (SELECT 1 FROM tracing_links l WHERE l.kind = 'prompt' AND l.target = ? AND l.trace_id = t.id)",
                values(clause))
        default:
            switch Self.place(of: clause.field) {
            case .column(let column):
                let (condition, more) = try compare(column, clause)
                where_(condition, more)
            case .tag(let key): try pair("tracing_tags", key, clause)
            case .metadata(TraceKey.sourceRun) where clause.comparator == .equal:
                // The run that made the trace, or one that it was linked to.
                where_(
                    """
                    (EXISTS (SELECT 1 FROM tracing_links l WHERE l.kind = 'run' AND l.target = ? AND l.trace_id = t.id)
                    OR EXISTS (SELECT 1 FROM tracing_metadata m WHERE m.trace_id = t.id AND m.key = ? AND m.value = ?))
                    """, values(clause) + [TraceKey.sourceRun] + values(clause))
            case .metadata(let key): try pair("tracing_metadata", key, clause)
            }
        }
    }

    /// A tag or a metadata entry; one that is not set matches nothing, not even `!=`.
    private mutating func pair(_ table: String, _ key: String, _ clause: SearchFilter.Clause) throws {
        let row = "EXISTS (SELECT 1 FROM \(table) p WHERE p.trace_id = t.id AND p.key = ?"
        switch clause.comparator {
        case .isNull: where_("NOT \(row))", [key])
        case .isNotNull: where_("\(row))", [key])
        default:
            let (condition, more) = try compare("p.value", clause)
            where_("\(row) AND \(condition))", [key] + more)
        }
    }

    /// An assessment of the trace, or of its session when it is marked as one that speaks of the session.
    private mutating func assessment(
        _ kind: Assessment.Kind, _ name: String, _ clause: SearchFilter.Clause
    ) throws {
        var condition = "f.kind = ? AND f.name = ? AND f.valid", more: StatementArguments = [kind.rawValue, name]
        switch (clause.comparator, clause.values.first) {
        case (.isNull, _), (.isNotNull, _): break
        case (.like, .integer?), (.ilike, .integer?), (.rlike, .integer?), (.like, .number?), (.ilike, .number?),
            (.rlike, .number?):
            throw NestboxError.invalid(
                "\(clause.comparator.rawValue) compares `\(name)` with a number", hint: "put the pattern in quotes")
        case (let comparator, .integer?), (let comparator, .number?):
            condition += " AND f.number \(comparator.rawValue) ?"
            more += values(clause)
        case (.equal, .text(let text)?), (.notEqual, .text(let text)?):
            let not = clause.comparator == .notEqual ? "NOT " : ""
            condition += " AND \(not)(f.value = ? OR f.value = ?)"
            more += [text, SpanContent.text(.string(text))]
        default:
            let text = "CASE json_type(f.value) WHEN 'text' THEN json_extract(f.value, '$') ELSE f.value END"
            let (compared, arguments) = try compare("(\(text))", clause)
            condition += " AND \(compared)"
            more += arguments
        }
        let session = "SELECT value FROM tracing_metadata WHERE trace_id = t.id AND key = '\(TraceKey.session)'"
        let found = """
            (EXISTS (SELECT 1 FROM tracing_assessments f WHERE f.trace_id = t.id AND \(condition))
            OR EXISTS (SELECT 1 FROM tracing_assessments f
                JOIN tracing_metadata m ON m.trace_id = f.trace_id AND m.key = '\(TraceKey.session)'
                WHERE \(condition) AND json_type(f.metadata, '$."\(TraceKey.session)"') IS NOT NULL
                    AND m.value = (\(session))))
            """
        where_(clause.comparator == .isNull ? "NOT \(found)" : found, more + more)
    }

    /// Nil when the clause does not speak of spans.
    private mutating func span(_ clause: SearchFilter.Clause) throws -> (String, StatementArguments)? {
        switch (clause.field.entity, clause.field.key) {
        case (.attribute, "text"): return try compare("s.content", clause)
        case (.span, let key): return try compare("s.\(key)", clause)
        case (.spanAttribute, let key):
            let value = "(CASE a.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(a.value AS TEXT) END)"
            let (condition, more) = try compare(value, clause)
            return (
                "EXISTS (SELECT 1 FROM json_each(s.content, '$.attributes') a WHERE a.key = ? AND \(condition))",
                [key] + more
            )
        default: return nil
        }
    }

    private mutating func compare(
        _ expression: String, _ clause: SearchFilter.Clause
    ) throws -> (String, StatementArguments) {
        if clause.comparator == .rlike { hasPatterns = true }
        let condition = try clause.condition(on: expression)
        return (condition.sql, Self.arguments(condition.values))
    }

    private func values(_ clause: SearchFilter.Clause) -> StatementArguments { Self.arguments(clause.values) }

    private static func arguments(_ values: [SearchValue]) -> StatementArguments {
        StatementArguments(
            values.map { value -> DatabaseValue in
                switch value {
                case .text(let text): text.databaseValue
                case .integer(let number): number.databaseValue
                case .number(let number): number.databaseValue
                }
            })
    }
}
