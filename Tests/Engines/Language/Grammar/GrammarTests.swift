import Core
import Foundation
import Testing

@testable import Language

/// A vocabulary of all bytes and of pieces that cross the places where JSON changes its state; the last token ends.
private let pieces: [[UInt8]] =
    (0...255).map { [UInt8($0)] }
    + [
        "\",", "\":", "\"}", "\"]", "\": \"", "\", \"", "{\"", "[\"", "}}", "]]", "},", "true", "null,", "false}", "10",
        "0.", "-1",
        "e5", "ab", "a\"", "aé", "\\\"", "\\u00", "\\n", "  ", "\n  ", "[[", "[{", "{}", "[]", "\"\"", "12,", "5]",
        "7}", "name", "世",
        "\",\"b\":", "😀", "null]", "}]",
    ].map { Array($0.utf8) } + [[0xF0, 0x9F], [0x98, 0x80], [0xC3], []]
private let end = pieces.count - 1
private let trie = TokenTrie(byteStrings: pieces, endTokens: [end])

private func schema(_ text: String) throws -> TemplateValue { try TemplateValue(json: text.utf8) }

/// The byte at which a document is refused; its length when it is a beginning, nil when it is whole.
private func refusal(_ grammar: Grammar, _ text: String) -> Int? {
    let state = GrammarState(GrammarConstraint(grammar, trie: trie))
    for (index, byte) in text.utf8.enumerated() where !state.advance(byte) { return index }
    return state.isComplete ? nil : text.utf8.count
}

