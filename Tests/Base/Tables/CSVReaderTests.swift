import Core
import Tables
import Testing

@Suite struct CSVReaderTests {
    @Test func readsTheUsualShapes() throws {
        let expected = try Table([("a", .int64([1, 3])), ("b", .string(["x", "y"]))])
        for text in [
            "a,b\n1,x\n3,y\n", "a,b\n1,x\n3,y", "a,b\r\n1,x\r\n3,y\r\n", "a,b\r1,x\r3,y\r", "\u{FEFF}a,b\n1,x\n3,y\n",
            "\n\na,b\n\n1,x\r\n\r\n3,y\n\n", "\"a\",\"b\"\n\"1\",\"x\"\n\"3\",\"y\"", "a,b\r\n1,x\n3,y\r",
        ] {
            #expect(try Samples.csv(text) == expected, "\(text.debugDescription)")
        }
    }

    @Test func readsQuotedCells() throws {
        let table = try Samples.csv("a,b\n\"x, \"\"y\"\"\",\"line 1\nline 2\r\nline 3\"\n5\" pipe,\"\"\n")
        #expect(try table.column("a") == .string(["x, \"y\"", "5\" pipe"]))
        #expect(try table.column("b") == .string(["line 1\nline 2\r\nline 3", ""]))
    }

    @Test func tellsNullFromEmptyAndFromQuotedMarkers() throws {
        let table = try Samples.csv("a,b\n,1\n\"\",2\nNA,3\n\"NA\",4\nnull,5\n")
        #expect(try table.column("a") == .string([nil, "", nil, "NA", nil]))
        var options = CSVOptions()
        options.nullMarkers = ["-999"]
        #expect(try Samples.csv("a,b\n-999,1\n,2\n", options).column("a") == .string([nil, ""]))
    }

    @Test func everySplitIntoChunksReadsTheSame() throws {
        let text = "\u{FEFF}a,b,c\r\n1,\"x\r\n\"\"y\"\"\",2.5\r\n\r\n-3,é,NA\r4,\"\",1e3"
        let bytes = Array(text.utf8)
        let whole = try CSVReader.read(bytes: bytes)
        #expect(whole.rowCount == 3)
        for first in 0...bytes.count {
            for size in [1, 2, 5] {
                let parser = try CSVParser()
                try parser.consume(Array(bytes[..<first]))
                for start in stride(from: first, to: bytes.count, by: size) {
                    try parser.consume(Array(bytes[start..<min(start + size, bytes.count)]))
                }
                #expect(try parser.finish() == whole)
            }
        }
    }

    @Test func readsOtherDelimiters() throws {
        let tabs = try Samples.csv("a\tb\n1,5\t2\n", CSVOptions(delimiter: UInt8(ascii: "\t")))
        #expect(try tabs.column("a") == .string(["1,5"]))
        Samples.expect("byte 34") { try CSVParser(options: CSVOptions(delimiter: 0x22)) }
    }

    @Test(arguments: [
        ("a,b\n1,2\n3\n", "line 3 has 1 cell; expected 2"),
        ("a,b\n1,2\n\"x\ny\",4\n3,4,5\n", "line 5 has 3 cells; expected 2"),
        ("a,b\n1,2,\n", "line 2 has 3 cells; expected 2"),
        ("a,b\n1,2\n3,\"open\nstill\n", "line 3: the quote that opens cell 2 is never closed"),
        ("a,b\n1,\"x\"y\n", "line 2: cell 2 goes on after its closing quote"),
        ("a,b,a\n1,2,3\n", "the header names `a` twice, as columns 1 and 3"),
        ("a,,c\n1,2,3\n", "line 1: column 2 has no name"),
        ("a,b,\n1,2,3\n", "line 1: column 3 has no name"),
        ("", "the CSV is empty"), ("\n\r\n\n", "the CSV is empty"), ("\u{FEFF}", "the CSV is empty"),
        ("a\u{0},b\n", "zero byte"),
    ])
    func malformedTextNamesItsPlace(_ text: String, _ expected: String) {
        let message = Samples.message { try Samples.csv(text) }
        #expect(message.contains(expected), "\(message)")
    }

