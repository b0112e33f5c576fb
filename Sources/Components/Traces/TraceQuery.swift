import Contracts
import Core
import GRDB

/// A filter and an order as one statement that gives identifiers of traces.
///
/// Everything that came from outside is an argument of the statement, never a part of its text.
struct TraceQuery: Sendable {
    private(set) var sql: String
    private(set) var arguments: StatementArguments
    private(set) var patterns: [String] = []
    private var conditions: [String] = []

    init(filter: TraceFilter, orderBy: [String], experiments: [String]) throws {
        sql = "SELECT t.id FROM tracing_traces t"
        arguments = []
        guard orderBy.count <= 20 else {
            throw NestboxError.invalid("`order_by` names \(orderBy.count) fields; at most 20 are followed")
        }
        let order = try orderBy.map(TraceFilter.order)
        let keys = try ordering(order)
        // One experiment can be read in the order of its index; many cannot.
        if experiments.count == 1 {
            where_("t.experiment_id = ?", [experiments[0]])
        } else {
            where_(
                "t.experiment_id IN (SELECT value FROM json_each(?))",
                [SpanContent.text(.array(experiments.map(JSONValue.string)))])
        }
        // Comparisons about spans speak of one and the same span.
        var span: [(String, StatementArguments)] = []
        for comparison in filter.comparisons {
            if case .span(let field) = comparison.field {
                span.append(try self.span(field, comparison))
            } else {
                try add(comparison)
            }
        }
        if !span.isEmpty {
            let all = span.map(\.0).joined(separator: " AND ")
            where_(
                "EXISTS (SELECT 1 FROM tracing_spans s WHERE s.trace_id = t.id AND \(all))",
                span.reduce(StatementArguments()) { $0 + $1.1 })
        }
        sql += " WHERE " + conditions.joined(separator: " AND ") + " ORDER BY " + keys.joined(separator: ", ")
    }

    mutating func page(offset: Int, limit: Int) {
        sql += " LIMIT ? OFFSET ?"
        arguments += [limit, offset]
    }

    // MARK: order

    /// What is not set comes last either way.
    private mutating func ordering(_ order: [(field: TraceFilter.Field, isDescending: Bool)]) throws -> [String] {
        var keys: [String] = [], seen: Set<TraceFilter.Field> = []
        for (index, key) in order.enumerated() {
            guard seen.insert(key.field).inserted else {
                throw NestboxError.invalid("`order_by` names the same field twice")
            }
            let expression: String
            switch key.field {
            case .attribute(let attribute): expression = Self.column(attribute)
            case .tag(let name): expression = join("tracing_tags", "o\(index)", name)
            case .metadata(let name): expression = join("tracing_metadata", "o\(index)", name)
            default: expression = join("tracing_metadata", "o\(index)", TraceKey.sourceRun)
            }
            keys += ["\(expression) IS NULL", expression + (key.isDescending ? " DESC" : "")]
        }
        if !seen.contains(.attribute(.timestamp)) { keys.append("t.timestamp_ms DESC") }
        if !seen.contains(.attribute(.id)) { keys.append("t.id") }
        return keys
    }

    private mutating func join(_ table: String, _ alias: String, _ key: String) -> String {
        sql += " LEFT JOIN \(table) \(alias) ON \(alias).trace_id = t.id AND \(alias).key = ?"
        arguments += [key]
        return "\(alias).value"
    }

    private static func column(_ attribute: TraceFilter.Attribute) -> String {
        switch attribute {
        case .id: "t.id"
        case .experiment: "t.experiment_id"
        case .timestamp: "t.timestamp_ms"
        case .duration: "t.execution_time_ms"
        case .end: "(t.timestamp_ms + coalesce(t.execution_time_ms, 0))"
        case .status: "t.status"
        case .clientRequestID: "t.client_request_id"
        }
    }

    // MARK: conditions

    private mutating func where_(_ condition: String, _ more: StatementArguments) {
        conditions.append(condition)
        arguments += more
    }

    private mutating func add(_ comparison: TraceFilter.Comparison) throws {
        switch comparison.field {
        case .attribute(let attribute):
            let (condition, more) = try compare(Self.column(attribute), comparison)
            where_(condition, more)
        case .tag(let key): try pair("tracing_tags", key, comparison)
        case .metadata(let key): try pair("tracing_metadata", key, comparison)
        case .run:
            guard comparison.comparator == .equal, case .text(let run) = comparison.value else {
                return try pair("tracing_metadata", TraceKey.sourceRun, comparison)
            }
            where_(
                """
                (EXISTS (SELECT 1 FROM tracing_links l WHERE l.kind = 'run' AND l.target = ? AND l.trace_id = t.id)
                OR EXISTS (SELECT 1 FROM tracing_metadata m WHERE m.trace_id = t.id AND m.key = ? AND m.value = ?))
                """, [run, TraceKey.sourceRun, run])
        case .prompt:
            guard case .text(let prompt) = comparison.value else { return }
            where_(
                "EXISTS (SELECT 1 FROM tracing_links l WHERE l.kind = 'prompt' AND l.target = ? AND l.trace_id = t.id)",
                [prompt])
        case .issue:
            guard case .text(let issue) = comparison.value else { return }
            where_(
                """
                EXISTS (SELECT 1 FROM tracing_assessments f
                    WHERE f.trace_id = t.id AND f.kind = 'issue' AND f.name = ?)
                """, [issue])
        case .assessment(let kind, let name): try assessment(kind, name, comparison)
        case .span: break
        }
    }

