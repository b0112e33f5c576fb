import Core

extension SearchFilter.Clause {
    /// The comparison as an SQL condition on `column`, with `?` for each of the values. NULL fulfils none.
    ///
    /// Not for IS NULL and IS NOT NULL, which ask whether there is a row.
    package func condition(on column: String) throws -> (sql: String, values: [SearchValue]) {
        switch comparator {
        case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: ("\(column) \(comparator.rawValue) ?", values)
        case .notEqual: ("\(column) <> ?", values)
        // SQLite's own LIKE ignores case unless the whole connection is told otherwise.
        case .like: ("\(column) GLOB ?", values.map { $0.glob() })
        case .ilike: ("lower(\(column)) GLOB lower(?)", values.map { $0.glob() })
        // SQLite has the word only; the component that allows it brings the function.
        case .rlike: ("\(column) REGEXP ?", values)
        case .isIn: ("\(column) IN (SELECT value FROM json_each(?))", [.text(try JSON.string(values))])
        case .isNotIn: ("\(column) NOT IN (SELECT value FROM json_each(?))", [.text(try JSON.string(values))])
        case .isNull: ("\(column) IS NULL", [])
        case .isNotNull: ("\(column) IS NOT NULL", [])
        }
    }
}

extension SearchValue: Encodable {
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .integer(let number): try container.encode(number)
        case .number(let number): try container.encode(number)
        }
    }

    /// A LIKE pattern as one of GLOB: `%` is `*`, `_` is `?`, and GLOB's own signs stand for themselves.
    fileprivate func glob() -> SearchValue {
        guard case .text(let pattern) = self else { return self }
        var text = ""
        for scalar in pattern.unicodeScalars {
            switch scalar {
            case "%": text += "*"
            case "_": text += "?"
            case "*", "?", "[": text += "[\(scalar)]"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return .text(text)
    }
}
