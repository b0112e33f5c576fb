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
            let expected = try JSONDecoder().decode(JSONValue.self, from: bytes)
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
                let expected = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
                #expect(same(value, expected), "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
            } catch is NestboxError {
                refused += 1
                // Against RFC 8259, JSONDecoder takes a comma before a closing bracket and what follows a NUL.
                let text = String(decoding: bytes, as: UTF8.self)
                if bytes.contains(0) || text.contains(/,\s*[\]}]/) { continue }
                #expect((try? JSONDecoder().decode(JSONValue.self, from: Data(bytes))) == nil, "seed \(seed): \(text)")
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
        (String(repeating: #"{"a":"#, count: 100_000), "the body is nested more than 64 levels deep, at byte 320"),
        (String(repeating: "[", count: 100_000), "the body is nested more than 64 levels deep"),
    ])
    func refusalsSayWhereAndWhat(text: String, expected: String) {
        let error = #expect(throws: NestboxError.self) { try JSONReader.parse(text.utf8, what: "the body") }
        #expect(error?.message.contains(expected) == true, "\(String(describing: error))")
        #expect(error?.code == .invalidArgument)
    }

    @Test func theBareWordsThatPythonWritesAreReadWhereAskedFor() throws {
        let value = try JSONReader.parse(Array("[NaN, Infinity, -Infinity, -1]".utf8), acceptsNonFinite: true)
        let numbers = try #require(value.arrayValue).compactMap(\.doubleValue)
        #expect(numbers.count == 4 && numbers[0].isNaN && numbers[1...] == [.infinity, -.infinity, -1])
        #expect(throws: NestboxError.self) { try JSONReader.parse(Array("[-Infinity]".utf8)) }
    }

    @Test func aNumberWithAPointOrAnExponentIsReal() throws {
        #expect(try JSONReader.parse(Array("[1E+2, -0.0, 7]".utf8)) == [.number(100), .number(-0.0), .int(7)])
        #expect(try JSONReader.parse(Array("9223372036854775808".utf8)) == .number(9_223_372_036_854_775_808))
        let zero = try JSONReader.parse(Array("-0".utf8))
        #expect(zero.doubleValue?.sign == .minus && zero.intValue == 0)
    }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{a:1}", "1 2", "+1", "1.", ".5", "1e",
        "--1",
        "-", "tru", "nul", "Nan", "Infinit", "\"\\x\"", "\"\\u12\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "'a'", "}",
        "\u{FEFF}{}",
    ])
    func refusesWhatIsNotJSON(text: String) {
        let error = #expect(throws: NestboxError.self) { try JSONReader.parse(text.utf8, acceptsNonFinite: true) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("at byte") == true, "\(error?.message ?? "")")
    }

    /// Every cut and every changed byte of a body is read or refused, and never more.
    @Test func mutatedBodiesGiveAValueOrANestboxError() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("JSONReaderTests seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let body = Array(
            #"{"run_id":"48be","metrics":[{"key":"m \u00e9","value":-1.5e3,"timestamp":17,"step":null}],"x":[true,NaN]}"#
                .utf8)
        for cut in body.indices {
            #expect(throws: NestboxError.self) { try JSONReader.parse(body[..<cut], acceptsNonFinite: true) }
        }
        let spare = Array("{}[]\",:\\ue0-.+1tfnNI \u{0}".utf8) + [0xFF, 0xC3, 0xED]
        for round in 0..<20_000 {
            var bytes = body
            for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
                let at = Int.random(in: bytes.indices, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes.remove(at: at)
                case 1: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 2: bytes.insert(spare.randomElement(using: &generator) ?? 0, at: at)
                case 3: bytes.insert(contentsOf: bytes[at...].prefix(9), at: at)
                default:
                    let opening = Array(#"[{"a":"#.utf8).prefix(Int.random(in: 1...6, using: &generator))
                    for _ in 0..<Int.random(in: 1...90, using: &generator) { bytes.insert(contentsOf: opening, at: at) }
                }
            }
            do {
                // What was read can be written, and reads as the same.
                let value = try JSONReader.parse(bytes, acceptsNonFinite: round % 2 == 0)
                let back = try JSON.encode(value)
                #expect(try JSON.encode(try JSONReader.parse(back)) == back, "seed \(seed), round \(round)")
            } catch let error as NestboxError {
                #expect(error.code == .invalidArgument, "seed \(seed), round \(round)")
            }
        }
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        #expect(throws: NestboxError.self) { try JSONReader.parse([0x22, 0xFF, 0x22]) }
        #expect(throws: NestboxError.self) { try JSONReader.parse([0x22, 0x5C, 0x6E, 0xFF, 0x22]) }
    }
}
