import Core
import Tensors

/// A BERT-type encoder: texts in, one vector for each out. Every token sees every other of its own text.
/// Source: https://arxiv.org/abs/1810.04805; pooling as sentence-transformers does it.
///
/// Not for use by two threads at once.
public final class BertModel {
    public let configuration: ModelConfiguration
    public let backend: any Backend
    /// The most tokens of all texts of one call together.
    public let mostTokens: Int

    private let words: WeightMatrix
    private let positions: WeightMatrix
    /// Of the first segment: texts are single ones here.
    private let segment: Rows?
    private let embeddingNorm: Norm
    private let layers: [Layer]
    private let scratch: DecoderScratch
    /// One layer's keys and values: none of them is needed again.
    private let cache: KVCache
    private let step = StepLayout()

    private static let pageSize = 64
    /// In one call.
    public static let mostTexts = 256

    private struct Layer {
        var qkv: WeightMatrix, qkvBias: Rows
        var output: WeightMatrix, outputBias: Rows
        var attentionNorm: Norm
        var up: WeightMatrix, upBias: Rows
        var down: WeightMatrix, downBias: Rows
        var outputNorm: Norm

        init(_ weights: WeightLoader, _ index: Int) throws {
            let at = "encoder.layer.\(index)."
            let q = at + "attention.self.query", k = at + "attention.self.key", v = at + "attention.self.value"
            qkv = try weights.matrix("\(q).weight", "\(k).weight", "\(v).weight")
            qkvBias = try weights.vector("\(q).bias", "\(k).bias", "\(v).bias")
            output = try weights.matrix(at + "attention.output.dense.weight")
            outputBias = try weights.vector(at + "attention.output.dense.bias")
            attentionNorm = try weights.layerNorm(at + "attention.output.LayerNorm")
            up = try weights.matrix(at + "intermediate.dense.weight")
            upBias = try weights.vector(at + "intermediate.dense.bias")
            down = try weights.matrix(at + "output.dense.weight")
            downBias = try weights.vector(at + "output.dense.bias")
            outputNorm = try weights.layerNorm(at + "output.LayerNorm")
        }
    }

    /// Throws `invalid_argument` for a model of another family.
    public init(_ model: PretrainedModel, backend: any Backend, mostTokens: Int) throws {
        guard model.configuration.architecture == .bert else {
            throw NestboxError.invalid(
                "\(model.path) is a \(model.configuration.architecture.rawValue) model, which generates text",
                hint: "embeddings need an encoder, such as all-MiniLM-L6-v2")
        }
        let weights = WeightLoader(model: model, backend: backend), c = model.configuration
        configuration = c
        self.backend = backend
        self.mostTokens = mostTokens
        words = try weights.matrix("embeddings.word_embeddings.weight")
        positions = try weights.matrix("embeddings.position_embeddings.weight")
        segment = try weights.firstRow("embeddings.token_type_embeddings.weight")
        embeddingNorm = try weights.layerNorm("embeddings.LayerNorm")
        layers = try (0..<c.layerCount).map { try Layer(weights, $0) }
        scratch = try DecoderScratch(c, tokens: mostTokens, backend: backend)
        // Each text may leave a page partly empty.
        cache = try backend.makeKVCache(
            KVShape(
                layers: 1, heads: c.headCount, headSize: c.headSize, pageSize: Self.pageSize,
                pages: mostTokens / Self.pageSize + Self.mostTexts, type: .f32))
    }

    public var weightBytes: Int {
        words.byteCount + positions.byteCount
            + layers.reduce(0) { $0 + $1.qkv.byteCount + $1.output.byteCount + $1.up.byteCount + $1.down.byteCount }
    }

