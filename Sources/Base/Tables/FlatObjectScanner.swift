/// Walks one line that holds one flat JSON object (RFC 8259), without building values.
struct FlatObjectScanner {
    enum Problem: Error {
        case syntax(offset: Int, expected: String)
        case nested(key: String, what: String)
    }

    /// Called per member: the unescaped key, the value's kind (nil for null) and its text, strings unescaped.
    typealias Member = (_ key: Bytes, _ kind: TokenKind?, _ value: Bytes) throws -> Void

    private let s: Bytes
    private var at: Int
    private var keyText: [UInt8] = []
    private var valueText: [UInt8] = []

    init(_ s: Bytes, at: Int) {
        self.s = s
        self.at = at
    }

    mutating func isBlank() throws -> Bool {
        skipSpace()
        return at == s.count
    }

    mutating func readObject(_ member: Member) throws {
        guard take(0x7B) else { throw expected("expected an object that begins with {") }
        skipSpace()
        if !take(0x7D) {
            repeat {
                skipSpace()
                try readMember(member)
                skipSpace()
            } while take(ASCII.comma)
            guard take(0x7D) else { throw expected("expected , or } after a value") }
        }
        skipSpace()
        guard at == s.count else { throw expected("expected the end of the line after the object") }
    }

    private mutating func readMember(_ member: Member) throws {
        guard take(ASCII.quote) else { throw expected("expected a key in double quotes") }
        var scratch: [UInt8] = []
        swap(&scratch, &keyText)
        let plainKey = try readString(&scratch)
        skipSpace()
        guard take(ASCII.colon) else { throw expected("expected : after a key") }
        skipSpace()
        if let plainKey {
            try readValue(plainKey, member)
        } else {
            try scratch.withUnsafeBufferPointer { try readValue($0, member) }
        }
        swap(&scratch, &keyText)
    }

    private mutating func readValue(_ key: Bytes, _ member: Member) throws {
        guard at < s.count else { throw expected("expected a value") }
        switch s[at] {
        case ASCII.quote:
            at += 1
            var scratch: [UInt8] = []
            swap(&scratch, &valueText)
            if let plain = try readString(&scratch) {
                try member(key, .jsonString, plain)
            } else {
                try scratch.withUnsafeBufferPointer { try member(key, .jsonString, $0) }
            }
            swap(&scratch, &valueText)
        case UInt8(ascii: "t"): try member(key, .jsonBool, literal("true"))
        case UInt8(ascii: "f"): try member(key, .jsonBool, literal("false"))
        case UInt8(ascii: "n"): try member(key, nil, literal("null"))
        case UInt8(ascii: "N"): try member(key, .jsonNumber, literal("NaN"))
        case UInt8(ascii: "I"): try member(key, .jsonNumber, literal("Infinity"))
        case UInt8(ascii: "["), UInt8(ascii: "{"):
            let name = String(decoding: key, as: UTF8.self)
            throw Problem.nested(key: name, what: s[at] == 0x7B ? "an object" : "an array")
        case ASCII.minus where at + 1 < s.count && s[at + 1] == UInt8(ascii: "I"):
            try member(key, .jsonNumber, literal("-Infinity"))
        default: try member(key, .jsonNumber, readNumber())
        }
    }

    private mutating func literal(_ text: StaticString) throws -> Bytes {
        let end = at + text.utf8CodeUnitCount
        guard end <= s.count else { throw expected("expected \(text)") }
        let word = Bytes(rebasing: s[at..<end])
        guard CellText.equals(word, text) else { throw expected("expected \(text)") }
        at = end
        return word
    }

    private mutating func readNumber() throws -> Bytes {
        let start = at
        _ = take(ASCII.minus)
        if !take(ASCII.zero), skipDigits() == 0 {
            at = start
            throw expected("expected a value")
        }
        if take(ASCII.dot), skipDigits() == 0 { throw expected("expected a digit after the point") }
        if at < s.count, s[at] | 0x20 == 0x65 {
            at += 1
            if !take(ASCII.plus) { _ = take(ASCII.minus) }
            if skipDigits() == 0 { throw expected("expected a digit in the exponent") }
        }
        return Bytes(rebasing: s[start..<at])
    }

    private mutating func skipDigits() -> Int {
        let start = at
        while at < s.count, CellText.digit(s[at]) != nil { at += 1 }
        return at - start
    }

    /// The string after its opening quote: a slice of the line, or nil with the text in `scratch` when it has escapes.
    private mutating func readString(_ scratch: inout [UInt8]) throws -> Bytes? {
        let start = at
        var hasEscapes = false
        scratch.removeAll(keepingCapacity: true)
        while at < s.count {
            let byte = s[at]
            if byte == ASCII.quote {
                at += 1
                return hasEscapes ? nil : Bytes(rebasing: s[start..<(at - 1)])
            }
            guard byte >= 0x20 else { throw expected("control characters in strings must be escaped") }
            if byte == ASCII.backslash {
                if !hasEscapes { scratch.append(contentsOf: s[start..<at]) }
                hasEscapes = true
                at += 1
                try readEscape(&scratch)
            } else {
                if hasEscapes { scratch.append(byte) }
                at += 1
            }
        }
        throw expected("expected the closing quote of a string")
    }

    private mutating func readEscape(_ scratch: inout [UInt8]) throws {
        guard at < s.count else { throw expected("expected an escape after the backslash") }
        let byte = s[at]
        at += 1
        switch byte {
        case ASCII.quote, ASCII.backslash, 0x2F: scratch.append(byte)
        case UInt8(ascii: "b"): scratch.append(8)
        case UInt8(ascii: "f"): scratch.append(12)
        case UInt8(ascii: "n"): scratch.append(10)
        case UInt8(ascii: "r"): scratch.append(13)
        case UInt8(ascii: "t"): scratch.append(9)
        case UInt8(ascii: "u"): scratch.append(contentsOf: String(Character(try readUnicodeEscape())).utf8)
        default:
            at -= 1
            throw expected("not an escape that JSON knows")
        }
    }

    private mutating func readUnicodeEscape() throws -> Unicode.Scalar {
        let first = try readHex()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take(ASCII.backslash), take(UInt8(ascii: "u")) else {
            throw expected("expected the second half of a surrogate pair")
        }
        let second = try readHex()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw expected("expected the second half of a surrogate pair") }
        return scalar
    }

    private mutating func readHex() throws -> UInt32 {
        guard at + 4 <= s.count else { throw expected("expected four hexadecimal digits") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let letter = s[at] | 0x20
            if let digit = CellText.digit(s[at]) {
                value = value << 4 | UInt32(digit)
            } else if letter >= 0x61, letter <= 0x66 {
                value = value << 4 | UInt32(letter - 0x61 + 10)
            } else {
                throw expected("expected four hexadecimal digits")
            }
            at += 1
        }
        return value
    }

    private mutating func skipSpace() {
        while at < s.count, s[at] == 0x20 || s[at] == 0x09 || s[at] == ASCII.cr { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < s.count, s[at] == byte else { return false }
        at += 1
        return true
    }

    private func expected(_ what: String) -> Problem { .syntax(offset: at, expected: what) }
}
