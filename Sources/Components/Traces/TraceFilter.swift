import Contracts
import Core

/// MLflow's filter language for traces: comparisons joined by `and`.
///
///     status = 'ERROR' and timestamp_ms > 1700000000000 and tags.team = 'blue' and metadata.`mlflow.trace.session` = 's-1'
///     span.name LIKE '%search%' and span.attributes.model = 'small' and feedback.correct = 'true' and prompt = 'greet/2'
struct TraceFilter: Sendable {
    enum Field: Sendable, Hashable {
        /// `timestamp_ms`, `status`, `request_id`, … under the name of their meaning here.
        case attribute(Attribute)
        case tag(String)
        case metadata(String)
        /// The run that made the trace, or that it was linked to.
        case run
        case prompt
        case span(SpanField)
        case assessment(Assessment.Kind, String)
        case issue
    }

    enum Attribute: String, Sendable {
        case id, experiment, timestamp, duration, end, status, clientRequestID

        var isNumber: Bool { self == .timestamp || self == .duration || self == .end }
    }

    enum SpanField: Sendable, Hashable {
        case name, type, status, content
        case attribute(String)
    }

    enum Value: Sendable, Hashable {
        case none
        case number(Double)
        case text(String)
        case list([String])
    }

    enum Comparator: String, Sendable, CaseIterable {
        case equal = "="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case like = "LIKE"
        case ilike = "ILIKE"
        case rlike = "RLIKE"
        case isIn = "IN"
        case isNotIn = "NOT IN"
        case isNull = "IS NULL"
        case isNotNull = "IS NOT NULL"
    }

    struct Comparison: Sendable {
        var field: Field
        var comparator: Comparator
        var value: Value
    }

    /// SQLite bounds how large a statement grows.
    private static let most = 100

    let comparisons: [Comparison]

    /// Throws `invalid_argument` with the position, counted from 1, of what was not understood.
    init(_ text: String) throws {
        var parser = try TraceFilterParser(text)
        var found: [Comparison] = []
        while !parser.isAtEnd {
            if !found.isEmpty { try parser.takeAnd() }
            found.append(try parser.comparison())
            guard found.count <= Self.most else {
                throw NestboxError.invalid("the filter has more than \(Self.most) comparisons")
            }
        }
        comparisons = found
    }

    /// `timestamp_ms DESC`, ``tags.`a b` ``
    static func order(_ text: String) throws -> (field: Field, isDescending: Bool) {
        var parser = try TraceFilterParser(text, hint: "write `timestamp_ms DESC` or `tags.team ASC`")
        let field = try parser.field()
        let isDescending = try parser.direction()
        switch field {
        case .attribute, .tag, .metadata, .run: return (field, isDescending)
        default: throw NestboxError.invalid("traces cannot be ordered by `\(text.prefix(80))`")
        }
    }
}

extension TraceFilter.Field {
    /// Which comparisons make sense.
    var comparators: Set<TraceFilter.Comparator> {
        let order: Set<TraceFilter.Comparator> = [.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual]
        let text: Set<TraceFilter.Comparator> = [.equal, .notEqual, .like, .ilike, .rlike, .isIn, .isNotIn]
        let presence: Set<TraceFilter.Comparator> = [.isNull, .isNotNull]
        switch self {
        case .attribute(let attribute): return attribute.isNumber ? order : text
        case .tag, .metadata, .run: return text.union(presence)
        case .prompt, .issue: return [.equal]
        case .span(.content): return [.like, .ilike]
        case .span: return text
        case .assessment: return order.union([.like, .ilike, .rlike]).union(presence)
        }
    }
}
