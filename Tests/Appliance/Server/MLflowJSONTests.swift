import Contracts
import Core
import Foundation
import Server
import Testing

@Suite struct MLflowJSONTests {
    @Test func readsWhatFoundationReads() throws {
        let texts = [
            "{}", "[]", " [ 1 , -2 , 3.5e-3 , true, false, null ] ", #"{"a":{"b":[{"c":"d"}]}}"#, "\"plain\"", "0",
            #""quote \" back \\ slash \/ tab \t line \n \u00e9 \ud83d\ude00 é 😀""#, "9223372036854775807",
            "-9223372036854775808",
            "[[[]]]", #"{"":""}"#,
        ]
        for text in texts {
            let expected = try JSON.decode(JSONValue.self, from: text)
            #expect(try MLflowJSONReader.parse(Array(text.utf8)) == expected, "\(text)")
        }
    }

    @Test func readsTheBareWordsThatPythonWrites() throws {
        let value = try MLflowJSONReader.parse(Array("[NaN, Infinity, -Infinity]".utf8))
        let numbers = try #require(value.arrayValue).compactMap(\.doubleValue)
        #expect(numbers.count == 3 && numbers[0].isNaN && numbers[1] == .infinity && numbers[2] == -.infinity)
    }

    @Test func aNumberWithAPointOrAnExponentIsReal() throws {
        #expect(try MLflowJSONReader.parse(Array("[1E+2, -0.0, 7]".utf8)) == [.number(100), .number(-0.0), .int(7)])
        #expect(try MLflowJSONReader.parse(Array("9223372036854775808".utf8)) == .number(9_223_372_036_854_775_808))
    }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "[1,]", "[1 2]",
        "1 2", "01", "+1", "1.",
        ".5", "1e", "--1", "-", "tru", "nul", "Nan", "Infinit", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
        "\"\\ud800\\u0041\"", "\"\\udc00\"",
        "\"a\nb\"", "'a'", "}", "\u{FEFF}{}",
    ])
    func refusesWhatIsNotJSON(text: String) {
        let error = #expect(throws: NestboxError.self) { try MLflowJSONReader.parse(Array(text.utf8)) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("at byte") == true, "\(error?.message ?? "")")
    }

    @Test func refusesBytesThatAreNotUTF8AndNestingWithoutEnd() {
        #expect(throws: NestboxError.self) { try MLflowJSONReader.parse([0x22, 0xFF, 0x22]) }
        #expect(throws: NestboxError.self) { try MLflowJSONReader.parse([UInt8](repeating: 0x5B, count: 100_000)) }
    }

    /// Every cut and every changed byte of a real body is read or refused, and never more.
    @Test func brokenBodiesNeverTrap() throws {
        let body = Array(
            #"{"run_id":"48be","metrics":[{"key":"m \u00e9","value":-1.5e3,"timestamp":17,"step":null}],"x":[true]}"#
                .utf8)
        var generator = SeededGenerator(seed: 3)
        for cut in body.indices {
            #expect(throws: NestboxError.self) { try MLflowJSONReader.parse(Array(body[..<cut])) }
        }
        for _ in 0..<5000 {
            var changed = body
            changed[Int.random(in: body.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            do { _ = try MLflowJSONReader.parse(changed) } catch let error as NestboxError {
                #expect(error.code == .invalidArgument)
            }
        }
    }

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
