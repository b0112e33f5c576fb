import Core
import Foundation

extension Tokenizer {
    /// The tokenizer that a Hugging Face `tokenizer.json` describes.
    ///
    /// - Parameters:
    ///   - file: the bytes of `tokenizer.json`.
    ///   - configuration: those of `tokenizer_config.json`, which names the special tokens.
    ///   - name: what errors call the file.
    /// - Throws: `invalid_argument` for a file that is not whole, `not_implemented` for a step that is not known.
    public convenience init(file: Data, configuration: Data? = nil, name: String = "tokenizer.json") throws {
        let json = try TokenizerJSON(file, what: name)
        let settings = try configuration.map {
            try JSONReader.parse($0, what: "tokenizer_config.json", deepest: TokenizerJSON.deepest)
        }
        self.init(try TokenizerFile(json, settings, name: name).parts())
    }
}

/// Reads the parts of a `tokenizer.json`, named as there. Its source is the crate `tokenizers`, version 0.23.
struct TokenizerFile {
    let json: TokenizerJSON
    let settings: JSONValue?
    let name: String
    /// The spellings by id, with those of added tokens. Ids that nothing has are empty.
    let vocabulary: Vocabulary
    private let added: [AddedTokens.Token]
    var vocabularySize: Int { vocabulary.count }
    private var isAdded: [Bool]
    private var isSpecial: [Bool]

    /// Ids beyond it are held for damage: tables are made as long as the largest id.
    static let mostTokens = 1 << 22

    init(_ json: TokenizerJSON, _ settings: JSONValue?, name: String) throws {
        self.json = json
        self.settings = settings
        self.name = name
        let own = Vocabulary(json.tokens)
        var spellings: [Int: [UInt8]] = [:]
        var added: [AddedTokens.Token] = []
        for (index, value) in (json.members["added_tokens"]?.arrayValue ?? []).enumerated() {
            guard let content = value["content"]?.stringValue, let declared = value["id"]?.intValue else {
                throw NestboxError.invalid("\(name): `added_tokens[\(index)]` needs `content` and `id`")
            }
            // The model's id goes before the one that is declared, as in the reference.
            let id = own.id(content.utf8).map { json.ids[Int($0)] } ?? declared
            guard id >= 0, id < Self.mostTokens else {
                throw NestboxError.invalid("\(name): `added_tokens[\(index)]` has the id \(id)")
            }
            func flag(_ key: String, _ standard: Bool = false) -> Bool { value[key]?.boolValue ?? standard }
            let isSpecial = flag("special")
            added.append(
                .init(
                    id: Int32(id), content: Array(content.utf8), isSpecial: isSpecial,
                    isNormalized: flag("normalized", !isSpecial), stripsLeft: flag("lstrip"),
                    stripsRight: flag("rstrip"),
                    isSingleWord: flag("single_word")))
            spellings[Int(id)] = Array(content.utf8)
        }
        self.added = added
        let tokens = try Self.byID(json, spellings, name)
        vocabulary = Vocabulary(tokens)
        isAdded = [Bool](repeating: false, count: tokens.count)
        isSpecial = isAdded
        for token in added {
            isAdded[Int(token.id)] = true
            if token.isSpecial { isSpecial[Int(token.id)] = true }
        }
    }

