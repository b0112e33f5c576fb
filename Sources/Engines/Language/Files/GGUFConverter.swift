import Core
import Foundation
import Synchronization
import Tensors

/// Writes a model as GGUF with its weights in another type: from GGUF, or from a Hugging Face checkpoint.
///
/// Every matrix takes the asked type, the embedding and the output layer too (llama.cpp's `--pure`). Vectors, norms, and
/// the embeddings of positions and segments are F32, as llama.cpp's converter writes them. Where rows do not end with a
/// block of 256, the type with blocks of 32 takes its place that llama.cpp takes, and F16 where not even those fit; the
/// report says which. From a type that is quantized already, its errors stay.
public struct GGUFConverter: Sendable {
    public let type: DType
    /// Runs on these threads.
    private let pool: ComputePool

    public struct Progress: Sendable {
        public var tensor: String
        /// Tensors and bytes of the source that are done.
        public var tensors: Int
        public var tensorCount: Int
        public var bytes: Int
        public var byteCount: Int
    }

    public struct Report: Sendable, Equatable {
        public var tensorCount = 0
        public var sourceBytes = 0
        public var bytes = 0
        /// Matrices whose rows the type cannot hold, with the type that they have instead.
        public var fallbacks: [String: DType] = [:]
    }

    /// Throws `invalid_argument` for a type that is none of floats or blocks.
    public init(to type: DType, pool: ComputePool = .shared) throws {
        guard BlockCodec.supports(type), type != .f64 else {
            throw NestboxError.invalid(
                "weights cannot be stored as \(type.name)",
                hint: "use F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K or IQ4_NL")
        }
        self.type = type
        self.pool = pool
    }

    /// Writes `path` whole or not at all. `progress` is called before each tensor; what it throws ends the work.
    @discardableResult
    public func convert(
        _ model: PretrainedModel, to path: String, progress: (Progress) throws -> Void = { _ in }
    ) throws -> Report {
        let sources = try Self.sources(model)
        let metadata = try metadata(model)
        var report = Report(tensorCount: sources.count)
        var outlines: [TensorOutline] = []
        for source in sources {
            let type = storedType(source.outline)
            if isConverted(source.outline), type != self.type { report.fallbacks[source.outline.name] = type }
            outlines.append(TensorOutline(source.outline.name, type, source.outline.shape))
            report.sourceBytes += source.byteCount
        }
        var done = 0
        try GGUFFile.write(path, metadata: metadata, tensors: outlines) { index, sink in
            let source = sources[index]
            try progress(
                Progress(
                    tensor: source.outline.name, tensors: index, tensorCount: sources.count, bytes: done,
                    byteCount: report.sourceBytes))
            let tensor = try source.load()
            try write(tensor, as: outlines[index].dtype, counting: &report.bytes, sink)
            tensor.release()
            done += source.byteCount
        }
        return report
    }

    // MARK: - Which type

    /// Whether a tensor takes the asked type at all.
    private func isConverted(_ tensor: TensorOutline) -> Bool {
        tensor.shape.count >= 2 && tensor.name.hasSuffix("weight") && !tensor.name.contains("_norm.weight")
            && tensor.name != "position_embd.weight" && tensor.name != "token_types.weight"
    }

    private func storedType(_ tensor: TensorOutline) -> DType {
        guard BlockCodec.supports(tensor.dtype) else { return tensor.dtype }
        guard isConverted(tensor) else { return .f32 }
        return Self.type(type, forRowsOf: tensor.shape.last ?? 1)
    }

    /// `type`, or what llama.cpp takes instead of it for rows of this length.
    static func type(_ type: DType, forRowsOf columns: Int) -> DType {
        if columns % type.blockElements == 0 { return type }
        let smaller: DType =
            switch type {
            case .q2_K, .q3_K: .q4_0
            case .q4_K: .q5_0
            case .q5_K: .q5_1
            case .q6_K: .q8_0
            default: .f16
            }
        return columns % smaller.blockElements == 0 ? smaller : .f16
    }

    // MARK: - Tensors

    private struct Source {
        /// Name in GGUF, type in the source, shape in GGUF.
        var outline: TensorOutline
        var byteCount: Int
        var load: () throws -> StoredTensor
    }