@Suite struct GrammarTests {
    @Test func documentsAreTakenOrRefusedAtTheRightByte() throws {
        // schema, document, where it is refused: nil for taken, the document's length for one that is only a beginning.
        let person =
            #"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name"],"additionalProperties":false}"#
        let list =
            ##"{"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[{"type":"null"},{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}},"required":["next"]}]}}}"##
        let cases: [(String, String, Int?)] = [
            ("true", #"{"a":[1,-2.5e+3,true,null,"x\u00e9\n"],"b":{}}"#, nil), ("true", "[1,]", 3), ("true", "01", 1),
            ("true", "[1", 2), ("true", "nul", 3), ("true", "nulx", 3), ("true", "1.", 2), ("true", "\"\\x\"", 2),
            ("true", "\"\u{1}\"", 1), ("true", #""\ud83d\ude00""#, nil), ("true", #""\ud83dx""#, 7),
            ("true", #""\udc00""#, 4),
            ("true", "{\"a\" :1}", 4), ("true", "[1 , 2 ]", nil), ("true", "[1]x", 3), ("true", " 1", 0),
            (#"{"type":"object"}"#, "{}", nil), (#"{"type":"object"}"#, "[]", 0), (person, #"{"name":"a"}"#, nil),
            (person, #"{"age":3,"name":"a"}"#, nil), (person, #"{"\u006eame":"a"}"#, nil), (person, #"{"age":3}"#, 8),
            (person, #"{"name":"a","name":"b"}"#, 13), (person, #"{"name":"a","age":1,"#, 19), (person, #"{"x":1}"#, 2),
            (person, #"{"name":1}"#, 8), (person, #"{"name":"a","age":1.5}"#, 19),
            (list, #"{"next":{"next":null}}"#, nil),
            (list, #"{"next":{}}"#, 9), (#"{"enum":["a","ab",3]}"#, #""ab""#, nil),
            (#"{"enum":["a","ab",3]}"#, #""abc""#, 3),
            (#"{"enum":["a","ab",3]}"#, "3", nil), (#"{"const":{"k":[1,null]}}"#, #"{"k":[1,null]}"#, nil),
            (#"{"type":"string","minLength":2,"maxLength":3}"#, "\"a\"", 2),
            (#"{"type":"string","minLength":2,"maxLength":3}"#, "\"é世😀\"", nil),
            (#"{"type":"string","minLength":2,"maxLength":3}"#, #""\ud83d\ude00bcd""#, 15),
            (#"{"type":"string","pattern":"^a+b$"}"#, "\"aac\"", 3),
            (#"{"type":"string","pattern":"^é"}"#, "\"\u{e8}\"", 2),
            (#"{"type":"string","format":"date"}"#, "\"2024-02-29\"", nil),
            (#"{"type":"string","format":"date"}"#, "\"2023-02-29\"", 10),
            (#"{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}"#, "[]", 1),
            (#"{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}"#, "[1,2,3]", 4),
            (#"{"type":"array","prefixItems":[{"type":"null"}],"items":false}"#, "[null,", 5),
            (#"{"type":"object","additionalProperties":{"type":"integer"},"maxProperties":1}"#, #"{"a":1,"#, 6),
            (#"{"type":["string","null"]}"#, "null", nil), (#"{"type":"integer","nullable":true}"#, "null", nil),
            (#"{"type":"integer","multipleOf":3}"#, "13", 2), (#"{"type":"integer","multipleOf":3}"#, "-12", nil),
        ]
        for (text, document, expected) in cases {
            let found = refusal(try Grammar(schema: try schema(text), spaces: 2), document)
            #expect(found == expected, "\(text): \(document)")
        }
        let compact = try Grammar(schema: true, spaces: 0)
        #expect(refusal(compact, "[1, 2]") == 3)
        let blanks = try Grammar(schema: true, spaces: 3)
        #expect(refusal(blanks, "[    1]") == 4)
        #expect(refusal(blanks, String(repeating: "[", count: 100)) == 64)
    }

    @Test func impossibleAndUnsupportedSchemasNameTheirPlace() throws {
        let cases = [
            (
                #"{"type":"object","properties":{"a":{"type":"string","minLength":3,"maxLength":2}},"required":["a"]}"#,
                "at `/properties/a`"
            ),
            (#"{"type":"integer","minimum":3,"maximum":2}"#, "within its limits"), (#"{"enum":[]}"#, "list of values"),
            (#"{"type":"integer","enum":["a"]}"#, "none of the values"), (#"{"type":"text"}"#, "`/type`"),
            ("false", "no value"),
            (#"{"allOf":[{"type":"string"},{"type":"null"}]}"#, "exclude each other"), ("3", "a schema is an object"),
            (##"{"type":"object","properties":{"x":{"$ref":"#"}},"required":["x"]}"##, "64 levels"),
            (##"{"anyOf":[{"$ref":"#"}]}"##, "levels deep"),
            (#"{"properties":{"a/b":{"not":{}}}}"#, "`/properties/a~1b/not`"),
            (#"{"items":{"patternProperties":{}}}"#, "`/items/patternProperties`"),
            (#"{"uniqueItems":true}"#, "`/uniqueItems`"),
            (##"{"$ref":"http://x"}"##, "leads out"), (##"{"$ref":"#/$defs/x"}"##, "there is nothing"),
            (#"{"type":"string","pattern":"(?=a)"}"#, "`/pattern`"),
            (#"{"type":"string","pattern":"a{9999}{9999}"}"#, "too complicated"),
            (#"{"type":"string","pattern":"("}"#, "no end"), (#"{"type":"number","multipleOf":0.1}"#, "`/multipleOf`"),
            (#"{"oneOf":[{"type":"string"},{"type":"string","maxLength":3}]}"#, "`/oneOf`"),
            (
                #"{"type":"object","minProperties":3,"properties":{"a":{}},"additionalProperties":false}"#,
                "more members"
            ),
            (#"{"type":"array","minItems":2,"maxItems":1}"#, "larger than `maxItems`"),
            (#"{"minLength":-1}"#, "`/minLength`"),
        ]
        for (text, expected) in cases {
            let error = #expect(throws: NestboxError.self, "\(text)") { try Grammar(schema: try schema(text)) }
            #expect(error?.description.contains(expected) == true, "\(text): \(error.debugDescription)")
        }
    }

    @Test func limitsOfNumbersAreExact() throws {
        var random = Walker(seed: 5)
        for _ in 0..<60 {
            let (a, b) = (random.below(400) - 200, random.below(400) - 200)
            let (low, high) = (min(a, b), max(a, b))
            let quarters = ["minimum": Double(low) / 4, "maximum": Double(high) / 4]
            let whole = try #require(
                try NumberRange.between(
                    .init(String(low), isIncluded: true), .init(String(high), isIncluded: true), isWhole: true))
            for number in -450...450 {
                #expect(whole.matches(String(number)) == (low...high).contains(number), "\(number) in \(low)...\(high)")
            }
            #expect(!whole.matches("-0") && !whole.matches("007"))
            let isOpen = random.below(2) == 0 && low < high
            let part = try #require(
                try NumberRange.between(
                    .init("\(quarters["minimum"] ?? 0)", isIncluded: !isOpen),
                    .init("\(quarters["maximum"] ?? 0)", isIncluded: !isOpen),
                    isWhole: false))
            for eighth in stride(from: -450, through: 450, by: 1) where eighth != 0 {
                let value = Double(eighth) / 8
                let inside =
                    isOpen
                    ? value * 4 > Double(low) && value * 4 < Double(high)
                    : value * 4 >= Double(low) && value * 4 <= Double(high)
                #expect(part.matches("\(value)") == inside, "\(value) in \(low)/4...\(high)/4")
                #expect(part.matches("\(value)000") == inside)
            }
        }
        let multiples = try #require(try NumberRange.multiples(of: 7))
        for number in -100...100 { #expect(multiples.matches(String(number)) == (number % 7 == 0)) }
    }

    @Test func patternsMatchAsExpected() throws {
        let cases: [(String, [String], [String])] = [
            ("^a$", ["a"], ["", "aa", "b"]), ("a|^b$", ["xax", "b"], ["bb", ""]),
            ("^(ab|c){2,3}$", ["abc", "ccc", "abab"], ["ab", "cccc"]),
            ("^[^a-c]+?$", ["xyz", "é"], ["", "xa"]), (#"^\d{3}-\w+\s?$"#, ["123-a_B ", "000-9"], ["12-a", "123-"]),
            (#"^\u00e9[\]\-x]$"#, ["é]", "é-", "éx"], ["é", "e]"]), ("^(?:a(?<n>b)?)*$", ["", "abaab"], ["b"]),
            ("^a{0}$", [""], ["a"]),
            (#"^.\.\{x{2,}$"#, ["a.{xx", "世.{xxx"], ["a.{x", "\n.{xx"]), ("", ["", "x\n"], []),
            ("^a{,2}$", ["a{,2}"], ["aa"]),
        ]
        for (pattern, good, bad) in cases {
            let automaton = try #require(try PatternParser.automaton(pattern))
            for text in good { #expect(automaton.matches(text), "\(pattern): \(text)") }
            for text in bad { #expect(!automaton.matches(text), "\(pattern): \(text)") }
        }
    }

    @Test func walksAlongTheMasksEndInValidDocuments() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("GrammarTests.walksAlongTheMasksEndInValidDocuments: seed \(seed)")
        var random = Walker(seed: seed)
        var ended = 0
        for _ in 0..<80 {
            let schema = random.schema(3)
            let grammar = try Grammar(schema: schema, spaces: random.below(3))
            let constraint = GrammarConstraint(grammar, trie: trie)
            for _ in 0..<4 {
                let state = GrammarState(constraint)
                var text: [UInt8] = []
                for step in 0..<2000 {
                    let mask = state.mask()
                    try #require(!mask.isEmpty, "dead end in \(schema) after \(String(decoding: text, as: UTF8.self))")
                    if step % 5 == 0 {
                        for token in pieces.indices {
                            #expect(
                                state.copy().advance(token: token) == mask[token],
                                "\(schema): \(String(decoding: text, as: UTF8.self)) + \(pieces[token])")
                        }
                    }
                    if state.isComplete, step > 40 || random.below(3) == 0 || mask.allowedCount == 1 {
                        #expect(state.advance(token: end) && state.mask().isEmpty)
                        break
                    }
                    var tokens = mask.tokens.filter { $0 != end }
                    // Sooner or later it has to end.
                    let closing = tokens.filter {
                        pieces[$0].last == 0x22 || pieces[$0].last == 0x5D || pieces[$0].last == 0x7D
                    }
                    if step > 20, !closing.isEmpty, random.below(4) != 0 { tokens = closing }
                    let token = tokens[random.below(tokens.count)]
                    try #require(state.advance(token: token))
                    text += pieces[token]
                }
                guard state.isFinished else { continue }
                ended += 1
                let value = try TemplateValue(json: text, deepest: 100)
                #expect(isValid(value, schema), "\(schema): \(String(decoding: text, as: UTF8.self))")
            }
        }
        #expect(ended > 200)
    }

    @Test func validDocumentsAreTaken() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("GrammarTests.validDocumentsAreTaken: seed \(seed)")
        var random = Walker(seed: seed)
        for _ in 0..<400 {
            let schema = random.schema(3)
            let grammar = try Grammar(schema: schema, undeclaredProperties: true, spaces: 0)
            guard let value = random.value(of: schema) else { continue }
            let text = compact(value)
            #expect(isValid(value, schema), "the test's own sample: \(schema): \(text)")
            #expect(refusal(grammar, text) == nil, "\(schema): \(text), at \(refusal(grammar, text) ?? -1)")
        }
    }

    @Test func changedSchemasNeverTrap() throws {
        var random = Walker(seed: UInt64.random(in: 0...UInt64.max))
        let words = [
            "-1", "1e300", "{}", "[]", "null", "true", "\"#\"", "\"object\"", "9223372036854775807", "0.5",
            "\"^(a|b)*$\"",
        ]
        for _ in 0..<600 {
            var text = Array(compact(random.schema(3)).utf8)
            for _ in 0...random.below(3) where !text.isEmpty {
                let at = random.below(text.count)
                if random.below(2) == 0 {
                    text.replaceSubrange(
                        at..<min(text.count, at + random.below(6)), with: Array(words[random.below(words.count)].utf8))
                } else {
                    let from = random.below(text.count)
                    text.insert(
                        contentsOf: text[min(at, from)..<max(at, from)].prefix(40), at: random.below(text.count))
                }
            }
            guard let changed = try? TemplateValue(json: text), let grammar = try? Grammar(schema: changed) else {
                continue
            }
            let state = GrammarState(GrammarConstraint(grammar, trie: trie))
            for _ in 0..<60 {
                let tokens = state.mask().tokens
                guard !tokens.isEmpty, state.advance(token: tokens[random.below(tokens.count)]) else { break }
            }
        }
    }
}

// MARK: - Random schemas, samples of them, and a validator of the keywords used

private func compact(_ value: TemplateValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): String(number)
    case .double(let number): "\(number)"
    case .string(let text):
        String(
            decoding: {
                var out: [UInt8] = []; JSON.append(text, to: &out); return out
            }() as [UInt8], as: UTF8.self)
    case .list(let items): "[" + items.map(compact).joined(separator: ",") + "]"
    case .dict(let entries):
        "{" + entries.map { compact(.string($0.key)) + ":" + compact($0.value) }.joined(separator: ",") + "}"
    }
}

private func number(_ value: TemplateValue?) -> Double? {
    switch value {
    case .int(let number)?: Double(number)
    case .double(let number)?: number
    default: nil
    }
}

private func isValid(_ value: TemplateValue, _ schema: TemplateValue) -> Bool {
    if schema == true { return true }
    if case .list(let choices)? = schema["anyOf"] { return choices.contains { isValid(value, $0) } }
    if case .list(let values)? = schema["enum"] { return values.contains { SchemaCompiler.isSame($0, value) } }
    switch (schema["type"], value) {
    case ("null"?, .null), ("boolean"?, .bool): return true
    case ("integer"?, .int), ("number"?, .int), ("number"?, .double):
        let size = number(value) ?? 0
        return size >= number(schema["minimum"]) ?? -.infinity && size <= number(schema["maximum"]) ?? .infinity
    case ("string"?, .string(let text)):
        let length = Double(text.unicodeScalars.count)
        if case .string(let pattern)? = schema["pattern"] {
            return text.range(of: pattern, options: .regularExpression) != nil
        }
        return length >= number(schema["minLength"]) ?? 0 && length <= number(schema["maxLength"]) ?? .infinity
    case ("array"?, .list(let items)):
        return Double(items.count) >= number(schema["minItems"]) ?? 0
            && Double(items.count) <= number(schema["maxItems"]) ?? .infinity
            && items.allSatisfy { isValid($0, schema["items"] ?? true) }
    case ("object"?, .dict(let entries)):
        if case .list(let required)? = schema["required"] {
            for name in required where !entries.contains(where: { .string($0.key) == name }) { return false }
        }
        return entries.allSatisfy {
            schema["properties"]?[$0.key].map { [value = $0.value] in isValid(value, $0) }
                ?? (schema["additionalProperties"] != false)
        }
    default: return false
    }
}

private struct Walker {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func below(_ count: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(max(count, 1)))
    }

    private static let names = ["a", "ab", "name", "é", "x\"y", "b"]

    mutating func schema(_ depth: Int) -> TemplateValue {
        switch below(depth > 0 ? 10 : 6) {
        case 0: return ["type": "null"]
        case 1: return ["type": "boolean"]
        case 2:
            let low = below(3000) - 1500
            return ["type": "integer", "minimum": .int(Int64(low)), "maximum": .int(Int64(low + below(2000)))]
        case 3: return below(2) == 0 ? ["type": "number"] : ["type": "number", "minimum": -2.5, "maximum": 40]
        case 4:
            let least = below(4)
            return ["type": "string", "minLength": .int(Int64(least)), "maxLength": .int(Int64(least + below(6)))]
        case 5:
            return below(2) == 0
                ? ["enum": ["a", "ab", 3, nil, "é\n", ["k": [1]]]]
                : ["type": "string", "pattern": "^[a-cé]{1,3}(-[0-9]+)?$"]
        case 6: return ["anyOf": [schema(depth - 1), schema(depth - 1)]]
        case 7:
            let least = below(3)
            return [
                "type": "array", "items": schema(depth - 1), "minItems": .int(Int64(least)),
                "maxItems": .int(Int64(least + below(3))),
            ]
        default:
            var properties: [TemplateValue.Entry] = []
            var required: [TemplateValue] = []
            for name in Self.names where below(2) == 0 {
                properties.append(.init(name, schema(depth - 1)))
                if below(2) == 0 { required.append(.string(name)) }
            }
            var entries: [TemplateValue.Entry] = [
                .init("type", "object"), .init("properties", .dict(properties)), .init("required", .list(required)),
            ]
            if below(3) != 0 { entries.append(.init("additionalProperties", false)) }
            return .dict(entries)
        }
    }

    /// Some value that is valid; nil where this does not know one.
    mutating func value(of schema: TemplateValue) -> TemplateValue? {
        if case .list(let choices)? = schema["anyOf"] { return value(of: choices[below(choices.count)]) }
        if case .list(let values)? = schema["enum"] { return values[below(values.count)] }
        let least = Int(number(schema["minItems"] ?? schema["minLength"] ?? schema["minimum"]) ?? 0)
        let most = Int(number(schema["maxItems"] ?? schema["maxLength"] ?? schema["maximum"]) ?? 100)
        let count = least + below(most - least + 1)
        switch schema["type"] {
        case "null"?: return .null
        case "boolean"?: return .bool(below(2) == 0)
        case "integer"?: return .int(Int64(count))
        case "number"?: return .double(min(Double(count) + 0.25, Double(most)))
        case "string"?:
            if schema["pattern"] != nil { return ["a", "éb", "cc-07"][below(3)] }
            let characters = ["x", "é", "世", "😀", "\"", "\\", "\n", "\u{1}"]
            return .string((0..<count).map { _ in characters[below(characters.count)] }.joined())
        case "array"?:
            var items: [TemplateValue] = []
            for _ in 0..<count {
                guard let item = value(of: schema["items"] ?? true) else { return nil }
                items.append(item)
            }
            return .list(items)
        case "object"?:
            guard case .dict(let properties)? = schema["properties"], case .list(let required)? = schema["required"]
            else { return nil }
            var entries: [TemplateValue.Entry] = []
            for property in properties where required.contains(.string(property.key)) || below(2) == 0 {
                guard let value = value(of: property.value) else { return nil }
                entries.insert(.init(property.key, value), at: below(entries.count + 1))
            }
            if schema["additionalProperties"] == nil, below(2) == 0 { entries.append(.init("abc", [1, ["q": nil]])) }
            return .dict(entries)
        default: return .int(1)
        }
    }
}
