import Core
import Foundation
import Tensors
import Testing

@testable import Language

@Suite struct GGUFTests {
    @Test func readsWhatTheReferenceWrote() throws {
        let file = try GGUFFile.open(fixture("tiny.gguf"))
        #expect(file.tensors.count == 11)
        #expect(file.tensor(named: "blk.0.ffn_down.weight")?.shape == [64, 96])
        #expect(file.tensor(named: "blk.0.ffn_down.weight")?.summary == "64 × 96 Q8_0")
        let values = try JSON.decode(
            [String: [Float]].self, from: Data(contentsOf: URL(filePath: fixture("values.json"))))
        #expect(values.count == file.tensors.count)
        for (name, expected) in values {
            let tensor = try #require(file.tensor(named: name))
            #expect(Array(try tensor.floats().prefix(40)) == expected)
        }
        let metadata = file.metadata
        #expect(metadata["test.uint8"] == .uint8(200))
        #expect(metadata["test.int8"] == .int8(-100))
        #expect(metadata["test.uint16"] == .uint16(60_000))
        #expect(metadata["test.int16"] == .int16(-30_000))
        #expect(metadata["test.int32"] == .int32(-2_000_000_000))
        #expect(metadata["test.uint64"] == .uint64(1 << 63 + 1))
        #expect(metadata["test.uint64"]?.integer == nil)
        #expect(metadata["test.int64"] == .int64(-(1 << 62)))
        #expect(metadata["test.float64"] == .float64(0.1))
        #expect(metadata["test.bool"]?.flag == false)
        #expect(try metadata["test.flags"]?.array?.values() == [.bool(true), .bool(false)])
        #expect(try metadata["test.nested"]?.array?.values().map { $0.array?.integers() } == [[1, 2], [3]])
        #expect(metadata["tokenizer.ggml.tokens"]?.array?.strings()?[4] == "▁b")
        #expect(metadata["tokenizer.ggml.scores"]?.array?.floats()?[5] == -5)
        #expect(metadata["tokenizer.ggml.tokens"]?.array?.integers() == nil)
    }

    @Test func configurationComesFromTheMetadata() throws {
        let configuration = try ModelConfiguration(gguf: GGUFFile.open(fixture("tiny.gguf")))
        #expect(configuration.architecture == .llama)
        #expect(configuration.layerCount == 1 && configuration.hiddenSize == 64 && configuration.feedForwardSize == 96)
        #expect(configuration.headCount == 4 && configuration.keyValueHeadCount == 2 && configuration.headSize == 16)
        #expect(configuration.rope == RotaryEmbedding(base: 10_000, dimensions: 16, pairing: .interleaved))
        #expect(configuration.vocabularySize == 24 && configuration.contextLength == 128)
        #expect(configuration.bosToken == 1 && configuration.eosTokens == [2] && configuration.addsBosToken == true)
        #expect(configuration.tiesEmbeddings && configuration.isCausal)
        #expect(configuration.chatTemplate == "{{ messages[0].content }}")
    }

