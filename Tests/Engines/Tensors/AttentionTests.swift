import CKernels
import Core
import Foundation
import Tensors
import Testing

@Suite(.serialized) struct AttentionTests {
    /// Sequences whose keys and values are stored in shuffled pages, in two steps, so that pages and chunks have edges.
    struct Scene {
        let backend: CPUBackend
        let cache: KVCache
        let layer = 1
        let heads: Int
        var keys: [[[Float]]] = []
        var values: [[[Float]]] = []
        let step = StepLayout()
        var queries: Rows

        init(
            _ backend: CPUBackend, lengths: [Int], counts: [Int], heads: Int, kvHeads: Int, headSize: Int,
            pageSize: Int,
            type: KVType, _ random: inout Random
        ) throws {
            (self.backend, self.heads) = (backend, heads)
            queries = try randomRows(backend, counts.reduce(0, +), heads * headSize, &random, in: -2...2)
            let need = lengths.map { ($0 + pageSize - 1) / pageSize }
            var free = Array(0..<Int32(need.reduce(0, +) + 2)).shuffled(using: &random)
            cache = try backend.makeKVCache(
                KVShape(
                    layers: 3, heads: kvHeads, headSize: headSize, pageSize: pageSize, pages: free.count, type: type))
            // Whatever a page held before must not matter: fill it with NaN.
            let garbage = [UInt8](repeating: 0xFF, count: cache.buffer.byteCount)
            garbage.withUnsafeBytes { backend.upload($0, to: cache.buffer, at: 0) }
            var queryStart = 0
            for (s, length) in lengths.enumerated() {
                let tableStart = step.blockTable.count
                step.blockTable += free.suffix(need[s])
                free.removeLast(need[s])
                let k = try randomRows(backend, length, kvHeads * headSize, &random)
                let v = try randomRows(backend, length, kvHeads * headSize, &random)
                keys.append(read(backend, k, length, kvHeads * headSize))
                values.append(read(backend, v, length, kvHeads * headSize))
                let table = step.blockTable
                let slot = { (p: Int) in table[tableStart + p / pageSize] * Int32(pageSize) + Int32(p % pageSize) }
                for part in [0..<length / 3, length / 3..<length] {
                    let store = StepLayout()
                    store.slots = part.map(slot)
                    backend.storeKV(
                        k.rows(from: part.lowerBound), v.rows(from: part.lowerBound), cache: cache, layer: layer,
                        step: store)
                }
                step.sequences.append(
                    SequenceSpan(queryStart: queryStart, queryCount: counts[s], length: length, tableStart: tableStart))
                queryStart += counts[s]
            }
        }

        var tokens: Int { step.sequences.reduce(0) { $0 + Int($1.queryCount) } }

        func run(causal: Bool, window: Int, on other: CPUBackend? = nil, _ step: StepLayout? = nil) throws -> [[Float]]
        {
            let columns = heads * cache.shape.headSize
            let out = try backend.makeRows(tokens, columns: columns)
            (other ?? backend).attention(
                queries, heads: heads, cache: cache, layer: layer, step: step ?? self.step, scale: 0.2, causal: causal,
                window: window, out: out)
            return read(backend, out, tokens, columns)
        }

        func reference(causal: Bool, window: Int) -> [[Double]] {
            let n = cache.shape.headSize, share = heads / cache.shape.heads
            let q = read(backend, queries, tokens, heads * n)
            var result: [[Double]] = []
            for (s, span) in step.sequences.enumerated() {
                for t in 0..<Int(span.queryCount) {
                    let end = causal ? Int(span.length - span.queryCount) + t + 1 : Int(span.length)
                    let begin = window > 0 ? max(0, end - window) : 0
                    var row: [Double] = []
                    for h in 0..<heads {
                        let query = q[Int(span.queryStart) + t][h * n..<(h + 1) * n], kv = h / share * n
                        let scores = (begin..<end).map { p in
                            zip(query, keys[s][p][kv..<kv + n]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * 0.2
                        }
                        let most = scores.max()!
                        let weights = scores.map { exp($0 - most) }
                        let sum = weights.reduce(0, +)
                        for d in 0..<n {
                            row.append(
                                zip(weights, begin..<end).reduce(0.0) { $0 + $1.0 * Double(values[s][$1.1][kv + d]) }
                                    / sum)
                        }
                    }
                    result.append(row)
                }
            }
            return result
        }
    }

    static let shapes: [(heads: Int, kvHeads: Int, headSize: Int, pageSize: Int)] = [
        (9, 3, 64, 16), (4, 4, 80, 32), (8, 1, 96, 16), (2, 1, 128, 64), (3, 3, 32, 128), (30, 1, 40, 16),
        (2, 2, 256, 32),
    ]

