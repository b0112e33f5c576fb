import Core
import Foundation

/// Writes the canonical CSV of a table, in chunks. Reading it with the table's schema gives the same table back.
///
/// Null is an empty cell (in a table of one column the first other null marker, because a blank line is no row), the
/// empty string is `""`, and a cell that equals a null marker or holds the delimiter, a quote or a line end is quoted.
/// Floats are the shortest text that reads back exactly, or `NaN`, `Infinity`, `-Infinity`; timestamps are ISO 8601 in
/// UTC; booleans `true` and `false`. Lines end in LF. `options.schema` is not used.
public struct CSVWriter: Sendable {
    private let schema: Schema
    private let options: CSVOptions
    private let nullText: [UInt8]
    private let markers: Set<[UInt8]>

    /// Throws `invalid_argument` for a table without columns or with an empty name, and when no null marker can be used.
    public init(schema: Schema, options: CSVOptions = CSVOptions()) throws {
        _ = try CSVParser(options: options)
        guard !schema.fields.isEmpty else { throw NestboxError.invalid("a table without columns has no CSV form") }
        guard !schema.names.contains("") else { throw NestboxError.invalid("a column without a name has no CSV form") }
        self.schema = schema
        self.options = options
        let usable = options.nullMarkers.filter { marker in
            (schema.fields.count > 1 || !marker.isEmpty)
                && !marker.utf8.contains { $0 == options.delimiter || $0 == 0x22 || $0 == 0x0A || $0 == 0x0D }
        }
        guard let marker = usable.contains("") ? "" : usable.first else {
            throw NestboxError.invalid("no null marker can stand for a null in this CSV", hint: "allow the marker NA")
        }
        nullText = Array(marker.utf8)
        markers = Set(options.nullMarkers.map { Array($0.utf8) })
    }

    /// The header line.
    public func header() -> [UInt8] {
        var out: [UInt8] = []
        for (index, name) in schema.names.enumerated() {
            if index > 0 { out.append(options.delimiter) }
            append(Array(name.utf8), to: &out)
        }
        out.append(ASCII.lf)
        return out
    }

    /// The lines of some rows of a table with the writer's schema. Throws for a timestamp outside the years 0 to 9999.
    public func lines(of table: Table, rows: Range<Int>) throws -> [UInt8] {
        guard table.schema == schema else { throw NestboxError.invalid("the table's schema is not the CSV writer's") }
        let rows = rows.clamped(to: 0..<table.rowCount)
        var out: [UInt8] = []
        out.reserveCapacity(rows.count * table.columns.count * 8)
        for row in rows {
            for (index, column) in table.columns.enumerated() {
                if index > 0 { out.append(options.delimiter) }
                try append(column, row, name: schema.fields[index].name, to: &out)
            }
            out.append(ASCII.lf)
        }
        return out
    }

    /// Header and rows in chunks of some hundred kilobytes.
    public static func write(
        _ table: Table, options: CSVOptions = CSVOptions(), to sink: ([UInt8]) throws -> Void
    ) throws {
        let writer = try CSVWriter(schema: table.schema, options: options)
        try sink(writer.header())
        for start in stride(from: 0, to: table.rowCount, by: 4096) {
            try sink(try writer.lines(of: table, rows: start..<min(start + 4096, table.rowCount)))
        }
    }

    public static func write(_ table: Table, options: CSVOptions = CSVOptions(), to file: FileHandle) throws {
        try write(table, options: options) { chunk in
            try DurableFile.writeAll(chunk, to: file.fileDescriptor, path: "the CSV file")
        }
    }

    public static func bytes(_ table: Table, options: CSVOptions = CSVOptions()) throws -> [UInt8] {
        var all: [UInt8] = []
        try write(table, options: options) { all += $0 }
        return all
    }

    private func append(_ column: Column, _ row: Int, name: String, to out: inout [UInt8]) throws {
        switch column {
        case .int64(let values, let validity) where validity[row]: append(values[row].description, to: &out)
        case .float64(let values, let validity) where validity[row]: append(values[row].text, to: &out)
        case .bool(let values, let validity) where validity[row]: append(values[row] ? "true" : "false", to: &out)
        case .timestamp(let values, let validity) where validity[row]:
            guard let text = Timestamp(milliseconds: values[row]).fourDigitYearText else {
                throw NestboxError.invalid(
                    "column `\(name)`, row \(grouped(row + 1)): \(values[row]) ms is outside the years 0 to 9999")
            }
            append(text, to: &out)
        case .string(let strings):
            guard let text = strings[row] else { return out.append(contentsOf: nullText) }
            append(text, to: &out)
        default: out.append(contentsOf: nullText)
        }
    }

    private func append(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { append($0, to: &out) }
    }

    private func append(_ s: some Collection<UInt8>, to out: inout [UInt8]) {
        // A first cell that begins like a byte order mark would lose it.
        let needsQuotes =
            s.contains { $0 == options.delimiter || $0 == ASCII.quote || $0 == ASCII.lf || $0 == ASCII.cr }
            || s.first == 0xEF || isMarker(s)
        guard needsQuotes else { return out.append(contentsOf: s) }
        out.append(ASCII.quote)
        for byte in s {
            if byte == ASCII.quote { out.append(ASCII.quote) }
            out.append(byte)
        }
        out.append(ASCII.quote)
    }

    private func isMarker(_ s: some Collection<UInt8>) -> Bool {
        markers.contains { $0.count == s.count && $0.elementsEqual(s) }
    }
}

extension Double {
    /// The shortest decimal that reads back as this number; `NaN`, `Infinity` or `-Infinity`.
    var text: String {
        if isFinite { return description }
        return isNaN ? "NaN" : self < 0 ? "-Infinity" : "Infinity"
    }
}

extension Timestamp {
    /// ISO 8601, or nil outside the years 0 to 9999, which have no four-digit form.
    var fourDigitYearText: String? {
        (-62_167_219_200_000...253_402_300_799_999).contains(milliseconds) ? iso8601 : nil
    }
}
