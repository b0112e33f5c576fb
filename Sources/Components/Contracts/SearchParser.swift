import Core

/// Reads tokens one by one into clauses.
struct SearchParser {
    enum Place {
        case filter
        /// The clause as it was written.
        case order(String)
    }

    /// More than anybody writes, and few enough for one SQL statement.
    static let mostClauses = 100
    static let mostOrders = 20

    private let text: [Unicode.Scalar]
    private let tokens: [SearchToken]
    private let vocabulary: SearchVocabulary
    private let place: Place
    private var at = 0

    init(_ text: String, _ vocabulary: SearchVocabulary, place: Place) throws {
        self.vocabulary = vocabulary
        self.place = place
        self.text = Array(text.unicodeScalars)
        tokens = SearchLexer.tokens(self.text)
        guard self.text.count <= vocabulary.longestFilter else {
            let most = vocabulary.longestFilter
            throw fault(tokens[0], "it has \(self.text.count) characters; at most \(most) are read", range: most)
        }
        // SQLite's functions take a text to its first zero only.
        if let zero = self.text.firstIndex(of: "\0") {
            throw fault(tokens[0], "the character U+0000, which cannot be searched for", range: zero)
        }
    }

    mutating func filter() throws -> [SearchFilter.Clause] {
        var clauses: [SearchFilter.Clause] = []
        guard !text.isEmpty else { return clauses }
        repeat {
            guard clauses.count < Self.mostClauses else {
                throw fault(current, "there are more than \(Self.mostClauses) comparisons")
            }
            clauses.append(try clause())
        } while try takeAnd()
        return clauses
    }

    mutating func order() throws -> SearchOrder {
        let (field, _) = try field(in: vocabulary.orders)
        var isAscending = true
        if case .word(let word) = current.kind, ["ASC", "DESC"].contains(word.uppercased()) {
            isAscending = word.uppercased() == "ASC"
            at += 1
        }
        guard current.kind == .end else {
            throw fault(current, "expected ASC, DESC or nothing more after `\(field.key)`, found \(shown(current))")
        }
        return SearchOrder(field, isAscending: isAscending)
    }

    private mutating func clause() throws -> SearchFilter.Clause {
        let (field, rule) = try field(in: vocabulary.families)
        let comparator = try comparator(rule)
        switch comparator {
        case .isNull, .isNotNull: return SearchFilter.Clause(field, comparator, [])
        case .isIn, .isNotIn: return SearchFilter.Clause(field, comparator, try list(rule, comparator))
        default: return SearchFilter.Clause(field, comparator, [try value(rule, comparator)])
        }
    }

    // MARK: Names

    /// `metrics.auc`, ``tags.`a b` ``, `status`, …
    private mutating func field(in families: [SearchVocabulary.Family]) throws -> (
        SearchField, SearchVocabulary.Rule
    ) {
        let start = current
        guard let head = name(current) else {
            if start.kind == .sign("(") {
                throw fault(start, "expected \(example), found `(`; parentheses are for the lists of IN only")
            }
            throw fault(start, "expected \(example), found \(shown(start))")
        }
        at += 1
        guard isAdjacentDot(after: start) else {
            guard let family = families.first(where: { $0.entity == .attribute }) else {
                throw fault(start, "expected \(example), found \(shown(start))")
            }
            return try resolve(head, in: family, at: start)
        }
        guard families.contains(where: { $0.prefixes.contains { $0 == head || $0.hasPrefix(head + ".") } }) else {
            let known = families.compactMap(\.prefixes.first).map { "`\($0).`" }.joined(separator: ", ")
            throw fault(
                start,
                "`\(head.prefix(80)).` cannot be \(isOrder ? "ordered by" : "searched") here; there are \(known.isEmpty ? "plain names" : known)"
            )
        }
        at += 1
        let key = try key(after: head, families)
        // The longest prefix decides: `span.attributes.model` is no key of `span`.
        let path = "\(head).\(key)"
        let found = families.flatMap { family in family.prefixes.map { (family, $0) } }
            .filter { path.utf8.starts(with: "\($0.1).".utf8) && path.utf8.count > $0.1.utf8.count + 1 }
            .max { $0.1.utf8.count < $1.1.utf8.count }
        guard let (family, prefix) = found else { throw fault(current, "expected a key after `\(path)`") }
        return try resolve(
            String(decoding: path.utf8.dropFirst(prefix.utf8.count + 1), as: UTF8.self), in: family, at: start)
    }

