/// Where something stands in a template.
struct TemplatePosition: Sendable, Hashable {
    var line = 1
    var column = 1
}

/// What goes wrong in a template, before it becomes a `NestboxError`.
struct TemplateFailure: Error {
    enum Kind: Sendable {
        /// The template is not Jinja, or not of the part of it that chat templates use.
        case syntax
        /// An operation that Python or Jinja refuses.
        case runtime
        /// `raise_exception`: the template refuses the conversation.
        case raised
        /// A limit of this renderer.
        case limit
    }

    var kind: Kind
    var message: String
    var position: TemplatePosition?
}

struct TemplateToken: Sendable {
    enum Kind: Sendable, Equatable {
        case data([UInt8])
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string([UInt8])
        case int(Int64)
        case double(Double)
        case sign(String)
        case end
    }

    var kind: Kind
    var at: TemplatePosition
}

/// Cuts a template into tokens by the rules of Jinja 3.1's lexer with `trim_blocks` and `lstrip_blocks`.
struct TemplateLexer {
    private let source: [UInt8]
    private var at = 0
    private var position = TemplatePosition()
    private var tokens: [TemplateToken] = []
    /// Whether the last piece ended with a newline, so that what follows begins a line.
    private var startsLine = true
    private var open: [UInt8] = []

    static func tokens(of text: String) throws -> [TemplateToken] {
        var lexer = TemplateLexer(text)
        try lexer.template()
        lexer.add(.end)
        return lexer.tokens
    }

    private init(_ text: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var afterReturn = false
        for byte in text.utf8 {
            if byte == 0x0D { bytes.append(0x0A) } else if byte != 0x0A || !afterReturn { bytes.append(byte) }
            afterReturn = byte == 0x0D
        }
        if bytes.last == 0x0A { bytes.removeLast() }
        source = bytes
    }

    private func failure(_ message: String) -> TemplateFailure {
        TemplateFailure(kind: .syntax, message: message, position: position)
    }

    private mutating func add(_ kind: TemplateToken.Kind) {
        tokens.append(TemplateToken(kind: kind, at: position))
    }

    /// Goes on to `end`, counting lines and columns.
    private mutating func advance(to end: Int) {
        for byte in source[at..<end] {
            if byte == 0x0A {
                position.line += 1
                position.column = 1
            } else if byte & 0xC0 != 0x80 {
                position.column += 1
            }
        }
        if end > at { startsLine = source[end - 1] == 0x0A }
        at = end
    }

    private func has(_ text: StaticString, at place: Int) -> Bool {
        let end = place + text.utf8CodeUnitCount
        return end <= source.count && text.withUTF8Buffer { $0.elementsEqual(source[place..<end]) }
    }

    private func skippingSpace(from place: Int) -> Int {
        var place = place
        while let space = PythonText.space(source[...], at: place) { place += space }
        return place
    }

    // MARK: - Text between tags

    private mutating func template() throws {
        while at < source.count {
            var start = at
            while start < source.count,
                source[start] != UInt8(ascii: "{") || start + 1 == source.count
                    || !"{%#".utf8.contains(source[start + 1])
            {
                start += 1
            }
            guard start < source.count else { return data(source.count, "+") }
            let sign = start + 2 < source.count ? source[start + 2] : 0
            let kind = source[start + 1]
            let control = sign == UInt8(ascii: "-") ? "-" : sign == UInt8(ascii: "+") ? "+" : ""
            data(start, kind == UInt8(ascii: "{") && control != "-" ? "+" : control)
            let inside = start + 2 + (control.isEmpty ? 0 : 1)
            switch kind {
            case UInt8(ascii: "{"):
                add(.variableBegin)
                advance(to: inside)
                try expression(isBlock: false)
            case UInt8(ascii: "#"): try comment(inside)
            default:
                if let body = rawBegin(inside) {
                    try raw(body)
                } else {
                    add(.blockBegin)
                    advance(to: inside)
                    try expression(isBlock: true)
                }
            }
        }
    }

