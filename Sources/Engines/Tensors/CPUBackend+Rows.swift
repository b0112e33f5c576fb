import CKernels
import Core

extension Activation {
    var code: Int32 {
        switch self {
        case .silu: Int32(NB_SILU)
        case .geluTanh: Int32(NB_GELU_TANH)
        case .geluErf: Int32(NB_GELU_ERF)
        case .relu: Int32(NB_RELU)
        }
    }
}

/// Operations on rows: see `rows_body.h`.
extension CPUBackend {
    private func view(_ rows: Rows, columns: Int, tokens: Int) -> nb_rows {
        nb_rows(data: floats(rows, columns: columns, tokens: tokens), stride: rows.stride)
    }

    public func rmsNorm(_ x: Rows, weight: Rows, eps: Float, size: Int, groups: Int, out: Rows, tokens: Int) {
        nb_rms_norm(
            team.handle, view(x, columns: size * groups, tokens: tokens), floats(weight, columns: size, tokens: 1), eps,
            size, groups, view(out, columns: size * groups, tokens: tokens), tokens)
    }

    public func layerNorm(_ x: Rows, weight: Rows, bias: Rows?, eps: Float, size: Int, out: Rows, tokens: Int) {
        nb_layer_norm(
            team.handle, view(x, columns: size, tokens: tokens), floats(weight, columns: size, tokens: 1),
            bias.map { floats($0, columns: size, tokens: 1) }, eps, size, view(out, columns: size, tokens: tokens),
            tokens)
    }

    public func gated(_ activation: Activation, _ x: Rows, size: Int, out: Rows, tokens: Int) {
        nb_gated(
            team.handle, activation.code, view(x, columns: 2 * size, tokens: tokens), size,
            view(out, columns: size, tokens: tokens), tokens)
    }

    public func activate(_ activation: Activation, _ x: Rows, size: Int, tokens: Int) {
        nb_activate(team.handle, activation.code, view(x, columns: size, tokens: tokens), size, tokens)
    }

    public func add(_ y: Rows, to x: Rows, scale: Float, size: Int, tokens: Int) {
        nb_add(
            team.handle, view(y, columns: size, tokens: tokens), view(x, columns: size, tokens: tokens), scale, size,
            tokens)
    }

    public func gather(_ x: Rows, indices: [Int32], size: Int, out: Rows) {
        let target = floats(out, columns: size, tokens: indices.count)
        for (i, index) in indices.enumerated() {
            let source = floats(x.rows(from: Int(index)), columns: size, tokens: 1)
            (target + i * out.stride).update(from: source, count: size)
        }
    }

    public func softmax(_ x: Rows, size: Int, tokens: Int) {
        nb_softmax(team.handle, view(x, columns: size, tokens: tokens), size, tokens)
    }

    public func argmax(_ x: Rows, size: Int, tokens: Int, into result: inout [Int32]) {
        if result.count != tokens { result = Array(repeating: 0, count: tokens) }
        let rows = view(x, columns: size, tokens: tokens)
        result.withUnsafeMutableBufferPointer { nb_argmax(team.handle, rows, size, tokens, $0.baseAddress) }
    }

    // Attention

    public func makeKVCache(_ shape: KVShape) throws -> KVCache {
        guard (1...65536).contains(shape.layers), (1...65536).contains(shape.heads), shape.pages > 0,
            shape.pages <= Int(Int32.max) / max(shape.pageSize, 1)
        else { throw NestboxError.invalid("a cache of such a shape is not to be had: \(shape)") }
        guard shape.headSize > 0, shape.headSize <= 256, shape.headSize % 8 == 0 else {
            throw NestboxError.invalid(
                "heads of \(shape.headSize) elements are not supported",
                hint: "the size must be a multiple of 8, at most 256")
        }
        guard shape.pageSize > 0, shape.pageSize % 16 == 0, shape.pageSize <= 4096 else {
            throw NestboxError.invalid(
                "pages of \(shape.pageSize) positions are not supported", hint: "use a multiple of 16, at most 4096")
        }
        let (perLayer, overflow) = shape.pages.multipliedReportingOverflow(by: shape.pageBytes)
        guard !overflow, !perLayer.multipliedReportingOverflow(by: shape.layers).overflow else {
            throw NestboxError.invalid("the size of a cache of \(shape) overflows")
        }
        return KVCache(shape: shape, buffer: try makeBuffer(byteCount: shape.byteCount))
    }

