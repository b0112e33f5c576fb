import Core

/// How long a failed attempt waits for the next: doubling from `base`, at most `limit`, and between half and all of that
/// by chance, so that jobs that failed together do not come back together.
package struct RetryPolicy: Sendable {
    /// Seconds.
    package var base: Double
    package var limit: Double

    package init(base: Double = 2, limit: Double = 300) {
        self.base = base
        self.limit = limit
    }

    /// Seconds to wait after attempt number `attempt` (from 1) failed.
    package func delay(afterAttempt attempt: Int, randomBits: UInt64) -> Double {
        var ceiling = base
        for _ in 1..<max(2, min(attempt, 64)) where attempt > 1 && ceiling < limit { ceiling *= 2 }
        let unit = Double(randomBits >> 11) * 0x1p-53
        return min(ceiling, limit) * (0.5 + unit / 2)
    }
}
