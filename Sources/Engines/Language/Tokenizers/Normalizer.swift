import Foundation

/// A step that changes a text before it is cut into words.
enum Normalizer: Sendable, Equatable {
    case nfc, nfd, nfkc, nfkd
    case lowercase
    /// Drops what Unicode counts as marks.
    case stripAccents
    case strip(left: Bool, right: Bool)
    case prepend([UInt8])
    case replace([UInt8], with: [UInt8])
    /// Two or more spaces become `with`.
    case replaceSpaces(with: [UInt8])
    /// SentencePiece's rules, compiled.
    case map(CharacterMap)
    /// SentencePiece's white space: none at the ends, and one of several.
    case removeExtraSpaces
    case bert(cleanText: Bool, spaceChinese: Bool, stripAccents: Bool, lowercase: Bool)

    func apply(_ text: inout [UInt8]) {
        switch self {
        case .nfc: composed(&text) { $0.precomposedStringWithCanonicalMapping }
        case .nfd: composed(&text) { $0.decomposedStringWithCanonicalMapping }
        case .nfkc: composed(&text) { $0.precomposedStringWithCompatibilityMapping }
        case .nfkd: composed(&text) { $0.decomposedStringWithCompatibilityMapping }
        case .lowercase: Self.lowercase(&text)
        case .stripAccents: Self.drop(.mark, from: &text)
        case .strip(let left, let right): Self.strip(&text, left, right)
        case .prepend(let prefix): if !text.isEmpty { text = prefix + text }
        case .replace(let pattern, let replacement): text = Self.replace(text, pattern, replacement)
        case .replaceSpaces(let replacement): text = Self.replaceSpaces(text, replacement)
        case .map(let map): text = map.apply(text)
        case .removeExtraSpaces:
            text = Self.replaceSpaces(text, [0x20])
            if text.first == 0x20 { text.removeFirst() }
            // A literal U+2581 at the end goes too: by then the reference has made one of every space.
            let escaped = Array("▁".utf8)
            while text.last == 0x20 || text.suffix(3).elementsEqual(escaped) {
                text.removeLast(text.last == 0x20 ? 1 : escaped.count)
            }
        case .bert(let cleanText, let spaceChinese, let stripAccents, let lowercase):
            if cleanText || spaceChinese { text = Self.clean(text, cleanText, spaceChinese) }
            if stripAccents, !Self.isASCII(text) {
                Normalizer.nfd.apply(&text)
                Self.drop(.nonspacingMark, from: &text)
            }
            if lowercase { Self.lowercase(&text) }
        }
    }

    private static func isASCII(_ text: [UInt8]) -> Bool { text.allSatisfy { $0 < 0x80 } }

    private func composed(_ text: inout [UInt8], _ map: (String) -> String) {
        // ASCII is normal in all four forms.
        if !Self.isASCII(text) { text = Array(map(String(decoding: text, as: UTF8.self)).utf8) }
    }

    /// Each scalar by itself, as the reference does it: a final sigma is not looked for.
    private static func lowercase(_ text: inout [UInt8]) {
        if isASCII(text) {
            for index in text.indices where (0x41...0x5A).contains(text[index]) { text[index] |= 0x20 }
            return
        }
        text = mapScalars(text) { scalar, bytes, result in
            if scalar < 0x80 {
                result.append((0x41...0x5A).contains(scalar) ? UInt8(scalar) | 0x20 : UInt8(scalar))
            } else if let properties = Unicode.Scalar(scalar)?.properties, properties.changesWhenLowercased {
                result += Array(properties.lowercaseMapping.utf8)
            } else {
                result += bytes
            }
        }
    }

    private static func drop(_ kind: ScalarClass, from text: inout [UInt8]) {
        if isASCII(text) { return }
        let table = ScalarClass.Table.shared
        text = mapScalars(text) { scalar, bytes, result in
            if scalar < 0x80 || ScalarClass.of(scalar, table).isDisjoint(with: kind) { result += bytes }
        }
    }

    private static func clean(_ text: [UInt8], _ cleanText: Bool, _ spaceChinese: Bool) -> [UInt8] {
        let table = ScalarClass.Table.shared
        return mapScalars(text) { scalar, bytes, result in
            if cleanText {
                let kind = ScalarClass.of(scalar, table)
                let isBlank = scalar == 0x09 || scalar == 0x0A || scalar == 0x0D
                if !isBlank, scalar == 0 || scalar == 0xFFFD || kind.contains(.control) { return }
                if isBlank || kind.contains(.space) {
                    result.append(0x20)
                    return
                }
            }
            guard spaceChinese, scalar >= 0x3400, isChinese(scalar) else {
                result += bytes
                return
            }
            result.append(0x20)
            result += bytes
            result.append(0x20)
        }
    }

    /// The blocks of ideographs that BERT puts spaces around. U+2B820 to U+2B91F are missing in the reference too.
    private static func isChinese(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    private static func strip(_ text: inout [UInt8], _ left: Bool, _ right: Bool) {
        let table = ScalarClass.Table.shared
        let range = text.withUnsafeBufferPointer { text in
            var (start, end) = (0, text.count)
            while left, start < end {
                let (scalar, length) = decodeScalar(text, at: start)
                guard ScalarClass.of(scalar, table).contains(.space) else { break }
                start += length
            }
            while right, end > start {
                let last = startOfScalar(text, before: end)
                guard ScalarClass.of(decodeScalar(text, at: last).scalar, table).contains(.space) else { break }
                end = last
            }
            return start..<end
        }
        text = Array(text[range])
    }

    static func replace(_ text: [UInt8], _ pattern: [UInt8], _ replacement: [UInt8]) -> [UInt8] {
        guard let first = pattern.first, text.contains(first) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 2)
        var index = 0
        while index < text.count {
            if text[index] == first, text[index...].starts(with: pattern) {
                result += replacement
                index += pattern.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    private static func replaceSpaces(_ text: [UInt8], _ replacement: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            var end = index
            while end < text.count, text[end] == 0x20 { end += 1 }
            if end - index > 1 {
                result += replacement
                index = end
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    /// What `body` appends for each scalar. Bytes that are no text come as U+FFFD.
    static func mapScalars(
        _ text: [UInt8], _ body: (UInt32, UnsafeBufferPointer<UInt8>, inout [UInt8]) -> Void
    ) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 16)
        text.withUnsafeBufferPointer { text in
            var index = 0
            while index < text.count {
                let (scalar, length) = decodeScalar(text, at: index)
                body(scalar, text[slice: index..<index + length], &result)
                index += length
            }
        }
        return result
    }
}
