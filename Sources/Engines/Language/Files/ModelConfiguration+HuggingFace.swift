import Core

extension ModelConfiguration {
    /// Reads `config.json` and the files beside it.
    public init(huggingFace directory: String) throws {
        self = try Self.huggingFace(HuggingFaceFiles(directory))
    }

    static func huggingFace(_ files: HuggingFaceFiles) throws -> ModelConfiguration {
        let source = files.config
        guard let type = try source.text("model_type") else {
            throw NestboxError.invalid("\(source.file): `model_type` is missing", hint: "the file describes no model")
        }
        guard let architecture = type == "mistral" ? .llama : Architecture(rawValue: type) else {
            throw unsupportedArchitecture(type, source.file)
        }
        if let quantization = source["quantization_config"] {
            let method = quantization["quant_method"]?.stringValue ?? "an unknown method"
            throw NestboxError.invalid(
                "\(source.file): weights quantized with \(method) are not supported",
                hint: "use the original checkpoint, or a GGUF file")
        }
        var result: ModelConfiguration
        switch architecture {
        case .llama, .qwen2, .qwen3: result = try decoder(source, architecture, isMistral: type == "mistral")
        case .gpt2: result = try gpt2(source)
        case .bert: result = try bert(source, files)
        }
        result.name = try source.text("_name_or_path").flatMap { $0.split(separator: "/").last.map(String.init) }
        try result.readTokens(files)
        return try result.checked(source.file)
    }

    private static func decoder(
        _ source: ConfigurationSource, _ architecture: Architecture, isMistral: Bool
    ) throws -> ModelConfiguration {
        let layers = try source.requiredInteger("num_hidden_layers", in: Limits.layers)
        let hidden = try source.requiredInteger("hidden_size", in: Limits.size)
        let heads = try source.requiredInteger("num_attention_heads", in: Limits.heads)
        // Qwen3 has its own default in the reference code; in the others heads share the hidden size.
        let headSize =
            try source.integer("head_dim", in: Limits.headSize) ?? (architecture == .qwen3 ? 128 : hidden / heads)
        guard headSize > 0, source["head_dim"] != nil || architecture == .qwen3 || hidden % heads == 0 else {
            throw NestboxError.invalid(
                "\(source.file): the hidden size \(hidden) is no multiple of \(heads) attention heads")
        }
        let context =
            try source.integer("max_position_embeddings", in: Limits.context)
            ?? (isMistral ? 131_072 : architecture == .llama ? 2048 : 32_768)
        var result = ModelConfiguration(
            architecture: architecture, layerCount: layers, hiddenSize: hidden,
            feedForwardSize: try source.requiredInteger("intermediate_size", in: Limits.size), headCount: heads,
            keyValueHeadCount: try source.integer("num_key_value_heads", in: 1...heads) ?? (isMistral ? 8 : heads),
            headSize: headSize, rope: try rope(source, headSize, context),
            normEpsilon: try source.number("rms_norm_eps", in: 0...1) ?? 1e-6,
            activation: try activation(source, "hidden_act", default: "silu"), contextLength: context,
            vocabularySize: try source.requiredInteger("vocab_size", in: Limits.vocabulary),
            tiesEmbeddings: try source.flag("tie_word_embeddings") ?? false, isCausal: true)
        try result.readWindow(source, isMistral: isMistral)
        return result
    }

    private static func gpt2(_ source: ConfigurationSource) throws -> ModelConfiguration {
        let hidden = try source.requiredInteger("n_embd", "hidden_size", in: Limits.size)
        let heads = try source.requiredInteger("n_head", "num_attention_heads", in: Limits.heads)
        for key in ["scale_attn_by_inverse_layer_idx", "add_cross_attention"] where try source.flag(key) == true {
            throw source.fault(key, true, "false")
        }
        guard try source.flag("scale_attn_weights") ?? true else {
            throw source.fault("scale_attn_weights", false, "true")
        }
        return ModelConfiguration(
            architecture: .gpt2,
            layerCount: try source.requiredInteger("n_layer", "num_hidden_layers", in: Limits.layers),
            hiddenSize: hidden, feedForwardSize: try source.integer("n_inner", in: Limits.size) ?? 4 * hidden,
            headCount: heads, keyValueHeadCount: heads, headSize: hidden / heads, rope: nil,
            normEpsilon: try source.number("layer_norm_epsilon", in: 0...1) ?? 1e-5,
            activation: try activation(source, "activation_function", default: "gelu_new"),
            contextLength: try source.requiredInteger("n_positions", "n_ctx", in: Limits.context),
            vocabularySize: try source.requiredInteger("vocab_size", in: Limits.vocabulary),
            tiesEmbeddings: try source.flag("tie_word_embeddings") ?? true, isCausal: true)
    }

