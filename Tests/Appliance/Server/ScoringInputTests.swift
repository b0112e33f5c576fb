import Contracts
import Core
import Foundation
import Server
import Testing
import TestSupport

@Suite struct ScoringInputTests {
    private let signature = ModelSignature(
        task: .binary, target: "late",
        inputs: [
            .init(name: "hour", type: .int64), .init(name: "flight", type: .string),
            .init(name: "at", type: .timestamp),
        ])

    @Test func everyJSONFormGivesTheSameRows() throws {
        let rows: [[String: JSONValue]] = [
            ["hour": 8, "flight": "7", "at": 5], ["hour": .null, "flight": "8", "at": 6],
        ]
        let table: JSONValue = [[8, "7", 5], [.null, "8", 6]]
        let forms: [JSONValue] = [
            ["dataframe_split": ["columns": ["hour", "flight", "at"], "index": [0, 1], "data": table]],
            ["dataframe_records": .array(rows.map { .object($0) })], ["instances": .array(rows.map { .object($0) })],
            ["instances": table], ["inputs": table, "params": [:]],
            ["inputs": ["hour": [8, .null], "flight": ["7", "8"], "at": [5, 6]]],
        ]
        for form in forms { #expect(try ScoringInput.rows(form, signature: signature) == rows, "\(form)") }
    }

    @Test func csvIsReadWithTheModelsTypes() throws {
        let csv = Data("flight,hour,at,extra\n007,8,2013-01-01T04:00:00Z,x\n12,,2013-01-01T05:00:00Z,y\n".utf8)
        let rows = try ScoringInput.rows(csv: csv, signature: signature)
        #expect(rows.map { $0["flight"] } == ["007", "12"] && rows.map { $0["hour"] } == [8, .null])
        let milliseconds = try ScoringInput.rows(csv: Data("hour,flight,at\n8.0,7,5\n".utf8), signature: signature)
        #expect(
            milliseconds[0]["at"] == 5 && milliseconds[0]["flight"] == "7" && milliseconds[0]["hour"]?.intValue == 8)
    }

    /// A few bytes a row become a dictionary a row.
    @Test func tooManyRowsAreRefusedBeforeTheyAreMade() async throws {
        let many = JSONValue.array(Array(repeating: 1, count: PredictionLimits.rows + 1))
        for body: JSONValue in [["inputs": ["hour": many]], ["instances": ["hour": many, "flight": many]]] {
            await expectError(.payloadTooLarge, mentions: "1000001 rows", "several requests") {
                try ScoringInput.rows(body, signature: signature)
            }
        }
        let csv = Data(("hour\n" + String(repeating: "1\n", count: PredictionLimits.rows + 1)).utf8)
        await expectError(.payloadTooLarge, mentions: "1000001 rows") {
            try ScoringInput.rows(csv: csv, signature: signature)
        }
        let tensor: JSONValue = [
            "inputs": [
                ["name": "hour", "datatype": "INT64", "shape": [.int(Int64(PredictionLimits.rows) + 1)], "data": many]
            ]
        ]
        await expectError(.payloadTooLarge, mentions: "1000001 rows") {
            try InferenceTensors.rows(tensor, signature: signature)
        }
        #expect(throws: Never.self) { try PredictionLimits.check(rows: 800_000, columns: 10) }
        #expect(throws: NestboxError.self) { try PredictionLimits.check(rows: 800_001, columns: 10) }
    }

    /// 115 bytes of bzip2 that are 100 MiB of line ends.
    @Test func csvThatExpandsWithoutEndIsRefused() async throws {
        let packed =
            "QlpoOTFBWSZTWVdbjnoFfjhBAIAQIAAACCAAUGYE1I3EVAS6kkgqrahUBLzFBWSZTWStxu3EBX45AAIAQAAggADCATUZCoCWpCoCXMUFZJlNZINLbuQB"
            + "kBsQAgBAIAAAIIAAwzAUpppQCLYVAIvF3JFOFCQK1+UsgA=="
        let bomb = try #require(Data(base64Encoded: packed))
        await expectError(.payloadTooLarge, mentions: "expands to more than 67108864 bytes", "several requests") {
            try ScoringInput.rows(csv: bomb, signature: signature)
        }
    }

    @Test func refusalsSayWhatIsExpected() async {
        let cases: [(JSONValue, String)] = [
            ([:], "exactly one of `dataframe_split`"), ([1], "exactly one of"),
            (["instances": [], "inputs": []], "exactly one of"), (["instances": 3], "`instances` must be an array"),
            (["instances": [[1, 2]]], "`instances[0]` is 2 values; expected an array of 3"),
            (["dataframe_split": ["columns": ["a"]]], "`columns` and `data`"),
            (["dataframe_split": ["columns": ["a", "a"], "data": [[1, 2]]]], "named twice"),
            (["dataframe_records": [["hour": 1], 2]], "`dataframe_records[1]` must be an object"),
            (["inputs": ["hour": [1, 2], "flight": ["x"]]], "another column has"),
        ]
        for (body, sentence) in cases {
            await expectError(.invalidArgument, mentions: sentence) {
                try ScoringInput.rows(body, signature: signature)
            }
        }
        await expectError(.invalidArgument, mentions: "line 3", "hour") {
            try ScoringInput.rows(csv: Data("hour\n1\nx\n".utf8), signature: signature)
        }
    }
}
