/// Tokens that are found in a text as a whole before any model sees it: control tokens such as `<|im_start|>`, and words
/// that somebody added to a vocabulary.
struct AddedTokens: Sendable {
    struct Token: Sendable, Equatable {
        var id: Int32
        var content: [UInt8]
        /// A control token. A text contains it only when the caller says that it may.
        var isSpecial = false
        /// It is looked for after normalization, and its own text is normalized.
        var isNormalized = false
        /// It takes the white space to its left or right with it.
        var stripsLeft = false
        var stripsRight = false
        /// It counts only between characters that are not part of a word.
        var isSingleWord = false
    }

    enum Part: Equatable {
        case text(Range<Int>)
        case token(Int32)
    }

    private let tokens: [Token]
    private var all = ByteTrie()
    private var ordinary = ByteTrie()

    init(_ tokens: [Token]) throws {
        self.tokens = tokens.filter { !$0.content.isEmpty }
        for (index, token) in self.tokens.enumerated() {
            try all.insert(token.content, Int32(index))
            if !token.isSpecial { try ordinary.insert(token.content, Int32(index)) }
        }
    }

    /// Cuts `text` at the tokens in it: the leftmost first, of those that begin at one place the longest.
    ///
    /// - Parameter parseSpecial: whether control tokens are looked for.
    func split(_ text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool) -> [Part] {
        let trie = parseSpecial ? all : ordinary
        var parts: [Part] = []
        var done = 0
        var index = 0
        while index < text.count {
            guard trie.begins(with: text[index]), let (found, length) = longest(text, index, trie) else {
                index += 1
                continue
            }
            let token = tokens[found]
            var (start, end) = (index, index + length)
            index = end
            // A token with stripping may have reached into this one.
            guard start >= done, !token.isSingleWord || isAlone(text, start, end) else { continue }
            if token.stripsLeft { start = max(done, startOfSpace(text, before: start)) }
            if token.stripsRight { end = endOfSpace(text, from: end) }
            if done < start { parts.append(.text(done..<start)) }
            parts.append(.token(token.id))
            done = end
        }
        if done < text.count { parts.append(.text(done..<text.count)) }
        return parts
    }

    private func longest(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ trie: ByteTrie) -> (Int, Int)? {
        var node = ByteTrie.root
        var best: (Int, Int)?
        var index = start
        while index < text.count, let child = trie.child(of: node, text[index]) {
            node = child
            index += 1
            if let value = trie.value(of: node) { best = (Int(value), index - start) }
        }
        return best
    }

    private func isAlone(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        if end < text.count, isWordCharacter(decodeScalar(text, at: end).scalar) { return false }
        guard start > 0 else { return true }
        return !isWordCharacter(decodeScalar(text, at: startOfScalar(text, before: start)).scalar)
    }

    private func startOfSpace(_ text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
        var start = end
        while start > 0 {
            let previous = startOfScalar(text, before: start)
            guard ScalarClass.of(decodeScalar(text, at: previous).scalar, .shared).contains(.space) else { break }
            start = previous
        }
        return start
    }

    private func endOfSpace(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var end = start
        while end < text.count {
            let (scalar, length) = decodeScalar(text, at: end)
            guard ScalarClass.of(scalar, .shared).contains(.space) else { break }
            end += length
        }
        return end
    }
}

/// Where the scalar begins that ends before `index`, which is over 0.
func startOfScalar(_ text: UnsafeBufferPointer<UInt8>, before index: Int) -> Int {
    var start = index - 1
    while start > 0, index - start < 4, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start
}

/// `\w`
func isWordCharacter(_ scalar: UInt32) -> Bool {
    if scalar < 0x80 {
        return scalar == 0x5F || (0x30...0x39).contains(scalar) || (0x41...0x5A).contains(scalar & ~0x20)
    }
    guard let properties = Unicode.Scalar(scalar)?.properties else { return false }
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
}