    /// What follows the dot: one quoted key, or words with dots between them.
    private mutating func key(after head: String, _ families: [SearchVocabulary.Family]) throws -> String {
        let dot = tokens[at - 1]
        guard current.range.lowerBound == dot.range.upperBound else {
            throw fault(dot, "expected a key right after `\(head).`", range: dot.range.upperBound)
        }
        if case .quoted(let key, _) = current.kind {
            guard !key.isEmpty else { throw fault(current, "the key after `\(head).` is empty") }
            at += 1
            return key
        }
        if vocabulary.allowsSignsInKeys { return try keyWithSigns(after: head) }
        var key = ""
        while true {
            if case .quoted(let rest, _) = current.kind, !rest.isEmpty,
                families.contains(where: { $0.prefixes.contains("\(head).\(key.dropLast())") })
            {
                at += 1
                return key + rest
            }
            guard case .word(let word) = current.kind else {
                throw fault(
                    current, "expected a key after `\(head).\(key)`, found \(shown(current))",
                    hint: "quote a key that is more than letters, digits, `_` and dots: \(head).`a-b`")
            }
            let last = current
            key += word
            at += 1
            guard isAdjacentDot(after: last), at + 1 < tokens.count,
                tokens[at + 1].range.lowerBound == current.range.upperBound
            else { break }
            key += "."
            at += 1
        }
        if case .unknown(let text) = current.kind, current.range.lowerBound == tokens[at - 1].range.upperBound {
            throw fault(
                current, "`\(text)` cannot stand in a plain key",
                hint: "quote the key: \(head).`\(key)\(text)…`")
        }
        return key
    }

    /// All that stands together without a comparison, bracket, comma or quote.
    private mutating func keyWithSigns(after head: String) throws -> String {
        let start = current.range.lowerBound
        var end = start
        scan: while current.range.lowerBound == end {
            switch current.kind {
            case .word, .integer, .decimal, .unknown, .sign("."): break
            default: break scan
            }
            end = current.range.upperBound
            at += 1
        }
        guard end > start else { throw fault(current, "expected a key after `\(head).`, found \(shown(current))") }
        return String(String.UnicodeScalarView(text[start..<end]))
    }

    private func resolve(
        _ key: String, in family: SearchVocabulary.Family, at token: SearchToken
    ) throws -> (SearchField, SearchVocabulary.Rule) {
        let name = family.synonyms[key] ?? key
        guard let rule = family.keys[name] ?? family.anyKey else {
            let known = family.keys.keys.sorted().joined(separator: ", ")
            throw fault(
                token, "\(vocabulary.subject) have no \(family.entity.rawValue) `\(key.prefix(80))`; there are \(known)"
            )
        }
        return (SearchField(family.entity, name), rule)
    }

    /// A name as the first part of a field: a word, or one in back-ticks or double quotes.
    private func name(_ token: SearchToken) -> String? {
        switch token.kind {
        case .word(let word): word
        case .quoted(let text, let mark) where mark != "'": text
        default: nil
        }
    }

    private func isAdjacentDot(after token: SearchToken) -> Bool {
        current.kind == .sign(".") && current.range.lowerBound == token.range.upperBound
    }

    // MARK: Comparators and values

    private mutating func comparator(_ rule: SearchVocabulary.Rule) throws -> SearchComparator {
        let start = current
        var text = ""
        switch start.kind {
        case .sign(let sign):
            text = sign
            at += 1
        case .word:
            // IS NOT NULL is the longest.
            var words: [String] = []
            while case .word(let word) = current.kind, words.count < 3 {
                words.append(word.uppercased())
                at += 1
                text = words.joined(separator: " ")
                if SearchComparator(rawValue: text) != nil { break }
            }
        default: break
        }
        guard let comparator = SearchComparator(rawValue: text), rule.comparators.contains(comparator) else {
            let allowed = rule.comparators.map(\.rawValue).joined(separator: ", ")
            throw fault(start, "expected one of \(allowed), found \(shown(start))")
        }
        return comparator
    }

    private mutating func value(
        _ rule: SearchVocabulary.Rule, _ comparator: SearchComparator
    ) throws -> SearchValue {
        let token = current
        at += 1
        let value = try value(token, rule, comparator)
        if case .text(let text) = value {
            if [.like, .ilike, .rlike].contains(comparator), text.utf8.count > vocabulary.longestPattern {
                throw fault(token, "the pattern is longer than \(vocabulary.longestPattern) bytes")
            }
            if let complaint = rule.complaint?(comparator, text) { throw fault(token, complaint) }
        }
        return value
    }

