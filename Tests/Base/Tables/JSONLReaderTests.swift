import Core
import Tables
import Testing

@Suite struct JSONLReaderTests {
    @Test func unitesKeysAndWidensTypes() throws {
        let table = try Samples.jsonl(
            """
            {"i": 1, "f": 1, "s": "5", "t": "2013-01-01", "b": true}

            {"f": 2.5, "i": -2, "extra": "x", "b": null}\r
            {}
            """)
        let valid = Validity([true, true, false]), first = Validity([true, false, false])
        #expect(table.schema.names == ["i", "f", "s", "t", "b", "extra"])
        #expect(try table.column("i") == .int64([1, -2, 0], valid))
        #expect(try table.column("f") == .float64([1, 2.5, 0], valid))
        #expect(try table.column("s") == .string(["5", nil, nil]))
        #expect(try table.column("t") == .timestamp([1_356_998_400_000, 0, 0], first))
        #expect(try table.column("b") == .bool([true, false, false], first))
        #expect(try table.column("extra") == .string([nil, "x", nil]))
    }

    @Test func mixedTypesBecomeTheirText() throws {
        let table = try Samples.jsonl("{\"x\": 1.50}\n{\"x\": \"a\"}\n{\"x\": true}\n{\"x\": 1e2}\n")
        #expect(try table.column("x") == .string(["1.50", "a", "true", "1e2"]))
        #expect(try Samples.jsonl("{\"x\": \"1\"}\n{\"x\": 2}").column("x") == .string(["1", "2"]))
    }

    @Test func readsEscapes() throws {
        let text = #"{"k\u00e9y": "\"\\\/\b\f\n\r\t\u0041\u20ac\ud83d\udc26é"}"#
        let table = try Samples.jsonl(text)
        #expect(try table.column("kéy") == .string(["\"\\/\u{8}\u{C}\n\r\tA€🐦é"]))
    }

    @Test func readsPythonsFloats() throws {
        let table = try Samples.jsonl("{\"x\": NaN}\n{\"x\": -Infinity}\n{\"x\": 1}\n{\"x\": Infinity}")
        guard case .float64(let values, _) = try table.column("x") else {
            Issue.record("not float64")
            return
        }
        #expect(values[0].isNaN && Array(values[1...]) == [-.infinity, 1, .infinity])
    }

    @Test func aSchemaFixesTypes() throws {
        let schema = Schema([
            Field("i", .int64), Field("f", .float64), Field("t", .timestamp), Field("s", .string), Field("b", .bool),
        ])
        let table = try Samples.jsonl("{\"f\":\"NaN\",\"i\":5.0,\"t\":86400000,\"s\":\"2013-01-01\"}\n", schema: schema)
        #expect(table.schema == schema)
        let row = try table.row(0)
        #expect(row["i"] == .int64(5) && row["t"] == .timestamp(Timestamp(milliseconds: 86_400_000)))
        #expect(row["s"] == .string("2013-01-01") && row["b"] == .null)
        for (text, expected) in [
            ("{\"i\": \"5\"}", "column `i`, line 1: `5` is not a whole number (int64)"),
            ("{\"i\": 5.5}", "column `i`, line 1: `5.5` is not a whole number"),
            ("{\"i\": 1}\n{\"s\": 5}", "column `s`, line 2: `5` is not a string"),
            ("{\"b\": 1}", "column `b`, line 1"), ("{\"t\": \"today\"}", "`today` is not an ISO 8601 time"),
            ("{\"ff\": 1}", "the key `ff` is not a column (did you mean `f`"),
        ] {
            let message = Samples.message { try Samples.jsonl(text, schema: schema) }
            #expect(message.contains(expected), "\(message)")
        }
        #expect(try Samples.jsonl("", schema: schema).rowCount == 0)
    }

    @Test(arguments: [
        (#"{"a": 1}"# + "\n" + #"{"b": [1, 2]}"#, "line 2: the key `b` holds an array"),
        (#"{"b": {"c": 1}}"#, "line 1: the key `b` holds an object"),
        (#"[{"a": 1}]"#, "line 1, byte 1: expected an object"), ("5", "expected an object"),
        (#"{"a": 1, "a": 2}"#, "line 1: the key `a` appears twice"), (#"{"": 1}"#, "a key is empty"),
        (#"{"a": 01}"#, "line 1, byte 8: expected , or }"), (#"{"a": +1}"#, "expected a value"),
        (#"{"a": .5}"#, "expected a value"), (#"{"a": 1.}"#, "digit after the point"), (#"{"a": 1e}"#, "exponent"),
        (#"{"a": tru}"#, "expected true"), (#"{"a": "x}"#, "closing quote"), (#"{"a": "\q"}"#, "not an escape"),
        (#"{"a": "\ud800"}"#, "surrogate"), (#"{"a": "\udc00x"}"#, "surrogate"), (#"{"a": "\u12"}"#, "hexadecimal"),
        (#"{"a": 1} x"#, "the end of the line"), (#"{"a": 1,}"#, "a key in double quotes"), (#"{"a" 1}"#, "expected :"),
        (#"{'a': 1}"#, "a key in double quotes"), (#"{"a": "#, "expected a value"), ("{\"a\": \"x\ty\"}", "control"),
        ("", "name no columns"), ("{}\n{}", "name no columns"),
    ])
    func malformedLinesNameTheirPlace(_ text: String, _ expected: String) {
        let message = Samples.message { try Samples.jsonl(text) }
        #expect(message.contains(expected), "\(message)")
    }

    @Test func invalidUTF8NamesLineAndColumn() {
        let bytes = Array("{\"a\": \"x\"}\n{\"a\": \"".utf8) + [0xC3, 0x28] + Array("\"}".utf8)
        Samples.expect("column `a`, line 2: byte 1 of the string is not UTF-8") { try JSONLReader.read(bytes: bytes) }
    }

    @Test func everySplitIntoChunksReadsTheSame() throws {
        let bytes = Array("\u{FEFF}{\"a\": \"é\\n\", \"b\": 1.5}\r\n\n{\"b\": null, \"a\": \"x\"}".utf8)
        let whole = try JSONLReader.read(bytes: bytes)
        #expect(whole.rowCount == 2)
        for size in 1...bytes.count {
            let parser = JSONLParser()
            for start in stride(from: 0, to: bytes.count, by: size) {
                try parser.consume(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(try parser.finish() == whole)
        }
    }

    @Test func readsCompressedLinesAndLimitsLength() throws {
        let content = Array(String(repeating: "{\"a\": 1}\n", count: 1000).utf8)
        #expect(try JSONLReader.read(bytes: try Samples.pack(.gzip, [("x", content)])).rowCount == 1000)
        var options = JSONLOptions()
        options.maximumLineBytes = 50
        let long = Array("{\"a\": \"\(String(repeating: "x", count: 90))\"".utf8)
        Samples.expect("payload_too_large") { try JSONLReader.read(bytes: long, options: options) }
    }
}
