import CKernels
import Core

/// A tree with what training needs of it: its splits over bins, and which rows each leaf holds.
struct GrownTree {
    var tree = Tree()
    /// For each node, the bins that go left.
    var leftBins: [BinSet] = []
    /// For each leaf, where its rows lie in the grower's row list.
    var segments: [Range<Int>] = []
}

/// Grows one tree best-first: always the leaf whose split gains most.
///
/// Gradients are integers, so histogram sums are exact: they do not depend on the order of rows or the number of threads,
/// and a sibling's histogram is the parent's minus the other's without loss.
final class TreeGrower: @unchecked Sendable {
    // Unchecked: used by one caller at a time; inside a parallel section each thread writes its own part of the buffers.
    private struct Leaf {
        var rows: Range<Int>
        var g: Int64
        var h: Int64
        var depth: Int
        var l2: Double
        /// Which histogram is its own; nil when it will not be split.
        var slot: Int?
        var best: Split?
        /// The node above and the side, or nil for the root.
        var parent: (node: Int, isLeft: Bool)?

        var totals: SplitFinder.Leaf { .init(count: rows.count, g: g, h: h) }
    }

    private let matrix: BinnedMatrix
    private let parameters: BoostingParameters
    private let pool: ComputePool
    /// One packed gradient and hessian per row.
    let packed: UnsafeMutablePointer<Int64>
    /// Row numbers, leaf by leaf.
    let rows: UnsafeMutablePointer<UInt32>
    private let leftScratch: UnsafeMutablePointer<UInt32>
    private let rightScratch: UnsafeMutablePointer<UInt32>
    private let goesLeft: UnsafeMutablePointer<UInt8>
    /// One histogram per thread, added up afterwards.
    private let partial: UnsafeMutablePointer<Int64>
    private var histograms: [UnsafeMutablePointer<Int64>] = []
    private var freeSlots: [Int] = []

    init(_ matrix: BinnedMatrix, parameters: BoostingParameters, pool: ComputePool) {
        self.matrix = matrix
        self.parameters = parameters
        self.pool = pool
        let count = max(1, matrix.rowCount)
        packed = .allocate(capacity: count)
        packed.initialize(repeating: 0, count: count)
        rows = .allocate(capacity: count)
        rows.initialize(repeating: 0, count: count)
        leftScratch = .allocate(capacity: count)
        leftScratch.initialize(repeating: 0, count: count)
        rightScratch = .allocate(capacity: count)
        rightScratch.initialize(repeating: 0, count: count)
        goesLeft = .allocate(capacity: 256)
        goesLeft.initialize(repeating: 0, count: 256)
        partial = .allocate(capacity: max(1, pool.width * matrix.totalBins))
        partial.initialize(repeating: 0, count: max(1, pool.width * matrix.totalBins))
    }

    deinit {
        for pointer in histograms { pointer.deallocate() }
        packed.deallocate()
        rows.deallocate()
        leftScratch.deallocate()
        rightScratch.deallocate()
        goesLeft.deallocate()
        partial.deallocate()
    }

    /// Grows a tree on the first `count` entries of `rows`, using `features`. Leaf values are not yet shrunk by the
    /// learning rate. Nil when no split gains anything.
    func grow(count: Int, features: [Int], finder: SplitFinder) -> GrownTree? {
        var grown = GrownTree()
        var leaves: [Leaf] = []
        let total = sum(count: count)
        leaves.append(
            Leaf(
                rows: 0..<count, g: SplitFinder.gradient(total), h: SplitFinder.hessian(total), depth: 0,
                l2: parameters.lambdaL2))
        let rootSlot = takeSlot()
        leaves[0].slot = rootSlot
        let chunks = buildPartials(leaves[0].rows)
        let found = search(smaller: leaves[0], larger: nil, slots: (rootSlot, rootSlot), chunks, features, finder)
        leaves[0].best = found.smaller
        while leaves.count < parameters.numLeaves {
            var chosen: Int?
            for (index, leaf) in leaves.enumerated() {
                guard let best = leaf.best else { continue }
                if let current = chosen, let rival = leaves[current].best, rival.gain >= best.gain { continue }
                chosen = index
            }
            guard let chosen else { break }
            split(&leaves, chosen, &grown, features, finder)
        }
        for leaf in leaves { leaf.slot.map { freeSlots.append($0) } }
        guard leaves.count > 1 else { return nil }
        for (index, leaf) in leaves.enumerated() {
            let code = Int32(-1 - index)
            if let parent = leaf.parent {
                if parent.isLeft { grown.tree.left[parent.node] = code } else { grown.tree.right[parent.node] = code }
            }
            grown.tree.leafValue.append(finder.leafValue(g: leaf.g, h: leaf.h, l2: leaf.l2))
            grown.tree.leafCount.append(leaf.rows.count)
            grown.segments.append(leaf.rows)
        }
        return grown
    }

