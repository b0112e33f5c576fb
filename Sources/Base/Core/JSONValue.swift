import Foundation

/// Any JSON value. Whole numbers that fit keep their exactness as `int`.
public enum JSONValue: Sendable, Hashable, Codable {
    case null
    case bool(Bool)
    case int(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public init(from decoder: any Decoder) throws {
        // `JSON.decode` has parsed the value already; only another decoder must be asked type by type.
        if let decoder = decoder as? JSONValueDecoder {
            self = decoder.value
            return
        }
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .int(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    public subscript(key: String) -> JSONValue? {
        if case .object(let object) = self { object[key] } else { nil }
    }

    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var objectValue: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

    public var doubleValue: Double? {
        switch self {
        case .int(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    public var intValue: Int64? {
        switch self {
        case .int(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }

    /// What kind of value this is, for sentences: "a string", "an object".
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .int, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The value as JSON for sentences, cut after `most` characters. Costs no more for a value of megabytes.
    public func excerpt(_ most: Int = 60) -> String {
        var text = ""
        write(into: &text, most)
        return text.count > most ? text.prefix(most) + "…" : text
    }

    private func write(into text: inout String, _ most: Int) {
        // Each level has written its bracket, so that this ends the descent too.
        guard text.utf8.count <= most else { return }
        switch self {
        case .array(let items):
            text += "["
            for (index, item) in items.prefix(most).enumerated() {
                if index > 0 { text += "," }
                item.write(into: &text, most)
            }
            text += "]"
        case .object(let members):
            let keys = members.count > most ? Array(members.keys.prefix(most)) : members.keys.sorted()
            text += "{"
            for (index, key) in keys.enumerated() {
                if index > 0 { text += "," }
                JSONValue.string(key).write(into: &text, most)
                text += ":"
                members[key]?.write(into: &text, most)
            }
            text += "}"
        case .string(let string):
            var bytes: [UInt8] = []
            JSON.append(String(string.prefix(most + 1)), to: &bytes)
            text += String(decoding: bytes, as: UTF8.self)
        case .null, .bool, .int, .number: text += (try? JSON.string(self)) ?? kind
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
    }
}