    @Test func whatIsWrittenIsWhatTheReferenceWrites() throws {
        let file = try GGUFFile.open(fixture("tiny.gguf"))
        let path = NSTemporaryDirectory() + "/gguf-\(UUID().uuidString).gguf"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let outlines = file.tensors.map { TensorOutline($0.name, $0.dtype, $0.shape) }
        try GGUFFile.write(path, metadata: file.metadata, tensors: outlines) { index, sink in
            try sink(file.tensors[index].bytes)
        }
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: fixture("tiny.gguf"))))
    }

    @Test func aWriterThatFailsLeavesNothing() throws {
        let directory = NSTemporaryDirectory() + "/gguf-\(UUID().uuidString)"
        try DurableFile.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let outline = TensorOutline("a", .f32, [4])
        #expect(throws: NestboxError.self) {
            try GGUFFile.write(directory + "/a.gguf", metadata: ModelMetadata(), tensors: [outline]) { _, sink in
                try [UInt8](repeating: 0, count: 15).withUnsafeBytes(sink)
            }
        }
        #expect(throws: NestboxError.self) {
            try GGUFFile.write(directory + "/a.gguf", metadata: ModelMetadata(), tensors: [outline, outline]) { _, _ in
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
    }

    @Test func aFileCutOffAnywhereIsRefused() throws {
        let whole = try [UInt8](Data(contentsOf: URL(filePath: fixture("tiny.gguf"))))
        for length in 0..<whole.count - 32 {
            // The last tensor's end is padded; what is before that must be there.
            guard throws_(Array(whole[..<length])) else {
                Issue.record("\(length) of \(whole.count) bytes were accepted")
                return
            }
        }
        let error = #expect(throws: NestboxError.self) { try parse(Array(whole.dropLast(100))) }
        #expect(error?.message.contains("100 bytes are missing at the end of tensor `output_norm.weight`") == true)
    }

    @Test func bytesChangedAtRandomEndInAnErrorOrAModel() throws {
        let whole = try [UInt8](Data(contentsOf: URL(filePath: fixture("tiny.gguf"))))
        let headerEnd = 3200
        var random = SeededGenerator(seed: fuzzSeed())
        var accepted = 0
        for _ in 0..<4000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<headerEnd, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: for i in at..<min(at + 8, bytes.count) { bytes[i] = 0xFF }
                default: bytes.removeSubrange(at..<min(at + Int.random(in: 1...9, using: &random), bytes.count))
                }
            }
            do {
                try use(bytes)
                accepted += 1
            } catch is NestboxError {}
        }
        #expect(accepted > 0)
    }

    @Test func liesOfTheHeaderAreNamed() throws {
        try refuses("is not a GGUF file") { $0.magic = Array("GGML".utf8) }
        try refuses("is not a GGUF file", hint: "Git LFS") { $0.magic = Array("version https://git-lfs".utf8) }
        try refuses("version 1, not 2 or 3") { $0.version = 1 }
        try refuses("big-endian") { $0.version = UInt32(3).byteSwapped }
        try refuses("the number of tensors at byte 8 is 18446744073709551615") { $0.tensorCount = .max }
        try refuses("the number of metadata values at byte 16 is 9223372036854775808") { $0.metadataCount = 1 << 63 }
        try refuses("general.alignment is 0") { $0.metadata = [("general.alignment", .uint32(0))] }
        try refuses("general.alignment is 48") { $0.metadata = [("general.alignment", .uint32(48))] }
        try refuses("general.alignment is `32`") { $0.metadata = [("general.alignment", .string("32"))] }
        try refuses("`a` appears twice") { $0.metadata = [("a", .bool(true)), ("a", .bool(true))] }
        try refuses("is empty") { $0.metadata = [("", .bool(true))] }
        try refuses("is no type of metadata") { $0.rawMetadata = [3, 0, 0, 0, 0, 0, 0, 0, 97, 98, 99, 99, 0, 0, 0, 1] }
        try refuses("nested more than 8 deep") { header in
            header.metadata = [
                (
                    "deep",
                    (0..<9).reduce(MetadataValue.bool(true)) { value, _ in .array(MetadataArray(value.kind, [value])) }
                )
            ]
        }
    }

    @Test func liesAboutTensorsAreNamed() throws {
        let good = RawTensor(name: "a", dimensions: [32, 2], type: 0, offset: 0)
        func with(_ change: (inout RawTensor) -> Void) -> [RawTensor] {
            var changed = good
            changed.name = "b"
            changed.offset = 256
            change(&changed)
            return [good, changed]
        }
        func refuses(_ text: String, _ tensors: [RawTensor]) throws { try self.refuses(text) { $0.tensors = tensors } }
        try parse(Header(tensors: with { _ in }).bytes)
        try refuses("`a`, appears twice", with { $0.name = "a" })
        try refuses("is empty", with { $0.name = "" })
        try refuses("has 9 dimensions", with { $0.dimensions = Array(repeating: 1, count: 9) })
        try refuses("a dimension of 9223372036854775808", with { $0.dimensions = [1 << 63] })
        try refuses("impossible shape", with { $0.dimensions = [1 << 40, 1 << 40] })
        try refuses("cannot hold", with { $0.type = 12 })
        try refuses("impossible shape", with { $0.dimensions = [32, 1 << 57] })
        try refuses("is of type IQ2_XXS", with { $0.type = 16 })
        try refuses("is of type number 99", with { $0.type = 99 })
        try refuses("impossible offset", with { $0.offset = .max })
        try refuses("impossible offset", with { $0.offset = UInt64(Int.max) - 15 })
        try refuses("not a multiple of the alignment", with { $0.offset = 228 })
        try refuses("lie on each other", with { $0.offset = 224 })
        try refuses("256 bytes are missing", with { $0.offset = 512 })
    }

    // MARK: -

    private struct RawTensor {
        var name: String
        var dimensions: [UInt64]
        var type: UInt32
        var offset: UInt64
    }

    private struct Header {
        var magic = Array("GGUF".utf8)
        var version: UInt32 = 3
        var tensorCount: UInt64?
        var metadataCount: UInt64?
        var metadata: [(String, MetadataValue)] = []
        var rawMetadata: [UInt8]?
        var tensors: [RawTensor] = []

        /// With 512 bytes of data.
        var bytes: [UInt8] {
            var out = magic
            GGUFEncoding.append(version, to: &out)
            GGUFEncoding.append(tensorCount ?? UInt64(tensors.count), to: &out)
            GGUFEncoding.append(metadataCount ?? UInt64(rawMetadata == nil ? metadata.count : 1), to: &out)
            for (key, value) in metadata {
                GGUFEncoding.append(key, to: &out)
                GGUFEncoding.append(value.kind.rawValue, to: &out)
                GGUFEncoding.append(value, to: &out)
            }
            out += rawMetadata ?? []
            for tensor in tensors {
                GGUFEncoding.append(tensor.name, to: &out)
                GGUFEncoding.append(UInt32(tensor.dimensions.count), to: &out)
                for dimension in tensor.dimensions { GGUFEncoding.append(dimension, to: &out) }
                GGUFEncoding.append(tensor.type, to: &out)
                GGUFEncoding.append(tensor.offset, to: &out)
            }
            return out + [UInt8](repeating: 0, count: (32 - out.count % 32) % 32 + 512)
        }
    }

    private func refuses(_ text: String, hint: String = "", _ change: (inout Header) -> Void) throws {
        var header = Header()
        change(&header)
        let error = #expect(throws: NestboxError.self, "\(text)") { try parse(header.bytes) }
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "") should say \(text)")
        if !hint.isEmpty { #expect(error?.hint?.contains(hint) == true) }
    }

    @discardableResult private func parse(_ bytes: [UInt8]) throws -> ModelFile {
        let owned = OwnedBytes(bytes.count)
        owned.bytes.copyBytes(from: bytes)
        return try GGUFFile.parse(UnsafeRawBufferPointer(owned.bytes), path: "model.gguf", owner: owned)
    }

    private func throws_(_ bytes: [UInt8]) -> Bool {
        do {
            try parse(bytes)
            return false
        } catch {
            return error is NestboxError
        }
    }

    /// Touches everything that a loader would.
    private func use(_ bytes: [UInt8]) throws {
        let file = try parse(bytes)
        for tensor in file.tensors { _ = try? tensor.floats() }
        for key in file.metadata.keys {
            guard let array = file.metadata[key]?.array else { continue }
            _ = try array.values()
            _ = (array.strings(), array.integers(), array.floats())
        }
        _ = try ModelConfiguration(gguf: file).rope?.frequencies()
    }
}