    private func sum(count: Int) -> Int64 {
        var total: Int64 = 0
        for index in 0..<count { total += packed[Int(rows[index])] }
        return total
    }

    /// Replaces leaf `index` by its left child and appends the right one.
    private func split(
        _ leaves: inout [Leaf], _ index: Int, _ grown: inout GrownTree, _ features: [Int], _ finder: SplitFinder
    ) {
        let leaf = leaves[index]
        guard let best = leaf.best, let slot = leaf.slot else { return }
        let node = grown.tree.feature.count
        if let parent = leaf.parent {
            if parent.isLeft {
                grown.tree.left[parent.node] = Int32(node)
            } else {
                grown.tree.right[parent.node] = Int32(node)
            }
        }
        append(best, count: leaf.rows.count, to: &grown)
        let middle = leaf.rows.lowerBound + partition(leaf.rows, best)
        var left = Leaf(
            rows: leaf.rows.lowerBound..<middle, g: best.leftG, h: best.leftH, depth: leaf.depth + 1, l2: best.l2)
        var right = Leaf(
            rows: middle..<leaf.rows.upperBound, g: leaf.g - best.leftG, h: leaf.h - best.leftH, depth: leaf.depth + 1,
            l2: best.l2)
        left.parent = (node, true)
        right.parent = (node, false)
        let leftIsSmaller = left.rows.count <= right.rows.count
        let larger = leftIsSmaller ? right : left, smaller = leftIsSmaller ? left : right
        let deepEnough = parameters.maxDepth > 0 && left.depth >= parameters.maxDepth
        if leaves.count + 1 >= parameters.numLeaves || deepEnough
            || larger.rows.count < 2 * parameters.minDataInLeaf
        {
            freeSlots.append(slot)
        } else {
            let chunks = buildPartials(smaller.rows)
            let fresh = takeSlot()
            let found = search(smaller: smaller, larger: larger, slots: (fresh, slot), chunks, features, finder)
            left.slot = leftIsSmaller ? fresh : slot
            right.slot = leftIsSmaller ? slot : fresh
            left.best = leftIsSmaller ? found.smaller : found.larger
            right.best = leftIsSmaller ? found.larger : found.smaller
        }
        leaves[index] = left
        leaves.append(right)
    }

    private func append(_ split: Split, count: Int, to grown: inout GrownTree) {
        let feature = matrix.features[split.feature]
        grown.leftBins.append(split.leftBins)
        grown.tree.feature.append(Int32(split.feature))
        // The last bin has no upper bound: "every value present goes left" is the largest double.
        let bound =
            split.bin < feature.bounds.count && split.bin >= 0 ? feature.bounds[split.bin] : .greatestFiniteMagnitude
        grown.tree.threshold.append(feature.isCategorical ? 0 : bound)
        grown.tree.categories.append(
            feature.isCategorical ? (0..<feature.valueBins).filter(split.leftBins.contains).map { UInt8($0) } : nil)
        grown.tree.missingLeft.append(split.leftBins.contains(feature.valueBins))
        grown.tree.left.append(0)
        grown.tree.right.append(0)
        grown.tree.gain.append(split.gain)
        grown.tree.nodeCount.append(count)
    }

