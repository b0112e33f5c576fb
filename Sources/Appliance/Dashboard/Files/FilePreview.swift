import Core
import Foundation

/// A file as far as it can be looked at in a page.
///
/// Whatever a file holds, the page shows it as text that was escaped, as a table of such, or as an image that the browser
/// loads as one. HTML and SVG are shown as what they are made of, and never become part of the page.
package struct FilePreview {
    /// `JSON`, `CSV`, `Image`, `Zip archive`, …
    let kind: String
    let preview: Markup?
    let imageHref: String?
    /// What was left out, and why.
    let notes: [String]

    /// Bytes of a file that are read for a preview.
    package static let limit: Int64 = 256 << 10
    private static let tableRows = 200
    private static let tableColumns = 60
    private static let cell = 200

    /// The image types that browsers show, by the ends of names; nothing in them runs when they are loaded as images.
    package static func imageType(_ name: String) -> String? {
        switch ending(name) {
        case "png": "image/png"
        case "jpg", "jpeg": "image/jpeg"
        case "gif": "image/gif"
        case "webp": "image/webp"
        case "avif": "image/avif"
        case "bmp": "image/bmp"
        case "svg": "image/svg+xml"
        default: nil
        }
    }

    /// - Parameters:
    ///   - size: of the whole file; nil when it is not known.
    ///   - head: its beginning, up to `limit`.
    ///   - imageHref: where the file is answered as an image.
    ///   - link: the address of a file or an image beside this one, for Markdown.
    package init(
        name: String, size: Int64?, head: Data, imageHref: String,
        link: @escaping (_ path: String, _ isImage: Bool) -> String?
    ) {
        let isWhole = size.map { Int64(head.count) >= $0 } ?? (Int64(head.count) < Self.limit)
        let image = Self.imageType(name)
        self.imageHref = image == nil || head.isEmpty ? nil : imageHref
        let text = Self.text(head, isWhole: isWhole)
        var notes: [String] = []
        if !isWhole, text != nil {
            notes.append(
                "Only the first \(Format.bytes(Int64(head.count)))\(size.map { " of \(Format.bytes($0))" } ?? "") are shown; download the file for the rest."
            )
        }
        if head.isEmpty {
            (kind, preview) = ("Empty file", nil)
        } else if image != nil, image != "image/svg+xml" {
            (kind, preview) = ("Image", nil)
            notes = []
        } else if let text {
            (kind, preview) = Self.show(text, name: name, isWhole: isWhole, link, &notes)
        } else {
            kind = Self.binary(head)
            preview = nil
            notes.append(
                "A binary file: there is nothing to read in it. Download it to open it with the program it belongs to.")
        }
        self.notes = notes
    }

    private static func show(
        _ text: String, name: String, isWhole: Bool, _ link: @escaping (String, Bool) -> String?,
        _ notes: inout [String]
    ) -> (kind: String, preview: Markup) {
        switch ending(name) {
        case "json", "ipynb", "webmanifest", "geojson": return json(text, isWhole: isWhole, &notes)
        case "csv", "tsv": return ("Table", table(text, name: name, isWhole: isWhole, &notes))
        case "md", "markdown":
            var markdown = MarkdownText()
            markdown.link = { link($0, false) }
            markdown.image = { link($0, true) }
            return ("Markdown", Markup("<div class=\"prose\">\(markdown.html(text).text)</div>"))
        case "patch", "diff": return ("Patch", patch(text))
        case "svg": return ("SVG image", lines(text))
        case "html", "htm", "xhtml": return ("HTML, as text", lines(text))
        case "yaml", "yml", "mlmodel": return ("YAML", lines(text))
        default: return ("Text", lines(text))
        }
    }

    // MARK: Kinds

    private static func lines(_ text: String) -> Markup {
        Markup("<pre class=\"log file\" tabindex=\"0\">\(escaped(text))</pre>")
    }

    private static func json(_ text: String, isWhole: Bool, _ notes: inout [String]) -> (String, Markup) {
        guard isWhole else { return ("JSON", lines(JSONLayout.indented(text))) }
        do {
            _ = try JSONReader.parse(Data(text.utf8), what: "the file", acceptsNonFinite: true)
            return ("JSON", lines(JSONLayout.indented(text)))
        } catch {
            notes.append(
                "Not well-formed JSON, so it is shown as it is: \((error as? NestboxError)?.message ?? "\(error)")")
            return ("Text", lines(text))
        }
    }

    private static func patch(_ text: String) -> Markup {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let style =
                line.hasPrefix("+") && !line.hasPrefix("+++")
                ? "added"
                : line.hasPrefix("-") && !line.hasPrefix("---") ? "removed" : line.hasPrefix("@@") ? "hunk" : ""
            return style.isEmpty ? escaped(String(line)) : "<span class=\"\(style)\">\(escaped(String(line)))</span>"
        }
        return Markup("<pre class=\"log file\" tabindex=\"0\">\(lines.joined(separator: "\n"))</pre>")
    }

    private static func table(_ text: String, name: String, isWhole: Bool, _ notes: inout [String]) -> Markup {
        let read = DelimitedText(
            text, delimiter: DelimitedText.delimiter(name: name, text: text), isWhole: isWhole, atMost: tableRows + 1)
        guard let head = read.records.first else { return lines(text) }
        let rows = read.records.dropFirst(), width = read.records.map(\.count).max() ?? 0
        let columns = min(width, tableColumns)
        if read.isCut { notes = ["The first \(Format.counted(rows.count, "row")); download the file for the rest."] }
        if width > columns { notes.append("\(columns) of \(Format.count(width)) columns are shown.") }
        let ragged = rows.count { $0.count != head.count }
        if ragged > 0 {
            notes.append(
                "\(Format.counted(ragged, "row")) with another number of fields than the first line's \(head.count).")
        }
        var html = "<div class=\"table\" tabindex=\"0\" role=\"region\" aria-label=\"Rows\"><table><thead><tr>"
        let numeric = (0..<columns).map { column in
            !rows.isEmpty
                && rows.allSatisfy { column >= $0.count || $0[column].isEmpty || Double($0[column]) != nil }
        }
        for column in 0..<columns {
            let name = column < head.count ? head[column] : ""
            html +=
                "<th scope=\"col\"\(numeric[column] ? " class=\"num\"" : "")>\(escaped(Format.short(name, cell)))</th>"
        }
        html += "</tr></thead><tbody>"
        for row in rows {
            html += "<tr>"
            for column in 0..<columns {
                let text = column < row.count ? row[column] : ""
                html += "<td\(numeric[column] ? " class=\"num\"" : "")>\(escaped(Format.short(text, cell)))</td>"
            }
            html += "</tr>"
        }
        return Markup(html + "</tbody></table></div>")
    }

    // MARK: What a file is

    static func ending(_ name: String) -> String {
        guard let dot = name.lastIndex(of: ".") else { return name.lowercased() }
        return name[name.index(after: dot)...].lowercased()
    }

    /// Nil for what is not UTF-8; of a part, a character that was cut at its end is left out.
    static func text(_ head: Data, isWhole: Bool) -> String? {
        guard !head.contains(0) else { return nil }
        for missing in 0...(isWhole ? 0 : min(3, head.count)) {
            if let text = String(validating: head.dropLast(missing), as: UTF8.self) { return text }
        }
        return nil
    }

    private static func binary(_ head: Data) -> String {
        let known: [([UInt8], String)] = [
            ([0x50, 0x4B, 0x03, 0x04], "Zip archive"), ([0x1F, 0x8B], "Gzip archive"),
            (Array("PAR1".utf8), "Parquet table"), (Array("SQLite format 3".utf8), "SQLite database"),
            (Array("%PDF".utf8), "PDF document"), ([0x93] + Array("NUMPY".utf8), "NumPy array"),
            ([0x89] + Array("HDF".utf8), "HDF5 file"), ([0x7F] + Array("ELF".utf8), "Program"),
            ([0x80], "Python pickle"),
            ([0x28, 0xB5, 0x2F, 0xFD], "Zstandard archive"), (Array("ARROW1".utf8), "Arrow file"),
        ]
        return known.first { head.starts(with: $0.0) }?.1 ?? "Binary file"
    }
}
