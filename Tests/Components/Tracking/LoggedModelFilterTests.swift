import Core
import TestSupport
import Testing

@testable import Tracking

struct LoggedModelFilterTests {
    private func parse(_ text: String) throws -> [LoggedModelFilter.Comparison] { try LoggedModelFilter.parse(text) }

    @Test func readsEveryKindOfField() throws {
        #expect(try parse("").isEmpty)
        #expect(
            try parse("metrics.`val auc`>=0.5 and params.a.b != 'x y' AND tags.\"k\" ilike '%z'") == [
                .init(field: .metric("val auc"), comparator: ">=", values: .number(0.5)),
                .init(field: .param("a.b"), comparator: "!=", values: .texts(["x y"])),
                .init(field: .tag("k"), comparator: "ILIKE", values: .texts(["%z"])),
            ])
        #expect(
            try parse("attributes.name not in ('a', \"b\") AND creation_time < 5 AND params.x IN ('1',)") == [
                .init(field: .attribute("name"), comparator: "NOT IN", values: .texts(["a", "b"])),
                .init(field: .attribute("creation_time"), comparator: "<", values: .number(5)),
                .init(field: .param("x"), comparator: "IN", values: .texts(["1"])),
            ])
        #expect(
            try parse("status IN ('READY', 'FAILED')").first?.values
                == .texts(["LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"]))
    }

    @Test(arguments: [
        ("nonsense = 'x'", "position 1"), ("foo.bar = 'x'", "position 1"), ("name", "position 5"),
        ("name ~ 'x'", "position 6"), ("name = x", "position 8"), ("name = 'x", "position 8"),
        ("metrics.a = 'x'", "expected a number"), ("metrics.a LIKE 1", "position 11"), ("metrics. > 1", "a key"),
        ("name = 'a' OR name = 'b'", "position 12"), ("name IN ()", "position 10"), ("name IN ('a'", "expected )"),
        ("name = 'a' AND", "position 15"), ("params.`a = 'x'", "position"),
    ])
    func saysWhereItStopsUnderstanding(_ text: String, _ says: String) async {
        await expectError(.invalidArgument, mentions: says) { try parse(text) }
    }
}
