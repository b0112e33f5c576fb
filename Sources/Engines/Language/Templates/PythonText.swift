/// Python's view of text, over UTF-8: characters are code points, and strings are equal when their bytes are.
///
/// Swift's `String` compares canonical equivalents as equal and counts grapheme clusters, so templates work on bytes.
enum PythonText {
    /// The length in bytes of the white space (`str.isspace`) at `place`; nil when there is none.
    static func space(_ text: ArraySlice<UInt8>, at place: Int) -> Int? {
        guard place < text.endIndex else { return nil }
        let byte = text[place]
        if byte < 0x80 { return byte == 0x20 || 0x09...0x0D ~= byte || 0x1C...0x1F ~= byte ? 1 : nil }
        if byte == 0xC2, place + 1 < text.endIndex {
            return text[place + 1] == 0x85 || text[place + 1] == 0xA0 ? 2 : nil
        }
        guard 0xE1...0xE3 ~= byte, place + 2 < text.endIndex else { return nil }
        let code = UInt32(byte & 0x0F) << 12 | UInt32(text[place + 1] & 0x3F) << 6 | UInt32(text[place + 2] & 0x3F)
        switch code {
        case 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return 3
        default: return nil
        }
    }

    /// The length in bytes of the character at `place`.
    static func width(_ byte: UInt8) -> Int { byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4 }

    static func isASCII(_ text: some Sequence<UInt8>) -> Bool { text.allSatisfy { $0 < 0x80 } }

