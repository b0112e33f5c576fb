/// What a GGUF file says about its tokenizer under `tokenizer.ggml.…`, named as there. The reader of such files fills it.
public struct TokenizerMetadata: Sendable {
    /// The numbers that `tokenTypes` holds.
    public enum TokenType: Int32, Sendable {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// `gpt2` (byte-level byte-pair encoding), `llama` (SentencePiece), `bert` (WordPiece) or `t5` (unigram).
    public var model: String
    /// How texts are cut into words, for `gpt2`.
    public var pre: String?
    public var tokens = ByteStrings()
    /// Empty, or one for each token.
    public var scores: [Float] = []
    /// Empty, or one for each token.
    public var tokenTypes: [Int32] = []
    /// Pairs of tokens, each with one space between them, the best first.
    public var merges = ByteStrings()

    public var bosTokenID: Int64?
    public var eosTokenID: Int64?
    public var eotTokenID: Int64?
    public var eomTokenID: Int64?
    public var unknownTokenID: Int64?
    /// `seperator_token_id`, spelled so in files.
    public var separatorTokenID: Int64?
    public var paddingTokenID: Int64?
    public var clsTokenID: Int64?
    public var maskTokenID: Int64?

    public var addBOSToken: Bool?
    public var addEOSToken: Bool?
    public var addSEPToken: Bool?
    public var addSpacePrefix: Bool?
    public var removeExtraWhitespaces: Bool?
    /// `normalizer.lowercase` and `normalizer.strip_accents`, for `bert`.
    public var normalizerLowercase: Bool?
    public var normalizerStripAccents: Bool?
    public var precompiledCharsmap: [UInt8] = []

    public init(model: String) {
        self.model = model
    }
}
