import Core
import Synchronization

/// Turns text into the token ids that a model was trained on, and ids into text.
///
/// A text goes through the same steps as in the reference implementations: added tokens are cut out of it, the rest is
/// normalized and cut into words, the model makes tokens of each word, and a template puts `bos`, `[CLS]` and the like
/// around them. All of it works on bytes; a `String` is made at the edge only.
public final class Tokenizer: Sendable {
    enum Model: Sendable {
        case bytePair(BytePairModel)
        case wordPiece(WordPieceModel)
        case sentencePiece(SentencePieceModel)
        case unigram(UnigramModel)
    }

    /// What a file describes. The parts that are not there leave the text as it is.
    struct Parts: Sendable {
        var vocabulary: Vocabulary
        var model: Model
        var special = SpecialTokens()
        var isSpecial: [Bool]
        var added: AddedTokens
        var normalizers: [Normalizer] = []
        /// Added tokens that are looked for in the normalized text.
        var addedNormalized: AddedTokens?
        var preTokenizers: [PreTokenizer] = []
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        /// What each token adds to a text.
        var pieces: ByteStrings
        /// A text does not begin with the space that its first token brings.
        var dropsFirstSpace = false
        /// Nothing but UTF-8 can be encoded.
        var needsText = true
        /// How many tokens `tokenizer.json` cuts texts to.
        var truncation: Int?
    }

    private let parts: Parts
    private let cache = Mutex(WordCache())

    /// Positions in a text are kept in 32 bits.
    static let longestText = Int(Int32.max)

    init(_ parts: Parts) {
        self.parts = parts
    }

    public var vocabularySize: Int { parts.vocabulary.count }
    public var special: SpecialTokens { parts.special }
    /// How many tokens `tokenizer.json` says that texts are cut to. Nothing here does so.
    public var truncation: Int? { parts.truncation }
    var dropsFirstSpace: Bool { parts.dropsFirstSpace }

    /// The token ids of `text`.
    ///
    /// - Parameters:
    ///   - addSpecialTokens: puts `bos`, `eos`, `[CLS]` and the like around it, where the model was trained so.
    ///   - parseSpecial: makes control tokens of their names in the text. False for what users write: their text
    ///     shall not end a turn or begin one.
    /// - Throws: `payload_too_large` for texts of 2 GiB.
    public func encode(_ text: String, addSpecialTokens: Bool = true, parseSpecial: Bool = false) throws -> [Int32] {
        var text = text
        return try text.withUTF8 {
            try encode($0, addSpecialTokens: addSpecialTokens, parseSpecial: parseSpecial)
        }
    }

    /// The same for bytes, of which those that are not UTF-8 count as U+FFFD where a model does not work on bytes.
    public func encode(
        _ text: UnsafeBufferPointer<UInt8>, addSpecialTokens: Bool = true, parseSpecial: Bool = false
    ) throws -> [Int32] {
        guard text.count < Self.longestText else {
            throw NestboxError(
                .payloadTooLarge, "the text has \(text.count) bytes", hint: "cut it before it is tokenized")
        }
        if parts.needsText, !isText(text) {
            return try encode(
                String(decoding: text, as: UTF8.self), addSpecialTokens: addSpecialTokens, parseSpecial: parseSpecial)
        }
        // Another thread may be encoding a long text: then this one does without what was learnt.
        if let ids = cache.withLockIfAvailable({ encode(text, addSpecialTokens, parseSpecial, &$0) }) { return ids }
        var own = WordCache()
        return encode(text, addSpecialTokens, parseSpecial, &own)
    }

    private func isText(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var index = 0
        while index < text.count {
            let length = decodeScalar(text, at: index).length
            if length == 1, text[index] >= 0x80 { return false }
            index += length
        }
        return true
    }