    @Test func invalidUTF8NamesLineAndColumn() {
        let bytes = Array("a,b\n1,x\n2,é".utf8) + [0xFF] + Array("z\n".utf8)
        let message = Samples.message { try CSVReader.read(bytes: bytes) }
        #expect(message.contains("column `b`, line 3: byte 3 of the cell is not UTF-8"), "\(message)")
        let typed = CSVOptions(schema: Schema([Field("a", .int64), Field("b", .int64)]))
        Samples.expect("column `b`, line 2: byte 1 of the cell is not UTF-8") {
            try CSVReader.read(bytes: Array("a,b\n1,".utf8) + [0xC3], options: typed)
        }
        Samples.expect("not UTF-8") { try CSVReader.read(bytes: [0xFF, 0xFE, 0x61, 0]) }
        Samples.expect("not UTF-8") { try CSVReader.read(bytes: [0xEF, 0xBB]) }
    }

    @Test func aSchemaFixesTypesAndOrder() throws {
        let schema = Schema([
            Field("t", .timestamp), Field("s", .string), Field("i", .int64), Field("f", .float64), Field("b", .bool),
        ])
        let table = try Samples.csv("i,f,b,s,t\n007,3,TRUE,12,2013-01-01\n,,,,\n", CSVOptions(schema: schema))
        #expect(table.schema == schema)
        #expect(
            try table.row(0) == [
                "t": .timestamp(Timestamp(milliseconds: 1_356_998_400_000)), "s": .string("12"), "i": .int64(7),
                "f": .float64(3), "b": .bool(true),
            ])
        #expect(table.columns.allSatisfy { $0[1] == .null })
        #expect(try Samples.csv("b,f,i,s,t\n", CSVOptions(schema: schema)).rowCount == 0)
    }

    @Test func aMisfitNamesColumnLineAndType() {
        let rows = String(repeating: "1\n", count: 1202)
        let options = CSVOptions(schema: Schema([Field("dep_delay", .int64)]))
        let message = Samples.message { try Samples.csv("dep_delay\n" + rows + "abc\n", options) }
        #expect(message.contains("column `dep_delay`, line 1,204: `abc` is not a whole number (int64)"), "\(message)")
        for (type, text) in [
            (ColumnType.int64, "1.5"), (.int64, "9223372036854775808"), (.float64, "x"), (.float64, "1e999"),
            (.bool, "yes"), (.timestamp, "2013-02-30"), (.int64, "\"\""),
        ] {
            let schema = Schema([Field("dep_delay", type), Field("other", .int64)])
            Samples.expect("column `dep_delay`, line 2:") {
                try Samples.csv("dep_delay,other\n\(text),1", CSVOptions(schema: schema))
            }
        }
    }

    @Test func missingAndUnknownColumnsAreErrors() {
        let options = CSVOptions(schema: Schema([Field("distance", .int64), Field("carrier", .string)]))
        Samples.expect("the column `carrier` is required and is missing") { try Samples.csv("distance\n1\n", options) }
        Samples.expect("the unknown column `distence` (did you mean `distance`") {
            try Samples.csv("distance,carrier,distence\n1,b,2\n", options)
        }
    }

    @Test func limitsAreErrors() {
        var options = CSVOptions()
        options.maximumCellBytes = 100
        let message = Samples.message {
            let parser = try CSVParser(options: options)
            try parser.consume(Array("a,b\n1,\"never closed\n".utf8))
            for _ in 0..<20 { try parser.consume(Array("more text\n".utf8)) }
            return try parser.finish()
        }
        #expect(message.contains("payload_too_large") && message.contains("its quote opens at line 2"), "\(message)")
        options.maximumColumns = 2
        Samples.expect("more than 2 columns") { try Samples.csv("a,b,c\n", options) }
    }

    @Test func aSpentParserKeepsItsError() throws {
        let parser = try CSVParser()
        #expect(throws: NestboxError.self) { try parser.consume(Array("a,a\n".utf8)) }
        #expect(throws: NestboxError.self) { try parser.consume(Array("1,2\n".utf8)) }
        #expect(throws: NestboxError.self) { try parser.finish() }
        let finished = try CSVParser()
        try finished.consume(Array("a\n1".utf8))
        _ = try finished.finish()
        #expect(throws: NestboxError.self) { try finished.finish() }
    }
}
