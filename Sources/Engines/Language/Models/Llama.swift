import Core
import Tensors

/// A layer of the Llama family: RMSNorm, attention with rotary positions and grouped heads, RMSNorm, gated feed-forward.
/// Mistral is the same with a sliding window, Qwen2 with biases on queries, keys and values (an option of Llama for all products), Qwen3 with norms of each head's query and key.
///
/// Sources: https://arxiv.org/abs/2302.13971, https://arxiv.org/abs/2310.06825, https://arxiv.org/abs/2407.10671,
/// https://arxiv.org/abs/2505.09388.
struct LlamaBlock: DecoderBlock {
    let inputNorm: Norm
    /// Q, K and V below each other.
    let qkv: WeightMatrix
    let qkvBias: Rows?
    let queryNorm: Rows?
    let keyNorm: Rows?
    let output: WeightMatrix
    let outputBias: Rows?
    let postNorm: Norm
    /// Gate and up below each other.
    let gateUp: WeightMatrix
    let gateUpBias: Rows?
    let down: WeightMatrix
    let downBias: Rows?

    var weights: [WeightMatrix] { [qkv, output, gateUp, down] }

    func forward(_ pass: DecoderPass) {
        let c = pass.configuration, s = pass.scratch, backend = pass.backend, tokens = pass.tokens
        inputNorm.apply(s.x, out: s.normed, tokens: tokens, backend: backend)
        pass.product(
            qkv, s.normed, out: s.qkv, bias: qkvBias,
            targets: [(.query, c.attentionSize), (.key, c.keyValueSize), (.value, c.keyValueSize)])
        let epsilon = Float(c.normEpsilon)
        if let queryNorm {
            backend.rmsNorm(
                s.qkv, weight: queryNorm, eps: epsilon, size: c.headSize, groups: c.headCount, out: s.qkv,
                tokens: tokens)
        }
        if let keyNorm {
            let k = s.qkv.columns(from: c.attentionSize)
            backend.rmsNorm(
                k, weight: keyNorm, eps: epsilon, size: c.headSize, groups: c.keyValueHeadCount, out: k, tokens: tokens)
        }
        pass.attend()
        pass.product(
            output, s.attended, out: s.x, bias: outputBias, accumulate: true, targets: [(.output, c.hiddenSize)])
        postNorm.apply(s.x, out: s.normed, tokens: tokens, backend: backend)
        pass.product(
            gateUp, s.normed, out: s.inner, bias: gateUpBias,
            targets: [(.gate, c.feedForwardSize), (.up, c.feedForwardSize)])
        backend.gated(.silu, s.inner, size: c.feedForwardSize, out: s.inner, tokens: tokens)
        pass.product(down, s.inner, out: s.x, bias: downBias, accumulate: true, targets: [(.down, c.hiddenSize)])
    }
}

extension LlamaBlock {
    init(_ weights: WeightLoader, layer: Int) throws {
        let at = "model.layers.\(layer)."
        let q = at + "self_attn.q_proj", k = at + "self_attn.k_proj", v = at + "self_attn.v_proj"
        let o = at + "self_attn.o_proj", gate = at + "mlp.gate_proj", up = at + "mlp.up_proj"
        inputNorm = try weights.rmsNorm(at + "input_layernorm")
        qkv = try weights.matrix("\(q).weight", "\(k).weight", "\(v).weight")
        qkvBias = try weights.optionalVector("\(q).bias", "\(k).bias", "\(v).bias")
        queryNorm = try weights.optionalVector(at + "self_attn.q_norm.weight")
        keyNorm = try weights.optionalVector(at + "self_attn.k_norm.weight")
        output = try weights.matrix("\(o).weight")
        outputBias = try weights.optionalVector("\(o).bias")
        postNorm = try weights.rmsNorm(at + "post_attention_layernorm")
        gateUp = try weights.matrix("\(gate).weight", "\(up).weight")
        gateUpBias = try weights.optionalVector("\(gate).bias", "\(up).bias")
        down = try weights.matrix(at + "mlp.down_proj.weight")
        downBias = try weights.optionalVector(at + "mlp.down_proj.bias")
    }
}
