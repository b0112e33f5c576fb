import Core
import Foundation
import Tensors
import Testing

@testable import Language

@Suite struct PretrainedModelTests {
    private static let families = Checkpoints.configurations.keys.sorted()

    @Test(arguments: families) func namesTranslateBothWays(_ family: String) throws {
        try inDirectory { directory in
            try Checkpoints.write(family, to: directory)
            let configuration = try ModelConfiguration(huggingFace: directory)
            let names = TensorNames(configuration.architecture)
            for tensor in configuration.expectedTensors {
                let gguf = try #require(names.gguf(tensor.name))
                #expect(names.canonical(gguf) == tensor.name)
            }
        }
        let names = TensorNames(.llama)
        #expect(names.gguf("model.layers.11.self_attn.q_proj.weight") == "blk.11.attn_q.weight")
        #expect(names.canonical("output_norm.weight") == "model.norm.weight")
        for other in [
            "", ".", "blk..weight", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "blk.1.weight",
            "blk.99999999999999999999.attn_q.weight",
        ] {
            #expect(names.canonical(other) == nil)
        }
    }

    /// From a checkpoint to GGUF and back by name: the same values, queries and keys with their rows in the other order.
    @Test(arguments: families) func aCheckpointBecomesTheSameModelInGGUF(_ family: String) throws {
        try inDirectory { directory in
            try Checkpoints.write(family, to: directory)
            try Data(#"{"model": {}}"#.utf8).write(to: URL(filePath: directory + "/tokenizer.json"))
            let checkpoint = try PretrainedModel.open(directory)
            let path = directory + "/model.gguf"
            try GGUFConverter(to: .f32).convert(checkpoint, to: path)
            let gguf = try PretrainedModel.open(path)
            var expected = checkpoint.configuration
            expected.name = gguf.configuration.name
            if gguf.configuration.architecture == .llama { expected.rope?.pairing = .interleaved }
            if let factors = expected.rope?.llama3Factors() {
                expected.rope?.scaling = .factors(factors.map(Float.init))
            }
            expected.normEpsilon = Double(Float(expected.normEpsilon))
            if gguf.configuration.architecture == .bert { expected.normalizesEmbeddings = true }
            if case .yarn(let factor, let context, let fast, let slow, _) = expected.rope?.scaling {
                expected.rope?.scaling = .yarn(
                    factor: factor, originalContext: context, betaFast: fast, betaSlow: slow,
                    attentionFactor: RotaryEmbedding.yarnMagnitude(factor))
            }
            #expect(gguf.configuration == expected)
            #expect(try gguf.tokenizerJSON() == Data(#"{"model": {}}"#.utf8))
            for tensor in checkpoint.configuration.expectedTensors {
                let a = try checkpoint.tensor(tensor.name), b = try gguf.tensor(tensor.name)
                #expect(a.shape == tensor.shape && b.shape == tensor.shape)
                guard checkpoint.names.isReorderedInGGUF(tensor.name) else {
                    #expect(try a.floats() == b.floats())
                    continue
                }
                #expect(try a.floats() != b.floats())
                #expect(try b.reordered(.halves, headSize: expected.headSize).floats() == a.floats())
            }
        }
    }

    /// A pair turned by the same angle must be the same two rows in both formats.
    @Test func reorderingBringsPairsTogether() throws {
        let size = 8
        for head in 0..<2 {
            for pair in 0..<size / 2 {
                #expect(RopeOrder.interleaved.source(head * size + 2 * pair, headSize: size) == head * size + pair)
                #expect(
                    RopeOrder.interleaved.source(head * size + 2 * pair + 1, headSize: size) == head * size + pair
                        + size / 2)
            }
        }
        for row in 0..<16 {
            #expect(RopeOrder.interleaved.source(RopeOrder.halves.source(row, headSize: size), headSize: size) == row)
        }
    }

    @Test func otherNamesOfCheckpointsAreFound() throws {
        try inDirectory { directory in
            try Checkpoints.write("gpt2", to: directory) { $0.replacingOccurrences(of: "transformer.", with: "") }
            _ = try PretrainedModel.open(directory)
            try Checkpoints.write("bert", to: directory) { name in
                "bert."
                    + name.replacingOccurrences(of: "LayerNorm.weight", with: "LayerNorm.gamma")
                    .replacingOccurrences(of: "LayerNorm.bias", with: "LayerNorm.beta")
            }
            _ = try PretrainedModel.open(directory)
        }
    }

