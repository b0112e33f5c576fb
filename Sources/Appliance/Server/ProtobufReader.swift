import Core

/// Reads protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/): a message is a list of
/// numbered fields, and what is not known is skipped.
///
/// By hand instead of generated code: OTLP's traces are ten small messages that are read and never written, which takes
/// half as many lines as the manifest, plugin and three thousand generated ones, and OTLP's JSON form needs a reader of
/// its own anyway because its identifiers are hexadecimal where protocol buffers say base64.
package struct ProtobufReader {
    package enum Wire: Int { case varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 }

    private let bytes: [UInt8]
    private var at: Int
    private let end: Int

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        at = 0
        end = bytes.count
    }

    private init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        at = range.lowerBound
        end = range.upperBound
    }

    /// The next field; nil at the end. Its value must be read, or skipped, before the next call.
    package mutating func next() throws -> (field: Int, wire: Wire)? {
        guard at < end else { return nil }
        let key = try varint()
        guard key >> 3 > 0, key >> 3 < 1 << 29, let wire = Wire(rawValue: Int(key & 7)) else {
            throw fault("a field's key")
        }
        return (Int(key >> 3), wire)
    }

    package mutating func skip(_ wire: Wire) throws {
        switch wire {
        case .varint: _ = try varint()
        case .fixed64: _ = try fixed64()
        case .fixed32: _ = try take(4)
        case .bytes: _ = try slice()
        }
    }

    package mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard at < end else { throw fault("a number") }
            let byte = bytes[at]
            at += 1
            // The tenth byte holds the one bit that is left.
            guard shift < 63 || byte < 2 else { throw fault("a number of at most 64 bits") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw fault("a number of at most ten bytes")
    }

    package mutating func fixed64() throws -> UInt64 {
        try take(8).reversed().reduce(0) { $0 << 8 | UInt64(bytes[$1]) }
    }

    package mutating func message() throws -> ProtobufReader { ProtobufReader(bytes, try slice()) }

    package mutating func data() throws -> [UInt8] { Array(bytes[try slice()]) }

    package mutating func string() throws -> String {
        let range = try slice()
        guard let text = String(validating: bytes[range], as: UTF8.self) else { throw fault("text in UTF-8") }
        return text
    }

    private mutating func slice() throws -> Range<Int> {
        let length = try varint()
        guard length <= UInt64(end - at) else { throw fault("\(length) more bytes") }
        return try take(Int(length))
    }

    private mutating func take(_ count: Int) throws -> Range<Int> {
        guard count <= end - at else { throw fault("\(count) more bytes") }
        defer { at += count }
        return at..<at + count
    }

    private func fault(_ expected: String) -> NestboxError {
        .invalid("the protocol buffer message is not well-formed: expected \(expected) at byte \(at)")
    }
}
