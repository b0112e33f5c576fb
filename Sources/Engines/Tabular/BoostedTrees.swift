import Core

/// A trained ensemble: base score plus the trees' leaves. Log odds for binary tasks, the value itself for regression.
struct BoostedTrees: Sendable, Equatable {
    let parameters: BoostingParameters
    let baseScore: Double
    let trees: [Tree]
    let forest: Forest

    init(parameters: BoostingParameters, baseScore: Double, trees: [Tree]) {
        self.parameters = parameters
        self.baseScore = baseScore
        self.trees = trees
        forest = Forest(trees)
    }

    /// The score of one encoded row.
    func score(_ row: [Double]) -> Double { forest.sum(row, from: baseScore) }

    /// The scores of encoded columns, in parallel over blocks of rows.
    func scores(_ columns: [[Double]], rowCount: Int, pool: ComputePool) -> [Double] {
        guard rowCount > 0, !columns.isEmpty else { return [Double](repeating: baseScore, count: rowCount) }
        let flat = columns.flatMap { $0 }
        let block = 4096, blocks = (rowCount + block - 1) / block
        let forest = forest, baseScore = baseScore
        var out = [Double](repeating: baseScore, count: rowCount)
        flat.withUnsafeBufferPointer { flat in
            out.withUnsafeMutableBufferPointer { out in
                guard let columns = flat.baseAddress else { return }
                let shared = SharedPointers(columns: columns, out: out)
                pool.parallelFor(blocks) { index in
                    let first = index * block, end = min(first + block, rowCount)
                    forest.addSums(
                        shared.columns, rowCount: rowCount, first: first,
                        to: UnsafeMutableBufferPointer(rebasing: shared.out[first..<end]))
                }
            }
        }
        return out
    }

    /// Total gain per input.
    func gains(inputs: Int) -> [Double] {
        var gains = [Double](repeating: 0, count: inputs)
        for tree in trees {
            for node in tree.feature.indices { gains[Int(tree.feature[node])] += tree.gain[node] }
        }
        return gains
    }
}

private struct SharedPointers: @unchecked Sendable {
    // Unchecked: the columns are only read, and each block of `out` is written by one thread.
    let columns: UnsafePointer<Double>
    let out: UnsafeMutableBufferPointer<Double>
}

/// What is stored of an ensemble. It is validated before a `BoostedTrees` is made of it.
extension BoostedTrees {
    struct Stored: Codable {
        var parameters: BoostingParameters
        var baseScore: Double
        var trees: [Tree]

        func validate(inputs: [ModelInput]) throws {
            try parameters.validate()
            guard baseScore.isFinite else { throw NestboxError.invalid("the model's base score is not finite") }
            // Node and leaf numbers of the whole forest are 32-bit.
            guard trees.reduce(0, { $0 + $1.leafValue.count }) < 1 << 28 else {
                throw NestboxError.invalid("the model has too many leaves; expected fewer than 2^28")
            }
            for (index, tree) in trees.enumerated() { try tree.validate(inputs: inputs, name: "tree \(index)") }
        }
    }

    init(_ stored: Stored) {
        self.init(parameters: stored.parameters, baseScore: stored.baseScore, trees: stored.trees)
    }

    var stored: Stored { Stored(parameters: parameters, baseScore: baseScore, trees: trees) }
}
