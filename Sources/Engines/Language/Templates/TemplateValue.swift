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
        // The house's reader judges the text; what follows only walks over what is known to be well-formed.
        let bytes = Array(bytes)
        _ = try JSONReader.parse(bytes, what: what, acceptsNonFinite: true, deepest: deepest)
        var walk = JSONWalk(bytes: bytes)
        self = try walk.value()
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

/// Walks over well-formed JSON and takes only its structure apart; scalars go to `JSONReader`.
private struct JSONWalk {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func next() -> UInt8 {
        while at < bytes.count, bytes[at] <= 0x20 { at += 1 }
        return at < bytes.count ? bytes[at] : 0
    }

    mutating func value() throws -> TemplateValue {
        switch next() {
        case UInt8(ascii: "["):
            var items: [TemplateValue] = []
            at += 1
            while next() != UInt8(ascii: "]"), at < bytes.count {
                if bytes[at] == UInt8(ascii: ",") { at += 1 }
                items.append(try value())
            }
            at += 1
            return .list(items)
        case UInt8(ascii: "{"): return .dict(try entries())
        default: return try scalar()
        }
    }

    private mutating func entries() throws -> [TemplateValue.Entry] {
        var entries: [TemplateValue.Entry] = []
        // By bytes: Swift takes canonically equal strings for one, Python does not.
        var places: [[UInt8]: Int] = [:]
        at += 1
        while next() != UInt8(ascii: "}"), at < bytes.count {
            if bytes[at] == UInt8(ascii: ",") { at += 1 }
            guard next() == UInt8(ascii: "\""), case .string(let key) = try scalar() else { break }
            _ = next()
            at += 1
            let value = try value()
            let name = Array(key.utf8)
            if let place = places[name] {
                entries[place].value = value
            } else {
                places[name] = entries.count
                entries.append(.init(key, value))
            }
        }
        at += 1
        return entries
    }

    private mutating func scalar() throws -> TemplateValue {
        let start = at
        if next() == UInt8(ascii: "\"") {
            at += 1
            while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
            at += 1
        } else {
            while at < bytes.count, bytes[at] > 0x20, !",]}".utf8.contains(bytes[at]) { at += 1 }
        }
        let text = bytes[start..<min(at, bytes.count)]
        // Python reads -0 as the integer.
        if text.elementsEqual("-0".utf8) { return .int(0) }
        return TemplateValue(try JSONReader.parse(text, acceptsNonFinite: true))
    }
}
