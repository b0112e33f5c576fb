import Core
import Foundation
import Tensors

@testable import Language

/// Configurations like those of public checkpoints, of tiny size.
enum Checkpoints {
    static let configurations: [String: JSONValue] = [
        "llama": [
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false, "hidden_act": "silu",
            "rope_scaling": [
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            ], "bos_token_id": 1, "eos_token_id": [2, 3], "attention_bias": true,
        ],
        "mistral": [
            "model_type": "mistral", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 128,
            "sliding_window": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
        ],
        "qwen2": [
            "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 128,
            "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": true, "sliding_window": 64,
            "use_sliding_window": false,
        ],
        "qwen3": [
            "model_type": "qwen3", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 40,
            "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
            "rope_parameters": [
                "rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0, "original_max_position_embeddings": 64,
            ],
        ],
        "gpt2": [
            "model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 32, "vocab_size": 40,
            "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "bos_token_id": 39, "eos_token_id": 39,
        ],
        "bert": [
            "model_type": "bert", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
            "num_attention_heads": 4, "vocab_size": 40, "max_position_embeddings": 32, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0,
        ],
    ]

    /// Writes `config.json` and `model.safetensors` with values from `seed`; names go through `rename` first.
    static func write(
        _ family: String, to directory: String, dtype: DType = .f32, seed: UInt64 = 1,
        rename: (String) -> String = { $0 }
    ) throws {
        let json = configurations[family] ?? .null
        try JSON.encode(json).write(to: URL(filePath: directory + "/config.json"))
        let configuration = try ModelConfiguration(huggingFace: directory)
        let names = TensorNames(configuration.architecture)
        let tensors = configuration.expectedTensors
        let outlines = tensors.map { tensor in
            let transposed = names.isTransposedInCheckpoints(tensor.name)
            return TensorOutline(rename(tensor.name), dtype, transposed ? tensor.shape.reversed() : tensor.shape)
        }
        var random = SeededGenerator(seed: seed)
        try SafetensorsFile.write(directory + "/model.safetensors", tensors: outlines) { index, sink in
            let values = (0..<outlines[index].shape.reduce(1, *)).map { _ in Float(random.unit() - 0.5) }
            try BlockCodec.quantize(dtype, values).withUnsafeBytes(sink)
        }
    }
}
