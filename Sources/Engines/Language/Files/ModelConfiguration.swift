import Core

/// What a model is: its family, sizes and constants. From GGUF metadata or from the JSON files beside a Hugging Face
/// checkpoint, every number within the range in which the sizes of tensors and buffers cannot overflow.
public struct ModelConfiguration: Sendable, Hashable {
    /// Families that differ in their arithmetic. Mistral is `llama` with a sliding window.
    public enum Architecture: String, Sendable, Hashable, CaseIterable {
        case llama, qwen2, qwen3, gpt2, bert
    }

    public enum Activation: String, Sendable, Hashable {
        case silu
        /// With the error function.
        case gelu
        /// With the approximation by tanh (`gelu_new` in checkpoints).
        case geluTanh
    }

    /// How the vectors of a text's tokens become one.
    public enum Pooling: String, Sendable, Hashable {
        case none, mean, cls, last
    }

    public var architecture: Architecture
    public var name: String?
    public var layerCount: Int
    public var hiddenSize: Int
    public var feedForwardSize: Int
    public var headCount: Int
    /// A divisor of `headCount`.
    public var keyValueHeadCount: Int
    public var headSize: Int
    /// Nil for families with learned positions (GPT-2, BERT).
    public var rope: RotaryEmbedding?
    /// Of RMSNorm in Llama and Qwen, of LayerNorm in GPT-2 and BERT.
    public var normEpsilon: Double
    public var activation: Activation
    /// Positions that the model was made for.
    public var contextLength: Int
    /// Tokens that attention looks back, itself included, in the layers with a window; see `window(ofLayer:)`.
    public var slidingWindow: Int?
    /// Which layers have the window; empty without any.
    public var windowedLayers: [Bool] = []
    /// The rows of the embedding.
    public var vocabularySize: Int
    /// Segment embeddings of BERT; 0 elsewhere.
    public var tokenTypeCount = 0
    /// Whether the output layer is the embedding.
    public var tiesEmbeddings: Bool
    public var isCausal: Bool

    public var bosToken: Int?
    /// Tokens that end a generation, the most usual first.
    public var eosTokens: [Int] = []
    public var padToken: Int?
    public var unknownToken: Int?
    /// Whether the tokenizer puts `bosToken` first; nil when the files do not say.
    public var addsBosToken: Bool?
    public var addsEosToken: Bool?
    /// By name; the one in use is `default`.
    public var chatTemplates: [String: String] = [:]

    public var pooling: Pooling = .none
    /// Whether embeddings are scaled to length 1.
    public var normalizesEmbeddings = false
    /// Tokens per text for embeddings, when the files limit them below `contextLength`.
    public var embeddingTokenLimit: Int?

    public var chatTemplate: String? { chatTemplates["default"] }
    public var keyValueSize: Int { keyValueHeadCount * headSize }
    public var attentionSize: Int { headCount * headSize }

    /// Tokens that attention of a layer looks back; nil for all.
    public func window(ofLayer layer: Int) -> Int? {
        windowedLayers.indices.contains(layer) && windowedLayers[layer] ? slidingWindow : nil
    }

    /// Ranges in which products of any few numbers stay far below `Int.max`.
    enum Limits {
        static let layers = 1...4096
        static let size = 1...(1 << 20)
        static let heads = 1...65_536
        static let headSize = 1...65_536
        static let context = 1...(1 << 30)
        static let vocabulary = 1...(1 << 24)
    }

    /// Throws when numbers that are each possible do not fit each other. `file` is named in errors.
    func checked(_ file: String) throws -> ModelConfiguration {
        func fault(_ text: String) -> NestboxError {
            .invalid(
                "\(file): \(text)", hint: "the configuration is damaged, or not of a \(architecture.rawValue) model")
        }
        guard headCount % keyValueHeadCount == 0 else {
            throw fault("\(headCount) attention heads are no multiple of \(keyValueHeadCount) key-value heads")
        }
        if architecture == .gpt2 || architecture == .bert {
            guard headCount * headSize == hiddenSize, keyValueHeadCount == headCount else {
                throw fault("\(headCount) attention heads of \(headSize) do not make the hidden size \(hiddenSize)")
            }
        }
        if let rope {
            guard rope.dimensions % 2 == 0, (2...headSize).contains(rope.dimensions) else {
                throw fault(
                    "rotary positions turn \(rope.dimensions) of a head's \(headSize) elements; an even number must")
            }
            if case .factors(let factors) = rope.scaling {
                guard factors.count == rope.dimensions / 2, factors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
                    throw fault("rope_freqs.weight must hold \(rope.dimensions / 2) positive factors")
                }
            }
        }
        for (what, token) in [("bos", bosToken), ("pad", padToken), ("unknown", unknownToken)] {
            if let token, token >= vocabularySize {
                throw fault("the \(what) token is \(token), but there are \(vocabularySize) tokens")
            }
        }
        if let token = eosTokens.first(where: { $0 >= vocabularySize }) {
            throw fault("an eos token is \(token), but there are \(vocabularySize) tokens")
        }
        return self
    }
}
