import Core
import Foundation

/// The members of a `tokenizer.json`. Vocabulary and merges are read straight from the bytes: as a dictionary their keys
/// would be compared as Swift compares strings, by which canonically equivalent tokens are one, and it would take five
/// times as long.
struct TokenizerJSON {
    var members: [String: JSONValue] = [:]
    /// The members of `model` but for its vocabulary and merges.
    var model: [String: JSONValue] = [:]
    var tokens = ByteStrings()
    /// The id of each token, or its place in the list.
    var ids: [Int64] = []
    /// Scores, where the vocabulary is a list.
    var scores: [Double] = []
    var isScored = false
    /// The left and the right part of each merge, in turn.
    var merges = ByteStrings()

    static let deepest = 64

    init(_ data: Data, what: String) throws {
        self = try data.withUnsafeBytes { raw in
            var cursor = JSONCursor(raw.bindMemory(to: UInt8.self), what: what)
            return try TokenizerJSON(&cursor)
        }
    }

    private init(_ cursor: inout JSONCursor) throws {
        var sawModel = false
        try cursor.members { key, cursor in
            if key == "model" {
                sawModel = true
                try readModel(&cursor)
            } else {
                members[key] = try cursor.value()
            }
        }
        try cursor.end()
        guard sawModel else { throw cursor.refusal("`model` is required and is missing") }
    }

    private mutating func readModel(_ cursor: inout JSONCursor) throws {
        try cursor.members { key, cursor in
            switch key {
            case "vocab": try readVocabulary(&cursor)
            case "merges": try readMerges(&cursor)
            default: model[key] = try cursor.value()
            }
        }
    }

    private mutating func readVocabulary(_ cursor: inout JSONCursor) throws {
        (tokens, ids, scores) = (ByteStrings(), [], [])
        isScored = cursor.next == UInt8(ascii: "[")
        if isScored {
            try cursor.elements { cursor in
                var index = 0
                try cursor.elements { cursor in
                    index += 1
                    switch index {
                    case 1: tokens.append(try cursor.string())
                    case 2: scores.append(try cursor.number())
                    default: throw cursor.refusal("a token and its score are two")
                    }
                }
                guard index == 2 else { throw cursor.refusal("a token and its score are two") }
                ids.append(Int64(ids.count))
            }
        } else {
            try cursor.byteMembers { key, cursor in
                tokens.append(key)
                ids.append(try cursor.integer())
            }
        }
    }

    private mutating func readMerges(_ cursor: inout JSONCursor) throws {
        merges = ByteStrings()
        try cursor.elements { cursor in
            guard cursor.next == UInt8(ascii: "[") else {
                let text = try cursor.string()
                guard let space = text.firstIndex(of: 0x20) else {
                    throw cursor.refusal("a merge is two tokens with a space between them")
                }
                merges.append(text[..<space])
                merges.append(text[(space + 1)...])
                return
            }
            var count = 0
            try cursor.elements { cursor in
                count += 1
                merges.append(try cursor.string())
            }
            guard count == 2 else { throw cursor.refusal("a merge is two tokens") }
        }
    }
}

/// Walks over JSON by hand where a `JSONValue` would be too large or lose something.
struct JSONCursor {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let what: String
    private var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, what: String) {
        self.bytes = bytes
        self.what = what
    }

    func refusal(_ message: String) -> NestboxError { .invalid("\(what), byte \(at): \(message)") }

    /// The first byte of what comes next; 0 at the end.
    var next: UInt8 {
        mutating get {
            while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
            return at < bytes.count ? bytes[at] : 0
        }
    }

    private mutating func take(_ byte: Character) throws {
        guard next == byte.asciiValue else { throw refusal("expected `\(byte)`") }
        at += 1
    }

    mutating func end() throws {
        guard next == 0, at == bytes.count else { throw refusal("expected the end") }
    }

    mutating func members(_ body: (String, inout JSONCursor) throws -> Void) throws {
        try byteMembers { try body(String(decoding: $0, as: UTF8.self), &$1) }
    }

    mutating func byteMembers(_ body: ([UInt8], inout JSONCursor) throws -> Void) throws {
        try list("{", "}") { cursor in
            let key = try cursor.string()
            try cursor.take(":")
            try body(key, &cursor)
        }
    }

    mutating func elements(_ body: (inout JSONCursor) throws -> Void) throws { try list("[", "]", body) }

    private mutating func list(
        _ open: Character, _ close: Character, _ body: (inout JSONCursor) throws -> Void
    ) throws {
        try take(open)
        if next == close.asciiValue {
            at += 1
            return
        }
        while true {
            try body(&self)
            if next == close.asciiValue {
                at += 1
                return
            }
            try take(",")
        }
    }

    /// Any value, by the house's reader.
    mutating func value() throws -> JSONValue {
        _ = next
        let start = at
        try skip()
        return try JSONReader.parse(
            UnsafeBufferPointer(rebasing: bytes[start..<at]), what: "\(what), from byte \(start)",
            deepest: TokenizerJSON.deepest)
    }

    /// Goes past a value. What is wrong inside it is found by who reads it.
    private mutating func skip() throws {
        var depth = 0
        repeat {
            switch next {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                at += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw refusal("expected a value") }
                depth -= 1
                at += 1
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { throw refusal("expected a value") }
                at += 1
            default:
                let start = at
                while at < bytes.count, !Self.delimiters.contains(bytes[at]) { at += 1 }
                guard at > start else { throw refusal("expected a value") }
            }
        } while depth > 0
    }

    private static let delimiters = Set(" \t\r\n,:{}[]\"".utf8)

    private mutating func skipString() throws {
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
        guard at < bytes.count else { throw refusal("a string has no end") }
        at += 1
    }

    private mutating func scalarText() throws -> String {
        _ = next
        let start = at
        while at < bytes.count, !Self.delimiters.contains(bytes[at]) { at += 1 }
        return String(decoding: bytes[start..<min(at, start + 40)], as: UTF8.self)
    }

    mutating func number() throws -> Double {
        let text = try scalarText()
        guard let number = Double(text), number.isFinite else { throw refusal("`\(text)` is not a number") }
        return number
    }

    mutating func integer() throws -> Int64 {
        let text = try scalarText()
        guard let number = Int64(text) else { throw refusal("`\(text)` is not a whole number") }
        return number
    }

    /// A string as bytes. Halves of surrogate pairs become U+FFFD.
    mutating func string() throws -> [UInt8] {
        try take("\"")
        var result: [UInt8] = []
        while true {
            guard at < bytes.count else { throw refusal("a string has no end") }
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return result
            case UInt8(ascii: "\\"): try escape(into: &result)
            default: result.append(byte)
            }
        }
    }

    private mutating func escape(into result: inout [UInt8]) throws {
        guard at < bytes.count else { throw refusal("a string has no end") }
        at += 1
        switch bytes[at - 1] {
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
                bytes[at + 1] == UInt8(ascii: "u")
            {
                let before = at
                at += 2
                let low = try hexadecimal()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    at = before
                }
            }
            result += Array(String(Character(Unicode.Scalar(code) ?? "\u{FFFD}")).utf8)
        case let other where [UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/")].contains(other):
            result.append(other)
        default: throw refusal("an unknown escape in a string")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
        else { throw refusal("`\\u` wants four hexadecimal digits") }
        at += 4
        return code
    }
}
