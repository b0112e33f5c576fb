import Core

/// SentencePiece's compiled normalization: texts and what they become, as a double-array trie and a pool of strings
/// (`precompiled_charsmap`; the trie is that of darts-clone).
struct CharacterMap: Sendable, Equatable {
    private let units: [UInt32]
    private let pool: [UInt8]

    init(_ bytes: [UInt8], what: String) throws {
        func refuse(_ why: String) -> NestboxError { .invalid("\(what): the map of characters \(why)") }
        guard bytes.count >= 4 else { throw refuse("has \(bytes.count) bytes, which is not even its length") }
        func word(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
        let size = Int(word(0))
        guard size % 4 == 0, size > 0, size <= bytes.count - 4 else {
            throw refuse("says that its trie has \(size) bytes, and \(bytes.count - 4) follow")
        }
        units = (0..<size / 4).map { word(4 + 4 * $0) }
        pool = Array(bytes[(4 + size)...])
    }

    /// The longest text at `index` that the map knows: its length, and what it becomes.
    func match(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (length: Int, replacement: ArraySlice<UInt8>)? {
        func unit(_ position: Int) -> UInt32? { position < units.count ? units[position] : nil }
        func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }
        guard let root = unit(0) else { return nil }
        var position = offset(root)
        var found: (Int, Int)?
        var at = index
        while at < text.count, text[at] != 0 {
            position ^= Int(text[at])
            guard let current = unit(position), current & 0x8000_00FF == UInt32(text[at]) else { break }
            at += 1
            position ^= offset(current)
            if current & 0x100 != 0, let leaf = unit(position) { found = (at - index, Int(leaf & 0x7FFF_FFFF)) }
        }
        guard let (length, start) = found, start < pool.count else { return nil }
        let end = pool[start...].firstIndex(of: 0) ?? pool.count
        return (length, pool[start..<end])
    }

    func apply(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { text in
            var index = 0
            while index < text.count {
                if let (length, replacement) = match(text, at: index) {
                    result += replacement
                    index += length
                } else {
                    let end = index + decodeScalar(text, at: index).length
                    result += text[index..<end]
                    index = end
                }
            }
        }
        return result
    }
}
