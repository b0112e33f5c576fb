import Core
import Foundation
import Testing

@testable import Language

/// Tokenizers made by the reference libraries, and what these make of awkward texts. `make_tokenizers.py` beside the
/// files made them.
struct TokenizerGoldenTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/Tokenizers")

    struct Golden {
        var text: String
        var ids: [Int32]
        var plain: [Int32]
    }

    static func goldens(_ name: String) throws -> [Golden] {
        let lines = try Data(contentsOf: folder.appending(path: "golden.jsonl")).split(separator: 0x0A)
        return try lines.compactMap { line in
            let value = try JSONReader.parse(line)
            func ids(_ key: String) -> [Int32]? {
                value[key]?[name]?.arrayValue?.compactMap { $0.intValue.map { Int32($0) } }
            }
            guard let text = value["text"]?.stringValue, let all = ids("ids") else { return nil }
            return Golden(text: text, ids: all, plain: ids("plain") ?? all)
        }
    }

    /// What a GGUF file made of the `tokenizer.json` would say.
    static func metadata(_ name: String, pre: String) throws -> TokenizerMetadata {
        let file = try JSONReader.parse(Data(contentsOf: folder.appending(path: "\(name).json")), deepest: 128)
        let model = try #require(file["model"]), vocabulary = try #require(model["vocab"]?.objectValue)
        let special = Set(file["added_tokens"]?.arrayValue?.compactMap { $0["content"]?.stringValue } ?? [])
        var metadata = TokenizerMetadata(model: "gpt2")
        metadata.pre = pre
        for (token, _) in vocabulary.sorted(by: { $0.value.intValue ?? 0 < $1.value.intValue ?? 0 }) {
            metadata.tokens.append(token.utf8)
            let type: TokenizerMetadata.TokenType = special.contains(token) ? .control : .normal
            metadata.tokenTypes.append(type.rawValue)
        }
        for merge in model["merges"]?.arrayValue ?? [] {
            let parts = (merge.arrayValue ?? []).compactMap(\.stringValue)
            metadata.merges.append(parts.joined(separator: " ").utf8)
        }
        metadata.bosTokenID = 1
        metadata.eosTokenID = 2
        return metadata
    }

    @Test(arguments: [("gpt2", "gpt-2"), ("smollm", "smollm"), ("llama3", "llama-bpe")])
    func bytePairEncodingFromMetadataEqualsReference(name: String, pre: String) throws {
        let tokenizer = try Tokenizer(try Self.metadata(name, pre: pre))
        let goldens = try Self.goldens(name)
        #expect(goldens.count > 100)
        for golden in goldens {
            #expect(
                try tokenizer.encode(golden.text, parseSpecial: true) == golden.ids, "\(golden.text.debugDescription)")
            #expect(try tokenizer.encode(golden.text, addSpecialTokens: false) == golden.plain)
            #expect(Array(tokenizer.decode(golden.plain).utf8) == Array(golden.text.utf8))
        }
    }

    @Test func normalizationIsNotPartOfMetadata() throws {
        // Qwen's `tokenizer.json` composes characters first, which GGUF files do not say and llama.cpp does not do.
        let tokenizer = try Tokenizer(try Self.metadata("qwen2", pre: "qwen2"))
        for golden in try Self.goldens("qwen2")
        where golden.text.utf8.elementsEqual(golden.text.precomposedStringWithCanonicalMapping.utf8) {
            #expect(
                try tokenizer.encode(golden.text, parseSpecial: true) == golden.ids, "\(golden.text.debugDescription)")
        }
    }
}
