import CKernels
import Core
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The backend whose memory is the host's and whose kernels are `CKernels`'.
///
/// Weights are repacked when they are made (`packed.c`), products round activations to int8 per 32 columns for quantized
/// weights and keep f32 for plain ones (`products.c`). Calls may come from several threads; they take turns.
public final class CPUBackend: Backend {
    public let device = Device.cpu
    public let team: ThreadTeam
    /// Where a product keeps its rounded activations. Addresses only: the pages that no product reached take no memory, and none has
    /// to be found in the middle of a step.
    private let scratch: Mutex<DeviceBuffer>
    private static let scratchBytes = 512 << 20

    /// Where the next weights go: large regions on huge pages read an eighth faster than many small mappings. A region is
    /// given back when the last matrix in it is gone.
    private let region = Mutex(Region())

    public init(threads: Int) throws {
        team = try ThreadTeam(width: threads)
        scratch = Mutex(try Self.map(Self.scratchBytes))
    }

    /// What the kernels run on, such as `avx2`: for logs and benchmarks.
    public static var kernels: String { String(cString: nb_products_kind()) }

    // Memory

    public func makeBuffer(byteCount: Int) throws -> DeviceBuffer {
        guard byteCount >= 0, byteCount <= Int.max / 2 else {
            throw NestboxError.invalid("a buffer of \(byteCount) bytes is beyond any memory")
        }
        return try Self.map(byteCount)
    }

    /// Zeroed pages of their own that take memory once they are touched.
    private static func map(_ byteCount: Int) throws -> DeviceBuffer {
        let size = max(byteCount, 1)
        let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let address, address != MAP_FAILED else {
            throw NestboxError(
                .unavailable, "there is no memory for a buffer of \(byteCount) bytes",
                hint: "use a smaller model, a stronger quantization, or a smaller cache")
        }
        return DeviceBuffer(device: .cpu, address: address, byteCount: byteCount) { munmap($0, size) }
    }

    public func upload(_ bytes: UnsafeRawBufferPointer, to buffer: DeviceBuffer, at byteOffset: Int) {
        precondition(byteOffset >= 0 && byteOffset + bytes.count <= buffer.byteCount, "upload past the end of a buffer")
        guard let base = bytes.baseAddress else { return }
        (buffer.address + byteOffset).copyMemory(from: base, byteCount: bytes.count)
    }

    public func download(_ buffer: DeviceBuffer, at byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) {
        precondition(
            byteOffset >= 0 && byteOffset + bytes.count <= buffer.byteCount, "download past the end of a buffer")
        bytes.baseAddress?.copyMemory(from: buffer.address + byteOffset, byteCount: bytes.count)
    }

    public func withHostRow<R>(
        _ rows: Rows, row: Int, count: Int, _ body: (UnsafeBufferPointer<Float>) throws -> R
    ) rethrows -> R {
        let view = rows.rows(from: row)
        let pointer = floats(view, columns: count, tokens: 1)
        return try body(UnsafeBufferPointer(start: pointer, count: count))
    }

    public func synchronize() {}

    // Weights

    public func makeWeights(_ parts: [WeightSource]) throws -> WeightMatrix {
        guard let first = parts.first, parts.count <= 8 else {
            throw NestboxError.invalid("a weight matrix is made of 1 to 8 parts, not \(parts.count)")
        }
        var total = 0
        let sizes = try parts.map { part in
            guard part.columns == first.columns else {
                throw NestboxError.invalid(
                    "parts of \(first.columns) and \(part.columns) columns cannot be multiplied together")
            }
            let size = try packedSize(part)
            let (sum, overflow) = total.addingReportingOverflow((size + 63) / 64 * 64)
            guard !overflow else { throw NestboxError.invalid("the weights' sizes overflow") }
            total = sum
            return size
        }
        let (buffer, start) = try place(byteCount: total)
        var offset = start
        var matrices: [nb_matrix] = []
        for (part, size) in zip(parts, sizes) {
            let target = (buffer.address + offset).assumingMemoryBound(to: UInt8.self)
            nb_pack(team.handle, part.dtype.rawValue, part.rows, part.columns, part.bytes.baseAddress!, target)
            matrices.append(nb_matrix(dtype: part.dtype.rawValue, rows: part.rows, columns: part.columns, data: target))
            offset += (size + 63) / 64 * 64
        }
        return PackedWeights(parts: parts, matrices: matrices, buffer: buffer, byteCount: total)
    }

    /// Room for weights in the present region, or in a new one.
    private func place(byteCount: Int) throws -> (DeviceBuffer, Int) {
        try region.withLock { region in
            if let buffer = region.buffer, buffer.byteCount - region.used >= byteCount {
                defer { region.used += byteCount }
                return (buffer, region.used)
            }
            let huge = 2 << 20, size = (max(byteCount, 64 << 20) + huge - 1) / huge * huge
            let whole = try Self.map(size + huge)
            let address = UnsafeMutableRawPointer(
                bitPattern: (UInt(bitPattern: whole.address) + UInt(huge) - 1) / UInt(huge) * UInt(huge))!
            #if os(Linux)
            madvise(address, size, MADV_HUGEPAGE)
            #endif
            // Lets go of the whole mapping, which is longer than the part on huge pages.
            let buffer = DeviceBuffer(device: .cpu, address: address, byteCount: size) { _ in
                withExtendedLifetime(whole) {}
            }
            region = Region(buffer: buffer, used: byteCount)
            return (buffer, 0)
        }
    }