    private static func bert(_ source: ConfigurationSource, _ files: HuggingFaceFiles) throws -> ModelConfiguration {
        let hidden = try source.requiredInteger("hidden_size", in: Limits.size)
        let heads = try source.requiredInteger("num_attention_heads", in: Limits.heads)
        if let kind = try source.text("position_embedding_type"), kind != "absolute" {
            throw source.fault("position_embedding_type", .string(kind), "absolute")
        }
        if try source.flag("is_decoder") == true { throw source.fault("is_decoder", true, "false") }
        var result = ModelConfiguration(
            architecture: .bert, layerCount: try source.requiredInteger("num_hidden_layers", in: Limits.layers),
            hiddenSize: hidden, feedForwardSize: try source.requiredInteger("intermediate_size", in: Limits.size),
            headCount: heads, keyValueHeadCount: heads, headSize: hidden / heads, rope: nil,
            normEpsilon: try source.number("layer_norm_eps", in: 0...1) ?? 1e-12,
            activation: try activation(source, "hidden_act", default: "gelu"),
            contextLength: try source.requiredInteger("max_position_embeddings", in: Limits.context),
            vocabularySize: try source.requiredInteger("vocab_size", in: Limits.vocabulary), tiesEmbeddings: true,
            isCausal: false)
        result.tokenTypeCount = try source.integer("type_vocab_size", in: 0...65_536) ?? 2
        result.pooling = try pooling(files)
        result.normalizesEmbeddings = files.normalizes
        result.embeddingTokenLimit = try files.sentence?.integer("max_seq_length", in: Limits.context)
        return result
    }

    private static func pooling(_ files: HuggingFaceFiles) throws -> Pooling {
        guard let source = files.pooling else { return .mean }
        let modes: [(String, Pooling?)] = [
            ("pooling_mode_mean_tokens", .mean), ("pooling_mode_cls_token", .cls), ("pooling_mode_lasttoken", .last),
            ("pooling_mode_max_tokens", nil), ("pooling_mode_mean_sqrt_len_tokens", nil),
            ("pooling_mode_weightedmean_tokens", nil),
        ]
        let chosen = try modes.filter { try source.flag($0.0) == true }
        guard chosen.count == 1, let pooling = chosen[0].1 else {
            throw NestboxError.invalid(
                "\(source.file): pooling by \(chosen.map(\.0).joined(separator: " and ")) is not supported",
                hint: "supported are the mean, the first and the last token alone")
        }
        return pooling
    }

    private static func activation(_ source: ConfigurationSource, _ key: String, default name: String) throws
        -> Activation
    {
        switch try source.text(key) ?? name {
        case "silu", "swish": .silu
        case "gelu": .gelu
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": .geluTanh
        case let other: throw source.fault(key, .string(other), "silu, gelu or gelu_new")
        }
    }

