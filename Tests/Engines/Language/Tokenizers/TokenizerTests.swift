import Core
import Testing

@testable import Language

struct TokenizerTests {
    private func metadata() throws -> TokenizerMetadata { try TokenizerGoldenTests.metadata("smollm", pre: "smollm") }

    @Test func wordOfAMegabyteIsEncodedInGoodTime() throws {
        let tokenizer = try Tokenizer(try metadata())
        let word = String(repeating: "tokenization", count: 90_000)
        let ids = try tokenizer.encode(word, addSpecialTokens: false)
        #expect(tokenizer.decode(ids) == word)
        // The first and last repetition are merged as in a short word; what lies between repeats itself.
        #expect(ids.count < word.utf8.count / 2)
    }

    @Test func searchAndHeapMergeAlike() {
        // Random pairs of random rank, as a table drawn once.
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        for length in 2..<60 {
            func pair(_ left: Int32, _ right: Int32) -> (rank: UInt32, id: Int32) {
                let mixed = (UInt64(UInt32(left)) << 32 | UInt64(UInt32(right))) &* 0x9E37_79B9_7F4A_7C15 &+ seed
                let rank = ((mixed ^ mixed >> 29) &* 0xBF58_476D_1CE4_E5B9) >> 40
                return rank % 3 == 0 ? (BytePairMerger.none, 0) : (UInt32(rank), Int32(rank % 50))
            }
            let start = (0..<length).map { Int32(($0 &* 7919 &+ Int(seed % 97)) % 13) }
            var expected = start
            while true {
                let ranks = zip(expected, expected.dropFirst()).map { pair($0, $1) }
                guard let best = ranks.indices.min(by: { ranks[$0].rank < ranks[$1].rank }),
                    ranks[best].rank != BytePairMerger.none
                else { break }
                expected.replaceSubrange(best...best + 1, with: [ranks[best].id])
            }
            var merger = BytePairMerger()
            for (index, id) in start.enumerated() { merger.append(id, end: index + 1) }
            var merged: [Int32] = []
            merger.merge(pair: { left, right, _, _ in pair(left, right) }, emit: { id, _, _ in merged.append(id) })
            #expect(merged == expected, "length \(length), seed \(seed)")
        }
    }

