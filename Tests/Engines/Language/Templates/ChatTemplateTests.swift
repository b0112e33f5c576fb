import Core
import Foundation
import Testing

@testable import Language

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/Templates")

private func load(_ name: String) throws -> TemplateValue {
    try TemplateValue(json: Data(contentsOf: fixtures.appendingPathComponent(name)), what: name, deepest: 100)
}

private func source(_ model: String) throws -> String {
    String(decoding: try Data(contentsOf: fixtures.appendingPathComponent("models/\(model)")), as: UTF8.self)
}

extension TemplateValue {
    fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
    fileprivate var items: [TemplateValue] { if case .list(let items) = self { items } else { [] } }
    fileprivate var entries: [Entry] { if case .dict(let entries) = self { entries } else { [] } }
    fileprivate var table: [String: TemplateValue] {
        Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
    }
}

/// 2026-03-07 09:05:03 in the machine's time zone, which is the time that the goldens were made at.
private let now = {
    var parts = DateComponents()
    (parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second) = (2026, 3, 7, 9, 5, 3)
    return Calendar(identifier: .gregorian).date(from: parts) ?? Date()
}()

/// Compares with what the reference gave: its output byte by byte (Swift would take canonical equivalents for equal), or
/// that it failed, with the text of its `raise_exception`.
private func compare(_ what: String, _ reference: TemplateValue, _ render: () throws -> String) {
    let result = Result { try render() }
    if let expected = reference["output"]?.text {
        switch result {
        case .success(let output):
            #expect(
                Array(output.utf8) == Array(expected.utf8),
                "\(what): \(output.debugDescription), not \(expected.debugDescription)")
        case .failure(let error): Issue.record("\(what): \(error), not \(expected.debugDescription)")
        }
    } else {
        let message = reference["error"]?.text ?? ""
        switch result {
        case .success(let output): Issue.record("\(what): \(output.debugDescription), where the reference fails")
        case .failure(let error):
            #expect(error is NestboxError && (message.isEmpty || "\(error)".contains(message)), "\(what): \(error)")
        }
    }
}

@Suite struct ChatTemplateTests {
    @Test func smallTemplatesRenderAsInJinja() throws {
        let golden = try load("snippets.json")
        let context = try #require(golden["context"]).table
        let cases = try #require(golden["cases"]).items
        #expect(cases.count > 400)
        for entry in cases {
            let template = try #require(entry["template"]?.text)
            compare(template, entry) { try ChatTemplate(template).render(variables: context, now: now) }
        }
    }

    @Test func templatesOfPublicModelsRenderAsInTransformers() throws {
        let golden = try load("goldens.json")
        let tokens = try #require(golden["tokens"]).table.compactMapValues(\.text)
        let models = try #require(golden["cases"]).entries
        #expect(models.count >= 25)
        for model in models {
            let template = try ChatTemplate(try source(model.key))
            for entry in model.value.entries {
                let talk = try #require(golden["conversations"]?[entry.key])
                compare("\(model.key), \(entry.key)", entry.value) {
                    try template.render(
                        messages: try #require(talk["messages"]), tools: talk["tools"],
                        addGenerationPrompt: talk["add_generation_prompt"] != false, tokens: tokens,
                        extra: talk["extra"]?.table ?? [:], now: now)
                }
            }
        }
    }

