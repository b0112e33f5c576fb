import Core

/// What a caller gives to a chat template: JSON whose objects keep the order of their keys, because templates print them.
public indirect enum TemplateValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case list([TemplateValue])
    case dict([Entry])

    public struct Entry: Sendable, Hashable {
        public var key: String
        public var value: TemplateValue

        public init(_ key: String, _ value: TemplateValue) {
            self.key = key
            self.value = value
        }
    }

    /// The value of the first entry named `key`.
    public subscript(key: String) -> TemplateValue? {
        if case .dict(let entries) = self { entries.first { $0.key == key }?.value } else { nil }
    }

    /// Parses JSON, keeping the order of keys; of keys that appear twice the last value counts, in the first one's place,
    /// as in Python. Throws what `JSONReader` throws.
    public init(json bytes: some Collection<UInt8>, what: String = "the JSON body", deepest: Int = JSON.deepestRequest)
        throws
    {
        self = try Array(bytes).withUnsafeBufferPointer {
            try JSONReader.read($0, what: what, acceptsNonFinite: true, deepest: deepest) { try TemplateValue(&$0) }
        }
    }

    private init(_ reader: inout JSONReader) throws {
        switch reader.next {
        case UInt8(ascii: "["):
            var items: [TemplateValue] = []
            try reader.elements { items.append(try TemplateValue(&$0)) }
            self = .list(items)
        case UInt8(ascii: "{"): self = .dict(try Self.entries(&reader))
        default:
            let text = reader.rest
            let value = try reader.value()
            // Python reads -0 as the integer.
            let isInteger = text.prefix(text.count - reader.rest.count).allSatisfy { !".eE".utf8.contains($0) }
            self = if case .number(0) = value, isInteger { .int(0) } else { TemplateValue(value) }
        }
    }

    private static func entries(_ reader: inout JSONReader) throws -> [Entry] {
        var entries: [Entry] = []
        // By bytes: Swift takes canonically equal strings for one, Python does not.
        var places: [[UInt8]: Int] = [:]
        try reader.members { name, reader in
            let bytes = Array(name)
            guard let key = String(validating: bytes, as: UTF8.self) else { throw reader.refusal("a key is not UTF-8") }
            let value = try TemplateValue(&reader)
            if let place = places[bytes] {
                entries[place].value = value
            } else {
                places[bytes] = entries.count
                entries.append(Entry(key, value))
            }
        }
        return entries
    }

    /// A parsed value. Its keys have lost their order and come sorted: prefer `init(json:)` for what a template prints.
    public init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .number(let value): self = .double(value)
        case .string(let value): self = .string(value)
        case .array(let items): self = .list(items.map { TemplateValue($0) })
        case .object(let members):
            self = .dict(members.sorted { $0.key < $1.key }.map { Entry($0.key, TemplateValue($0.value)) })
        }
    }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(arrayLiteral elements: TemplateValue...) { self = .list(elements) }
    public init(dictionaryLiteral elements: (String, TemplateValue)...) { self = .dict(elements.map { Entry($0, $1) }) }
    public init(nilLiteral: ()) { self = .null }
}
