/// Decodes `Decodable` types from a parsed `JSONValue`, each value touched once.
///
/// In JSONDecoder's place because that one finds the type of a `JSONValue` by trying, which nested input makes slow. It
/// reads the same JSON as `JSON.encode` writes: the strings `NaN`, `Infinity` and `-Infinity` where a number is asked for,
/// and no special forms of `Date` and `Data`.
struct JSONValueDecoder: Decoder {
    /// Where a value lies; made only for containers and errors.
    final class Place {
        let parent: Place?
        let key: any CodingKey

        init(_ parent: Place?, _ key: any CodingKey) {
            self.parent = parent
            self.key = key
        }
    }

    /// A position in an array, or `super`.
    enum Key: CodingKey {
        case index(Int)
        case `super`

        init?(intValue: Int) { self = .index(intValue) }
        init?(stringValue: String) { return nil }
        var intValue: Int? { if case .index(let index) = self { index } else { nil } }
        var stringValue: String { if case .index(let index) = self { "Index \(index)" } else { "super" } }
    }

    let value: JSONValue
    private let place: Place?

    init(_ value: JSONValue, at place: Place? = nil) {
        self.value = value
        self.place = place
    }

    var userInfo: [CodingUserInfoKey: Any] { [:] }

    var codingPath: [any CodingKey] {
        var keys: [any CodingKey] = []
        var current = place
        while let place = current {
            keys.append(place.key)
            current = place.parent
        }
        return keys.reversed()
    }

    func container<K: CodingKey>(keyedBy type: K.Type) throws -> KeyedDecodingContainer<K> {
        guard case .object(let object) = value else { throw mismatch([String: JSONValue].self) }
        return KeyedDecodingContainer(Keyed<K>(object: object, place: place))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .array(let array) = value else { throw mismatch([JSONValue].self) }
        return Unkeyed(array: array, place: place)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { self }

    /// The error for a value of another type than `type`.
    private func mismatch(_ type: Any.Type) -> DecodingError {
        let context = DecodingError.Context(codingPath: codingPath, debugDescription: "found \(value.kind)")
        return value == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    private func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
        let found: T? =
            switch value {
            case .int(let value): T(exactly: value)
            case .number(let value): T(exactly: value)
            default: nil
            }
        guard let found else { throw mismatch(type) }
        return found
    }
}

// MARK: - Single values

extension JSONValueDecoder: SingleValueDecodingContainer {
    func decodeNil() -> Bool { value == .null }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard case .bool(let value) = value else { throw mismatch(type) }
        return value
    }

    func decode(_ type: String.Type) throws -> String {
        guard case .string(let value) = value else { throw mismatch(type) }
        return value
    }

    func decode(_ type: Double.Type) throws -> Double {
        switch value {
        case .int(let value): return Double(value)
        case .number(let value): return value
        case .string("NaN"): return .nan
        case .string("Infinity"): return .infinity
        case .string("-Infinity"): return -.infinity
        default: throw mismatch(type)
        }
    }

    func decode(_ type: Float.Type) throws -> Float {
        let double = try decode(Double.self)
        let float = Float(double)
        guard float.isFinite || !double.isFinite else { throw mismatch(type) }
        return float
    }

    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    /// Values and long arrays of numbers come without a container per element.
    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let quick: Any? =
            if T.self == JSONValue.self {
                value
            } else if T.self == [Double].self {
                try elements { try $0.decode(Double.self) }
            } else if T.self == [Int].self {
                try elements { try $0.decode(Int.self) }
            } else {
                nil
            }
        if let quick, let result = quick as? T { return result }
        return try T(from: self)
    }

    private func elements<T>(_ read: (JSONValueDecoder) throws -> T) throws -> [T] {
        guard case .array(let array) = value else { throw mismatch([T].self) }
        var result: [T] = []
        result.reserveCapacity(array.count)
        for item in array {
            do {
                result.append(try read(JSONValueDecoder(item)))
            } catch is DecodingError {
                // Once more, with the place in the error.
                result.append(try read(JSONValueDecoder(item, at: Place(place, Key.index(result.count)))))
            }
        }
        return result
    }
}

// MARK: - Objects

private struct Keyed<K: CodingKey>: KeyedDecodingContainerProtocol {
    let object: [String: JSONValue]
    let place: JSONValueDecoder.Place?

    var codingPath: [any CodingKey] { JSONValueDecoder(.null, at: place).codingPath }
    var allKeys: [K] { object.keys.compactMap { K(stringValue: $0) } }

