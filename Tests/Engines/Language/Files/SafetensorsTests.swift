import Core
import Foundation
import Tensors
import Testing

@testable import Language

@Suite struct SafetensorsTests {
    @Test func readsWhatTheReferenceWrote() throws {
        let file = try SafetensorsFile.open(fixture("tiny.safetensors"))
        let values = (0..<12).map { Float($0) - 5.5 }
        for name in ["float32", "float16", "float64"] {
            let tensor = try #require(file.tensor(named: name))
            #expect(tensor.shape == [3, 4] && tensor.rows == 3)
            #expect(try tensor.floats() == values)
        }
        #expect(file.tensor(named: "int64")?.dtype == .i64)
        #expect(try file.tensor(named: "scalar")?.floats() == [2.5])
        #expect(try file.tensor(named: "nothing")?.floats() == [])
        #expect(file.otherTensors == ["mask": "BOOL", "bytes": "U8"])
        #expect(file.metadata["note"] == .string("größer"))
    }

    @Test func whatIsWrittenIsReadBack() throws {
        try inDirectory { directory in
            let path = directory + "/a.safetensors"
            let outlines = [
                TensorOutline("a", .bf16, [2, 3]), TensorOutline("b", .f32, []), TensorOutline("c", .f16, [0, 7]),
            ]
            let values: [[Float]] = [[1, -2, 0.5, 4, 8, 256], [3.25], []]
            try SafetensorsFile.write(path, metadata: ["format": "pt"], tensors: outlines) { index, sink in
                try BlockCodec.quantize(outlines[index].dtype, values[index]).withUnsafeBytes(sink)
            }
            let file = try SafetensorsFile.open(path)
            #expect(file.tensors.count == 3)
            for (outline, expected) in zip(outlines, values) {
                let tensor = try #require(file.tensor(named: outline.name))
                #expect(tensor.dtype == outline.dtype && tensor.shape == outline.shape)
                #expect(try tensor.floats() == expected)
            }
            #expect(file.metadata["format"] == .string("pt"))
            #expect(throws: NestboxError.self) {
                try SafetensorsFile.write(path, tensors: [TensorOutline("q", .q8_0, [32])]) { _, _ in }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["a.safetensors"])
        }
    }

    @Test func aFileCutOffAnywhereIsRefused() throws {
        let whole = try [UInt8](Data(contentsOf: URL(filePath: fixture("tiny.safetensors"))))
        for length in 0..<whole.count {
            #expect(throws: NestboxError.self, "\(length) of \(whole.count) bytes") {
                try parse(Array(whole[..<length]))
            }
        }
        let error = #expect(throws: NestboxError.self) { try parse(whole + [0]) }
        #expect(error?.message.contains("1 bytes follow after the last tensor") == true)
    }

    @Test func bytesChangedAtRandomEndInAnErrorOrTensors() throws {
        let whole = try [UInt8](Data(contentsOf: URL(filePath: fixture("tiny.safetensors"))))
        let headerEnd = 8 + Int(whole[0]) + Int(whole[1]) << 8
        var random = SeededGenerator(seed: fuzzSeed())
        var accepted = 0
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<headerEnd, using: &random)
                // Digits are where a header lies most effectively.
                let other =
                    Bool.random(using: &random)
                    ? UInt8.random(in: 0x30...0x39, using: &random) : .random(in: 0...255, using: &random)
                bytes[at] = other
            }
            do {
                let file = try parse(bytes)
                for tensor in file.tensors { _ = try? tensor.floats() }
                accepted += 1
            } catch is NestboxError {}
        }
        #expect(accepted > 0)
    }

    @Test(arguments: [
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            "begins at offset 4, but 8"
        ),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, "begins at offset 4, but 0"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "a range of 8 bytes"),
        (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "a range of 12 bytes"),
        (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "a whole number from 0"),
        (#"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,8]}}"#, "impossible shape"),
        (#"{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}}"#, "a whole number from 0"),
        (#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, "a type of elements"),
        (#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#, "at most 8"),
        (#"{"a":{"dtype":"F32","shape":[2]}}"#, "data_offsets"),
        (#"{"a":[]}"#, "dtype"),
        (#"{"__metadata__":{"a":1}}"#, "not a text"),
        (#"{"__metadata__":[]}"#, "not an object"),
        (#"{"a":{"dtype":"F32","shape":[400],"data_offsets":[0,1600]}}"#, "1588 bytes are missing"),
        (#"[["#, "not a safetensors file"),
        (#"{"a":"#, "not well-formed"),
        (#"{"a":[[[[[]]]]]}"#, "nested"),
    ]) func liesOfTheHeaderAreNamed(_ header: String, _ expected: String) {
        var bytes: [UInt8] = []
        GGUFEncoding.append(UInt64(header.utf8.count), to: &bytes)
        bytes += Array(header.utf8) + [UInt8](repeating: 0, count: 12)
        let error = #expect(throws: NestboxError.self) { try parse(bytes) }
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "") should say \(expected)")
    }

    @Test func shardsMustBeWhatTheIndexSays() throws {
        try inDirectory { directory in
            for (shard, name) in [("one.safetensors", "a"), ("two.safetensors", "b")] {
                try SafetensorsFile.write("\(directory)/\(shard)", tensors: [TensorOutline(name, .f32, [1])]) {
                    _, sink in
                    try [Float(1)].withUnsafeBytes(sink)
                }
            }
            func open(_ index: String) throws -> ModelFile {
                try Data(index.utf8).write(to: URL(filePath: directory + "/model.safetensors.index.json"))
                return try SafetensorsFile.openDirectory(directory)
            }
            let file = try open(#"{"metadata":{},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}"#)
            #expect(file.tensors.map(\.name) == ["a", "b"])
            for (index, expected) in [
                (#"{"weight_map":{"a":"one.safetensors","b":"three.safetensors"}}"#, "three.safetensors is missing"),
                (#"{"weight_map":{"a":"one.safetensors","c":"two.safetensors"}}"#, "`b` is not listed"),
                (
                    #"{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"}}"#,
                    "`c` is missing"
                ),
                (#"{"weight_map":{"a":"../one.safetensors"}}"#, "a file in the same directory"),
                (#"{"weight_map":{"a":"/etc/passwd"}}"#, "a file in the same directory"),
                (#"{"weight_map":{"a":3}}"#, "a file in the same directory"),
                (#"{"weight_map":{}}"#, "must name the file"), (#"{}"#, "must name the file"), ("[]", "not an object"),
            ] {
                let error = #expect(throws: NestboxError.self) { _ = try open(index) }
                #expect(error?.message.contains(expected) == true, "\(error?.message ?? "") should say \(expected)")
            }
        }
    }

    @discardableResult private func parse(_ bytes: [UInt8]) throws -> ModelFile {
        let owned = OwnedBytes(bytes.count)
        owned.bytes.copyBytes(from: bytes)
        return try SafetensorsFile.parse(UnsafeRawBufferPointer(owned.bytes), path: "model.safetensors", owner: owned)
    }
}
