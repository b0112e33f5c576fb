/// The merge loop of byte-pair encoding: of all adjacent pairs the one of lowest rank is merged, the leftmost of equal
/// ones first, until none is left. Linear in memory; n log n in time, also for a word of megabytes.
struct BytePairMerger {
    /// The tokens, of which only those reached through `next` are alive.
    private var ids: [Int32] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    /// The rank of the pair that begins at each place; none is `UInt32.max`. An entry of the heap holds only while it
    /// agrees with this.
    private var ranks: [UInt32] = []
    private var merged: [Int32] = []
    /// Where in the text each token ends, for models that find pairs by their text.
    private var ends: [Int32] = []
    private var heap: [UInt64] = []

    static let none = UInt32.max
    /// Up to this many tokens are searched for the best pair, which is faster than a heap.
    private static let searched = 24

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    mutating func append(_ id: Int32, end: Int) {
        ids.append(id)
        ends.append(Int32(truncatingIfNeeded: end))
    }

    var last: Int32? { ids.last }

    mutating func extendLast(to end: Int) { ends[ends.count - 1] = Int32(truncatingIfNeeded: end) }

    /// Merges what was appended, and hands each token that stays to `emit` with the place of its text.
    ///
    /// - Parameter pair: the rank and the token of two adjacent tokens whose text is `start..<end`, or the rank `none`.
    @inline(__always)
    mutating func merge(
        pair: (_ left: Int32, _ right: Int32, _ start: Int, _ end: Int) -> (rank: UInt32, id: Int32),
        emit: (_ id: Int32, _ start: Int, _ end: Int) -> Void
    ) {
        if ids.count > 1 {
            if ids.count <= Self.searched { mergeBySearch(pair) } else { mergeByHeap(pair) }
        }
        var start = 0
        for index in ids.indices {
            emit(ids[index], start, Int(ends[index]))
            start = Int(ends[index])
        }
    }

    @inline(__always)
    private mutating func mergeBySearch(
        _ pair: (Int32, Int32, Int, Int) -> (rank: UInt32, id: Int32)
    ) {
        var count = ids.count
        if ranks.count < Self.searched {
            ranks = [UInt32](repeating: Self.none, count: Self.searched)
            merged = [Int32](repeating: 0, count: Self.searched)
        }
        for index in 0..<count - 1 {
            (ranks[index], merged[index]) = pair(
                ids[index], ids[index + 1], index == 0 ? 0 : Int(ends[index - 1]), Int(ends[index + 1]))
        }
        while count > 1 {
            var best = 0
            for index in 1..<max(count - 1, 1) where ranks[index] < ranks[best] { best = index }
            guard ranks[best] != Self.none else { break }
            ids[best] = merged[best]
            ends[best] = ends[best + 1]
            count -= 1
            for index in best + 1..<max(count, best + 1) {
                ids[index] = ids[index + 1]
                ends[index] = ends[index + 1]
                ranks[index] = ranks[index + 1]
                merged[index] = merged[index + 1]
            }
            let start = best == 0 ? 0 : Int(ends[best - 1])
            if best + 1 < count {
                (ranks[best], merged[best]) = pair(ids[best], ids[best + 1], start, Int(ends[best + 1]))
            }
            if best > 0 {
                (ranks[best - 1], merged[best - 1]) = pair(
                    ids[best - 1], ids[best], best == 1 ? 0 : Int(ends[best - 2]), Int(ends[best]))
            }
        }
        ids.removeSubrange(count...)
        ends.removeSubrange(count...)
    }

    @inline(__always)
    private mutating func mergeByHeap(_ pair: (Int32, Int32, Int, Int) -> (rank: UInt32, id: Int32)) {
        let count = ids.count
        next = (1...count).map { $0 == count ? -1 : Int32($0) }
        previous = (0..<count).map { Int32($0) - 1 }
        ranks = [UInt32](repeating: Self.none, count: count)
        merged = [Int32](repeating: 0, count: count)
        heap.removeAll(keepingCapacity: true)

        func refresh(_ index: Int) {
            let right = Int(next[index])
            guard right >= 0 else {
                ranks[index] = Self.none
                return
            }
            let start = previous[index] < 0 ? 0 : Int(ends[Int(previous[index])])
            (ranks[index], merged[index]) = pair(ids[index], ids[right], start, Int(ends[right]))
            if ranks[index] != Self.none { push(UInt64(ranks[index]) << 32 | UInt64(index)) }
        }
        for index in 0..<count { refresh(index) }
        while let top = pop() {
            let index = Int(top & 0xFFFF_FFFF)
            guard ranks[index] == UInt32(top >> 32) else { continue }
            let right = Int(next[index])
            ids[index] = merged[index]
            ends[index] = ends[right]
            next[index] = next[right]
            if next[index] >= 0 { previous[Int(next[index])] = Int32(index) }
            ranks[right] = Self.none
            refresh(index)
            if previous[index] >= 0 { refresh(Int(previous[index])) }
        }
        var alive = 0
        var index = 0
        while index >= 0 {
            ids[alive] = ids[index]
            ends[alive] = ends[index]
            alive += 1
            index = Int(next[index])
        }
        ids.removeSubrange(alive...)
        ends.removeSubrange(alive...)
    }

    private mutating func push(_ entry: UInt64) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[parent] > entry else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    private mutating func pop() -> UInt64? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return top }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < last else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return top
    }
}
