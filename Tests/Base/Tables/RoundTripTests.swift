import Core
import Foundation
import Tables
import Testing

@Suite struct RoundTripTests {
    @Test func randomTablesComeBackFromCSVAndJSONL() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("RoundTripTests seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        for round in 0..<300 {
            let table = try Samples.random(&generator)
            var options = CSVOptions(schema: table.schema)
            if round % 3 == 1 { options.delimiter = UInt8(ascii: ";") }
            if round % 3 == 2 { options.nullMarkers = ["-999", "0", "", "NA", "1"] }
            let csv = try CSVWriter.bytes(table, options: options)
            let read = try CSVReader.read(bytes: csv, options: options)
            #expect(read.schema == table.schema)
            #expect(Samples.fingerprint(read) == Samples.fingerprint(table), "seed \(seed), round \(round)")
            #expect(try CSVWriter.bytes(read, options: options) == csv, "seed \(seed), round \(round)")

            let lines = try JSONLWriter.bytes(table)
            let back = try JSONLReader.read(bytes: lines, options: JSONLOptions(schema: table.schema))
            #expect(Samples.fingerprint(back) == Samples.fingerprint(table), "seed \(seed), round \(round)")
        }
    }

    @Test func theCanonicalTextIsAsDocumented() throws {
        let table = try Table([
            ("i", .int64([1, 0], Validity([true, false]))), ("f", .float64([.nan, 0.1])), ("b", .bool([true, false])),
            ("s", .string(["NA", ""])), ("t", .timestamp([1_357_016_400_000, -1])),
        ])
        #expect(
            String(decoding: try CSVWriter.bytes(table), as: UTF8.self) == """
                i,f,b,s,t
                1,NaN,true,"NA",2013-01-01T05:00:00Z
                ,0.1,false,"",1969-12-31T23:59:59.999Z

                """)
        #expect(
            String(decoding: try JSONLWriter.bytes(table), as: UTF8.self) == """
                {"i":1,"f":"NaN","b":true,"s":"NA","t":"2013-01-01T05:00:00Z"}
                {"i":null,"f":0.1,"b":false,"s":"","t":"1969-12-31T23:59:59.999Z"}

                """)
    }

    @Test func aNullInAOnlyColumnIsNotABlankLine() throws {
        let table = try Table([("s", .string([nil, "", "x", nil]))])
        #expect(String(decoding: try CSVWriter.bytes(table), as: UTF8.self) == "s\nNA\n\"\"\nx\nNA\n")
        #expect(try Samples.csv("s\nNA\n\"\"\nx\nNA\n", CSVOptions(schema: table.schema)) == table)
        var options = CSVOptions()
        options.nullMarkers = [""]
        #expect(throws: NestboxError.self) { try CSVWriter.bytes(table, options: options) }
    }

    @Test func writesToFilesInChunks() throws {
        let table = try Table([
            ("i", .int64((0..<10_000).map { $0 })), ("s", .string((0..<10_000).map { "row \($0)" })),
        ])
        var chunks = 0
        try CSVWriter.write(table) { _ in chunks += 1 }
        #expect(chunks == 4)
        try Samples.withFile("out.csv", []) { path in
            let file = try #require(FileHandle(forWritingAtPath: path))
            try CSVWriter.write(table, to: file)
            try file.close()
            #expect(try CSVReader.read(path: path) == table)
        }
        try Samples.withFile("out.jsonl", []) { path in
            let file = try #require(FileHandle(forWritingAtPath: path))
            try JSONLWriter.write(table, to: file)
            try file.close()
            #expect(try JSONLReader.read(path: path) == table)
        }
    }

    @Test func whatHasNoTextIsRefused() throws {
        #expect(throws: NestboxError.self) { try CSVWriter.bytes(try Table([])) }
        #expect(throws: NestboxError.self) { try CSVWriter.bytes(try Table([("", .int64([1]))])) }
        #expect(throws: NestboxError.self) { try JSONLWriter.bytes(try Table([])) }
        for extreme in [Int64.min, .max, 253_402_300_800_000] {
            let table = try Table([("when", .timestamp([0, extreme])), ("x", .int64([1, 2]))])
            Samples.expect("column `when`, row 2") { try CSVWriter.bytes(table) }
            let lines = try JSONLWriter.bytes(table)
            #expect(try JSONLReader.read(bytes: lines, options: JSONLOptions(schema: table.schema)) == table)
        }
    }
}
