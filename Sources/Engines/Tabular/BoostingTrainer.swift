import CKernels
import Core
import Foundation

/// Encoded columns with their labels.
struct EncodedData {
    var columns: [[Double]]
    var labels: [Double]
    var rowCount: Int { labels.count }
}

/// The loop of gradient boosting: derivatives of the loss, one tree on them, new scores, until the trees are grown or the
/// validation loss stops falling.
final class BoostingTrainer: @unchecked Sendable {
    // Unchecked: used by one caller at a time; inside a parallel section each thread writes its own block of rows.
    private static let block = 4096

    private let task: TabularTask
    private let parameters: BoostingParameters
    private let pool: ComputePool
    private let matrix: BinnedMatrix
    private let grower: TreeGrower
    private let rowCount: Int
    private let labels: Slots<Double>
    private let floatLabels: Slots<Float>
    private let score: Slots<Double>
    private let gradient: Slots<Float>
    private let hessian: Slots<Float>
    private let baseScore: Double

    init(
        _ data: EncodedData, inputs: [ModelInput], task: TabularTask, parameters: BoostingParameters, pool: ComputePool
    )
        throws
    {
        guard data.rowCount > 0, data.rowCount < 1 << 28 else {
            throw NestboxError.invalid("boosting was given \(data.rowCount) rows; expected 1 to 2^28")
        }
        if let wild = data.labels.first(where: { abs($0) > 1e15 }) {
            throw NestboxError.invalid(
                "the target holds \(wild); expected values within 1e15 of zero", hint: "rescale the target")
        }
        self.task = task
        self.parameters = parameters
        self.pool = pool
        rowCount = data.rowCount
        labels = Slots(count: data.rowCount, 0)
        floatLabels = Slots(count: data.rowCount, 0)
        for (row, label) in data.labels.enumerated() {
            labels.base[row] = label
            floatLabels.base[row] = Float(label)
        }
        matrix = BinnedMatrix(
            data.columns, inputs: inputs, rowCount: data.rowCount, maxBin: parameters.maxBin, seed: parameters.seed,
            pool: pool)
        grower = TreeGrower(matrix, parameters: parameters, pool: pool)
        let mean = data.labels.reduce(0, +) / Double(data.rowCount)
        baseScore = task == .binary ? log(mean / (1 - mean)) : mean
        guard baseScore.isFinite else {
            throw NestboxError.invalid("all \(data.rowCount) training rows are of one class; expected both")
        }
        score = Slots(count: rowCount, baseScore)
        gradient = Slots(count: rowCount, 0)
        hessian = Slots(count: rowCount, 0)
    }

    deinit {
        labels.deallocate()
        floatLabels.deallocate()
        score.deallocate()
        gradient.deallocate()
        hessian.deallocate()
    }

    func train(
        inputs: [ModelInput], validation: EncodedData?, onProgress: ((FitProgress) throws -> Void)?
    ) throws -> BoostedTrees {
        let validator = validation.map {
            Validator($0, inputs: inputs, training: matrix, baseScore: baseScore, task: task, pool: pool)
        }
        var trees: [Tree] = [], best = (loss: Double.infinity, trees: 0)
        var sums = differentiate()
        for iteration in 1...parameters.numTrees {
            let salt = parameters.seed &+ UInt64(iteration) &* 0x9E37_79B9_7F4A_7C15
            let finder = quantize(sums, salt: salt)
            let bag = chooseRows(salt: salt)
            guard var grown = grower.grow(count: bag, features: chooseFeatures(salt: salt), finder: finder) else {
                break
            }
            for leaf in grown.tree.leafValue.indices { grown.tree.leafValue[leaf] *= parameters.learningRate }
            updateScores(grown, bag: bag)
            trees.append(grown.tree)
            sums = differentiate()
            let validationLoss = validator?.add(grown)
            try onProgress?(
                FitProgress(
                    iteration: iteration, total: parameters.numTrees,
                    metricName: task == .binary ? Metric.logLoss.rawValue : Metric.rmse.rawValue,
                    training: task.meanLoss(sum: sums.loss, rows: rowCount), validation: validationLoss))
            guard let validationLoss, parameters.earlyStoppingRounds > 0 else { continue }
            if validationLoss < best.loss { best = (validationLoss, trees.count) }
            if trees.count - best.trees >= parameters.earlyStoppingRounds { break }
        }
        if parameters.earlyStoppingRounds > 0, validator != nil, best.trees > 0 {
            trees.removeLast(trees.count - best.trees)
        }
        return BoostedTrees(parameters: parameters, baseScore: baseScore, trees: trees)
    }

    /// Derivatives of the loss at the present scores, and the sums over all rows, added in a fixed order.
    private func differentiate() -> nb_block_sums {
        let blocks = (rowCount + Self.block - 1) / Self.block
        let sums = Slots(count: blocks, nb_block_sums(absGradient: 0, hessian: 0, loss: 0))
        defer { sums.deallocate() }
        pool.parallelFor(blocks) { [self] index in
            let first = index * Self.block, count = min(Self.block, rowCount - first)
            let (g, h, s) = (gradient.base + first, hessian.base + first, score.base + first)
            sums.base[index] =
                switch task {
                case .binary: nb_gradients_log_loss(s, floatLabels.base + first, count, g, h)
                case .regression: nb_gradients_squared(s, labels.base + first, count, g, h)
                }
        }
        var total = nb_block_sums(absGradient: 0, hessian: 0, loss: 0)
        for index in 0..<blocks {
            total.absGradient += sums.base[index].absGradient
            total.hessian += sums.base[index].hessian
            total.loss += sums.base[index].loss
        }
        return total
    }

