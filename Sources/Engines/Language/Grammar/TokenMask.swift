/// Which tokens may come next, one bit each.
public struct TokenMask: Sendable, Equatable {
    public let count: Int
    public internal(set) var words: [UInt64]

    public init(count: Int) {
        self.count = count
        words = Array(repeating: 0, count: (count + 63) / 64)
    }

    public subscript(token: Int) -> Bool {
        get { token >= 0 && token < count && words[token >> 6] >> UInt64(token & 63) & 1 == 1 }
        set {
            guard token >= 0, token < count else { return }
            if newValue {
                words[token >> 6] |= 1 << UInt64(token & 63)
            } else {
                words[token >> 6] &= ~(1 << UInt64(token & 63))
            }
        }
    }

    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    public var allowedCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// The tokens that may come, ascending.
    public var tokens: [Int] {
        words.indices.flatMap { word -> [Int] in
            var bits = words[word]
            var tokens: [Int] = []
            while bits != 0 {
                tokens.append(word << 6 + bits.trailingZeroBitCount)
                bits &= bits - 1
            }
            return tokens
        }
    }

    mutating func formUnion(_ other: TokenMask) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    /// Sets the logits of all other tokens to minus infinity; logits beyond `count` too.
    public func apply(to logits: UnsafeMutableBufferPointer<Float>) {
        for (index, word) in words.enumerated() where word != .max {
            let start = index << 6
            for token in start..<min(start + 64, logits.count) where word >> UInt64(token - start) & 1 == 0 {
                logits[token] = -.infinity
            }
        }
        for token in min(words.count << 6, logits.count)..<logits.count { logits[token] = -.infinity }
    }
}

/// A vocabulary's tokens by their bytes: a trie laid out in preorder, walked without recursion.
public final class TokenTrie: Sendable {
    /// How many tokens the vocabulary has.
    public let count: Int
    let endTokens: [Int]
    let longest: Int
    /// How many arrays and objects one token can open.
    let mostOpened: Int
    let bytes: [UInt8]
    let depths: [UInt16]
    /// Where the subtree of each place ends.
    let ends: [Int32]
    /// Where the tokens of each place begin, and the tokens.
    let tokenStarts: [Int32]
    let tokens: [Int32]
    let byteStrings: [[UInt8]]

    /// - Parameters:
    ///   - byteStrings: each token's bytes; empty for control tokens, which no text is made of.
    ///   - endTokens: the tokens that end an answer.
    public init(byteStrings: [[UInt8]], endTokens: [Int]) {
        self.byteStrings = byteStrings
        count = byteStrings.count
        self.endTokens = endTokens
        longest = min(byteStrings.map(\.count).max() ?? 0, Int(UInt16.max))
        mostOpened = byteStrings.map { $0.count { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") } }.max() ?? 0
        var (bytes, depths, ends, starts, tokens): ([UInt8], [UInt16], [Int32], [Int32], [Int32]) = ([], [], [], [], [])
        var path: [Int] = []
        var last: [UInt8] = []
        let ending = Set(endTokens)
        let order = byteStrings.indices.filter {
            !byteStrings[$0].isEmpty && byteStrings[$0].count <= Int(UInt16.max) && !ending.contains($0)
        }.sorted {
            byteStrings[$0] == byteStrings[$1] ? $0 < $1 : byteStrings[$0].lexicographicallyPrecedes(byteStrings[$1])
        }
        for token in order {
            let string = byteStrings[token]
            let common = zip(last, string).prefix { $0 == $1 }.count
            while path.count > common { ends[path.removeLast()] = Int32(bytes.count) }
            for byte in string[common...] {
                path.append(bytes.count)
                bytes.append(byte)
                depths.append(UInt16(path.count))
                ends.append(0)
                starts.append(Int32(tokens.count))
            }
            tokens.append(Int32(token))
            last = string
        }
        while let place = path.popLast() { ends[place] = Int32(bytes.count) }
        starts.append(Int32(tokens.count))
        (self.bytes, self.depths, self.ends, tokenStarts, self.tokens) = (bytes, depths, ends, starts, tokens)
    }

    /// Walks the machine over the tokens under a place (−1 for all), marks those that it takes, and tells where it came to
    /// the hole of its stack.
    func walk(
        _ machine: GrammarMachine, from state: Int32, under place: Int, _ mask: inout TokenMask, _ exits: inout [Int32]
    ) {
        let base = place < 0 ? 0 : Int(depths[place])
        let end = place < 0 ? bytes.count : Int(ends[place])
        var states = [Int32](repeating: 0, count: longest + 1 - base)
        states[0] = state
        mask.words.withUnsafeMutableBufferPointer { words in
            states.withUnsafeMutableBufferPointer { states in
                var at = place + 1
                while at < end {
                    let depth = Int(depths[at]) - base
                    let next = machine.next(states[depth - 1], bytes[at])
                    if next < 0 {
                        at = Int(ends[at])
                        continue
                    }
                    var index = Int(tokenStarts[at])
                    let last = Int(tokenStarts[at + 1])
                    while index < last {
                        let token = Int(tokens[index])
                        words[token >> 6] |= 1 << UInt64(token & 63)
                        index += 1
                    }
                    states[depth] = next
                    if Int(ends[at]) > at + 1, machine.opensHole[Int(next)] { exits.append(Int32(at)) }
                    at += 1
                }
            }
        }
    }
}
