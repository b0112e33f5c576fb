import Core
import Tensors

/// A tensor as it lies in a file, and its bytes for as long as this value lives.
public struct StoredTensor: @unchecked Sendable {
    // Unchecked: the bytes are never written to, and `owner` keeps them.
    public let name: String
    public let dtype: DType
    /// Outermost dimension first; elements of the last one lie beside each other.
    public let shape: [Int]
    /// `dtype.rowBytes` of `shape`'s product: checked.
    public let bytes: UnsafeRawBufferPointer
    private let owner: AnyObject

    init(name: String, dtype: DType, shape: [Int], bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.bytes = bytes
        self.owner = owner
    }

    /// A tensor of our own.
    init(_ name: String, _ values: [Float], _ shape: [Int]) {
        let copy = OwnedBytes(4 * values.count)
        values.withUnsafeBytes { copy.bytes.copyMemory(from: $0) }
        self.init(name: name, dtype: .f32, shape: shape, bytes: UnsafeRawBufferPointer(copy.bytes), owner: copy)
    }

    public var elementCount: Int { shape.reduce(1, *) }
    /// The elements of the last dimension.
    public var columns: Int { shape.last ?? 1 }
    public var rows: Int { columns == 0 ? 0 : elementCount / columns }
    public var rowBytes: Int { rows == 0 ? 0 : bytes.count / rows }

    /// Calls `body` with the bytes. The pointer in `bytes` alone does not keep a tensor that no variable holds.
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withExtendedLifetime(owner) { try body(bytes) }
    }

    public func row(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[index * rowBytes..<(index + 1) * rowBytes])
    }

    /// All elements as floats.
    public func floats() throws -> [Float] {
        do {
            return try withUnsafeBytes { try BlockCodec.dequantize(dtype, $0) }
        } catch let error as NestboxError {
            throw NestboxError(error.code, "tensor `\(name)`: \(error.message)", hint: error.hint)
        }
    }

    /// Asks the system to bring the pages soon; tells it that they are no longer needed, after packing them elsewhere.
    public func prefetch() { (owner as? FileMapping)?.prefetch(bytes) }
    public func release() { (owner as? FileMapping)?.release(bytes) }

    /// `576 × 49152 Q4_1`, for sentences.
    public var summary: String { "\(shapeText(shape)) \(dtype.name)" }
}

func shapeText(_ shape: [Int]) -> String {
    shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: " × ")
}

/// Named tensors and metadata of a GGUF file, or of one or several safetensors files. Checked as a whole when opened:
/// every tensor lies within its file and beside the others.
public struct ModelFile: Sendable {
    public enum Format: String, Sendable {
        case gguf = "GGUF"
        case safetensors
    }

    /// The file; for shards, their index.
    public let path: String
    public let format: Format
    /// In the order of the file.
    public let tensors: [StoredTensor]
    public let metadata: ModelMetadata
    private let positions: [String: Int]
    /// Tensors of types that nothing here computes with (booleans, eight-bit floats), by name: left out of `tensors`.
    public let otherTensors: [String: String]

    init(
        path: String, format: Format, tensors: [StoredTensor], metadata: ModelMetadata,
        otherTensors: [String: String] = [:]
    ) {
        self.path = path
        self.format = format
        self.tensors = tensors
        self.metadata = metadata
        self.otherTensors = otherTensors
        positions = Dictionary(tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    public func tensor(named name: String) -> StoredTensor? {
        positions[name].map { tensors[$0] }
    }

    /// The bytes of all tensors.
    public var tensorBytes: Int { tensors.reduce(0) { $0 + $1.bytes.count } }
}

/// The elements of a shape, and the bytes of as many; throws when rows do not end with a block, or on overflow.
func checkedSize(_ shape: [Int], _ dtype: DType, _ subject: @autoclosure () -> String) throws -> Int {
    var elements = 1
    for dimension in shape {
        let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
        guard dimension >= 0, !overflow else {
            throw NestboxError.invalid("\(subject()) has the impossible shape \(shapeText(shape))")
        }
        elements = product
    }
    guard (shape.last ?? 1) % dtype.blockElements == 0 else {
        throw NestboxError.invalid(
            "\(subject()) has the shape \(shapeText(shape)), which \(dtype.name) cannot hold: "
                + "rows must be multiples of \(dtype.blockElements)")
    }
    guard let bytes = dtype.rowBytes(elements) else {
        throw NestboxError.invalid("\(subject()) has the impossible shape \(shapeText(shape))")
    }
    return bytes
}
