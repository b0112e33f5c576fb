import Contracts
import Core

/// Splits a filter into words and reads them one by one; every complaint says where.
struct TraceFilterParser {
    private enum Token: Equatable {
        /// A name, its quoted parts without their quotes; `plain` when nothing was quoted.
        case word(String, plain: Bool)
        /// A text in `'…'` or `"…"`.
        case quoted(String)
        case sign(String)
    }

    private static let longest = 20_000

    private let tokens: [(token: Token, position: Int)]
    private let length: Int
    private let hint: String
    private var at = 0

    init(
        _ text: String, hint: String = "write status = 'OK' and tags.team = 'blue' and span.name LIKE '%search%'"
    ) throws {
        self.hint = hint
        let scalars = Array(text.unicodeScalars)
        length = scalars.count
        guard length <= Self.longest else {
            throw NestboxError.invalid("the filter has \(length) characters; at most \(Self.longest) are read")
        }
        // SQLite's functions take a text to its first zero only.
        if let zero = scalars.firstIndex(of: "\0") { throw Self.fault(zero + 1, "a character that no text has", hint) }
        tokens = try Self.split(scalars, hint)
    }

    var isAtEnd: Bool { at >= tokens.count }

    mutating func comparison() throws -> TraceFilter.Comparison {
        let field = try field()
        let comparator = try comparator(for: field)
        return TraceFilter.Comparison(field: field, comparator: comparator, value: try value(for: field, comparator))
    }

    mutating func takeAnd() throws {
        let start = at
        guard case .word(let word, true)? = next(), word.uppercased() == "AND" else {
            throw fault(start, "expected `and`, which is the only way to join comparisons")
        }
    }

    /// Nothing, `ASC` or `DESC`, and then the end.
    mutating func direction() throws -> Bool {
        guard !isAtEnd else { return false }
        let start = at
        guard case .word(let word, true)? = next(), ["ASC", "DESC"].contains(word.uppercased()), isAtEnd else {
            throw fault(start, "expected ASC or DESC and then the end")
        }
        return word.uppercased() == "DESC"
    }

    // MARK: fields

