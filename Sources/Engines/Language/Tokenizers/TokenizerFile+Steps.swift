import Core
import Foundation

/// The steps before and after the model, by the names they have in `tokenizer.json`.
extension TokenizerFile {
    // MARK: Normalizers

    func normalizers(_ value: JSONValue) throws -> [Normalizer] {
        guard value != .null else { return [] }
        func flag(_ key: String, _ standard: Bool) -> Bool { value[key]?.boolValue ?? standard }
        let type = value["type"]?.stringValue
        switch type {
        case "Sequence": return try list(value, "normalizers").flatMap { try normalizers($0) }
        case "NFC": return [.nfc]
        case "NFD": return [.nfd]
        case "NFKC": return [.nfkc]
        case "NFKD": return [.nfkd]
        case "Lowercase": return [.lowercase]
        case "StripAccents": return [.stripAccents]
        case "Strip": return [.strip(left: flag("strip_left", true), right: flag("strip_right", true))]
        case "Prepend": return [.prepend(Array(try text(value, "prepend").utf8))]
        case "Replace": return [try replacement(value)]
        case "Precompiled":
            guard let bytes = Data(base64Encoded: try text(value, "precompiled_charsmap")) else {
                throw NestboxError.invalid("\(name): `precompiled_charsmap` is not base64")
            }
            return bytes.isEmpty ? [] : [.map(try CharacterMap(Array(bytes), what: name))]
        case "BertNormalizer":
            let lowercase = flag("lowercase", true)
            return [
                .bert(
                    cleanText: flag("clean_text", true), spaceChinese: flag("handle_chinese_chars", true),
                    stripAccents: flag("strip_accents", lowercase), lowercase: lowercase)
            ]
        default:
            throw refusal(
                "the normalizer `\(type ?? value.excerpt())` is not known",
                hint:
                    "known are NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Precompiled and BertNormalizer"
            )
        }
    }

    private func replacement(_ value: JSONValue) throws -> Normalizer {
        let content = Array(try text(value, "content").utf8)
        if let pattern = value["pattern"]?["String"]?.stringValue, !pattern.isEmpty {
            return .replace(Array(pattern.utf8), with: content)
        }
        switch value["pattern"]?["Regex"]?.stringValue {
        case " {2,}": return .replaceSpaces(with: content)
        default:
            throw refusal(
                "the pattern \(value["pattern"]?.excerpt() ?? "null") of the normalizer Replace cannot be used",
                hint: "patterns are texts, or the expression ` {2,}`")
        }
    }

    private func list(_ value: JSONValue, _ key: String) throws -> [JSONValue] {
        guard let list = value[key]?.arrayValue else {
            throw NestboxError.invalid("\(name): a Sequence needs the list `\(key)`")
        }
        return list
    }

    private func text(_ value: JSONValue, _ key: String) throws -> String {
        guard let text = value[key]?.stringValue else {
            throw NestboxError.invalid("\(name): \(value["type"]?.stringValue ?? "a step") needs the text `\(key)`")
        }
        return text
    }

    // MARK: Pre-tokenizers

    /// The steps, and whether the model works on bytes.
    func preTokenizers(_ value: JSONValue) throws -> (steps: [PreTokenizer], isByteLevel: Bool) {
        guard value != .null else { return ([], false) }
        func flag(_ key: String, _ standard: Bool) -> Bool { value[key]?.boolValue ?? standard }
        let type = value["type"]?.stringValue
        switch type {
        case "Sequence":
            var all: (steps: [PreTokenizer], isByteLevel: Bool) = ([], false)
            for item in try list(value, "pretokenizers") {
                guard !all.isByteLevel else {
                    throw refusal("a pre-tokenizer follows ByteLevel, which must be the last")
                }
                let (steps, isByteLevel) = try preTokenizers(item)
                all = (all.steps + steps, isByteLevel)
            }
            return all
        case "ByteLevel":
            var steps: [PreTokenizer] = flag("add_prefix_space", true) ? [.spacePrefix] : []
            if flag("use_regex", true) { steps.append(.words(.gpt2)) }
            return (steps, true)
        case "Digits": return ([.digits(individually: flag("individual_digits", false))], false)
        case "Split": return ([try split(value)], false)
        case "Metaspace": return ([try metaspace(value)], false)
        case "BertPreTokenizer": return ([.bert], false)
        case "WhitespaceSplit": return ([.whitespaceSplit], false)
        case "Whitespace": return ([.whitespace], false)
        case "Punctuation" where ["Isolated", nil].contains(value["behavior"]?.stringValue):
            return ([.punctuation], false)
        default:
            throw refusal(
                "the pre-tokenizer `\(type ?? value.excerpt())` is not known",
                hint:
                    "known are ByteLevel, Split, Digits, Metaspace, BertPreTokenizer, Whitespace, WhitespaceSplit and Punctuation"
            )
        }
    }

