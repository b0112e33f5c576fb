/// Solves A x = b for a symmetric positive definite A (n × n, lower triangle, row-major) by A = L Lᵀ.
struct Cholesky {
    private let n: Int
    private var factor: [Double]

    /// Nil when A is not positive definite to working precision.
    init?(_ matrix: [Double], n: Int) {
        self.n = n
        factor = matrix
        let isDefinite = factor.withUnsafeMutableBufferPointer { L in
            for i in 0..<n {
                for j in 0...i {
                    var sum = L[i * n + j]
                    for k in 0..<j { sum -= L[i * n + k] * L[j * n + k] }
                    if i != j {
                        L[i * n + j] = sum / L[j * n + j]
                    } else {
                        // Cancellation below rounding of the diagonal means that the column depends on earlier ones.
                        guard sum > 1e-13 * abs(L[i * n + i]), sum.isFinite else { return false }
                        L[i * n + i] = sum.squareRoot()
                    }
                }
            }
            return true
        }
        guard isDefinite else { return nil }
    }

    func solve(_ b: [Double]) -> [Double] {
        var x = b
        for i in 0..<n {
            for k in 0..<i { x[i] -= factor[i * n + k] * x[k] }
            x[i] /= factor[i * n + i]
        }
        for i in stride(from: n - 1, through: 0, by: -1) {
            for k in i + 1..<max(i + 1, n) { x[i] -= factor[k * n + i] * x[k] }
            x[i] /= factor[i * n + i]
        }
        return x
    }
}
