import CKernels
import Core
import Tensors
import Testing

@Suite(.serialized) struct MatmulTests {
    let one: CPUBackend
    let two: CPUBackend

    init() throws {
        one = try CPUBackend(threads: 1)
        two = try CPUBackend(threads: 2)
    }

    /// Products of packed weights against f64 sums over the dequantized rows.
    @Test(arguments: weightTypes) func productsAgreeWithDequantizedWeights(_ type: DType) throws {
        var random = Random(state: UInt64(type.rawValue) + 1)
        for (rows, blocks) in [(1, 1), (7, 2), (8, 1), (17, 3), (64, 2), (203, 1)] {
            let columns = type.isQuantized ? type.blockElements * blocks : 29 * blocks
            let bytes = randomWeights(type, rows: rows, columns: columns, &random)
            let matrix = try weights(two, type, rows: rows, columns: columns, bytes)
            let plain = try two.makeRows(rows, columns: columns)
            two.embed(matrix, tokens: (0..<Int32(rows)).map { $0 }, out: plain)
            let w = read(two, plain, rows, columns)
            for tokens in [1, 2, 3, 5, 16, 17, 33] {
                let x = try randomRows(two, tokens, columns, &random)
                let out = try randomRows(two, tokens, rows, &random)
                two.matmul(matrix, x, out: out, tokens: tokens)
                let inputs = read(two, x, tokens, columns), outputs = read(two, out, tokens, rows)
                for t in 0..<tokens {
                    for r in 0..<rows {
                        var sum = 0.0, bound = 0.0
                        for k in 0..<columns {
                            sum += Double(w[r][k]) * Double(inputs[t][k])
                            bound += Double(abs(w[r][k]))
                        }
                        // Rounded activations are off by half of 1/127 of the greatest in 32 (at most 1).
                        let tolerance = type.isQuantized ? bound * 0.5 / 127 + 1e-5 : bound * 1e-6 + 1e-6
                        #expect(
                            abs(Double(outputs[t][r]) - sum) <= tolerance,
                            "\(type) \(rows)×\(columns), \(tokens): \(t), \(r)")
                    }
                }
            }
        }
    }

    /// Whatever the team, the tokens beside it, or the instruction set: the same bits.
    @Test(arguments: weightTypes) func resultsDependOnTheirRowAndTokenAlone(_ type: DType) throws {
        var random = Random(state: UInt64(type.rawValue) + 100)
        let rows = 141, tokens = 21, columns = type.isQuantized ? max(type.blockElements, 64) * 3 : 200
        let bytes = randomWeights(type, rows: rows, columns: columns, &random)
        let matrix = try weights(one, type, rows: rows, columns: columns, bytes)
        let x = try randomRows(one, tokens, columns, &random)
        func product(_ backend: CPUBackend, _ first: Int, _ count: Int) throws -> [[Float]] {
            let out = try backend.makeRows(count, columns: rows)
            backend.matmul(matrix, x.rows(from: first), out: out, tokens: count)
            return read(backend, out, count, rows)
        }
        let all = try product(one, 0, tokens)
        #expect(try product(two, 0, tokens) == all)
        for count in [1, 2, 4, 7, 16] {
            #expect(try product(two, 3, count) == Array(all[3..<3 + count]), "\(count) tokens")
        }
        #expect(nb_products_choose("scalar") == 1)
        defer { nb_products_choose(nil) }
        #expect(try product(one, 0, tokens) == all, "the scalar reference")
    }

    @Test func partsAreMultipliedInOnePass() throws {
        var random = Random(state: 7)
        let columns = 256
        let shapes: [(DType, Int)] = [(.q4_K, 40), (.q6_K, 9), (.f16, 5), (.q8_0, 33)]
        let sources = shapes.map { randomWeights($0.0, rows: $0.1, columns: columns, &random) }
        let parts = try zip(shapes, sources).map { try weights(two, $0.0, rows: $0.1, columns: columns, $1) }
        var views: [WeightSource] = []
        let pinned = sources.map { source in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
            copy.copyBytes(from: source)
            return copy
        }
        defer { pinned.forEach { $0.deallocate() } }
        for (shape, bytes) in zip(shapes, pinned) {
            views.append(
                WeightSource(dtype: shape.0, rows: shape.1, columns: columns, bytes: UnsafeRawBufferPointer(bytes)))
        }
        let fused = try two.makeWeights(views)
        #expect(fused.rows == 87 && fused.dtypes == shapes.map(\.0))
        let x = try randomRows(two, 5, columns, &random), bias = try randomRows(two, 1, fused.rows, &random)
        let out = try randomRows(two, 5, fused.rows, &random)
        let before = read(two, out, 5, fused.rows)
        two.matmul(fused, x, out: out, tokens: 5, bias: bias, accumulate: true)
        let got = read(two, out, 5, fused.rows), biases = read(two, bias, 1, fused.rows)[0]
        var column = 0
        for part in parts {
            let alone = try two.makeRows(5, columns: part.rows)
            two.matmul(part, x, out: alone, tokens: 5)
            let values = read(two, alone, 5, part.rows)
            for t in 0..<5 {
                for r in 0..<part.rows {
                    #expect(got[t][column + r] == before[t][column + r] + (values[t][r] + biases[column + r]))
                }
            }
            column += part.rows
        }
    }

    /// Values as the file format's definition has them, computed here.
    @Test func packedRowsAreTheFiles() throws {
        var random = Random(state: 9)
        let rows = 11, columns = 96
        for type in [DType.q4_0, .q4_1, .q8_0] {
            let bytes = randomWeights(type, rows: rows, columns: columns, &random)
            let matrix = try weights(one, type, rows: rows, columns: columns, bytes)
            let out = try one.makeRows(rows, columns: columns)
            one.embed(matrix, tokens: (0..<Int32(rows)).map { $0 }, out: out)
            let got = read(one, out, rows, columns)
            for r in 0..<rows {
                for k in 0..<columns {
                    let block = (r * columns / 32 + k / 32) * type.blockBytes, i = k % 32
                    func half(_ at: Int) -> Float {
                        Float(Float16(bitPattern: UInt16(bytes[block + at]) | UInt16(bytes[block + at + 1]) << 8))
                    }
                    func nibble(_ at: Int) -> Float { Float(bytes[block + at + i % 16] >> (i < 16 ? 0 : 4) & 15) }
                    let expected: Float =
                        switch type {
                        case .q4_0: half(0) * (nibble(2) - 8)
                        case .q4_1: half(0) * nibble(4) + half(2)
                        default: half(0) * Float(Int8(bitPattern: bytes[block + 2 + i]))
                        }
                    #expect(got[r][k] == expected, "\(type) \(r), \(k)")
                }
            }
        }
    }

    /// Packing loses nothing: rows out of it equal what the codecs read from the file's blocks.
    @Test(arguments: weightTypes) func packedRowsEqualTheCodecs(_ type: DType) throws {
        var random = Random(state: UInt64(type.rawValue) + 50)
        let rows = 19, columns = 512
        let bytes = randomWeights(type, rows: rows, columns: columns, &random)
        let matrix = try weights(two, type, rows: rows, columns: columns, bytes)
        let out = try two.makeRows(rows, columns: columns)
        two.embed(matrix, tokens: (0..<Int32(rows)).map { $0 }, out: out)
        let got = read(two, out, rows, columns), rowBytes = type.rowBytes(columns)!
        for r in 0..<rows {
            var expected = [Float](repeating: 0, count: columns)
            bytes[r * rowBytes..<(r + 1) * rowBytes].withUnsafeBytes {
                _ = nb_dequantize_row(type.rawValue, $0.baseAddress, &expected, columns)
            }
            let most = expected.reduce(0) { max($0, abs($1)) }
            for k in 0..<columns { #expect(abs(got[r][k] - expected[k]) <= most * 1e-6, "\(r), \(k)") }
        }
    }

    @Test func extremeActivationsDoNotTrap() throws {
        var random = Random(state: 3)
        for type in weightTypes {
            let columns = 256
            let bytes = randomWeights(type, rows: 9, columns: columns, &random)
            let matrix = try weights(two, type, rows: 9, columns: columns, bytes)
            for value in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0] {
                let x = try two.makeRows(2, columns: columns), out = try two.makeRows(2, columns: 9)
                let row = [Float](repeating: value, count: columns)
                row.withUnsafeBytes { two.upload($0, to: x.buffer, at: 0) }
                two.matmul(matrix, x, out: out, tokens: 2)
                let got = read(two, out, 2, 9)
                #expect(got[1].allSatisfy { $0 == 0 }, "the other token is untouched")
                if value.isNaN { #expect(got[0].allSatisfy { $0.isNaN }) }
            }
        }
    }

    @Test func wrongShapesAreErrors() throws {
        let bytes = [UInt8](repeating: 0, count: 1000)
        func make(_ type: DType, _ rows: Int, _ columns: Int, _ count: Int) throws {
            _ = try bytes[..<count].withUnsafeBytes {
                try one.makeWeights([WeightSource(dtype: type, rows: rows, columns: columns, bytes: $0)])
            }
        }
        #expect(throws: NestboxError.self) { try make(.q4_1, 1, 33, 20) }
        #expect(throws: NestboxError.self) { try make(.q4_1, 1, 32, 19) }
        #expect(throws: NestboxError.self) { try make(.q4_1, 0, 32, 0) }
        #expect(throws: NestboxError.self) { try make(.q4_1, Int.max / 2, 32, 20) }
        #expect(throws: NestboxError.self) { try make(.i32, 1, 5, 20) }
        #expect(throws: NestboxError.self) { try make(.f32, -1, 5, 20) }
        #expect(throws: NestboxError.self) { try make(.f32, 1, Int.max, 20) }
    }
}