    private func takeSlot() -> Int {
        if let slot = freeSlots.popLast() { return slot }
        let pointer = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, matrix.totalBins))
        pointer.initialize(repeating: 0, count: max(1, matrix.totalBins))
        histograms.append(pointer)
        return histograms.count - 1
    }

    /// Fills per-thread histograms of these rows; returns how many there are.
    private func buildPartials(_ segment: Range<Int>) -> Int {
        let features = matrix.features.count
        // A thread is worth waking for some ten microseconds of work.
        let chunks = max(1, min(pool.width, segment.count * features / 65_536))
        let size = (segment.count + chunks - 1) / chunks
        let isWhole = segment.count == matrix.rowCount
        pool.parallelFor(chunks) { [self] chunk in
            let first = segment.lowerBound + chunk * size
            let count = max(0, min(size, segment.upperBound - first))
            let out = partial + chunk * matrix.totalBins
            out.update(repeating: 0, count: matrix.totalBins)
            nb_histogram(
                matrix.byRow, features, matrix.offsets, isWhole ? nil : rows + first, first, count, packed, out)
        }
        return chunks
    }

    /// Adds up the smaller leaf's partial histograms, subtracts them from the parent's to get the larger leaf's, and
    /// searches both, all feature by feature while the bins are in the cache.
    private func search(
        smaller: Leaf, larger: Leaf?, slots: (smaller: Int, larger: Int), _ chunks: Int, _ features: [Int],
        _ finder: SplitFinder
    ) -> (smaller: Split?, larger: Split?) {
        let own = Slots(histograms[slots.smaller]), parent = Slots(histograms[slots.larger])
        let all = matrix.features
        let groups = matrix.totalBins < 2048 ? 1 : max(1, min(pool.width * 2, all.count))
        let size = (all.count + groups - 1) / groups
        var allowed = [Bool](repeating: false, count: all.count)
        for feature in features { allowed[feature] = true }
        let isAllowed = allowed, small = smaller.totals, large = larger?.totals
        let least = 2 * parameters.minDataInLeaf
        let results = Slots<(Split?, Split?)>(count: groups, (nil, nil))
        defer { results.deallocate() }
        pool.parallelFor(groups) { [self] group in
            var best: (Split?, Split?) = (nil, nil)
            for index in group * size..<max(group * size, min(all.count, group * size + size)) {
                let feature = all[index]
                combine(own.base, parent.base, feature, chunks, subtract: large != nil)
                guard isAllowed[index] else { continue }
                if small.count >= least { keep(finder.best(index, feature, own.base, small), in: &best.0) }
                if let large { keep(finder.best(index, feature, parent.base, large), in: &best.1) }
            }
            results.base[group] = best
        }
        var best: (Split?, Split?) = (nil, nil)
        for group in 0..<groups {
            keep(results.base[group].0, in: &best.0)
            keep(results.base[group].1, in: &best.1)
        }
        return best
    }

    /// The first of equals wins; features come in order, so the result does not depend on how they were grouped.
    private func keep(_ split: Split?, in best: inout Split?) {
        guard let split, split.gain > best?.gain ?? 0 else { return }
        best = split
    }

    private func combine(
        _ own: UnsafeMutablePointer<Int64>, _ parent: UnsafeMutablePointer<Int64>, _ feature: BinnedMatrix.Feature,
        _ chunks: Int, subtract: Bool
    ) {
        let (offset, bins) = (feature.offset, feature.bins)
        (own + offset).update(from: partial + offset, count: bins)
        for chunk in 1..<max(1, chunks) {
            let more = partial + chunk * matrix.totalBins + offset
            for bin in 0..<bins { own[offset + bin] &+= more[bin] }
        }
        guard subtract else { return }
        for bin in offset..<offset + bins { parent[bin] &-= own[bin] }
    }

    /// Reorders the segment: rows that go left first, each side in its old order. Returns how many go left.
    private func partition(_ segment: Range<Int>, _ split: Split) -> Int {
        for bin in 0..<256 { goesLeft[bin] = split.leftBins.contains(bin) ? 1 : 0 }
        let start = split.feature * matrix.rowCount
        let chunks = max(1, min(pool.width, segment.count / 16_384))
        let size = (segment.count + chunks - 1) / chunks
        let lefts = Slots<Int>(count: chunks, 0)
        defer { lefts.deallocate() }
        pool.parallelFor(chunks) { [self] chunk in
            let first = segment.lowerBound + chunk * size, count = max(0, min(size, segment.upperBound - first))
            lefts.base[chunk] = nb_partition(
                matrix.byColumn + start, goesLeft, rows + first, count, leftScratch + first, rightScratch + first)
        }
        let total = (0..<chunks).reduce(0) { $0 + lefts.base[$1] }
        pool.parallelFor(chunks) { [self] chunk in
            let first = segment.lowerBound + chunk * size, count = max(0, min(size, segment.upperBound - first))
            let before = (0..<chunk).reduce(0) { $0 + lefts.base[$1] }
            let left = lefts.base[chunk]
            (rows + segment.lowerBound + before).update(from: leftScratch + first, count: left)
            (rows + segment.lowerBound + total + (first - segment.lowerBound - before))
                .update(from: rightScratch + first, count: count - left)
        }
        return total
    }
}
