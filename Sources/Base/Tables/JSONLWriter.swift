import Core
import Foundation

/// Writes a table as JSON Lines: one object per row with every column, nulls as `null`.
///
/// Floats are the shortest text that reads back exactly, and the strings `"NaN"`, `"Infinity"`, `"-Infinity"`;
/// timestamps are ISO 8601 strings, or milliseconds outside the years 0 to 9999. Reading with the table's schema gives
/// the same table back.
public struct JSONLWriter: Sendable {
    private let schema: Schema
    /// `{"name":` for the first column and `,"name":` for the others.
    private let prefixes: [[UInt8]]

    /// Throws `invalid_argument` for a table without columns or with an empty name.
    public init(schema: Schema) throws {
        guard !schema.fields.isEmpty else {
            throw NestboxError.invalid("a table without columns has no JSON Lines form")
        }
        guard !schema.names.contains("") else {
            throw NestboxError.invalid("a column without a name has no JSON Lines form")
        }
        self.schema = schema
        prefixes = schema.names.enumerated().map { index, name in
            var out: [UInt8] = [index == 0 ? 0x7B : ASCII.comma]
            Self.append(quoted: name, to: &out)
            out.append(ASCII.colon)
            return out
        }
    }

    /// The lines of some rows of a table with the writer's schema.
    public func lines(of table: Table, rows: Range<Int>) throws -> [UInt8] {
        guard table.schema == schema else {
            throw NestboxError.invalid("the table's schema is not the JSON Lines writer's")
        }
        var out: [UInt8] = []
        for row in rows.clamped(to: 0..<table.rowCount) {
            for (prefix, column) in zip(prefixes, table.columns) {
                out.append(contentsOf: prefix)
                Self.append(column[row], to: &out)
            }
            out.append(0x7D)
            out.append(ASCII.lf)
        }
        return out
    }

    /// All rows in chunks of some hundred kilobytes.
    public static func write(_ table: Table, to sink: ([UInt8]) throws -> Void) throws {
        let writer = try JSONLWriter(schema: table.schema)
        for start in stride(from: 0, to: table.rowCount, by: 4096) {
            try sink(try writer.lines(of: table, rows: start..<min(start + 4096, table.rowCount)))
        }
    }

    public static func write(_ table: Table, to file: FileHandle) throws {
        try write(table) { chunk in
            try DurableFile.writeAll(chunk, to: file.fileDescriptor, path: "the JSON Lines file")
        }
    }

    public static func bytes(_ table: Table) throws -> [UInt8] {
        var all: [UInt8] = []
        try write(table) { all += $0 }
        return all
    }

    private static func append(_ cell: Cell, to out: inout [UInt8]) {
        switch cell {
        case .null: out.append(contentsOf: "null".utf8)
        case .int64(let value): out.append(contentsOf: value.description.utf8)
        case .float64(let value) where value.isFinite: out.append(contentsOf: value.description.utf8)
        case .float64(let value): append(quoted: value.text, to: &out)
        case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
        case .string(let value): append(quoted: value, to: &out)
        case .timestamp(let value):
            if let text = value.fourDigitYearText {
                append(quoted: text, to: &out)
            } else {
                out.append(contentsOf: value.milliseconds.description.utf8)
            }
        }
    }

    private static func append(quoted text: String, to out: inout [UInt8]) {
        out.append(ASCII.quote)
        for byte in text.utf8 {
            switch byte {
            case ASCII.quote, ASCII.backslash:
                out.append(ASCII.backslash)
                out.append(byte)
            case ASCII.lf: out.append(contentsOf: "\\n".utf8)
            case ASCII.cr: out.append(contentsOf: "\\r".utf8)
            case 0x09: out.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                out.append(contentsOf: "\\u00".utf8)
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            default: out.append(byte)
            }
        }
        out.append(ASCII.quote)
    }
}
