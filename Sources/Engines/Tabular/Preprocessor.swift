import CKernels
import Core
import Tables

/// Turns raw columns into what learners read: for a number the value, for a category its index in the input's list.
/// The same code runs at training and at serving time, on tables and on single rows.
///
/// Encoding, per value: NaN is missing; a category outside the list becomes the list's count ("other"). Values that are
/// not finite count as missing.
struct Preprocessor: Sendable, Equatable {
    let inputs: [ModelInput]
    /// For each categorical input, the code of every category.
    private let codes: [[String: Int]]

    init(inputs: [ModelInput]) {
        self.inputs = inputs
        codes = inputs.map { input in
            Dictionary((input.categories ?? []).enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Learns every feature from the training table. Throws on an unknown column.
    init(fitting table: Table, features: [String]) throws {
        self.init(inputs: try features.map { ModelInput(name: $0, column: try table.column($0)) })
    }

    /// One array per input, each of `table.rowCount` encoded values. Extra columns are ignored.
    func encode(_ table: Table) throws -> [[Double]] {
        try inputs.indices.map { index in
            guard let field = table.schema.fields.firstIndex(where: { $0.name == inputs[index].name }) else {
                throw missing(inputs[index], among: table.schema.names)
            }
            return try encode(table.columns[field], as: index)
        }
    }

    private func encode(_ column: Column, as index: Int) throws -> [Double] {
        let input = inputs[index]
        switch (column, input.type) {
        case (.string(let strings), .string):
            let other = Double(input.categories?.count ?? 0)
            let map = strings.dictionary.map { codes[index][$0].map(Double.init) ?? other }
            return strings.codes.map { $0 < 0 ? .nan : map[Int($0)] }
        case (.bool(let values, let validity), .bool):
            let other = input.categories?.count ?? 0
            let (no, yes) = (Double(codes[index]["false"] ?? other), Double(codes[index]["true"] ?? other))
            return values.indices.map { validity[$0] ? (values[$0] ? yes : no) : .nan }
        case (.int64, .int64), (.int64, .float64), (.float64, .int64), (.float64, .float64),
            (.timestamp, .timestamp), (.int64, .timestamp):
            return (column.doubles ?? []).map { $0.isFinite ? $0 : .nan }
        default:
            // A reader of CSV cannot know the type of a column without values, so any type will do.
            guard column.nullCount == column.count else { throw input.typeError(got: "\(column.type.rawValue) values") }
            return [Double](repeating: .nan, count: column.count)
        }
    }

    /// One encoded value per input.
    func encode(row: [String: Cell]) throws -> [Double] {
        var values = [Double](repeating: .nan, count: inputs.count)
        for index in inputs.indices {
            guard let cell = row[inputs[index].name] else { throw missing(inputs[index], among: Array(row.keys)) }
            values[index] = try encode(cell, as: index)
        }
        return values
    }

    /// One encoded value per input, from cells in the order of `inputs`.
    func encode(cells: [Cell]) throws -> [Double] {
        guard cells.count == inputs.count else {
            throw NestboxError.invalid("a row has \(cells.count) values; the model has \(inputs.count) inputs")
        }
        var values = [Double](repeating: .nan, count: inputs.count)
        for index in inputs.indices { values[index] = try encode(cells[index], as: index) }
        return values
    }

    private func encode(_ cell: Cell, as index: Int) throws -> Double {
        let input = inputs[index]
        switch (cell, input.type) {
        case (.null, _): return .nan
        case (.string(let value), .string): return Double(codes[index][value] ?? input.categories?.count ?? 0)
        case (.bool(let value), .bool):
            return Double(codes[index][value ? "true" : "false"] ?? input.categories?.count ?? 0)
        case (.int64(let value), .int64), (.int64(let value), .float64), (.int64(let value), .timestamp):
            return Double(value)
        case (.float64(let value), .int64), (.float64(let value), .float64): return value.isFinite ? value : .nan
        case (.timestamp(let value), .timestamp): return Double(value.milliseconds)
        case (.int64(let value), _): throw input.typeError(got: "the number \(value)")
        case (.float64(let value), _): throw input.typeError(got: "the number \(value)")
        case (.bool(let value), _): throw input.typeError(got: "the boolean \(value)")
        case (.string(let value), _): throw input.typeError(got: "the string `\(value.prefix(40))`")
        case (.timestamp, _): throw input.typeError(got: "a timestamp")
        }
    }

    private func missing(_ input: ModelInput, among names: [String]) -> NestboxError {
        let near = NestboxError.notFound("column", input.name, among: names)
        return .invalid(
            "column `\(input.name)` (\(input.type.rawValue)) is missing; the model needs it",
            hint: near.hint ?? "the inputs are \(inputs.map(\.name).joined(separator: ", "))")
    }

    /// Sorts finite values in place, ascending.
    static func sort(_ values: inout [Double]) {
        guard values.count > 64 else {
            values.sort()
            return
        }
        var scratch = [Double](repeating: 0, count: values.count)
        values.withUnsafeMutableBufferPointer { values in
            scratch.withUnsafeMutableBufferPointer { nb_sort(values.baseAddress, $0.baseAddress, values.count) }
        }
    }
}
