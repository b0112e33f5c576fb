import Contracts
import Core
import Foundation
import Storage
import TestSupport
import Testing
import Tracking

@testable import Traces

/// The filter language against stored traces, word by word.
@Suite struct TraceFilterTests {
    private let directory: TemporaryDirectory
    private let traces: EmbeddedTraceStore
    private let experiment = "0"

    init() throws {
        directory = try TemporaryDirectory()
        let decisions = try Store(in: directory, EmbeddedTracking.decisionMigrations, name: "nestbox.db")
        let telemetry = try Store(
            in: directory, EmbeddedTracking.telemetryMigrations + EmbeddedTraceStore.migrations, name: "telemetry.db")
        let tracking = try EmbeddedTracking(decisions: decisions, telemetry: telemetry, ambient: .live)
        traces = EmbeddedTraceStore(store: telemetry, tracking: tracking, ambient: .live)
    }

    /// Three traces: `a` is fine and of a session, `b` failed, `c` is of the same session as `a`.
    private func fill() async throws {
        for (name, trace) in zip("abc", ["0a", "0b", "0c"].map { String(repeating: $0, count: 16) }) {
            var info = TraceSample.info(trace, experiment)
            info.tags = [TraceKey.name: "trace \(name)", "it's": "quoted", "case": name == "a" ? "Blue" : "blue_2"]
            if name == "b" { info.tags["only.b"] = "yes" }
            info.state = name == "b" ? .error : .ok
            info.clientRequestID = name == "c" ? nil : "request-\(name)"
            info.requestTime = Timestamp(milliseconds: TraceSample.start + (name == "a" ? 0 : name == "b" ? 10 : 20))
            info.duration = name == "c" ? nil : 100
            if name != "b" { info.metadata[TraceKey.session] = "s-1" }
            _ = try await traces.put(info)
            let root = TraceSample.span(
                trace, "root", status: name == "b" ? .error : .ok,
                [
                    TraceKey.spanType: "CHAIN", "model": .string("gpt-\(name)"), "n": .int(name == "a" ? 5 : 7),
                    "flag": .bool(name == "a"), "list": ["x", "y"],
                    TraceKey.spanInputs: ["question": .string("Wo ist \(name)ä?")],
                ])
            let tool = TraceSample.span(
                trace, "search \(name)", parent: root.id, [TraceKey.spanType: "TOOL", "model": "none"])
            try await traces.record([root, tool], resource: [:], experimentID: experiment)
        }
        try await assess()
    }

    private func assess() async throws {
        let now = Timestamp(milliseconds: 0)
        func add(
            _ trace: Character, _ name: String, _ value: JSONValue, _ kind: Assessment.Kind = .feedback,
            session: Bool = false
        ) async throws {
            _ = try await traces.addAssessment(
                Assessment(
                    traceID: "tr-" + String(repeating: "0\(trace)", count: 16), name: name, kind: kind, value: value,
                    createdAt: now, updatedAt: now, metadata: session ? [TraceKey.session: "s-1"] : [:]))
        }
        try await add("a", "correct", true)
        try await add("b", "correct", false)
        try await add("a", "score", 0.5)
        try await add("b", "score", 3)
        try await add("a", "tone", "friendly")
        try await add("b", "want", "a text", .expectation)
        try await add("b", "ISSUE-1", ["issue_name": "slow"], .issue)
        try await add("a", "of session", "good", session: true)
    }

    private func found(_ filter: String, _ order: [String] = ["timestamp ASC"]) async throws -> String {
        let page = try await traces.search(
            TraceSearch(experimentIDs: [experiment], filter: filter, orderBy: order))
        return page.items.map { String($0.name!.last!) }.joined()
    }

