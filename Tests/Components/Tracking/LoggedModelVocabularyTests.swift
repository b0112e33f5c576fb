import Contracts
import Core
import TestSupport
import Testing

@testable import Tracking

struct LoggedModelVocabularyTests {
    private func parse(_ text: String) throws -> [SearchFilter.Clause] {
        try SearchFilter(text, .loggedModels).clauses
    }

    @Test func readsEveryKindOfField() throws {
        #expect(try parse("").isEmpty)
        #expect(
            try parse("metrics.`val auc`>=0.5 and params.a.b != 'x y' AND tags.\"k\" ilike '%z'") == [
                .init(SearchField(.metric, "val auc"), .greaterOrEqual, [.number(0.5)]),
                .init(SearchField(.param, "a.b"), .notEqual, [.text("x y")]),
                .init(SearchField(.tag, "k"), .ilike, [.text("%z")]),
            ])
        #expect(
            try parse("attributes.name not in ('a', \"b\") AND creation_time < 5 AND params.x IN ('1',)") == [
                .init(SearchField(.attribute, "name"), .isNotIn, [.text("a"), .text("b")]),
                .init(SearchField(.attribute, "creation_time"), .less, [.integer(5)]),
                .init(SearchField(.param, "x"), .isIn, [.text("1")]),
            ])
    }

    @Test(arguments: ["val/auc", "a-b", "a-1.5e3", "1", "@k:v", "größe", "5.1", "a.b/c-d"])
    func keysMayHoldSigns(_ key: String) throws {
        for comparison in ["\(key)>1", "\(key) > 1"] {
            #expect(try parse("metrics.\(comparison)").first?.field == SearchField(.metric, key))
        }
    }

    @Test(arguments: [
        ("nonsense = 'x'", "position 1"), ("foo.bar = 'x'", "position 1"), ("name", "position 5"),
        ("name ~ 'x'", "position 6"), ("name = x", "position 8"), ("name = 'x", "position 8"),
        ("metrics.a = 'x'", "expected a number"), ("metrics.a LIKE 1", "position 11"), ("metrics. > 1", "a key"),
        ("name = 'a' OR name = 'b'", "position 12"), ("name IN ()", "position 10"), ("name IN ('a'", "`)`"),
        ("name = 'a' AND", "position 15"), ("params.`a = 'x'", "position"), ("metric.a > 1", "position 1"),
    ])
    func saysWhereItStopsUnderstanding(_ text: String, _ says: String) async {
        await expectError(.invalidArgument, mentions: says) { try parse(text) }
    }
}
