import Core

// The search language of MLflow: `metrics.auc > 0.7 AND params.learner = 'linear'`, and `metrics.auc DESC` to order by.
// One parser for everything that is searched; a `SearchVocabulary` says what each kind of thing has to compare. Contents:
//
//   SearchFilter      comparisons joined by AND, as values
//   SearchOrder       what to order by, as values
//   SearchVocabulary  the fields, the comparators that each allows, and what they are compared with
//   SearchParser      text to those values; SearchLexer: text to tokens. Every complaint names its position
//   SearchCondition   one comparison as an SQL condition, for the components whose tables are SQLite
//
// Source: `mlflow/utils/search_utils.py`, MLflow 3.17. What that refuses is refused here. What it lets pass by
// accident is refused as well: comparisons with nothing between them, an AND at either end, and empty keys.

/// One thing to compare or order by: `metrics.auc` is the key `auc` of the entity `metric`.
package struct SearchField: Hashable, Sendable {
    /// The kind of a field. Open, so that a component can add what only its own things have.
    package struct Entity: RawRepresentable, Hashable, Sendable {
        package var rawValue: String

        package init(rawValue: String) { self.rawValue = rawValue }

        package static let attribute = Entity(rawValue: "attribute")
        package static let metric = Entity(rawValue: "metric")
        package static let param = Entity(rawValue: "param")
        package static let tag = Entity(rawValue: "tag")
        package static let dataset = Entity(rawValue: "dataset")
    }

    package var entity: Entity
    package var key: String

    package init(_ entity: Entity, _ key: String) {
        self.entity = entity
        self.key = key
    }
}

package enum SearchComparator: String, Sendable, CaseIterable {
    case equal = "="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    /// `%` is any text, `_` one character; upper and lower case differ.
    case like = "LIKE"
    /// The same, whatever the case of ASCII letters.
    case ilike = "ILIKE"
    /// A regular expression that is found anywhere in the text.
    case rlike = "RLIKE"
    case isIn = "IN"
    case isNotIn = "NOT IN"
    case isNull = "IS NULL"
    case isNotNull = "IS NOT NULL"
}

package enum SearchValue: Hashable, Sendable {
    case text(String)
    case integer(Int64)
    case number(Double)
}

/// Comparisons that must all hold. A field that is not set matches none but IS NULL, not even `!=`.
package struct SearchFilter: Sendable, Hashable {
    package struct Clause: Sendable, Hashable {
        package var field: SearchField
        package var comparator: SearchComparator
        /// One value; none for IS NULL and IS NOT NULL; one or more for IN and NOT IN.
        package var values: [SearchValue]

        package init(_ field: SearchField, _ comparator: SearchComparator, _ values: [SearchValue]) {
            self.field = field
            self.comparator = comparator
            self.values = values
        }
    }

    package var clauses: [Clause]

    /// An empty or blank text is no filter.
    ///
    /// Throws `invalid_argument` with the position, counted in characters from 1, and what was expected there.
    package init(_ text: String, _ vocabulary: SearchVocabulary) throws {
        var parser = try SearchParser(text, vocabulary, place: .filter)
        clauses = try parser.filter()
    }
}

package struct SearchOrder: Sendable, Hashable {
    package var field: SearchField
    package var isAscending: Bool

    package init(_ field: SearchField, isAscending: Bool = true) {
        self.field = field
        self.isAscending = isAscending
    }

    /// Reads `metrics.auc DESC`, one clause per text. Throws `invalid_argument` naming the clause and the position in it.
    package static func parse(_ clauses: [String], _ vocabulary: SearchVocabulary) throws -> [SearchOrder] {
        guard clauses.count <= SearchParser.mostOrders else {
            throw NestboxError.invalid(
                "order_by holds \(clauses.count) clauses; at most \(SearchParser.mostOrders) are allowed")
        }
        var orders: [SearchOrder] = []
        for clause in clauses {
            var parser = try SearchParser(clause, vocabulary, place: .order(clause))
            let order = try parser.order()
            if orders.contains(where: { $0.field == order.field }) {
                if vocabulary.allowsRepeatedOrders { continue }
                throw NestboxError.invalid(
                    "Invalid order_by clause `\(clause.prefix(120))`: `\(order.field.key.prefix(80))` is ordered by twice"
                )
            }
            orders.append(order)
        }
        return orders
    }
}
