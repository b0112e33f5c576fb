import Core
import Foundation
import Testing

@Suite struct JSONReaderTests {
    /// The same value, whatever kind of number holds it.
    private func same(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy(same)
        case (.object(let a), .object(let b)):
            a.count == b.count && a.allSatisfy { key, value in b[key].map { same(value, $0) } ?? false }
        case (.int(let a), .int(let b)): a == b
        case (.int, .number), (.number, .int), (.number, .number): a.doubleValue == b.doubleValue
        default: a == b
        }
    }

    private func random(_ depth: Int, _ generator: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth > 3 ? 7 : 9), using: &generator) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &generator))
        case 2: return .int(Int64.random(in: .min ... .max, using: &generator))
        case 3: return .int(Int64.random(in: -1000...1000, using: &generator))
        case 4:
            return .number(
                Double(bitPattern: generator.next()).isFinite
                    ? Double.random(in: -1e9...1e9, using: &generator) : 1e-300)
        case 5, 6:
            let alphabet: [Character] = ["a", "\"", "\\", "\n", "\u{1}", "é", "🛫", "/", " ", "0"]
            return .string(
                String(
                    (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
                        alphabet.randomElement(using: &generator) ?? "x"
                    }))
        case 7: return .array((0..<Int.random(in: 0..<5, using: &generator)).map { _ in random(depth + 1, &generator) })
        default:
            return .object(
                Dictionary(
                    (0..<Int.random(in: 0..<5, using: &generator)).map { ("k\($0)", random(depth + 1, &generator)) },
                    uniquingKeysWith: { $1 }))
        }
    }

    @Test(arguments: [UInt64(1), 2, 3]) func readsWhatJSONDecoderReads(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<500 {
            let bytes = try JSON.encode(random(0, &generator), pretty: round % 2 == 0)
            let expected = try JSON.decode(JSONValue.self, from: bytes)
            #expect(
                same(try JSONReader.parse(bytes), expected), "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    /// Broken bytes are refused or read as JSONDecoder reads them; they never trap.
    @Test(arguments: [UInt64(11), 12, 13]) func brokenBytesAreRefusedOrReadAlike(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let spare = Array("{}[]\",:\\ue0-.+1tfn \u{0}\u{ff}".utf8)
        var refused = 0
        for _ in 0..<1500 {
            var bytes = [UInt8](try JSON.encode(random(0, &generator)))
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
                let at = Int.random(in: bytes.indices, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes.remove(at: at)
                case 1: bytes[at] = spare.randomElement(using: &generator) ?? 0
                default: bytes.insert(spare.randomElement(using: &generator) ?? 0, at: at)
                }
            }
            do {
                let value = try JSONReader.parse(bytes)
                let expected = try JSON.decode(JSONValue.self, from: Data(bytes))
                #expect(same(value, expected), "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
            } catch is NestboxError {
                refused += 1
                // Against RFC 8259, JSONDecoder takes a comma before a closing bracket and what follows a NUL.
                let text = String(decoding: bytes, as: UTF8.self)
                if bytes.contains(0) || text.contains(/,\s*[\]}]/) { continue }
                #expect((try? JSON.decode(JSONValue.self, from: Data(bytes))) == nil, "seed \(seed): \(text)")
            }
        }
        #expect(refused > 100)
    }

    @Test(arguments: [
        ("", "a value at byte 0, found the end"), ("{\"a\" 1}", "`:` at byte 5"), ("[1,]", "a value at byte 3"),
        ("[1 2]", "`,` or `]` at byte 3"), ("{\"a\":1,}", "a key in quotes at byte 7"), ("01", "without leading zeros"),
        ("1e999", "a double can hold"), ("\"\\ud800\"", "surrogate"), ("\"a\nb\"", "an escape like"),
        ("[1]x", "the end at byte 3"),
        ("{\"a\": NaN}", "a value at byte 6, found `NaN}`"),
        (String(repeating: "[", count: 100_000), "at most 64 levels"),
    ])
    func refusalsSayWhereAndWhat(text: String, expected: String) {
        let error = #expect(throws: NestboxError.self) { try JSONReader.parse(text, what: "the body") }
        #expect(error?.message.contains(expected) == true, "\(String(describing: error))")
        #expect(error?.code == .invalidArgument)
    }

    @Test func pythonsNaNIsReadWhereAskedFor() throws {
        guard case .array(let values) = try JSONReader.parse(Array("[NaN, 1]".utf8), acceptsNaN: true) else {
            Issue.record("not an array")
            return
        }
        #expect(values[0].doubleValue?.isNaN == true && values[1] == 1)
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        #expect(throws: NestboxError.self) { try JSONReader.parse([0x22, 0xFF, 0x22]) }
        #expect(throws: NestboxError.self) { try JSONReader.parse([0x22, 0x5C, 0x6E, 0xFF, 0x22]) }
    }
}