    @Test func everyTypeIsReachedThroughEveryOther() throws {
        try inDirectory { directory in
            try Checkpoints.write("qwen2", to: directory, dtype: .bf16)
            let model = try PretrainedModel.open(directory)
            let original = try model.tensor("model.layers.0.mlp.down_proj.weight").floats()
            var path = directory + "/0.gguf"
            try GGUFConverter(to: .q4_1).convert(model, to: path)
            for type in [DType.f16, .q8_0, .bf16, .q5_0, .q4_0, .q5_1, .iq4_nl, .f32] {
                let next = directory + "/\(type.name).gguf"
                let report = try GGUFConverter(to: type).convert(PretrainedModel.open(path), to: next)
                path = next
                let opened = try PretrainedModel.open(path)
                let tensor = try opened.tensor("model.layers.0.mlp.down_proj.weight")
                #expect(tensor.dtype == type && report.fallbacks.isEmpty && report.bytes == opened.file.tensorBytes)
                #expect(try opened.tensor("model.norm.weight").dtype == .f32)
                #expect(try opened.tensor("model.layers.0.self_attn.q_proj.bias").dtype == .f32)
                let error = try zip(tensor.floats(), original).map { abs($0 - $1) }.max() ?? 1
                #expect(error < 0.3)
            }
            #expect(try PretrainedModel.open(path).file.metadata["general.file_type"] == .uint32(0))
        }
    }

    /// llama.cpp's rule for rows that are no multiple of 256.
    @Test func shortRowsTakeTheTypeWithSmallBlocks() throws {
        let pairs: [(DType, DType)] = [
            (.q2_K, .q4_0), (.q3_K, .q4_0), (.q4_K, .q5_0), (.q5_K, .q5_1), (.q6_K, .q8_0), (.q4_1, .q4_1),
            (.iq4_nl, .iq4_nl),
        ]
        for (type, instead) in pairs {
            #expect(GGUFConverter.type(type, forRowsOf: 512) == type)
            #expect(GGUFConverter.type(type, forRowsOf: 576) == instead)
            #expect(GGUFConverter.type(type, forRowsOf: 100) == .f16)
        }
        try inDirectory { directory in
            try Checkpoints.write("mistral", to: directory)
            let report = try GGUFConverter(to: .q4_K).convert(
                PretrainedModel.open(directory), to: directory + "/a.gguf")
            #expect(report.fallbacks["blk.0.attn_q.weight"] == .q5_0 && report.fallbacks.count == 8)
        }
        #expect(throws: NestboxError.self) { try GGUFConverter(to: .i8) }
    }

    @Test func aConversionThatIsStoppedOrFailsLeavesNothing() throws {
        struct Stopped: Error {}
        try inDirectory { directory in
            try Checkpoints.write("qwen2", to: directory)
            let model = try PretrainedModel.open(directory)
            #expect(throws: Stopped.self) {
                try GGUFConverter(to: .f16).convert(model, to: directory + "/a.gguf") {
                    if $0.tensors == 3 { throw Stopped() }
                }
            }
            let outlines = model.file.tensors.map { TensorOutline($0.name, .f32, $0.shape) }
            try SafetensorsFile.write(directory + "/model.safetensors", tensors: outlines) { index, sink in
                try [Float](repeating: .nan, count: outlines[index].shape.reduce(1, *)).withUnsafeBytes(sink)
            }
            let error = #expect(throws: NestboxError.self) {
                try GGUFConverter(to: .q8_0).convert(PretrainedModel.open(directory), to: directory + "/a.gguf")
            }
            #expect(error?.message.contains("nan") == true && error?.message.contains("rows 1 to") == true)
            #expect(
                try Set(FileManager.default.contentsOfDirectory(atPath: directory)) == [
                    "config.json", "model.safetensors",
                ])
        }
    }

    @Test func whatIsNoModelIsToldApart() throws {
        func refuses(_ path: String, _ expected: String) {
            let error = #expect(throws: NestboxError.self) { _ = try PretrainedModel.open(path) }
            let text = error?.description ?? ""
            #expect(text.contains(expected), "\(text) should say \(expected)")
        }
        try inDirectory { directory in
            refuses(directory + "/none", "there is no file or directory")
            refuses(directory, "config.json is missing")
            let config = URL(filePath: directory + "/config.json")
            try Data("{".utf8).write(to: config)
            refuses(directory, "not well-formed")
            try Checkpoints.write("llama", to: directory)
            refuses(directory + "/model.safetensors", "name the directory")
            let weights = URL(filePath: directory + "/model.safetensors"), whole = try Data(contentsOf: weights)
            try whole.dropLast(10).write(to: weights)
            refuses(directory, "10 bytes are missing")
            try Data().write(to: weights)
            refuses(directory, "is empty")
            try FileManager.default.removeItem(at: weights)
            refuses(directory, "holds no weights")
            try Data("x".utf8).write(to: URL(filePath: directory + "/pytorch_model.bin"))
            refuses(directory, "pickle")
            try whole.write(to: weights)
            var object = Checkpoints.configurations["llama"]?.objectValue ?? [:]
            object["num_hidden_layers"] = 3
            try JSON.encode(JSONValue.object(object)).write(to: config)
            refuses(directory, "`model.layers.2.input_layernorm.weight` is missing")
            object["num_hidden_layers"] = 2
            object["vocab_size"] = 41
            try JSON.encode(JSONValue.object(object)).write(to: config)
            refuses(directory, "has the shape 40 × 64, but the configuration asks for 41 × 64")
        }
    }
}
