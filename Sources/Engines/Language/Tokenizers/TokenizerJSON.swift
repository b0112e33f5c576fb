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
            try JSONReader.read(raw.bindMemory(to: UInt8.self), what: what, deepest: Self.deepest) {
                try TokenizerJSON(&$0)
            }
        }
    }

    private init(_ reader: inout JSONReader) throws {
        var sawModel = false
        try reader.members { key, reader in
            let key = String(decoding: key, as: UTF8.self)
            if key == "model" {
                sawModel = true
                try readModel(&reader)
            } else {
                members[key] = try reader.value()
            }
        }
        guard sawModel else { throw reader.refusal("`model` is required and is missing") }
    }

    private mutating func readModel(_ reader: inout JSONReader) throws {
        try reader.members { name, reader in
            let key = String(decoding: name, as: UTF8.self)
            switch key {
            case "vocab": try readVocabulary(&reader)
            case "merges": try readMerges(&reader)
            default: model[key] = try reader.value()
            }
        }
    }

    private mutating func readVocabulary(_ reader: inout JSONReader) throws {
        (tokens, ids, scores) = (ByteStrings(), [], [])
        isScored = reader.next == UInt8(ascii: "[")
        if isScored {
            try reader.elements { reader in
                var index = 0
                try reader.elements { reader in
                    index += 1
                    switch index {
                    case 1: tokens.append(try reader.textBytes())
                    case 2: scores.append(try reader.double())
                    default: throw reader.refusal("a token and its score are two")
                    }
                }
                guard index == 2 else { throw reader.refusal("a token and its score are two") }
                ids.append(Int64(ids.count))
            }
        } else {
            try reader.members { key, reader in
                tokens.append(key)
                ids.append(try reader.integer())
            }
        }
    }

    private mutating func readMerges(_ reader: inout JSONReader) throws {
        merges = ByteStrings()
        try reader.elements { reader in
            guard reader.next == UInt8(ascii: "[") else {
                let text = try reader.textBytes()
                guard let space = text.firstIndex(of: 0x20) else {
                    throw reader.refusal("a merge is two tokens with a space between them")
                }
                merges.append(text[..<space])
                merges.append(text[(space + 1)...])
                return
            }
            var count = 0
            try reader.elements { reader in
                count += 1
                merges.append(try reader.textBytes())
            }
            guard count == 2 else { throw reader.refusal("a merge is two tokens") }
        }
    }
}