    @Test(arguments: [KVType.f32, .f16, .q8], shapes.indices) func agreesWithTheDefinition(_ type: KVType, _ shape: Int)
        throws
    {
        let (heads, kvHeads, headSize, pageSize) = Self.shapes[shape]
        var random = Random(state: UInt64(shape) + 1)
        let two = try CPUBackend(threads: 2), one = try CPUBackend(threads: 1)
        let scene = try Scene(
            two, lengths: [1, 17, 64, 65, 129, 40], counts: [1, 17, 1, 5, 30, 2], heads: heads, kvHeads: kvHeads,
            headSize: headSize, pageSize: pageSize, type: type, &random)
        let tolerance = type == .f32 ? 2e-6 : type == .f16 ? 1.5e-3 : 3e-2
        for (causal, window) in [(true, 0), (true, 10), (true, 64), (false, 0)] {
            let got = try scene.run(causal: causal, window: window)
            let expected = scene.reference(causal: causal, window: window)
            var worst = 0.0
            for (a, b) in zip(got, expected) { for (x, y) in zip(a, b) { worst = max(worst, abs(Double(x) - y)) } }
            #expect(worst <= tolerance, "causal \(causal), window \(window)")
            #expect(got.allSatisfy { $0.allSatisfy { $0.isFinite } })
            #expect(try scene.run(causal: causal, window: window, on: one) == got, "one thread")
            #expect(nb_rows_choose("portable") == 1)
            #expect(try scene.run(causal: causal, window: window) == got || type == .q8, "portable")
            nb_rows_choose(nil)
        }
    }

    /// A prompt in chunks gives each query the bits that it has in one piece.
    @Test func chunkedPrefillGivesTheSameBits() throws {
        var random = Random(state: 8)
        let backend = try CPUBackend(threads: 2)
        let scene = try Scene(
            backend, lengths: [150], counts: [150], heads: 6, kvHeads: 2, headSize: 64, pageSize: 16, type: .f16,
            &random)
        for window in [0, 50] {
            let whole = try scene.run(causal: true, window: window)
            let chunks = StepLayout()
            chunks.blockTable = scene.step.blockTable
            for range in [0..<1, 1..<30, 30..<64, 64..<65, 65..<150] {
                chunks.sequences.append(
                    SequenceSpan(
                        queryStart: range.lowerBound, queryCount: range.count, length: range.upperBound, tableStart: 0))
            }
            #expect(try scene.run(causal: true, window: window, chunks) == whole)
        }
    }

    @Test func pagesAreCopiedInAllLayers() throws {
        let backend = try CPUBackend(threads: 1)
        let cache = try backend.makeKVCache(
            KVShape(layers: 2, heads: 2, headSize: 16, pageSize: 16, pages: 3, type: .q8))
        let pageBytes = cache.shape.pageBytes
        let bytes = (0..<cache.buffer.byteCount).map { UInt8(truncatingIfNeeded: $0 / 7) }
        bytes.withUnsafeBytes { backend.upload($0, to: cache.buffer, at: 0) }
        backend.copyPage(from: 0, to: 2, cache: cache)
        var got = [UInt8](repeating: 0, count: bytes.count)
        got.withUnsafeMutableBytes { backend.download(cache.buffer, at: 0, into: $0) }
        for layer in 0..<2 {
            let base = layer * 3 * pageBytes
            #expect(got[base + 2 * pageBytes..<base + 3 * pageBytes] == bytes[base..<base + pageBytes])
            #expect(got[base..<base + 2 * pageBytes] == bytes[base..<base + 2 * pageBytes])
        }
    }

    @Test func impossibleCachesAreErrors() throws {
        let backend = try CPUBackend(threads: 1)
        func make(_ layers: Int, _ heads: Int, _ headSize: Int, _ pageSize: Int, _ pages: Int) throws {
            _ = try backend.makeKVCache(
                KVShape(layers: layers, heads: heads, headSize: headSize, pageSize: pageSize, pages: pages, type: .f16))
        }
        #expect(throws: NestboxError.self) { try make(1, 1, 12, 16, 1) }
        #expect(throws: NestboxError.self) { try make(1, 1, 512, 16, 1) }
        #expect(throws: NestboxError.self) { try make(1, 1, 64, 15, 1) }
        #expect(throws: NestboxError.self) { try make(1, 1, 64, 16, 0) }
        #expect(throws: NestboxError.self) { try make(Int.max, 4, 64, 16, 1000) }
        #expect(throws: NestboxError.self) { try make(1, Int.max / 8, 64, 16, 1000) }
    }
}