    private func metaspace(_ value: JSONValue) throws -> PreTokenizer {
        let replacement = value["replacement"]?.stringValue ?? "▁"
        guard !replacement.isEmpty else { throw NestboxError.invalid("\(name): Metaspace needs a `replacement`") }
        let prepending: PreTokenizer.Prepending
        switch value["prepend_scheme"]?.stringValue {
        case "first": prepending = .first
        case "never": prepending = .never
        case "always": prepending = .always
        case nil: prepending = value["add_prefix_space"]?.boolValue ?? true ? .always : .never
        case .some(let other): throw refusal("Metaspace has the `prepend_scheme` `\(other)`")
        }
        return .metaspace(
            replacement: Array(replacement.utf8), prepending, splits: value["split"]?.boolValue ?? true)
    }

    private func split(_ value: JSONValue) throws -> PreTokenizer {
        let behaviour = value["behavior"]?.stringValue ?? "Isolated"
        let isInverted = value["invert"]?.boolValue ?? false
        if let text = value["pattern"]?["String"]?.stringValue, !text.isEmpty, !isInverted,
            let separator = Self.separators[behaviour]
        {
            return .literal(Array(text.utf8), separator)
        }
        // These expressions match the whole of a text: its matches are the words, also as what is not removed.
        if let regex = value["pattern"]?["Regex"]?.stringValue, let scanner = WordScanner(regex: regex),
            behaviour == "Isolated" || behaviour == "Removed" && isInverted
        {
            return .words(scanner)
        }
        throw refusal(
            "the pattern \(value["pattern"]?.excerpt(120) ?? "null") with the behaviour `\(behaviour)` of the pre-tokenizer Split is not known",
            hint: "known are the expressions of GPT-2, Llama 3 and Qwen 2, and plain texts")
    }

    private static let separators: [String: PreTokenizer.Separator] = [
        "Isolated": .isolated, "Removed": .removed, "MergedWithPrevious": .withPrevious, "MergedWithNext": .withNext,
    ]

    // MARK: Post-processors

    /// What is put before and after a text.
    func template(_ value: JSONValue) throws -> (prefix: [Int32], suffix: [Int32]) {
        guard value != .null else { return ([], []) }
        switch value["type"]?.stringValue {
        case "ByteLevel": return ([], [])
        case "Sequence":
            var all: (prefix: [Int32], suffix: [Int32]) = ([], [])
            for item in try list(value, "processors") {
                let (prefix, suffix) = try template(item)
                all = (prefix + all.prefix, all.suffix + suffix)
            }
            return all
        case "BertProcessing", "RobertaProcessing":
            return ([try id(value["cls"]?.arrayValue?.last)], [try id(value["sep"]?.arrayValue?.last)])
        case "TemplateProcessing": return try templateProcessing(value)
        case let type:
            throw refusal(
                "the post-processor `\(type ?? value.excerpt())` is not known",
                hint: "known are TemplateProcessing, BertProcessing, RobertaProcessing and ByteLevel")
        }
    }

    private func id(_ value: JSONValue?) throws -> Int32 {
        guard let id = value?.intValue, id >= 0, id < vocabularySize else {
            throw NestboxError.invalid(
                "\(name): `post_processor` has the id \(value?.excerpt() ?? "null"), which no token has")
        }
        return Int32(id)
    }

