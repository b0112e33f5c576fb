import Foundation

/// Reads JSON (RFC 8259) into `JSONValue` in one pass over the bytes, several times faster than JSONDecoder. The only JSON
/// parser of the house: request bodies, stored values and files all come through it. Of keys that appear twice the last
/// one counts. It refuses deep nesting while it reads, so that no body can exhaust a stack or a thread.
public struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let what: String
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
        try read(buffer, what: what, acceptsNonFinite: acceptsNonFinite, deepest: deepest) { try $0.value() }
    }

    /// Lets `body` read one value after the other, where a `JSONValue` would be too large, take too long or lose something: the order of
    /// keys, bytes that Swift's strings take for the same. Throws like `parse` for what is not well-formed, and what `body` throws.
    public static func read<T>(
        _ buffer: UnsafeBufferPointer<UInt8>, what: String = "the JSON body", acceptsNonFinite: Bool = false,
        deepest: Int = JSON.deepestRequest, _ body: (inout JSONReader) throws -> T
    ) throws -> T {
        var reader = JSONReader(bytes: buffer, what: what, acceptsNonFinite: acceptsNonFinite, deepest: deepest)
        do {
            let value = try body(&reader)
            reader.skipSpace()
            guard reader.at == buffer.count else { throw Failure.expected("the end") }
            return value
        } catch let failure as Failure {
            throw reader.explain(failure)
        }
    }

    private func explain(_ failure: Failure) -> NestboxError {
        switch failure {
        case .nested:
            return .invalid(
                "\(what) is nested more than \(deepest) levels deep, at byte \(at)",
                hint: "flatten it: tables and settings need a handful of levels")
        case .expected(let expected):
            let rest = String(decoding: bytes[min(at, bytes.count)...].prefix(20), as: UTF8.self)
            return .invalid(
                "\(what) is not well-formed: expected \(expected) at byte \(at), found "
                    + (rest.isEmpty ? "the end" : "`\(rest)`"),
                hint: rest.hasPrefix("NaN") ? "JSON has no NaN: write null for a missing number" : nil)
        }
    }

    /// An error of the caller's own at this place.
    public func refusal(_ message: String) -> NestboxError { .invalid("\(what), byte \(at): \(message)") }

    private init(bytes: UnsafeBufferPointer<UInt8>, what: String, acceptsNonFinite: Bool, deepest: Int) {
        self.bytes = bytes
        self.what = what
        self.acceptsNonFinite = acceptsNonFinite
        self.deepest = deepest
    }

    // MARK: One value after the other; each skips blanks first

    /// What has not been read.
    public var rest: UnsafeBufferPointer<UInt8> {
        mutating get {
            skipSpace()
            return UnsafeBufferPointer(rebasing: bytes[at...])
        }
    }

    /// The first byte of what comes next; nil at the end.
    public var next: UInt8? {
        mutating get {
            skipSpace()
            return at < bytes.count ? bytes[at] : nil
        }
    }

    /// Calls `body` at each value of an object, which it reads. The key is without quotes and escapes, and need not be UTF-8.
    public mutating func members(_ body: (UnsafeBufferPointer<UInt8>, inout JSONReader) throws -> Void) throws {
        guard next == UInt8(ascii: "{") else { throw Failure.expected("an object") }
        try nested {
            try $0.list("}") { reader in
                guard reader.next == UInt8(ascii: "\"") else { throw Failure.expected("a key in quotes") }
                try reader.withString { key, reader in
                    try reader.colon()
                    try body(key, &reader)
                }
            }
        }
    }

    /// Calls `body` at each value of an array, which it reads.
    public mutating func elements(_ body: (inout JSONReader) throws -> Void) throws {
        guard next == UInt8(ascii: "[") else { throw Failure.expected("an array") }
        try nested { try $0.list("]", body) }
    }

    public mutating func text() throws -> String {
        guard next == UInt8(ascii: "\"") else { throw Failure.expected("text in quotes") }
        return try string()
    }

    /// The bytes of a string, which need not be UTF-8.
    public mutating func textBytes() throws -> [UInt8] {
        guard next == UInt8(ascii: "\"") else { throw Failure.expected("text in quotes") }
        return try withString { bytes, _ in Array(bytes) }
    }

    public mutating func double() throws -> Double {
        skipSpace()
        return switch try number() {
        case .int(let value): Double(value)
        case .number(let value): value
        default: throw Failure.expected("a number")
        }
    }

    public mutating func integer() throws -> Int64 {
        skipSpace()
        let start = at
        guard case .int(let value) = try number() else {
            at = start
            throw Failure.expected("a whole number")
        }
        return value
    }

    // MARK: Parts

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
            at += 1
        }
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(truncatingIfNeeded: scalar.value) else { return false }
        at += 1
        return true
    }

    private mutating func word(_ text: StaticString) -> Bool {
        let end = at + text.utf8CodeUnitCount
        guard end <= bytes.count, text.withUTF8Buffer({ $0.elementsEqual(bytes[at..<end]) }) else { return false }
        at = end
        return true
    }

    /// Any value.
    public mutating func value() throws -> JSONValue {
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

    private mutating func nested<T>(_ read: (inout JSONReader) throws -> T) throws -> T {
        guard depth < deepest else { throw Failure.nested }
        depth += 1
        at += 1
        let value = try read(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws -> JSONValue {
        var object: [String: JSONValue] = [:]
        try list("}") { reader in
            guard reader.next == UInt8(ascii: "\"") else { throw Failure.expected("a key in quotes") }
            if object.isEmpty { object.reserveCapacity(reader.expectedKeys) }
            let key = try reader.string()
            try reader.colon()
            object[key] = try reader.value()
        }
        if !object.isEmpty { expectedKeys = object.count }
        return .object(object)
    }

    private mutating func array() throws -> JSONValue {
        var array: [JSONValue] = []
        try list("]") { array.append(try $0.value()) }
        return .array(array)
    }

    private mutating func colon() throws {
        skipSpace()
        guard take(":") else { throw Failure.expected("`:`") }
    }

    /// Whatever lies between brackets, parted by commas; the opening one is behind.
    private mutating func list(_ close: Unicode.Scalar, _ item: (inout JSONReader) throws -> Void) throws {
        skipSpace()
        if take(close) { return }
        repeat {
            try item(&self)
            skipSpace()
        } while take(",")
        guard take(close) else { throw Failure.expected("`,` or `\(close)`") }
    }

    private mutating func digits() -> Int {
        let start = at
        while at < bytes.count, bytes[at] &- 0x30 < 10 { at += 1 }
        return at - start
    }

    private static let powers: [Double] = (0...22).map { pow(10, Double($0)) }

    private mutating func number() throws -> JSONValue {
        let start = at
        let negative = take("-")
        let first = at
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[first] != 0x30 else {
            at = first
            throw Failure.expected("a number without leading zeros")
        }
        var fraction = 0, hasExponent = false
        if take(".") {
            fraction = digits()
            guard fraction > 0 else { throw Failure.expected("a digit") }
        }
        if take("e") || take("E") {
            hasExponent = true
            if !take("-") { _ = take("+") }
            guard digits() > 0 else { throw Failure.expected("a digit") }
        }
        let isWhole = fraction == 0 && !hasExponent
        if !hasExponent, whole + fraction <= 18 {
            var value: Int64 = 0
            for byte in bytes[first..<at] where byte != UInt8(ascii: ".") { value = value * 10 + Int64(byte &- 0x30) }
            // The encoder writes -0.0 as -0, and it must come back with its sign.
            if isWhole { return negative && value == 0 ? .number(-0.0) : .int(negative ? -value : value) }
            // Both are exact then, and one division rounds once.
            if value < 1 << 53 {
                let number = Double(value) / Self.powers[fraction]
                return .number(negative ? -number : number)
            }
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
        let start = at + 1
        return try withString { bytes, reader in
            guard let text = String(validating: bytes, as: UTF8.self) else {
                reader.at = start
                throw Failure.expected("text in UTF-8")
            }
            return text
        }
    }

    /// The bytes of a string, at whose quotes the reader is; in place where there is no escape in it.
    private mutating func withString<T>(_ body: (UnsafeBufferPointer<UInt8>, inout JSONReader) throws -> T) throws -> T
    {
        at += 1
        let start = at
        while at < bytes.count, bytes[at] >= 0x20, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\") {
            at += 1
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            at += 1
            return try body(UnsafeBufferPointer(rebasing: bytes[start..<at - 1]), &self)
        }
        let unescaped = try escapedString(from: start)
        return try unescaped.withUnsafeBufferPointer { try body($0, &self) }
    }

    /// A string with at least one escape, or a broken one.
    private mutating func escapedString(from start: Int) throws -> [UInt8] {
        var out = Array(bytes[start..<at])
        while at < bytes.count {
            let byte = bytes[at]
            guard byte >= 0x20 else { throw Failure.expected("an escape like \\n for a control character") }
            at += 1
            if byte == UInt8(ascii: "\"") { return out }
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
