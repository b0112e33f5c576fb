/// The spelling of every token, and the way back from a spelling to its id.
///
/// Spellings are compared byte by byte: Swift's `String` holds canonically equivalent texts for equal, and vocabularies
/// contain both.
struct Vocabulary: Sendable {
    let tokens: ByteStrings
    /// The length in bytes of the longest spelling.
    let longest: Int
    private let slots: [Int32]

    /// Of spellings that occur twice the first one is found. Empty spellings are not found.
    init(_ tokens: ByteStrings) {
        self.tokens = tokens
        var slots = [Int32](repeating: -1, count: hashSlots(for: tokens.count))
        let mask = slots.count - 1
        var longest = 0
        tokens.storage.withUnsafeBufferPointer { storage in
            for id in 0..<tokens.count {
                let text = UnsafeBufferPointer(rebasing: storage[tokens.range(id)])
                guard !text.isEmpty else { continue }
                longest = max(longest, text.count)
                var slot = Int(truncatingIfNeeded: hash(text)) & mask
                while slots[slot] >= 0 {
                    if UnsafeBufferPointer(rebasing: storage[tokens.range(Int(slots[slot]))]).equals(text) { break }
                    slot = (slot + 1) & mask
                }
                if slots[slot] < 0 { slots[slot] = Int32(id) }
            }
        }
        self.slots = slots
        self.longest = longest
    }

    var count: Int { tokens.count }

    func id(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
        guard !text.isEmpty, text.count <= longest else { return nil }
        let mask = slots.count - 1
        return tokens.storage.withUnsafeBufferPointer { storage in
            var slot = Int(truncatingIfNeeded: hash(text)) & mask
            while slots[slot] >= 0 {
                let range = tokens.range(Int(slots[slot]))
                if range.count == text.count, UnsafeBufferPointer(rebasing: storage[range]).equals(text) {
                    return slots[slot]
                }
                slot = (slot + 1) & mask
            }
            return nil
        }
    }

    func id(_ text: some Collection<UInt8>) -> Int32? {
        if let found = text.withContiguousStorageIfAvailable({ id($0) }) { return found }
        return Array(text).withUnsafeBufferPointer { id($0) }
    }
}

/// A power of two that leaves an open-addressing table at most half full.
func hashSlots(for count: Int) -> Int {
    var slots = 16
    while slots < 2 * count { slots *= 2 }
    return slots
}

/// Drawn once per process, so that no file can be made whose entries all fall into one slot.
private let hashSeed = UInt64.random(in: 1...UInt64.max)

@inline(__always)
func hash(_ key: UInt64) -> UInt64 {
    let product = (key ^ hashSeed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
}

@inline(__always)
func hash(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var state = UInt64(truncatingIfNeeded: text.count) &+ hashSeed
    var at = 0
    let raw = UnsafeRawBufferPointer(text)
    while at &+ 8 <= text.count {
        state = hash(state ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
        at &+= 8
    }
    var tail: UInt64 = 0
    while at < text.count {
        tail = tail << 8 | UInt64(text[at])
        at &+= 1
    }
    return hash(state ^ tail)
}

extension UnsafeBufferPointer<UInt8> {
    @inline(__always)
    func equals(_ other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where self[index] != other[index] { return false }
        return true
    }

    @inline(__always)
    subscript(slice range: Range<Int>) -> UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: self[range]) }
}
