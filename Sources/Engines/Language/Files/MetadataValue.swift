import Core

/// A value of a model file's metadata, with the types of GGUF.
public enum MetadataValue: Sendable, Equatable {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case uint64(UInt64)
    case int64(Int64)
    case float32(Float)
    case float64(Double)
    case bool(Bool)
    case string(String)
    case array(MetadataArray)

    /// The numbers of the types in GGUF (`gguf_metadata_value_type`).
    public enum Kind: UInt32, Sendable {
        case uint8 = 0
        case int8 = 1
        case uint16 = 2
        case int16 = 3
        case uint32 = 4
        case int32 = 5
        case float32 = 6
        case bool = 7
        case string = 8
        case array = 9
        case uint64 = 10
        case int64 = 11
        case float64 = 12

        /// The bytes of one value; nil for those that carry their own length.
        var size: Int? {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64: 8
            case .string, .array: nil
            }
        }
    }

    public var kind: Kind {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .uint64: .uint64
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .bool: .bool
        case .string: .string
        case .array: .array
        }
    }

    /// The value of any integer type, when an `Int` holds it.
    public var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(value)
        default: nil
        }
    }

    /// The value of any numeric type.
    public var number: Double? {
        switch self {
        case .float32(let value): Double(value)
        case .float64(let value): value
        default: integer.map(Double.init)
        }
    }

    public var text: String? { if case .string(let value) = self { value } else { nil } }
    public var flag: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var array: MetadataArray? { if case .array(let value) = self { value } else { nil } }

    /// The value for sentences, cut when it is long.
    var excerpt: String {
        switch self {
        case .string(let text): "`\(text.prefix(60))`"
        case .bool(let flag): "\(flag)"
        case .array(let array): "an array of \(array.count)"
        default: number.map { $0 == $0.rounded() && abs($0) < 1e15 ? "\(Int64($0))" : "\($0)" } ?? "a number"
        }
    }
}

/// An array of a model file's metadata. It stays in the file's own encoding until it is asked for: a vocabulary has hundreds
/// of thousands of strings, and listing a file's contents must not make them.
public struct MetadataArray: @unchecked Sendable, Equatable {
    // Unchecked: the bytes are never written to, and `owner` keeps them.
    public let elementKind: MetadataValue.Kind
    public let count: Int
    /// The elements as GGUF encodes them; checked when they were read.
    let encoded: UnsafeRawBufferPointer
    private let owner: AnyObject

    init(_ elementKind: MetadataValue.Kind, count: Int, encoded: UnsafeRawBufferPointer, owner: AnyObject) {
        self.elementKind = elementKind
        self.count = count
        self.encoded = encoded
        self.owner = owner
    }

    /// An array of our own. Every element must be of `elementKind`.
    public init(_ elementKind: MetadataValue.Kind, _ elements: [MetadataValue]) {
        var out: [UInt8] = []
        for element in elements {
            precondition(element.kind == elementKind, "an array of metadata has elements of one type")
            GGUFEncoding.append(element, to: &out)
        }
        self.init(elementKind, count: elements.count, copying: out)
    }

    public init(strings: [String]) {
        var out: [UInt8] = []
        for string in strings { GGUFEncoding.append(string, to: &out) }
        self.init(.string, count: strings.count, copying: out)
    }

    private init(_ elementKind: MetadataValue.Kind, count: Int, copying bytes: [UInt8]) {
        let buffer = OwnedBytes(bytes.count)
        buffer.bytes.copyBytes(from: bytes)
        self.init(elementKind, count: count, encoded: UnsafeRawBufferPointer(buffer.bytes), owner: buffer)
    }

    public static func == (a: MetadataArray, b: MetadataArray) -> Bool {
        a.elementKind == b.elementKind && a.count == b.count && a.encoded.elementsEqual(b.encoded)
    }

    /// Calls `body` with the UTF-8 of each string in turn; nil when the elements are no strings. Nobody has checked that it
    /// is valid UTF-8.
    public func forEachString(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows -> Void? {
        guard elementKind == .string else { return nil }
        var at = 0
        for _ in 0..<count {
            let length = Int(UInt64(littleEndian: encoded.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
            at += 8
            try body(UnsafeRawBufferPointer(rebasing: encoded[at..<at + length]))
            at += length
        }
        return ()
    }

    /// The strings; nil when the elements are none, or when one of them is not valid UTF-8.
    public func strings() -> [String]? {
        var out: [String] = []
        out.reserveCapacity(elementKind == .string ? count : 0)
        var valid = true
        let walked: Void? = forEachString { bytes in
            if let text = String(validating: bytes, as: UTF8.self) { out.append(text) } else { valid = false }
        }
        return walked != nil && valid ? out : nil
    }

    /// The values of any integer type; nil when the elements are none, or when one of them is too large.
    public func integers() -> [Int]? {
        switch elementKind {
        case .uint8: plain(UInt8.self).map(Int.init)
        case .int8: plain(Int8.self).map(Int.init)
        case .uint16: plain(UInt16.self).map(Int.init)
        case .int16: plain(Int16.self).map(Int.init)
        case .uint32: plain(UInt32.self).map(Int.init)
        case .int32: plain(Int32.self).map(Int.init)
        case .int64: plain(Int64.self).map(Int.init)
        case .uint64: plain(UInt64.self).allSatisfy { $0 <= UInt64(Int.max) } ? plain(UInt64.self).map(Int.init) : nil
        case .float32, .float64, .bool, .string, .array: nil
        }
    }

    /// The values of any numeric type as floats.
    public func floats() -> [Float]? {
        switch elementKind {
        case .float32: plain(UInt32.self).map { Float(bitPattern: $0) }
        case .float64: plain(UInt64.self).map { Float(Double(bitPattern: $0)) }
        default: integers()?.map(Float.init)
        }
    }

    /// The elements one by one, whatever their type.
    public func values() throws -> [MetadataValue] {
        var reader = ByteReader(encoded, file: "an array of metadata")
        return try (0..<count).map { _ in try GGUFEncoding.value(elementKind, from: &reader, depth: 1, owner: owner) }
    }

    private func plain<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> [T] {
        (0..<count).map {
            T(littleEndian: encoded.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self))
        }
    }
}

/// Bytes on the heap, for those that keep a pointer.
final class OwnedBytes: @unchecked Sendable {
    // Unchecked: filled by whoever makes it, only read afterwards.
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }
}

/// Named values in the order of the file.
public struct ModelMetadata: Sendable, Equatable {
    public private(set) var keys: [String] = []
    private var values: [String: MetadataValue] = [:]

    public init() {}

    public subscript(key: String) -> MetadataValue? {
        get { values[key] }
        set {
            if let newValue {
                if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
            } else if values.removeValue(forKey: key) != nil {
                keys.removeAll { $0 == key }
            }
        }
    }
}
