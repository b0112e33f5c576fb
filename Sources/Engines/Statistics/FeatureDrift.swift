/// One bar of a chart that lays two distributions side by side.
public struct DriftBin: Sendable, Codable, Equatable {
    public let label: String
    /// Shares of the rows, 0 to 1.
    public let expected: Double
    public let actual: Double
}

/// How far a feature has moved from its baseline.
public struct FeatureDrift: Sendable, Codable, Equatable {
    public let feature: String
    public let baselineCount: Int
    public let currentCount: Int
    /// Population stability index over the bins below; nil when either side has no rows.
    public let psi: Double?
    /// Kolmogorov-Smirnov over the values that are not null; nil for categories, and when either side has none.
    public let ks: Double?
    public let ksPValue: Double?
    public let baselineNullShare: Double
    public let currentNullShare: Double
    public let bins: [DriftBin]
}