    mutating func field() throws -> TraceFilter.Field {
        let start = at
        let text: String
        switch next() {
        case .word(let word, _)?, .quoted(let word)?: text = word
        default: throw fault(start, "expected a name such as `status` or `tags.team`")
        }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return try attribute(text, start) }
        let key = parts[1]
        guard !key.isEmpty else { throw fault(start, "expected a key after `\(text)`") }
        switch parts[0] {
        case "attribute", "attributes", "trace": return try attribute(key, start)
        case "tag", "tags": return key == "mlflow.linkedPrompts" ? .prompt : .tag(key)
        case "metadata", "request_metadata": return key == TraceKey.sourceRun ? .run : .metadata(key)
        case "span": return .span(try span(key, start))
        case "feedback": return .assessment(.feedback, key)
        case "expectation": return .assessment(.expectation, key)
        case "issue" where key == "id": return .issue
        default:
            throw fault(
                start,
                "Invalid entity type '\(parts[0])'. Valid values are attribute, tag, metadata, span, feedback, expectation, issue.id"
            )
        }
    }

    private func attribute(_ name: String, _ start: Int) throws -> TraceFilter.Field {
        switch name {
        case "request_id": return .attribute(.id)
        case "experiment_id": return .attribute(.experiment)
        case "timestamp", "timestamp_ms": return .attribute(.timestamp)
        case "execution_time", "execution_time_ms": return .attribute(.duration)
        case "end_time", "end_time_ms": return .attribute(.end)
        case "status": return .attribute(.status)
        case "client_request_id": return .attribute(.clientRequestID)
        case "name": return .tag(TraceKey.name)
        case "run_id": return .run
        case "prompt": return .prompt
        case "text": return .span(.content)
        default:
            throw fault(
                start,
                "Invalid attribute key '\(name.prefix(80))' specified. Valid keys are client_request_id, end_time, "
                    + "execution_time, name, prompt, request_id, run_id, status, text, timestamp")
        }
    }

    private func span(_ key: String, _ start: Int) throws -> TraceFilter.SpanField {
        switch key {
        case "name": return .name
        case "type": return .type
        case "status": return .status
        case "content": return .content
        default:
            guard key.hasPrefix("attributes."), key.count > 11 else {
                throw fault(
                    start,
                    "Invalid span attribute '\(key.prefix(80))'. Supported attributes: name, status, type, "
                        + "attributes.<attribute_name>.")
            }
            return .attribute(String(key.dropFirst(11)))
        }
    }

    // MARK: comparators and values

    private mutating func comparator(for field: TraceFilter.Field) throws -> TraceFilter.Comparator {
        let start = at
        var text = ""
        switch next() {
        case .sign(let sign)?: text = sign == "==" ? "=" : sign == "<>" ? "!=" : sign
        case .word(let word, true)?:
            text = word.uppercased()
            if text == "NOT" || text == "IS" { text += " " + (try keyword(start)) }
            if text == "IS NOT" { text += " " + (try keyword(start)) }
        default: break
        }
        guard let found = TraceFilter.Comparator(rawValue: text), field.comparators.contains(found) else {
            let allowed = TraceFilter.Comparator.allCases.filter(field.comparators.contains).map(\.rawValue)
            throw fault(start, "expected one of \(allowed.joined(separator: ", "))")
        }
        return found
    }

    private mutating func keyword(_ start: Int) throws -> String {
        guard case .word(let word, true)? = next() else { throw fault(start, "expected a comparison") }
        return word.uppercased()
    }

    private mutating func value(
        for field: TraceFilter.Field, _ comparator: TraceFilter.Comparator
    ) throws -> TraceFilter.Value {
        switch comparator {
        case .isNull, .isNotNull: return .none
        case .isIn, .isNotIn: return .list(try list())
        default: break
        }
        let start = at
        let token = next()
        switch field {
        case .attribute(let attribute) where attribute.isNumber:
            guard case .word(let word, true)? = token, let number = Double(word), number.isFinite else {
                throw fault(start, "expected a number")
            }
            return .number(number)
        case .assessment:
            let isOrder = [.less, .lessOrEqual, .greater, .greaterOrEqual].contains(comparator)
            switch token {
            case .quoted(let text)? where !isOrder: return .text(text)
            case .quoted(let text)?, .word(let text, true)?:
                if let number = Double(text), number.isFinite { return .number(number) }
                if !isOrder, ["true", "false"].contains(text.lowercased()) { return .text(text.lowercased()) }
            default: break
            }
            throw fault(start, isOrder ? "expected a number" : "expected a text in quotes, a number, true or false")
        default:
            guard case .quoted(let text)? = token else { throw fault(start, "expected a text in quotes") }
            if field == .prompt, text.filter({ $0 == "/" }).count != 1 {
                throw fault(
                    start,
                    "Invalid prompts filter value '\(text.prefix(80))'. Expected format: prompt = \"name/version\"")
            }
            return .text(text)
        }
    }

    private mutating func list() throws -> [String] {
        guard next() == .sign("(") else { throw fault(at - 1, "expected `(`") }
        var values: [String] = []
        while true {
            guard case .quoted(let text)? = next() else { throw fault(at - 1, "expected a text in quotes") }
            values.append(text)
            switch next() {
            case .sign(",")?: continue
            case .sign(")")?: return values
            default: throw fault(at - 1, "expected `,` or `)`")
            }
        }
    }

    private mutating func next() -> Token? {
        defer { at += 1 }
        return at < tokens.count ? tokens[at].token : nil
    }

    private func fault(_ index: Int, _ what: String) -> NestboxError {
        Self.fault(index < tokens.count ? tokens[index].position : length + 1, what, hint)
    }

    private static func fault(_ position: Int, _ what: String, _ hint: String) -> NestboxError {
        .invalid("Invalid filter, at position \(position): \(what)", hint: hint)
    }

    // MARK: words

    private static func split(_ text: [Unicode.Scalar], _ hint: String) throws -> [(Token, Int)] {
        var tokens: [(Token, Int)] = []
        var at = 0
        /// What stands between quotes; two of them stand for one.
        func quoted() throws -> String {
            let quote = text[at], start = at
            var out = String.UnicodeScalarView()
            at += 1
            while at < text.count {
                if text[at] == quote {
                    at += 1
                    guard at < text.count, text[at] == quote else { return String(out) }
                }
                out.append(text[at])
                at += 1
            }
            throw fault(start + 1, "a quote without an end", hint)
        }
        while at < text.count {
            let start = at, scalar = text[at]
            if scalar.properties.isWhitespace {
                at += 1
            } else if scalar == "'" || scalar == "\"" {
                tokens.append((.quoted(try quoted()), start + 1))
            } else if isSign(scalar) {
                while at < text.count, isSign(text[at]) { at += 1 }
                tokens.append((.sign(string(text[start..<at])), start + 1))
            } else if isBracket(scalar) {
                at += 1
                tokens.append((.sign(String(Character(scalar))), start + 1))
            } else {
                var word = "", isPlain = true
                while at < text.count, !text[at].properties.isWhitespace, !isSign(text[at]), !isBracket(text[at]) {
                    if text[at] == "`" || text[at] == "'" || text[at] == "\"" {
                        word += try quoted()
                        isPlain = false
                    } else {
                        word.unicodeScalars.append(text[at])
                        at += 1
                    }
                }
                tokens.append((.word(word, plain: isPlain), start + 1))
            }
        }
        return tokens
    }

    private static func isSign(_ scalar: Unicode.Scalar) -> Bool { "=!<>".unicodeScalars.contains(scalar) }
    private static func isBracket(_ scalar: Unicode.Scalar) -> Bool { "(),".unicodeScalars.contains(scalar) }

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }
}
