import Core
import Foundation
import Testing

@Suite struct YAMLTextTests {
    @Test func plainScalarsFollowTheCoreSchema() throws {
        let value = try YAMLText.parse(
            "{at: 2013-04-01, a: no, b: true, c: 1e3, d: ~, e: '1', f: [*x* , 7], g: a *b* c}".replacing(
                "*x* ", with: "'*x*'"),
            what: "it")
        #expect(
            value == [
                "at": "2013-04-01", "a": "no", "b": true, "c": 1000.0, "d": .null, "e": "1", "f": ["*x*", 7],
                "g": "a *b* c",
            ])
    }

    @Test(arguments: [
        String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 100_000),
        String(repeating: #"{"a":"#, count: 100_000), String(repeating: "- ", count: 100_000),
        String(repeating: "? ", count: 100_000), String(repeating: "- ", count: 80) + "x",
        (0..<300).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n"),
    ])
    func deepNestingIsRefused(text: String) {
        let error = #expect(throws: NestboxError.self) { try YAMLText.parse(text, what: "the recipe") }
        #expect(
            error?.message.contains("the recipe is nested more than 64 levels deep") == true, "\(error?.message ?? "")")
    }

    /// "Billion laughs": ten lines that stand for a thousand million words.
    @Test(arguments: ["\n", "\u{2028}", " "]) func aliasesAreRefused(gap: String) {
        var lines = ["a0: &a0 [lol, lol]"]
        for level in 1...30 { lines.append("a\(level): &a\(level) [\(gap)*a\(level - 1), *a\(level - 1)]") }
        let error = #expect(throws: NestboxError.self) {
            try YAMLText.compose(lines.joined(separator: "\n"), what: "the definitions")
        }
        #expect(error?.message.contains("aliases (`*a0`) are not supported") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("line 2") == true || gap == "\n", "\(error?.message ?? "")")
    }

    @Test func largeTextsAreRefused() {
        let text = String(repeating: "a: b\n", count: YAMLText.largest)
        let error = #expect(throws: NestboxError.self) { try YAMLText.compose(text, what: "it") }
        #expect(error?.code == .payloadTooLarge)
    }

    /// Never a trap, and never another error.
    @Test func mutatedTextsGiveAValueOrANestboxError() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("YAMLTextTests seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let text = Array(
            "# flights\nname: &n late\nsplit: {by: time, test_from: 2013-04-01}\nfeatures:\n  - hour\n  - 'a, b'\nx: |\n  y\n"
                .utf8)
        let spare = Array("[]{}:,-?*&!|>'\"%@`#~ \n\t\\0".utf8)
        for round in 0..<3000 {
            var bytes = text
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                let at = Int.random(in: bytes.indices, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[at] = spare.randomElement(using: &generator) ?? 0
                case 1: bytes.insert(spare.randomElement(using: &generator) ?? 0, at: at)
                default: bytes.insert(contentsOf: bytes[at...].prefix(12), at: at)
                }
            }
            do {
                _ = try YAMLText.parse(String(decoding: bytes, as: UTF8.self), what: "it")
            } catch is NestboxError {
            } catch {
                Issue.record("seed \(seed), round \(round): \(error)")
            }
        }
    }
}