    private static func byID(_ json: TokenizerJSON, _ added: [Int: [UInt8]], _ name: String) throws -> ByteStrings {
        let largest = max(json.ids.max() ?? -1, Int64(added.keys.max() ?? -1))
        guard !json.ids.isEmpty || !added.isEmpty else {
            throw NestboxError.invalid("\(name): the vocabulary has no tokens")
        }
        // Some vocabularies have gaps, but none is mostly gaps.
        let most = min(Int64(mostTokens), 4 * Int64(json.ids.count + added.count) + 65_536)
        guard largest < most, json.ids.allSatisfy({ $0 >= 0 }) else {
            throw NestboxError.invalid(
                "\(name): a token has an id outside 0 to \(most - 1), with \(json.ids.count + added.count) tokens in all"
            )
        }
        let count = largest + 1
        var places = [Int32](repeating: -1, count: Int(count))
        for (place, id) in json.ids.enumerated() {
            guard places[Int(id)] < 0 else {
                throw NestboxError.invalid(
                    "\(name): `\(json.tokens.string(Int(places[Int(id)])))` and `\(json.tokens.string(place))` both have the id \(id)"
                )
            }
            places[Int(id)] = Int32(place)
        }
        var tokens = ByteStrings()
        tokens.reserveCapacity(Int(count), bytes: json.tokens.storage.count)
        for id in 0..<Int(count) {
            if let content = added[id] {
                guard places[id] < 0 || json.tokens[Int(places[id])].elementsEqual(content) else {
                    throw NestboxError.invalid(
                        "\(name): the added token `\(String(decoding: content, as: UTF8.self))` has the id \(id) of `\(json.tokens.string(Int(places[id])))`"
                    )
                }
                tokens.append(content)
            } else if places[id] >= 0 {
                tokens.append(json.tokens[Int(places[id])])
            } else {
                tokens.append([])
            }
        }
        return tokens
    }

    func parts() throws -> Tokenizer.Parts {
        let normalizers = try self.normalizers(json.members["normalizer"] ?? .null)
        let (steps, isByteLevel) = try preTokenizers(json.members["pre_tokenizer"] ?? .null)
        let decoding = try TokenizerDecoding(json.members["decoder"] ?? .null, name: name)
        var parts = Tokenizer.Parts(
            vocabulary: vocabulary, model: try model(isByteLevel), isSpecial: isSpecial,
            added: try AddedTokens(added.filter { !$0.isNormalized }),
            pieces: decoding.pieces(vocabulary.tokens, isAdded, isByteLevel: isByteLevel))
        parts.normalizers = normalizers
        parts.preTokenizers = steps
        parts.needsText = !isByteLevel || !normalizers.isEmpty
        parts.dropsFirstSpace = decoding.dropsFirstSpace
        parts.truncation = json.members["truncation"]?["max_length"]?.intValue.flatMap { Int(exactly: $0) }
        var normalized = added.filter(\.isNormalized)
        for index in normalized.indices {
            for step in normalizers { step.apply(&normalized[index].content) }
        }
        if !normalized.isEmpty { parts.addedNormalized = try AddedTokens(normalized) }
        (parts.prefix, parts.suffix) = try template(json.members["post_processor"] ?? .null)
        parts.special = specialTokens(parts)
        return parts
    }

    private func specialTokens(_ parts: Tokenizer.Parts) -> SpecialTokens {
        func named(_ key: String, _ usual: String...) -> Int32? {
            // A name, or an object with more about the token.
            let name = settings?[key]?.stringValue ?? settings?[key]?["content"]?.stringValue
            if let name { return vocabulary.id(name.utf8) }
            return usual.lazy.compactMap { vocabulary.id($0.utf8) }.first { isSpecial[Int($0)] }
        }
        var special = SpecialTokens()
        special.bos = named("bos_token", "<s>", "<|begin_of_text|>", "<bos>")
        special.eos = named("eos_token", "</s>", "<eos>")
        special.unknown = named("unk_token", "<unk>", "[UNK]")
        special.padding = named("pad_token", "<pad>", "[PAD]")
        special.cls = named("cls_token", "[CLS]")
        special.separator = named("sep_token", "[SEP]")
        special.mask = named("mask_token", "[MASK]", "<mask>")
        if let eos = special.eos { special.ends.insert(eos) }
        for name in SpecialTokens.namesOfEnds {
            if let id = vocabulary.id(name.utf8), isSpecial[Int(id)] { special.ends.insert(id) }
        }
        return special
    }

    // MARK: Models

    func refusal(_ what: String, hint: String? = nil) -> NestboxError {
        NestboxError(.notImplemented, "\(name): \(what)", hint: hint)
    }

