import Foundation

// `JSONValue` written by hand. Every event carries one, and JSONEncoder takes longer for it than SQLite for its row.

extension JSON {
    /// The same text as for any other `Encodable`: sorted keys, slashes unescaped, NaN and infinities as text.
    public static func string(_ value: JSONValue) throws -> String {
        String(decoding: bytes(value), as: UTF8.self)
    }

    /// As `string`, in bytes.
    public static func encode(_ value: JSONValue) throws -> Data { Data(bytes(value)) }

    private static func bytes(_ value: JSONValue) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(128)
        write(value, to: &out)
        return out
    }

    private static func write(_ value: JSONValue, to out: inout [UInt8]) {
        switch value {
        case .null: out += "null".utf8
        case .bool(let flag): out += (flag ? "true" : "false").utf8
        case .int(let number): out += String(number).utf8
        case .number(let number): write(number, to: &out)
        case .string(let text): append(text, to: &out)
        case .array(let items):
            out.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                write(item, to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                append(member.key, to: &out)
                out.append(UInt8(ascii: ":"))
                write(member.value, to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ number: Double, to out: inout [UInt8]) {
        guard number.isFinite else {
            return append(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity", to: &out)
        }
        // A whole number is written without its fraction, as JSONEncoder does.
        let text = number.description
        out += text.hasSuffix(".0") ? text.utf8.dropLast(2) : text.utf8[...]
    }
}