    private func value(
        _ token: SearchToken, _ rule: SearchVocabulary.Rule, _ comparator: SearchComparator
    ) throws -> SearchValue {
        let isOrdering = [.less, .lessOrEqual, .greater, .greaterOrEqual].contains(comparator)
        switch (rule.kind, token.kind) {
        case (.number, .integer(let text)), (.integer, .integer(let text)), (.quotableInteger, .integer(let text)),
            (.scalar, .integer(let text)):
            return try number(text, token)
        case (.number, .decimal(let text)), (.scalar, .decimal(let text)): return try number(text, token)
        case (.text, .quoted(let text, let mark)) where mark != "`": return .text(text)
        case (.scalar, .quoted(let text, let mark)) where mark != "`" && !isOrdering: return .text(text)
        case (.scalar, .word(let word)) where ["true", "false"].contains(word.lowercased()) && !isOrdering:
            return .text(word.lowercased())
        case (.identifier, .quoted(let text, let mark)) where mark != "`",
            (.quotableInteger, .quoted(let text, let mark)) where mark != "`":
            guard let number = Int64(text) else { throw fault(token, "`\(text.prefix(80))` is not a whole number") }
            return .integer(number)
        default:
            let expected =
                switch rule.kind {
                case .number: "a number"
                case .integer: "a whole number"
                case .quotableInteger: "a whole number"
                case .text: "a text in single or double quotes"
                case .identifier: "a whole number in quotes"
                case .scalar: isOrdering ? "a number" : "a text in quotes, a number, true or false"
                }
            throw fault(token, "expected \(expected), found \(shown(token))")
        }
    }

    /// Whole numbers too large for 64 bits become floating-point numbers, which compare rightly.
    private func number(_ text: String, _ token: SearchToken) throws -> SearchValue {
        if case .integer = token.kind, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text) else { throw fault(token, "`\(text.prefix(80))` is not a number") }
        return .number(number)
    }

    private mutating func list(
        _ rule: SearchVocabulary.Rule, _ comparator: SearchComparator
    ) throws -> [SearchValue] {
        guard current.kind == .sign("(") else { throw fault(current, "expected `(`, found \(shown(current))") }
        at += 1
        var values = [try value(rule, comparator)]
        while true {
            let token = current
            at += 1
            switch token.kind {
            case .sign(")"): return values
            case .sign(","):
                // Python's way to write a list of one, which clients pass on.
                if current.kind == .sign(")") { continue }
                values.append(try value(rule, comparator))
            default: throw fault(token, "expected `,` or `)`, found \(shown(token))")
            }
        }
    }

    /// False at the end of the filter.
    private mutating func takeAnd() throws -> Bool {
        let token = current
        switch token.kind {
        case .end: return false
        case .word(let word) where word.uppercased() == "AND":
            at += 1
            return true
        case .word(let word) where word.uppercased() == "OR":
            throw fault(
                token, "expected AND, found `\(word)`", hint: "comparisons are joined by AND only; search twice instead"
            )
        default: throw fault(token, "expected AND, found \(shown(token))")
        }
    }

    // MARK: Complaints

    private var current: SearchToken { tokens[min(at, tokens.count - 1)] }

    private var isOrder: Bool { if case .order = place { true } else { false } }

    /// A field that there is, to show how one is written.
    private var example: String {
        let families = isOrder ? vocabulary.orders : vocabulary.families
        if families.contains(where: { $0.entity == .metric }) { return "a name such as `metrics.auc`" }
        let first = families.first, key = first?.keys.keys.min() ?? "name"
        let prefix = first?.entity == .attribute ? "" : first?.prefixes.first.map { $0 + "." } ?? ""
        return "a name such as `\(prefix)\(key)`"
    }

    private func shown(_ token: SearchToken) -> String {
        switch token.kind {
        case .word(let text), .integer(let text), .decimal(let text), .sign(let text), .unknown(let text):
            "`\(text.prefix(80))`"
        case .quoted(let text, let mark):
            mark == "`" ? "`\(text.prefix(80))` in back-ticks" : "the text \(mark)\(text.prefix(80))\(mark)"
        case .unclosed(let mark): "a \(mark) without an end"
        case .end: "nothing"
        }
    }

    private func fault(
        _ token: SearchToken, _ what: String, range: Int? = nil, hint: String? = nil
    ) -> NestboxError {
        let position = (range ?? token.range.lowerBound) + 1
        switch place {
        case .filter: return .invalid("Invalid filter, at position \(position): \(what)", hint: hint)
        case .order(let clause):
            return .invalid(
                "Invalid order_by clause `\(clause.prefix(120))`, at position \(position): \(what)", hint: hint)
        }
    }
}
