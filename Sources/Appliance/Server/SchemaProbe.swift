import Core
import Foundation

/// Finds the JSON schema of a `Decodable` type by letting it decode from a source that says yes to everything and writes
/// down what was asked for. So the document follows the types, without annotations to forget.
package enum SchemaProbe {
    package static func schema(of type: any Decodable.Type) -> JSONValue {
        func schema<T: Decodable>(_ type: T.Type) -> JSONValue { container(type, depth: -1).schema }
        return schema(type)
    }

    /// What one decoder was asked for.
    final class Note {
        var properties: [String: JSONValue] = [:]
        var required: [String] = []
        var fixed: JSONValue?

        var schema: JSONValue {
            if let fixed { return fixed }
            var object: [String: JSONValue] = ["type": "object"]
            if !properties.isEmpty { object["properties"] = .object(properties) }
            if !required.isEmpty { object["required"] = .array(required.sorted().map { .string($0) }) }
            return .object(object)
        }
    }

    /// Fills `note` and returns a value of the type when one could be made.
    @discardableResult
    static func probe<T: Decodable>(_ type: T.Type, into note: Note, depth: Int) -> T? {
        if let known = standard(type) {
            note.fixed = known.schema
            return known.value as? T
        }
        // A recursive type would probe for ever.
        guard depth < 8 else {
            note.fixed = [:]
            return nil
        }
        if let cases = (type as? any CaseIterable.Type).map({ Self.cases(of: $0) }), let first = cases.first as? T {
            note.fixed = .object([
                "type": "string", "enum": .array(cases.compactMap(Self.rawString).map { .string($0) }),
            ])
            return first
        }
        return try? T(from: ProbeDecoder(note: note, depth: depth))
    }

    private static func cases<C: CaseIterable>(of type: C.Type) -> [Any] { Array(type.allCases) }

    private static func rawString(_ value: Any) -> String? {
        (value as? any RawRepresentable).map { "\($0.rawValue)" }
    }

    private static func standard(_ type: any Decodable.Type) -> (schema: JSONValue, value: Any)? {
        switch type {
        case is String.Type: (["type": "string"], "1")
        case is Bool.Type: (["type": "boolean"], false)
        case is Double.Type: (["type": "number"], 0.5)
        case is Float.Type: (["type": "number"], Float(0.5))
        case is Int.Type: (["type": "integer"], 1)
        case is Int64.Type: (["type": "integer", "format": "int64"], Int64(1))
        case is Int32.Type: (["type": "integer"], Int32(1))
        case is UInt64.Type: (["type": "integer", "format": "int64"], UInt64(1))
        case is UInt8.Type: (["type": "integer"], UInt8(1))
        case is Timestamp.Type:
            (
                ["type": "integer", "format": "int64", "description": "milliseconds since 1970 UTC"],
                Timestamp(milliseconds: 0)
            )
        case is JSONValue.Type: ([:], JSONValue.null)
        default: nil
        }
    }

    static func container<T: Decodable>(_ type: T.Type, depth: Int) -> (schema: JSONValue, value: T?) {
        if let array = type as? any ProbedArray.Type {
            return (["type": "array", "items": array.elementSchema(depth: depth + 1)], array.empty as? T)
        }
        if let map = type as? any ProbedMap.Type {
            return (["type": "object", "additionalProperties": map.valueSchema(depth: depth + 1)], map.empty as? T)
        }
        let note = Note()
        let value = probe(type, into: note, depth: depth + 1)
        return (note.schema, value)
    }
}

protocol ProbedArray {
    static func elementSchema(depth: Int) -> JSONValue
    static var empty: Any { get }
}

extension Array: ProbedArray where Element: Decodable {
    static func elementSchema(depth: Int) -> JSONValue { SchemaProbe.container(Element.self, depth: depth).schema }
    static var empty: Any { [Element]() }
}

protocol ProbedMap {
    static func valueSchema(depth: Int) -> JSONValue
    static var empty: Any { get }
}

extension Dictionary: ProbedMap where Key: Decodable, Value: Decodable {
    static func valueSchema(depth: Int) -> JSONValue { SchemaProbe.container(Value.self, depth: depth).schema }
    static var empty: Any { [Key: Value]() }
}

private struct ProbeDecoder: Decoder {
    let note: SchemaProbe.Note
    let depth: Int
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(ProbeKeyed<Key>(note: note, depth: depth))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw ProbeEnd() }

    func singleValueContainer() -> any SingleValueDecodingContainer { ProbeSingle(note: note, depth: depth) }
}

/// The probe cannot go on here; what was noted so far stands.
private struct ProbeEnd: Error {}

private struct ProbeKeyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let note: SchemaProbe.Note
    let depth: Int
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { [] }

    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) -> Bool { false }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        note.required.append(key.stringValue)
        guard let value = add(type, key) else { throw ProbeEnd() }
        return value
    }

    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? { add(type, key) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { add(type, key) }
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { add(type, key) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { add(type, key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { add(type, key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { add(type, key) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { add(type, key) }

    private func add<T: Decodable>(_ type: T.Type, _ key: Key) -> T? {
        let (schema, value) = SchemaProbe.container(type, depth: depth)
        note.properties[key.stringValue] = schema
        return value
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type, forKey key: Key) throws
        -> KeyedDecodingContainer<NestedKey>
    {
        KeyedDecodingContainer(ProbeKeyed<NestedKey>(note: SchemaProbe.Note(), depth: depth + 1))
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw ProbeEnd() }
    func superDecoder() throws -> any Decoder { throw ProbeEnd() }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw ProbeEnd() }
}

private struct ProbeSingle: SingleValueDecodingContainer {
    let note: SchemaProbe.Note
    let depth: Int
    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool { false }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let (schema, value) = SchemaProbe.container(type, depth: depth)
        note.fixed = schema
        guard let value else { throw ProbeEnd() }
        return value
    }
}
