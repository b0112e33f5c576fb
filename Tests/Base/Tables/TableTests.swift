import Core
import Foundation
import Tables
import Testing

@Suite struct TableTests {
    private func sample() throws -> Table {
        try Table([
            ("i", .int64([3, 1, 2, 0], Validity([true, true, true, false]))), ("f", .float64([.nan, -0.5, 0, -7])),
            ("s", .string(["b", nil, "a", "b"])), ("t", .timestamp([5, 5, 4, 4])),
            ("b", .bool([true, false, true, false])),
        ])
    }

    @Test func aTableChecksItsColumns() {
        Samples.expect("column `b` has 2 rows") { try Table([("a", .int64([1])), ("b", .int64([1, 2]))]) }
        Samples.expect("`a` appears twice") { try Table([("a", .int64([1])), ("a", .int64([2]))]) }
        Samples.expect("column `a` is int64; expected bool") {
            try Table(schema: Schema([Field("a", .bool)]), columns: [.int64([1])])
        }
    }

    @Test func validityGrownBitByBitEqualsValidityMadeAtOnce() throws {
        for count in [0, 1, 63, 64, 65, 128, 130] {
            for null in [nil, 0, 62, 63, 64, 127, 129] as [Int?] where null.map({ $0 < count }) ?? true {
                let valid = (0..<count).map { $0 != null }
                var builder = TableBuilder(schema: Schema([Field("x", .int64)]))
                for isValid in valid { try builder.append([isValid ? .int64(0) : .null]) }
                #expect(try builder.finish().columns == [.int64([Int64](repeating: 0, count: count), Validity(valid))])
            }
        }
    }

    @Test func concatenatesRowsAndDictionaries() throws {
        let table = try sample()
        let other = table.gather([2, 0])
        let both = try Table.concatenate([table, other, table.head(0)])
        #expect(Samples.fingerprint(both) == Samples.fingerprint(table) + Samples.fingerprint(other))
        #expect(both.schema == table.schema)
        let left = try Table([("s", .string(["x", nil]))]), right = try Table([("s", .string(["y", "x"]))])
        #expect(try Table.concatenate([left, right]).columns == [.string(["x", nil, "y", "x"])])
        Samples.expect("table 2 has the columns i: int64") { try Table.concatenate([left, table]) }
        #expect(throws: NestboxError.self) { try Table.concatenate([]) }
    }

    @Test func sortsStablyWithNullsLast() throws {
        let table = try sample()
        #expect(try table.sortedRows(by: ["i"]) == [1, 2, 0, 3])
        #expect(try table.sortedRows(by: ["i"], descending: true) == [0, 2, 1, 3])
        #expect(try table.sortedRows(by: ["f"]) == [3, 1, 2, 0])
        #expect(try table.sortedRows(by: ["s"]) == [2, 0, 3, 1])
        #expect(try table.sortedRows(by: ["t", "s"]) == [2, 3, 0, 1])
        #expect(try table.sortedRows(by: ["b"]) == [1, 3, 0, 2])
        #expect(try table.sortedRows(by: []) == [0, 1, 2, 3])
        #expect(throws: NestboxError.self) { try table.sortedRows(by: ["nope"]) }
    }

    @Test func singleRowsAreChecked() throws {
        let table = try sample()
        #expect(try table.cell(2, "s") == .string("a"))
        #expect(try table.row(3)["i"] == .null)
        #expect(table.head(2).rowCount == 2 && table.head(99).rowCount == 4 && table.head(-1).rowCount == 0)
        #expect(try table.slice(1..<3).column("t") == .timestamp([5, 4]))
        #expect(throws: NestboxError.self) { try table.cell(4, "s") }
        #expect(throws: NestboxError.self) { try table.row(-1) }
    }

    @Test func theBuilderNamesTheColumnAndStaysWhole() throws {
        var builder = TableBuilder(schema: Schema([Field("a", .float64), Field("b", .string)]))
        try builder.append([.int64(2), .string("x")])
        Samples.expect(&builder, "column `b`, row 2: `5` is not a string") { try $0.append([.float64(1), .int64(5)]) }
        Samples.expect(&builder, "column `a`, row 2") { try $0.append([.int64(1 << 53 + 1), .null]) }
        Samples.expect(&builder, "1 cells was given; expected 2") { try $0.append([.null]) }
        Samples.expect(&builder, "no column named `c`") { try $0.append(["c": .null]) }
        try builder.append(["b": .string("y")])
        let expected = try Table([("a", .float64([2, 0], Validity([true, false]))), ("b", .string(["x", "y"]))])
        #expect(try builder.finish() == expected)
    }

    @Test func cellsGoToJSONAndBack() throws {
        let time = Timestamp(milliseconds: 1_357_016_400_000)
        let cells: [(Cell, ColumnType, JSONValue)] = [
            (.null, .bool, .null), (.int64(.max), .int64, .int(.max)), (.float64(0.5), .float64, 0.5),
            (.bool(true), .bool, true), (.string("5"), .string, "5"),
            (.timestamp(time), .timestamp, "2013-01-01T05:00:00Z"),
        ]
        for (cell, type, json) in cells {
            #expect(cell.json == json)
            #expect(try Cell(json: json, type: type, column: "x") == cell)
        }
        #expect(try Cell(json: 5.0, type: .int64, column: "x") == .int64(5))
        #expect(try Cell(json: "Infinity", type: .float64, column: "x") == .float64(.infinity))
        #expect(try Cell(json: 1_357_016_400_000, type: .timestamp, column: "x") == .timestamp(time))
        #expect(Cell.timestamp(Timestamp(milliseconds: .min)).json == .int(.min))
        for (json, type) in [
            (JSONValue.number(5.5), ColumnType.int64), (.number(.nan), .int64), (.number(1e30), .timestamp),
            ("5", .int64), ("5", .float64), (true, .int64), (1, .bool), (1, .string), (["a"], .string),
            ("x", .timestamp),
        ] {
            let message = Samples.message { try Cell(json: json, type: type, column: "dep_delay") }
            #expect(message.contains("column `dep_delay`") && message.contains(type.rawValue), "\(message)")
        }
    }
}

extension Samples {
    static func expect(
        _ builder: inout TableBuilder, _ part: String, at location: SourceLocation = #_sourceLocation,
        _ body: (inout TableBuilder) throws -> Void
    ) {
        do {
            try body(&builder)
            Issue.record("no error", sourceLocation: location)
        } catch {
            #expect("\(error)".contains(part), "\(error)", sourceLocation: location)
        }
    }
}
