import Core

/// Reads JSON bytes of MLflow requests into `JSONValue`, strictly, with the place in every error.
///
/// By hand because `log-metric` and `log-batch` are hot, and because hand-written Python clients send `NaN`, `Infinity` and
/// `-Infinity` as bare words, which Foundation refuses.
package struct MLflowJSONReader {
    private static let deepest = 64
    private let bytes: [UInt8]
    private var at = 0
    private var depth = 0

    /// Throws `invalid_argument` naming the byte where the text stops being JSON.
    package static func parse(_ bytes: [UInt8]) throws -> JSONValue {
        var reader = MLflowJSONReader(bytes: bytes)
        let value = try reader.value()
        reader.skipSpace()
        guard reader.at == bytes.count else { throw reader.fault("expected the end") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func value() throws -> JSONValue {
        skipSpace()
        guard at < bytes.count else { throw fault("expected a value") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "N"): return try word("NaN", .number(.nan))
        case UInt8(ascii: "I"): return try word("Infinity", .number(.infinity))
        default: return try number()
        }
    }

    private mutating func object() throws -> JSONValue {
        try enter()
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take(UInt8(ascii: "}")) { return leave(.object(members)) }
        while true {
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw fault("expected a name in quotes") }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw fault("expected `:`") }
            members[name] = try value()
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw fault("expected `,` or `}`") }
            return leave(.object(members))
        }
    }

    private mutating func array() throws -> JSONValue {
        try enter()
        var items: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return leave(.array(items)) }
        while true {
            items.append(try value())
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw fault("expected `,` or `]`") }
            return leave(.array(items))
        }
    }

    private mutating func string() throws -> String {
        at += 1
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 0x20 {
            at += 1
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            defer { at += 1 }
            return try text(bytes[start..<at])
        }
        var unescaped = Array(bytes[start..<at])
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                at += 1
                return try text(unescaped[...])
            }
            guard byte >= 0x20 else { throw fault("a control character inside a string") }
            at += 1
            if byte == UInt8(ascii: "\\") { try escape(into: &unescaped) } else { unescaped.append(byte) }
        }
        throw fault("a string without an end")
    }

    private func text(_ slice: ArraySlice<UInt8>) throws -> String {
        guard let text = String(validating: slice, as: UTF8.self) else { throw fault("a string that is not UTF-8") }
        return text
    }

    private mutating func escape(into out: inout [UInt8]) throws {
        guard at < bytes.count else { throw fault("a string without an end") }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0C)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                // The first half of a pair; alone it stands for nothing.
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw fault("half of a surrogate pair") }
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw fault("half of a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fault("half of a surrogate pair") }
            out += Array(String(Character(scalar)).utf8)
        default: throw fault("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard at + 4 <= bytes.count else { throw fault("expected four hexadecimal digits") }
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue else {
                throw fault("expected four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            at += 1
        }
        return code
    }

    private mutating func number() throws -> JSONValue {
        let start = at
        if take(UInt8(ascii: "-")), at < bytes.count, bytes[at] == UInt8(ascii: "I") {
            return try word("Infinity", .number(-.infinity))
        }
        let firstDigit = at
        var isWhole = true
        scan: while at < bytes.count {
            switch bytes[at] {
            case 0x30...0x39: break
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"):
                isWhole = false
            default: break scan
            }
            at += 1
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        let leadingZero =
            firstDigit + 1 < at && bytes[firstDigit] == 0x30 && (0x30...0x39).contains(bytes[firstDigit + 1])
        if firstDigit < at, (0x30...0x39).contains(bytes[firstDigit]), !leadingZero {
            if isWhole, let whole = Int64(text) { return .int(whole) }
            if let real = Double(text), bytes[at - 1] != UInt8(ascii: ".") { return .number(real) }
        }
        at = start
        throw fault("expected a value")
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        let matches = word.withUTF8Buffer { expected in
            at + expected.count <= bytes.count && bytes[at..<at + expected.count].elementsEqual(expected)
        }
        guard matches else { throw fault("expected a value") }
        at += word.utf8CodeUnitCount
        return value
    }

    private mutating func enter() throws {
        depth += 1
        guard depth <= Self.deepest else { throw fault("nested deeper than \(Self.deepest)") }
        at += 1
    }

    private mutating func leave(_ value: JSONValue) -> JSONValue {
        depth -= 1
        return value
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
            at += 1
        }
    }

    private func fault(_ what: String) -> NestboxError {
        NestboxError.invalid("the request body is not well-formed JSON: \(what) at byte \(at)")
    }
}