    private static let cases: [(String, String)] = [
        ("", "abc"), ("status = 'OK'", "ac"), ("status != 'OK'", "b"), ("attributes.status = \"ERROR\"", "b"),
        ("trace.status IN ('OK', 'ERROR')", "abc"), ("status NOT IN ('OK')", "b"), ("`status` = 'OK'", "ac"),
        ("timestamp > 1700000000000", "bc"), ("timestamp_ms >= 1700000000010 AND timestamp <= 1700000000010", "b"),
        ("execution_time = 100", "ab"), ("execution_time_ms < 100", ""), ("end_time = 1700000000110", "b"),
        ("end_time_ms <= 1700000000100", "ac"), ("request_id = 'tr-\(String(repeating: "0a", count: 16))'", "a"),
        ("request_id LIKE 'tr-0c%'", "c"), ("client_request_id = 'request-b'", "b"),
        ("client_request_id LIKE 'request%'", "ab"), ("name = 'trace a'", "a"), ("name ILIKE 'TRACE%'", "abc"),
        ("name LIKE 'TRACE%'", ""), ("name RLIKE '^trace [ab]$'", "ab"), ("name IN ('trace a', 'trace c')", "ac"),
        ("tags.case = 'Blue'", "a"), ("tag.case LIKE 'blue%'", "bc"), ("tags.case ILIKE 'blue%'", "abc"),
        ("tags.case LIKE 'blue[_]2'", ""), ("tags.case LIKE 'blue_2'", "bc"), ("tags.case LIKE '*'", ""),
        ("tags.`only.b` = 'yes'", "b"), ("tags.\"only.b\" IS NOT NULL", "b"), ("tags.only.b IS NULL", "ac"),
        ("tags.only.b != 'no'", "b"), ("tags.`it's` = 'quoted'", "abc"), ("tags.\"it's\" = 'it''s'", ""),
        ("metadata.`mlflow.trace.session` = 's-1'", "ac"), ("request_metadata.mlflow.trace.session IS NULL", "b"),
        ("metadata.mlflow.source.name LIKE 'te%'", "abc"), ("run_id = 'nobody'", ""),
        ("span.name = 'search b'", "b"), ("span.name LIKE 'search%' AND span.type = 'TOOL'", "abc"),
        // Both speak of one span.
        ("span.name LIKE 'search%' AND span.type = 'CHAIN'", ""), ("span.status = 'ERROR'", "b"),
        ("span.attributes.model = 'gpt-a'", "a"), ("span.attributes.model LIKE 'gpt-%'", "abc"),
        ("span.attributes.model RLIKE 'gpt-[bc]'", "bc"), ("span.attributes.n = '5'", "a"),
        ("span.attributes.flag = 'true'", "a"), ("span.attributes.`model` IN ('gpt-b', 'gpt-c')", "bc"),
        ("span.attributes.list LIKE '%y%'", "abc"), ("span.attributes.nothing LIKE '%'", ""),
        ("trace.text LIKE '%Wo ist a%'", "a"), ("text LIKE '%aä?%'", "a"), ("span.content ILIKE '%WO IST%'", "abc"),
        ("text LIKE '%\"question\": \"Wo ist bä?\"%'", "b"), ("feedback.correct = 'true'", "a"),
        ("feedback.correct = true", "a"), ("feedback.correct != 'true'", "b"), ("feedback.score > 1", "b"),
        ("feedback.score <= 0.5", "a"), ("feedback.score = 3", "b"), ("feedback.tone = 'friendly'", "a"),
        ("feedback.tone LIKE 'fri%'", "a"), ("feedback.tone > 1", ""), ("feedback.tone IS NOT NULL", "a"),
        ("feedback.tone IS NULL", "bc"), ("expectation.want = 'a text'", "b"), ("feedback.want IS NOT NULL", ""),
        ("issue.id = 'ISSUE-1'", "b"), ("feedback.`of session` = 'good'", "ac"),
        ("feedback.\"of session\" IS NULL", "b"),
        ("status = 'OK' and span.name LIKE 'search%' and feedback.score < 1 and name = 'trace a'", "a"),
    ]

    @Test func everyWordOfTheLanguage() async throws {
        try await fill()
        for (filter, expected) in Self.cases {
            do {
                #expect(try await found(filter) == expected, "\(filter)")
            } catch {
                Issue.record("\(filter): \(error)")
            }
        }
        #expect(try await found("", ["name DESC"]) == "cba")
        #expect(try await found("", ["tags.only.b", "timestamp DESC"]) == "bca")
        #expect(try await found("", ["execution_time DESC", "timestamp ASC"]) == "abc")
        #expect(try await found("", ["metadata.`mlflow.trace.session` DESC", "name"]) == "acb")
        #expect(try await found("", ["status", "request_id DESC"]) == "bca")
    }