    private func encode(
        _ text: UnsafeBufferPointer<UInt8>, _ addSpecialTokens: Bool, _ parseSpecial: Bool, _ cache: inout WordCache
    ) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(text.count / 4 + 4)
        if addSpecialTokens { ids += parts.prefix }
        var merger = BytePairMerger()
        for part in parts.added.split(text, parseSpecial: parseSpecial) {
            switch part {
            case .token(let id): ids.append(id)
            case .text(let range):
                var bytes = Array(text[range])
                for step in parts.normalizers { step.apply(&bytes) }
                encode(bytes, isStart: range.lowerBound == 0, parseSpecial, &cache, &merger, into: &ids)
            }
        }
        if addSpecialTokens { ids += parts.suffix }
        return ids
    }

    /// A normalized text.
    private func encode(
        _ text: [UInt8], isStart: Bool, _ parseSpecial: Bool, _ cache: inout WordCache, _ merger: inout BytePairMerger,
        into ids: inout [Int32]
    ) {
        guard let added = parts.addedNormalized else {
            return encode(PieceText(text, isStart: isStart), &cache, &merger, into: &ids)
        }
        for part in text.withUnsafeBufferPointer({ added.split($0, parseSpecial: parseSpecial) }) {
            switch part {
            case .token(let id): ids.append(id)
            case .text(let range):
                let piece = PieceText(Array(text[range]), isStart: isStart && range.lowerBound == 0)
                encode(piece, &cache, &merger, into: &ids)
            }
        }
    }

    private func encode(
        _ text: PieceText, _ cache: inout WordCache, _ merger: inout BytePairMerger, into ids: inout [Int32]
    ) {
        var piece = text
        for step in parts.preTokenizers { step.apply(&piece) }
        piece.bytes.withUnsafeBufferPointer { text in
            for word in piece.words {
                guard word.count <= WordCache.longestWord else {
                    encode(text[slice: word], &merger, into: &ids)
                    continue
                }
                let key = WordCache.Key(text, word)
                if cache.append(key, to: &ids) { continue }
                let before = ids.count
                encode(text[slice: word], &merger, into: &ids)
                cache.insert(key, ids[before...])
            }
        }
    }

    private func encode(_ word: UnsafeBufferPointer<UInt8>, _ merger: inout BytePairMerger, into ids: inout [Int32]) {
        switch parts.model {
        case .bytePair(let model): model.encode(word, &merger, into: &ids)
        case .wordPiece(let model): model.encode(word, into: &ids)
        case .sentencePiece(let model): model.encode(word, &merger, into: &ids)
        case .unigram(let model): model.encode(word, into: &ids)
        }
    }

    /// The text of `ids`. Bytes that are not UTF-8 become U+FFFD, as do ids that the vocabulary does not have.
    public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool = true) -> String {
        var stream = TokenStream(self, skipSpecial: skipSpecial)
        var text = ""
        for id in ids { text += stream.append(id) }
        return text + stream.finish()
    }

    /// The bytes that a token adds to a text: part of a character at times. Empty for ids that the vocabulary does not
    /// have.
    public func bytes(of id: Int32) -> ArraySlice<UInt8> {
        guard parts.pieces.count > Int(id), id >= 0 else { return [] }
        return parts.pieces[Int(id)]
    }

    /// The bytes of all tokens, by id.
    public var pieces: ByteStrings { parts.pieces }

    /// The id of a token by its spelling in the vocabulary.
    public func id(of token: String) -> Int32? { parts.vocabulary.id(token.utf8) }

    /// A token as the vocabulary spells it. Nil for ids that it does not have.
    public func token(_ id: Int32) -> String? {
        guard id >= 0, Int(id) < vocabularySize else { return nil }
        return parts.vocabulary.tokens.string(Int(id))
    }

    /// Whether it is a control token, which is not part of a text.
    public func isSpecial(_ id: Int32) -> Bool {
        id >= 0 && Int(id) < parts.isSpecial.count && parts.isSpecial[Int(id)]
    }
}