    @Test func errorsNameTheirPlace() {
        let cases = [
            ("ab\n  {{ x | nope }}", "line 2, column 8: there is no filter `nope`"),
            ("{% if a %}\nb", "line 2, column 1: the template ends inside a block: expected `{% elif %}`"),
            ("é{{ 'a' + 1 }}", "line 1, column 9: unsupported operand"),
            ("{% for x in 5 %}{% endfor %}", "'int' object is not iterable"),
            ("{{ raise_exception('Only users may speak') }}", "refuses this conversation: Only users may speak"),
            ("{{ messages[0].content.nope.x }}", "has no attribute 'nope'"),
            ("{% include 'x' %}", "needs other templates"),
        ]
        for (template, expected) in cases {
            let error = #expect(throws: NestboxError.self) {
                try ChatTemplate(template).render(messages: [["role": "user", "content": "a"]])
            }
            #expect(error?.description.contains(expected) == true, "\(template): \(error.debugDescription)")
        }
    }

    @Test func hostileTemplatesEndWithAnErrorThatSaysSo() {
        let loop = "{% for a in range(99999) %}"
        let many = String(repeating: loop, count: 4) + String(repeating: "{% endfor %}", count: 4)
        let cases = [
            (many, "the template loops"),
            ("{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "more than 8 MiB"),
            ("{{ 'x' * 9000000 }}", "more than 8 MiB"),
            ("{{ 'xy' * 9223372036854775807 }}", "more than 8 MiB"),
            ("{{ [1] * 9223372036854775807 }}", "too long"),
            ("{{ range(9223372036854775807) }}", "longer than 100000"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "levels deep"),
            ("{% macro m(x) %}{{ m(x=[x]) }}{% endmacro %}{{ m() }}", "or 100 levels"),
            (
                "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
                "more than 8 MiB"
            ),
            (
                "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
                "more than 4000000 values"
            ),
            (
                "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}",
                "values or 100 levels"
            ),
            (
                "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}",
                "or 100 levels"
            ),
            (
                "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = n.x|map('upper') %}{% endfor %}",
                "or 100 levels"
            ),
            (
                "{% set n = namespace(s='') %}{% for i in range(99999) %}{% set n.s = n.s ~ 'abcdefgh' ~ (n.s in n.s) %}{% endfor %}",
                "works for too long"
            ),
            ("{% for i in range(99999) %}{{ (range(9999)|sort)[0] }}{% endfor %}", "works for too long"),
            ("{{ " + String(repeating: "(", count: 5000) + String(repeating: ")", count: 5000) + "}}", "levels deep"),
            ("{{ " + String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000) + "}}", "levels deep"),
            ("{{ " + String(repeating: "-", count: 5000) + "1 }}", "levels deep"),
            ("{{ 1" + String(repeating: "+1", count: 5000) + " }}", "operators in a row"),
            ("{{ a" + String(repeating: ".a", count: 5000) + " }}", "operators in a row"),
            ("{{ a" + String(repeating: "|e", count: 5000) + " }}", "operators in a row"),
            (String(repeating: "{% if a %}", count: 5000), "levels deep"),
            ("{{ 'a'|indent(99999999999) }}", "more than 8 MiB"),
            ("{{ 'a'.center(99999999999) }}", "more than 8 MiB"),
            ("{{ '%99999999999d' % 1 }}", "too large"),
            ("{{ 9223372036854775807 + 1 }}", "64 bits"),
            ("{{ (-9223372036854775807 - 1) // -1 }}{{ -(-9223372036854775807 - 1) }}", "64 bits"),
            ("{{ 99 ** 99 }}", "64 bits"),
            (String(repeating: "x", count: 2 << 20), "the most is 1 MiB"),
        ]
        for (template, expected) in cases {
            let error = #expect(throws: NestboxError.self, "\(template.prefix(80))") {
                try ChatTemplate(template).render(messages: [])
            }
            #expect(error?.description.contains(expected) == true, "\(template.prefix(80)): \(error.debugDescription)")
        }
    }

    @Test func namespacesThatHoldEachOtherAreGivenBack() throws {
        let template = try ChatTemplate(
            "{% set a = namespace() %}{% set a.a = a %}{% macro m() %}{{ a }}{% endmacro %}{% set a.m = m %}{% set b = cycler(a) %}ok"
        )
        #expect(try template.render(messages: []) == "ok")
        // Deep chains must not be given back recursively.
        let chain = try ChatTemplate(
            "{% set n = namespace(x=none) %}{% for i in range(90000) %}{% set n.x = namespace(x=n.x) %}{% endfor %}ok")
        #expect(try chain.render(messages: []) == "ok")
    }

    @Test func changedTemplatesNeverTrap() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("ChatTemplateTests.changedTemplatesNeverTrap: seed \(seed)")
        var random = SplitMix(state: seed)
        let golden = try load("snippets.json")
        let context = try #require(golden["context"]).table
        var sources = try #require(golden["cases"]).items.compactMap { $0["template"]?.text }
        let talks = try #require(try load("goldens.json")["conversations"]).entries
        let models = try FileManager.default.contentsOfDirectory(atPath: fixtures.appendingPathComponent("models").path)
        sources += try models.filter { $0.hasSuffix(".jinja") }.sorted().map { try source($0) }
        let pieces = [
            "{%", "%}", "{{", "}}", "-", "|", "(", ")", "[", "]", "if ", "for x in x ", "endfor", "not ", "is ", "~",
            "**", "loop",
            "namespace()", "'", "\\", "9223372036854775807", "-1", ".x", "range(9)", "{#", "\u{1F600}", "0", ":", ",",
            "=",
        ].map { Array($0.utf8) }
        var rendered = 0
        for _ in 0..<4000 {
            var bytes = Array(sources[random.below(sources.count)].utf8)
            for _ in 0...random.below(3) where !bytes.isEmpty {
                let at = random.below(bytes.count)
                let end = min(bytes.count, at + random.below(12))
                switch random.below(4) {
                case 0: bytes.removeSubrange(at..<end)
                case 1: bytes.insert(contentsOf: pieces[random.below(pieces.count)], at: at)
                case 2: bytes.insert(contentsOf: bytes[at..<end], at: random.below(bytes.count))
                default: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                }
            }
            guard let template = try? ChatTemplate(String(decoding: bytes, as: UTF8.self)) else { continue }
            let talk = talks[random.below(talks.count)].value
            if (try? template.render(
                messages: talk["messages"] ?? [], tools: talk["tools"], extra: context.filter { $0.key != "messages" }))
                != nil
            {
                rendered += 1
            }
        }
        #expect(rendered > 100)
    }

    @Test func jsonKeepsTheOrderOfItsKeys() throws {
        let value = try TemplateValue(
            json: #"{"b": [1, {"z": null, "a": -0}], "a": "x\"é\\", "b": 2.50, "e": [], "f": {}}"#.utf8)
        #expect(
            value == [
                "b": 2.5, "a": "x\"é\\", "e": [], "f": [:],
            ])
        #expect(try TemplateValue(json: "[-0, -0.0, true, null]".utf8) == [0, .double(-0.0), true, nil])
        #expect(throws: NestboxError.self) { try TemplateValue(json: "{\"a\": 1,}".utf8) }
        #expect(throws: NestboxError.self) { try TemplateValue(json: String(repeating: "[", count: 100).utf8) }
    }
}

/// A small generator whose sequence depends on the seed alone.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(count, 1))) }
}
