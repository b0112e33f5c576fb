import COpenBLAS
import Core

/// Newton's method on the L2-penalised log loss; for squared error one step is exact.
///
/// The Gram matrix is summed over blocks of rows whose borders do not depend on the number of threads, so that the same
/// data give the same weights on any of them.
final class LinearTrainer: @unchecked Sendable {
    // Unchecked: used by one caller at a time; inside a parallel section each thread writes its own stretch's sums.
    private static let maximumWidth = 4096
    private static let block = 512

    private let data: EncodedData
    private let layout: LinearLayout
    private let task: TabularTask
    private let parameters: LinearParameters
    private let pool: ComputePool
    /// Columns and, last, the intercept.
    private let n: Int
    /// Rows fall into this many stretches, each summed by one thread.
    private let stretches: Int

    init(_ data: EncodedData, inputs: [ModelInput], task: TabularTask, parameters: LinearParameters, pool: ComputePool)
        throws
    {
        self.data = data
        layout = LinearLayout(inputs)
        self.task = task
        self.parameters = parameters
        self.pool = pool
        n = layout.width + 1
        guard n <= Self.maximumWidth else {
            throw NestboxError.invalid(
                "a linear model of these features has \(n) columns; expected at most \(Self.maximumWidth)",
                hint: "leave out string columns with many categories")
        }
        guard data.rowCount > 0 else { throw NestboxError.invalid("a linear model was given no rows") }
        stretches = max(1, min(16, (data.rowCount + Self.block - 1) / Self.block, (64 << 20) / (8 * n * n)))
    }

    func train(
        inputs: [ModelInput], validation: EncodedData?, onProgress: ((FitProgress) throws -> Void)?
    ) throws -> LinearModel {
        var weights = [Double](repeating: 0, count: n)
        var state = evaluate(weights)
        let steps = task == .binary ? parameters.maxIterations : 1
        for iteration in 1...steps {
            let direction = try solve(state)
            var length = 1.0, next = state, moved = weights, isBetter = false
            // A Newton step may overshoot far from the optimum; halve it until the loss falls.
            for _ in 0..<30 {
                for index in 0..<n { moved[index] = weights[index] - length * direction[index] }
                next = evaluate(moved)
                isBetter = next.objective <= state.objective
                if isBetter { break }
                length /= 2
            }
            if isBetter { (weights, state) = (moved, next) }
            let model = model(weights, inputs)
            try onProgress?(
                FitProgress(
                    iteration: iteration, total: steps,
                    metricName: task == .binary ? Metric.logLoss.rawValue : Metric.rmse.rawValue,
                    training: task.meanLoss(sum: state.loss, rows: data.rowCount),
                    validation: validation.map { loss(model, $0) }))
            let steepest = state.gradient.reduce(0) { max($0, abs($1)) } / Double(data.rowCount)
            if !isBetter || steepest < parameters.tolerance { break }
        }
        guard weights.allSatisfy(\.isFinite) else {
            throw NestboxError.invalid("the linear model did not converge", hint: "raise `l2` or rescale the target")
        }
        return model(weights, inputs)
    }

    private func model(_ weights: [Double], _ inputs: [ModelInput]) -> LinearModel {
        LinearModel(
            .init(parameters: parameters, intercept: weights[n - 1], weights: Array(weights.dropLast())), inputs: inputs
        )
    }

    private func loss(_ model: LinearModel, _ data: EncodedData) -> Double {
        let scores = model.scores(data.columns, rowCount: data.rowCount)
        let sum = scores.indices.reduce(0) { $0 + task.loss(score: scores[$1], label: data.labels[$1]) }
        return task.meanLoss(sum: sum, rows: data.rowCount)
    }

    /// Loss, penalty, gradient and Hessian (lower triangle) at some weights.
    private struct State {
        /// Sum of log losses or squared errors.
        var loss: Double
        var objective: Double
        var gradient: [Double]
        var hessian: [Double]
    }

    private func evaluate(_ weights: [Double]) -> State {
        openblas_set_num_threads(1)
        let size = n * n + n + 1
        let sums = Slots(count: stretches * size, 0.0)
        defer { sums.deallocate() }
        pool.parallelFor(stretches) { [self] stretch in
            let rows = data.rowCount * stretch / stretches..<data.rowCount * (stretch + 1) / stretches
            accumulate(rows, weights, sums.base + stretch * size)
        }
        var total = [Double](repeating: 0, count: size)
        for stretch in 0..<stretches {
            for index in 0..<size { total[index] += sums.base[stretch * size + index] }
        }
        var hessian = Array(total[0..<n * n]), gradient = Array(total[n * n..<n * n + n])
        let loss = total[size - 1]
        var objective = task == .binary ? loss : loss / 2
        for index in 0..<n - 1 {
            hessian[index * n + index] += parameters.l2
            gradient[index] += parameters.l2 * weights[index]
            objective += parameters.l2 / 2 * weights[index] * weights[index]
        }
        return State(loss: loss, objective: objective, gradient: gradient, hessian: hessian)
    }

    /// Adds these rows' Hessian (n × n), gradient (n) and loss to `out`.
    private func accumulate(_ rows: Range<Int>, _ weights: [Double], _ out: UnsafeMutablePointer<Double>) {
        let hessian = out, gradient = out + n * n, loss = out + n * n + n
        var x = [Double](repeating: 0, count: Self.block * n)
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.block) {
            let count = min(Self.block, rows.upperBound - start)
            x.withUnsafeMutableBufferPointer { x in
                x.update(repeating: 0)
                for (index, column) in data.columns.enumerated() {
                    for row in 0..<count { layout.expand(index, column[start + row]) { x[row * n + $0] = $1 } }
                }
                for row in 0..<count {
                    let line = x.baseAddress.map { $0 + row * n }
                    guard let line else { return }
                    line[n - 1] = 1
                    var score = 0.0
                    for column in 0..<n { score += line[column] * weights[column] }
                    let label = data.labels[start + row]
                    loss.pointee += task.loss(score: score, label: label)
                    let p = task.prediction(score: score)
                    let slope = p - label
                    for column in 0..<n { gradient[column] += line[column] * slope }
                    // The Hessian is XᵀWX: scale the row by the root of its weight.
                    let root = task == .binary ? (p * (1 - p)).squareRoot() : 1
                    for column in 0..<n { line[column] *= root }
                }
                cblas_dsyrk(
                    CblasRowMajor, CblasLower, CblasTrans, Int32(n), Int32(count), 1, x.baseAddress, Int32(n), 1,
                    hessian, Int32(n))
            }
        }
    }

    /// The Newton step H⁻¹ g. Where columns depend on each other, a small multiple of the identity is added.
    private func solve(_ state: State) throws -> [Double] {
        var trace = 0.0
        for index in 0..<n { trace += state.hessian[index * n + index] }
        var jitter = 0.0
        for _ in 0..<8 {
            var matrix = state.hessian
            for index in 0..<n { matrix[index * n + index] += jitter }
            if let factor = Cholesky(matrix, n: n) { return factor.solve(state.gradient) }
            jitter = jitter == 0 ? 1e-10 * trace / Double(n) + 1e-300 : jitter * 100
        }
        throw NestboxError.invalid(
            "the linear model's equations have no stable solution", hint: "raise `l2`, now \(parameters.l2)")
    }
}
