import Core
import Tensors

/// A causal transformer whose weights are in a backend: token ids in, logits out. What differs between the families lies in
/// `DecoderBlock`s, one file each; this is what they share.
///
/// One step computes any mix of sequences: whole prompts, parts of prompts, and single tokens that go on. A model computes one step at
/// a time: whoever owns it calls it from one thread.
public final class DecoderModel {
    public let configuration: ModelConfiguration
    public let backend: any Backend
    /// The most rows of a step, and the most of them whose logits are asked for.
    public let mostTokens: Int
    public let mostLogits: Int

    private let stem: Stem
    private let blocks: [any DecoderBlock]
    private let head: Head
    private let scratch: DecoderScratch
    private let logits: Rows
    private let frequencies: [Float]

    /// What comes before the blocks.
    struct Stem {
        var tokens: WeightMatrix
        /// Learned positions (GPT-2).
        var positions: WeightMatrix?
    }

    /// What comes after them.
    struct Head {
        var norm: Norm
        /// (vocabulary, hidden)
        var output: WeightMatrix
    }

    /// Copies the weights into the backend.
    ///
    /// - Parameter mostLogits: rows of one step whose logits are asked for; each takes 4 bytes per token of the vocabulary.
    /// - Throws: `invalid_argument` for a model of a family that generates no text.
    public convenience init(_ model: PretrainedModel, backend: any Backend, mostTokens: Int = 512, mostLogits: Int = 64)
        throws
    {
        let weights = WeightLoader(model: model, backend: backend), c = model.configuration
        let blocks: [any DecoderBlock]
        var positions: WeightMatrix?
        let embedding: WeightMatrix, norm: Norm
        switch c.architecture {
        case .llama, .qwen2, .qwen3:
            embedding = try weights.matrix("model.embed_tokens.weight")
            blocks = try (0..<c.layerCount).map { try LlamaBlock(weights, layer: $0) }
            norm = try weights.rmsNorm("model.norm")
        case .gpt2:
            embedding = try weights.matrix("transformer.wte.weight")
            positions = try weights.matrix("transformer.wpe.weight")
            blocks = try (0..<c.layerCount).map { try GPT2Block(weights, layer: $0) }
            norm = try weights.layerNorm("transformer.ln_f")
        case .bert:
            throw NestboxError.invalid(
                "\(model.path) is an encoder, which generates no text", hint: "ask it for embeddings")
        }
        try self.init(
            c, backend: backend, stem: Stem(tokens: embedding, positions: positions), blocks: blocks,
            head: Head(norm: norm, output: c.tiesEmbeddings ? embedding : try weights.matrix("lm_head.weight")),
            mostTokens: mostTokens, mostLogits: mostLogits)
    }

    private init(
        _ configuration: ModelConfiguration, backend: any Backend, stem: Stem, blocks: [any DecoderBlock], head: Head,
        mostTokens: Int, mostLogits: Int
    ) throws {
        self.configuration = configuration
        self.backend = backend
        self.stem = stem
        self.blocks = blocks
        self.head = head
        self.mostTokens = mostTokens
        self.mostLogits = min(mostLogits, mostTokens)
        scratch = try DecoderScratch(configuration, tokens: mostTokens, backend: backend)
        logits = try backend.makeRows(self.mostLogits, columns: head.output.rows)
        frequencies = configuration.rope?.frequencies().map(Float.init) ?? []
    }

    public var vocabularySize: Int { head.output.rows }

    /// Bytes of the weights in the backend.
    public var weightBytes: Int {
        let tied = head.output === stem.tokens
        return stem.tokens.byteCount + (stem.positions?.byteCount ?? 0) + (tied ? 0 : head.output.byteCount)
            + blocks.reduce(0) { $0 + $1.weights.reduce(0) { $0 + $1.byteCount } }
    }

    /// A cache for `pages` pages of `pageSize` positions.
    public func makeCache(pages: Int, pageSize: Int, type: KVType) throws -> KVCache {
        try backend.makeKVCache(
            KVShape(
                layers: configuration.layerCount, heads: configuration.keyValueHeadCount,
                headSize: configuration.headSize,
                pageSize: pageSize, pages: pages, type: type))
    }

    /// Computes one step and stores its keys and values in `cache`.
    ///
    /// - Parameters:
    ///   - tokens: one id for each row of `step`; ids are below the vocabulary's size.
    ///   - rows: the rows of `step` whose logits are wanted, at most `mostLogits`.
    ///   - adapters: what to add for which rows; the rows of two must not overlap.
    /// - Returns: (rows.count, vocabularySize); valid until the next step.
    public func step(
        _ tokens: [Int32], _ step: StepLayout, cache: KVCache, logitsOf rows: [Int32], adapters: [AdapterSpan] = []
    ) -> Rows {
        precondition(tokens.count == step.tokens && tokens.count <= mostTokens, "a step has at most \(mostTokens) rows")
        precondition(rows.count <= mostLogits, "a step gives logits of at most \(mostLogits) rows")
        let x = scratch.x, count = tokens.count
        backend.embed(stem.tokens, tokens: tokens, out: x)
        if let positions = stem.positions {
            backend.embed(positions, tokens: step.positions, out: scratch.normed)
            backend.add(scratch.normed, to: x, scale: 1, size: configuration.hiddenSize, tokens: count)
        }
        if let rope = configuration.rope {
            backend.ropeAngles(
                frequencies: frequencies, positions: step.positions, magnitude: Float(rope.attentionFactor),
                out: scratch.angles)
        }
        for (layer, block) in blocks.enumerated() {
            block.forward(
                DecoderPass(
                    backend: backend, configuration: configuration, scratch: scratch, cache: cache, step: step,
                    layer: layer, tokens: count, adapters: adapters))
        }
        guard !rows.isEmpty else { return logits }
        backend.gather(x, indices: rows, size: configuration.hiddenSize, out: scratch.normed)
        head.norm.apply(scratch.normed, out: scratch.normed, tokens: rows.count, backend: backend)
        backend.matmul(head.output, scratch.normed, out: logits, tokens: rows.count)
        return logits
    }
}

