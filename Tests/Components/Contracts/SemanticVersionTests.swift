import Contracts
import Core
import TestSupport
import Testing

struct SemanticVersionTests {
    @Test(arguments: ["1.2.3", "0.0.0", "10.20.30", "1.0.1000000000"])
    func readsWhatItWrites(_ text: String) throws {
        #expect(try SemanticVersion(parsing: text).description == text)
    }

    @Test(arguments: [
        "", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-rc1", "v1.2.3", "1..3", "-1.2.3", "1.2.٣",
        "1.2.1000000001",
    ])
    func refusesWhatIsNone(_ text: String) async {
        await expectError(.invalidArgument, mentions: "semantic version") { try SemanticVersion(parsing: text) }
    }

    @Test func ordersByNumbersAndNotByLetters() throws {
        let texts = ["0.9.9", "1.0.0", "1.0.2", "1.0.10", "1.2.0", "1.10.0", "2.0.0"]
        let versions = try texts.map(SemanticVersion.init(parsing:))
        #expect(versions.shuffled().sorted() == versions)
        #expect(versions[3].next(.minor).description == "1.1.0" && versions[3].next(.major).description == "2.0.0")
    }

    @Test(arguments: [
        ("1.2.3", "1.2.3", "1.2.2 1.2.4"), ("=1.2.3", "1.2.3", "1.2.4"), ("1.2", "1.2.0 1.2.9", "1.1.9 1.3.0"),
        ("1.x", "1.0.0 1.99.0", "0.9.0 2.0.0"), ("*", "0.0.1 9.9.9", ""), ("^1.2", "1.2.0 1.9.9", "1.1.9 2.0.0"),
        ("^0.2.1", "0.2.1 0.2.9", "0.2.0 0.3.0"), ("^0.0.3", "0.0.3", "0.0.4 0.0.2"), ("^0", "0.0.0 0.9.0", "1.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"), ("~1", "1.0.0 1.9.0", "2.0.0"), (">1.2", "1.3.0", "1.2.9"),
        (">=1.2 <2", "1.2.0 1.9.9", "1.1.9 2.0.0"), ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
        (">1.0.0,<1.1", "1.0.1", "1.0.0 1.1.0"),
    ])
    func rangesTakeWhatTheySay(_ range: String, _ inside: String, _ outside: String) throws {
        let range = try SemanticRange(parsing: range)
        for text in inside.split(separator: " ") {
            #expect(try range.contains(SemanticVersion(parsing: String(text))), "\(text)")
        }
        for text in outside.split(separator: " ") {
            #expect(try !range.contains(SemanticVersion(parsing: String(text))), "\(text)")
        }
    }

    @Test(arguments: ["", "  ", "^", ">=", "latest", "1.2.3.4", "1.a", "^^1", "1 || 2", "x.1"])
    func refusesRangesThatAreNone(_ text: String) async {
        await expectError(.invalidArgument, mentions: "range") { try SemanticRange(parsing: text) }
    }
}
