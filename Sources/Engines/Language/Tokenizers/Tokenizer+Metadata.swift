import Core

extension Tokenizer {
    /// The tokenizer that a GGUF file describes.
    ///
    /// - Throws: `invalid_argument` for a description that is not whole, `not_implemented` for kinds that are not known.
    ///
    /// Follows llama.cpp's `llama-vocab.cpp` in what is assumed where a file says nothing.
    public convenience init(_ metadata: TokenizerMetadata) throws {
        try metadata.check()
        switch metadata.model {
        case "gpt2": self.init(try metadata.bytePairParts())
        case "bert": self.init(try metadata.wordPieceParts())
        case "llama", "t5": self.init(try metadata.sentencePieceParts())
        default:
            throw NestboxError(
                .notImplemented, "tokenizer.ggml.model: `\(metadata.model)` is not a kind of tokenizer that is known",
                hint: "known are gpt2, llama, bert and t5")
        }
    }
}

extension TokenizerMetadata {
    fileprivate func check() throws {
        guard !tokens.isEmpty else { throw NestboxError.invalid("tokenizer.ggml.tokens: there are none") }
        guard tokens.count < 1 << 24 else {
            throw NestboxError.invalid(
                "tokenizer.ggml.tokens: \(tokens.count) are too many", hint: "at most 16,777,215")
        }
        guard tokenTypes.isEmpty || tokenTypes.count == tokens.count else {
            throw NestboxError.invalid(
                "tokenizer.ggml.token_type: \(tokenTypes.count) types for \(tokens.count) tokens")
        }
        guard scores.isEmpty || scores.count == tokens.count else {
            throw NestboxError.invalid("tokenizer.ggml.scores: \(scores.count) scores for \(tokens.count) tokens")
        }
        if let index = scores.firstIndex(where: { $0.isNaN }) {
            throw NestboxError.invalid("tokenizer.ggml.scores: the score of token \(index) is not a number")
        }
    }

    private func id(_ value: Int64?, _ key: String) throws -> Int32? {
        guard let value else { return nil }
        // Writers put -1 or 2³² - 1 for «none».
        if value == -1 || value == Int64(UInt32.max) { return nil }
        guard value >= 0, value < tokens.count else {
            throw NestboxError.invalid("tokenizer.ggml.\(key): there is no token \(value) among \(tokens.count)")
        }
        return Int32(value)
    }

    func type(_ index: Int) -> TokenType {
        tokenTypes.isEmpty ? .normal : TokenType(rawValue: tokenTypes[index]) ?? .normal
    }

    func specialTokens(_ vocabulary: Vocabulary, _ isSpecial: [Bool]) throws -> SpecialTokens {
        var special = SpecialTokens()
        special.bos = try id(bosTokenID, "bos_token_id")
        special.eos = try id(eosTokenID, "eos_token_id")
        special.eot = try id(eotTokenID, "eot_token_id")
        special.unknown = try id(unknownTokenID, "unknown_token_id")
        special.separator = try id(separatorTokenID, "seperator_token_id")
        special.padding = try id(paddingTokenID, "padding_token_id")
        special.cls = try id(clsTokenID, "cls_token_id")
        special.mask = try id(maskTokenID, "mask_token_id")
        special.ends = Set([special.eos, special.eot, try id(eomTokenID, "eom_token_id")].compactMap { $0 })
        for name in SpecialTokens.namesOfEnds {
            if let id = vocabulary.id(name.utf8), isSpecial[Int(id)] { special.ends.insert(id) }
        }
        return special
    }

    func addedTokens() throws -> AddedTokens {
        try AddedTokens(
            tokens.indices.compactMap { index in
                switch type(index) {
                case .control, .unknown: .init(id: Int32(index), content: Array(tokens[index]), isSpecial: true)
                case .userDefined: .init(id: Int32(index), content: Array(tokens[index]))
                case .normal, .unused, .byte: nil
                }
            })
    }

    // MARK: gpt2

    fileprivate func bytePairParts() throws -> Tokenizer.Parts {
        let what = "tokenizer.ggml.merges"
        let vocabulary = Vocabulary(tokens)
        let isSpecial = tokens.indices.map { [.control, .unknown].contains(type($0)) }
        let style = try BytePairStyle.named(pre)
        var model = try BytePairModel(
            vocabulary, alphabet: .bytes, mergeCount: merges.count, isSpecial: isSpecial,
            merge: { Self.parts(of: merges[$0]) }, what: what)
        model.ignoresMerges = style.ignoresMerges
        var pieces = ByteStrings()
        pieces.reserveCapacity(tokens.count, bytes: tokens.storage.count)
        for index in tokens.indices {
            let bytes = tokens.withBytes(of: index) { token in
                [.normal, .unused].contains(type(index)) ? ByteAlphabet.bytes(of: token) ?? Array(token) : Array(token)
            }
            pieces.append(bytes)
        }
        var parts = Tokenizer.Parts(
            vocabulary: vocabulary, model: .bytePair(model), isSpecial: isSpecial, added: try addedTokens(),
            pieces: pieces)
        parts.special = try specialTokens(vocabulary, isSpecial)
        parts.preTokenizers = style.preTokenizers
        parts.needsText = false
        if addBOSToken ?? style.addsBOS {
            parts.prefix = try needed(parts.special.bos, "bos_token_id", "add_bos_token")
        }
        if addEOSToken ?? false { parts.suffix = try needed(parts.special.eos, "eos_token_id", "add_eos_token") }
        return parts
    }

