import Foundation

/// Reads JSON (RFC 8259) into `JSONValue` in one pass over the bytes, several times faster than JSONDecoder. The only JSON
/// parser of the house: request bodies, stored values and files all come through it. Of keys that appear twice the last
/// one counts. It refuses deep nesting while it reads, so that no body can exhaust a stack or a thread.
public struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let acceptsNonFinite: Bool
    private let deepest: Int
    private var at = 0
    private var depth = 0
    /// Rows of one table have one count of keys. Guessed from the object before, so that what a small object reserves was
    /// paid for by a larger one.
    private var expectedKeys = 12

    private enum Failure: Error {
        case expected(String)
        case nested
    }

    /// Throws `invalid_argument` naming `what`, the byte offset and what was expected there.
    ///
    /// - Parameters:
    ///   - acceptsNonFinite: the bare words `NaN`, `Infinity` and `-Infinity`, which are not JSON but which Python's
    ///     `json.dumps` writes.
    ///   - deepest: how many arrays and objects may lie inside each other.
    public static func parse(
        _ bytes: some Collection<UInt8>, what: String = "the JSON body", acceptsNonFinite: Bool = false,
        deepest: Int = JSON.deepestRequest
    ) throws -> JSONValue {
        let read = { (buffer: UnsafeBufferPointer<UInt8>) in
            Result { try parse(buffer, what: what, acceptsNonFinite, deepest) }
        }
        if let result = bytes.withContiguousStorageIfAvailable(read) { return try result.get() }
        return try Array(bytes).withUnsafeBufferPointer(read).get()
    }

    /// The same for text, such as a stored column.
    public static func parse(_ text: String, what: String = "the JSON text") throws -> JSONValue {
        try parse(text.utf8, what: what)
    }

    private static func parse(
        _ buffer: UnsafeBufferPointer<UInt8>, what: String, _ acceptsNonFinite: Bool, _ deepest: Int
    ) throws -> JSONValue {
        var reader = JSONReader(bytes: buffer, acceptsNonFinite: acceptsNonFinite, deepest: deepest)
        do {
            let value = try reader.value()
            reader.skipSpace()
            guard reader.at == buffer.count else { throw Failure.expected("the end") }
            return value
        } catch let failure as Failure {
            switch failure {
            case .nested:
                throw NestboxError.invalid(
                    "\(what) is nested more than \(deepest) levels deep, at byte \(reader.at)",
                    hint: "flatten it: tables and settings need a handful of levels")
            case .expected(let expected):
                let rest = String(decoding: buffer[min(reader.at, buffer.count)...].prefix(20), as: UTF8.self)
                throw NestboxError.invalid(
                    "\(what) is not well-formed: expected \(expected) at byte \(reader.at), found "
                        + (rest.isEmpty ? "the end" : "`\(rest)`"),
                    hint: rest.hasPrefix("NaN") ? "JSON has no NaN: write null for a missing number" : nil)
            }
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, acceptsNonFinite: Bool, deepest: Int) {
        self.bytes = bytes
        self.acceptsNonFinite = acceptsNonFinite
        self.deepest = deepest
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
            at += 1
        }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard at < bytes.count, bytes[at] == byte.asciiValue else { return false }
        at += 1
        return true
    }

    private mutating func word(_ text: StaticString) -> Bool {
        let end = at + text.utf8CodeUnitCount
        guard end <= bytes.count, text.withUTF8Buffer({ $0.elementsEqual(bytes[at..<end]) }) else { return false }
        at = end
        return true
    }

    private mutating func value() throws -> JSONValue {
        skipSpace()
        guard at < bytes.count else { throw Failure.expected("a value") }
        switch bytes[at] {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"): return try nested { try $0.object() }
        case UInt8(ascii: "["): return try nested { try $0.array() }
        case UInt8(ascii: "t") where word("true"): return .bool(true)
        case UInt8(ascii: "f") where word("false"): return .bool(false)
        case UInt8(ascii: "n") where word("null"): return .null
        case UInt8(ascii: "N") where acceptsNonFinite && word("NaN"): return .number(.nan)
        case UInt8(ascii: "I") where acceptsNonFinite && word("Infinity"): return .number(.infinity)
        case UInt8(ascii: "-") where acceptsNonFinite && word("-Infinity"): return .number(-.infinity)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw Failure.expected("a value")
        }
    }

    private mutating func nested(_ read: (inout JSONReader) throws -> JSONValue) throws -> JSONValue {
        guard depth < deepest else { throw Failure.nested }
        depth += 1
        at += 1
        let value = try read(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws -> JSONValue {
        var object: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return .object(object) }
        object.reserveCapacity(expectedKeys)
        repeat {
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw Failure.expected("a key in quotes") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw Failure.expected("`:`") }
            object[key] = try value()
            skipSpace()
        } while take(",")
        guard take("}") else { throw Failure.expected("`,` or `}`") }
        expectedKeys = object.count
        return .object(object)
    }

    private mutating func array() throws -> JSONValue {
        var array: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(array) }
        repeat {
            array.append(try value())
            skipSpace()
        } while take(",")
        guard take("]") else { throw Failure.expected("`,` or `]`") }
        return .array(array)
    }

    private mutating func digits() -> Int {
        let start = at
        while at < bytes.count, bytes[at] &- 0x30 < 10 { at += 1 }
        return at - start
    }

    private mutating func number() throws -> JSONValue {
        let start = at
        let negative = take("-")
        let first = at
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[first] != 0x30 else {
            at = first
            throw Failure.expected("a number without leading zeros")
        }
        var isWhole = true
        if take(".") {
            isWhole = false
            guard digits() > 0 else { throw Failure.expected("a digit") }
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("-") { _ = take("+") }
            guard digits() > 0 else { throw Failure.expected("a digit") }
        }
        if isWhole, whole <= 18 {
            let value = bytes[first..<at].reduce(Int64(0)) { $0 * 10 + Int64($1 &- 0x30) }
            // The encoder writes -0.0 as -0, and it must come back with its sign.
            return negative && value == 0 ? .number(-0.0) : .int(negative ? -value : value)
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isWhole, let value = Int64(text) { return .int(value) }
        // Python reads what is too large as infinite, and its clients write it so.
        guard let value = Double(text), value.isFinite || acceptsNonFinite else {
            at = start
            throw Failure.expected("a number that a double can hold")
        }
        return .number(value)
    }

    private mutating func string() throws -> String {
        at += 1
        let start = at
        while at < bytes.count, bytes[at] >= 0x20, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\") {
            at += 1
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            guard let text = String(validating: bytes[start..<at], as: UTF8.self) else {
                at = start
                throw Failure.expected("text in UTF-8")
            }
            at += 1
            return text
        }
        return try escapedString(from: start)
    }

    /// A string with at least one escape, or a broken one.
    private mutating func escapedString(from start: Int) throws -> String {
        var out = Array(bytes[start..<at])
        while at < bytes.count {
            let byte = bytes[at]
            guard byte >= 0x20 else { throw Failure.expected("an escape like \\n for a control character") }
            at += 1
            if byte == UInt8(ascii: "\"") {
                guard let text = String(validating: out, as: UTF8.self) else {
                    at = start
                    throw Failure.expected("text in UTF-8")
                }
                return text
            }
            if byte == UInt8(ascii: "\\") { try escape(into: &out) } else { out.append(byte) }
        }
        throw Failure.expected("`\"` at the end of the string")
    }

    private mutating func escape(into out: inout [UInt8]) throws {
        guard at < bytes.count else { throw Failure.expected("an escape") }
        at += 1
        switch bytes[at - 1] {
        case UInt8(ascii: "\""): out.append(0x22)
        case UInt8(ascii: "\\"): out.append(0x5C)
        case UInt8(ascii: "/"): out.append(0x2F)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0C)
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hex4()
            if 0xD800..<0xDC00 ~= code {
                guard word("\\u") else { throw Failure.expected("the second half of a surrogate pair") }
                let low = try hex4()
                guard 0xDC00..<0xE000 ~= low else { throw Failure.expected("the second half of a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw Failure.expected("a surrogate pair") }
            out += String(Character(scalar)).utf8
        default:
            at -= 1
            throw Failure.expected("one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
        }
    }

    private mutating func hex4() throws -> UInt32 {
        guard at + 4 <= bytes.count else { throw Failure.expected("four hexadecimal digits") }
        var code: UInt32 = 0
        for byte in bytes[at..<at + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw Failure.expected("four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
        }
        at += 4
        return code
    }
}
