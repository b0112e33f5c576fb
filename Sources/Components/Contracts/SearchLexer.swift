import Core

/// Splits the text of a filter or an order into tokens. It never throws: what is no token is one of kind `unknown`, and the
/// parser complains where it meets it.
struct SearchToken: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case word(String)
        /// Without its quotes; the mark is `'`, `"` or a back-tick.
        case quoted(String, mark: Unicode.Scalar)
        case integer(String)
        case decimal(String)
        /// `<=`, `.`, `(`, …
        case sign(String)
        case unknown(String)
        case unclosed(Unicode.Scalar)
        case end
    }

    var kind: Kind
    /// Scalars of the text, from 0.
    var range: Range<Int>
}

struct SearchLexer {
    private let text: [Unicode.Scalar]
    private var at = 0

    static func tokens(_ text: [Unicode.Scalar]) -> [SearchToken] {
        var lexer = SearchLexer(text: text)
        var tokens: [SearchToken] = []
        repeat { tokens.append(lexer.next()) } while tokens.last?.kind != .end
        return tokens
    }

    private mutating func next() -> SearchToken {
        while at < text.count, text[at].properties.isWhitespace { at += 1 }
        let start = at
        let kind = kind()
        return SearchToken(kind: kind, range: start..<at)
    }

    private mutating func kind() -> SearchToken.Kind {
        guard at < text.count else { return .end }
        let start = at, scalar = text[at]
        if "'\"`".unicodeScalars.contains(scalar) { return quoted(scalar) }
        if let number = number() { return number }
        if Self.isWord(scalar) {
            while at < text.count, Self.isWord(text[at]) { at += 1 }
            return .word(string(start..<at))
        }
        at += 1
        if Self.isComparison(scalar) {
            while at < text.count, Self.isComparison(text[at]) { at += 1 }
            return .sign(string(start..<at))
        }
        return "().,".unicodeScalars.contains(scalar) ? .sign(string(start..<at)) : .unknown(string(start..<at))
    }

    /// Up to the mark that ends it. A doubled mark and one after a backslash are part of the text, as they stand, when
    /// another mark follows: what MLflow's tokenizer (sqlparse) makes of `'it''s'` and `'it\'s'`.
    private mutating func quoted(_ mark: Unicode.Scalar) -> SearchToken.Kind {
        let start = at + 1
        var candidate: Int?, end = start
        scan: while end < text.count {
            let following = end + 1 < text.count ? text[end + 1] : nil
            switch text[end] {
            case mark where following == mark:
                candidate = end
                end += 2
            case mark: break scan
            case "\\" where following == mark && mark != "`":
                candidate = end + 1
                end += 2
            default: end += 1
            }
        }
        guard let close = end < text.count ? end : candidate else {
            at = text.count
            return .unclosed(mark)
        }
        at = close + 1
        return .quoted(string(start..<close), mark: mark)
    }

    /// Nil where no number begins. A number that runs into a word is unknown.
    private mutating func number() -> SearchToken.Kind? {
        let start = at
        var end = at, isInteger = true
        if text[end] == "-" || text[end] == "+" { end += 1 }
        let whole = digits(from: end)
        var fraction = whole
        if whole < text.count, text[whole] == ".", whole > end || digits(from: whole + 1) > whole + 1 {
            // A dot right after a word belongs to a name: `metrics.1`.
            guard whole > end || start == 0 || !Self.isNameEnd(text[start - 1]) else { return nil }
            fraction = digits(from: whole + 1)
            isInteger = false
        }
        guard whole > end || fraction > whole + 1 else { return nil }
        end = fraction
        if end < text.count, text[end] == "e" || text[end] == "E" {
            var exponent = end + 1
            if exponent < text.count, text[exponent] == "-" || text[exponent] == "+" { exponent += 1 }
            let last = digits(from: exponent)
            if last > exponent {
                end = last
                isInteger = false
            }
        }
        at = end
        guard at == text.count || !Self.isWord(text[at]) else {
            while at < text.count, Self.isWord(text[at]) { at += 1 }
            return .unknown(string(start..<at))
        }
        return isInteger ? .integer(string(start..<at)) : .decimal(string(start..<at))
    }

    private func digits(from start: Int) -> Int {
        var end = start
        while end < text.count, ("0"..."9").contains(text[end]) { end += 1 }
        return end
    }

    private func string(_ range: Range<Int>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: text[range])
        return String(view)
    }

    private static func isComparison(_ scalar: Unicode.Scalar) -> Bool { "=!<>~".unicodeScalars.contains(scalar) }

    private static func isNameEnd(_ scalar: Unicode.Scalar) -> Bool {
        isWord(scalar) || scalar == "`" || scalar == "\""
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "$", "#": true
        default: !scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
        }
    }
}