    private func native(_ cache: KVCache) -> nb_kv_cache {
        let shape = cache.shape
        let type =
            switch shape.type {
            case .f32: NB_KV_F32
            case .f16: NB_KV_F16
            case .q8: NB_KV_Q8
            }
        return nb_kv_cache(
            data: cache.buffer.address.assumingMemoryBound(to: UInt8.self), layers: shape.layers, heads: shape.heads,
            headSize: shape.headSize, pageSize: shape.pageSize, pages: shape.pages, pageBytes: shape.pageBytes,
            type: Int32(type))
    }

    public func ropeAngles(frequencies: [Float], positions: [Int32], magnitude: Float, out: Rows) {
        guard !frequencies.isEmpty, !positions.isEmpty else { return }
        let angles = view(out, columns: 2 * frequencies.count, tokens: positions.count)
        nb_rope_angles(
            team.handle, frequencies, frequencies.count, positions, magnitude, angles, positions.count)
    }

    public func rope(_ x: Rows, heads: Int, headSize: Int, pairs: Int, style: RopeStyle, angles: Rows, tokens: Int) {
        precondition(2 * pairs <= headSize, "more pairs to rotate than a head has")
        nb_rope(
            team.handle, view(x, columns: heads * headSize, tokens: tokens), heads, headSize, pairs,
            style == .interleaved ? 1 : 0, view(angles, columns: 2 * pairs, tokens: tokens), tokens)
    }

    public func storeKV(_ keys: Rows, _ values: Rows, cache: KVCache, layer: Int, step: StepLayout) {
        let tokens = step.slots.count, columns = cache.shape.heads * cache.shape.headSize
        guard tokens > 0 else { return }
        precondition(layer >= 0 && layer < cache.shape.layers, "a layer beyond the cache's")
        let places = cache.shape.pages * cache.shape.pageSize
        precondition(step.slots.allSatisfy { Int($0) < places }, "a slot beyond the cache's pages")
        var native = native(cache)
        nb_store_kv(
            team.handle, &native, layer, view(keys, columns: columns, tokens: tokens),
            view(values, columns: columns, tokens: tokens), step.slots, tokens)
    }

    public func attention(
        _ q: Rows, heads: Int, cache: KVCache, layer: Int, step: StepLayout, scale: Float, causal: Bool, window: Int,
        out: Rows
    ) {
        let shape = cache.shape
        precondition(heads > 0 && heads % shape.heads == 0, "query heads must be a multiple of key heads")
        precondition(
            layer >= 0 && layer < shape.layers && window >= 0, "a layer beyond the cache's, or a negative window")
        var tokens = 0
        for span in step.sequences {
            let pages = (Int(span.length) + shape.pageSize - 1) / shape.pageSize
            precondition(
                span.queryStart >= 0 && span.queryCount >= 0 && span.length >= span.queryCount && span.tableStart >= 0
                    && Int(span.tableStart) + pages <= step.blockTable.count, "a span that contradicts itself: \(span)")
            tokens = max(tokens, Int(span.queryStart) + Int(span.queryCount))
        }
        guard tokens > 0 else { return }
        precondition(
            step.blockTable.allSatisfy { $0 >= 0 && Int($0) < shape.pages },
            "a page beyond the cache's in a block table")
        let columns = heads * shape.headSize
        let queries = view(q, columns: columns, tokens: tokens), target = view(out, columns: columns, tokens: tokens)
        var native = native(cache)
        step.sequences.withUnsafeBytes { spans in
            nb_attention(
                team.handle, &native, layer, queries, heads, spans.baseAddress!.assumingMemoryBound(to: nb_span.self),
                step.sequences.count, step.blockTable, scale, causal ? 1 : 0, window, target)
        }
    }

    public func copyPage(from source: Int, to destination: Int, cache: KVCache) {
        let shape = cache.shape
        precondition(
            source >= 0 && source < shape.pages && destination >= 0 && destination < shape.pages,
            "a page beyond the cache's")
        for layer in 0..<shape.layers {
            let base = cache.buffer.address + layer * shape.pages * shape.pageBytes
            (base + destination * shape.pageBytes).copyMemory(
                from: base + source * shape.pageBytes, byteCount: shape.pageBytes)
        }
    }
}
