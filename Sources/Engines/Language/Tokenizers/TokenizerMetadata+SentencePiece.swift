import Core

/// SentencePiece models in GGUF files: byte-pair encoding (`llama`) and unigram (`t5`).
extension TokenizerMetadata {
    func sentencePieceParts() throws -> Tokenizer.Parts {
        let isUnigram = model == "t5"
        guard !scores.isEmpty else {
            throw NestboxError.invalid("tokenizer.ggml.scores is missing, and the model `\(model)` needs it")
        }
        let vocabulary = Vocabulary(tokens)
        let isSpecial = tokens.indices.map { [.control, .unknown].contains(type($0)) }
        let special = try sentencePieceSpecials(vocabulary, isSpecial)
        let bytes = try byteTokens(vocabulary)
        func isPiece(_ id: Int) -> Bool { [.normal, .userDefined, .unused].contains(type(id)) }
        var parts = Tokenizer.Parts(
            vocabulary: vocabulary,
            model: isUnigram
                ? .unigram(
                    try UnigramModel(
                        tokens, scores: tokens.indices.map { type($0) == .normal ? Double(scores[$0]) : 0 },
                        unknown: special.unknown ?? 2, bytes: bytes, isPiece: isPiece))
                : .sentencePiece(
                    SentencePieceModel(
                        vocabulary, scores: scores, bytes: bytes, unknown: special.unknown, isPiece: isPiece)),
            isSpecial: isSpecial, added: try addedTokens(), pieces: sentencePieces(isSpecial))
        parts.special = special
        let addsSpace = addSpacePrefix ?? !isUnigram
        parts.normalizers =
            precompiledCharsmap.isEmpty
            ? [] : [.map(try CharacterMap(precompiledCharsmap, what: "tokenizer.ggml.precompiled_charsmap"))]
        if isUnigram, removeExtraWhitespaces ?? false { parts.normalizers.append(.removeExtraSpaces) }
        if addsSpace { parts.normalizers.append(.prepend([0x20])) }
        parts.normalizers.append(.replace([0x20], with: Array("▁".utf8)))
        parts.dropsFirstSpace = addsSpace
        if addBOSToken ?? !isUnigram { parts.prefix = try needed(special.bos, "bos_token_id", "add_bos_token") }
        if addEOSToken ?? isUnigram { parts.suffix = try needed(special.eos, "eos_token_id", "add_eos_token") }
        return parts
    }

    /// Files leave out ids that are SentencePiece's usual ones.
    private func sentencePieceSpecials(_ vocabulary: Vocabulary, _ isSpecial: [Bool]) throws -> SpecialTokens {
        var special = try specialTokens(vocabulary, isSpecial)
        func usual(_ id: Int32) -> Int32? { Int(id) < tokens.count ? id : nil }
        if model == "llama" {
            if bosTokenID == nil { special.bos = usual(1) }
            if unknownTokenID == nil { special.unknown = usual(0) }
        } else {
            guard tokens.count > 2 || special.unknown != nil else {
                throw NestboxError.invalid("tokenizer.ggml.unknown_token_id is missing, and characters may be unknown")
            }
            if unknownTokenID == nil { special.unknown = usual(2) }
        }
        if eosTokenID == nil { special.eos = usual(model == "llama" ? 2 : 1) }
        if let eos = special.eos { special.ends.insert(eos) }
        return special
    }

    private func byteTokens(_ vocabulary: Vocabulary) throws -> [Int32] {
        let found = (UInt8.min...UInt8.max).map { vocabulary.id(ByteToken.spelling(of: $0)) }
        let bytes = found.compactMap { $0 }
        guard bytes.isEmpty || bytes.count == 256 else {
            throw NestboxError.invalid(
                "tokenizer.ggml.tokens: of the tokens `<0x00>` to `<0xFF>` \(256 - bytes.count) are missing",
                hint: "the vocabulary has all of them or none")
        }
        return bytes
    }

    private func sentencePieces(_ isSpecial: [Bool]) -> ByteStrings {
        var pieces = ByteStrings()
        pieces.reserveCapacity(tokens.count, bytes: tokens.storage.count)
        let space = Array("▁".utf8)
        for index in tokens.indices {
            if isSpecial[index] {
                pieces.append(tokens[index])
            } else if type(index) == .byte || type(index) == .normal, let byte = ByteToken.byte(of: tokens[index]) {
                pieces.append([byte])
            } else {
                pieces.append(Normalizer.replace(Array(tokens[index]), space, [0x20]))
            }
        }
        return pieces
    }
}
