import Core

/// The types a column can have.
public enum ColumnType: String, Sendable, Codable, CaseIterable {
    case int64, float64, bool, string, timestamp

    /// Whether statistics treat it as a number.
    public var isNumeric: Bool { self == .int64 || self == .float64 }
}

/// One cell, for the edges where rows are handled one by one. Engines read columns instead.
public enum Cell: Sendable, Hashable {
    case null
    case int64(Int64)
    case float64(Double)
    case bool(Bool)
    case string(String)
    case timestamp(Timestamp)
}

/// Which rows hold a value. `nil` words mean that every row does.
public struct Validity: Sendable, Equatable {
    /// One bit per row, lowest bit first; a set bit is a value, a clear bit a null.
    public internal(set) var words: [UInt64]?
    public internal(set) var count: Int

    public init(allValid count: Int) { self.count = count }

    public init(_ valid: [Bool]) {
        count = valid.count
        guard valid.contains(false) else { return }
        var words = [UInt64](repeating: 0, count: (count + 63) / 64)
        for (row, isValid) in valid.enumerated() where isValid { words[row >> 6] |= 1 << UInt64(row & 63) }
        self.words = words
    }

    @inlinable public subscript(row: Int) -> Bool {
        guard let words else { return true }
        return words[row >> 6] >> UInt64(row & 63) & 1 == 1
    }

    public var nullCount: Int {
        guard let words else { return 0 }
        return count - words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// The bits of `rows`, in that order.
    public func gather(_ rows: [Int]) -> Validity {
        words == nil ? Validity(allValid: rows.count) : Validity(rows.map { self[$0] })
    }
}

/// Strings by dictionary: `codes[row]` is an index into `dictionary`, or -1 for null.
public struct StringColumn: Sendable, Equatable {
    public internal(set) var codes: [Int32]
    /// Distinct values in order of first appearance.
    public internal(set) var dictionary: [String]

    /// `codes` must be -1 or an index of `dictionary`.
    public init(codes: [Int32], dictionary: [String]) {
        self.codes = codes
        self.dictionary = dictionary
    }

    public init(_ values: [String?]) {
        codes = []
        codes.reserveCapacity(values.count)
        dictionary = []
        var index: [String: Int32] = [:]
        for value in values {
            guard let value else {
                codes.append(-1)
                continue
            }
            if let code = index[value] {
                codes.append(code)
            } else {
                let code = Int32(dictionary.count)
                index[value] = code
                dictionary.append(value)
                codes.append(code)
            }
        }
    }

    public subscript(row: Int) -> String? {
        let code = codes[row]
        return code < 0 ? nil : dictionary[Int(code)]
    }
}

/// A typed column; every case holds one contiguous array with a value (zero where null) per row.
public enum Column: Sendable, Equatable {
    case int64([Int64], Validity)
    case float64([Double], Validity)
    case bool([Bool], Validity)
    case string(StringColumn)
    /// Milliseconds since 1970 UTC.
    case timestamp([Int64], Validity)

    public static func int64(_ values: [Int64]) -> Column { .int64(values, Validity(allValid: values.count)) }
    public static func float64(_ values: [Double]) -> Column { .float64(values, Validity(allValid: values.count)) }
    public static func bool(_ values: [Bool]) -> Column { .bool(values, Validity(allValid: values.count)) }
    public static func string(_ values: [String?]) -> Column { .string(StringColumn(values)) }
    public static func timestamp(_ values: [Int64]) -> Column { .timestamp(values, Validity(allValid: values.count)) }

    public var type: ColumnType {
        switch self {
        case .int64: .int64
        case .float64: .float64
        case .bool: .bool
        case .string: .string
        case .timestamp: .timestamp
        }
    }

    public var count: Int {
        switch self {
        case .int64(let values, _), .timestamp(let values, _): values.count
        case .float64(let values, _): values.count
        case .bool(let values, _): values.count
        case .string(let column): column.codes.count
        }
    }

    public var nullCount: Int {
        switch self {
        case .int64(_, let validity), .float64(_, let validity), .bool(_, let validity), .timestamp(_, let validity):
            validity.nullCount
        case .string(let column): column.codes.reduce(0) { $0 + ($1 < 0 ? 1 : 0) }
        }
    }

    public subscript(row: Int) -> Cell {
        switch self {
        case .int64(let values, let validity): validity[row] ? .int64(values[row]) : .null
        case .float64(let values, let validity): validity[row] ? .float64(values[row]) : .null
        case .bool(let values, let validity): validity[row] ? .bool(values[row]) : .null
        case .string(let column): column[row].map { .string($0) } ?? .null
        case .timestamp(let values, let validity):
            validity[row] ? .timestamp(Timestamp(milliseconds: values[row])) : .null
        }
    }

    /// The cells of `rows`, in that order; a row may appear more than once.
    public func gather(_ rows: [Int]) -> Column {
        switch self {
        case .int64(let values, let validity): .int64(rows.map { values[$0] }, validity.gather(rows))
        case .float64(let values, let validity): .float64(rows.map { values[$0] }, validity.gather(rows))
        case .bool(let values, let validity): .bool(rows.map { values[$0] }, validity.gather(rows))
        case .string(let column):
            .string(StringColumn(codes: rows.map { column.codes[$0] }, dictionary: column.dictionary))
        case .timestamp(let values, let validity): .timestamp(rows.map { values[$0] }, validity.gather(rows))
        }
    }

    /// Every row as a `Double`, NaN where null: numbers as they are, booleans as 0 and 1, timestamps as milliseconds.
    /// Nil for strings.
    public var doubles: [Double]? {
        switch self {
        case .int64(let values, let validity), .timestamp(let values, let validity):
            values.indices.map { validity[$0] ? Double(values[$0]) : .nan }
        case .float64(let values, let validity): values.indices.map { validity[$0] ? values[$0] : .nan }
        case .bool(let values, let validity): values.indices.map { validity[$0] ? (values[$0] ? 1 : 0) : .nan }
        case .string: nil
        }
    }
}
