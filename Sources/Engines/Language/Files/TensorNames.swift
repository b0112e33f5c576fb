/// What a tensor is called: in checkpoints of Hugging Face, whose names are the ones used in code here, and in GGUF.
///
/// Names of GGUF are those of llama.cpp's converter (gguf-py's `tensor_mapping.py`).
public struct TensorNames: Sendable {
    public let architecture: ModelConfiguration.Architecture
    private let table: Table

    public init(_ architecture: ModelConfiguration.Architecture) {
        self.architecture = architecture
        table =
            switch architecture {
            case .llama, .qwen2, .qwen3: Self.llama
            case .gpt2: Self.gpt2
            case .bert: Self.bert
            }
    }

    private struct Table {
        /// What stands before the number of a layer.
        var layerPrefix: String
        /// Pairs of names without `.weight` and `.bias`.
        var global: [(canonical: String, gguf: String)]
        var layer: [(canonical: String, gguf: String)]
    }

    private static let llama = Table(
        layerPrefix: "model.layers.",
        global: [
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("lm_head", "output"),
        ],
        layer: [
            ("input_layernorm", "attn_norm"),
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("self_attn.q_norm", "attn_q_norm"),
            ("self_attn.k_norm", "attn_k_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ])

    private static let gpt2 = Table(
        layerPrefix: "transformer.h.",
        global: [
            ("transformer.wte", "token_embd"),
            ("transformer.wpe", "position_embd"),
            ("transformer.ln_f", "output_norm"),
            ("lm_head", "output"),
        ],
        layer: [
            ("ln_1", "attn_norm"),
            ("attn.c_attn", "attn_qkv"),
            ("attn.c_proj", "attn_output"),
            ("ln_2", "ffn_norm"),
            ("mlp.c_fc", "ffn_up"),
            ("mlp.c_proj", "ffn_down"),
        ])

    private static let bert = Table(
        layerPrefix: "encoder.layer.",
        global: [
            ("embeddings.word_embeddings", "token_embd"),
            ("embeddings.position_embeddings", "position_embd"),
            ("embeddings.token_type_embeddings", "token_types"),
            ("embeddings.LayerNorm", "token_embd_norm"),
        ],
        layer: [
            ("attention.self.query", "attn_q"),
            ("attention.self.key", "attn_k"),
            ("attention.self.value", "attn_v"),
            ("attention.output.dense", "attn_output"),
            ("attention.output.LayerNorm", "attn_output_norm"),
            ("intermediate.dense", "ffn_up"),
            ("output.dense", "ffn_down"),
            ("output.LayerNorm", "layer_output_norm"),
        ])

    private static let ggufLayerPrefix = "blk."

    /// `blk.3.attn_q.weight` for `model.layers.3.self_attn.q_proj.weight`; nil for what the family does not have.
    public func gguf(_ canonical: String) -> String? {
        translate(canonical, from: table.layerPrefix, to: Self.ggufLayerPrefix, { ($0.canonical, $0.gguf) })
    }

    /// The reverse of `gguf(_:)`.
    public func canonical(_ gguf: String) -> String? {
        translate(gguf, from: Self.ggufLayerPrefix, to: table.layerPrefix, { ($0.gguf, $0.canonical) })
    }

    private func translate(
        _ name: String, from prefix: String, to newPrefix: String,
        _ direction: ((canonical: String, gguf: String)) -> (String, String)
    ) -> String? {
        guard let dot = name.lastIndex(of: "."), [".weight", ".bias"].contains(name[dot...]) else { return nil }
        let stem = name[..<dot], suffix = name[dot...]
        if stem.hasPrefix(prefix) {
            let rest = stem.dropFirst(prefix.count)
            guard let end = rest.firstIndex(of: "."), let layer = Int(rest[..<end]), layer >= 0 else { return nil }
            let part = rest[rest.index(after: end)...]
            guard let pair = table.layer.lazy.map(direction).first(where: { $0.0 == part }) else { return nil }
            return "\(newPrefix)\(layer).\(pair.1)\(suffix)"
        }
        return table.global.lazy.map(direction).first { $0.0 == stem }.map { $0.1 + suffix }
    }

    /// What a tensor may be called in a checkpoint: with or without the name of the model that holds the layers, and with
    /// the names that LayerNorm had in TensorFlow.
    func checkpointNames(_ canonical: String) -> [String] {
        var names = [canonical]
        for prefix in ["model.", "transformer."] where canonical.hasPrefix(prefix) {
            names.append(String(canonical.dropFirst(prefix.count)))
        }
        guard architecture == .bert else { return names }
        names.append("bert." + canonical)
        for (new, old) in [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")]
        where canonical.hasSuffix(new) {
            names += names.map { $0.dropLast(new.count) + old }
        }
        return names
    }

    /// GPT-2's checkpoints keep these matrices with the inputs first (`Conv1D`); every other matrix, and all in GGUF, has
    /// the outputs first.
    func isTransposedInCheckpoints(_ canonical: String) -> Bool {
        architecture == .gpt2
            && [".c_attn.weight", ".c_proj.weight", ".c_fc.weight"].contains { canonical.hasSuffix($0) }
    }

    /// The rows of Llama's query and key matrices come in another order in GGUF; see `RopeOrder`.
    func isReorderedInGGUF(_ canonical: String) -> Bool {
        architecture == .llama && (canonical.contains(".q_proj.") || canonical.contains(".k_proj."))
    }
}
