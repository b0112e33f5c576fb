/// Reads the regular expressions of `pattern` (ECMA-262, as JSON Schema asks) into automata: characters, classes, groups,
/// alternatives, quantifiers, and anchors at the ends. What looks around or back is refused.
struct PatternParser {
    struct Failure: Error {
        var message: String
    }

    private var pattern: [Unicode.Scalar]
    private var at = 0
    private var builder = AutomatonBuilder()
    private var depth = 0

    static let any: ClosedRange<UInt32> = 0...0x10FFFF
    private static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
    private static let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
    private static let space: [ClosedRange<UInt32>] = [
        0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
        0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ]

    /// The automaton of the texts in which the pattern is found; nil when there are none.
    static func automaton(_ pattern: String) throws -> Automaton? {
        var parser = PatternParser(pattern: Array(pattern.unicodeScalars))
        let piece = try parser.search()
        return try parser.builder.automaton(piece)
    }

    private init(pattern: [Unicode.Scalar]) { self.pattern = pattern }

    private func failure(_ message: String) -> Failure { Failure(message: "\(message) at character \(at)") }

    private var current: Unicode.Scalar? { at < pattern.count ? pattern[at] : nil }

    private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard current == scalar else { return false }
        at += 1
        return true
    }

    /// A pattern is searched for: what it does not anchor may stand inside anything.
    private mutating func search() throws -> AutomatonBuilder.Piece {
        var branches: [AutomatonBuilder.Piece] = []
        repeat {
            let startsAtStart = skip("^")
            while skip("^") {}
            var piece = try sequence()
            let endsAtEnd = skip("$")
            while skip("$") {}
            guard current == nil || current == "|" else {
                throw failure(
                    current == ")" ? "unexpected `)`" : "an anchor is only supported at the ends of a pattern")
            }
            if !startsAtStart { piece = try builder.sequence(try anything(), piece) }
            if !endsAtEnd { piece = try builder.sequence(piece, try anything()) }
            branches.append(piece)
        } while skip("|")
        return branches.count == 1 ? branches[0] : try builder.either(branches)
    }

    private mutating func anything() throws -> AutomatonBuilder.Piece {
        try builder.repeated(try builder.set([Self.any]))
    }

    private mutating func alternatives() throws -> AutomatonBuilder.Piece {
        var branches: [AutomatonBuilder.Piece] = []
        repeat { branches.append(try sequence()) } while skip("|")
        return branches.count == 1 ? branches[0] : try builder.either(branches)
    }

    private mutating func sequence() throws -> AutomatonBuilder.Piece {
        var piece = try builder.empty()
        while let scalar = current, scalar != "|", scalar != ")", scalar != "$", scalar != "^" {
            piece = try builder.sequence(piece, try quantified())
        }
        return piece
    }

    private mutating func quantified() throws -> AutomatonBuilder.Piece {
        let start = at
        let first = try atom()
        let end = at
        guard let (least, most) = try quantifier() else { return first }
        _ = skip("?")
        let after = at
        // Each repetition is a copy of its own: the atom is read again.
        var copies = 0
        let copy = { (parser: inout PatternParser) throws -> AutomatonBuilder.Piece in
            copies += 1
            if copies == 1 { return first }
            parser.at = start
            let piece = try parser.atom()
            guard parser.at == end else { throw parser.failure("a repetition cannot be read") }
            return piece
        }
        var piece = try builder.empty()
        for _ in 0..<least { piece = try builder.sequence(piece, try copy(&self)) }
        if let most {
            var optional: AutomatonBuilder.Piece?
            for _ in least..<most {
                var next = try copy(&self)
                if let optional { next = try builder.sequence(next, optional) }
                optional = try builder.optional(next)
            }
            if let optional { piece = try builder.sequence(piece, optional) }
        } else {
            piece = try builder.sequence(piece, try builder.repeated(try copy(&self)))
        }
        at = after
        return piece
    }

    /// How often an atom may come: nil without a quantifier.
    private mutating func quantifier() throws -> (least: Int, most: Int?)? {
        if skip("*") { return (0, nil) }
        if skip("+") { return (1, nil) }
        if skip("?") { return (0, 1) }
        guard current == "{" else { return nil }
        let start = at
        at += 1
        guard let least = try number() else {
            // A brace that begins no quantifier stands for itself.
            at = start
            return nil
        }
        var most: Int? = least
        if skip(",") { most = try number() }
        guard skip("}"), most ?? least >= least else { throw failure("a quantifier is not well-formed") }
        return (least, most)
    }

    private mutating func number() throws -> Int? {
        var number: Int?
        while let scalar = current, "0"..."9" ~= scalar {
            number = (number ?? 0) * 10 + Int(scalar.value - 0x30)
            guard number ?? 0 <= 10_000 else { throw failure("a quantifier is larger than 10000") }
            at += 1
        }
        return number
    }

    private mutating func atom() throws -> AutomatonBuilder.Piece {
        guard let scalar = current else { throw failure("the pattern ends too early") }
        switch scalar {
        case "(":
            guard depth < 50 else { throw failure("groups are nested too deep") }
            depth += 1
            defer { depth -= 1 }
            at += 1
            if skip("?") {
                // A name changes nothing, looking around does.
                if skip("<"), let next = current, next != "=", next != "!" {
                    while let next = current, next != ">" { at += next == ">" ? 0 : 1 }
                    guard skip(">") else { throw failure("a group's name has no end") }
                } else {
                    guard skip(":") else { throw failure("looking ahead or behind is not supported") }
                }
            }
            let piece = try alternatives()
            guard skip(")") else {
                throw failure(
                    current == nil ? "a group has no end" : "an anchor is only supported at the ends of a pattern")
            }
            return piece
        case "[":
            at += 1
            return try builder.set(try characterClass())
        case ".":
            at += 1
            return try builder.set(Self.inverted([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029]))
        case "\\":
            at += 1
            return try builder.set(try escape(inClass: false))
        case "*", "+", "?": throw failure("nothing to repeat")
        default:
            at += 1
            return try builder.set([scalar.value...scalar.value])
        }
    }

    private mutating func characterClass() throws -> [ClosedRange<UInt32>] {
        let isInverted = skip("^")
        var ranges: [ClosedRange<UInt32>] = []
        while let scalar = current, scalar != "]" {
            let low = try classAtom()
            if current == "-", at + 1 < pattern.count, pattern[at + 1] != "]" {
                at += 1
                let high = try classAtom()
                guard low.count == 1, high.count == 1, low[0].count == 1, high[0].count == 1,
                    low[0].lowerBound <= high[0].lowerBound
                else { throw failure("a range of characters is the wrong way round") }
                ranges.append(low[0].lowerBound...high[0].lowerBound)
            } else {
                ranges += low
            }
        }
        guard skip("]") else { throw failure("a class of characters has no end") }
        return isInverted ? Self.inverted(ranges) : ranges
    }

    private mutating func classAtom() throws -> [ClosedRange<UInt32>] {
        guard let scalar = current else { throw failure("a class of characters has no end") }
        at += 1
        return scalar == "\\" ? try escape(inClass: true) : [scalar.value...scalar.value]
    }

    private mutating func escape(inClass: Bool) throws -> [ClosedRange<UInt32>] {
        guard let scalar = current else { throw failure("the pattern ends inside an escape") }
        at += 1
        let one = { (code: UInt32) in [code...code] }
        switch scalar {
        case "d": return Self.digits
        case "D": return Self.inverted(Self.digits)
        case "w": return Self.word
        case "W": return Self.inverted(Self.word)
        case "s": return Self.space
        case "S": return Self.inverted(Self.space)
        case "n": return one(0x0A)
        case "r": return one(0x0D)
        case "t": return one(0x09)
        case "v": return one(0x0B)
        case "f": return one(0x0C)
        case "0" where !("0"..."9" ~= (current ?? "x")): return one(0)
        case "b" where inClass: return one(0x08)
        case "x": return one(try hex(2))
        case "u":
            if skip("{") {
                let start = at
                while current != nil, current != "}" { at += 1 }
                let digits = String(String.UnicodeScalarView(pattern[start..<at]))
                guard skip("}"), let code = UInt32(digits, radix: 16), code <= 0x10FFFF else {
                    throw failure("an escape is no character")
                }
                return one(code)
            }
            return one(try hex(4))
        case "b", "B", "k", "p", "P", "c", "1"..."9": throw failure("the escape `\\\(scalar)` is not supported")
        default:
            guard !scalar.properties.isAlphabetic else { throw failure("the escape `\\\(scalar)` is not supported") }
            return one(scalar.value)
        }
    }

    private mutating func hex(_ count: Int) throws -> UInt32 {
        let digits = String(String.UnicodeScalarView(pattern[at..<min(at + count, pattern.count)]))
        guard digits.unicodeScalars.count == count, let code = UInt32(digits, radix: 16), Unicode.Scalar(code) != nil
        else {
            throw failure("an escape is no character")
        }
        at += count
        return code
    }

    static func inverted(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = max(next, range.upperBound + 1)
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return result
    }
}