    func contains(_ key: K) -> Bool { object[key.stringValue] != nil }

    private func decoder(_ key: K) throws -> JSONValueDecoder {
        guard let value = object[key.stringValue] else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "the key is missing"))
        }
        return JSONValueDecoder(value, at: JSONValueDecoder.Place(place, key))
    }

    func decodeNil(forKey key: K) throws -> Bool { try decoder(key).decodeNil() }
    func decode(_ type: Bool.Type, forKey key: K) throws -> Bool { try decoder(key).decode(type) }
    func decode(_ type: String.Type, forKey key: K) throws -> String { try decoder(key).decode(type) }
    func decode(_ type: Double.Type, forKey key: K) throws -> Double { try decoder(key).decode(type) }
    func decode(_ type: Float.Type, forKey key: K) throws -> Float { try decoder(key).decode(type) }
    func decode(_ type: Int.Type, forKey key: K) throws -> Int { try decoder(key).decode(type) }
    func decode(_ type: Int8.Type, forKey key: K) throws -> Int8 { try decoder(key).decode(type) }
    func decode(_ type: Int16.Type, forKey key: K) throws -> Int16 { try decoder(key).decode(type) }
    func decode(_ type: Int32.Type, forKey key: K) throws -> Int32 { try decoder(key).decode(type) }
    func decode(_ type: Int64.Type, forKey key: K) throws -> Int64 { try decoder(key).decode(type) }
    func decode(_ type: UInt.Type, forKey key: K) throws -> UInt { try decoder(key).decode(type) }
    func decode(_ type: UInt8.Type, forKey key: K) throws -> UInt8 { try decoder(key).decode(type) }
    func decode(_ type: UInt16.Type, forKey key: K) throws -> UInt16 { try decoder(key).decode(type) }
    func decode(_ type: UInt32.Type, forKey key: K) throws -> UInt32 { try decoder(key).decode(type) }
    func decode(_ type: UInt64.Type, forKey key: K) throws -> UInt64 { try decoder(key).decode(type) }
    func decode<T: Decodable>(_ type: T.Type, forKey key: K) throws -> T { try decoder(key).decode(type) }

    func nestedContainer<N: CodingKey>(keyedBy type: N.Type, forKey key: K) throws -> KeyedDecodingContainer<N> {
        try decoder(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: K) throws -> any UnkeyedDecodingContainer {
        try decoder(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        JSONValueDecoder(object["super"] ?? .null, at: JSONValueDecoder.Place(place, JSONValueDecoder.Key.super))
    }

    func superDecoder(forKey key: K) throws -> any Decoder {
        JSONValueDecoder(object[key.stringValue] ?? .null, at: JSONValueDecoder.Place(place, key))
    }
}

// MARK: - Arrays

private struct Unkeyed: UnkeyedDecodingContainer {
    let array: [JSONValue]
    let place: JSONValueDecoder.Place?
    private(set) var currentIndex = 0

    init(array: [JSONValue], place: JSONValueDecoder.Place?) {
        self.array = array
        self.place = place
    }

    var codingPath: [any CodingKey] { JSONValueDecoder(.null, at: place).codingPath }
    var count: Int? { array.count }
    var isAtEnd: Bool { currentIndex == array.count }

    /// Moves on only when the element could be read, as the protocol asks.
    private mutating func next<T>(_ type: Any.Type, _ read: (JSONValueDecoder) throws -> T) throws -> T {
        let place = JSONValueDecoder.Place(place, JSONValueDecoder.Key.index(currentIndex))
        guard currentIndex < array.count else {
            throw DecodingError.valueNotFound(
                type,
                .init(codingPath: JSONValueDecoder(.null, at: place).codingPath, debugDescription: "no more elements"))
        }
        let result = try read(JSONValueDecoder(array[currentIndex], at: place))
        currentIndex += 1
        return result
    }

    mutating func decodeNil() throws -> Bool {
        guard currentIndex < array.count, array[currentIndex] == .null else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: String.Type) throws -> String { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Double.Type) throws -> Double { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Float.Type) throws -> Float { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int.Type) throws -> Int { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next(type) { try $0.decode(type) } }
    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next(type) { try $0.decode(type) } }

    mutating func nestedContainer<N: CodingKey>(keyedBy type: N.Type) throws -> KeyedDecodingContainer<N> {
        try next(type) { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next([JSONValue].self) { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try next(JSONValueDecoder.self) { $0 } }
}
