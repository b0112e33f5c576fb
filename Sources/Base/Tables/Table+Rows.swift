import Core

extension Table {
    /// The tables one below the other. Throws `invalid_argument` when there are none or their schemas differ.
    public static func concatenate(_ tables: [Table]) throws -> Table {
        guard let first = tables.first else { throw NestboxError.invalid("there are no tables to concatenate") }
        for (index, table) in tables.enumerated().dropFirst() where table.schema != first.schema {
            throw NestboxError.invalid(
                "table \(index + 1) has the columns \(table.schema.summary); expected \(first.schema.summary)")
        }
        let columns = first.columns.indices.map { index in Column.concatenate(tables.map { $0.columns[index] }) }
        return try Table(schema: first.schema, columns: columns)
    }

    public func head(_ count: Int) -> Table { slice(0..<max(0, count)) }

    /// The rows of a range, as far as they exist.
    public func slice(_ rows: Range<Int>) -> Table { gather(Array(rows.clamped(to: 0..<rowCount))) }

    /// Throws `not_found` for the name and `invalid_argument` for a row that does not exist.
    public func cell(_ row: Int, _ name: String) throws -> Cell {
        let column = try column(name)
        try check(row)
        return column[row]
    }

    /// One row by name, nulls included. Throws `invalid_argument` for a row that does not exist.
    public func row(_ row: Int) throws -> [String: Cell] {
        try check(row)
        return Dictionary(zip(schema.names, columns.map { $0[row] }), uniquingKeysWith: { first, _ in first })
    }

    /// Row numbers in the order of these columns, the first one most significant. Stable; strings by Unicode order,
    /// false before true, NaN after all numbers, and nulls last in either direction.
    public func sortedRows(by names: [String], descending: Bool = false) throws -> [Int] {
        let keys = try names.map { try column($0).sortKeys }
        return (0..<rowCount).sorted { a, b in
            for (ranks, isNull) in keys {
                if isNull[a] || isNull[b] {
                    if isNull[a] != isNull[b] { return isNull[b] }
                } else if ranks[a] != ranks[b] {
                    return descending ? ranks[a] > ranks[b] : ranks[a] < ranks[b]
                }
            }
            return a < b
        }
    }

    private func check(_ row: Int) throws {
        guard row >= 0, row < rowCount else {
            throw NestboxError.invalid("there is no row \(row); the table has \(rowCount) rows, counted from 0")
        }
    }
}

extension Schema {
    fileprivate var summary: String {
        fields.map { "\($0.name): \($0.type.rawValue)" }.joined(separator: ", ")
    }
}

extension Column {
    /// All columns must be of the first one's type.
    fileprivate static func concatenate(_ columns: [Column]) -> Column {
        var integers: [Int64] = [], doubles: [Double] = [], bools: [Bool] = [], codes: [Int32] = []
        var dictionary: [String] = []
        var index: [String: Int32] = [:]
        var validity = Validity(allValid: 0)
        for column in columns {
            switch column {
            case .int64(let values, let valid), .timestamp(let values, let valid):
                integers += values
                validity.append(valid)
            case .float64(let values, let valid):
                doubles += values
                validity.append(valid)
            case .bool(let values, let valid):
                bools += values
                validity.append(valid)
            case .string(let strings):
                let merged = strings.dictionary.map { text in
                    if let code = index[text] { return code }
                    let code = Int32(dictionary.count)
                    index[text] = code
                    dictionary.append(text)
                    return code
                }
                codes += strings.codes.map { $0 < 0 ? -1 : merged[Int($0)] }
            }
        }
        return switch columns.first?.type ?? .string {
        case .int64: .int64(integers, validity)
        case .timestamp: .timestamp(integers, validity)
        case .float64: .float64(doubles, validity)
        case .bool: .bool(bools, validity)
        case .string: .string(StringColumn(codes: codes, dictionary: dictionary))
        }
    }

    /// An integer per row that sorts as the values do, and whether the row is null.
    fileprivate var sortKeys: (ranks: [Int64], isNull: [Bool]) {
        switch self {
        case .int64(let values, let validity), .timestamp(let values, let validity):
            return (values, values.indices.map { !validity[$0] })
        case .float64(let values, let validity):
            // The bits of a Double sort like it once those of negative numbers are flipped; 0 and -0 are one value.
            let ranks = values.map { value -> Int64 in
                if value.isNaN { return .max }
                let bits = Int64(bitPattern: (value == 0 ? 0 : value).bitPattern)
                return bits < 0 ? bits ^ .max : bits
            }
            return (ranks, values.indices.map { !validity[$0] })
        case .bool(let values, let validity):
            return (values.map { $0 ? 1 : 0 }, values.indices.map { !validity[$0] })
        case .string(let strings):
            let order = strings.dictionary.indices.sorted { strings.dictionary[$0] < strings.dictionary[$1] }
            var ranks = [Int64](repeating: 0, count: order.count)
            var rank: Int64 = 0
            for (position, code) in order.enumerated() {
                // A dictionary made elsewhere may hold a string twice; equal strings rank equal.
                if position > 0, strings.dictionary[order[position - 1]] != strings.dictionary[code] { rank += 1 }
                ranks[code] = rank
            }
            return (strings.codes.map { $0 < 0 ? 0 : ranks[Int($0)] }, strings.codes.map { $0 < 0 })
        }
    }
}

extension Validity {
    fileprivate mutating func append(_ other: Validity) {
        if words == nil, other.words == nil {
            count += other.count
        } else {
            for row in 0..<other.count { append(other[row]) }
        }
    }
}
