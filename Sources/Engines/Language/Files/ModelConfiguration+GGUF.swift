import Core
import Tensors

extension ModelConfiguration {
    /// Reads the metadata of a GGUF file. Keys are those of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
    public init(gguf file: ModelFile) throws {
        let source = ConfigurationSource(metadata: file.metadata, file: file.path)
        guard let family = try source.text("general.architecture") else {
            throw NestboxError.invalid(
                "\(file.path): `general.architecture` is missing", hint: "the file holds no language model")
        }
        guard let architecture = Architecture(rawValue: family) else {
            throw unsupportedArchitecture(family, file.path)
        }
        if let parts = try source.integer("split.count", in: 0...65_535), parts > 1 {
            throw NestboxError.invalid(
                "\(file.path) is one of \(parts) parts of a model",
                hint: "join them with llama.cpp's llama-gguf-split --merge")
        }
        self = try Self.gguf(source, architecture, file).checked(file.path)
    }

    private static func gguf(
        _ source: ConfigurationSource, _ architecture: Architecture, _ file: ModelFile
    ) throws -> ModelConfiguration {
        let prefix = architecture.rawValue
        let layers = try source.requiredInteger("\(prefix).block_count", in: Limits.layers)
        let hidden = try source.requiredInteger("\(prefix).embedding_length", in: Limits.size)
        let heads = try source.requiredInteger("\(prefix).attention.head_count", in: Limits.heads)
        let headSize: Int
        if let size = try source.integer("\(prefix).attention.key_length", in: Limits.headSize) {
            headSize = size
            if let value = try source.integer("\(prefix).attention.value_length", in: Limits.headSize), value != size {
                throw NestboxError.invalid(
                    "\(file.path): keys of \(size) elements and values of \(value) are not supported")
            }
        } else {
            guard hidden % heads == 0 else {
                throw NestboxError.invalid(
                    "\(file.path): the hidden size \(hidden) is no multiple of \(heads) attention heads")
            }
            headSize = hidden / heads
        }
        let usesRMS = architecture != .gpt2 && architecture != .bert
        let epsilonKey = "\(prefix).attention.layer_norm\(usesRMS ? "_rms" : "")_epsilon"
        guard let epsilon = try source.number(epsilonKey, in: 0...1) else {
            throw NestboxError.invalid(
                "\(file.path): `\(epsilonKey)` is missing", hint: "the configuration is incomplete")
        }
        var result = ModelConfiguration(
            architecture: architecture, name: try source.text("general.name"), layerCount: layers, hiddenSize: hidden,
            feedForwardSize: try source.requiredInteger("\(prefix).feed_forward_length", in: Limits.size),
            headCount: heads, keyValueHeadCount: try keyValueHeads(source, prefix, heads), headSize: headSize,
            rope: usesRMS ? try rope(source, prefix, headSize, architecture, file) : nil, normEpsilon: epsilon,
            activation: usesRMS ? .silu : architecture == .gpt2 ? .geluTanh : .gelu,
            contextLength: try source.requiredInteger("\(prefix).context_length", in: Limits.context),
            vocabularySize: try vocabulary(source, prefix, file),
            tiesEmbeddings: file.tensor(named: "output.weight") == nil,
            isCausal: try source.flag("\(prefix).attention.causal") ?? (architecture != .bert))
        if let window = try source.integer("\(prefix).attention.sliding_window", in: 0...Limits.context.upperBound),
            window > 0
        {
            result.slidingWindow = window
            result.windowedLayers = Array(repeating: true, count: layers)
        }
        try result.readTokens(source, file)
        if architecture == .bert {
            result.tokenTypeCount = file.tensor(named: "token_types.weight")?.rows ?? 0
            result.normalizesEmbeddings = true
        }
        if let pooling = try source.integer("\(prefix).pooling_type", in: 0...4) {
            guard pooling < 4 else {
                throw source.fault("\(prefix).pooling_type", .int(4), "0 to 3: reranking is not supported")
            }
            result.pooling = [.none, .mean, .cls, .last][pooling]
        } else if architecture == .bert {
            result.pooling = .mean
        }
        return result
    }

    /// One number, or one for each layer; layers that differ are not supported.
    private static func keyValueHeads(_ source: ConfigurationSource, _ prefix: String, _ heads: Int) throws -> Int {
        let key = "\(prefix).attention.head_count_kv"
        guard case .array(let perLayer)? = source[key] else {
            return try source.integer(key, in: 1...heads) ?? heads
        }
        guard let first = perLayer.first, perLayer.allSatisfy({ $0 == first }) else {
            throw source.fault(key, .array(perLayer), "the same number for all layers")
        }
        return try source.integer(first, key, in: 1...heads)
    }

