typealias Bytes = UnsafeBufferPointer<UInt8>

extension Bytes {
    static var nothing: Bytes { Bytes(start: nil, count: 0) }
}

enum ASCII {
    static let lf: UInt8 = 0x0A, cr: UInt8 = 0x0D, quote: UInt8 = 0x22, comma: UInt8 = 0x2C, plus: UInt8 = 0x2B
    static let minus: UInt8 = 0x2D, dot: UInt8 = 0x2E, zero: UInt8 = 0x30, backslash: UInt8 = 0x5C, colon: UInt8 = 0x3A
}

/// Reads values from the bytes of one cell.
///
/// `strict` is for inference: it takes only texts that nobody means as a code, so `007`, `+49` and whole numbers that a
/// `Double` cannot hold exactly stay strings. Without it, when a schema asks for a number, they are numbers.
enum CellText {
    /// Longer numbers stay text in inference, so that the builder can keep their length in one byte.
    static let longestNumber = 255

    @inline(__always) static func digit(_ byte: UInt8) -> UInt8? {
        let value = byte &- ASCII.zero
        return value < 10 ? value : nil
    }

    static func int64(_ s: Bytes, strict: Bool) -> Int64? {
        guard let first = s.first else { return nil }
        var at = 0
        let negative = first == ASCII.minus
        if negative || (first == ASCII.plus && !strict) { at = 1 }
        let digits = s.count - at
        guard digits > 0 else { return nil }
        // Strictly, the text must be the one that `String(value)` gives: the builder relies on it to restore the text.
        if strict, s[at] == ASCII.zero, digits > 1 || negative { return nil }
        var value: Int64 = 0
        if digits <= 18 {
            while at < s.count {
                guard let next = digit(s[at]) else { return nil }
                value = value &* 10 &+ Int64(next)
                at += 1
            }
            return negative ? -value : value
        }
        // Accumulated as a negative number because Int64.min has no positive counterpart.
        while at < s.count {
            guard let next = digit(s[at]) else { return nil }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (lower, underflow) = scaled.subtractingReportingOverflow(Int64(next))
            if overflow || underflow { return nil }
            value = lower
            at += 1
        }
        if negative { return value }
        return value == .min ? nil : -value
    }

    /// Decimal floats, `NaN`, `Infinity`, `-Infinity` and the short `nan`, `inf`, `-inf`. Nil for a finite text beyond
    /// the range of a `Double`, for hexadecimal and for white space.
    static func double(_ s: Bytes, strict: Bool) -> Double? {
        guard let first = s.first, !strict || s.count <= longestNumber else { return nil }
        var at = 0
        let negative = first == ASCII.minus
        if negative || first == ASCII.plus {
            if !negative, strict { return nil }
            at = 1
        }
        guard at < s.count else { return nil }
        if s[at] > 0x39 { return special(s) }
        let start = at
        var mantissa: UInt64 = 0
        var exponent = 0
        var isExact = true
        var digits = 0
        let room: UInt64 = 100_000_000_000_000_000
        while at < s.count, let next = digit(s[at]) {
            if mantissa < room { mantissa = mantissa * 10 + UInt64(next) } else { isExact = false }
            digits += 1
            at += 1
        }
        if strict, digits > 1, s[start] == ASCII.zero { return nil }
        var isWhole = true
        if at < s.count, s[at] == ASCII.dot {
            isWhole = false
            at += 1
            while at < s.count, let next = digit(s[at]) {
                if mantissa < room {
                    mantissa = mantissa * 10 + UInt64(next)
                    exponent -= 1
                } else {
                    isExact = false
                }
                digits += 1
                at += 1
            }
        }
        guard digits > 0 else { return nil }
        if at < s.count, s[at] | 0x20 == 0x65 {
            isWhole = false
            guard let (value, end) = exponentPart(s, at + 1) else { return nil }
            exponent += value
            at = end
        }
        guard at == s.count else { return nil }
        if strict, isWhole, digits > 15, !fitsExactly(s, from: start) { return nil }
        if isExact, mantissa <= 1 << 53, (-22...22).contains(exponent) {
            // Both operands are exact, so one correctly rounded operation gives the nearest Double (Clinger 1990).
            let value = exponent < 0 ? Double(mantissa) / tens[-exponent] : Double(mantissa) * tens[exponent]
            return negative ? -value : value
        }
        guard let value = Double(String(decoding: s, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }

    static func bool(_ s: Bytes) -> Bool? {
        switch s.count {
        case 4 where equals(s, "true") || equals(s, "True") || equals(s, "TRUE"): true
        case 5 where equals(s, "false") || equals(s, "False") || equals(s, "FALSE"): false
        default: nil
        }
    }

    static func equals(_ s: Bytes, _ text: StaticString) -> Bool {
        text.withUTF8Buffer { $0.count == s.count && $0.elementsEqual(s) }
    }

    private static let tens: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    private static func exponentPart(_ s: Bytes, _ start: Int) -> (value: Int, end: Int)? {
        var at = start
        var isNegative = false
        if at < s.count, s[at] == ASCII.minus || s[at] == ASCII.plus {
            isNegative = s[at] == ASCII.minus
            at += 1
        }
        let first = at
        var value = 0
        while at < s.count, let next = digit(s[at]) {
            if value < 100_000 { value = value * 10 + Int(next) }
            at += 1
        }
        return at > first ? (isNegative ? -value : value, at) : nil
    }

    private static func fitsExactly(_ s: Bytes, from start: Int) -> Bool {
        var value: UInt64 = 0
        for byte in s[start...] {
            let (scaled, over) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) = scaled.addingReportingOverflow(UInt64(byte &- ASCII.zero))
            if over || carry { return false }
            value = next
        }
        return UInt64(exactly: Double(value)) == value
    }

    private static func special(_ s: Bytes) -> Double? {
        if equals(s, "NaN") || equals(s, "nan") { return .nan }
        if equals(s, "Infinity") || equals(s, "inf") { return .infinity }
        if equals(s, "-Infinity") || equals(s, "-inf") { return -.infinity }
        return nil
    }
}

/// `1204` as `1,204`.
func grouped(_ number: Int) -> String {
    var out = ""
    let digits = String(number)
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0, digits.first != "-" || index > 1 { out.append(",") }
        out.append(digit)
    }
    return out
}

/// The start of a cell's text, for an error message; bytes that are not UTF-8 show as replacement characters.
func excerpt(_ s: Bytes) -> String {
    let text = String(decoding: s.prefix(60), as: UTF8.self)
    return s.count > 60 || text.count > 40 ? text.prefix(40) + "…" : text
}
