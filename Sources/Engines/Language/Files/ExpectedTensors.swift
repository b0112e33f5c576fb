/// A tensor that a model of some configuration has, or may have.
struct ExpectedTensor: Sendable, Equatable {
    /// The name in Hugging Face's checkpoints.
    var name: String
    /// Outputs first.
    var shape: [Int]
    var isOptional = false
}

extension ModelConfiguration {
    /// All tensors that models of this family compute with, layer by layer.
    var expectedTensors: [ExpectedTensor] {
        switch architecture {
        case .llama, .qwen2, .qwen3: decoderTensors
        case .gpt2: gpt2Tensors
        case .bert: bertTensors
        }
    }

    /// A matrix and its bias.
    private func linear(_ name: String, _ outputs: Int, _ inputs: Int, bias: Bool?) -> [ExpectedTensor] {
        let weight = ExpectedTensor(name: name + ".weight", shape: [outputs, inputs])
        guard bias != false else { return [weight] }
        return [weight, ExpectedTensor(name: name + ".bias", shape: [outputs], isOptional: bias == nil)]
    }

    private func norm(_ name: String, _ size: Int, bias: Bool = false) -> [ExpectedTensor] {
        let weight = ExpectedTensor(name: name + ".weight", shape: [size])
        return bias ? [weight, ExpectedTensor(name: name + ".bias", shape: [size])] : [weight]
    }

    private var decoderTensors: [ExpectedTensor] {
        let hidden = hiddenSize, forward = feedForwardSize
        // Qwen2 always has these biases; Llama has them where `attention_bias` says so.
        let bias: Bool? = architecture == .qwen2 ? true : nil
        var out = [ExpectedTensor(name: "model.embed_tokens.weight", shape: [vocabularySize, hidden])]
        for layer in 0..<layerCount {
            let prefix = "model.layers.\(layer)."
            out += norm(prefix + "input_layernorm", hidden)
            out += linear(prefix + "self_attn.q_proj", attentionSize, hidden, bias: bias)
            out += linear(prefix + "self_attn.k_proj", keyValueSize, hidden, bias: bias)
            out += linear(prefix + "self_attn.v_proj", keyValueSize, hidden, bias: bias)
            out += linear(prefix + "self_attn.o_proj", hidden, attentionSize, bias: nil)
            if architecture == .qwen3 {
                out += norm(prefix + "self_attn.q_norm", headSize)
                out += norm(prefix + "self_attn.k_norm", headSize)
            }
            out += norm(prefix + "post_attention_layernorm", hidden)
            out += linear(prefix + "mlp.gate_proj", forward, hidden, bias: nil)
            out += linear(prefix + "mlp.up_proj", forward, hidden, bias: nil)
            out += linear(prefix + "mlp.down_proj", hidden, forward, bias: nil)
        }
        out += norm("model.norm", hidden)
        if !tiesEmbeddings { out += linear("lm_head", vocabularySize, hidden, bias: false) }
        return out
    }

    private var gpt2Tensors: [ExpectedTensor] {
        let hidden = hiddenSize, forward = feedForwardSize
        var out = [
            ExpectedTensor(name: "transformer.wte.weight", shape: [vocabularySize, hidden]),
            ExpectedTensor(name: "transformer.wpe.weight", shape: [contextLength, hidden]),
        ]
        for layer in 0..<layerCount {
            let prefix = "transformer.h.\(layer)."
            out += norm(prefix + "ln_1", hidden, bias: true)
            out += linear(prefix + "attn.c_attn", 3 * hidden, hidden, bias: true)
            out += linear(prefix + "attn.c_proj", hidden, hidden, bias: true)
            out += norm(prefix + "ln_2", hidden, bias: true)
            out += linear(prefix + "mlp.c_fc", forward, hidden, bias: true)
            out += linear(prefix + "mlp.c_proj", hidden, forward, bias: true)
        }
        out += norm("transformer.ln_f", hidden, bias: true)
        if !tiesEmbeddings { out += linear("lm_head", vocabularySize, hidden, bias: false) }
        return out
    }

    private var bertTensors: [ExpectedTensor] {
        let hidden = hiddenSize
        var out = [
            ExpectedTensor(name: "embeddings.word_embeddings.weight", shape: [vocabularySize, hidden]),
            ExpectedTensor(name: "embeddings.position_embeddings.weight", shape: [contextLength, hidden]),
        ]
        if tokenTypeCount > 0 {
            out.append(
                ExpectedTensor(name: "embeddings.token_type_embeddings.weight", shape: [tokenTypeCount, hidden]))
        }
        out += norm("embeddings.LayerNorm", hidden, bias: true)
        for layer in 0..<layerCount {
            let prefix = "encoder.layer.\(layer)."
            for part in ["query", "key", "value"] {
                out += linear(prefix + "attention.self." + part, hidden, hidden, bias: true)
            }
            out += linear(prefix + "attention.output.dense", hidden, hidden, bias: true)
            out += norm(prefix + "attention.output.LayerNorm", hidden, bias: true)
            out += linear(prefix + "intermediate.dense", feedForwardSize, hidden, bias: true)
            out += linear(prefix + "output.dense", hidden, feedForwardSize, bias: true)
            out += norm(prefix + "output.LayerNorm", hidden, bias: true)
        }
        return out
    }
}
