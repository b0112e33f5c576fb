import Core

/// One decision tree as parallel arrays. Node 0 is the root; a child that is not negative is a node and larger than its
/// parent, a negative one is leaf `-1 - child`. A tree without nodes has one leaf.
///
/// A row goes left where its value is at most the threshold, or where its category is in the node's set; a missing value
/// follows `missingLeft`.
struct Tree: Sendable, Codable, Equatable {
    var feature: [Int32] = []
    /// For numbers. Zero at categorical nodes.
    var threshold: [Double] = []
    /// Category codes that go left, ascending; nil at numeric nodes.
    var categories: [[UInt8]?] = []
    var missingLeft: [Bool] = []
    var left: [Int32] = []
    var right: [Int32] = []
    /// By how much the split lowered the training loss.
    var gain: [Double] = []
    /// Training rows that reached the node.
    var nodeCount: [Int] = []
    var leafValue: [Double] = []
    var leafCount: [Int] = []

    /// Throws unless every index is in range, every number finite and the nodes form one tree.
    func validate(inputs: [ModelInput], name: String) throws {
        func fail(_ why: String) -> NestboxError { .invalid("\(name) of the model is not valid: \(why)") }
        let nodes = feature.count
        let lengths = [
            threshold.count, categories.count, missingLeft.count, left.count, right.count, gain.count, nodeCount.count,
        ]
        guard lengths.allSatisfy({ $0 == nodes }), leafValue.count == nodes + 1, leafCount.count == nodes + 1 else {
            throw fail("its arrays differ in length")
        }
        guard leafValue.allSatisfy(\.isFinite), threshold.allSatisfy(\.isFinite), gain.allSatisfy(\.isFinite) else {
            throw fail("a number is not finite")
        }
        guard nodeCount.allSatisfy({ $0 >= 0 }), leafCount.allSatisfy({ $0 >= 0 }) else {
            throw fail("a count is negative")
        }
        var seenNode = [Bool](repeating: false, count: nodes), seenLeaf = [Bool](repeating: false, count: nodes + 1)
        for node in 0..<nodes {
            guard inputs.indices.contains(Int(feature[node])) else {
                throw fail("node \(node) reads input \(feature[node]) of \(inputs.count)")
            }
            let input = inputs[Int(feature[node])]
            guard input.isCategorical == (categories[node] != nil) else {
                throw fail("node \(node) does not fit the type of `\(input.name)`")
            }
            // The list's count itself is the bucket of other categories.
            if let codes = categories[node], codes.contains(where: { $0 > input.categories?.count ?? 0 }) {
                throw fail("node \(node) names a category that `\(input.name)` does not have")
            }
            for child in [left[node], right[node]] {
                if child >= 0 {
                    guard child > node, child < nodes, !seenNode[Int(child)] else {
                        throw fail("node \(node) has child \(child); expected a later node with one parent")
                    }
                    seenNode[Int(child)] = true
                } else {
                    let leaf = -1 - Int(child)
                    guard leaf <= nodes, !seenLeaf[leaf] else {
                        throw fail("node \(node) has leaf \(leaf); expected one below \(nodes + 1) with one parent")
                    }
                    seenLeaf[leaf] = true
                }
            }
        }
    }
}

/// All trees of an ensemble in flat arrays, built once after training or decoding; only read afterwards.
struct Forest: Sendable, Equatable {
    struct Node: Sendable, Equatable {
        var threshold: Double
        var feature: Int32
        /// -1 for numbers, or where the node's set begins in `sets`.
        var set: Int32
        /// A later node, or -1 - leaf.
        var left: Int32
        var right: Int32
        var missingLeft: Bool
    }

    private(set) var nodes: [Node] = []
    /// Per tree: its first node, or -1 - leaf for a tree that is one leaf.
    private(set) var roots: [Int32] = []
    private(set) var leaves: [Double] = []
    /// Four words for each categorical node: bit `c` is set where category `c` goes left.
    private(set) var sets: [UInt64] = []

    /// The trees must be valid.
    init(_ trees: [Tree]) {
        for tree in trees {
            let firstNode = Int32(nodes.count), firstLeaf = Int32(leaves.count)
            func child(_ index: Int32) -> Int32 { index >= 0 ? index + firstNode : index - firstLeaf }
            roots.append(tree.feature.isEmpty ? -1 - firstLeaf : firstNode)
            for node in tree.feature.indices {
                var set: Int32 = -1
                if let categories = tree.categories[node] {
                    set = Int32(sets.count)
                    var words = [UInt64](repeating: 0, count: 4)
                    for code in categories { words[Int(code) >> 6] |= 1 << UInt64(code & 63) }
                    sets += words
                }
                nodes.append(
                    Node(
                        threshold: tree.threshold[node], feature: tree.feature[node], set: set,
                        left: child(tree.left[node]), right: child(tree.right[node]),
                        missingLeft: tree.missingLeft[node]))
            }
            leaves += tree.leafValue
        }
    }

    /// The leaf that `row` reaches, one encoded value per input.
    @inline(__always)
    private func leaf(
        from root: Int32, _ row: UnsafePointer<Double>, stride: Int, _ nodes: UnsafeBufferPointer<Node>,
        _ sets: UnsafeBufferPointer<UInt64>
    ) -> Int {
        var at = root
        while at >= 0 {
            let node = nodes[Int(at)]
            let value = row[Int(node.feature) * stride]
            let goesLeft: Bool
            if value.isNaN {
                goesLeft = node.missingLeft
            } else if node.set < 0 {
                goesLeft = value <= node.threshold
            } else {
                let code = Int(value)
                goesLeft = sets[Int(node.set) + (code >> 6)] >> UInt64(code & 63) & 1 == 1
            }
            at = goesLeft ? node.left : node.right
        }
        return -1 - Int(at)
    }

    /// `start` plus the sum of all trees for one encoded row; added in the same order as in `addSums`.
    func sum(_ row: [Double], from start: Double) -> Double {
        withBuffers { nodes, sets, leaves in
            row.withUnsafeBufferPointer { row in
                guard let row = row.baseAddress else { return start }
                var sum = start
                for root in roots { sum += leaves[leaf(from: root, row, stride: 1, nodes, sets)] }
                return sum
            }
        }
    }

    /// Adds the sum of all trees to `out` for rows `first ..< first + out.count` of a column-major block: feature `f` of
    /// row `r` lies at `columns[f * rowCount + r]`. Tree by tree, so that a tree's nodes stay in the cache.
    func addSums(
        _ columns: UnsafePointer<Double>, rowCount: Int, first: Int, to out: UnsafeMutableBufferPointer<Double>
    ) {
        withBuffers { nodes, sets, leaves in
            for root in roots {
                for row in out.indices {
                    out[row] += leaves[leaf(from: root, columns + first + row, stride: rowCount, nodes, sets)]
                }
            }
        }
    }

    private func withBuffers<T>(
        _ body: (UnsafeBufferPointer<Node>, UnsafeBufferPointer<UInt64>, UnsafeBufferPointer<Double>) -> T
    ) -> T {
        nodes.withUnsafeBufferPointer { nodes in
            sets.withUnsafeBufferPointer { sets in
                leaves.withUnsafeBufferPointer { leaves in body(nodes, sets, leaves) }
            }
        }
    }
}
