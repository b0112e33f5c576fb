import Foundation

/// The inside of a Markdown paragraph: emphasis, code, links, images. One pass; what opens and never closes stays text.
struct MarkdownInline {
    private let text: [Character]
    private let link: (String) -> String?
    private let image: (String) -> String?
    private let isInLink: Bool
    private var at = 0
    private var pieces: [String] = []
    /// Marks that may still open something: where in `pieces` they stand.
    private var open: [(mark: String, piece: Int)] = []

    /// Longer paragraphs are shown without emphasis: nobody writes them, and looking for ends in them costs.
    private static let longest = 20_000
    private static let longestLabel = 2_000

    private(set) var html = ""

    init(
        _ source: String, link: @escaping (String) -> String?, image: @escaping (String) -> String?,
        isInLink: Bool = false
    ) {
        text = Array(source)
        self.link = link
        self.image = image
        self.isInLink = isInLink
        guard text.count <= Self.longest else {
            html = escaped(source)
            return
        }
        while at < text.count { step() }
        html = pieces.joined()
    }

    private mutating func step() {
        let character = text[at]
        switch character {
        case "\\"
        where at + 1 < text.count && text[at + 1].isASCII && (text[at + 1].isPunctuation || text[at + 1].isSymbol):
            put(text[at + 1])
            at += 2
        case "`": code()
        case "!" where at + 1 < text.count && text[at + 1] == "[" && reference(from: at + 1, isImage: true): break
        case "[" where !isInLink && reference(from: at, isImage: false): break
        case "<" where !isInLink && autolink(): break
        case "h" where !isInLink && bareLink(): break
        case "*", "_", "~": emphasis(character)
        default:
            put(character)
            at += 1
        }
    }

    private mutating func put(_ character: Character) { pieces.append(escaped(String(character))) }

    private mutating func code() {
        let start = at
        while at < text.count, text[at] == "`" { at += 1 }
        let length = at - start
        var end = at
        while end < text.count {
            guard text[end] == "`" else {
                end += 1
                continue
            }
            let run = end
            while end < text.count, text[end] == "`" { end += 1 }
            if end - run == length {
                pieces.append("<code>\(escaped(String(text[at..<run])))</code>")
                at = end
                return
            }
        }
        pieces.append(String(repeating: "`", count: length))
    }

    /// `*one*`, `**two**`, `~~struck~~`; an underscore inside a word is part of it.
    private mutating func emphasis(_ mark: Character) {
        let start = at
        while at < text.count, text[at] == mark, at - start < 2 { at += 1 }
        let length = at - start
        let run = String(repeating: mark, count: length)
        guard mark != "~" || length == 2 else {
            pieces.append(run)
            return
        }
        let before = start > 0 ? text[start - 1] : " ", after = at < text.count ? text[at] : " "
        let isWord = { (character: Character) in character.isLetter || character.isNumber }
        let canClose = !before.isWhitespace && (mark != "_" || !isWord(after))
        let canOpen = !after.isWhitespace && (mark != "_" || !isWord(before))
        let tag = mark == "~" ? "del" : length == 2 ? "strong" : "em"
        if canClose, let index = open.lastIndex(where: { $0.mark == run }), open[index].piece < pieces.count - 1 {
            pieces[open[index].piece] = "<\(tag)>"
            pieces.append("</\(tag)>")
            open.removeSubrange(index...)
            return
        }
        if canOpen, open.count < 200 { open.append((run, pieces.count)) }
        pieces.append(run)
    }

    /// `[label](address)` and `![label](address)`; false when there is none.
    private mutating func reference(from bracket: Int, isImage: Bool) -> Bool {
        guard let end = matching(bracket, "[", "]"), end + 1 < text.count, text[end + 1] == "(",
            let close = matching(end + 1, "(", ")")
        else { return false }
        let label = String(text[(bracket + 1)..<end])
        var target = String(text[(end + 2)..<close]).trimmingCharacters(in: .whitespaces)
        // A title behind the address.
        if let space = target.firstIndex(of: " ") { target = String(target[..<space]) }
        if target.hasPrefix("<"), target.hasSuffix(">") { target = String(target.dropFirst().dropLast()) }
        if isImage {
            if let address = image(target) {
                pieces.append("<img src=\"\(escaped(address))\" alt=\"\(escaped(label))\" loading=\"lazy\">")
            } else {
                pieces.append("<span class=\"soft\">[\(escaped(label.isEmpty ? "image" : label))]</span>")
            }
        } else {
            let inner = MarkdownInline(label, link: link, image: image, isInLink: true).html
            pieces.append(anchor(target, inner))
        }
        at = close + 1
        return true
    }

    private func anchor(_ target: String, _ inner: String) -> String {
        guard let address = Self.safe(target) ?? link(target) else { return inner }
        return "<a href=\"\(escaped(address))\" rel=\"noopener noreferrer nofollow\">\(inner)</a>"
    }

    /// An address on the web or of mail; nil for every other, `javascript:` among them.
    static func safe(_ address: String) -> String? {
        let start = address.prefix(8).lowercased()
        guard ["http://", "https://", "mailto:"].contains(where: { start.hasPrefix($0) }) else { return nil }
        return address.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F } ? address : nil
    }

    private func matching(_ start: Int, _ opening: Character, _ closing: Character) -> Int? {
        var depth = 0, index = start
        while index < min(text.count, start + Self.longestLabel) {
            if text[index] == "\\" {
                index += 2
                continue
            }
            if text[index] == opening { depth += 1 }
            if text[index] == closing {
                depth -= 1
                if depth == 0 { return index }
            }
            index += 1
        }
        return nil
    }

    /// `<https://…>`
    private mutating func autolink() -> Bool {
        var end = at + 1
        while end < text.count, end - at < Self.longestLabel, text[end] != ">", !text[end].isWhitespace { end += 1 }
        guard end < text.count, text[end] == ">" else { return false }
        let target = String(text[(at + 1)..<end])
        guard let address = Self.safe(target) else { return false }
        pieces.append(anchor(address, escaped(target)))
        at = end + 1
        return true
    }

    private mutating func bareLink() -> Bool {
        guard at == 0 || !(text[at - 1].isLetter || text[at - 1].isNumber) else { return false }
        var end = at
        while end < text.count, end - at < Self.longestLabel, !text[end].isWhitespace, !"<>\"'`)]*".contains(text[end])
        { end += 1 }
        while end > at, ".,;:!?".contains(text[end - 1]) { end -= 1 }
        let target = String(text[at..<end])
        guard target.count > 10, let address = Self.safe(target) else { return false }
        pieces.append(anchor(address, escaped(target)))
        at = end
        return true
    }
}
