import Core
import Foundation

/// What people see: progress on stderr when it is a terminal, tables and JSON on stdout, errors with their hint on stderr.
enum Terminal {
    static let isInteractive = isatty(STDERR_FILENO) == 1

    static func complain(_ error: NestboxError) {
        var text = "nestbox: \(error.message)\n"
        if let hint = error.hint { text += "  hint: \(hint)\n" }
        if let cause = error.cause { text += "  cause: \(cause)\n" }
        FileHandle.standardError.write(Data(text.utf8))
    }

    /// A line on stdout at once, also into a pipe, where `print` alone would keep it back.
    static func line(_ text: String) {
        print(text)
        fflush(nil)
    }

    static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    /// Redraws one line. Does nothing when stderr is not a terminal.
    static func progress(_ fraction: Double, _ message: String) {
        guard isInteractive else { return }
        let width = 28
        let filled = Int((max(0, min(1, fraction)) * Double(width)).rounded())
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        let percent = String(Int((fraction * 100).rounded()))
        FileHandle.standardError.write(Data("\r\u{1B}[2K\(bar) \(percent) %  \(message.prefix(70))".utf8))
    }

    static func endProgress() {
        guard isInteractive else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[2K".utf8))
    }

    /// Columns padded to their widest cell; numbers are right-aligned.
    static func table(_ header: [String], _ rows: [[String]]) {
        guard !rows.isEmpty else { return print("(none)") }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        let isNumeric = header.indices.map { column in
            rows.allSatisfy { Double($0[column]) != nil || $0[column] == "–" }
        }
        func line(_ cells: [String]) -> String {
            cells.indices.map { column in
                let pad = String(repeating: " ", count: widths[column] - cells[column].count)
                return isNumeric[column] ? pad + cells[column] : cells[column] + pad
            }.joined(separator: "  ")
        }
        print(line(header))
        for row in rows { print(line(row)) }
    }

    static func json(_ value: some Encodable) throws { print(try JSON.string(value, pretty: true)) }

    /// Four significant digits; «–» for nothing.
    static func number(_ value: Double?) -> String {
        guard let value else { return "–" }
        return value == value.rounded() && abs(value) < 1e9 ? String(Int(value)) : String(format: "%.4g", value)
    }
}