    private func model(_ isByteLevel: Bool) throws -> Tokenizer.Model {
        // Older files leave the type out.
        let type =
            json.model["type"]?.stringValue
            ?? (json.isScored ? "Unigram" : json.merges.isEmpty ? "WordPiece" : "BPE")
        switch type {
        case "BPE": return .bytePair(try bytePairModel(isByteLevel))
        case "WordPiece": return .wordPiece(try wordPieceModel())
        case "Unigram": return .unigram(try unigramModel())
        default: throw refusal("the model `\(type)` is not known", hint: "known are BPE, WordPiece and Unigram")
        }
    }

    func unknownToken() throws -> Int32? {
        guard let token = json.model["unk_token"]?.stringValue else { return nil }
        guard let id = vocabulary.id(token.utf8) else {
            throw NestboxError.invalid("\(name): `model.unk_token` is `\(token)`, which is not in the vocabulary")
        }
        return id
    }

    /// The tokens `<0x00>` to `<0xFF>`; nil when one is missing.
    func byteTokens() -> [Int32]? {
        var ids: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            guard let id = vocabulary.id(ByteToken.spelling(of: byte)) else { return nil }
            ids.append(id)
        }
        return ids
    }

    private func bytePairModel(_ isByteLevel: Bool) throws -> BytePairModel {
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = json.model[key]?.stringValue, !text.isEmpty {
                throw refusal("`model.\(key)` is `\(text)`, and only models without it can be used")
            }
        }
        if let dropout = json.model["dropout"]?.doubleValue, dropout != 0 {
            throw refusal("`model.dropout` is \(dropout)", hint: "it makes ids random; set it to null")
        }
        let merges = json.merges
        var model = try BytePairModel(
            vocabulary, alphabet: isByteLevel ? .bytes : .characters, mergeCount: merges.count / 2,
            isSpecial: isSpecial,
            merge: { (merges[2 * $0], merges[2 * $0 + 1]) }, what: "\(name): `model.merges`")
        model.ignoresMerges = json.model["ignore_merges"]?.boolValue ?? false
        model.unknown = try unknownToken()
        model.fusesUnknown = json.model["fuse_unk"]?.boolValue ?? false
        if json.model["byte_fallback"]?.boolValue ?? false { model.bytes = byteTokens() ?? [] }
        return model
    }

    private func unigramModel() throws -> UnigramModel {
        guard json.isScored else {
            throw NestboxError.invalid("\(name): `model.vocab` must be a list of tokens and scores")
        }
        guard let unknown = json.model["unk_id"]?.intValue, unknown >= 0, unknown < json.ids.count else {
            throw refusal("`model.unk_id` is \(json.model["unk_id"]?.excerpt() ?? "missing"), and no token has it")
        }
        let bytes = json.model["byte_fallback"]?.boolValue ?? false ? byteTokens() ?? [] : []
        return try UnigramModel(
            json.tokens, scores: json.scores, unknown: Int32(unknown), bytes: bytes,
            isPiece: { !isSpecial[$0] && $0 != Int(unknown) })
    }

    private func wordPieceModel() throws -> WordPieceModel {
        var trie = ByteTrie()
        // Control tokens are no words: a text that has their name does not make them.
        for id in 0..<vocabulary.count where !vocabulary.tokens[id].isEmpty && !isSpecial[id] {
            try trie.insert(vocabulary.tokens[id], Int32(id))
        }
        guard let unknown = try unknownToken() else {
            throw NestboxError.invalid("\(name): `model.unk_token` is required and is missing")
        }
        let prefix = json.model["continuing_subword_prefix"]?.stringValue ?? "##"
        var model = WordPieceModel(
            trie: trie, initial: ByteTrie.root, continuing: trie.node(prefix.utf8), unknown: unknown)
        if let most = json.model["max_input_chars_per_word"]?.intValue { model.longestWord = Int(clamping: most) }
        return model
    }
}

/// SentencePiece's tokens of single bytes, such as `<0x0A>`.
enum ByteToken {
    static func spelling(of byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)], UInt8(ascii: ">")]
    }

    static func byte(of token: some Collection<UInt8>) -> UInt8? {
        guard token.count == 6 else { return nil }
        let token = Array(token)
        guard token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }
}
