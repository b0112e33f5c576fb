import Contracts
import Core
import Foundation
import Tables

/// Row of the request → column → value, for what came from the online store.
typealias FoundFeatures = [Int: [String: JSONValue]]

/// Turns JSON rows into cells in the order of a model's inputs, and cells into columns and back into JSON.
struct RowReader: Sendable {
    let inputs: [Field]
    /// `"name":` of each input, as it stands in the log.
    private let keys: [[UInt8]]

    init(_ inputs: [Field]) {
        self.inputs = inputs
        keys = inputs.map { input in
            var key: [UInt8] = []
            JSON.append(input.name, to: &key)
            return key + [UInt8(ascii: ":")]
        }
    }

    var inputsHint: String {
        "the model's inputs are " + inputs.map { "`\($0.name)` (\($0.type.rawValue))" }.joined(separator: ", ")
    }

    /// `rows.count * inputs.count` cells, row after row. Extra columns are ignored, null means missing.
    /// Throws `invalid_argument` naming row, column and the type that was expected.
    func cells(_ rows: [[String: JSONValue]], found: FoundFeatures) throws -> [Cell] {
        var cells: [Cell] = []
        cells.reserveCapacity(rows.count * inputs.count)
        for (index, row) in rows.enumerated() {
            for input in inputs {
                guard let value = row[input.name] ?? found[index]?[input.name] else {
                    throw NestboxError.invalid(
                        "row \(index): column `\(input.name)` (\(input.type.rawValue)) is missing",
                        hint: "give null for a value that is not known; \(inputsHint)")
                }
                guard let cell = Self.cell(value, as: input.type) else { throw mismatch(value, input, row: index) }
                cells.append(cell)
            }
        }
        return cells
    }

    /// Nil when the value is not of that type. Whole floats are integers, and `"NaN"` is a missing number.
    static func cell(_ value: JSONValue, as type: ColumnType) -> Cell? {
        switch (value, type) {
        case (.null, _): .null
        case (.int(let value), .int64): .int64(value)
        case (.int(let value), .float64): .float64(Double(value))
        case (.number(let value), .int64): value.isNaN ? .null : Int64(exactly: value).map { .int64($0) }
        case (.number(let value), .float64): value.isFinite ? .float64(value) : value.isNaN ? .null : nil
        case (.string("NaN"), .int64), (.string("NaN"), .float64): .null
        case (.bool(let value), .bool): .bool(value)
        case (.string(let value), .string): .string(value)
        case (.int(let value), .timestamp): .timestamp(Timestamp(milliseconds: value))
        case (.number(let value), .timestamp):
            Int64(exactly: value).map { .timestamp(Timestamp(milliseconds: $0)) }
        case (.string(let value), .timestamp): Timestamp(iso8601: value).map { .timestamp($0) }
        default: nil
        }
    }

    private func mismatch(_ value: JSONValue, _ input: Field, row: Int) -> NestboxError {
        let expected =
            switch input.type {
            case .int64: "a whole number"
            case .float64: "a number"
            case .bool: "true or false"
            case .string: "a string"
            case .timestamp: "a time like 2013-01-01T05:00:00Z, or milliseconds since 1970"
            }
        return .invalid(
            "row \(row), column `\(input.name)`: \(value.excerpt()) is not \(expected) (\(input.type.rawValue))",
            hint: "give null for a value that is not known; \(inputsHint)")
    }

    /// The cells as a table of the model's inputs.
    func table(_ cells: [Cell], rowCount: Int) throws -> Table {
        try Table(
            schema: Schema(inputs),
            columns: inputs.indices.map { position in
                let column = (0..<rowCount).map { cells[$0 * inputs.count + position] }
                return Self.column(column, as: inputs[position].type)
            })
    }

    /// A column of cells as `cell(_:as:)` makes them; a cell of another type counts as null.
    static func column(_ cells: [Cell], as type: ColumnType) -> Column {
        func gather<T>(_ zero: T, _ pick: (Cell) -> T?) -> ([T], Validity) {
            let values = cells.map(pick)
            return (values.map { $0 ?? zero }, Validity(values.map { $0 != nil }))
        }
        switch type {
        case .int64:
            let (values, validity) = gather(Int64(0)) { if case .int64(let value) = $0 { value } else { nil } }
            return .int64(values, validity)
        case .float64:
            let (values, validity) = gather(0.0) { if case .float64(let value) = $0 { value } else { nil } }
            return .float64(values, validity)
        case .bool:
            let (values, validity) = gather(false) { if case .bool(let value) = $0 { value } else { nil } }
            return .bool(values, validity)
        case .string:
            return .string(cells.map { if case .string(let value) = $0 { value } else { nil } })
        case .timestamp:
            let (values, validity) = gather(Int64(0)) {
                if case .timestamp(let value) = $0 { value.milliseconds } else { nil }
            }
            return .timestamp(values, validity)
        }
    }

    /// Row `row` of `cells` as a compact JSON object.
    func json(_ cells: [Cell], row: Int) -> String {
        var out: [UInt8] = [UInt8(ascii: "{")]
        for (position, key) in keys.enumerated() {
            if position > 0 { out.append(UInt8(ascii: ",")) }
            out += key
            switch cells[row * keys.count + position] {
            case .null: out += "null".utf8
            case .int64(let value): out += String(value).utf8
            case .float64(let value): out += String(value).utf8
            case .bool(let value): out += (value ? "true" : "false").utf8
            case .string(let value): JSON.append(value, to: &out)
            case .timestamp(let value): out += String(value.milliseconds).utf8
            }
        }
        out.append(UInt8(ascii: "}"))
        return String(decoding: out, as: UTF8.self)
    }
}
