/// What tokenizers ask about a Unicode scalar, from the Unicode version of the Swift runtime.
///
/// Reference tokenizers carry tables of their own versions. They differ only in characters younger than the older
/// table, which no vocabulary in use was trained on.
struct ScalarClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// `\p{L}`
    static let letter = ScalarClass(rawValue: 1)
    /// `\p{N}`
    static let number = ScalarClass(rawValue: 2)
    /// `\s`, the property White_Space
    static let space = ScalarClass(rawValue: 4)
    /// `\p{M}`
    static let mark = ScalarClass(rawValue: 8)
    /// `\p{P}`
    static let punctuation = ScalarClass(rawValue: 16)
    /// `\p{Cc}`, `\p{Cf}`, `\p{Co}`
    static let control = ScalarClass(rawValue: 32)
    /// `\p{Mn}`
    static let nonspacingMark = ScalarClass(rawValue: 64)

    static let word: ScalarClass = [.letter, .number, .space]

    @inline(__always)
    static func of(_ scalar: UInt32, _ table: Table) -> ScalarClass {
        // Scalars come out of `decodeScalar`, which gives none past the last one.
        ScalarClass(rawValue: table.classes[Int(table.pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)])
    }

    /// The classes of all scalars in pages of 256, of which equal ones are kept once.
    struct Table: Sendable {
        fileprivate var pages: [UInt16] = []
        fileprivate var classes: [UInt8] = []

        static let shared = Table()

        private init() {
            var known: [[UInt8]: UInt16] = [:]
            for page in UInt32(0)..<0x1100 {
                let content = Self.page(page)
                if let index = known[content] {
                    pages.append(index)
                } else {
                    let index = UInt16(known.count)
                    known[content] = index
                    pages.append(index)
                    classes += content
                }
            }
        }

        private static func page(_ page: UInt32) -> [UInt8] {
            // Asking the runtime costs 60 ns a scalar. These ranges are fixed by Unicode's stability policy.
            switch page {
            case 0x34...0x4C, 0x4E...0x9E, 0xAC...0xD6, 0x200...0x2A5: [UInt8](repeating: letter.rawValue, count: 256)
            case 0xE0...0xF8: [UInt8](repeating: control.rawValue, count: 256)
            case 0x400...0xDFF, 0xE02...0xEFF: [UInt8](repeating: 0, count: 256)
            default: (page << 8...page << 8 | 0xFF).map { Unicode.Scalar($0).map(classOf)?.rawValue ?? 0 }
            }
        }
    }

    private static func classOf(_ scalar: Unicode.Scalar) -> ScalarClass {
        let properties = scalar.properties
        let space: ScalarClass = properties.isWhitespace ? .space : []
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        case .nonspacingMark: return [.mark, .nonspacingMark]
        case .spacingMark, .enclosingMark: return .mark
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return .punctuation
        case .control, .format, .privateUse: return space.union(.control)
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: return space
        case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol, .surrogate, .unassigned: return []
        @unknown default: return []
        }
    }
}

/// The scalar that begins at `index` and its length in bytes. A byte that begins none counts as U+FFFD of length 1.
@inline(__always)
func decodeScalar(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (scalar: UInt32, length: Int) {
    let first = UInt32(text[index])
    if first < 0x80 { return (first, 1) }
    return decodeLongScalar(text, at: index)
}

private func decodeLongScalar(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (scalar: UInt32, length: Int) {
    func follower(_ offset: Int) -> UInt32? {
        guard index + offset < text.count, text[index + offset] & 0xC0 == 0x80 else { return nil }
        return UInt32(text[index + offset] & 0x3F)
    }
    let first = UInt32(text[index])
    switch first {
    case 0xC2...0xDF:
        if let second = follower(1) { return ((first & 0x1F) << 6 | second, 2) }
    case 0xE0...0xEF:
        if let second = follower(1), let third = follower(2) {
            let scalar = (first & 0x0F) << 12 | second << 6 | third
            if scalar >= 0x800, !(0xD800...0xDFFF).contains(scalar) { return (scalar, 3) }
        }
    case 0xF0...0xF4:
        if let second = follower(1), let third = follower(2), let fourth = follower(3) {
            let scalar = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
            if (0x10000...0x10FFFF).contains(scalar) { return (scalar, 4) }
        }
    default: break
    }
    return (0xFFFD, 1)
}