    private static func sources(_ model: PretrainedModel) throws -> [Source] {
        if model.file.format == .gguf {
            return model.file.tensors.map { tensor in
                Source(outline: TensorOutline(tensor.name, tensor.dtype, tensor.shape), byteCount: tensor.bytes.count) {
                    tensor
                }
            }
        }
        let configuration = model.configuration
        var sources: [Source] = []
        // What a checkpoint holds beyond these (masks, inverse frequencies, heads of training) no model computes with.
        for expected in configuration.expectedTensors {
            guard let stored = model.stored(expected.name), let name = model.names.gguf(expected.name) else { continue }
            let isReordered = model.names.isReorderedInGGUF(expected.name)
            let outline = TensorOutline(name, stored.dtype, expected.shape)
            sources.append(
                Source(outline: outline, byteCount: stored.bytes.count) {
                    let tensor = try model.tensor(expected.name)
                    guard isReordered else { return tensor }
                    return try tensor.reordered(.interleaved, headSize: configuration.headSize)
                })
        }
        if let rope = configuration.rope, let factors = rope.llama3Factors() {
            let values = factors.map(Float.init)
            let outline = TensorOutline("rope_freqs.weight", .f32, [values.count])
            sources.append(
                Source(outline: outline, byteCount: 4 * values.count) {
                    StoredTensor(outline.name, values, outline.shape)
                })
        }
        return sources
    }

    /// In pieces of some megabytes, each by all threads.
    private func write(
        _ tensor: StoredTensor, as type: DType, counting bytes: inout Int, _ sink: TensorSink
    ) throws {
        guard type != tensor.dtype else {
            bytes += tensor.bytes.count
            return try tensor.withUnsafeBytes(sink)
        }
        guard tensor.elementCount > 0, let rowBytes = type.rowBytes(tensor.columns) else { return }
        let rowsPerPiece = max(1, (1 << 16) / tensor.columns), piecesPerBatch = 4 * pool.width
        let rowsPerBatch = rowsPerPiece * piecesPerBatch
        for first in stride(from: 0, to: tensor.rows, by: rowsPerBatch) {
            let rows = min(rowsPerBatch, tensor.rows - first)
            let batch = OwnedBytes(rows * rowBytes)
            let failure = Mutex<(any Error)?>(nil)
            pool.parallelFor((rows + rowsPerPiece - 1) / rowsPerPiece) { piece in
                let start = piece * rowsPerPiece, end = min(start + rowsPerPiece, rows)
                let target = UnsafeMutableRawBufferPointer(rebasing: batch.bytes[start * rowBytes..<end * rowBytes])
                do {
                    try Self.convert(tensor, rows: first + start..<first + end, as: type, into: target)
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                }
            }
            if let error = failure.withLock({ $0 }) { throw error }
            try withExtendedLifetime(batch) { try sink(UnsafeRawBufferPointer(batch.bytes)) }
            bytes += rows * rowBytes
        }
    }

    private static func convert(
        _ tensor: StoredTensor, rows: Range<Int>, as type: DType, into target: UnsafeMutableRawBufferPointer
    ) throws {
        let stored = tensor.bytes[rows.lowerBound * tensor.rowBytes..<rows.upperBound * tensor.rowBytes]
        do {
            let floats = try BlockCodec.dequantize(tensor.dtype, UnsafeRawBufferPointer(rebasing: stored))
            try floats.withUnsafeBufferPointer { try BlockCodec.quantize(type, $0, into: target) }
        } catch let error as NestboxError {
            throw NestboxError(
                error.code,
                "tensor `\(tensor.name)`, rows \(rows.lowerBound + 1) to \(rows.upperBound): \(error.message)",
                hint: error.hint ?? "the weights are damaged")
        }
    }

    // MARK: - Metadata

    private func metadata(_ model: PretrainedModel) throws -> ModelMetadata {
        var metadata = model.file.format == .gguf ? model.file.metadata : try model.ggufMetadata()
        metadata["general.file_type"] = Self.fileTypes[type].map { .uint32($0) }
        metadata["general.quantization_version"] = .uint32(2)
        return metadata
    }

    /// `llama_ftype` of llama.cpp: what most of the tensors are.
    private static let fileTypes: [DType: UInt32] = [
        .f32: 0, .f16: 1, .q4_0: 2, .q4_1: 3, .q8_0: 7, .q5_0: 8, .q5_1: 9, .q2_K: 10, .q3_K: 11, .q4_K: 14, .q5_K: 16,
        .q6_K: 18, .iq4_nl: 25, .bf16: 32,
    ]
}
