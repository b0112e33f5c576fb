/// Where tensors live and operations run.
public enum Device: Sendable, Hashable {
    case cpu
    case cuda(Int)
}

/// Memory of a backend. The host must not touch it but through the backend that made it.
public final class DeviceBuffer: @unchecked Sendable {
    // Unchecked: an address and a length that never change. Who writes what when is the caller's order of operations.
    public let device: Device
    public let byteCount: Int
    /// The device's address; the host's own when `device` is `.cpu`.
    public let address: UnsafeMutableRawPointer
    private let release: @Sendable (UnsafeMutableRawPointer) -> Void

    public init(
        device: Device, address: UnsafeMutableRawPointer, byteCount: Int,
        release: @escaping @Sendable (UnsafeMutableRawPointer) -> Void
    ) {
        (self.device, self.address, self.byteCount, self.release) = (device, address, byteCount, release)
    }

    deinit { release(address) }
}

/// A view of f32 rows in a backend's memory: row `t` begins `offset + t * stride` floats into `buffer`.
///
/// Activations are always f32; a view on some of the columns (such as the keys in the output of a fused QKV product) is
/// the same buffer with another offset.
public struct Rows: Sendable {
    public var buffer: DeviceBuffer
    public var offset: Int
    public var stride: Int

    public init(_ buffer: DeviceBuffer, offset: Int = 0, stride: Int) {
        (self.buffer, self.offset, self.stride) = (buffer, offset, stride)
    }

    /// The view that starts `count` columns further right.
    public func columns(from count: Int) -> Rows { Rows(buffer, offset: offset + count, stride: stride) }

    /// The view that starts `count` rows further down.
    public func rows(from count: Int) -> Rows { Rows(buffer, offset: offset + count * stride, stride: stride) }
}

/// One matrix of a model file: `rows` outputs × `columns` inputs, row-major as the file has it.
public struct WeightSource {
    public var dtype: DType
    public var rows: Int
    public var columns: Int
    public var bytes: UnsafeRawBufferPointer

    public init(dtype: DType, rows: Int, columns: Int, bytes: UnsafeRawBufferPointer) {
        (self.dtype, self.rows, self.columns, self.bytes) = (dtype, rows, columns, bytes)
    }
}

/// A weight matrix in the layout of its backend's kernels: one matrix of the file, or several below each other that are
/// multiplied in one pass (Q, K and V; gate and up). The parts may differ in dtype, not in columns.
///
/// It is a copy: once made, the file's mapped pages may be given back (`madvise(DONTNEED)`).
open class WeightMatrix: @unchecked Sendable {
    // Unchecked: immutable after init, in subclasses too.
    public let rows: Int
    public let columns: Int
    /// The dtype of each part in order.
    public let dtypes: [DType]
    /// The memory it takes in the backend.
    public let byteCount: Int

    public init(rows: Int, columns: Int, dtypes: [DType], byteCount: Int) {
        (self.rows, self.columns, self.dtypes, self.byteCount) = (rows, columns, dtypes, byteCount)
    }
}

/// How rotary embedding pairs the elements of a head.
public enum RopeStyle: Sendable, Hashable {
    /// Neighbours: (0, 1), (2, 3)… — Llama and Mistral as GGUF files store them.
    case interleaved
    /// Halves: (0, n/2), (1, n/2 + 1)… — NeoX, Qwen, and Llama as Hugging Face checkpoints store it.
    case halves
}

public enum Activation: Sendable, Hashable {
    case silu
    case geluTanh
    case geluErf
    case relu
}

/// The number format of cached keys and values.
public enum KVType: Sendable, Hashable {
    case f32
    case f16
    /// int8 with one f32 scale per (position, head).
    case q8
}

/// The shape of a paged cache of keys and values. A page holds `pageSize` positions of one sequence, for one layer.
public struct KVShape: Sendable, Hashable {
    public var layers: Int
    public var heads: Int
    public var headSize: Int
    public var pageSize: Int
    public var pages: Int
    public var type: KVType

