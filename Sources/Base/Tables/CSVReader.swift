import Core
import Foundation

/// How CSV text is understood, by readers and writers alike.
public struct CSVOptions: Sendable {
    /// One ASCII byte; not a quote or a line end.
    public var delimiter: UInt8 = UInt8(ascii: ",")
    /// Unquoted cells with one of these texts are null. A quoted cell never is.
    ///
    /// `NaN` is not among them: it is a float64 value.
    public var nullMarkers: [String] = ["", "NA", "null"]
    /// Fixes the names and types; the columns come out in this order. Without it types are inferred.
    public var schema: Schema?
    /// The longest cell in bytes; what a forgotten quote can take up in memory.
    public var maximumCellBytes = 16 << 20
    public var maximumColumns = 10_000
    public var limits = TableLimits()

    public init(schema: Schema? = nil, delimiter: UInt8 = UInt8(ascii: ",")) {
        self.schema = schema
        self.delimiter = delimiter
    }
}

/// Reads CSV (RFC 4180 and its usual variations) into a table.
///
/// The first line is the header. Lines end in LF, CRLF or CR; blank lines are skipped. Without a schema, each column
/// gets the first of int64, float64, bool, timestamp (ISO 8601, kept in milliseconds), string that all its cells fit;
/// codes like `007` and whole numbers that a `Double` would round stay strings with their exact text. A column of nulls
/// alone is string. Throws `invalid_argument` naming line and column for ragged rows, an open quote, duplicate or empty
/// names, invalid UTF-8, empty input and cells that do not fit the schema.
public enum CSVReader {
    /// Reads a file; compression (see `ExpandedInput`) is recognised by content. Memory is that of the columns, and of
    /// the text of those that are inferred as float64, bool or timestamp.
    public static func read(path: String, options: CSVOptions = CSVOptions()) throws -> Table {
        let parser = try CSVParser(options: options)
        try ExpandedInput.forEachChunk(path: path, limits: options.limits) { try parser.consume($0) }
        return try parser.finish()
    }

    public static func read(bytes: [UInt8], options: CSVOptions = CSVOptions()) throws -> Table {
        let parser = try CSVParser(options: options)
        try ExpandedInput.forEachChunk(bytes: bytes, limits: options.limits) { try parser.consume($0) }
        return try parser.finish()
    }

    public static func read(bytes: Data, options: CSVOptions = CSVOptions()) throws -> Table {
        try read(bytes: [UInt8](bytes), options: options)
    }
}
