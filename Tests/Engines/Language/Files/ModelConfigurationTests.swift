import Core
import Foundation
import Testing

@testable import Language

@Suite struct ModelConfigurationTests {
    @Test func llama3() throws {
        let configuration = try read("llama")
        #expect(configuration.architecture == .llama)
        #expect(configuration.headSize == 16 && configuration.keyValueHeadCount == 2)
        #expect(configuration.keyValueSize == 32 && configuration.attentionSize == 64)
        #expect(configuration.rope?.base == 500_000 && configuration.rope?.pairing == .halves)
        #expect(
            configuration.rope?.scaling
                == .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
        #expect(configuration.bosToken == 1 && configuration.eosTokens == [2, 3])
        #expect(!configuration.tiesEmbeddings && configuration.slidingWindow == nil)
    }

    @Test func slidingWindows() throws {
        let mistral = try read("mistral")
        #expect(mistral.architecture == .llama && mistral.slidingWindow == 32 && mistral.window(ofLayer: 0) == 32)
        #expect(try read("mistral") { $0["sliding_window"] = .null }.slidingWindow == nil)
        #expect(try read("qwen2").slidingWindow == nil)
        let qwen = try read("qwen2") {
            $0["use_sliding_window"] = true
            $0["num_hidden_layers"] = 4
            $0["max_window_layers"] = 3
        }
        #expect((0..<4).map { qwen.window(ofLayer: $0) } == [nil, nil, nil, 64])
        let listed = try read("qwen2") {
            $0["use_sliding_window"] = true
            $0["num_hidden_layers"] = 2
            $0["layer_types"] = ["sliding_attention", "full_attention"]
        }
        #expect((0..<2).map { listed.window(ofLayer: $0) } == [64, nil])
    }

    @Test func otherFamilies() throws {
        let qwen3 = try read("qwen3")
        #expect(qwen3.headSize == 32 && qwen3.attentionSize == 128 && qwen3.rope?.base == 1_000_000)
        #expect(abs((qwen3.rope?.attentionFactor ?? 0) - 1.1386) < 1e-4)
        let gpt2 = try read("gpt2")
        #expect(gpt2.feedForwardSize == 256 && gpt2.rope == nil && gpt2.tiesEmbeddings && gpt2.activation == .geluTanh)
        let bert = try read("bert")
        #expect(bert.pooling == .mean && !bert.isCausal && bert.tokenTypeCount == 2 && bert.activation == .gelu)
    }

    @Test func neighboursOfTheConfigurationAreRead() throws {
        let llama = try read(
            "llama",
            beside: [
                "generation_config.json": #"{"eos_token_id": [5, 2], "bos_token_id": 4}"#,
                "tokenizer_config.json":
                    #"{"add_bos_token": true, "chat_template": [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]}"#,
            ])
        #expect(llama.eosTokens == [5, 2, 3] && llama.bosToken == 4 && llama.addsBosToken == true)
        #expect(llama.chatTemplate == "A" && llama.chatTemplates["tool_use"] == "B")
        #expect(try read("llama", beside: ["chat_template.jinja": "C"]).chatTemplate == "C")
        let bert = try read(
            "bert",
            beside: [
                "modules.json":
                    #"[{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}, {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}]"#,
                "1_Pooling/config.json": #"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#,
                "sentence_bert_config.json": #"{"max_seq_length": 16}"#,
            ])
        #expect(bert.pooling == .cls && bert.normalizesEmbeddings && bert.embeddingTokenLimit == 16)
    }