    private func packedSize(_ part: WeightSource) throws -> Int {
        guard part.rows > 0, part.columns > 0, let rowBytes = part.dtype.rowBytes(part.columns) else {
            throw NestboxError.invalid(
                "a \(part.dtype.name) matrix of \(part.rows) × \(part.columns) is not to be had",
                hint: "rows must hold whole blocks of \(part.dtype.blockElements) elements")
        }
        let (bytes, overflow) = rowBytes.multipliedReportingOverflow(by: part.rows)
        guard !overflow, bytes == part.bytes.count else {
            throw NestboxError.invalid(
                "a \(part.dtype.name) matrix of \(part.rows) × \(part.columns) was given \(part.bytes.count) bytes")
        }
        let size = nb_packed_bytes(part.dtype.rawValue, part.rows, part.columns)
        guard size > 0 else { throw NestboxError.invalid("\(part.dtype.name) is no type for a weight matrix") }
        return size
    }

    public func makeVector(dtype: DType, count: Int, bytes: UnsafeRawBufferPointer) throws -> Rows {
        let size = try packedSize(WeightSource(dtype: dtype, rows: 1, columns: count, bytes: bytes))
        let packed = try makeBuffer(byteCount: size)
        let vector = try makeRows(1, columns: count)
        let target = packed.address.assumingMemoryBound(to: UInt8.self)
        nb_pack(nil, dtype.rawValue, 1, count, bytes.baseAddress!, target)
        var matrix = nb_matrix(dtype: dtype.rawValue, rows: 1, columns: count, data: target)
        nb_packed_row(&matrix, 0, floats(vector, columns: count, tokens: 1))
        return vector
    }

    public func embed(_ weights: WeightMatrix, tokens: [Int32], out: Rows) {
        let packed = packed(weights)
        precondition(packed.matrices.count == 1, "an embedding is one matrix")
        precondition(tokens.allSatisfy { $0 >= 0 && Int($0) < weights.rows }, "a token is beyond the embedding's rows")
        let target = floats(out, columns: weights.columns, tokens: tokens.count)
        tokens.withUnsafeBufferPointer {
            guard let indices = $0.baseAddress else { return }
            nb_packed_rows(team.handle, packed.matrices.baseAddress!, indices, $0.count, target, out.stride)
        }
    }

    // Products

    public func matmul(_ weights: WeightMatrix, _ x: Rows, out: Rows, tokens: Int, bias: Rows?, accumulate: Bool) {
        guard tokens > 0 else { return }
        let packed = packed(weights)
        let source = floats(x, columns: weights.columns, tokens: tokens)
        let target = floats(out, columns: weights.rows, tokens: tokens)
        let biases = bias.map { floats($0, columns: weights.rows, tokens: 1) }
        let needed = nb_product_scratch_bytes(tokens, weights.columns)
        precondition(
            needed > 0 && needed <= Self.scratchBytes,
            "a product of \(tokens) × \(weights.columns) activations is too large for one step")
        scratch.withLock { scratch in
            nb_matmul(
                team.handle, packed.matrices.baseAddress!, packed.matrices.count, source, x.stride, target, out.stride,
                tokens, biases, accumulate ? 1 : 0, scratch.address)
        }
    }

    private func packed(_ weights: WeightMatrix) -> PackedWeights {
        guard let packed = weights as? PackedWeights else { preconditionFailure("weights of another backend") }
        return packed
    }

    /// The address of a view after a check that `tokens` rows of `columns` lie in its buffer.
    func floats(_ rows: Rows, columns: Int, tokens: Int) -> UnsafeMutablePointer<Float> {
        precondition(rows.buffer.device == .cpu, "a buffer of another device")
        let end = tokens == 0 ? 0 : rows.offset + (tokens - 1) * rows.stride + columns
        precondition(
            rows.offset >= 0 && rows.stride >= 0 && end * 4 <= rows.buffer.byteCount,
            "\(tokens) rows of \(columns) do not fit their buffer")
        return rows.buffer.address.assumingMemoryBound(to: Float.self) + rows.offset
    }
}

/// Held weakly: the matrices in it keep it.
private struct Region {
    weak var buffer: DeviceBuffer?
    var used = 0
}

/// Weights in the layout of `packed.c`.
private final class PackedWeights: WeightMatrix, @unchecked Sendable {
    // Unchecked: as its superclass.
    let matrices: UnsafeMutableBufferPointer<nb_matrix>
    let buffer: DeviceBuffer

    init(parts: [WeightSource], matrices: [nb_matrix], buffer: DeviceBuffer, byteCount: Int) {
        self.matrices = .allocate(capacity: matrices.count)
        _ = self.matrices.initialize(from: matrices)
        self.buffer = buffer
        super.init(
            rows: parts.reduce(0) { $0 + $1.rows }, columns: parts[0].columns, dtypes: parts.map(\.dtype),
            byteCount: byteCount)
    }

    deinit { matrices.deallocate() }
}
