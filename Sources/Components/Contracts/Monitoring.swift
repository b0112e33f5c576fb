import Core

/// How far one feature has moved from its training baseline.
package struct FeatureDriftReport: Codable, Sendable, Hashable {
    package var feature: String
    /// Population stability index: below 0.1 stable, above 0.25 a real change.
    package var psi: Double
    /// Kolmogorov–Smirnov statistic and p-value; nil for categorical features.
    package var ks: Double?
    package var ksPValue: Double?
    /// Share of missing values in training and now.
    package var baselineNullRate: Double
    package var currentNullRate: Double
    /// For drawing: bin labels with the share of rows in training and now.
    package var bins: [Bin]

    package struct Bin: Codable, Sendable, Hashable {
        package var label: String
        package var baseline: Double
        package var current: Double

        package init(label: String, baseline: Double, current: Double) {
            self.label = label
            self.baseline = baseline
            self.current = current
        }
    }

    package init(
        feature: String, psi: Double, ks: Double?, ksPValue: Double?, baselineNullRate: Double, currentNullRate: Double,
        bins: [Bin]
    ) {
        self.feature = feature
        self.psi = psi
        self.ks = ks
        self.ksPValue = ksPValue
        self.baselineNullRate = baselineNullRate
        self.currentNullRate = currentNullRate
        self.bins = bins
    }
}

package struct DriftReport: Codable, Sendable, Hashable {
    package var deployment: String
    package var model: String
    package var version: Int
    package var at: Timestamp
    /// Logged rows compared, and the moments of the first and last of them.
    package var rows: Int
    package var from: Timestamp?
    package var to: Timestamp?
    /// Highest PSI first.
    package var features: [FeatureDriftReport]

    package init(
        deployment: String, model: String, version: Int, at: Timestamp, rows: Int, from: Timestamp?, to: Timestamp?,
        features: [FeatureDriftReport]
    ) {
        self.deployment = deployment
        self.model = model
        self.version = version
        self.at = at
        self.rows = rows
        self.from = from
        self.to = to
        self.features = features
    }
}

package struct DriftAlert: Codable, Sendable, Hashable {
    package var id: String
    package var deployment: String
    package var feature: String
    package var psi: Double
    package var threshold: Double
    package var openedAt: Timestamp
    /// Nil while open.
    package var closedAt: Timestamp?
    package var message: String

    package init(
        id: String, deployment: String, feature: String, psi: Double, threshold: Double, openedAt: Timestamp,
        closedAt: Timestamp?, message: String
    ) {
        self.id = id
        self.deployment = deployment
        self.feature = feature
        self.psi = psi
        self.threshold = threshold
        self.openedAt = openedAt
        self.closedAt = closedAt
        self.message = message
    }
}

package protocol Monitor: Sendable {
    /// Compares now, whatever the schedule; stores the report and opens or closes alerts. Throws `conflict` with a hint
    /// when too few rows are logged.
    func check(_ deployment: String) async throws -> DriftReport
    /// The newest report, or nil before the first.
    func latestReport(_ deployment: String) async throws -> DriftReport?
    /// Newest first.
    func reports(_ deployment: String, limit: Int) async throws -> [DriftReport]
    func alerts(open: Bool?, limit: Int) async throws -> [DriftAlert]
}
