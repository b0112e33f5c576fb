import CKernels
import Core

/// Stored elements to floats and back, for every type of floats and of quantized blocks. One thread, one call per row or
/// per many rows; see `blocks.h` in CKernels for how exact each type is.
public enum BlockCodec {
    /// Whether elements of this type can become floats; and floats elements of this type, but for `f64`.
    public static func supports(_ type: DType) -> Bool {
        switch type {
        case .i8, .i16, .i32, .i64: false
        default: true
        }
    }

    /// Writes the elements in `source` to `destination`, which must have room for exactly as many.
    public static func dequantize(
        _ type: DType, _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableBufferPointer<Float>
    ) throws {
        guard type.rowBytes(destination.count) == source.count else {
            throw NestboxError.invalid(
                "\(source.count) bytes of \(type.name) are not \(destination.count) elements",
                hint: "\(type.blockElements) elements take \(type.blockBytes) bytes")
        }
        guard let from = source.baseAddress, let to = destination.baseAddress else { return }
        guard nb_dequantize_row(type.rawValue, from, to, destination.count) == 1 else { throw unsupported(type) }
    }

    public static func dequantize(_ type: DType, _ source: UnsafeRawBufferPointer) throws -> [Float] {
        guard source.count % type.blockBytes == 0 else {
            throw NestboxError.invalid(
                "\(source.count) bytes of \(type.name) end inside a block of \(type.blockBytes) bytes")
        }
        let (count, overflow) = (source.count / type.blockBytes).multipliedReportingOverflow(by: type.blockElements)
        guard !overflow else {
            throw NestboxError.invalid("\(source.count) bytes of \(type.name) are too many elements")
        }
        return try [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            try dequantize(type, source, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            filled = count
        }
    }

    /// Writes `source` as elements of `type` to `destination`, which must have room for exactly as many. Throws for a value
    /// that is not finite: no block can hold it beside others.
    public static func quantize(
        _ type: DType, _ source: UnsafeBufferPointer<Float>, into destination: UnsafeMutableRawBufferPointer
    ) throws {
        guard type.rowBytes(source.count) == destination.count else {
            throw NestboxError.invalid(
                "\(source.count) elements do not fill \(destination.count) bytes of \(type.name)",
                hint: "\(type.blockElements) elements take \(type.blockBytes) bytes")
        }
        guard let from = source.baseAddress, let to = destination.baseAddress else { return }
        if type.isQuantized, nb_all_finite(from, source.count) == 0 {
            let at = source.firstIndex { !$0.isFinite } ?? 0
            throw NestboxError.invalid("element \(at) is \(source[at]), which \(type.name) cannot hold")
        }
        guard nb_quantize_row(type.rawValue, from, to, source.count) == 1 else { throw unsupported(type) }
    }

    public static func quantize(_ type: DType, _ source: [Float]) throws -> [UInt8] {
        guard let count = type.rowBytes(source.count) else {
            throw NestboxError.invalid(
                "\(source.count) elements end inside a block of \(type.name), which holds \(type.blockElements)")
        }
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let room = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            try source.withUnsafeBufferPointer { try quantize(type, $0, into: room) }
            filled = count
        }
    }

    private static func unsupported(_ type: DType) -> NestboxError {
        .invalid("elements of type \(type.name) are not weights", hint: "use a type of floats or of quantized blocks")
    }
}
