import Core
import Foundation

extension PretrainedModel {
    /// The configuration of a checkpoint as GGUF keeps it, with the tokenizer's file whole.
    func ggufMetadata() throws -> ModelMetadata {
        var out = ModelMetadata()
        let c = configuration, prefix = c.architecture.rawValue
        func set(_ key: String, _ value: Int?) { if let value { out[key] = .uint32(UInt32(value)) } }
        out["general.architecture"] = .string(prefix)
        out["general.type"] = .string("model")
        out["general.name"] = .string(c.name ?? (path as NSString).lastPathComponent)
        set("\(prefix).block_count", c.layerCount)
        set("\(prefix).context_length", c.contextLength)
        set("\(prefix).embedding_length", c.hiddenSize)
        set("\(prefix).feed_forward_length", c.feedForwardSize)
        set("\(prefix).attention.head_count", c.headCount)
        set("\(prefix).attention.head_count_kv", c.keyValueHeadCount)
        set("\(prefix).vocab_size", c.vocabularySize)
        if let rope = c.rope {
            set("\(prefix).attention.key_length", c.headSize)
            set("\(prefix).attention.value_length", c.headSize)
            out["\(prefix).attention.layer_norm_rms_epsilon"] = .float32(Float(c.normEpsilon))
            set("\(prefix).rope.dimension_count", rope.dimensions)
            out["\(prefix).rope.freq_base"] = .float32(Float(rope.base))
            rope.describe(prefix, in: &out)
        } else {
            out["\(prefix).attention.layer_norm_epsilon"] = .float32(Float(c.normEpsilon))
        }
        try requireGGUFActivation()
        if let window = c.slidingWindow {
            // GGUF has the window for all layers or for none.
            guard c.windowedLayers.allSatisfy({ $0 }) else {
                throw NestboxError.invalid("\(path): a sliding window in some layers only cannot be kept in GGUF")
            }
            set("\(prefix).attention.sliding_window", window)
        }
        if c.architecture == .bert {
            out["\(prefix).attention.causal"] = .bool(false)
            let pooling: [ModelConfiguration.Pooling: Int] = [.none: 0, .mean: 1, .cls: 2, .last: 3]
            set("\(prefix).pooling_type", pooling[c.pooling])
            set("tokenizer.ggml.token_type_count", c.tokenTypeCount)
        }
        try describeTokens(&out)
        return out
    }

    /// GGUF does not name the activation: each family has its own.
    private func requireGGUFActivation() throws {
        let usual: ModelConfiguration.Activation =
            switch configuration.architecture {
            case .llama, .qwen2, .qwen3: .silu
            case .gpt2: .geluTanh
            case .bert: .gelu
            }
        guard configuration.activation == usual else {
            throw NestboxError.invalid(
                "\(path): the activation \(configuration.activation) of a \(configuration.architecture) model cannot be kept in GGUF",
                hint: "use the checkpoint as it is")
        }
    }

    private func describeTokens(_ out: inout ModelMetadata) throws {
        func set(_ key: String, _ value: Int?) { if let value { out[key] = .uint32(UInt32(value)) } }
        set("tokenizer.ggml.bos_token_id", configuration.bosToken)
        for (key, token) in zip(["eos", "eot", "eom"], configuration.eosTokens) {
            set("tokenizer.ggml.\(key)_token_id", token)
        }
        guard configuration.eosTokens.count <= 3 else {
            throw NestboxError.invalid(
                "\(path): \(configuration.eosTokens.count) tokens end a text, but GGUF keeps three",
                hint: "shorten eos_token_id in generation_config.json")
        }
        set("tokenizer.ggml.padding_token_id", configuration.padToken)
        set("tokenizer.ggml.unknown_token_id", configuration.unknownToken)
        if let adds = configuration.addsBosToken { out["tokenizer.ggml.add_bos_token"] = .bool(adds) }
        if let adds = configuration.addsEosToken { out["tokenizer.ggml.add_eos_token"] = .bool(adds) }
        for (name, template) in configuration.chatTemplates.sorted(by: { $0.key < $1.key }) {
            out["tokenizer.chat_template" + (name == "default" ? "" : "." + name)] = .string(template)
        }
        if let json = try tokenizerJSON() {
            guard let text = String(validating: json, as: UTF8.self) else {
                throw NestboxError.invalid("\(path)/tokenizer.json is not text in UTF-8")
            }
            out["tokenizer.huggingface.json"] = .string(text)
        }
    }
}

extension RotaryEmbedding {
    fileprivate func describe(_ prefix: String, in out: inout ModelMetadata) {
        switch scaling {
        // Factors for each frequency are a tensor of their own.
        case .none, .llama3, .factors: break
        case .linear(let factor):
            out["\(prefix).rope.scaling.type"] = .string("linear")
            out["\(prefix).rope.scaling.factor"] = .float32(Float(factor))
        case .yarn(let factor, let context, let fast, let slow, let attention):
            out["\(prefix).rope.scaling.type"] = .string("yarn")
            out["\(prefix).rope.scaling.factor"] = .float32(Float(factor))
            out["\(prefix).rope.scaling.original_context_length"] = .uint32(UInt32(context))
            out["\(prefix).rope.scaling.yarn_beta_fast"] = .float32(Float(fast))
            out["\(prefix).rope.scaling.yarn_beta_slow"] = .float32(Float(slow))
            out["\(prefix).rope.scaling.attn_factor"] = .float32(Float(attention / Self.yarnMagnitude(factor)))
        }
    }
}
