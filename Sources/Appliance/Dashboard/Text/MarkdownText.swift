import Foundation

/// Markdown as HTML: CommonMark's blocks that people write in notes and model cards, with GitHub's tables and task lists.
///
/// Every character of the text is escaped; the only elements are those written here. HTML in the text is shown, not obeyed,
/// links lead to http, https and mailto or to what `link` allows, and images are those that `image` allows. Nesting is
/// bounded, so that no text is expensive.
package struct MarkdownText {
    /// The address of what a relative link names; nil makes it plain text.
    var link: (String) -> String? = { _ in nil }
    /// The address of an image that may be shown; nil shows its description.
    var image: (String) -> String? = { _ in nil }

    private static let deepest = 8

    package init() {}

    package func html(_ text: String) -> Markup {
        var lines = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
            .map { String($0).replacing("\t", with: "    ") }
        var out = ""
        // What stands between dashes at the very top says something about the document, in YAML.
        if lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") {
            out = code(lines[1..<end].joined(separator: "\n"), language: "yaml")
            lines.removeFirst(end + 1)
        }
        return Markup(out + blocks(lines, depth: 0))
    }

    // MARK: Blocks

    private func blocks(_ lines: [String], depth: Int) -> String {
        var out = "", at = 0
        while at < lines.count {
            let line = lines[at]
            if line.allSatisfy({ $0 == " " }) {
                at += 1
            } else if let fence = Self.fence(line) {
                out += fenced(lines, &at, fence)
            } else if let (level, title) = Self.heading(line) {
                out += heading(level, title)
                at += 1
            } else if Self.isRule(line) {
                out += "<hr>"
                at += 1
            } else if line.hasPrefix("    ") {
                out += indented(lines, &at)
            } else if depth < Self.deepest, Self.trimmed(line).hasPrefix(">") {
                out += quote(lines, &at, depth)
            } else if depth < Self.deepest, let item = Self.item(line) {
                out += list(lines, &at, item, depth)
            } else if at + 1 < lines.count, let columns = Self.tableRule(lines[at + 1], under: line) {
                out += table(lines, &at, columns)
            } else {
                out += paragraph(lines, &at)
            }
        }
        return out
    }

    private func heading(_ level: Int, _ title: String) -> String {
        // The page's own headings are the first two levels.
        let tag = "h\(min(level + 2, 6))"
        return "<\(tag)>\(inline(title))</\(tag)>"
    }

    private func code(_ text: String, language: String) -> String {
        "<pre class=\"log\" tabindex=\"0\"\(language.isEmpty ? "" : " data-language=\"\(escaped(language))\"")>\(escaped(text))</pre>"
    }

    private func fenced(_ lines: [String], _ at: inout Int, _ fence: (mark: String, language: String)) -> String {
        at += 1
        let start = at
        while at < lines.count, !Self.trimmed(lines[at]).hasPrefix(fence.mark) { at += 1 }
        let body = lines[start..<min(at, lines.count)].joined(separator: "\n")
        at += 1
        return code(body, language: fence.language)
    }

    private func indented(_ lines: [String], _ at: inout Int) -> String {
        var body: [String] = []
        while at < lines.count, lines[at].hasPrefix("    ") || Self.trimmed(lines[at]).isEmpty {
            body.append(String(lines[at].dropFirst(4)))
            at += 1
        }
        while body.last?.isEmpty == true { body.removeLast() }
        return code(body.joined(separator: "\n"), language: "")
    }

    private func quote(_ lines: [String], _ at: inout Int, _ depth: Int) -> String {
        var body: [String] = []
        while at < lines.count, Self.trimmed(lines[at]).hasPrefix(">") {
            let rest = Self.trimmed(lines[at]).dropFirst()
            body.append(String(rest.hasPrefix(" ") ? rest.dropFirst() : rest))
            at += 1
        }
        return "<blockquote>\(blocks(body, depth: depth + 1))</blockquote>"
    }

    private func list(_ lines: [String], _ at: inout Int, _ first: Item, _ depth: Int) -> String {
        var items: [[String]] = [], isLoose = false
        while at < lines.count, let item = Self.item(lines[at]), item.isOrdered == first.isOrdered,
            item.indent < first.indent + 2
        {
            var body = [item.text]
            at += 1
            while at < lines.count {
                let line = lines[at], indent = line.prefix { $0 == " " }.count
                if Self.trimmed(line).isEmpty {
                    guard at + 1 < lines.count, lines[at + 1].prefix(while: { $0 == " " }).count >= item.content else {
                        break
                    }
                    body.append("")
                    isLoose = true
                } else if indent >= item.content {
                    body.append(String(line.dropFirst(item.content)))
                } else if Self.startsBlock(line) || body.last?.isEmpty == true {
                    break
                } else {
                    body.append(Self.trimmed(line))
                }
                at += 1
            }
            items.append(body)
            // One empty line between items does not end the list.
            if at + 1 < lines.count, Self.trimmed(lines[at]).isEmpty,
                Self.item(lines[at + 1])?.isOrdered == first.isOrdered
            {
                at += 1
                isLoose = true
            }
        }
        let tag = first.isOrdered ? "ol" : "ul"
        let start = first.isOrdered && first.number != 1 ? " start=\"\(first.number)\"" : ""
        return "<\(tag)\(start)>\(items.map { self.item($0, isLoose: isLoose, depth) }.joined())</\(tag)>"
    }

    private func item(_ body: [String], isLoose: Bool, _ depth: Int) -> String {
        var body = body, box = ""
        for (mark, state) in [("[ ] ", "☐ "), ("[x] ", "☑ "), ("[X] ", "☑ ")] where body[0].hasPrefix(mark) {
            body[0] = String(body[0].dropFirst(4))
            box = state
        }
        var html = blocks(body, depth: depth + 1)
        if !isLoose, html.hasPrefix("<p>"), let end = html.range(of: "</p>") {
            html = String(html[html.index(html.startIndex, offsetBy: 3)..<end.lowerBound] + html[end.upperBound...])
        }
        return "<li>\(box)\(html)</li>"
    }

    private func table(_ lines: [String], _ at: inout Int, _ alignments: [String]) -> String {
        func row(_ line: String, _ tag: String) -> String {
            let cells = Self.cells(line)
            return "<tr>"
                + alignments.indices.map { index in
                    "<\(tag)\(alignments[index])>\(index < cells.count ? inline(cells[index]) : "")</\(tag)>"
                }.joined() + "</tr>"
        }
        let head = row(lines[at], "th")
        at += 2
        var body = ""
        while at < lines.count, lines[at].contains("|") {
            body += row(lines[at], "td")
            at += 1
        }
        return "<div class=\"table\" tabindex=\"0\"><table><thead>\(head)</thead><tbody>\(body)</tbody></table></div>"
    }

    private func paragraph(_ lines: [String], _ at: inout Int) -> String {
        var body: [String] = []
        while at < lines.count, !Self.trimmed(lines[at]).isEmpty, body.isEmpty || !Self.startsBlock(lines[at]) {
            let line = Self.trimmed(lines[at])
            if !body.isEmpty, line.allSatisfy({ $0 == "=" }) || line.allSatisfy({ $0 == "-" }) {
                at += 1
                return heading(line.hasPrefix("=") ? 1 : 2, body.joined(separator: "\n"))
            }
            // Two spaces at the end of a line break it.
            body.append(line + (lines[at].hasSuffix("  ") ? "\u{0}" : ""))
            at += 1
        }
        let breaks = body.map { $0.replacing("\u{0}", with: "") }
        let pieces = zip(breaks, body).map { inline($0) + ($1.hasSuffix("\u{0}") ? "<br>" : "") }
        // Emphasis may reach over lines; only a broken paragraph is read line by line.
        return
            "<p>\(pieces.contains { $0.hasSuffix("<br>") } ? pieces.joined(separator: "\n") : inline(breaks.joined(separator: "\n")))</p>"
    }

    private func inline(_ text: String) -> String {
        MarkdownInline(text, link: link, image: image).html
    }

    // MARK: What a line is

    struct Item {
        var isOrdered: Bool
        var number: Int
        var indent: Int
        /// Spaces before what belongs to the item.
        var content: Int
        var text: String
    }

    private static func trimmed(_ line: String) -> String {
        var part = line[...]
        while part.first == " " { part.removeFirst() }
        while part.last == " " { part.removeLast() }
        return String(part)
    }

    private static func startsBlock(_ line: String) -> Bool {
        fence(line) != nil || heading(line) != nil || isRule(line) && !line.hasPrefix("-") || item(line) != nil
            || trimmed(line).hasPrefix(">")
    }

    private static func fence(_ line: String) -> (mark: String, language: String)? {
        let text = trimmed(line)
        guard let mark = ["```", "~~~"].first(where: { text.hasPrefix($0) }) else { return nil }
        let rest = text.dropFirst(3).drop { $0 == "`" || $0 == "~" }
        return rest.contains("`") ? nil : (mark, Format.short(trimmed(String(rest)), 30))
    }

    private static func heading(_ line: String) -> (Int, String)? {
        let text = trimmed(line), level = text.prefix { $0 == "#" }.count
        guard (1...6).contains(level) else { return nil }
        let rest = text.dropFirst(level)
        guard rest.isEmpty || rest.first == " " else { return nil }
        var title = trimmed(String(rest))
        while title.hasSuffix("#") { title.removeLast() }
        return (level, trimmed(title))
    }

    private static func isRule(_ line: String) -> Bool {
        let marks = line.filter { $0 != " " }
        guard marks.count >= 3, let first = marks.first, "-*_".contains(first) else { return false }
        return marks.allSatisfy { $0 == first }
    }

    private static func item(_ line: String) -> Item? {
        let indent = line.prefix { $0 == " " }.count
        guard indent < 4, !isRule(line) else { return nil }
        let rest = line.dropFirst(indent)
        if let first = rest.first, "-*+".contains(first), rest.dropFirst().first == " " {
            let gap = min(rest.dropFirst().prefix { $0 == " " }.count, 4)
            return Item(
                isOrdered: false, number: 0, indent: indent, content: indent + 1 + gap,
                text: String(rest.dropFirst(1 + gap)))
        }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard (1...6).contains(digits.count), let number = Int(digits) else { return nil }
        let after = rest.dropFirst(digits.count)
        guard let mark = after.first, ".)".contains(mark), after.dropFirst().first == " " else { return nil }
        let gap = min(after.dropFirst().prefix { $0 == " " }.count, 4)
        return Item(
            isOrdered: true, number: number, indent: indent, content: indent + digits.count + 1 + gap,
            text: String(after.dropFirst(1 + gap)))
    }

    /// The alignments of a table's columns, when the line below its head says that it is one.
    private static func tableRule(_ line: String, under head: String) -> [String]? {
        guard head.contains("|"), line.contains("-"), line.allSatisfy({ "|-: ".contains($0) }) else { return nil }
        let rules = cells(line)
        guard rules.count == cells(head).count, rules.count <= 100, rules.allSatisfy({ $0.contains("-") }) else {
            return nil
        }
        return rules.map { $0.hasSuffix(":") ? ($0.hasPrefix(":") ? " class=\"middle\"" : " class=\"num\"") : "" }
    }

    private static func cells(_ line: String) -> [String] {
        var text = trimmed(line)[...]
        if text.first == "|" { text.removeFirst() }
        if text.last == "|" { text.removeLast() }
        var cells = [""], isEscaped = false
        for character in text {
            if character == "|", !isEscaped {
                cells.append("")
            } else {
                if character == "|" { cells[cells.count - 1].removeLast() }
                cells[cells.count - 1].append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return cells.map { trimmed($0) }
    }
}
