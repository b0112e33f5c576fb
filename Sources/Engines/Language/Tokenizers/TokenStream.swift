/// Turns the tokens of an answer into text as they come: never half a character, and the same text in the end as if all
/// had been decoded at once.
public struct TokenStream: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    /// The beginning of a character whose other bytes have not come yet: three bytes at most.
    private var pending: [UInt8] = []

    private var isStart: Bool

    /// - Parameter isStart: whether the tokens begin a text. Where words bring their space with them the first one
    ///   loses it. False for what continues a prompt.
    public init(_ tokenizer: Tokenizer, skipSpecial: Bool = true, isStart: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecial = skipSpecial
        self.isStart = isStart && tokenizer.dropsFirstSpace
    }

    /// The text that is complete with this token: empty while a character is not.
    public mutating func append(_ id: Int32) -> String {
        if skipSpecial, tokenizer.isSpecial(id) { return "" }
        var bytes = tokenizer.bytes(of: id)
        if isStart, !bytes.isEmpty {
            if bytes.first == 0x20 { bytes.removeFirst() }
            isStart = false
        }
        pending += bytes
        let complete = pending.count - Self.incompleteTail(pending)
        guard complete > 0 else { return "" }
        let text = String(decoding: pending[..<complete], as: UTF8.self)
        pending.removeFirst(complete)
        return text
    }

    /// What is left at the end: U+FFFD for a character that was not completed.
    public mutating func finish() -> String {
        let text = String(decoding: pending, as: UTF8.self)
        pending.removeAll()
        return text
    }

    /// How many bytes at the end may yet become a character.
    static func incompleteTail(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let lead = bytes[bytes.count - length]
            if lead & 0xC0 == 0x80 { continue }
            let needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
            guard (0xC2...0xF4).contains(lead), needed > length else { return 0 }
            guard length > 1 else { return 1 }
            // Leads that narrow what may follow: overlong forms, surrogates, past U+10FFFF.
            let second = bytes[bytes.count - length + 1]
            switch lead {
            case 0xE0: return second >= 0xA0 ? length : 0
            case 0xED: return second < 0xA0 ? length : 0
            case 0xF0: return second >= 0x90 ? length : 0
            case 0xF4: return second < 0x90 ? length : 0
            default: return length
            }
        }
        return 0
    }
}