    /// Newer files keep everything in `rope_parameters`, older ones in `rope_theta` and `rope_scaling`.
    private static func rope(_ source: ConfigurationSource, _ headSize: Int, _ context: Int) throws -> RotaryEmbedding {
        let parameters = try source.section("rope_parameters")
        let scaling = try parameters ?? source.section("rope_scaling")
        let base =
            try parameters?.number("rope_theta", in: 1...1e12) ?? source.number("rope_theta", in: 1...1e12) ?? 10_000
        let part =
            try parameters?.number("partial_rotary_factor", in: 0...1)
            ?? source.number("partial_rotary_factor", in: 0...1) ?? 1
        var rope = RotaryEmbedding(base: base, dimensions: Int(Double(headSize) * part), pairing: .halves)
        guard let scaling, let type = try scaling.text("rope_type") ?? scaling.text("type"), type != "default" else {
            return rope
        }
        guard let factor = try scaling.number("factor", in: 1...1e6) else {
            throw NestboxError.invalid("\(scaling.file): `factor` is missing")
        }
        let original = try scaling.integer("original_max_position_embeddings", in: Limits.context)
        switch type {
        case "linear": rope.scaling = .linear(factor: factor)
        case "llama3":
            guard let low = try scaling.number("low_freq_factor", in: 1e-3...1e6),
                let high = try scaling.number("high_freq_factor", in: 1e-3...1e6), high > low, let original
            else {
                throw NestboxError.invalid(
                    "\(scaling.file): low_freq_factor, a larger high_freq_factor and original_max_position_embeddings "
                        + "are needed for llama3")
            }
            rope.scaling = .llama3(
                factor: factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: original)
        case "yarn":
            for key in ["mscale", "mscale_all_dim", "truncate"] {
                if let value = scaling[key] { throw scaling.fault(key, value, "absent") }
            }
            rope.scaling = .yarn(
                factor: factor, originalContext: original ?? context,
                betaFast: try scaling.number("beta_fast", in: 1e-3...1e6) ?? 32,
                betaSlow: try scaling.number("beta_slow", in: 1e-3...1e6) ?? 1,
                attentionFactor: try scaling.number("attention_factor", in: 0...1e3)
                    ?? RotaryEmbedding.yarnMagnitude(factor))
        default: throw scaling.fault("rope_type", .string(type), "default, linear, llama3 or yarn")
        }
        return rope
    }

    /// Mistral has the window in all layers; Qwen2 and Qwen3 where `use_sliding_window` says so, from `max_window_layers` on.
    private mutating func readWindow(_ source: ConfigurationSource, isMistral: Bool) throws {
        let isQwen = architecture != .llama
        guard isMistral || isQwen, let window = try source.integer("sliding_window", in: Limits.context) else { return }
        if isQwen, try source.flag("use_sliding_window") != true { return }
        if let types = source["layer_types"] {
            guard let types = types.arrayValue, types.count == layerCount,
                types.allSatisfy({ $0 == "sliding_attention" || $0 == "full_attention" })
            else { throw source.fault("layer_types", types, "\(layerCount) of sliding_attention and full_attention") }
            windowedLayers = types.map { $0 == "sliding_attention" }
        } else {
            let first = isQwen ? try source.integer("max_window_layers", in: 0...Limits.layers.upperBound) ?? 28 : 0
            windowedLayers = (0..<layerCount).map { $0 >= first }
        }
        if windowedLayers.contains(true) { slidingWindow = window } else { windowedLayers = [] }
    }

    private mutating func readTokens(_ files: HuggingFaceFiles) throws {
        let ids = 0...Limits.vocabulary.upperBound
        // What is meant for generation goes before what the model was trained with.
        for source in [files.generation, files.config] {
            guard let source else { continue }
            if bosToken == nil { bosToken = try source.integer("bos_token_id", in: ids) }
            if padToken == nil { padToken = try source.integer("pad_token_id", in: ids) }
            guard let value = source["eos_token_id"] else { continue }
            for token in value.arrayValue ?? [value] {
                let id = try source.integer(token, "eos_token_id", in: ids)
                if !eosTokens.contains(id) { eosTokens.append(id) }
            }
        }
        guard let source = files.tokenizer else {
            chatTemplates["default"] = files.chatTemplate
            return
        }
        addsBosToken = try source.flag("add_bos_token")
        addsEosToken = try source.flag("add_eos_token")
        switch source["chat_template"] {
        case nil: break
        case .string(let template)?: chatTemplates["default"] = template
        case .array(let templates)?:
            for template in templates {
                guard let name = template["name"]?.stringValue, let text = template["template"]?.stringValue else {
                    throw source.fault("chat_template", template, "an object with name and template")
                }
                chatTemplates[name] = text
            }
        case let other?: throw source.fault("chat_template", other, "a text or a list of named ones")
        }
        if let template = files.chatTemplate { chatTemplates["default"] = template }
    }
}
