import Contracts
import Core

/// The filter of a search of logged models, as MLflow has it: comparisons joined by AND.
///
///     metrics.auc > 0.7 AND params.depth IN ('4', '6') AND tags.`mlflow.user` LIKE 'a%' AND name = 'm'
///
/// Parsing stands alone and `LoggedModelQuery` makes the SQL, so that a larger language can take the parser's place.
enum LoggedModelFilter {
    enum Field: Equatable {
        /// A name that `LoggedModelQuery` knows.
        case attribute(String)
        case metric(String)
        case param(String)
        case tag(String)

        var isNumber: Bool {
            switch self {
            case .metric: true
            case .attribute(let name): name.contains("time")
            case .param, .tag: false
            }
        }
    }

    enum Values: Equatable {
        case number(Double)
        case texts([String])
    }

    struct Comparison: Equatable {
        var field: Field
        /// In capitals.
        var comparator: String
        var values: Values
    }

    /// Throws `invalid_argument` with the position, counted from 1, of what was not understood.
    static func parse(_ text: String) throws -> [Comparison] {
        var reader = Reader(text: Array(text))
        var found: [Comparison] = []
        guard !reader.isAtEnd else { return [] }
        repeat {
            guard found.count < 100 else { throw NestboxError.invalid("the filter has more than 100 comparisons") }
            found.append(try reader.comparison())
        } while try reader.takeAnd()
        return found
    }

    private struct Reader {
        let text: [Character]
        var at = 0

        var isAtEnd: Bool {
            mutating get {
                while at < text.count, text[at].isWhitespace { at += 1 }
                return at == text.count
            }
        }

        mutating func comparison() throws -> Comparison {
            let start = at
            let field = try field()
            let comparator = try comparator(for: field)
            if field.isNumber {
                guard !isAtEnd, let number = Double(word()) else { throw fault("expected a number") }
                return Comparison(field: field, comparator: comparator, values: .number(number))
            }
            var texts = comparator.hasSuffix("IN") ? try list() : [try quoted()]
            if field == .attribute("status") {
                // Clients write the short form, `READY`.
                texts = texts.map { $0 == "FAILED" ? "LOGGED_MODEL_UPLOAD_FAILED" : $0 }
                    .map { $0.hasPrefix("LOGGED_MODEL_") ? $0 : "LOGGED_MODEL_\($0)" }
            }
            guard !texts.isEmpty else { throw fault("expected a value in the list", at: start) }
            guard !comparator.hasSuffix("LIKE") || texts[0].utf8.count <= 1000 else {
                throw fault("a pattern of \(comparator) has at most 1000 bytes", at: start)
            }
            return Comparison(field: field, comparator: comparator, values: .texts(texts))
        }

        mutating func takeAnd() throws -> Bool {
            guard !isAtEnd else { return false }
            let start = at
            guard word().uppercased() == "AND" else { throw fault("expected AND", at: start) }
            return true
        }

        private mutating func field() throws -> Field {
            guard !isAtEnd else { throw fault("expected a field such as metrics.auc or name") }
            let start = at
            let name = identifier()
            guard at < text.count, text[at] == "." else {
                guard LoggedModelQuery.column(name) != nil else {
                    throw fault("unknown attribute `\(name)`", at: start)
                }
                return .attribute(name)
            }
            at += 1
            let key = identifier()
            guard !key.isEmpty else { throw fault("expected a key after `\(name).`") }
            switch name {
            case "metrics": return .metric(key)
            case "params": return .param(key)
            case "tags": return .tag(key)
            case "attributes":
                guard LoggedModelQuery.column(key) != nil else { throw fault("unknown attribute `\(key)`", at: start) }
                return .attribute(key)
            default: throw fault("unknown kind `\(name)`; expected metrics, params, tags or attributes", at: start)
            }
        }

        /// In back-ticks or double quotes, or up to a space or comparator. A first part ends at its full stop.
        private mutating func identifier() -> String {
            if at < text.count, text[at] == "`" || text[at] == "\"" {
                let quote = text[at]
                let end = text[(at + 1)...].firstIndex(of: quote) ?? text.count
                defer { at = min(end + 1, text.count) }
                return String(text[(at + 1)..<end])
            }
            let isKey = at > 0 && text[at - 1] == "."
            let start = at
            while at < text.count, !text[at].isWhitespace, !"=!<>(),'".contains(text[at]), isKey || text[at] != "." {
                at += 1
            }
            return String(text[start..<at])
        }

        private mutating func comparator(for field: Field) throws -> String {
            guard !isAtEnd else { throw fault("expected a comparator") }
            let start = at
            var found: String
            if "=!<>".contains(text[at]) {
                while at < text.count, "=!<>".contains(text[at]) { at += 1 }
                found = String(text[start..<at])
            } else {
                found = word().uppercased()
                if found == "NOT", !isAtEnd { found += " " + word().uppercased() }
            }
            let known =
                field.isNumber ? ["<", "<=", ">", ">=", "=", "!="] : ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"]
            guard known.contains(found) else {
                throw fault(
                    "`\(found)` is not a comparator for this field; expected \(known.joined(separator: ", "))",
                    at: start)
            }
            return found
        }

        private mutating func list() throws -> [String] {
            guard !isAtEnd, text[at] == "(" else { throw fault("expected ( and a list of texts") }
            at += 1
            var items: [String] = []
            while true {
                items.append(try quoted())
                guard !isAtEnd else { throw fault("expected )") }
                defer { at += 1 }
                if text[at] == ")" { return items }
                guard text[at] == "," else { throw fault("expected , or )") }
                // A list of one may end in a comma, as Python writes it.
                if text[(at + 1)...].first(where: { !$0.isWhitespace }) == ")" {
                    at = text[(at + 1)...].firstIndex(of: ")") ?? at
                    return items
                }
            }
        }

        private mutating func quoted() throws -> String {
            guard !isAtEnd, text[at] == "'" || text[at] == "\"" else { throw fault("expected a text in quotes") }
            let start = at, quote = text[at]
            guard let end = text[(at + 1)...].firstIndex(of: quote) else {
                throw fault("a text without an end", at: start)
            }
            at = end + 1
            return String(text[(start + 1)..<end])
        }

        private mutating func word() -> String {
            let start = at
            while at < text.count, !text[at].isWhitespace, text[at] != "(" { at += 1 }
            return String(text[start..<at])
        }

        private func fault(_ what: String, at position: Int? = nil) -> NestboxError {
            .invalid(
                "Invalid filter `\(String(text.prefix(200)))`: \(what), at position \((position ?? at) + 1)",
                hint: "write comparisons joined by AND: metrics.auc > 0.7 AND params.depth = '6'")
        }
    }
}
