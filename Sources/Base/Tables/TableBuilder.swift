import Core

/// Makes a table row by row against a schema. For the edges; bulk data comes through the readers.
public struct TableBuilder: ~Copyable {
    public let schema: Schema
    public private(set) var rowCount = 0
    private var builders: [ColumnBuilder]

    public init(schema: Schema) {
        self.schema = schema
        builders = schema.fields.map { ColumnBuilder(type: $0.type) }
    }

    /// Appends one cell per column. An int64 fits a float64 column when it is exact there. Throws `invalid_argument`
    /// naming the column, and leaves the table as it was.
    public mutating func append(_ cells: [Cell]) throws {
        guard cells.count == schema.fields.count else {
            throw NestboxError.invalid("a row of \(cells.count) cells was given; expected \(schema.fields.count)")
        }
        for (field, cell) in zip(schema.fields, cells) where !cell.fits(field.type) {
            throw NestboxError.invalid(
                "column `\(field.name)`, row \(grouped(rowCount + 1)): \(cell.text.map { "`\($0)`" } ?? "null") "
                    + "is not \(field.type.phrase) (\(field.type.rawValue))")
        }
        for (index, cell) in cells.enumerated() where !builders[index].append(cell) {
            // Only a column with two thousand million distinct strings comes here.
            throw NestboxError(.internalError, "column `\(schema.fields[index].name)` did not take a cell that fits it")
        }
        rowCount += 1
    }

    /// Appends a row by name; a missing name is null. Throws for a name that is not in the schema.
    public mutating func append(_ row: [String: Cell]) throws {
        if row.count > schema.fields.count || !row.keys.allSatisfy({ schema[$0] != nil }) {
            let unknown = row.keys.filter { schema[$0] == nil }.min() ?? ""
            throw NestboxError.notFound("column", unknown, among: schema.names)
        }
        try append(schema.fields.map { row[$0.name] ?? .null })
    }

    public consuming func finish() throws -> Table {
        try Table(schema: schema, columns: builders.map { $0.finish() })
    }
}

extension Cell {
    fileprivate func fits(_ type: ColumnType) -> Bool {
        switch (self, type) {
        case (.null, _), (.int64, .int64), (.float64, .float64), (.bool, .bool), (.string, .string),
            (.timestamp, .timestamp):
            true
        case (.int64(let value), .float64): Double(exactly: value) != nil
        default: false
        }
    }
}