    static func length(_ text: some Sequence<UInt8>) -> Int {
        text.reduce(0) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 }
    }

    static func scalars(_ text: some Collection<UInt8>) -> [Unicode.Scalar] {
        Array(String(decoding: text, as: UTF8.self).unicodeScalars)
    }

    static func characters(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var characters: [ArraySlice<UInt8>] = []
        var place = text.startIndex
        while place < text.endIndex {
            let end = min(place + width(text[place]), text.endIndex)
            characters.append(text[place..<end])
            place = end
        }
        return characters
    }

    static func bytes(_ scalars: some Sequence<Unicode.Scalar>) -> [UInt8] {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return Array(String(text).utf8)
    }

    // MARK: - Stripping

    /// How many bytes are left when the white space at the end is taken off.
    static func strippedEnd(_ text: ArraySlice<UInt8>) -> Int {
        var end = text.endIndex
        while end > text.startIndex {
            var start = end - 1
            while start > text.startIndex, text[start] & 0xC0 == 0x80 { start -= 1 }
            guard space(text[..<end], at: start) == end - start else { break }
            end = start
        }
        return end - text.startIndex
    }

    static func stripped(_ text: [UInt8], left: Bool, right: Bool, of characters: [UInt8]?) -> [UInt8] {
        var slice = text[...]
        guard let characters else {
            if right { slice = slice.prefix(strippedEnd(slice)) }
            if left { while let width = space(slice, at: slice.startIndex) { slice = slice.dropFirst(width) } }
            return Array(slice)
        }
        let set = Set(PythonText.characters(characters[...]).map(Array.init))
        var parts = PythonText.characters(slice)[...]
        if left { parts = parts.drop { set.contains(Array($0)) } }
        if right { while let last = parts.last, set.contains(Array(last)) { parts.removeLast() } }
        guard let first = parts.first, let last = parts.last else { return [] }
        return Array(text[first.startIndex..<last.endIndex])
    }

    // MARK: - Searching

    static func find(_ needle: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        guard let first = needle.first else { return text.startIndex }
        guard text.count >= needle.count else { return nil }
        return text.withUnsafeBufferPointer { text0 -> Int? in
            let last = text0.count - needle.count
            var place = 0
            while place <= last {
                if text0[place] == first, text0[place..<place + needle.count].elementsEqual(needle) { return place }
                place += 1
            }
            return nil
        }.map { $0 + text.startIndex }
    }

    static func findLast(_ needle: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        guard text.count >= needle.count else { return nil }
        var place = text.endIndex - needle.count
        while place >= text.startIndex {
            if text[place..<place + needle.count].elementsEqual(needle) { return place }
            place -= 1
        }
        return nil
    }

    static func replaced(_ text: [UInt8], _ old: [UInt8], _ new: [UInt8], _ most: Int, _ limit: Int) throws -> [UInt8] {
        var out: [UInt8] = []
        var rest = text[...]
        var left = most < 0 ? Int.max : most
        if old.isEmpty {
            for character in characters(rest) {
                guard left > 0 else { break }
                out += new + character
                rest = rest.dropFirst(character.count)
                left -= 1
                guard out.count <= limit else { throw TemplateFailure.tooLong }
            }
            if left > 0, rest.isEmpty { out += new }
            return out + rest
        }
        while left > 0, let place = find(old, in: rest) {
            out += rest[..<place]
            out += new
            rest = rest[(place + old.count)...]
            left -= 1
            guard out.count <= limit else { throw TemplateFailure.tooLong }
        }
        return out + rest
    }

    // MARK: - Splitting

    static func split(_ text: [UInt8], by separator: [UInt8], most: Int) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var rest = text[...]
        while most < 0 || parts.count < most, let place = find(separator, in: rest) {
            parts.append(rest[..<place])
            rest = rest[(place + separator.count)...]
        }
        return parts + [rest]
    }

    static func splitFromRight(_ text: [UInt8], by separator: [UInt8], most: Int) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var rest = text[...]
        while most < 0 || parts.count < most, let place = findLast(separator, in: rest) {
            parts.append(rest[(place + separator.count)...])
            rest = rest[..<place]
        }
        return (parts + [rest]).reversed()
    }

    static func splitBySpace(_ text: [UInt8], most: Int) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var place = 0
        while place < text.count {
            while let width = space(text[...], at: place) { place += width }
            guard place < text.count else { break }
            if most >= 0, parts.count == most {
                parts.append(text[place..<strippedEnd(text[...])])
                break
            }
            let start = place
            while place < text.count, space(text[...], at: place) == nil { place += width(text[place]) }
            parts.append(text[start..<min(place, text.count)])
        }
        return parts
    }

    static func lines(_ text: [UInt8], keepEnds: Bool = false) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        var place = 0
        while place < text.count {
            guard let width = lineEnd(text, place) else {
                place += 1
                continue
            }
            lines.append(text[start..<(keepEnds ? place + width : place)])
            place += width
            start = place
        }
        if start < text.count { lines.append(text[start...]) }
        return lines
    }

    private static func lineEnd(_ text: [UInt8], _ place: Int) -> Int? {
        switch text[place] {
        case 0x0D: place + 1 < text.count && text[place + 1] == 0x0A ? 2 : 1
        case 0x0A, 0x0B, 0x0C, 0x1C, 0x1D, 0x1E: 1
        case 0xC2: place + 1 < text.count && text[place + 1] == 0x85 ? 2 : nil
        case 0xE2:
            place + 2 < text.count && text[place + 1] == 0x80 && (text[place + 2] == 0xA8 || text[place + 2] == 0xA9)
                ? 3 : nil
        default: nil
        }
    }

    // MARK: - Case

    static func upper(_ text: [UInt8]) -> [UInt8] {
        if isASCII(text) { return text.map { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 ? $0 - 32 : $0 } }
        return scalars(text).flatMap { Array($0.properties.uppercaseMapping.utf8) }
    }

    static func lower(_ text: [UInt8]) -> [UInt8] {
        if isASCII(text) { return text.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 + 32 : $0 } }
        return scalars(text).flatMap { Array($0.properties.lowercaseMapping.utf8) }
    }

    static func capitalized(_ text: [UInt8]) -> [UInt8] {
        guard let first = text.first else { return [] }
        let cut = min(width(first), text.count)
        let head = scalars(text[..<cut]).flatMap { Array($0.properties.titlecaseMapping.utf8) }
        return head + lower(Array(text[cut...]))
    }

    /// `str.title`: a letter after anything else than a letter is large, others are small.
    static func titled(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var afterLetter = false
        for scalar in scalars(text) {
            let properties = scalar.properties
            out += Array((afterLetter ? properties.lowercaseMapping : properties.titlecaseMapping).utf8)
            afterLetter = properties.isCased
        }
        return out
    }

    static func swapped(_ text: [UInt8]) -> [UInt8] {
        scalars(text).flatMap { scalar -> [UInt8] in
            let properties = scalar.properties
            return Array((properties.isUppercase ? properties.lowercaseMapping : properties.uppercaseMapping).utf8)
        }
    }

    // MARK: - Kinds of characters

    static func all(_ text: [UInt8], _ test: (Unicode.Scalar.Properties) -> Bool) -> Bool {
        !text.isEmpty && scalars(text).allSatisfy { test($0.properties) }
    }

    static func isAlpha(_ properties: Unicode.Scalar.Properties) -> Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    static func isDigit(_ properties: Unicode.Scalar.Properties) -> Bool {
        properties.numericType == .decimal || properties.numericType == .digit
    }

    static func isCase(_ text: [UInt8], upper: Bool) -> Bool {
        var found = false
        for scalar in scalars(text) {
            let properties = scalar.properties
            if upper ? properties.isLowercase : properties.isUppercase { return false }
            if upper ? properties.isUppercase : properties.isLowercase { found = true }
            if properties.generalCategory == .titlecaseLetter { return false }
        }
        return found
    }

    // MARK: - Numbers and quotes

    /// `repr(float)`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
    static func text(_ number: Double) -> String {
        guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
        guard number != 0 else { return number.sign == .minus ? "-0.0" : "0.0" }
        let parts = abs(number).description.split(separator: "e")
        var digits = Array(parts[0].utf8).filter { $0 != UInt8(ascii: ".") }
        // The value is 0.DIGITS × 10^point.
        var point =
            (parts[0].firstIndex(of: ".").map { parts[0].utf8.distance(from: parts[0].startIndex, to: $0) }
                ?? parts[0].utf8.count) + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.count > 1, digits[0] == 0x30 {
            digits.removeFirst()
            point -= 1
        }
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        let text = String(decoding: digits, as: UTF8.self)
        let sign = number < 0 ? "-" : ""
        if point > 16 || point < -3 {
            let exponent = point - 1
            let size = String(abs(exponent))
            return sign + text.prefix(1) + (digits.count > 1 ? "." + text.dropFirst() : "")
                + (exponent < 0 ? "e-" : "e+") + (size.count < 2 ? "0" : "") + size
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + text }
        if point >= digits.count { return sign + text + String(repeating: "0", count: point - digits.count) + ".0" }
        return sign + text.prefix(point) + "." + text.dropFirst(point)
    }

    /// `repr(str)`.
    static func quoted(_ text: [UInt8]) -> [UInt8] {
        let quote =
            text.contains(UInt8(ascii: "'")) && !text.contains(UInt8(ascii: "\""))
            ? UInt8(ascii: "\"") : UInt8(ascii: "'")
        var out = [quote]
        for scalar in scalars(text) {
            switch scalar {
            case "\\": out += "\\\\".utf8
            case "\n": out += "\\n".utf8
            case "\r": out += "\\r".utf8
            case "\t": out += "\\t".utf8
            case _ where scalar.value == UInt32(quote): out += [UInt8(ascii: "\\"), quote]
            case _ where isPrintable(scalar): out += Array(String(Character(scalar)).utf8)
            default:
                let (mark, digits) =
                    scalar.value < 0x100 ? ("\\x", 2) : scalar.value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
                let hex = String(scalar.value, radix: 16)
                out += (mark + String(repeating: "0", count: digits - hex.count) + hex).utf8
            }
        }
        return out + [quote]
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if 0x20..<0x7F ~= scalar.value { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }
}

extension TemplateFailure {
    static let tooLong = TemplateFailure(
        kind: .limit, message: "the template makes a text of more than \(ChatTemplate.mostBytes >> 20) MiB",
        position: nil)
}
