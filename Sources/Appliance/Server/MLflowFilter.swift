import Core

/// The simple part of MLflow's filters: comparisons joined by `and`. A later version brings the whole language.
///
///     metrics.auc > 0.7 and params.learner = 'linear' and tags.`mlflow.user` LIKE 'a%' and status IN ('FINISHED', 'FAILED')
package struct MLflowFilter: Sendable {
    package enum Field: Sendable, Hashable { case attribute(String), metric(String), param(String), tag(String) }
    package enum Value: Sendable, Hashable { case text(String), number(Double) }
    package enum Kind: Sendable { case text, number }

    /// What may be compared.
    package struct Vocabulary: Sendable {
        package var attributes: [String: Kind]
        package var hasTags: Bool
        package var hasMetricsAndParams: Bool

        package init(attributes: [String: Kind], hasTags: Bool, hasMetricsAndParams: Bool) {
            self.attributes = attributes
            self.hasTags = hasTags
            self.hasMetricsAndParams = hasMetricsAndParams
        }
    }

    private struct Comparison: Sendable {
        var field: Field
        var comparator: String
        var values: [Value]
    }

    private var comparisons: [Comparison] = []

    /// Throws `invalid_argument` with the position, counted from 1, of what was not understood.
    package init(_ text: String, _ vocabulary: Vocabulary) throws {
        var parser = try MLflowFilterParser(text, vocabulary)
        guard !parser.isAtEnd else { return }
        repeat {
            let (field, kind) = try parser.field()
            let comparator = try parser.comparator(for: kind)
            let values = comparator == "IN" ? try parser.list(of: kind) : [try parser.value(of: kind)]
            comparisons.append(Comparison(field: field, comparator: comparator, values: values))
        } while try parser.takeAnd()
    }

    package var isEmpty: Bool { comparisons.isEmpty }

    package func mentions(_ field: Field) -> Bool { comparisons.contains { $0.field == field } }

    /// The text that the field must equal, when the filter says so.
    package func equality(of field: Field) -> String? {
        for case let comparison in comparisons where comparison.field == field && comparison.comparator == "=" {
            if case .text(let text)? = comparison.values.first { return text }
        }
        return nil
    }

    /// A field that is not set matches nothing, not even `!=`, as in MLflow.
    package func matches(_ value: (Field) -> Value?) -> Bool {
        comparisons.allSatisfy { comparison in
            guard let actual = value(comparison.field) else { return false }
            return comparison.values.contains { Self.holds(actual, comparison.comparator, $0) }
        }
    }

    private static func holds(_ actual: Value, _ comparator: String, _ expected: Value) -> Bool {
        switch (actual, expected) {
        case (.text(let a), .text(let b)):
            switch comparator {
            case "=", "IN": a == b
            case "!=": a != b
            case "LIKE": like(Array(a.unicodeScalars), Array(b.unicodeScalars))
            case "ILIKE": like(Array(a.lowercased().unicodeScalars), Array(b.lowercased().unicodeScalars))
            default: false
            }
        case (.number(let a), .number(let b)):
            switch comparator {
            case "=", "IN": a == b
            case "!=": a != b
            case "<": a < b
            case "<=": a <= b
            case ">": a > b
            case ">=": a >= b
            default: false
            }
        default: false
        }
    }

    /// SQL's LIKE: `%` is any text, `_` one character. Linear but for the last `%`, so no pattern takes for ever.
    static func like(_ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool {
        var at = 0, p = 0
        var star: (pattern: Int, text: Int)?
        while at < text.count {
            if p < pattern.count, pattern[p] == "%" {
                star = (p, at)
                p += 1
            } else if p < pattern.count, pattern[p] == "_" || pattern[p] == text[at] {
                at += 1
                p += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                at = last.text + 1
                p = last.pattern + 1
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == "%" { p += 1 }
        return p == pattern.count
    }
}
