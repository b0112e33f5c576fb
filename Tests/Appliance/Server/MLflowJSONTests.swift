import Contracts
import Core
import Foundation
import Server
import Testing

@Suite struct MLflowJSONTests {
    @Test func notANumberAndInfinitiesAreText() {
        let bytes = MLflowJSONWriter.object {
            $0.field("a", Double.nan)
            $0.field("b", Double.infinity)
            $0.field("c", -Double.infinity)
        }
        #expect(String(decoding: bytes, as: UTF8.self) == #"{"a":"NaN","b":"Infinity","c":"-Infinity"}"#)
    }

    @Test func writesWhatFoundationReadsBack() throws {
        let strange = "quote \" back \\ line \n return \r tab \t bell \u{7} é 😀"
        let bytes = MLflowJSONWriter.object {
            $0.field("text", strange)
            $0.field("missing", nil as String?)
            $0.field("whole", Int64.min)
            $0.field("absent", nil as Int64?)
            $0.field("yes", true)
            $0.field("tenth", 0.1)
            $0.field("tiny", .leastNonzeroMagnitude)
            $0.object("inner") { $0.field("a", "b") }
            $0.object("hollow") { _ in }
            $0.list("empty", [String]())
            $0.list("names", ["x", strange])
            $0.list("none", [Int]()) { _, _ in }
            $0.list("items", 1...2) { $0.field("n", Int64($1)) }
            $0.pairs("tags", ["k": "v", "a": ""])
        }
        let value = try JSON.decode(JSONValue.self, from: Data(bytes))
        #expect(
            value == [
                "text": .string(strange), "whole": .int(.min), "yes": true, "tenth": 0.1,
                "tiny": .number(.leastNonzeroMagnitude),
                "inner": ["a": "b"], "hollow": [:], "names": ["x", .string(strange)], "items": [["n": 1], ["n": 2]],
                "tags": [["key": "a", "value": ""], ["key": "k", "value": "v"]],
            ])
    }
}
