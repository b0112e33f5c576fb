import Core

/// A column's name and type.
public struct Field: Sendable, Codable, Hashable {
    public var name: String
    public var type: ColumnType

    public init(_ name: String, _ type: ColumnType) {
        self.name = name
        self.type = type
    }
}

/// The ordered fields of a table. Names are distinct.
public struct Schema: Sendable, Codable, Hashable {
    public var fields: [Field]

    public init(_ fields: [Field]) { self.fields = fields }

    public var names: [String] { fields.map(\.name) }

    public subscript(name: String) -> Field? { fields.first { $0.name == name } }
}

/// Columns of one length with their schema. A value: copying shares the storage.
public struct Table: Sendable, Equatable {
    public let schema: Schema
    public let columns: [Column]
    public let rowCount: Int

    /// Throws `invalid_argument` when lengths or types disagree, or a name appears twice.
    public init(schema: Schema, columns: [Column]) throws {
        guard schema.fields.count == columns.count else {
            throw NestboxError.invalid("a table of \(schema.fields.count) fields was given \(columns.count) columns")
        }
        rowCount = columns.first?.count ?? 0
        var seen: Set<String> = []
        for (field, column) in zip(schema.fields, columns) {
            guard column.count == rowCount else {
                throw NestboxError.invalid("column `\(field.name)` has \(column.count) rows; expected \(rowCount)")
            }
            guard column.type == field.type else {
                throw NestboxError.invalid(
                    "column `\(field.name)` is \(column.type.rawValue); expected \(field.type.rawValue)")
            }
            guard seen.insert(field.name).inserted else {
                throw NestboxError.invalid("the column name `\(field.name)` appears twice")
            }
        }
        self.schema = schema
        self.columns = columns
    }

    public init(_ columns: [(String, Column)]) throws {
        try self.init(schema: Schema(columns.map { Field($0.0, $0.1.type) }), columns: columns.map(\.1))
    }

    /// Throws `not_found` with the nearest names.
    public func column(_ name: String) throws -> Column {
        guard let index = schema.fields.firstIndex(where: { $0.name == name }) else {
            throw NestboxError.notFound("column", name, among: schema.names)
        }
        return columns[index]
    }

    /// The named columns, in that order.
    public func select(_ names: [String]) throws -> Table {
        try Table(names.map { ($0, try column($0)) })
    }

    /// The given rows, in that order; a row may appear more than once.
    public func gather(_ rows: [Int]) -> Table {
        // The schema and lengths were checked when `self` was made, so this cannot throw.
        try! Table(schema: schema, columns: columns.map { $0.gather(rows) })
    }

    public func appending(_ name: String, _ column: Column) throws -> Table {
        try Table(schema: Schema(schema.fields + [Field(name, column.type)]), columns: columns + [column])
    }
}