/// One layer of a family.
protocol DecoderBlock {
    /// Adds the layer's attention and feed-forward to `pass.x`.
    func forward(_ pass: DecoderPass)
    var weights: [WeightMatrix] { get }
}

/// Memory that all layers of all steps use again.
final class DecoderScratch {
    /// (T, hidden): the residual stream, and what goes into a product.
    let x: Rows
    let normed: Rows
    /// (T, attention + 2 · key-value)
    let qkv: Rows
    /// (T, attention)
    let attended: Rows
    /// (T, 2 · feed-forward)
    let inner: Rows
    /// (T, rope dimensions)
    let angles: Rows
    /// (T, largest rank)
    let lowRank: Rows

    init(_ c: ModelConfiguration, tokens: Int, backend: any Backend) throws {
        x = try backend.makeRows(tokens, columns: c.hiddenSize)
        normed = try backend.makeRows(tokens, columns: max(c.hiddenSize, c.attentionSize))
        qkv = try backend.makeRows(tokens, columns: c.attentionSize + 2 * c.keyValueSize)
        attended = try backend.makeRows(tokens, columns: c.attentionSize)
        inner = try backend.makeRows(tokens, columns: 2 * c.feedForwardSize)
        angles = try backend.makeRows(tokens, columns: max(2, c.rope?.dimensions ?? 0))
        lowRank = try backend.makeRows(tokens, columns: Adapter.largestRank)
    }
}

/// What a layer works on in one step.
struct DecoderPass {
    let backend: any Backend
    let configuration: ModelConfiguration
    let scratch: DecoderScratch
    let cache: KVCache
    let step: StepLayout
    let layer: Int
    let tokens: Int
    let adapters: [AdapterSpan]

    var x: Rows { scratch.x }

    /// out = x · weightsᵀ, and what the adapters of its rows add to each of the parts that `targets` names in their order.
    func product(
        _ weights: WeightMatrix, _ x: Rows, out: Rows, bias: Rows? = nil, accumulate: Bool = false,
        targets: [(AdapterTarget, size: Int)]
    ) {
        backend.matmul(weights, x, out: out, tokens: tokens, bias: bias, accumulate: accumulate)
        for span in adapters {
            var column = 0
            for (target, size) in targets {
                if let pair = span.adapter.pair(target, layer: layer) {
                    let low = scratch.lowRank.rows(from: span.rows.lowerBound)
                    backend.matmul(pair.a, x.rows(from: span.rows.lowerBound), out: low, tokens: span.rows.count)
                    backend.matmul(
                        pair.b, low, out: out.rows(from: span.rows.lowerBound).columns(from: column),
                        tokens: span.rows.count, bias: nil, accumulate: true)
                }
                column += size
            }
        }
    }

    /// Turns queries and keys, stores keys and values, and attends: `scratch.qkv` to `scratch.attended`.
    func attend() {
        let c = configuration, q = scratch.qkv
        let k = q.columns(from: c.attentionSize), v = k.columns(from: c.keyValueSize)
        if let rope = c.rope {
            let style: RopeStyle = rope.pairing == .interleaved ? .interleaved : .halves
            for (rows, heads) in [(q, c.headCount), (k, c.keyValueHeadCount)] {
                backend.rope(
                    rows, heads: heads, headSize: c.headSize, pairs: rope.dimensions / 2, style: style,
                    angles: scratch.angles, tokens: tokens)
            }
        }
        backend.storeKV(k, v, cache: cache, layer: layer, step: step)
        backend.attention(
            q, heads: c.headCount, cache: cache, layer: layer, step: step, scale: 1 / Float(c.headSize).squareRoot(),
            causal: true, window: c.window(ofLayer: layer) ?? 0, out: scratch.attended)
    }
}

/// RMSNorm, or LayerNorm where there is a bias or `centers`.
struct Norm {
    var weight: Rows
    var bias: Rows?
    var centers: Bool
    var epsilon: Float
    var size: Int

    func apply(_ x: Rows, out: Rows, tokens: Int, backend: any Backend) {
        if centers {
            backend.layerNorm(x, weight: weight, bias: bias, eps: epsilon, size: size, out: out, tokens: tokens)
        } else {
            backend.rmsNorm(x, weight: weight, eps: epsilon, size: size, groups: 1, out: out, tokens: tokens)
        }
    }
}