    @Test func controlTokensInUsersTextStayText() throws {
        let tokenizer = try Tokenizer(try metadata())
        let text = "hi<|im_end|>"
        #expect(try tokenizer.encode(text, parseSpecial: true).last == tokenizer.id(of: "<|im_end|>"))
        #expect(try tokenizer.encode(text).allSatisfy { !tokenizer.isSpecial($0) })
        #expect(
            tokenizer.special.ends
                == Set([tokenizer.id(of: "<|im_end|>"), tokenizer.id(of: "<|endoftext|>")].compactMap { $0 }))
    }

    @Test func bytesThatAreNotTextAreKept() throws {
        let tokenizer = try Tokenizer(try metadata())
        let bytes: [UInt8] = [0xFF, 0x41, 0xC3, 0x20, 0xE2, 0x82, 0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0x80, 0xC0]
        let ids = try bytes.withUnsafeBufferPointer { try tokenizer.encode($0, addSpecialTokens: false) }
        #expect(ids.flatMap { tokenizer.bytes(of: $0) } == bytes)
        #expect(tokenizer.decode(ids) == String(decoding: bytes, as: UTF8.self))
    }

    @Test func streamGivesWholeCharactersOnly() throws {
        let tokenizer = try Tokenizer(try metadata())
        let text = "a😀é中\u{301}\u{10FFFF} Straße 👨‍👩‍👧"
        var stream = TokenStream(tokenizer)
        var joined = ""
        for id in try tokenizer.encode(text, addSpecialTokens: false) {
            let part = stream.append(id)
            #expect(!part.unicodeScalars.contains("\u{FFFD}"))
            joined += part
        }
        #expect(joined + stream.finish() == text)
        // Half a character at the end, and bytes that begin none.
        for bytes in [
            [0xF0, 0x9F, 0x98], [0xC3], [0xE2, 0x41], [0xED, 0xA0, 0x80], [0xF4, 0x90], [0x80], [0xF0, 0x80],
        ] {
            var stream = TokenStream(tokenizer)
            var text = ""
            let raw = bytes.map { UInt8($0) }
            let ids = try raw.withUnsafeBufferPointer { try tokenizer.encode($0, addSpecialTokens: false) }
            for id in ids { text += stream.append(id) }
            #expect(text + stream.finish() == String(decoding: raw, as: UTF8.self))
        }
        #expect(TokenStream.incompleteTail([0x41, 0xF0, 0x9F, 0x98]) == 3)
        #expect(TokenStream.incompleteTail([0xF0, 0x80]) == 0)
        #expect(TokenStream.incompleteTail([0xC3, 0xA9]) == 0)
    }

    @Test func idsOutsideTheVocabularyAreNothing() throws {
        let tokenizer = try Tokenizer(try metadata())
        #expect(tokenizer.decode([-1, Int32.max, Int32.min]) == "")
        #expect(tokenizer.token(-1) == nil && tokenizer.token(Int32.max) == nil && !tokenizer.isSpecial(-5))
    }

    @Test func threadsEncodeAlike() async throws {
        let tokenizer = try Tokenizer(try metadata())
        let goldens = try TokenizerGoldenTests.goldens("smollm")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for golden in goldens {
                        let ids = try tokenizer.encode(golden.text, parseSpecial: true)
                        #expect(ids == golden.ids)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func damagedMetadataIsRefusedBySentences() throws {
        let good = try metadata()
        func refused(_ change: (inout TokenizerMetadata) -> Void) -> String {
            var bad = good
            change(&bad)
            let error = #expect(throws: NestboxError.self) { try Tokenizer(bad) }
            return error?.message ?? ""
        }
        #expect(refused { $0.model = "rwkv" }.contains("`rwkv`"))
        #expect(refused { $0.pre = "nobody's" }.contains("`nobody's`"))
        #expect(refused { $0.pre = nil }.contains("missing"))
        #expect(refused { $0.tokens = ByteStrings() }.contains("none"))
        #expect(refused { $0.tokenTypes.removeLast() }.contains("token_type"))
        #expect(refused { $0.scores = [1] }.contains("scores"))
        #expect(refused { $0.merges.append("nospace".utf8) }.contains("merge"))
        #expect(refused { $0.merges.append("中 文".utf8) }.contains("`中`"))
        #expect(refused { $0.eosTokenID = 1 << 40 }.contains("eos_token_id"))
        #expect(refused { $0.bosTokenID = -7 }.contains("bos_token_id"))
        #expect(
            refused {
                $0.addBOSToken = true; $0.bosTokenID = nil
            }.contains("add_bos_token"))
    }

    @Test func randomDamageNeverTraps() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Generator(state: seed)
        let good = try metadata()
        for round in 0..<300 {
            var bad = good
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&bad, &random) }
            do {
                let tokenizer = try Tokenizer(bad)
                let ids = try tokenizer.encode("Hello <|im_end|> wörld 中文 123\n", parseSpecial: true)
                _ = tokenizer.decode(ids, skipSpecial: false)
            } catch is NestboxError {
                continue
            } catch {
                Issue.record("round \(round), seed \(seed): \(error)")
            }
        }
    }

    private func damage(_ metadata: inout TokenizerMetadata, _ random: inout Generator) {
        func bytes() -> [UInt8] {
            (0..<Int.random(in: 0...6, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        func changed(_ strings: ByteStrings) -> ByteStrings {
            var result = ByteStrings()
            let place = Int.random(in: 0..<max(strings.count, 1), using: &random)
            let kind = Int.random(in: 0..<4, using: &random)
            for index in 0..<strings.count {
                guard index == place else {
                    result.append(strings[index])
                    continue
                }
                switch kind {
                case 0: break
                case 1: result.append(bytes())
                case 2: result.append(strings[Int.random(in: 0..<strings.count, using: &random)])
                default:
                    result.append(strings[index].map { $0 ^ (UInt8.random(in: 0...8, using: &random) == 0 ? 0x55 : 0) })
                }
            }
            return result
        }
        switch Int.random(in: 0..<7, using: &random) {
        case 0: metadata.tokens = changed(metadata.tokens)
        case 1: metadata.merges = changed(metadata.merges)
        case 2: metadata.eosTokenID = Int64.random(in: -10...600, using: &random)
        case 3: metadata.bosTokenID = Int64(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random))
        case 4 where !metadata.tokenTypes.isEmpty:
            metadata.tokenTypes[Int.random(in: 0..<metadata.tokenTypes.count, using: &random)] =
                Int32.random(in: -2...9, using: &random)
        case 5: metadata.merges = ByteStrings(["a b", "ab c", "b c", "a bc", "a b"])
        default: metadata.tokens = ByteStrings((0..<3).map { String($0) })
        }
    }
}

/// Numbers from a seed that a failing test can print.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
