/// The tokens of short words seen before. A word has one place, and pushes out whatever was there.
struct WordCache {
    static let longestWord = 16
    private static let mostTokens = 4
    private static let places = 1 << 13

    private struct Entry {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var ids: (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
        var length: UInt8 = 0
        var count: UInt8 = 0
    }

    private var entries: [Entry] = []

    struct Key {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var length: UInt8

        /// The word at `range`, which is no longer than `longestWord`.
        @inline(__always)
        init(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
            let count = range.count
            length = UInt8(truncatingIfNeeded: count)
            if range.lowerBound &+ 16 <= text.count {
                let raw = UnsafeRawBufferPointer(text)
                low = raw.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self)
                high = raw.loadUnaligned(fromByteOffset: range.lowerBound &+ 8, as: UInt64.self)
                if count < 8 { low &= 1 &<< UInt64(8 &* count) &- 1 }
                if count <= 8 { high = 0 } else if count < 16 { high &= 1 &<< UInt64(8 &* (count &- 8)) &- 1 }
            } else {
                for offset in 0..<count {
                    let byte = UInt64(text[range.lowerBound + offset])
                    if offset < 8 { low |= byte << UInt64(8 * offset) } else { high |= byte << UInt64(8 * offset - 64) }
                }
            }
        }

        @inline(__always)
        var place: Int { Int(hash(low ^ hash(high ^ UInt64(length))) & UInt64(WordCache.places &- 1)) }
    }

    /// Appends the word's tokens to `ids`. False when they are not known.
    @inline(__always)
    func append(_ key: Key, to ids: inout [Int32]) -> Bool {
        guard !entries.isEmpty else { return false }
        let entry = entries[key.place]
        guard entry.low == key.low, entry.high == key.high, entry.length == key.length, entry.count > 0 else {
            return false
        }
        ids.append(entry.ids.0)
        if entry.count > 1 { ids.append(entry.ids.1) }
        if entry.count > 2 { ids.append(entry.ids.2) }
        if entry.count > 3 { ids.append(entry.ids.3) }
        return true
    }

    mutating func insert(_ key: Key, _ tokens: ArraySlice<Int32>) {
        guard (1...Self.mostTokens).contains(tokens.count) else { return }
        if entries.isEmpty { entries = [Entry](repeating: Entry(), count: Self.places) }
        func token(_ offset: Int) -> Int32 { offset < tokens.count ? tokens[tokens.startIndex + offset] : 0 }
        entries[key.place] = Entry(
            low: key.low, high: key.high, ids: (token(0), token(1), token(2), token(3)), length: key.length,
            count: UInt8(tokens.count))
    }
}