    /// Turns the derivatives into integers as fine as 31-bit sums allow.
    private func quantize(_ sums: nb_block_sums, salt: UInt64) -> SplitFinder {
        // Half of what 31 bits hold, because rounding and single precision may add a little.
        let room = Double(1 << 30) - Double(rowCount)
        var scaleG = sums.absGradient > 0 ? min(room / sums.absGradient, 1e30) : 1
        // Squared error has h = 1: a whole scale keeps counts exact.
        var scaleH = sums.hessian > 0 ? min(room / sums.hessian, Double(1 << 20)) : 1
        if scaleH > 1 { scaleH.round(.down) }
        (scaleG, scaleH) = (Double(Float(scaleG)), Double(Float(scaleH)))
        let (floatG, floatH) = (Float(scaleG), Float(scaleH))
        let block = 16_384
        pool.parallelFor((rowCount + block - 1) / block) { [self] index in
            let first = index * block, count = min(block, rowCount - first)
            nb_quantize(
                gradient.base + first, hessian.base + first, count, floatG, floatH, UInt64(first), salt,
                grower.packed + first)
        }
        return SplitFinder(parameters: parameters, unitG: 1 / scaleG, unitH: 1 / scaleH)
    }

    /// Lists this tree's rows first in the grower's row list, the others after them; returns how many are in.
    private func chooseRows(salt: UInt64) -> Int {
        guard parameters.baggingFraction < 1 else {
            for row in 0..<rowCount { grower.rows[row] = UInt32(truncatingIfNeeded: row) }
            return rowCount
        }
        var generator = SeededGenerator(seed: salt ^ 0xBA66)
        var inBag = 0, out = rowCount
        for row in 0..<rowCount {
            if generator.unit() < parameters.baggingFraction {
                grower.rows[inBag] = UInt32(truncatingIfNeeded: row)
                inBag += 1
            } else {
                out -= 1
                grower.rows[out] = UInt32(truncatingIfNeeded: row)
            }
        }
        return inBag
    }

    private func chooseFeatures(salt: UInt64) -> [Int] {
        let count = matrix.features.count
        guard parameters.featureFraction < 1, count > 0 else { return Array(0..<count) }
        var generator = SeededGenerator(seed: salt ^ 0xFEA7)
        let keep = max(1, Int((Double(count) * parameters.featureFraction).rounded()))
        return Array((0..<count).shuffled(using: &generator).prefix(keep)).sorted()
    }

    private func updateScores(_ grown: GrownTree, bag: Int) {
        let segments = grown.segments, values = grown.tree.leafValue
        pool.parallelFor(segments.count) { [self] leaf in
            for position in segments[leaf] { score.base[Int(grower.rows[position])] += values[leaf] }
        }
        guard bag < rowCount else { return }
        for position in bag..<rowCount {
            let row = Int(grower.rows[position])
            score.base[row] += values[grown.leaf(of: row, in: matrix)]
        }
    }
}

extension GrownTree {
    /// The leaf that a row of a binned matrix reaches.
    func leaf(of row: Int, in matrix: BinnedMatrix) -> Int {
        var at: Int32 = 0
        while at >= 0 {
            let node = Int(at)
            let bin = matrix.byColumn[Int(tree.feature[node]) * matrix.rowCount + row]
            at = leftBins[node].contains(Int(bin)) ? tree.left[node] : tree.right[node]
        }
        return -1 - Int(at)
    }
}

/// Keeps the scores of a validation table up to date, tree by tree.
private final class Validator: @unchecked Sendable {
    // Unchecked: used by one caller at a time; inside a parallel section each thread writes its own block of rows.
    private let matrix: BinnedMatrix
    private let labels: [Double]
    private let task: TabularTask
    private let pool: ComputePool
    private let score: Slots<Double>

    init(
        _ data: EncodedData, inputs: [ModelInput], training: BinnedMatrix, baseScore: Double, task: TabularTask,
        pool: ComputePool
    ) {
        matrix = BinnedMatrix(
            data.columns, inputs: inputs, rowCount: data.rowCount, maxBin: 255, seed: 0, layout: training,
            rowMajor: false, pool: pool)
        labels = data.labels
        self.task = task
        self.pool = pool
        score = Slots(count: data.rowCount, baseScore)
    }

    deinit { score.deallocate() }

    /// The mean loss (log loss, or root of the mean squared error) with this tree added.
    func add(_ grown: GrownTree) -> Double {
        let block = 4096, blocks = (labels.count + block - 1) / block
        let losses = Slots(count: blocks, 0.0)
        defer { losses.deallocate() }
        pool.parallelFor(blocks) { [self] index in
            var loss = 0.0
            for row in index * block..<min(index * block + block, labels.count) {
                score.base[row] += grown.tree.leafValue[grown.leaf(of: row, in: matrix)]
                loss += task.loss(score: score.base[row], label: labels[row])
            }
            losses.base[index] = loss
        }
        let total = (0..<blocks).reduce(0) { $0 + losses.base[$1] }
        return task.meanLoss(sum: total, rows: labels.count)
    }
}
