import CArchive
import Core
import Foundation
import Tables
import Testing

/// Tables, files and archives made for these tests.
enum Samples {
    static func csv(_ text: String, _ options: CSVOptions = CSVOptions()) throws -> Table {
        try CSVReader.read(bytes: Array(text.utf8), options: options)
    }

    static func jsonl(_ text: String, schema: Schema? = nil) throws -> Table {
        try JSONLReader.read(bytes: Array(text.utf8), options: JSONLOptions(schema: schema))
    }

    static func message(_ body: () throws -> Any) -> String {
        do {
            return "no error: a \(type(of: try body()))"
        } catch let error as NestboxError {
            return error.description
        } catch {
            return "another error: \(error)"
        }
    }

    /// Fails unless `body` throws a `NestboxError` whose description contains `part`.
    static func expect(
        _ part: String, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Any
    ) {
        let message = message(body)
        #expect(message.contains(part), "\(message)", sourceLocation: location)
    }

    /// Cells as text with float bits, so that NaN equals NaN and -0 differs from 0.
    static func fingerprint(_ table: Table) -> [String] {
        (0..<table.rowCount).map { row in
            table.columns.map { column in
                switch column[row] {
                case .float64(let value): "float64 \(value.isNaN ? "nan" : String(value.bitPattern))"
                case .string(let value): "string \(Array(value.utf8))"
                case let cell: "\(cell)"
                }
            }.joined(separator: " | ")
        }
    }

    static func random(_ generator: inout SeededGenerator) throws -> Table {
        let types = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
            ColumnType.allCases.randomElement(using: &generator) ?? .string
        }
        let names = ["a", "with, comma", "with \"quote\"", "línea\nnueva", "NA", "\u{FEFF}mark"].shuffled(
            using: &generator)
        let schema = Schema(zip(names, types).map { Field($0, $1) })
        var builder = TableBuilder(schema: schema)
        for _ in 0..<Int.random(in: 0...40, using: &generator) {
            try builder.append(types.map { randomCell($0, &generator) })
        }
        return try builder.finish()
    }

    private static func randomCell(_ type: ColumnType, _ generator: inout SeededGenerator) -> Cell {
        if Int.random(in: 0..<5, using: &generator) == 0 { return .null }
        switch type {
        case .int64:
            let edge: [Int64] = [0, -1, 7, .min, .max, 1 << 53, -(1 << 53) - 1]
            return .int64(edge.randomElement(using: &generator) ?? 0)
        case .float64:
            let edge: [Double] = [
                0, -0.0, 1, 0.1, -2.5e-308, .leastNonzeroMagnitude, 1.7976931348623157e308, .nan, .infinity, -.infinity,
                1e22, 1e23,
                123456789.123456789, Double(bitPattern: generator.next() & ~(1 << 62)),
            ]
            return .float64(edge.randomElement(using: &generator) ?? 0)
        case .bool: return .bool(Bool.random(using: &generator))
        case .timestamp:
            return .timestamp(
                Timestamp(milliseconds: .random(in: -62_167_219_200_000...253_402_300_799_999, using: &generator)))
        case .string:
            let pieces = [
                "", "NA", "null", "007", "a", ",", "\"", "\n", "\r\n", "\r", "é", "e\u{301}", "日本", "🐦", " ", "\t",
                "\\",
                "\u{0}", "\u{1F}", "NaN", "true", "2013-01-01", ";",
            ]
            let count = Int.random(in: 0...3, using: &generator)
            return .string((0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined())
        }
    }

    enum Packing { case gzip, zip, xz, bzip2, zstd }

    /// An archive of the named contents, made by libarchive.
    static func pack(_ packing: Packing, _ files: [(name: String, content: [UInt8])]) throws -> [UInt8] {
        let archive = archive_write_new()
        defer { archive_write_free(archive) }
        switch packing {
        case .zip: archive_write_set_format_zip(archive)
        default: archive_write_set_format_raw(archive)
        }
        switch packing {
        case .gzip: archive_write_add_filter_gzip(archive)
        case .xz: archive_write_add_filter_xz(archive)
        case .bzip2: archive_write_add_filter_bzip2(archive)
        case .zstd: archive_write_add_filter_zstd(archive)
        case .zip: break
        }
        var room = [UInt8](repeating: 0, count: 4096 + files.reduce(0) { $0 + 2 * $1.content.count })
        var used = 0
        archive_write_set_bytes_in_last_block(archive, 1)
        let fine = room.withUnsafeMutableBytes { buffer in
            var fine = archive_write_open_memory(archive, buffer.baseAddress, buffer.count, &used) == ARCHIVE_OK
            for file in files {
                let entry = archive_entry_new()
                defer { archive_entry_free(entry) }
                archive_entry_set_pathname(entry, file.name)
                archive_entry_set_size(entry, Int64(file.content.count))
                archive_entry_set_filetype(entry, 0o100000)
                archive_entry_set_perm(entry, 0o644)
                fine = fine && archive_write_header(archive, entry) == ARCHIVE_OK
                fine = fine && archive_write_data(archive, file.content, file.content.count) == file.content.count
            }
            return fine && archive_write_close(archive) == ARCHIVE_OK
        }
        guard fine else { throw NestboxError(.internalError, "the test's archive could not be made") }
        return Array(room[..<used])
    }

    static func withFile<T>(_ name: String, _ content: [UInt8], _ body: (String) throws -> T) throws -> T {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tables-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent(name)
        try Data(content).write(to: file)
        return try body(file.path)
    }
}