    @Test func whatCannotBeIsNamed() throws {
        func refuses(_ family: String, _ expected: String, _ change: (inout [String: JSONValue]) -> Void) {
            let error = #expect(throws: NestboxError.self, "\(expected)") { _ = try read(family, change) }
            #expect(error?.message.contains(expected) == true, "\(error?.message ?? "") should say \(expected)")
        }
        refuses("llama", "architecture `mamba`") { $0["model_type"] = "mamba" }
        refuses("llama", "`model_type` is missing") { $0["model_type"] = nil }
        refuses("llama", "`hidden_size` is missing") { $0["hidden_size"] = nil }
        refuses("llama", "`hidden_size` is \"64\", not a whole number") { $0["hidden_size"] = "64" }
        refuses("llama", "`num_hidden_layers` is -1, not a whole number from 1 to 4096") {
            $0["num_hidden_layers"] = -1
        }
        refuses("llama", "from 1 to 4096") { $0["num_hidden_layers"] = 1_000_000_000_000 }
        refuses("llama", "`vocab_size` is 1.5") { $0["vocab_size"] = 1.5 }
        refuses("llama", "no multiple of 3 key-value heads") { $0["num_key_value_heads"] = 3 }
        refuses("llama", "no multiple of 5 attention heads") {
            $0["num_attention_heads"] = 5
            $0["num_key_value_heads"] = 1
        }
        refuses("llama", "an even number must") { $0["head_dim"] = 15 }
        refuses("llama", "`rms_norm_eps` is 2") { $0["rms_norm_eps"] = 2 }
        refuses("llama", "an eos token is 40, but there are 40") { $0["eos_token_id"] = 40 }
        refuses("llama", "`hidden_act` is \"relu\"") { $0["hidden_act"] = "relu" }
        refuses("llama", "`rope_type` is \"longrope\"") { $0["rope_scaling"] = ["rope_type": "longrope", "factor": 2] }
        refuses("llama", "`factor` is missing") { $0["rope_scaling"] = ["type": "linear"] }
        refuses("llama", "`rope_scaling` is 3, not an object") { $0["rope_scaling"] = 3 }
        refuses("llama", "quantized with gptq") { $0["quantization_config"] = ["quant_method": "gptq"] }
        refuses("gpt2", "do not make the hidden size") { $0["n_head"] = 5 }
        refuses("bert", "`position_embedding_type`") { $0["position_embedding_type"] = "relative_key" }
        refuses("qwen2", "2 of sliding_attention") {
            $0["num_hidden_layers"] = 2
            $0["use_sliding_window"] = true
            $0["layer_types"] = ["sliding_attention"]
        }
        let outside = #"[{"type": "x.Pooling", "path": "../../secret"}]"#
        #expect(throws: NestboxError.self) { _ = try read("bert", beside: ["modules.json": outside]) }
        let pooling = #"{"pooling_mode_max_tokens": true}"#
        #expect(throws: NestboxError.self) { _ = try read("bert", beside: ["1_Pooling/config.json": pooling]) }
    }

    @Test func configurationsChangedAtRandomEndInAnErrorOrAConfiguration() throws {
        var random = SeededGenerator(seed: fuzzSeed())
        let strange: [JSONValue] = [
            .null, true, 0, -1, 1, 3, 1e308, 4_611_686_018_427_387_904, .int(.min), .number(.infinity), .number(.nan),
            "", "x",
            [], [[]], [1, "a"], [:], ["a": 1], 65_536, 0.5,
        ]
        var accepted = 0
        try inDirectory { directory in
            for round in 0..<4000 {
                let family = Checkpoints.configurations.keys.sorted()[round % Checkpoints.configurations.count]
                var object = Checkpoints.configurations[family]?.objectValue ?? [:]
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let key = object.keys.sorted()[Int.random(in: 0..<object.count, using: &random)]
                    let value = strange[Int.random(in: 0..<strange.count, using: &random)]
                    if var section = object[key]?.objectValue, !section.isEmpty, Bool.random(using: &random) {
                        let inner = section.keys.sorted()[Int.random(in: 0..<section.count, using: &random)]
                        section[inner] = value
                        object[key] = .object(section)
                    } else {
                        object[key] = value
                    }
                }
                var bytes = [UInt8](try JSON.encode(JSONValue.object(object)))
                if round % 4 == 0 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                if round % 16 == 1 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
                try Data(bytes).write(to: URL(filePath: directory + "/config.json"))
                do {
                    let configuration = try ModelConfiguration(huggingFace: directory)
                    _ = configuration.rope?.frequencies()
                    accepted += 1
                } catch is NestboxError {}
            }
        }
        #expect(accepted > 0)
    }

    private struct GoldenRope: Decodable {
        var parameters: JSONValue
        var frequencies: [Double]
        var attention: Double
    }

    /// See Fixtures/make_rope.py.
    @Test func rotaryFrequenciesAreThoseOfTheReference() throws {
        let data = try Data(contentsOf: URL(filePath: fixture("rope.json")))
        for (name, golden) in try JSON.decode([String: GoldenRope].self, from: data) {
            let rope = try #require(
                read("llama") {
                    $0["head_dim"] = 64
                    $0["rope_scaling"] = nil
                    $0["rope_parameters"] = golden.parameters
                }.rope)
            let frequencies = rope.frequencies()
            #expect(frequencies.count == 32)
            #expect(zip(frequencies, golden.frequencies).allSatisfy { abs($0 - $1) <= 1e-9 * $1 }, "\(name)")
            #expect(abs(rope.attentionFactor - golden.attention) < 1e-12, "\(name)")
        }
    }

    private func read(
        _ family: String, beside: [String: String] = [:], _ change: (inout [String: JSONValue]) -> Void = { _ in }
    ) throws -> ModelConfiguration {
        var object = Checkpoints.configurations[family]?.objectValue ?? [:]
        change(&object)
        var result: ModelConfiguration?
        try inDirectory { directory in
            try JSON.encode(JSONValue.object(object)).write(to: URL(filePath: directory + "/config.json"))
            for (name, text) in beside {
                let url = URL(filePath: directory + "/" + name)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: url)
            }
            result = try ModelConfiguration(huggingFace: directory)
        }
        return try #require(result)
    }
}
