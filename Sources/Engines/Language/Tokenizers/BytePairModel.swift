import Core

/// Byte-pair encoding with ranked merges, over bytes (GPT-2 and its heirs) or over characters (SentencePiece models that
/// were converted).
struct BytePairModel: Sendable {
    enum Alphabet: Sendable {
        /// Tokens are spelled in GPT-2's alphabet, in which each byte is one printable character.
        case bytes
        case characters
    }

    let vocabulary: Vocabulary
    let alphabet: Alphabet
    /// A word that is a token is that token, whatever the merges would make of it.
    var ignoresMerges = false
    var unknown: Int32?
    /// Adjacent unknown characters are one unknown token.
    var fusesUnknown = false
    /// The tokens of single bytes, which stand for characters that are no tokens. Empty when there are none.
    var bytes: [Int32] = []
    /// Control tokens are not words.
    var isSpecial: [Bool]
    private var initial: [Int32]
    private var pairs: [UInt64] = []
    private var ranks: [UInt32] = []
    private var merged: [Int32] = []

    /// - Parameter merges: the two parts of each merge, the best first; nil for what has not two parts.
    /// - Throws: `invalid_argument` for a merge of which a part or the result is not a token.
    init(
        _ vocabulary: Vocabulary, alphabet: Alphabet, mergeCount: Int, isSpecial: [Bool],
        merge: (Int) -> (left: ArraySlice<UInt8>, right: ArraySlice<UInt8>)?, what: String
    ) throws {
        self.vocabulary = vocabulary
        self.alphabet = alphabet
        self.isSpecial = isSpecial
        initial = (0..<256).map { vocabulary.id(ByteAlphabet.spelling(of: UInt8($0))) ?? -1 }
        let slots = hashSlots(for: mergeCount)
        pairs = [UInt64](repeating: UInt64.max, count: slots)
        ranks = [UInt32](repeating: 0, count: slots)
        merged = [Int32](repeating: 0, count: slots)
        for index in 0..<mergeCount {
            func refuse(_ why: String) -> NestboxError {
                .invalid(
                    "\(what): merge \(index) \(why)",
                    hint: "the file is damaged, or its vocabulary was cut without its merges")
            }
            guard let (left, right) = merge(index) else { throw refuse("is not two tokens with a space between them") }
            func id(_ text: some Collection<UInt8>) throws -> Int32 {
                if let id = vocabulary.id(text) { return id }
                throw refuse("needs `\(String(decoding: text, as: UTF8.self))`, which is not in the vocabulary")
            }
            let (leftID, rightID) = (try id(left), try id(right))
            let text =
                left.endIndex == right.startIndex ? ArraySlice(left + right) : ArraySlice(Array(left) + Array(right))
            insert(leftID, rightID, rank: UInt32(index), merged: try id(text))
        }
    }

    private mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, merged id: Int32) {
        let key = Self.key(left, right)
        let mask = pairs.count - 1
        var slot = Int(hash(key) & 0x7FFF_FFFF) & mask
        while pairs[slot] != UInt64.max {
            // Of merges that occur twice the first one counts.
            if pairs[slot] == key { return }
            slot = (slot + 1) & mask
        }
        pairs[slot] = key
        ranks[slot] = rank
        merged[slot] = id
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    func pair(_ left: Int32, _ right: Int32) -> (rank: UInt32, id: Int32) {
        let key = Self.key(left, right)
        let mask = pairs.count &- 1
        var slot = Int(hash(key) & 0x7FFF_FFFF) & mask
        while true {
            if pairs[slot] == key { return (ranks[slot], merged[slot]) }
            if pairs[slot] == UInt64.max { return (BytePairMerger.none, 0) }
            slot = (slot &+ 1) & mask
        }
    }

    func encode(_ word: UnsafeBufferPointer<UInt8>, _ merger: inout BytePairMerger, into ids: inout [Int32]) {
        if ignoresMerges, let id = token(word), !isSpecial[Int(id)] {
            ids.append(id)
            return
        }
        merger.removeAll()
        switch alphabet {
        case .bytes:
            for index in word.indices {
                let id = initial[Int(word[index])]
                if id >= 0 { merger.append(id, end: index + 1) } else { appendUnknown(&merger, index + 1) }
            }
        case .characters: appendCharacters(word, &merger)
        }
        merger.merge(pair: { left, right, _, _ in pair(left, right) }, emit: { id, _, _ in ids.append(id) })
    }

    private func token(_ word: UnsafeBufferPointer<UInt8>) -> Int32? {
        switch alphabet {
        case .characters: vocabulary.id(word)
        // Each byte is spelled with at least one.
        case .bytes: word.count > vocabulary.longest ? nil : vocabulary.id(ByteAlphabet.spelling(of: word))
        }
    }

    private func appendCharacters(_ word: UnsafeBufferPointer<UInt8>, _ merger: inout BytePairMerger) {
        var index = 0
        while index < word.count {
            let end = index + decodeScalar(word, at: index).length
            if let id = vocabulary.id(word[slice: index..<end]) {
                merger.append(id, end: end)
            } else if !bytes.isEmpty {
                for byte in index..<end { merger.append(bytes[Int(word[byte])], end: byte + 1) }
            } else {
                appendUnknown(&merger, end)
            }
            index = end
        }
    }

    private func appendUnknown(_ merger: inout BytePairMerger, _ end: Int) {
        guard let unknown else { return }
        if fusesUnknown, merger.last == unknown { merger.extendLast(to: end) } else { merger.append(unknown, end: end) }
    }
}

/// GPT-2's alphabet: the printable bytes stand for themselves, the others for characters from U+0100 on.
enum ByteAlphabet {
    private static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
                return byte
            }
            defer { next += 1 }
            return next
        }
    }()
    private static let bytes: [UInt32: UInt8] = Dictionary(
        uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8($0)) })
    private static let table: [Int16] = (UInt32(0)..<0x180).map { bytes[$0].map { Int16($0) } ?? -1 }

    static func spelling(of byte: UInt8) -> [UInt8] {
        let scalar = scalars[Int(byte)]
        return scalar < 0x80 ? [UInt8(scalar)] : [UInt8(0xC0 | scalar >> 6), UInt8(0x80 | scalar & 0x3F)]
    }

    static func spelling(of text: UnsafeBufferPointer<UInt8>) -> [UInt8] { text.flatMap { spelling(of: $0) } }

    /// The bytes that a token stands for. Nil when it is not spelled in this alphabet.
    static func bytes(of token: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(token.count)
        var index = 0
        while index < token.count {
            let (scalar, length) = decodeScalar(token, at: index)
            guard scalar < 0x180, table[Int(scalar)] >= 0 else { return nil }
            result.append(UInt8(table[Int(scalar)]))
            index += length
        }
        return result
    }
}
