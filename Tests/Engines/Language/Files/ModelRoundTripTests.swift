import Core
import Foundation
import Tensors
import Testing

@testable import Language

@Suite struct ModelRoundTripTests {
    /// Checkpoint, GGUF, checkpoint: the bytes of every tensor come back.
    @Test(arguments: Checkpoints.configurations.keys.sorted()) func aGGUFGoesBackToItsCheckpoint(_ family: String)
        throws
    {
        try inDirectory { directory in
            let first = directory + "/first", second = directory + "/second"
            try FileManager.default.createDirectory(atPath: first, withIntermediateDirectories: true)
            try Checkpoints.write(family, to: first, dtype: .bf16)
            let original = try PretrainedModel.open(first)
            try GGUFConverter(to: .bf16).convert(original, to: directory + "/model.gguf")
            try PretrainedModel.open(directory + "/model.gguf").writeSafetensors(to: second, as: .bf16)
            try FileManager.default.copyItem(atPath: first + "/config.json", toPath: second + "/config.json")
            let back = try PretrainedModel.open(second)
            #expect(back.file.tensors.count == original.file.tensors.count)
            for tensor in original.file.tensors {
                let other = try #require(back.file.tensor(named: tensor.name))
                #expect(other.shape == tensor.shape && other.dtype == tensor.dtype)
                #expect(try other.floats() == tensor.floats())
            }
            #expect(throws: NestboxError.self) { try original.writeSafetensors(to: second, as: .q8_0) }
        }
    }

    @Test func theTokenizerComesFromMetadata() throws {
        let file = try GGUFFile.open(fixture("tiny.gguf"))
        let metadata = try #require(try TokenizerMetadata(file.metadata, file: file.path))
        #expect(metadata.model == "llama" && metadata.tokens.count == 24 && metadata.tokens.string(4) == "▁b")
        #expect(metadata.scores.count == 24 && metadata.tokenTypes[1] == 3 && metadata.merges.isEmpty)
        #expect(metadata.bosTokenID == 1 && metadata.eosTokenID == 2 && metadata.addBOSToken == true)
        #expect(try TokenizerMetadata(ModelMetadata(), file: "a")?.model == nil)
        for (key, value) in [("tokens", MetadataValue.uint8(1)), ("scores", .string("a")), ("token_type", .bool(true))]
        {
            var wrong = file.metadata
            wrong["tokenizer.ggml." + key] = value
            #expect(throws: NestboxError.self) { try TokenizerMetadata(wrong, file: "a") }
        }
    }
}