    // MARK: bert

    /// Converters spell tokens that begin a word with U+2581 in front, and those that continue one without `##`.
    fileprivate func wordPieceParts() throws -> Tokenizer.Parts {
        let vocabulary = Vocabulary(tokens)
        let isSpecial = tokens.indices.map { [.control, .unknown].contains(type($0)) }
        let space = Array("▁".utf8)
        var trie = ByteTrie()
        var pieces = ByteStrings()
        for index in tokens.indices {
            let token = tokens[index]
            pieces.append(
                token.starts(with: space) || isSpecial[index]
                    ? [0x20] + token.dropFirst(isSpecial[index] ? 0 : 3) : Array(token))
            if !isSpecial[index], !token.isEmpty { try trie.insert(token, Int32(index)) }
        }
        guard let unknown = try id(unknownTokenID, "unknown_token_id") ?? vocabulary.id("[UNK]".utf8) else {
            throw NestboxError.invalid("tokenizer.ggml.unknown_token_id is missing, and words may be unknown")
        }
        let model = WordPieceModel(trie: trie, initial: trie.node(space), continuing: ByteTrie.root, unknown: unknown)
        var parts = Tokenizer.Parts(
            vocabulary: vocabulary, model: .wordPiece(model), isSpecial: isSpecial, added: try addedTokens(),
            pieces: pieces)
        parts.special = try specialTokens(vocabulary, isSpecial)
        parts.special.unknown = unknown
        let lowercases = normalizerLowercase ?? true
        parts.normalizers = [
            .bert(
                cleanText: true, spaceChinese: true, stripAccents: normalizerStripAccents ?? lowercases,
                lowercase: lowercases)
        ]
        parts.preTokenizers = [.bert]
        parts.dropsFirstSpace = true
        if addBOSToken ?? true {
            parts.prefix = try needed(
                parts.special.cls ?? parts.special.bos ?? vocabulary.id("[CLS]".utf8), "cls_token_id", "add_bos_token")
        }
        if addSEPToken ?? true {
            parts.suffix = try needed(
                parts.special.separator ?? vocabulary.id("[SEP]".utf8), "seperator_token_id", "add_sep_token")
        }
        return parts
    }

    func needed(_ id: Int32?, _ key: String, _ reason: String) throws -> [Int32] {
        guard let id else {
            throw NestboxError.invalid("tokenizer.ggml.\(key) is missing, and \(reason) needs it")
        }
        return [id]
    }

    /// The first space that is not the first byte divides the two: a token may begin with one.
    private static func parts(of merge: ArraySlice<UInt8>) -> (left: ArraySlice<UInt8>, right: ArraySlice<UInt8>)? {
        guard let space = merge.dropFirst().firstIndex(of: 0x20), space + 1 < merge.endIndex else { return nil }
        return (merge[..<space], merge[(space + 1)...])
    }
}

extension ByteStrings {
    var indices: Range<Int> { 0..<count }
}

/// What `tokenizer.ggml.pre` says by one name.
private struct BytePairStyle {
    var preTokenizers: [PreTokenizer]
    var ignoresMerges = false
    var addsBOS = false

    static func named(_ name: String?) throws -> BytePairStyle {
        switch name {
        case "gpt-2", "gpt2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code",
            "roberta-bpe", "gigachat", "a.x-4.0", "mellum", "modern-bert", "mpt", "olmo", "jais", "trillion",
            "granite-docling", "exaone4":
            BytePairStyle(preTokenizers: [.words(.gpt2)])
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
            BytePairStyle(preTokenizers: [.digits(individually: true), .words(.gpt2)])
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano":
            BytePairStyle(preTokenizers: [.words(.llama3(digits: 3))], ignoresMerges: true, addsBOS: true)
        case "dbrx", "smaug-bpe", "chatglm-bpe":
            BytePairStyle(preTokenizers: [.words(.llama3(digits: 3))])
        case "glm4":
            BytePairStyle(preTokenizers: [.words(.llama3(digits: 3))], ignoresMerges: true)
        case "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "grok-2":
            BytePairStyle(preTokenizers: [.words(.llama3(digits: 1))])
        default:
            throw NestboxError(
                .notImplemented,
                name.map { "tokenizer.ggml.pre: `\($0)` is not a known way to cut texts into words" }
                    ?? "tokenizer.ggml.pre is missing, and how texts are cut into words cannot be guessed",
                hint:
                    "known are gpt-2, smollm, llama-bpe, qwen2 and their kin; convert the model again if the file is old"
            )
        }
    }
}
