import Core
import GRDB

/// A row of somebody else's database: SQLite keeps values of any type in any column, and the columns differ by version.
struct Record {
    private let row: Row
    /// Names the row in complaints.
    private let what: String

    init(_ row: Row, _ what: String) {
        self.row = row
        self.what = what
    }

    private func storage(_ column: String) -> DatabaseValue.Storage {
        guard row.hasColumn(column) else { return .null }
        let value: DatabaseValue = row[column]
        return value.storage
    }

    private func wrong(_ column: String, _ expected: String) -> NestboxError {
        unreadable("\(what): its column `\(column)` holds no \(expected)")
    }

    /// Nil when it is null, or when this version has no such column.
    func optionalText(_ column: String) throws -> String? {
        switch storage(column) {
        case .null: nil
        case .string(let text): text
        case .int64(let number): String(number)
        case .double(let number): String(number)
        case .blob: throw wrong(column, "text")
        }
    }

    func text(_ column: String) throws -> String {
        guard let text = try optionalText(column) else { throw wrong(column, "text") }
        return text
    }

    func optionalWhole(_ column: String) throws -> Int64? {
        switch storage(column) {
        case .null: return nil
        case .int64(let number): return number
        case .double(let number):
            guard let whole = Int64(exactly: number.rounded()) else { throw wrong(column, "whole number") }
            return whole
        case .string(let text):
            guard let whole = Int64(text) else { throw wrong(column, "whole number") }
            return whole
        case .blob: throw wrong(column, "whole number")
        }
    }

    func whole(_ column: String) throws -> Int64 {
        guard let whole = try optionalWhole(column) else { throw wrong(column, "whole number") }
        return whole
    }

    func optionalTime(_ column: String) throws -> Timestamp? {
        try optionalWhole(column).map { Timestamp(milliseconds: $0) }
    }

    func optionalNumber(_ column: String) throws -> Double? {
        switch storage(column) {
        case .null: return nil
        case .double(let number): return number
        case .int64(let number): return Double(number)
        case .string, .blob: throw wrong(column, "number")
        }
    }

    func number(_ column: String) throws -> Double {
        guard let number = try optionalNumber(column) else { throw wrong(column, "number") }
        return number
    }
}