    /// One vector of `hiddenSize` for each text, of length 1 where the model says so.
    ///
    /// - Parameter texts: token ids with `[CLS]` and `[SEP]`, at least one each; at most `mostTexts` texts, and `mostTokens` tokens
    ///   together.
    /// - Throws: `invalid_argument` for a text that is longer than the model's positions.
    public func embed(_ texts: [[Int32]]) throws -> [[Float]] {
        var tokens: [Int32] = []
        step.removeAll()
        for text in texts {
            guard !text.isEmpty, text.count <= configuration.contextLength else {
                throw NestboxError.invalid(
                    "a text has \(text.count) tokens, and the model takes 1 to \(configuration.contextLength)",
                    hint: "cut it into parts and embed each")
            }
            append(text, to: &tokens)
        }
        precondition(
            tokens.count <= mostTokens && texts.count <= Self.mostTexts,
            "a call embeds at most \(mostTokens) tokens of \(Self.mostTexts) texts")
        guard !tokens.isEmpty else { return [] }
        forward(tokens)
        return pool(texts)
    }

    private func append(_ text: [Int32], to tokens: inout [Int32]) {
        let firstPage = step.blockTable.count
        step.sequences.append(
            SequenceSpan(queryStart: tokens.count, queryCount: text.count, length: text.count, tableStart: firstPage))
        for position in text.indices {
            if position % Self.pageSize == 0 { step.blockTable.append(Int32(step.blockTable.count)) }
            step.positions.append(Int32(position))
            step.slots.append(Int32(firstPage * Self.pageSize + position))
        }
        tokens += text
    }

    private func forward(_ tokens: [Int32]) {
        let c = configuration, s = scratch, size = c.hiddenSize, count = tokens.count
        backend.embed(words, tokens: tokens, out: s.x)
        backend.embed(positions, tokens: step.positions, out: s.normed)
        backend.add(s.normed, to: s.x, scale: 1, size: size, tokens: count)
        if let segment {
            // A stride of 0: the same row for every token.
            backend.add(
                Rows(segment.buffer, offset: segment.offset, stride: 0), to: s.x, scale: 1, size: size, tokens: count)
        }
        embeddingNorm.apply(s.x, out: s.x, tokens: count, backend: backend)
        let k = s.qkv.columns(from: size), v = s.qkv.columns(from: 2 * size)
        for layer in layers {
            backend.matmul(layer.qkv, s.x, out: s.qkv, tokens: count, bias: layer.qkvBias, accumulate: false)
            backend.storeKV(k, v, cache: cache, layer: 0, step: step)
            backend.attention(
                s.qkv, heads: c.headCount, cache: cache, layer: 0, step: step,
                scale: 1 / Float(c.headSize).squareRoot(), causal: false, window: 0, out: s.attended)
            backend.matmul(layer.output, s.attended, out: s.x, tokens: count, bias: layer.outputBias, accumulate: true)
            layer.attentionNorm.apply(s.x, out: s.x, tokens: count, backend: backend)
            backend.matmul(layer.up, s.x, out: s.inner, tokens: count, bias: layer.upBias, accumulate: false)
            backend.activate(
                c.activation == .geluTanh ? .geluTanh : .geluErf, s.inner, size: c.feedForwardSize, tokens: count)
            backend.matmul(layer.down, s.inner, out: s.x, tokens: count, bias: layer.downBias, accumulate: true)
            layer.outputNorm.apply(s.x, out: s.x, tokens: count, backend: backend)
        }
    }

    private func pool(_ texts: [[Int32]]) -> [[Float]] {
        let size = configuration.hiddenSize
        return zip(texts, step.sequences).map { text, span in
            let first = Int(span.queryStart)
            let rows: Range<Int>
            switch configuration.pooling {
            case .cls: rows = first..<first + 1
            case .last: rows = first + text.count - 1..<first + text.count
            case .mean, .none: rows = first..<first + text.count
            }
            var sum = [Float](repeating: 0, count: size)
            for row in rows {
                backend.withHostRow(scratch.x, row: row, count: size) { values in
                    for index in 0..<size { sum[index] += values[index] }
                }
            }
            let count = Float(rows.count)
            var scale = 1 / count
            if configuration.normalizesEmbeddings {
                let length = sum.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
                scale = length > 0 ? 1 / length : 0
            }
            return sum.map { $0 * scale }
        }
    }
}
