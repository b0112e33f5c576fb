/// JSON with a line for each value, for looking at: every value stays as it was written, also numbers that no Double holds.
package enum JSONLayout {
    /// Deeper levels are not moved further to the right: a file of opening brackets would become one of spaces.
    private static let deepest = 40

    /// - Parameter text: JSON, or the beginning of some.
    package static func indented(_ text: String) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count * 2)
        var depth = 0, isInString = false, isEscaped = false
        let bytes = Array(text.utf8)
        func newLine() {
            out.append(UInt8(ascii: "\n"))
            out.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * min(max(depth, 0), deepest)))
        }
        for (index, byte) in bytes.enumerated() {
            if isInString {
                out.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                isInString = true
                out.append(byte)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                out.append(byte)
                depth += 1
                if !closes(bytes, after: index) { newLine() }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if let last = out.last, last != UInt8(ascii: "{"), last != UInt8(ascii: "[") { newLine() }
                out.append(byte)
            case UInt8(ascii: ","):
                out.append(byte)
                newLine()
            case UInt8(ascii: ":"): out += [byte, UInt8(ascii: " ")]
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): break
            default: out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Whether nothing stands between an opening bracket and the next closing one.
    private static func closes(_ bytes: [UInt8], after index: Int) -> Bool {
        var at = index + 1
        while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
        return at < bytes.count && (bytes[at] == UInt8(ascii: "}") || bytes[at] == UInt8(ascii: "]"))
    }
}