    public init(layers: Int, heads: Int, headSize: Int, pageSize: Int, pages: Int, type: KVType) {
        (self.layers, self.heads, self.headSize) = (layers, heads, headSize)
        (self.pageSize, self.pages, self.type) = (pageSize, pages, type)
    }

    /// Bytes of one position's key (or value) of one head.
    public var headBytes: Int {
        switch type {
        case .f32: headSize * 4
        case .f16: headSize * 2
        case .q8: headSize + 4
        }
    }

    /// Bytes of keys and values of one page in one layer: (K then V, heads, pageSize, headBytes), rounded up to 64.
    public var pageBytes: Int { (2 * heads * pageSize * headBytes + 63) / 64 * 64 }

    /// Bytes of the whole cache: (layers, pages, pageBytes).
    public var byteCount: Int { layers * pages * pageBytes }
}

/// A paged cache of keys and values. Memory that was never written takes no room on a CPU.
public struct KVCache: Sendable {
    public let shape: KVShape
    public let buffer: DeviceBuffer

    public init(shape: KVShape, buffer: DeviceBuffer) { (self.shape, self.buffer) = (shape, buffer) }
}

/// One sequence's share of a step: `queryCount` consecutive rows of the activations, the last positions of the sequence.
public struct SequenceSpan: Sendable, Hashable {
    /// The first row of its queries in the step's activations.
    public var queryStart: Int32
    public var queryCount: Int32
    /// Positions in the cache after this step's were stored: query i attends to `length - queryCount + i + 1` of them.
    public var length: Int32
    /// Where its pages begin in `StepLayout.blockTable`: position p is in page `blockTable[tableStart + p / pageSize]`.
    public var tableStart: Int32

    public init(queryStart: Int, queryCount: Int, length: Int, tableStart: Int) {
        self.queryStart = Int32(queryStart)
        self.queryCount = Int32(queryCount)
        self.length = Int32(length)
        self.tableStart = Int32(tableStart)
    }
}

/// What one forward step works on; filled by the scheduler, the same for all layers. Reuse one object: its arrays keep
/// their capacity, so that a step allocates nothing.
public final class StepLayout {
    public var sequences: [SequenceSpan] = []
    public var blockTable: [Int32] = []
    /// (tokens): the position of each row, for rotary embedding.
    public var positions: [Int32] = []
    /// (tokens): where each row's key and value go: page * pageSize + position % pageSize.
    public var slots: [Int32] = []

    public init() {}

    public var tokens: Int { positions.count }

    public func removeAll() {
        sequences.removeAll(keepingCapacity: true)
        blockTable.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        slots.removeAll(keepingCapacity: true)
    }
}

/// The fused operations that models are made of, over buffers that the backend owns.
///
/// Shapes: T tokens (rows). Operations run in the order of the calls; `synchronize` waits for them. Calls with wrong
/// shapes are a programmer's mistake and stop the process; contents never do. All results are independent of the number
/// of threads, and each row's result is independent of the other rows in the call, bit for bit.
public protocol Backend: AnyObject, Sendable {
    var device: Device { get }

