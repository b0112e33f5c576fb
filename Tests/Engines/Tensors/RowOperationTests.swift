import CKernels
import Foundation
import Tensors
import Testing

@Suite(.serialized) struct RowOperationTests {
    let backend: CPUBackend

    init() throws { backend = try CPUBackend(threads: 2) }

    func close(_ a: Float, _ b: Double, _ tolerance: Double) -> Bool {
        abs(Double(a) - b) <= tolerance * max(1, abs(b))
    }

    /// Runs `body` on the chosen instruction set and on the portable one, and expects the same bits.
    func onBoth(_ body: () throws -> [[Float]]) throws -> [[Float]] {
        let fast = try body()
        #expect(nb_rows_choose("portable") == 1)
        defer { nb_rows_choose(nil) }
        let slow = try body()
        for (a, b) in zip(fast, slow) { #expect(a.map(\.bitPattern) == b.map(\.bitPattern)) }
        return fast
    }

    @Test(arguments: [1, 7, 8, 64, 100, 576]) func norms(_ size: Int) throws {
        var random = Random(state: UInt64(size))
        let tokens = 19
        let x = try randomRows(backend, tokens, size * 2, &random, in: -3...3)
        let weight = try randomRows(backend, 1, size, &random), bias = try randomRows(backend, 1, size, &random)
        let inputs = read(backend, x, tokens, size * 2)
        let w = read(backend, weight, 1, size)[0], b = read(backend, bias, 1, size)[0]
        let rms = try onBoth {
            let out = try backend.makeRows(tokens, columns: size * 2)
            backend.rmsNorm(x, weight: weight, eps: 1e-5, size: size, groups: 2, out: out, tokens: tokens)
            return read(backend, out, tokens, size * 2)
        }
        let layer = try onBoth {
            let out = try backend.makeRows(tokens, columns: size)
            backend.layerNorm(x, weight: weight, bias: bias, eps: 1e-5, size: size, out: out, tokens: tokens)
            return read(backend, out, tokens, size)
        }
        for t in 0..<tokens {
            for g in 0..<2 {
                let v = inputs[t][g * size..<(g + 1) * size].map(Double.init)
                let scale = 1 / (v.reduce(0) { $0 + $1 * $1 } / Double(size) + 1e-5).squareRoot()
                for i in 0..<size { #expect(close(rms[t][g * size + i], v[i] * scale * Double(w[i]), 2e-6)) }
            }
            let v = inputs[t][..<size].map(Double.init)
            let mean = v.reduce(0, +) / Double(size)
            let variance = v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(size)
            for i in 0..<size {
                let expected = (v[i] - mean) / (variance + 1e-5).squareRoot() * Double(w[i]) + Double(b[i])
                #expect(close(layer[t][i], expected, 2e-5))
            }
        }
    }

    @Test(arguments: [Activation.silu, .geluTanh, .geluErf, .relu], [1, 9, 40]) func activations(
        _ activation: Activation, _ size: Int
    ) throws {
        func exact(_ x: Double) -> Double {
            switch activation {
            case .silu: x / (1 + exp(-x))
            case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
            case .geluErf: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
            case .relu: max(x, 0)
            }
        }
        var random = Random(state: 5)
        let tokens = 7
        let x = try randomRows(backend, tokens, 2 * size, &random, in: -9...9)
        let inputs = read(backend, x, tokens, 2 * size)
        let gated = try onBoth {
            let out = try backend.makeRows(tokens, columns: size)
            backend.gated(activation, x, size: size, out: out, tokens: tokens)
            return read(backend, out, tokens, size)
        }
        backend.activate(activation, x, size: size, tokens: tokens)
        let plain = read(backend, x, tokens, 2 * size)
        for t in 0..<tokens {
            for i in 0..<size {
                let expected = exact(Double(inputs[t][i]))
                #expect(close(plain[t][i], expected, 3e-6), "\(inputs[t][i])")
                #expect(close(gated[t][i], expected * Double(inputs[t][size + i]), 2e-5))
            }
            #expect(plain[t][size...] == inputs[t][size...])
        }
    }

    /// exp by softmax of (x, 0): relative errors of a few units in the last place, and the ends of the range.
    @Test func softmaxIsAccurate() throws {
        var random = Random(state: 11)
        for size in [1, 2, 8, 13, 1000] {
            let x = try randomRows(backend, 3, size, &random, in: -30...30)
            let inputs = read(backend, x, 3, size)
            backend.softmax(x, size: size, tokens: 3)
            for (input, output) in zip(inputs, read(backend, x, 3, size)) {
                // The difference is rounded to f32 first; what is measured is exp.
                let most = input.max()!
                let sum = input.reduce(0) { $0 + exp(Double($1 - most)) }
                for (a, b) in zip(input, output) {
                    let expected = exp(Double(a - most)) / sum
                    #expect(abs(Double(b) - expected) <= 6e-7 * expected + 1e-40)
                }
            }
        }
        let edge: [Float] = [-.infinity, -1000, -100, -88, 0]
        let rows = try backend.makeRows(1, columns: edge.count)
        edge.withUnsafeBytes { backend.upload($0, to: rows.buffer, at: 0) }
        backend.softmax(rows, size: edge.count, tokens: 1)
        let got = read(backend, rows, 1, edge.count)[0]
        #expect(got[0] == 0 && got[1] == 0 && got[4] == 1)
        #expect(abs(Double(got[3]) / exp(-88) - 1) < 1e-5)
    }

    @Test func argmaxTakesTheFirstOfEqualsAndNoNaN() throws {
        let rows: [[Float]] = [
            [1, 5, 5, 2, 0, 0, 0, 0, 5], [.nan, -3, .nan, -2, -2, .nan, -9, -9, -9],
            [Float](repeating: .nan, count: 9), [Float](repeating: -.infinity, count: 9), [0, 0, 0, 0, 0, 0, 0, 0, 7],
        ]
        let x = try backend.makeRows(rows.count, columns: 9)
        rows.flatMap { $0 }.withUnsafeBytes { backend.upload($0, to: x.buffer, at: 0) }
        var result: [Int32] = []
        backend.argmax(x, size: 9, tokens: rows.count, into: &result)
        #expect(result == [1, 3, 0, 0, 8])
    }

    @Test func addAndGather() throws {
        var random = Random(state: 2)
        let x = try randomRows(backend, 4, 21, &random), y = try randomRows(backend, 4, 21, &random)
        let a = read(backend, x, 4, 21), b = read(backend, y, 4, 21)
        backend.add(y, to: x, scale: 0.5, size: 21, tokens: 4)
        let sums = read(backend, x, 4, 21)
        for t in 0..<4 { for i in 0..<21 { #expect(abs(sums[t][i] - (a[t][i] + b[t][i] * 0.5)) < 1e-6) } }
        let out = try backend.makeRows(3, columns: 21)
        backend.gather(x, indices: [3, 0, 3], size: 21, out: out)
        #expect(read(backend, out, 3, 21) == [sums[3], sums[0], sums[3]])
    }

    @Test(arguments: [RopeStyle.interleaved, .halves]) func rotaryEmbedding(_ style: RopeStyle) throws {
        var random = Random(state: 4)
        let heads = 3, headSize = 24, pairs = 10, tokens = 5
        let frequencies = (0..<pairs).map { Float(pow(10000, -Double($0) / Double(pairs))) }
        let positions: [Int32] = [0, 1, 7, 500, 8000]
        let angles = try backend.makeRows(tokens, columns: 2 * pairs)
        backend.ropeAngles(frequencies: frequencies, positions: positions, magnitude: 1.25, out: angles)
        let x = try randomRows(backend, tokens, heads * headSize, &random)
        let before = read(backend, x, tokens, heads * headSize)
        backend.rope(x, heads: heads, headSize: headSize, pairs: pairs, style: style, angles: angles, tokens: tokens)
        let after = read(backend, x, tokens, heads * headSize)
        for t in 0..<tokens {
            for h in 0..<heads {
                for i in 0..<pairs {
                    let first = h * headSize + (style == .interleaved ? 2 * i : i)
                    let second = style == .interleaved ? first + 1 : first + pairs
                    let angle = Double(Float(positions[t]) * frequencies[i])
                    let a = Double(before[t][first]), b = Double(before[t][second])
                    #expect(close(after[t][first], 1.25 * (a * cos(angle) - b * sin(angle)), 1e-5))
                    #expect(close(after[t][second], 1.25 * (a * sin(angle) + b * cos(angle)), 1e-5))
                }
                let rest = h * headSize + 2 * pairs..<(h + 1) * headSize
                #expect(after[t][rest] == before[t][rest])
            }
        }
    }
}
