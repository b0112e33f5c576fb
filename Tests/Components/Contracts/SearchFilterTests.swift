import Contracts
import Core
import TestSupport
import Testing

@Suite struct SearchFilterTests {
    private func clauses(_ text: String, _ vocabulary: SearchVocabulary = .runs) throws -> [SearchFilter.Clause] {
        try SearchFilter(text, vocabulary).clauses
    }

    private func field(_ text: String) throws -> SearchField {
        try #require(try clauses("\(text) = 'x'").first).field
    }

    @Test(arguments: [
        ("tags.a", "a"), ("tag.a.b.c", "a.b.c"), ("tags.`a b`", "a b"), ("tags.\"a/b\"", "a/b"), ("tags.`a.b`", "a.b"),
        ("tags.'a b'", "a b"), ("`tags`.a", "a"), ("tags.order", "order"), ("tags.IN", "IN"), ("tags._1", "_1"),
        ("tags.größe", "größe"), ("tags.`it's`", "it's"),
    ])
    func keysAreReadAsWritten(text: String, key: String) throws {
        #expect(try field(text) == SearchField(.tag, key))
    }

    @Test(arguments: [
        ("1", SearchValue.integer(1)), ("-3", .integer(-3)), ("+3", .integer(3)), ("0.5", .number(0.5)),
        (".5", .number(0.5)),
        ("-.5", .number(-0.5)), ("2.", .number(2)), ("1e3", .number(1000)), ("1E-3", .number(0.001)),
        ("1e+3", .number(1000)),
        ("9223372036854775808", .number(9_223_372_036_854_775_808)),
    ])
    func numbersInAllForms(text: String, value: SearchValue) throws {
        #expect(try clauses("metrics.m > \(text)").first?.values == [value])
        #expect(try clauses("metrics.m>\(text) and metrics.n=\(text)").count == 2)
    }

    @Test(arguments: [
        ("'a'", "a"), ("\"a\"", "a"), ("'it''s'", "it''s"), ("'it\\'s'", "it\\'s"), ("\"it's\"", "it's"), ("''", ""),
        ("'a\\'", "a\\"), ("'a\nb'", "a\nb"), ("'`'", "`"),
    ])
    func textsAreReadAsWritten(text: String, value: String) throws {
        #expect(try clauses("tags.a = \(text)").first?.values == [.text(value)])
    }

    @Test func listsHoldTexts() throws {
        for text in ["('a','b')", "( \"a\" , 'b' )", "('a', 'b',)"] {
            #expect(try clauses("run_id NOT  in \(text)").first?.values == [.text("a"), .text("b")])
        }
        #expect(try clauses("experiment_id IN ('1')", .experiments).first?.values == [.integer(1)])
    }

    @Test func namesOfOldClientsAreOneField() throws {
        for name in ["start_time", "created", "Created", "attributes.start_time", "attribute.created", "run.Created"] {
            #expect(try clauses("\(name) > 1").first?.field == SearchField(.attribute, "start_time"))
        }
    }

    @Test(arguments: [
        ("metrics.auc", 12, "expected one of =, !=, <"), ("metrics.auc >", 14, "a number"),
        ("metrics.auc > 'x'", 15, "a number"), ("metrics.auc > x", 15, "a number"),
        ("metrics.auc > 0x1F", 15, "a number"),
        ("metrics.auc > nan", 15, "a number"), ("metrics.auc > 1_000", 15, "a number"), ("metrics.auc <> 1", 13, "!="),
        ("metrics.auc > 1 metrics.b > 2", 17, "expected AND"), ("= 1", 1, "a name"),
        ("metrics. auc > 1", 9, "right after"),
        ("metrics.`` > 1", 9, "empty"), ("metrics.1 > 1", 9, "a key"), ("metrics.a-b > 1", 10, "quote the key"),
        ("'metrics.a' > 1", 1, "a name"), ("status = 'a' or status = 'b'", 14, "AND only"),
        ("status = 'a' AND (status = 'b')", 18, "parentheses"), ("status = 'a';", 13, "expected AND"),
        ("status = 'a' -- b", 14, "expected AND"), ("run_id IN 'a'", 11, "expected `(`"),
        ("run_id IN ('a' 'b')", 16, "`,`"),
        ("run_id IN (1)", 12, "a text"), ("tags.a NOT LIKE 'x'", 8, "expected one of"),
        ("tags.a IS 'x'", 8, "expected one of"),
        ("tags.a = 'x", 10, "without an end"), ("tags.a.= 'x'", 8, "a key"), ("datasets.size = '1'", 1, "digest"),
        ("tags.a = x", 10, "in single or double quotes"), ("Tags.a = 'x'", 1, "`tags.`"),
    ])
    func namesThePlaceOfWhatItDoesNotUnderstand(text: String, position: Int, says: String) {
        let error = #expect(throws: NestboxError.self) { try SearchFilter(text, .runs) }
        #expect(error?.code == .invalidArgument)
        let said = "\(error?.message ?? "") \(error?.hint ?? "")"
        #expect(said.contains("at position \(position):") && said.contains(says), "\(text): \(said)")
    }

