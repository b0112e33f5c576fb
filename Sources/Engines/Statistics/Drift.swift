import Foundation

/// The result of a two-sample Kolmogorov-Smirnov test.
public struct KSResult: Sendable, Codable, Equatable {
    /// The largest distance between the two empirical distribution functions, 0 to 1.
    public let statistic: Double
    /// The chance of a distance as large if both samples came from one distribution; asymptotic.
    public let pValue: Double
}

/// Measures of how far two samples lie apart.
public enum Drift {
    /// Shares below this count as this much in the population stability index, so that an empty bin does not make it
    /// infinite. One bin empty on one side then adds at most about 0.1 per percent of rows on the other.
    public static let epsilon = 1e-4

    /// The population stability index: the sum over bins of (actual - expected) * ln(actual / expected), in shares.
    ///
    /// By custom below 0.1 is stable, above 0.25 a large shift. Nil when either side has no rows. The arrays have one count
    /// per bin and equal lengths.
    public static func psi(expected: [Int], actual: [Int]) -> Double? {
        precondition(expected.count == actual.count, "PSI compares the same bins on both sides")
        let totals = (Double(expected.reduce(0, +)), Double(actual.reduce(0, +)))
        guard totals.0 > 0, totals.1 > 0 else { return nil }
        return zip(expected, actual).reduce(0) { sum, bin in
            // A bin that is empty on both sides says nothing.
            if bin.0 == 0, bin.1 == 0 { return sum }
            let e = max(Double(bin.0) / totals.0, epsilon), a = max(Double(bin.1) / totals.1, epsilon)
            return sum + (a - e) * log(a / e)
        }
    }

    /// Two-sample test on finite values in any order; others are left out. Nil when either sample is empty.
    public static func kolmogorovSmirnov(_ a: [Double], _ b: [Double]) -> KSResult? {
        let a = a.filter(\.isFinite).sorted(), b = b.filter(\.isFinite).sorted()
        return kolmogorovSmirnov(sorted: a, count: a.count, sorted: b)
    }

    /// The same for ascending values, where `a` may be evenly spaced order statistics of a sample of `count`.
    static func kolmogorovSmirnov(sorted a: [Double], count: Int, sorted b: [Double]) -> KSResult? {
        guard !a.isEmpty, !b.isEmpty else { return nil }
        var i = 0, j = 0, distance = 0.0
        while i < a.count, j < b.count {
            // Both functions jump over all equal values before they are compared.
            let value = min(a[i], b[j])
            while i < a.count, a[i] == value { i += 1 }
            while j < b.count, b[j] == value { j += 1 }
            distance = max(distance, abs(Double(i) / Double(a.count) - Double(j) / Double(b.count)))
        }
        let (n, m) = (Double(count), Double(b.count))
        return KSResult(statistic: distance, pValue: kolmogorovSurvival((n * m / (n + m)).squareRoot() * distance))
    }

    /// Q(x) = 2 Σ (-1)^(k-1) exp(-2 k² x²), the limit of P(√n D > x). For small x the series of the theta function's other
    /// form is used, which then converges fast.
    static func kolmogorovSurvival(_ x: Double) -> Double {
        guard x > 0 else { return 1 }
        if x < 0.82 {
            let factor = -Double.pi * Double.pi / (8 * x * x)
            var sum = 0.0
            for k in 0..<20 {
                let odd = Double(2 * k + 1)
                sum += exp(odd * odd * factor)
            }
            let scale = (2 * Double.pi).squareRoot() / x
            return min(1, max(0, 1 - scale * sum))
        }
        var sum = 0.0, sign = 1.0
        for k in 1...100 {
            let term = exp(-2 * Double(k * k) * x * x)
            sum += sign * term
            if term < 1e-18 * sum { break }
            sign = -sign
        }
        return min(1, max(0, 2 * sum))
    }
}