    /// Adds the text up to `end`; the tag there may take spaces off its end.
    private mutating func data(_ end: Int, _ control: String) {
        var stop = end
        if control == "-" {
            stop = at + PythonText.strippedEnd(source[at..<end])
        } else if control.isEmpty {
            let line = source[at..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? at
            if line > at || startsLine, line < end, PythonText.strippedEnd(source[line..<end]) == 0 { stop = line }
        }
        if stop > at { add(.data(Array(source[at..<stop]))) }
        advance(to: end)
    }

    private mutating func comment(_ inside: Int) throws {
        var end = inside
        while end < source.count, !has("#}", at: end) { end += 1 }
        guard end < source.count else { throw failure("this comment has no end: expected `#}`") }
        let sign = end > inside ? source[end - 1] : 0
        advance(to: afterTag(end + 2, sign))
    }

    /// Where the text goes on after a block's or comment's end at `end`, whose sign is `sign`.
    private func afterTag(_ end: Int, _ sign: UInt8) -> Int {
        if sign == UInt8(ascii: "-") { return skippingSpace(from: end) }
        return sign != UInt8(ascii: "+") && end < source.count && source[end] == 0x0A ? end + 1 : end
    }

    private func rawBegin(_ inside: Int) -> Int? {
        let word = skippingSpace(from: inside)
        guard has("raw", at: word) else { return nil }
        let end = skippingSpace(from: word + 3)
        if has("-%}", at: end) { return skippingSpace(from: end + 3) }
        return has("%}", at: end) ? end + 2 : nil
    }

    private mutating func raw(_ body: Int) throws {
        let opening = position
        advance(to: body)
        var start = body
        while start < source.count {
            defer { start += 1 }
            guard has("{%", at: start) else { continue }
            let sign = start + 2 < source.count ? source[start + 2] : 0
            let signed = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
            let word = skippingSpace(from: start + (signed ? 3 : 2))
            guard has("endraw", at: word) else { continue }
            let end = skippingSpace(from: word + 6)
            let closing = end < source.count ? source[end] : 0
            let closingSigned = closing == UInt8(ascii: "-") || closing == UInt8(ascii: "+")
            guard has("%}", at: closingSigned ? end + 1 : end) else { continue }
            data(start, signed ? (sign == UInt8(ascii: "-") ? "-" : "+") : "")
            return advance(to: afterTag(end + (closingSigned ? 3 : 2), closing))
        }
        position = opening
        throw failure("`raw` has no end: expected `{% endraw %}`")
    }

    // MARK: - Inside tags

    private mutating func expression(isBlock: Bool) throws {
        open = []
        while true {
            advance(to: skippingSpace(from: at))
            guard at < source.count else { throw failure("the template ends inside a tag") }
            if open.isEmpty, let end = tagEnd(isBlock) {
                add(isBlock ? .blockEnd : .variableEnd)
                return advance(to: end)
            }
            try token()
        }
    }

    private func tagEnd(_ isBlock: Bool) -> Int? {
        let sign = source[at]
        let signed = sign == UInt8(ascii: "-") || isBlock && sign == UInt8(ascii: "+")
        let end = signed ? at + 1 : at
        guard isBlock ? has("%}", at: end) : has("}}", at: end) else { return nil }
        if isBlock { return afterTag(end + 2, signed ? sign : 0) }
        return signed ? skippingSpace(from: end + 2) : end + 2
    }

    private mutating func token() throws {
        let byte = source[at]
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), 0x80...:
            var end = at + 1
            while end < source.count, isNamePart(source[end]) { end += 1 }
            add(.name(String(decoding: source[at..<end], as: UTF8.self)))
            advance(to: end)
        case UInt8(ascii: "'"), UInt8(ascii: "\""): try string(byte)
        default: try sign()
        }
    }

    private func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
            true
        // A no-break space is no letter.
        default: byte >= 0x80
        }
    }

    private static let signs = [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".",
        ":", "|", ",", ";",
    ]

    private mutating func sign() throws {
        let rest = source[at..<min(at + 2, source.count)]
        guard let sign = Self.signs.first(where: { rest.starts(with: $0.utf8) }) else {
            throw failure("unexpected character `\(String(decoding: rest, as: UTF8.self).prefix(1))`")
        }
        switch sign {
        case "(": open.append(UInt8(ascii: ")"))
        case "[": open.append(UInt8(ascii: "]"))
        case "{": open.append(UInt8(ascii: "}"))
        case ")", "]", "}":
            guard let expected = open.popLast() else { throw failure("unexpected `\(sign)`") }
            guard expected == source[at] else {
                throw failure("unexpected `\(sign)`, expected `\(Character(Unicode.Scalar(expected)))`")
            }
        default: break
        }
        add(.sign(sign))
        advance(to: at + sign.utf8.count)
    }

    private func digits(from place: Int, _ isDigit: (UInt8) -> Bool) -> Int {
        var end = place
        while end < source.count {
            if isDigit(source[end]) {
                end += 1
            } else if source[end] == UInt8(ascii: "_"), end > place, end + 1 < source.count, isDigit(source[end + 1]) {
                end += 2
            } else {
                break
            }
        }
        return end
    }

    private mutating func number() throws {
        let decimal = { (byte: UInt8) in byte &- 0x30 < 10 }
        let whole = digits(from: at, decimal)
        var end = whole
        var isFloat = false
        if at == 0 || source[at - 1] != UInt8(ascii: ".") {
            if end < source.count, source[end] == UInt8(ascii: "."), digits(from: end + 1, decimal) > end + 1 {
                end = digits(from: end + 1, decimal)
                isFloat = true
            }
            if end < source.count, source[end] | 0x20 == UInt8(ascii: "e") {
                var exponent = end + 1
                if exponent < source.count,
                    source[exponent] == UInt8(ascii: "+") || source[exponent] == UInt8(ascii: "-")
                {
                    exponent += 1
                }
                if digits(from: exponent, decimal) > exponent {
                    end = digits(from: exponent, decimal)
                    isFloat = true
                }
            }
        }
        if isFloat {
            let text = String(decoding: source[at..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
            add(.double(Double(text) ?? .infinity))
            return advance(to: end)
        }
        try integer(whole)
    }

    private mutating func integer(_ whole: Int) throws {
        var radix = 10
        var start = at
        var end = whole
        if source[at] == 0x30 {
            let mark = at + 1 < source.count ? source[at + 1] | 0x20 : 0
            radix = mark == UInt8(ascii: "x") ? 16 : mark == UInt8(ascii: "o") ? 8 : mark == UInt8(ascii: "b") ? 2 : 10
            let isDigit = { (byte: UInt8) in (Character(Unicode.Scalar(byte)).hexDigitValue ?? 99) < radix }
            if radix != 10, digits(from: at + 2, isDigit) > at + 2 {
                start = at + 2
                end = digits(from: start, isDigit)
            } else {
                radix = 10
                end = digits(from: at) { $0 == 0x30 }
            }
        }
        let text = String(decoding: source[start..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        guard let value = Int64(text, radix: radix) else {
            throw failure("the number `\(text)` needs more than 64 bits")
        }
        add(.int(value))
        advance(to: end)
    }

    private mutating func string(_ quote: UInt8) throws {
        var end = at + 1
        while end < source.count, source[end] != quote { end += source[end] == UInt8(ascii: "\\") ? 2 : 1 }
        guard end < source.count else { throw failure("this string has no end") }
        add(.string(try unescaped(source[at + 1..<end])))
        advance(to: end + 1)
    }

    private func unescaped(_ text: ArraySlice<UInt8>) throws -> [UInt8] {
        guard text.contains(UInt8(ascii: "\\")) else { return Array(text) }
        var out: [UInt8] = []
        var place = text.startIndex
        while place < text.endIndex {
            let byte = text[place]
            place += 1
            guard byte == UInt8(ascii: "\\"), place < text.endIndex else {
                out.append(byte)
                continue
            }
            let escape = text[place]
            place += 1
            switch escape {
            case 0x0A: break
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): out.append(escape)
            case UInt8(ascii: "a"): out.append(0x07)
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0C)
            case UInt8(ascii: "n"): out.append(0x0A)
            case UInt8(ascii: "r"): out.append(0x0D)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "v"): out.append(0x0B)
            case UInt8(ascii: "x"): try scalar(text, &place, 2, 16, &out)
            case UInt8(ascii: "u"): try scalar(text, &place, 4, 16, &out)
            case UInt8(ascii: "U"): try scalar(text, &place, 8, 16, &out)
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                place -= 1
                var count = 1
                while count < 3, place + count < text.endIndex, text[place + count] &- 0x30 < 8 { count += 1 }
                try scalar(text, &place, count, 8, &out)
            case UInt8(ascii: "N"): throw failure("the escape \\N{…} is not supported: write the character itself")
            default: out += [byte, escape]
            }
        }
        return out
    }

    private func scalar(
        _ text: ArraySlice<UInt8>, _ place: inout Int, _ count: Int, _ radix: Int, _ out: inout [UInt8]
    ) throws {
        let digits = text[place..<min(place + count, text.endIndex)]
        guard digits.count == count, let code = UInt32(String(decoding: digits, as: UTF8.self), radix: radix),
            let scalar = Unicode.Scalar(code)
        else { throw failure("a string has an escape that is no character") }
        out += Array(String(Character(scalar)).utf8)
        place += count
    }
}
