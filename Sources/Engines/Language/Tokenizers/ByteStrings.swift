/// A list of byte strings laid end to end: a vocabulary has hundreds of thousands, and an array of arrays would allocate
/// each of them.
public struct ByteStrings: Sendable, Equatable {
    private(set) var storage: [UInt8] = []
    private var ends: [Int] = []

    public init() {}

    public init(_ strings: some Sequence<String>) {
        for string in strings { append(string.utf8) }
    }

    public var count: Int { ends.count }
    public var isEmpty: Bool { ends.isEmpty }

    public mutating func append(_ bytes: some Collection<UInt8>) {
        storage.append(contentsOf: bytes)
        ends.append(storage.count)
    }

    public mutating func reserveCapacity(_ count: Int, bytes: Int) {
        ends.reserveCapacity(count)
        storage.reserveCapacity(bytes)
    }

    public subscript(index: Int) -> ArraySlice<UInt8> { storage[range(index)] }

    /// The string at `index`, with what is not UTF-8 in it replaced.
    public func string(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

    func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    func withBytes<R>(of index: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        try storage.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[range(index)])) }
    }
}
