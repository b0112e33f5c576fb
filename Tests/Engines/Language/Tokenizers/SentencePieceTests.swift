import Core
import Foundation
import Testing

@testable import Language

struct SentencePieceTests {
    /// What a GGUF file made of the model would say.
    static func metadata(_ name: String, model: String) throws -> TokenizerMetadata {
        let file = try JSONReader.parse(
            Data(contentsOf: TokenizerGoldenTests.folder.appending(path: "\(name).json")), deepest: 128)
        var metadata = TokenizerMetadata(model: model)
        metadata.tokens = ByteStrings((file["tokens"]?.arrayValue ?? []).compactMap(\.stringValue))
        metadata.scores = (file["scores"]?.arrayValue ?? []).compactMap { $0.doubleValue.map { Float($0) } }
        metadata.tokenTypes = (file["token_type"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
        metadata.precompiledCharsmap = Array(
            Data(base64Encoded: file["precompiled_charsmap"]?.stringValue ?? "") ?? Data())
        metadata.addBOSToken = false
        metadata.addEOSToken = false
        metadata.removeExtraWhitespaces = model == "t5"
        metadata.addSpacePrefix = true
        return metadata
    }

    @Test(arguments: [("spm-bpe", "llama"), ("spm-unigram", "t5")])
    func metadataEncodesAsSentencePiece(name: String, model: String) throws {
        let tokenizer = try Tokenizer(try Self.metadata(name, model: model))
        let goldens = try TokenizerGoldenTests.goldens(name)
        #expect(goldens.count > 100)
        // After a token of the user's the reference adds no space, which llama.cpp does.
        for golden in goldens where !golden.text.contains("<tool>") {
            let ids = try tokenizer.encode(golden.text)
            #expect(
                ids == golden.ids,
                "\(golden.text.debugDescription): \(ids.map { tokenizer.token($0) ?? "" }), not \(golden.ids.map { tokenizer.token($0) ?? "" })"
            )
            // U+2581 is how spaces are spelled, and is a space again.
            if model == "llama", !golden.text.contains("▁") {
                #expect(Array(tokenizer.decode(ids).utf8) == Array(golden.text.utf8))
            }
        }
    }

    @Test func controlTokensAreNotMadeByMerges() throws {
        let tokenizer = try Tokenizer(try Self.metadata("spm-bpe", model: "llama"))
        #expect(try tokenizer.encode("<s></s><unk><0x0A>").allSatisfy { !tokenizer.isSpecial($0) })
        #expect(try tokenizer.encode("</s>", parseSpecial: true) == [tokenizer.id(of: "</s>")])
        #expect(tokenizer.special.bos == 1 && tokenizer.special.eos == 2 && tokenizer.special.unknown == 0)
    }

    @Test(arguments: ["llama", "t5"]) func textOfAMegabyteIsEncodedInGoodTime(model: String) throws {
        let tokenizer = try Tokenizer(try Self.metadata(model == "llama" ? "spm-bpe" : "spm-unigram", model: model))
        let text = String(repeating: "water", count: 200_000)
        let ids = try tokenizer.encode(text)
        #expect(tokenizer.decode(ids) == text)
    }

    @Test func damagedMapsAreRefusedOrHarmless() throws {
        let good = try Self.metadata("spm-unigram", model: "t5")
        #expect(!good.precompiledCharsmap.isEmpty)
        for length in [1, 3, 4, 5, 20] {
            var bad = good
            bad.precompiledCharsmap = Array(good.precompiledCharsmap.prefix(length))
            let error = #expect(throws: NestboxError.self) { try Tokenizer(bad) }
            #expect(error?.message.contains("map of characters") == true)
        }
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Generator(state: seed)
        for _ in 0..<500 {
            var bad = good
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bad.precompiledCharsmap[Int.random(in: 0..<bad.precompiledCharsmap.count, using: &random)] =
                    UInt8.random(in: 0...255, using: &random)
            }
            do {
                _ = try Tokenizer(bad).encode("ﬁ \u{212b} ①\te\u{301} ﷺ Ａ\u{ad}x")
            } catch is NestboxError {
                continue
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
        }
    }

    @Test func damagedMetadataIsRefusedBySentences() throws {
        let good = try Self.metadata("spm-bpe", model: "llama")
        func refused(_ change: (inout TokenizerMetadata) -> Void) -> String {
            var bad = good
            change(&bad)
            let error = #expect(throws: NestboxError.self) { try Tokenizer(bad) }
            return error?.message ?? ""
        }
        #expect(refused { $0.scores = [] }.contains("scores"))
        #expect(refused { $0.scores[5] = .nan }.contains("token 5"))
        #expect(
            refused { $0.tokens = ByteStrings((0..<$0.tokens.count).map { $0 == 0 ? "<0x41>" : "t\($0)" }) }.contains(
                "255"))
        #expect(refused { $0.unknownTokenID = 1 << 33 }.contains("unknown_token_id"))
    }
}