    private func templateProcessing(_ value: JSONValue) throws -> (prefix: [Int32], suffix: [Int32]) {
        var sides: [[Int32]] = [[]]
        for item in value["single"]?.arrayValue ?? [] {
            if item["Sequence"] != nil {
                sides.append([])
            } else if let token = item["SpecialToken"]?["id"]?.stringValue,
                let ids = value["special_tokens"]?[token]?["ids"]?.arrayValue
            {
                sides[sides.count - 1] += try ids.map { try id($0) }
            } else {
                throw NestboxError.invalid(
                    "\(name): `post_processor.single` has \(item.excerpt()), which `special_tokens` does not explain")
            }
        }
        guard sides.count == 2 else {
            throw NestboxError.invalid(
                "\(name): `post_processor.single` must have the text once, not \(sides.count - 1) times")
        }
        return (sides[0], sides[1])
    }
}

extension WordScanner {
    /// The scanner for an expression as it is written in `tokenizer.json`.
    init?(regex: String) {
        let llama3 =
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        switch regex {
        case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: self = .gpt2
        case llama3: self = .llama3(digits: 3)
        case llama3.replacing("{1,3}", with: ""): self = .llama3(digits: 1)
        default: return nil
        }
    }
}

/// What the decoder of a `tokenizer.json` makes of tokens, as far as each can be told by itself.
struct TokenizerDecoding {
    private var spaces: [UInt8]?
    private var decodesBytes = false
    private(set) var dropsFirstSpace = false
    /// WordPiece: tokens without this prefix begin with a space.
    private var continuingPrefix: [UInt8]?
    private var cleansUp = false
    private let name: String

    init(_ value: JSONValue, name: String) throws {
        self.name = name
        try read(value)
    }

    private mutating func read(_ value: JSONValue) throws {
        let type = value["type"]?.stringValue
        switch type {
        case nil where value == .null: break
        case "Sequence": for item in value["decoders"]?.arrayValue ?? [] { try read(item) }
        case "ByteLevel", "Fuse": break
        case "ByteFallback": decodesBytes = true
        case "Metaspace":
            spaces = Array((value["replacement"]?.stringValue ?? "▁").utf8)
            dropsFirstSpace =
                value["prepend_scheme"]?.stringValue.map { $0 != "never" } ?? value["add_prefix_space"]?.boolValue
                ?? true
        case "WordPiece":
            continuingPrefix = Array((value["prefix"]?.stringValue ?? "##").utf8)
            cleansUp = value["cleanup"]?.boolValue ?? true
            dropsFirstSpace = true
        case "Replace" where value["content"]?.stringValue == " ":
            spaces = (value["pattern"]?["String"]?.stringValue).map { Array($0.utf8) }
        case "Strip" where value["content"]?.stringValue == " ": dropsFirstSpace = value["start"]?.intValue ?? 0 > 0
        default:
            throw NestboxError(
                .notImplemented, "\(name): the decoder `\(type ?? value.excerpt())` is not known",
                hint: "known are ByteLevel, ByteFallback, Fuse, Metaspace, WordPiece, and Replace and Strip of spaces")
        }
    }

    func pieces(_ tokens: ByteStrings, _ isAdded: [Bool], isByteLevel: Bool) -> ByteStrings {
        var pieces = ByteStrings()
        pieces.reserveCapacity(tokens.count, bytes: tokens.storage.count)
        for id in tokens.indices {
            pieces.append(
                isByteLevel && !isAdded[id]
                    ? tokens.withBytes(of: id) { ByteAlphabet.bytes(of: $0) ?? Array($0) }
                    : piece(Array(tokens[id])))
        }
        return pieces
    }

    private func piece(_ token: [UInt8]) -> [UInt8] {
        var piece = token
        if decodesBytes, let byte = ByteToken.byte(of: token) { return [byte] }
        if let spaces { piece = Normalizer.replace(piece, spaces, [0x20]) }
        if let continuingPrefix, !piece.isEmpty {
            piece =
                piece.starts(with: continuingPrefix) ? Array(piece.dropFirst(continuingPrefix.count)) : [0x20] + piece
        }
        if cleansUp {
            for (spaced, close) in Self.cleanups {
                piece = Normalizer.replace(piece, Array(spaced.utf8), Array(close.utf8))
            }
        }
        return piece
    }

    private static let cleanups = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ]
}
