import GRDB
import GRDBSQLite

/// A statement that is run many times in one go. What GRDB makes anew for each time (lists of arguments, cursors, rows) costs
/// several times what SQLite itself does.
///
/// Valid within the access to the database that it was made in. Bind every parameter, `step` until false, and again.
public struct RepeatedStatement {
    private let statement: Statement
    private let connection: SQLiteConnection

    /// - Parameter sql: one statement; it stays prepared for the connection's next use of it.
    public init(_ sql: String, in db: GRDB.Database) throws {
        guard let connection = db.sqliteConnection else { throw DatabaseError(resultCode: .SQLITE_MISUSE) }
        self.connection = connection
        statement = try db.cachedStatement(sql: sql)
        sqlite3_reset(statement.sqliteStatement)
    }

    /// Parameters and columns are counted as SQLite does: from 1 and from 0.
    public func bind(_ parameter: Int32, _ value: Int64) {
        sqlite3_bind_int64(statement.sqliteStatement, parameter, value)
    }

    public func bind(_ parameter: Int32, _ value: Double) {
        sqlite3_bind_double(statement.sqliteStatement, parameter, value)
    }

    public func bind(_ parameter: Int32, _ value: String) {
        var value = value
        value.withUTF8 { bytes in
            let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            // Without a pointer it would be NULL, and an empty text is not.
            guard let start = bytes.baseAddress else {
                _ = sqlite3_bind_text(statement.sqliteStatement, parameter, "", 0, transient)
                return
            }
            _ = start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                sqlite3_bind_text(statement.sqliteStatement, parameter, $0, Int32(bytes.count), transient)
            }
        }
    }

    /// True at a row; false at the end, after which it can be bound anew. Throws SQLite's error.
    public func step() throws -> Bool {
        let code = sqlite3_step(statement.sqliteStatement)
        if code == SQLITE_ROW { return true }
        guard code == SQLITE_DONE else {
            let message = String(cString: sqlite3_errmsg(connection))
            sqlite3_reset(statement.sqliteStatement)
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message, sql: statement.sql)
        }
        sqlite3_reset(statement.sqliteStatement)
        return false
    }

    /// Leaves the other rows unread.
    public func reset() { sqlite3_reset(statement.sqliteStatement) }

    public func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement.sqliteStatement, column) }

    public func double(_ column: Int32) -> Double { sqlite3_column_double(statement.sqliteStatement, column) }

    public func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(statement.sqliteStatement, column) == SQLITE_NULL
    }

    public func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    /// Empty for NULL.
    public func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(statement.sqliteStatement, column) else { return "" }
        let count = Int(sqlite3_column_bytes(statement.sqliteStatement, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }
}
