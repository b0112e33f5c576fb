import Core

/// A trie over byte strings. Its edges lie in one open-addressing table, so that a step is one look-up whatever the
/// number of children.
struct ByteTrie: Sendable {
    private var keys: [UInt32] = [UInt32](repeating: 0, count: 16)
    private var children: [Int32] = [Int32](repeating: 0, count: 16)
    private var fromRoot = [Int32](repeating: -1, count: 256)
    private var values: [Int32] = [-1]

    static let root: Int32 = 0
    /// An edge is a node and a byte in 32 bits.
    private static let mostNodes = 1 << 24

    /// Of strings that are inserted twice the first one counts.
    mutating func insert(_ text: some Collection<UInt8>, _ value: Int32) throws {
        var node = Self.root
        for byte in text {
            if let child = child(of: node, byte) {
                node = child
                continue
            }
            guard values.count < Self.mostNodes else {
                throw NestboxError.invalid("the vocabulary has more than \(Self.mostNodes) different prefixes")
            }
            let child = Int32(values.count)
            values.append(-1)
            add(node, byte, child)
            node = child
        }
        if values[Int(node)] < 0 { values[Int(node)] = value }
    }

    @inline(__always)
    func child(of node: Int32, _ byte: UInt8) -> Int32? {
        if node == Self.root {
            let child = fromRoot[Int(byte)]
            return child < 0 ? nil : child
        }
        let key = UInt32(node) << 8 | UInt32(byte)
        let mask = keys.count &- 1
        var slot = Self.slot(key) & mask
        while keys[slot] != 0 {
            if keys[slot] == key { return children[slot] }
            slot = (slot &+ 1) & mask
        }
        return nil
    }

    @inline(__always)
    func value(of node: Int32) -> Int32? {
        let value = values[Int(node)]
        return value < 0 ? nil : value
    }

    /// The node that `text` leads to.
    func node(_ text: some Collection<UInt8>) -> Int32? {
        var node = Self.root
        for byte in text {
            guard let child = child(of: node, byte) else { return nil }
            node = child
        }
        return node
    }

    func begins(with byte: UInt8) -> Bool { fromRoot[Int(byte)] >= 0 }

    @inline(__always)
    private static func slot(_ key: UInt32) -> Int { Int(hash(UInt64(key)) & 0x7FFF_FFFF) }

    private mutating func add(_ node: Int32, _ byte: UInt8, _ child: Int32) {
        if node == Self.root {
            fromRoot[Int(byte)] = child
            return
        }
        if 2 * values.count > keys.count { grow() }
        place(UInt32(node) << 8 | UInt32(byte), child)
    }

    private mutating func place(_ key: UInt32, _ child: Int32) {
        let mask = keys.count - 1
        var slot = Self.slot(key) & mask
        while keys[slot] != 0 { slot = (slot + 1) & mask }
        keys[slot] = key
        children[slot] = child
    }

    private mutating func grow() {
        let (oldKeys, oldChildren) = (keys, children)
        keys = [UInt32](repeating: 0, count: 2 * oldKeys.count)
        children = [Int32](repeating: 0, count: 2 * oldKeys.count)
        for (key, child) in zip(oldKeys, oldChildren) where key != 0 { place(key, child) }
    }
}