    @Test func ordersAreFieldsWithADirection() throws {
        let read = try SearchOrder.parse(["metrics.`a b` desc", "tags.x.y", " end_time  ASC ", "created DESC"], .runs)
        #expect(
            read == [
                SearchOrder(SearchField(.metric, "a b"), isAscending: false), SearchOrder(SearchField(.tag, "x.y")),
                SearchOrder(SearchField(.attribute, "end_time")),
                SearchOrder(SearchField(.attribute, "start_time"), isAscending: false),
            ])
        #expect(
            try SearchOrder.parse(["timestamp"], .registeredModels)
                == [SearchOrder(SearchField(.attribute, "last_updated_timestamp"))])
        for bad in [
            ["created", "start_time"], ["metrics.a", "metrics.`a` DESC"], Array(repeating: "run_id", count: 21),
        ] {
            #expect(throws: NestboxError.self) { try SearchOrder.parse(bad, .runs) }
        }
    }

    @Test func patternsBecomeGlobs() throws {
        let like = try #require(try clauses("tags.a LIKE '50%_[a]*?'").first).condition(on: "v")
        #expect(like.sql == "v GLOB ?" && like.values == [.text("50*?[[]a][*][?]")])
        let ilike = try #require(try clauses("tags.a ilike 'x'").first).condition(on: "v")
        #expect(ilike.sql == "lower(v) GLOB lower(?)")
    }

    @Test func absurdFiltersAreRefused() {
        let many = Array(repeating: "tags.a = 'x'", count: 101).joined(separator: " and ")
        #expect(throws: NestboxError.self) { try SearchFilter(many, .runs) }
        #expect(throws: NestboxError.self) {
            try SearchFilter("tags.a LIKE '\(String(repeating: "%a", count: 6000))'", .runs)
        }
    }

    /// Whatever the text, the answer is a filter or a sentence with a position inside the text or right after it.
    @Test func mutatedFiltersNeverCrash() throws {
        let seed = UInt64.random(in: 0..<(1 << 32))
        var generator = SeededGenerator(seed: seed)
        let samples = [
            "metrics.auc > 0.7 and params.learner = 'linear' AND tags.`a b` LIKE \"x%\"", "run_id NOT IN ('a', 'b')",
            "tags.`mlflow.user` IS NOT NULL and start_time <= -1.5e-3", "datasets.name ILIKE 'it''s \\'x'",
            "attributes.run_name != \"größe\" and metric.'a' = .5",
        ].map { Array($0.unicodeScalars) }
        let alphabet = Array("'\"`.,()=<>!~-+ eE0%_aIN\\\n\u{0}é😀#$".unicodeScalars)
        for round in 0..<20_000 {
            var text = samples[Int(generator.next() % UInt64(samples.count))]
            for _ in 0...Int(generator.next() % 4) {
                let at = Int(generator.next() % UInt64(text.count + 1))
                switch generator.next() % 3 {
                case 0: text.insert(alphabet[Int(generator.next() % UInt64(alphabet.count))], at: at)
                case 1: if at < text.count { text.remove(at: at) }
                default: text.removeSubrange(at..<min(text.count, at + Int(generator.next() % 8)))
                }
            }
            var view = String.UnicodeScalarView()
            view.append(contentsOf: text)
            do {
                _ = try SearchFilter(String(view), .runs)
                _ = try SearchOrder.parse([String(view)], .runs)
            } catch let error as NestboxError {
                let position = try #require(
                    error.message.firstMatch(of: #/at position (\d+):/#).flatMap { Int($0.output.1) },
                    "seed \(seed), round \(round): \(error)")
                #expect((1...text.count + 1).contains(position), "seed \(seed), round \(round): \(error)")
            }
        }
    }
}