    private static func vocabulary(_ source: ConfigurationSource, _ prefix: String, _ file: ModelFile) throws -> Int {
        if let rows = file.tensor(named: "token_embd.weight")?.rows {
            return try source.integer(.int(Int64(rows)), "rows of token_embd.weight", in: Limits.vocabulary)
        }
        if let count = try source.integer("\(prefix).vocab_size", in: Limits.vocabulary) { return count }
        let tokens = file.metadata["tokenizer.ggml.tokens"]?.array?.count ?? 0
        return try source.integer(.int(Int64(tokens)), "tokenizer.ggml.tokens", in: Limits.vocabulary)
    }

    private static func rope(
        _ source: ConfigurationSource, _ prefix: String, _ headSize: Int, _ architecture: Architecture,
        _ file: ModelFile
    ) throws -> RotaryEmbedding {
        let base = try source.number("\(prefix).rope.freq_base", in: 1...1e12) ?? 10_000
        let dimensions = try source.integer("\(prefix).rope.dimension_count", in: Limits.headSize) ?? headSize
        var rope = RotaryEmbedding(
            base: base, dimensions: dimensions, pairing: architecture == .llama ? .interleaved : .halves)
        let factor = try source.number("\(prefix).rope.scaling.factor", in: 1...1e6)
        switch try source.text("\(prefix).rope.scaling.type") {
        case nil, "none":
            // Files from before the type was written have this key alone.
            if let factor = try source.number("\(prefix).rope.scale_linear", in: 1...1e6), factor != 1 {
                rope.scaling = .linear(factor: factor)
            }
        case "linear": rope.scaling = .linear(factor: factor ?? 1)
        case "yarn":
            let factor = factor ?? 1
            let magnitude = try source.number("\(prefix).rope.scaling.attn_factor", in: 0...1e3) ?? 1
            rope.scaling = .yarn(
                factor: factor,
                originalContext: try source.requiredInteger(
                    "\(prefix).rope.scaling.original_context_length", in: Limits.context),
                betaFast: try source.number("\(prefix).rope.scaling.yarn_beta_fast", in: 1e-3...1e6) ?? 32,
                betaSlow: try source.number("\(prefix).rope.scaling.yarn_beta_slow", in: 1e-3...1e6) ?? 1,
                attentionFactor: magnitude * RotaryEmbedding.yarnMagnitude(factor))
        case let type?:
            throw source.fault("\(prefix).rope.scaling.type", .string(type), "none, linear or yarn")
        }
        if let factors = file.tensor(named: "rope_freqs.weight") {
            guard factors.dtype == .f32, factors.elementCount <= Limits.headSize.upperBound, rope.scaling == .none
            else {
                throw NestboxError.invalid(
                    "\(file.path): rope_freqs.weight is \(factors.summary), or beside another scaling")
            }
            rope.scaling = .factors(try factors.floats())
        }
        return rope
    }

    private mutating func readTokens(_ source: ConfigurationSource, _ file: ModelFile) throws {
        let ids = 0...Limits.vocabulary.upperBound
        bosToken = try source.integer("tokenizer.ggml.bos_token_id", in: ids)
        for key in ["eos", "eot", "eom"] {
            if let token = try source.integer("tokenizer.ggml.\(key)_token_id", in: ids), !eosTokens.contains(token) {
                eosTokens.append(token)
            }
        }
        padToken = try source.integer("tokenizer.ggml.padding_token_id", in: ids)
        unknownToken = try source.integer("tokenizer.ggml.unknown_token_id", in: ids)
        addsBosToken = try source.flag("tokenizer.ggml.add_bos_token")
        addsEosToken = try source.flag("tokenizer.ggml.add_eos_token")
        let key = "tokenizer.chat_template"
        if let template = try source.text(key) { chatTemplates["default"] = template }
        for name in file.metadata.keys where name.hasPrefix(key + ".") {
            if let template = try source.text(name) { chatTemplates[String(name.dropFirst(key.count + 1))] = template }
        }
    }
}

func unsupportedArchitecture(_ name: String, _ file: String) -> NestboxError {
    .invalid(
        "\(file): models of the architecture `\(name)` are not supported",
        hint: "supported are llama, mistral, qwen2, qwen3, gpt2 and bert")
}