    @Test func whatIsNotUnderstoodIsNamedWithItsPlace() async throws {
        let cases = [
            ("foo = 3", "position 1"), ("status = OK", "position 10"), ("status = 'OK' or name = 'a'", "position 15"),
            ("status == 'OK'", "position 8"),
            ("status > 'a'", "position 8"), ("timestamp = 'now'", "position 13"), ("timestamp LIKE '1'", "position 11"),
            ("params.x = '1'", "params"), ("tags. = '1'", "key"), ("status", "position 7"),
            ("status = 'OK", "without an end"), ("status IN 'OK'", "`(`"), ("status IN ('OK'", "position 16"),
            ("span.weight = '1'", "weight"), ("span.content = 'x'", "LIKE, ILIKE"),
            ("feedback.score > 'many'", "number"),
            ("prompt = 'greet'", "name/version"), ("prompt LIKE 'greet/1'", "position 8"),
            ("issue.name = 'x'", "issue"),
            ("name RLIKE '('", "regular expression"), ("and", "position 1"), ("status = 'OK' and", "position 18"),
            ("name RLIKE 'a\0['", "position 14"), ("name = 'a' name = 'b'", "position 12"),
            ("name IS MAYBE", "position 6"),
            (String(repeating: "a", count: 300_000), "300000"), ("feedback.score > '1'", "position 18"),
            ("span.attributes.`a`b = '1'", "position 20"), ("span.attributes = '1'", "no span `attributes`"),
        ]
        for (filter, mention) in cases {
            await expectError(.invalidArgument, mentions: mention) { try await found(filter) }
        }
        for order in ["span.name", "timestamp UP", "", "feedback.x DESC"] {
            await expectError(.invalidArgument) { try await found("", [order]) }
        }
        let long = String(repeating: "*", count: 19_000)
        await expectError(.invalidArgument, mentions: "1000") { try await found("name LIKE '\(long)'") }
        let many = Array(repeating: "name = 'a'", count: 101).joined(separator: " and ")
        await expectError(.invalidArgument, mentions: "100") { try await found(many) }
        _ = try await found(Array(repeating: "feedback.a LIKE 'b'", count: 100).joined(separator: " and "))
        await expectError(.invalidArgument, mentions: "21") { try await found("", (0...20).map { "tags.t\($0)" }) }
        _ = try await found("", (0..<20).map { "tags.t\($0)" })
        await expectError(.invalidArgument, mentions: "twice") { try await found("", ["name", "name DESC"]) }
    }

    @Test func aPatternThatTakesForEverIsStopped() throws {
        let patterns = TracePatterns(budget: .milliseconds(200))
        let text = String(repeating: "a", count: 60) + "!"
        #expect(throws: NestboxError.self) { try patterns.matches("(a+)+$", text) }
        #expect(patterns.isExhausted)
        let quick = TracePatterns()
        #expect(try quick.matches("a+!", text) && !quick.matches("b", text))
    }

    @Test func randomFiltersNeverBreakTheStatement() async throws {
        try await fill()
        let seed = UInt64.random(in: 0 ... .max)
        print("TraceFilterTests seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let words = [
            "status", "tags.x", "tags.`a b`", "span.name", "span.attributes.model", "feedback.score", "text", "name",
            "=", "!=", "<", ">=", "LIKE", "ILIKE", "RLIKE", "IN", "NOT", "IS", "NULL", "and", "(", ")", ",", "'OK'",
            "\"x\"", "5", "true", "'", "\"", "`", ".", ";--", "\u{0}", "ü", "expectation.a", "prompt", "run_id",
            "'%_*['",
        ]
        for round in 0..<3000 {
            let filter =
                round % 3 == 0
                ? (0..<Int.random(in: 1...9, using: &generator)).map { _ in words.randomElement(using: &generator)! }
                    .joined(separator: " ")
                : mutated(Self.cases.randomElement(using: &generator)!.0, words, &generator)
            do {
                _ = try await found(filter)
            } catch let error as NestboxError {
                #expect(error.code == .invalidArgument, "seed \(seed): \(filter): \(error)")
            }
        }
    }

    private func mutated(_ filter: String, _ words: [String], _ generator: inout SeededGenerator) -> String {
        var scalars = Array(filter.unicodeScalars)
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !scalars.isEmpty {
            let at = Int.random(in: 0..<scalars.count, using: &generator)
            if Bool.random(using: &generator) {
                scalars.remove(at: at)
            } else {
                scalars.insert(contentsOf: words.randomElement(using: &generator)!.unicodeScalars, at: at)
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
