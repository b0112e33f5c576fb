import Core
import Tensors

/// A layer of GPT-2: LayerNorm, attention over learned positions, LayerNorm, feed-forward with GELU; biases everywhere.
/// Source: https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf.
struct GPT2Block: DecoderBlock {
    let inputNorm: Norm
    let qkv: WeightMatrix
    let qkvBias: Rows
    let output: WeightMatrix
    let outputBias: Rows
    let postNorm: Norm
    let up: WeightMatrix
    let upBias: Rows
    let down: WeightMatrix
    let downBias: Rows

    var weights: [WeightMatrix] { [qkv, output, up, down] }

    func forward(_ pass: DecoderPass) {
        let c = pass.configuration, s = pass.scratch, backend = pass.backend, tokens = pass.tokens
        inputNorm.apply(s.x, out: s.normed, tokens: tokens, backend: backend)
        let size = c.hiddenSize
        pass.product(
            qkv, s.normed, out: s.qkv, bias: qkvBias, targets: [(.query, size), (.key, size), (.value, size)])
        pass.attend()
        pass.product(output, s.attended, out: s.x, bias: outputBias, accumulate: true, targets: [(.output, size)])
        postNorm.apply(s.x, out: s.normed, tokens: tokens, backend: backend)
        pass.product(up, s.normed, out: s.inner, bias: upBias, targets: [(.up, c.feedForwardSize)])
        backend.activate(
            c.activation == .gelu ? .geluErf : .geluTanh, s.inner, size: c.feedForwardSize, tokens: tokens)
        pass.product(down, s.inner, out: s.x, bias: downBias, accumulate: true, targets: [(.down, size)])
    }
}

extension GPT2Block {
    init(_ weights: WeightLoader, layer: Int) throws {
        let at = "transformer.h.\(layer)."
        inputNorm = try weights.layerNorm(at + "ln_1")
        qkv = try weights.matrix(at + "attn.c_attn.weight")
        qkvBias = try weights.vector(at + "attn.c_attn.bias")
        output = try weights.matrix(at + "attn.c_proj.weight")
        outputBias = try weights.vector(at + "attn.c_proj.bias")
        postNorm = try weights.layerNorm(at + "ln_2")
        up = try weights.matrix(at + "mlp.c_fc.weight")
        upBias = try weights.vector(at + "mlp.c_fc.bias")
        down = try weights.matrix(at + "mlp.c_proj.weight")
        downBias = try weights.vector(at + "mlp.c_proj.bias")
    }
}
