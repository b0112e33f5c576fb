import Core
import Foundation
import Tensors
import Testing

/// Against what the reference implementations made of the same bytes and values: see Fixtures/make_blocks.py.
@Suite struct BlockCodecTests {
    private struct Golden: Decodable {
        var stored: String
        var read: String
        var values: String
        var written: String?
        var error: Double?
    }

    private static let golden: [String: Golden] = {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/blocks.json")
        // A fixture that cannot be read leaves no cases, and `everyTypeHasAFixture` fails.
        guard let data = try? Data(contentsOf: path) else { return [:] }
        return (try? JSON.decode([String: Golden].self, from: data)) ?? [:]
    }()

    private static let types = DType.allCases.filter { BlockCodec.supports($0) && $0 != .f32 && $0 != .f64 }

    @Test func everyTypeHasAFixture() {
        #expect(Set(Self.golden.keys) == Set(Self.types.map(\.name)))
    }

    @Test(arguments: types) func readsWhatTheReferenceReads(_ type: DType) throws {
        let golden = try #require(Self.golden[type.name])
        let values = try bytes(golden.stored).withUnsafeBytes { try BlockCodec.dequantize(type, $0) }
        #expect(values.map(\.bitPattern) == floats(golden.read).map(\.bitPattern))
    }

    @Test(arguments: types) func writesWhatTheReferenceWrites(_ type: DType) throws {
        let golden = try #require(Self.golden[type.name])
        let values = floats(golden.values)
        let stored = try BlockCodec.quantize(type, values)
        if let written = golden.written {
            #expect(stored == bytes(written))
        } else {
            // The reference searches with sums in another order: equal but for the last digits.
            let expected = try #require(golden.error)
            let read = try stored.withUnsafeBytes { try BlockCodec.dequantize(type, $0) }
            let squares = zip(read, values).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
            #expect((squares / Double(values.count)).squareRoot() <= expected * 1.005)
        }
    }

    @Test(arguments: types) func whatWasQuantizedOnceStaysNearItself(_ type: DType) throws {
        let values = (0..<1024).map { Float(sin(Double($0) * 0.37)) }
        let first = try BlockCodec.quantize(type, values).withUnsafeBytes { try BlockCodec.dequantize(type, $0) }
        let second = try BlockCodec.quantize(type, first).withUnsafeBytes { try BlockCodec.dequantize(type, $0) }
        let step: Float = type == .q2_K || type == .q3_K ? 0.5 : 0.2
        #expect(zip(values, first).allSatisfy { abs($0 - $1) < step })
        #expect(zip(first, second).allSatisfy { abs($0 - $1) < step })
    }

    @Test(arguments: types) func valuesThatAreNotFiniteStayOutOfBlocks(_ type: DType) throws {
        for wrong in [Float.nan, .infinity, -.infinity] {
            var values = [Float](repeating: 1, count: 256)
            values[200] = wrong
            if type.isQuantized {
                let error = #expect(throws: NestboxError.self) { try BlockCodec.quantize(type, values) }
                #expect(error?.message.contains("element 200") == true)
            } else {
                let read = try BlockCodec.quantize(type, values).withUnsafeBytes { try BlockCodec.dequantize(type, $0) }
                #expect(wrong.isNaN ? read[200].isNaN : read[200] == wrong)
            }
        }
    }

    @Test func extremesStayWithinTheType() throws {
        let most = Float.greatestFiniteMagnitude
        let extremes = [most, -most, .leastNonzeroMagnitude, .leastNormalMagnitude, -0.0, 65_519, 65_520]
        let values = (0..<256).map { extremes[$0 % extremes.count] }
        for type in Self.types { #expect(try BlockCodec.quantize(type, values).count == type.rowBytes(256)) }
        let halves = try BlockCodec.quantize(.f16, extremes).withUnsafeBytes { try BlockCodec.dequantize(.f16, $0) }
        #expect(halves[5] == 65_504 && halves[6] == .infinity)
    }

    @Test func countsThatEndInsideABlockAreRefused() {
        #expect(throws: NestboxError.self) { try BlockCodec.quantize(.q4_K, [Float](repeating: 0, count: 288)) }
        #expect(throws: NestboxError.self) {
            try [UInt8](repeating: 0, count: 19).withUnsafeBytes { try BlockCodec.dequantize(.q4_0, $0) }
        }
        #expect(throws: NestboxError.self) { try BlockCodec.quantize(.i32, [1]) }
        #expect(throws: NestboxError.self) {
            try [UInt8](repeating: 0, count: 4).withUnsafeBytes { try BlockCodec.dequantize(.i32, $0) }
        }
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.map { UInt8($0 < 58 ? $0 - 48 : $0 - 87) }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private func floats(_ hex: String) -> [Float] {
        bytes(hex).withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: 4).map {
                Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
            }
        }
    }
}
