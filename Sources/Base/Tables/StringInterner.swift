import Core

/// Gives each distinct byte sequence a code in order of first appearance.
///
/// Two spellings that Unicode calls canonically equivalent (`é` as one or two scalars) get one code, because `String`
/// calls them equal and a dictionary with equal entries would break whoever makes a `[String: Int]` of it.
struct StringInterner {
    enum Failure: Error { case invalidUTF8(offset: Int), tooManyValues }

    private(set) var dictionary: [String] = []
    /// Open addressing: an entry's index, or -1.
    private var slots = [Int32](repeating: -1, count: 16)
    private var hashes: [UInt64] = []
    private var text: [UInt8] = []
    private var ends: [Int] = []
    private var codes: [Int32] = []
    private var last: Int32 = -1
    /// Made when the first text that is not ASCII arrives.
    private var byString: [String: Int32]?
    // Seeded per process, so that a file cannot be made to collide.
    private let seed = UInt64(truncatingIfNeeded: 1.hashValue)

    /// About what it takes up: each text once for comparing and once as a `String`.
    var memoryBytes: Int {
        text.capacity + text.count + (dictionary.capacity + (byString?.capacity ?? 0) * 2) * MemoryLayout<String>.stride
            + (slots.count + codes.capacity) * 4 + (hashes.capacity + ends.capacity) * 8
    }

    mutating func code(for s: Bytes) throws(Failure) -> Int32 {
        if last >= 0, matches(last, s) { return codes[Int(last)] }
        let hash = self.hash(s)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] >= 0 {
            let entry = slots[slot]
            if hashes[Int(entry)] == hash, matches(entry, s) {
                last = entry
                return codes[Int(entry)]
            }
            slot = (slot + 1) & mask
        }
        return try insert(s, hash: hash, slot: slot)
    }

    private mutating func insert(_ s: Bytes, hash: UInt64, slot: Int) throws(Failure) -> Int32 {
        guard let string = String(validating: s, as: UTF8.self) else {
            throw .invalidUTF8(offset: invalidOffset(s))
        }
        guard hashes.count < Int(Int32.max) - 1 else { throw .tooManyValues }
        if byString == nil, s.contains(where: { $0 >= 0x80 }) {
            byString = Dictionary(zip(dictionary, Int32(0)...), uniquingKeysWith: { first, _ in first })
        }
        let code: Int32
        if let known = byString?[string] {
            code = known
        } else {
            code = Int32(dictionary.count)
            dictionary.append(string)
            byString?[string] = code
        }
        last = Int32(hashes.count)
        slots[slot] = last
        hashes.append(hash)
        text.append(contentsOf: s)
        ends.append(text.count)
        codes.append(code)
        if hashes.count * 2 > slots.count { grow() }
        return code
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        let mask = slots.count - 1
        for (entry, hash) in hashes.enumerated() {
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(entry)
        }
    }

    @inline(__always) private func matches(_ entry: Int32, _ s: Bytes) -> Bool {
        let start = entry == 0 ? 0 : ends[Int(entry) - 1]
        guard ends[Int(entry)] - start == s.count else { return false }
        return text.withUnsafeBufferPointer { known in
            for i in 0..<s.count where known[start + i] != s[i] { return false }
            return true
        }
    }

    private func hash(_ s: Bytes) -> UInt64 {
        let raw = UnsafeRawBufferPointer(s)
        var state = seed ^ UInt64(s.count)
        var at = 0
        while at + 8 <= raw.count {
            state = mix(state ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at += 8
        }
        var tail: UInt64 = 0
        while at < raw.count {
            tail = tail << 8 | UInt64(raw[at])
            at += 1
        }
        return mix(state ^ tail)
    }

    private func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9FB2_1C65_1E98_DF25)
        return product.high ^ product.low
    }
}

/// Where the first byte sequence that is not UTF-8 begins; the count when there is none.
func invalidOffset(_ s: Bytes) -> Int {
    var at = 0
    while at < s.count {
        let end = at + lengthOfCharacter(lead: s[at])
        guard end <= s.count, String(validating: s[at..<end], as: UTF8.self) != nil else { return at }
        at = end
    }
    return at
}

private func lengthOfCharacter(lead: UInt8) -> Int {
    switch lead {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
}