    /// A tag or a metadata entry; one that is not set matches nothing, not even `!=`.
    private mutating func pair(_ table: String, _ key: String, _ comparison: TraceFilter.Comparison) throws {
        let row = "EXISTS (SELECT 1 FROM \(table) p WHERE p.trace_id = t.id AND p.key = ?"
        switch comparison.comparator {
        case .isNull: where_("NOT \(row))", [key])
        case .isNotNull: where_("\(row))", [key])
        default:
            let (condition, more) = try compare("p.value", comparison)
            where_("\(row) AND \(condition))", [key] + more)
        }
    }

    /// An assessment of the trace, or of its session when it is marked as one that speaks of the session.
    private mutating func assessment(
        _ kind: Assessment.Kind, _ name: String, _ comparison: TraceFilter.Comparison
    ) throws {
        var condition = "f.kind = ? AND f.name = ? AND f.valid", more: StatementArguments = [kind.rawValue, name]
        switch (comparison.comparator, comparison.value) {
        case (.isNull, _), (.isNotNull, _): break
        case (let comparator, .number(let number)):
            condition += " AND f.number \(comparator.rawValue) ?"
            more += [number]
        case (.equal, .text(let text)), (.notEqual, .text(let text)):
            let not = comparison.comparator == .notEqual ? "NOT " : ""
            condition += " AND \(not)(f.value = ? OR f.value = ?)"
            more += [text, SpanContent.text(.string(text))]
        default:
            let text = "CASE json_type(f.value) WHEN 'text' THEN json_extract(f.value, '$') ELSE f.value END"
            let (compared, arguments) = try compare("(\(text))", comparison)
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
        where_(comparison.comparator == .isNull ? "NOT \(found)" : found, more + more)
    }

    private mutating func span(
        _ field: TraceFilter.SpanField, _ comparison: TraceFilter.Comparison
    ) throws -> (String, StatementArguments) {
        switch field {
        case .name: return try compare("s.name", comparison)
        case .type: return try compare("s.type", comparison)
        case .status: return try compare("s.status", comparison)
        case .content: return try compare("s.content", comparison)
        case .attribute(let key):
            let value = "(CASE a.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(a.value AS TEXT) END)"
            let (condition, more) = try compare(value, comparison)
            return (
                "EXISTS (SELECT 1 FROM json_each(s.content, '$.attributes') a WHERE a.key = ? AND \(condition))",
                [key] + more
            )
        }
    }

    private mutating func compare(
        _ expression: String, _ comparison: TraceFilter.Comparison
    ) throws -> (String, StatementArguments) {
        switch (comparison.comparator, comparison.value) {
        case (.like, .text(let text)): return ("\(expression) GLOB ?", [try Self.pattern(Self.glob(text))])
        // SQLite's own LIKE does not tell capital letters of ASCII apart.
        case (.ilike, .text(let text)): return ("\(expression) LIKE ?", [try Self.pattern(text)])
        case (.rlike, .text(let text)):
            try TracePatterns.check(text)
            patterns.append(text)
            return ("\(expression) REGEXP ?", [text])
        case (.isIn, .list(let list)), (.isNotIn, .list(let list)):
            let not = comparison.comparator == .isNotIn ? "NOT " : ""
            return (
                "\(expression) \(not)IN (SELECT value FROM json_each(?))",
                [SpanContent.text(.array(list.map(JSONValue.string)))]
            )
        case (let comparator, .text(let text)): return ("\(expression) \(comparator.rawValue) ?", [text])
        case (let comparator, .number(let number)): return ("\(expression) \(comparator.rawValue) ?", [number])
        default: throw NestboxError.invalid("the comparison `\(comparison.comparator.rawValue)` has no value")
        }
    }

    /// Matching costs the length of the text times that of the pattern, and a span may hold megabytes.
    private static func pattern(_ text: String) throws -> String {
        guard text.utf8.count <= 1000 else { throw NestboxError.invalid("a pattern of LIKE has at most 1000 bytes") }
        return text
    }

    /// LIKE's pattern as GLOB's, which tells capital letters apart.
    static func glob(_ pattern: String) -> String {
        var out = ""
        for scalar in pattern.unicodeScalars {
            switch scalar {
            case "%": out += "*"
            case "_": out += "?"
            case "*", "?", "[": out += "[\(scalar)]"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
