import Core
import Foundation
import Testing

@testable import Language

struct TokenizerFileTests {
    static let names = [
        "gpt2", "smollm", "llama3", "qwen2", "roberta", "wordpiece", "wordpiece-cased", "llama2", "mistral", "unigram",
    ]

    static func data(_ name: String) throws -> Data {
        try Data(contentsOf: TokenizerGoldenTests.folder.appending(path: "\(name).json"))
    }

    @Test(arguments: names) func fileEncodesAsReference(name: String) throws {
        let tokenizer = try Tokenizer(file: try Self.data(name))
        let goldens = try TokenizerGoldenTests.goldens(name)
        #expect(goldens.count > 100)
        for golden in goldens {
            let ids = try tokenizer.encode(golden.text, parseSpecial: true)
            #expect(
                ids == golden.ids,
                "\(golden.text.debugDescription): \(ids.map { tokenizer.token($0) ?? "" }), not \(golden.ids.map { tokenizer.token($0) ?? "" })"
            )
            // The reference's unigram model makes control tokens of their names even so; this one never does.
            if golden.plain.contains(where: { tokenizer.isSpecial($0) && $0 != tokenizer.special.unknown }) { continue }
            #expect(
                try tokenizer.encode(golden.text, addSpecialTokens: false) == golden.plain,
                "\(golden.text.debugDescription)")
        }
    }

    @Test func decodingJoinsWordsAsReference() throws {
        let words = try Tokenizer(file: try Self.data("wordpiece"))
        let ids = try words.encode("Hello, it's the water's way: Ünder 中")
        #expect(words.decode(ids) == "hello, it ' s the water ' s way : under 中")
        #expect(words.decode(ids, skipSpecial: false).hasPrefix("[CLS] hello"))
        let sentence = try Tokenizer(file: try Self.data("llama2"))
        for text in ["the water 😀 x", "  two", "\u{0}中🏽", "a<s>b"] {
            #expect(sentence.decode(try sentence.encode(text)) == text)
        }
    }

    @Test func wordPieceFromMetadataEqualsFile() throws {
        let file = try Tokenizer(file: try Self.data("wordpiece"))
        var metadata = TokenizerMetadata(model: "bert")
        for id in 0..<Int32(file.vocabularySize) {
            let token = Array((file.token(id) ?? "").utf8), isControl = file.isSpecial(id)
            guard token.count < 3 || token.first != UInt8(ascii: "<") else { continue }
            let continues = token.starts(with: "##".utf8)
            metadata.tokens.append(isControl ? token : continues ? Array(token.dropFirst(2)) : "▁".utf8 + token)
            metadata.tokenTypes.append(isControl ? 3 : 1)
        }
        let tokenizer = try Tokenizer(metadata)
        for golden in try TokenizerGoldenTests.goldens("wordpiece")
        where !golden.text.contains("<tool>") && !golden.text.contains("▁") {
            let ids = try tokenizer.encode(golden.text, parseSpecial: true)
            #expect(ids == golden.ids, "\(golden.text.debugDescription)")
        }
    }

    @Test func canonicallyEquivalentTokensAreTwo() throws {
        let file =
            #"{"model":{"type":"WordPiece","unk_token":"u","vocab":{"u":0,"\u00e9":1,"e\u0301":2}},"pre_tokenizer":{"type":"WhitespaceSplit"}}"#
        let tokenizer = try Tokenizer(file: Data(file.utf8))
        #expect(try tokenizer.encode("\u{e9} e\u{301}") == [1, 2])
        #expect(tokenizer.id(of: "\u{e9}") == 1 && tokenizer.id(of: "e\u{301}") == 2)
    }

    @Test func surrogatePairsInFilesAreOneCharacter() throws {
        let file = #"{"model":{"type":"BPE","vocab":{"\ud83d\ude00":0,"a":2},"merges":[]}}"#
        let tokenizer = try Tokenizer(file: Data(file.utf8))
        #expect(tokenizer.token(0) == "😀")
        #expect(try tokenizer.encode("a😀") == [2, 0])
    }

    @Test(arguments: [
        (#"{"#, "byte 1"), (#"[]"#, "an object"),
        // The reference refuses it, too.
        (#"{"model":{"type":"BPE","vocab":{"\ud83d":1,"a":2},"merges":[]}}"#, "surrogate pair"), (#"{"model":{"vocab":{}}}"#, "no tokens"), (#"{}"#, "`model`"),
        (#"{"model":{"vocab":{"a":99999999999}}}"#, "id outside"), (#"{"model":{"vocab":{"a":-1}}}"#, "id outside"),
        (#"{"model":{"vocab":{"a":1e99}}}"#, "1e99"), (#"{"model":{"vocab":{"a":0,"b":0}}}"#, "both have the id 0"),
        (#"{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}"#, "`ab`"),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}"#, "space"),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}"#, "two tokens"),
        (#"{"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"x"}}"#, "`x`"),
        (#"{"model":{"type":"Magic","vocab":{"a":0}}}"#, "`Magic`"),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":{"type":"Rot13"}}"#, "`Rot13`"),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"}}"#,
            "(a+)+$"
        ),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"post_processor":{"type":"BertProcessing","cls":["a",7],"sep":["a",0]}}"#,
            "7"
        ),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing","single":[]}}"#,
            "once"
        ),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"added_tokens":[{"id":0,"content":"b"}]}"#, "`b`"),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"added_tokens":[{"id":900000000,"content":"b"}]}"#,
            "900000000"
        ),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"decoder":{"type":"CTC"}}"#, "`CTC`"),
    ])
    func damagedFilesAreRefusedBySentences(file: String, part: String) {
        let error = #expect(throws: NestboxError.self) { try Tokenizer(file: Data(file.utf8)) }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: names) func randomDamageToFilesNeverTraps(name: String) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Generator(state: seed)
        let good = [UInt8](try Self.data(name))
        for round in 0..<200 {
            var bad = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bad.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bad[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bad.removeSubrange(place..<min(place + Int.random(in: 1...40, using: &random), bad.count))
                case 2: bad.insert(contentsOf: Array(#","[{}]:0-e"#.utf8).shuffled(using: &random).prefix(2), at: place)
                case 3 where (0x30...0x39).contains(bad[place]):
                    bad[place] = UInt8.random(in: 0x30...0x39, using: &random)
                default:
                    if let digit = bad[place...].firstIndex(where: { (0x30...0x39).contains($0) }) {
                        bad.insert(contentsOf: "9999".utf8.prefix(Int.random(in: 1...4, using: &random)), at: digit)
                    }
                }
                if bad.isEmpty { bad = good }
            }
            do {
                let tokenizer = try Tokenizer(file: Data(bad))
                let ids = try tokenizer.encode("Hello  <|im_end|> [SEP] wörld 中文 123\n's ＡＢ", parseSpecial: true)
                _ = tokenizer.decode(ids, skipSpecial: false)
            } catch is NestboxError {
                continue
            } catch {
                Issue.record("round \(round), seed \(seed): \(error)")
            }
        }
    }
}
