import Core

/// Writes MLflow's JSON: snake_case names, 64-bit integers as numbers, NaN and infinities as strings, and nothing at all
/// for what is not set. By hand because a metric history has tens of thousands of points.
package struct MLflowJSONWriter {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// The bytes of one object.
    package static func object(_ body: (inout MLflowJSONWriter) throws -> Void) rethrows -> [UInt8] {
        var writer = MLflowJSONWriter()
        try writer.braces(body)
        return writer.bytes
    }

    package mutating func field(_ name: StaticString, _ value: String?) {
        guard let value else { return }
        key(name)
        text(value)
    }

    package mutating func field(_ name: StaticString, _ value: Int64?) {
        guard let value else { return }
        key(name)
        bytes += String(value).utf8
    }

    package mutating func field(_ name: StaticString, _ value: Bool) {
        key(name)
        bytes += (value ? "true" : "false").utf8
    }

    package mutating func field(_ name: StaticString, _ value: Double) {
        key(name)
        if value.isFinite {
            bytes += value.description.utf8
        } else {
            text(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
        }
    }

    package mutating func object(_ name: StaticString, _ body: (inout MLflowJSONWriter) throws -> Void) rethrows {
        key(name)
        try braces(body)
    }

    /// A list of objects; left out when it is empty, as MLflow does.
    package mutating func list<Items: Sequence>(
        _ name: StaticString, _ items: Items, _ body: (inout MLflowJSONWriter, Items.Element) throws -> Void
    ) rethrows {
        var isFirst = true
        for item in items {
            if isFirst { key(name) }
            bytes.append(isFirst ? UInt8(ascii: "[") : UInt8(ascii: ","))
            isFirst = false
            try braces { try body(&$0, item) }
        }
        if !isFirst { bytes.append(UInt8(ascii: "]")) }
    }

    package mutating func list(_ name: StaticString, _ items: [String]) {
        guard !items.isEmpty else { return }
        key(name)
        for (index, item) in items.enumerated() {
            bytes.append(index == 0 ? UInt8(ascii: "[") : UInt8(ascii: ","))
            text(item)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// `[{"key": …, "value": …}]`, by key.
    package mutating func pairs(_ name: StaticString, _ map: [String: String]) {
        list(name, map.sorted { $0.key < $1.key }) { writer, pair in
            writer.field("key", pair.key)
            writer.field("value", pair.value)
        }
    }

    /// `{"key": "value"}`, by key; left out when it is empty.
    package mutating func map(_ name: StaticString, _ map: [String: String]) {
        guard !map.isEmpty else { return }
        value(name, .object(map.mapValues(JSONValue.string)))
    }

    /// Any value, written out.
    package mutating func value(_ name: StaticString, _ value: JSONValue) {
        key(name)
        write(value)
    }

    private mutating func write(_ value: JSONValue) {
        switch value {
        case .null: bytes += "null".utf8
        case .bool(let flag): bytes += (flag ? "true" : "false").utf8
        case .int(let number): bytes += String(number).utf8
        case .number(let number) where number.isFinite: bytes += number.description.utf8
        case .number(let number): text(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity")
        case .string(let string): text(string)
        case .array(let items):
            bytes.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                write(item)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let object):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in object.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                text(member.key)
                bytes.append(UInt8(ascii: ":"))
                write(member.value)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private mutating func braces(_ body: (inout MLflowJSONWriter) throws -> Void) rethrows {
        bytes.append(UInt8(ascii: "{"))
        needsComma = false
        try body(&self)
        bytes.append(UInt8(ascii: "}"))
        needsComma = true
    }

    private mutating func key(_ name: StaticString) {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func text(_ value: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0x0A: bytes += "\\n".utf8
            case 0x0D: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                bytes += ("\\u00" + (digits.utf8.count == 1 ? "0" : "") + digits).utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
