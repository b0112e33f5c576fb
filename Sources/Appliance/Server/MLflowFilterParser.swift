import Core

/// Splits a filter into words and reads them one by one; every complaint says where.
struct MLflowFilterParser {
    private enum Token: Equatable {
        case word(String)
        case quoted(String)
        case sign(String)
    }

    private let tokens: [(token: Token, position: Int)]
    private let vocabulary: MLflowFilter.Vocabulary
    private let length: Int
    private var at = 0

    init(_ text: String, _ vocabulary: MLflowFilter.Vocabulary) throws {
        self.vocabulary = vocabulary
        let scalars = Array(text.unicodeScalars)
        length = scalars.count
        tokens = try Self.split(scalars)
    }

    var isAtEnd: Bool { at == tokens.count }

    /// `metrics.auc`, `tags."a b"`, `status`, …
    mutating func field() throws -> (MLflowFilter.Field, MLflowFilter.Kind) {
        let start = at
        guard case .word(let text)? = next() else { throw fault(start, "expected a name such as `metrics.auc`") }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var key = parts.count == 2 ? parts[1] : ""
        // A key in quotes or backticks comes as a token of its own.
        if parts.count == 2, key.isEmpty {
            guard case .quoted(let quoted)? = next() else { throw fault(at - 1, "expected a key after `\(text)`") }
            key = quoted
        }
        let family = parts.count == 2 ? parts[0].lowercased() : "attribute"
        switch family {
        case "attribute", "attributes", "attr", "run":
            let name = Self.synonyms[parts.count == 2 ? key : text] ?? (parts.count == 2 ? key : text)
            guard let kind = vocabulary.attributes[name] else {
                let known = vocabulary.attributes.keys.sorted().joined(separator: ", ")
                throw fault(start, "there is no attribute `\(name)`; there are \(known)")
            }
            return (.attribute(name), kind)
        case "tag", "tags":
            if vocabulary.hasTags { return (.tag(key), .text) }
        case "metric", "metrics":
            if vocabulary.hasMetricsAndParams { return (.metric(key), .number) }
        case "param", "params", "parameter", "parameters":
            if vocabulary.hasMetricsAndParams { return (.param(key), .text) }
        default: break
        }
        throw fault(start, "`\(family)` cannot be searched here (yet)")
    }

    private static let synonyms = [
        "created": "start_time", "Created": "start_time", "start time": "start_time", "run name": "run_name",
        "Run name": "run_name", "Run Name": "run_name", "run id": "run_id", "User": "user_id", "user": "user_id",
    ]

    mutating func comparator(for kind: MLflowFilter.Kind) throws -> String {
        let start = at
        let allowed = kind == .text ? ["=", "!=", "LIKE", "ILIKE", "IN"] : ["=", "!=", "<", "<=", ">", ">=", "IN"]
        let found: String? =
            switch next() {
            case .sign(let sign)?: sign == "==" ? "=" : sign
            case .word(let word)?: word.uppercased()
            default: nil
            }
        guard let found, allowed.contains(found) else {
            throw fault(start, "expected one of \(allowed.joined(separator: " "))")
        }
        return found
    }

    mutating func value(of kind: MLflowFilter.Kind) throws -> MLflowFilter.Value {
        let start = at
        switch (next(), kind) {
        case (.quoted(let text)?, .text): return .text(text)
        case (.word(let text)?, .number):
            guard let number = Double(text) else { throw fault(start, "`\(text)` is not a number") }
            return .number(number)
        case (_, .text): throw fault(start, "expected a text in quotes")
        case (_, .number): throw fault(start, "expected a number")
        }
    }

    mutating func list(of kind: MLflowFilter.Kind) throws -> [MLflowFilter.Value] {
        guard next() == .sign("(") else { throw fault(at - 1, "expected `(`") }
        var values = [try value(of: kind)]
        while true {
            switch next() {
            case .sign(",")?: values.append(try value(of: kind))
            case .sign(")")?: return values
            default: throw fault(at - 1, "expected `,` or `)`")
            }
        }
    }

    /// False at the end of the filter.
    mutating func takeAnd() throws -> Bool {
        guard !isAtEnd else { return false }
        guard case .word(let word)? = next(), word.uppercased() == "AND" else {
            throw fault(at - 1, "expected `and`; other ways to join comparisons are not supported yet")
        }
        return true
    }

    private mutating func next() -> Token? {
        defer { at += 1 }
        return at < tokens.count ? tokens[at].token : nil
    }

    private func fault(_ index: Int, _ what: String) -> NestboxError {
        let position = index < tokens.count ? tokens[index].position : length + 1
        return Self.fault(position, what)
    }

    private static func fault(_ position: Int, _ what: String) -> NestboxError {
        .invalid(
            "Invalid filter, at position \(position): \(what)",
            hint: "write metrics.auc > 0.7 and params.learner = 'linear'")
    }

    private static func split(_ text: [Unicode.Scalar]) throws -> [(Token, Int)] {
        var tokens: [(Token, Int)] = []
        var at = 0
        while at < text.count {
            let start = at
            let scalar = text[at]
            if scalar.properties.isWhitespace {
                at += 1
            } else if "'\"`".unicodeScalars.contains(scalar) {
                at += 1
                while at < text.count, text[at] != scalar { at += 1 }
                guard at < text.count else { throw fault(start + 1, "a quote without an end") }
                tokens.append((.quoted(string(text[start + 1..<at])), start + 1))
                at += 1
            } else if "=!<>".unicodeScalars.contains(scalar) {
                while at < text.count, "=!<>".unicodeScalars.contains(text[at]) { at += 1 }
                tokens.append((.sign(string(text[start..<at])), start + 1))
            } else if "(),".unicodeScalars.contains(scalar) {
                at += 1
                tokens.append((.sign(String(Character(scalar))), start + 1))
            } else {
                while at < text.count, !text[at].properties.isWhitespace,
                    !"=!<>(),'\"`".unicodeScalars.contains(text[at])
                { at += 1 }
                tokens.append((.word(string(text[start..<at])), start + 1))
            }
        }
        return tokens
    }

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }
}
