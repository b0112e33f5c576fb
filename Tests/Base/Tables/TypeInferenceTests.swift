import Core
import Tables
import Testing

@Suite struct TypeInferenceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let cells: [String]
        let expected: Column
        init(_ cells: [String], _ expected: Column) { (self.cells, self.expected) = (cells, expected) }
        var testDescription: String { cells.joined(separator: " ") }
    }

    @Test(arguments: [
        Case(["1", "-2", "0"], .int64([1, -2, 0])),
        Case(["-9223372036854775808", "9223372036854775807"], .int64([.min, .max])),
        Case(["1", "2.5"], .float64([1, 2.5])),
        Case(["1e5", "-.5", "5.", "1E-3"], .float64([1e5, -0.5, 5, 1e-3])),
        Case(["1", "inf", "-Infinity"], .float64([1, .infinity, -.infinity])),
        Case(
            ["0.1", "123456789012345678.25", "1.7976931348623157e308"],
            .float64([0.1, 123456789012345678.25, 1.7976931348623157e308])),
        // Whole numbers beyond int64: floats when nothing is lost, else text.
        Case(["10000000000000000000", "1"], .float64([1e19, 1])),
        Case(["18446744073709551615", "1"], .string(["18446744073709551615", "1"])),
        Case(["9007199254740993", "0.5"], .string(["9007199254740993", "0.5"])),
        Case(["9007199254740993", "5"], .int64([9_007_199_254_740_993, 5])),
        Case(["0.5", "9007199254740993"], .string(["0.5", "9007199254740993"])),
        // Codes stay text.
        Case(["007", "8"], .string(["007", "8"])),
        Case(["7", "08"], .string(["7", "08"])),
        Case(["1.50", "2", "x"], .string(["1.50", "2", "x"])),
        Case(["1", "2.50", "1e5", "x"], .string(["1", "2.50", "1e5", "x"])),
        Case(["+49", "1"], .string(["+49", "1"])),
        Case(["00.5"], .string(["00.5"])), Case(["1e999"], .string(["1e999"])), Case(["0x10"], .string(["0x10"])),
        Case([" 1", "2"], .string([" 1", "2"])), Case(["-"], .string(["-"])), Case(["."], .string(["."])),
        Case(["1e"], .string(["1e"])), Case(["1_000"], .string(["1_000"])),
        Case(["true", "False", "TRUE"], .bool([true, false, true])),
        Case(["True", "no"], .string(["True", "no"])),
        Case(["true", "1"], .string(["true", "1"])),
        Case(["1", "true"], .string(["1", "true"])),
        Case(["2013-01-01", "2013-01-01T05:00:00Z"], .timestamp([1_356_998_400_000, 1_357_016_400_000])),
        Case(["2013-01-01 05:00", "2013-13-01"], .string(["2013-01-01 05:00", "2013-13-01"])),
        Case(["2013", "2013-01-01"], .string(["2013", "2013-01-01"])),
    ])
    func theWholeColumnPicksTheType(_ sample: Case) throws {
        let text = "x,row\n" + sample.cells.enumerated().map { "\($1),\($0)\n" }.joined()
        #expect(try Samples.csv(text).column("x") == sample.expected)
        // Nulls before, between and after change nothing but themselves.
        let padded = ["NA", "", sample.cells[0], ""] + sample.cells.dropFirst() + ["null"]
        let column = try Samples.csv("x,row\n" + padded.map { "\($0),1\n" }.joined()).column("x")
        #expect(column.type == sample.expected.type)
        #expect(column.nullCount == 4)
        let present = (0..<column.count).filter { column[$0] != .null }
        #expect(present.map { column[$0] } == sample.cells.indices.map { sample.expected[$0] })
    }

    @Test func negativeZeroIsAFloat() throws {
        guard case .float64(let values, _) = try Samples.csv("x,y\n-0,1\n1,1\n").column("x") else {
            Issue.record("not float64")
            return
        }
        #expect(values[0].sign == .minus && values == [0, 1])
    }

    @Test func aLateMisfitKeepsTheTextOfManyRows() throws {
        let texts = (0..<5000).map { $0 % 7 == 0 ? "" : "\($0).0\($0 % 3 == 0 ? "0" : "")" } + ["end"]
        let column = try Samples.csv("x,y\n" + texts.map { "\($0),1\n" }.joined()).column("x")
        #expect(column == .string(texts.map { $0.isEmpty ? nil : $0 }))
    }

    @Test func aColumnOfNullsIsString() throws {
        #expect(try Samples.csv("x,y\n,1\nNA,2\n").column("x") == .string([nil, nil]))
        #expect(try Samples.csv("x,y\n").schema == Schema([Field("x", .string), Field("y", .string)]))
    }

    @Test func numbersAreReadAsTheNearestDouble() throws {
        var generator = SeededGenerator(seed: 20_130_101)
        var texts: [String] = []
        for _ in 0..<3000 {
            let value = Double(bitPattern: generator.next())
            if value.isFinite { texts.append(value.description) }
            texts.append("\(Int64.random(in: -999_999...999_999, using: &generator)).\(generator.next() % 1_000_000)")
            texts.append("0.\(generator.next())\(generator.next())e\(Int.random(in: -300...300, using: &generator))")
        }
        let schema = Schema([Field("x", .float64)])
        let column = try Samples.csv("x\n" + texts.joined(separator: "\n"), CSVOptions(schema: schema)).column("x")
        for (row, text) in texts.enumerated() {
            #expect(column[row] == .float64(try #require(Double(text))), "\(text)")
        }
    }

    @Test func equivalentSpellingsShareOneCode() throws {
        let column = try Samples.csv("x\nK\n\u{E9}\ne\u{301}\n\u{212A}\nz\n").column("x")
        guard case .string(let strings) = column else {
            Issue.record("not string")
            return
        }
        #expect(strings.codes == [0, 1, 1, 0, 2])
        #expect(Set(strings.dictionary).count == strings.dictionary.count)
    }
}