    // Memory
    /// Zeroed memory, aligned to 64 bytes.
    func makeBuffer(byteCount: Int) throws -> DeviceBuffer
    func upload(_ bytes: UnsafeRawBufferPointer, to buffer: DeviceBuffer, at byteOffset: Int)
    func download(_ buffer: DeviceBuffer, at byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer)
    /// Calls `body` with `count` floats at the host: the buffer itself where the host can see it, else a copy.
    func withHostRow<R>(_ rows: Rows, row: Int, count: Int, _ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows
        -> R
    func synchronize()

    // Weights
    /// One matrix from `parts` below each other. Throws when bytes and shape disagree, when a type is not a weight's, or
    /// when columns are no multiple of the type's block.
    func makeWeights(_ parts: [WeightSource]) throws -> WeightMatrix
    /// A vector (norm weights, biases) of any dtype as f32.
    func makeVector(dtype: DType, count: Int, bytes: UnsafeRawBufferPointer) throws -> Rows
    /// out (T, columns) = the rows `tokens` of `weights`, dequantized.
    func embed(_ weights: WeightMatrix, tokens: [Int32], out: Rows)

    // Products
    /// out (T, weights.rows) = x (T, weights.columns) · weightsᵀ [+ bias (rows)] [+ out].
    func matmul(_ weights: WeightMatrix, _ x: Rows, out: Rows, tokens: Int, bias: Rows?, accumulate: Bool)

    // Rows
    /// out = x / sqrt(mean(x²) + eps) * weight, for `groups` consecutive vectors of `size` in each of T rows (1, or the
    /// heads of Qwen3's query norm). `out` may be `x`.
    func rmsNorm(_ x: Rows, weight: Rows, eps: Float, size: Int, groups: Int, out: Rows, tokens: Int)
    /// out = (x - mean) / sqrt(variance + eps) * weight + bias. `out` may be `x`.
    func layerNorm(_ x: Rows, weight: Rows, bias: Rows?, eps: Float, size: Int, out: Rows, tokens: Int)
    /// out (T, size) = act(x (T, 2·size)[:, 0..<size]) * x[:, size...]: SwiGLU and its like on a fused gate and up product.
    /// `out` may be `x`.
    func gated(_ activation: Activation, _ x: Rows, size: Int, out: Rows, tokens: Int)
    /// x (T, size) = act(x).
    func activate(_ activation: Activation, _ x: Rows, size: Int, tokens: Int)
    /// x (T, size) += y (T, size) * scale.
    func add(_ y: Rows, to x: Rows, scale: Float, size: Int, tokens: Int)
    /// out row i (size) = x row `indices[i]`.
    func gather(_ x: Rows, indices: [Int32], size: Int, out: Rows)
    /// x (T, size) = softmax(x) along each row.
    func softmax(_ x: Rows, size: Int, tokens: Int)
    /// The index of each row's greatest element (the first of equals; NaN is never greatest), one per token.
    func argmax(_ x: Rows, size: Int, tokens: Int, into result: inout [Int32])

    // Attention
    func makeKVCache(_ shape: KVShape) throws -> KVCache
    /// angles (T, 2·pairs): cosines, then sines of `position * frequencies[i]`, each times `magnitude`. Once per step.
    func ropeAngles(frequencies: [Float], positions: [Int32], magnitude: Float, out: Rows)
    /// Rotates the first 2·pairs elements of each of `heads` consecutive vectors of `headSize` in T rows, in place.
    func rope(_ x: Rows, heads: Int, headSize: Int, pairs: Int, style: RopeStyle, angles: Rows, tokens: Int)
    /// Stores keys and values (T, heads · headSize) of one layer at `step.slots`.
    func storeKV(_ keys: Rows, _ values: Rows, cache: KVCache, layer: Int, step: StepLayout)
    /// out (T, heads · headSize) = softmax(q·kᵀ * scale) · v over each sequence's cached positions, with
    /// `heads / cache.heads` query heads per key head. `causal` as `SequenceSpan` says, else every query sees
    /// all positions; `window` (0: none) limits each query to its last `window` positions, itself included.
    func attention(
        _ q: Rows, heads: Int, cache: KVCache, layer: Int, step: StepLayout, scale: Float, causal: Bool, window: Int,
        out: Rows)
    /// Copies a page in all layers: for a shared prefix that ends within a page.
    func copyPage(from source: Int, to destination: Int, cache: KVCache)
}

extension Backend {
    public func matmul(_ weights: WeightMatrix, _ x: Rows, out: Rows, tokens: Int) {
        matmul(weights, x, out: out, tokens: tokens, bias: nil, accumulate: false)
    }

    /// Zeroed rows of `columns` floats without gaps.
    public func makeRows(_ count: Int, columns: Int) throws -> Rows {
        Rows(try makeBuffer(byteCount: count * columns * 4), stride: columns)
    }
}
