import Core
import Foundation
import Testing

@Suite struct JSONTests {
    struct Inner: Codable { var rate: Double }
    struct Outer: Codable { var params: [Inner] }

    private func message(_ text: String) -> String? {
        do {
            _ = try JSON.decode(Outer.self, from: text, what: "the recipe")
            return nil
        } catch {
            return (error as? NestboxError)?.message
        }
    }

    @Test func errorsNameThePlace() {
        #expect(
            message(#"{"params": [{"rate": 1}, {"rate": "x"}]}"#) == "the recipe: `params[1].rate` must be a number")
        #expect(message(#"{"params": [{}]}"#) == "the recipe: `params[0].rate` is required and is missing")
        #expect(message(#"{"params": 1}"#) == "the recipe: `params` must be an array")
        #expect(message(#"{"params": "#)?.hasPrefix("the recipe is not well-formed") == true)
        #expect(message(#"{"params": [{"rate": 1}]}"#) == nil)
    }

    @Test func notANumberTravelsAsText() throws {
        let text = try JSON.string([Double.nan, .infinity, -.infinity, 0.1])
        #expect(text == #"["NaN","Infinity","-Infinity",0.1]"#)
        let back = try JSON.decode([Double].self, from: text)
        #expect(back[0].isNaN && back[1] == .infinity && back[2] == -.infinity && back[3] == 0.1)
    }

    @Test func wholeNumbersStayExact() throws {
        let value = try JSON.decode(
            JSONValue.self, from: #"{"big": 9007199254740993, "half": 0.5, "t": true, "n": null}"#)
        #expect(value["big"] == .int(9_007_199_254_740_993))
        #expect(value["half"] == .number(0.5))
        #expect(value["t"] == .bool(true))
        #expect(value["n"] == .null)
        #expect(try JSON.string(value) == #"{"big":9007199254740993,"half":0.5,"n":null,"t":true}"#)
    }

    @Test func anExcerptIsTheValueCutShort() {
        #expect(JSONValue.object(["b": [1, .null], "a": "x\"y"]).excerpt() == #"{"a":"x\"y","b":[1,null]}"#)
        #expect(JSONValue.number(8.5).excerpt() == "8.5" && JSONValue.string("noon").excerpt() == #""noon""#)
        #expect(JSONValue.string(String(repeating: "x", count: 1 << 20)).excerpt(5) == "\"xxxx…")
        #expect(JSONValue.array(Array(repeating: 1, count: 1 << 20)).excerpt(6) == "[1,1,1…")
        var deep: JSONValue = 1
        for _ in 0..<60 { deep = .array(Array(repeating: deep, count: 2)) }
        #expect(deep.excerpt(4) == "[[[[…")
    }

    /// A value as `Encodable` sees it: the way through JSONEncoder.
    private struct Other: Encodable {
        var value: JSONValue
        func encode(to encoder: any Encoder) throws { try value.encode(to: encoder) }
    }

    @Test func valuesWrittenByHandAreWhatTheEncoderWrites() throws {
        let values: [JSONValue] = [
            .null, true, false, .int(.min), .int(.max), .number(1), .number(-0.0), 0.1, 1e100, 1e-7, 123_456_789.25,
            .number(.nan), .number(.infinity), .number(-.infinity), "", "a/b \"c\" \\ d", "ä 日本 🪺",
            [], [1, [2, [.null]]], [:], ["b": 1, "a": ["z": "x", "y": []], "": true],
        ]
        for value in values { #expect(try JSON.string(value) == JSON.string(Other(value: value))) }
        // Control characters have several spellings; the meaning counts.
        let control = JSONValue.string(String(String.UnicodeScalarView((0..<0x80).compactMap(Unicode.Scalar.init))))
        #expect(try JSON.decode(JSONValue.self, from: JSON.string(control)) == control)
        #expect(try JSONDecoder().decode(JSONValue.self, from: JSON.encode(control)) == control)
    }
}
