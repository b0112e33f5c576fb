import Core

/// The encoding of metadata in GGUF, little-endian
/// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
enum GGUFEncoding {
    static let magic: [UInt8] = Array("GGUF".utf8)
    /// How deep arrays may lie in arrays. Files in use have one level.
    static let deepest = 8
    /// Tensors' data and its parts begin at multiples of this unless `general.alignment` says otherwise.
    static let defaultAlignment = 32

    static func value(
        _ kind: MetadataValue.Kind, from reader: inout ByteReader, depth: Int, owner: AnyObject
    ) throws -> MetadataValue {
        switch kind {
        case .uint8: return .uint8(try reader.number(UInt8.self, "a value"))
        case .int8: return .int8(try reader.number(Int8.self, "a value"))
        case .uint16: return .uint16(try reader.number(UInt16.self, "a value"))
        case .int16: return .int16(try reader.number(Int16.self, "a value"))
        case .uint32: return .uint32(try reader.number(UInt32.self, "a value"))
        case .int32: return .int32(try reader.number(Int32.self, "a value"))
        case .uint64: return .uint64(try reader.number(UInt64.self, "a value"))
        case .int64: return .int64(try reader.number(Int64.self, "a value"))
        case .float32: return .float32(Float(bitPattern: try reader.number(UInt32.self, "a value")))
        case .float64: return .float64(Double(bitPattern: try reader.number(UInt64.self, "a value")))
        case .bool:
            let start = reader.position
            let byte = try reader.number(UInt8.self, "a value")
            guard byte <= 1 else {
                throw NestboxError.invalid("\(reader.file): a boolean at byte \(start) is \(byte), not 0 or 1")
            }
            return .bool(byte == 1)
        case .string: return .string(try reader.string("a text"))
        case .array: return .array(try array(from: &reader, depth: depth, owner: owner))
        }
    }

    /// Walks over the elements, so that whoever decodes them later need not check.
    private static func array(from reader: inout ByteReader, depth: Int, owner: AnyObject) throws -> MetadataArray {
        guard depth < deepest else {
            throw NestboxError.invalid(
                "\(reader.file): arrays nested more than \(deepest) deep at byte \(reader.position)")
        }
        let kind = try kind(from: &reader)
        let count = try reader.count(bytesEach: kind.size ?? (kind == .string ? 8 : 12), "the length of an array")
        let start = reader.position
        if let size = kind.size {
            // `count` of them fit into the file, so this cannot overflow.
            let elements = try reader.take(count * size, "an array")
            if kind == .bool, let at = elements.firstIndex(where: { $0 > 1 }) {
                throw NestboxError.invalid(
                    "\(reader.file): a boolean at byte \(start + at) is \(elements[at]), not 0 or 1")
            }
        } else {
            for _ in 0..<count {
                if kind == .string {
                    let length = try reader.count(bytesEach: 1, "the length of a text")
                    _ = try reader.take(length, "a text")
                } else {
                    _ = try array(from: &reader, depth: depth + 1, owner: owner)
                }
            }
        }
        let encoded = UnsafeRawBufferPointer(rebasing: reader.bytes[start..<reader.position])
        return MetadataArray(kind, count: count, encoded: encoded, owner: owner)
    }

    static func kind(from reader: inout ByteReader) throws -> MetadataValue.Kind {
        let start = reader.position
        let raw = try reader.number(UInt32.self, "the type of a value")
        guard let kind = MetadataValue.Kind(rawValue: raw) else {
            throw NestboxError.invalid(
                "\(reader.file): \(raw) at byte \(start) is no type of metadata; 0 to 12 are",
                hint: "the file is damaged, or newer than GGUF version 3")
        }
        return kind
    }

    static func append(_ value: some FixedWidthInteger & BitwiseCopyable, to out: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { out += $0 }
    }

    static func append(_ text: String, to out: inout [UInt8]) {
        append(UInt64(text.utf8.count), to: &out)
        out += text.utf8
    }

    /// The value without its type.
    static func append(_ value: MetadataValue, to out: inout [UInt8]) {
        switch value {
        case .uint8(let value): append(value, to: &out)
        case .int8(let value): append(value, to: &out)
        case .uint16(let value): append(value, to: &out)
        case .int16(let value): append(value, to: &out)
        case .uint32(let value): append(value, to: &out)
        case .int32(let value): append(value, to: &out)
        case .uint64(let value): append(value, to: &out)
        case .int64(let value): append(value, to: &out)
        case .float32(let value): append(value.bitPattern, to: &out)
        case .float64(let value): append(value.bitPattern, to: &out)
        case .bool(let value): out.append(value ? 1 : 0)
        case .string(let value): append(value, to: &out)
        case .array(let array):
            append(array.elementKind.rawValue, to: &out)
            append(UInt64(array.count), to: &out)
            out += array.encoded
        }
    }
}
