import Core
import Tables

/// What a column holds. Numbers are finite; booleans count as 0 and 1, timestamps as milliseconds since 1970 UTC.
public struct ColumnProfile: Sendable, Codable, Equatable {
    public struct Quantile: Sendable, Codable, Equatable {
        /// The share of values below, 0 to 1.
        public let p: Double
        public let value: Double
    }

    /// Counts between edges; `edges.count == counts.count + 1`, bins are closed on the left and the last on both sides.
    public struct Histogram: Sendable, Codable, Equatable {
        public let edges: [Double]
        public let counts: [Int]
    }

    public struct ValueCount: Sendable, Codable, Equatable {
        public let value: String
        public let count: Int
    }

    public let type: ColumnType
    /// Rows, nulls included.
    public let count: Int
    public let nullCount: Int
    /// NaN and infinite cells; they are left out of everything below.
    public let nonFiniteCount: Int
    /// Exact; nulls are not counted.
    public let distinctCount: Int
    /// Nil for strings, and where there are no values.
    public let minimum: Double?
    public let maximum: Double?
    public let mean: Double?
    /// With n - 1; nil below two values.
    public let standardDeviation: Double?
    /// At 0.01, 0.05, 0.25, 0.5, 0.75, 0.95 and 0.99, interpolated linearly between order statistics. Empty for strings.
    public let quantiles: [Quantile]
    /// Of equal widths; nil for strings and booleans, and where there are no values.
    public let histogram: Histogram?
    /// The most frequent values, by count and then by value.
    public let top: [ValueCount]

    static let probabilities = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]

    public init(_ column: Column, bins: Int = 20, top limit: Int = 10) {
        type = column.type
        count = column.count
        nullCount = column.nullCount
        if case .string(let strings) = column {
            let counts = strings.valueCounts()
            nonFiniteCount = 0
            distinctCount = counts.count
            (minimum, maximum, mean, standardDeviation) = (nil, nil, nil, nil)
            quantiles = []
            histogram = nil
            top = Self.mostFrequent(counts.map { ($0.key, $0.value) }, limit)
            return
        }
        let values = (column.doubles ?? []).filter(\.isFinite).sorted()
        nonFiniteCount = column.count - column.nullCount - values.count
        (distinctCount, top) = Self.runs(column, values, limit)
        minimum = values.first
        maximum = values.last
        let average = Self.mean(values)
        mean = average
        standardDeviation = average.flatMap { Self.deviation(values, mean: $0) }
        quantiles = values.isEmpty ? [] : Self.probabilities.map { Quantile(p: $0, value: values.quantile($0)) }
        histogram = column.type == .bool ? nil : Self.histogram(values, bins: max(1, bins))
    }

    /// Distinct values and the most frequent, from runs of equal values. Whole numbers are compared as such: beyond 2^53
    /// two may be the same double.
    private static func runs(_ column: Column, _ sorted: [Double], _ limit: Int) -> (Int, [ValueCount]) {
        switch column {
        case .int64(let values, let validity), .timestamp(let values, let validity):
            var kept: [Int64] = []
            kept.reserveCapacity(values.count)
            for row in values.indices where validity[row] { kept.append(values[row]) }
            let isTime = column.type == .timestamp
            return runs(kept.sorted(), limit) { isTime ? Timestamp(milliseconds: $0).iso8601 : String($0) }
        case .bool: return runs(sorted, limit) { $0 == 1 ? "true" : "false" }
        default: return runs(sorted, limit) { Int64(exactly: $0).map { String($0) } ?? String($0) }
        }
    }

    private static func runs<T: Equatable>(_ sorted: [T], _ limit: Int, _ text: (T) -> String) -> (Int, [ValueCount]) {
        var runs: [(value: T, count: Int)] = []
        for value in sorted {
            if runs.last?.value == value { runs[runs.count - 1].count += 1 } else { runs.append((value, 1)) }
        }
        // Stable by value, because the runs are in order.
        let most = runs.indices.sorted { (runs[$0].count, $1) > (runs[$1].count, $0) }.prefix(max(0, limit))
        return (runs.count, most.map { ValueCount(value: text(runs[$0].value), count: runs[$0].count) })
    }

    private static func mostFrequent(_ counts: [(String, Int)], _ limit: Int) -> [ValueCount] {
        counts.sorted { $0.1 != $1.1 ? $0.1 > $1.1 : $0.0 < $1.0 }.prefix(max(0, limit))
            .map { ValueCount(value: $0.0, count: $0.1) }
    }

    private static func mean(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sum = values.reduce(0, +)
        // Adding may overflow where dividing first does not.
        return sum.isFinite ? sum / Double(values.count) : values.reduce(0) { $0 + $1 / Double(values.count) }
    }

    private static func deviation(_ values: [Double], mean: Double) -> Double? {
        guard values.count > 1 else { return nil }
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
        return variance.isFinite ? variance.squareRoot() : nil
    }

    private static func histogram(_ sorted: [Double], bins: Int) -> Histogram? {
        guard let low = sorted.first, let high = sorted.last else { return nil }
        guard low < high else { return Histogram(edges: [low, high], counts: [sorted.count]) }
        let edges = (0...bins).map { bin in
            // Weighing both ends stays finite where their difference would not.
            let share = Double(bin) / Double(bins)
            return bin == bins ? high : low * (1 - share) + high * share
        }
        var counts = [Int](repeating: 0, count: bins), bin = 0
        for value in sorted {
            while bin < bins - 1, value >= edges[bin + 1] { bin += 1 }
            counts[bin] += 1
        }
        return Histogram(edges: edges, counts: counts)
    }
}

extension [Double] {
    /// The quantile of ascending values, interpolated linearly (numpy's default). The array must not be empty.
    func quantile(_ p: Double) -> Double {
        let position = p * Double(count - 1)
        let below = Int(position), above = Swift.min(below + 1, count - 1)
        let share = position - Double(below)
        // Between equal values nothing is computed: the sum would miss them by a rounding.
        if share == 0 || self[below] == self[above] { return self[below] }
        return self[below] * (1 - share) + self[above] * share
    }
}

extension StringColumn {
    /// How often each value occurs; nulls are not counted.
    func valueCounts() -> [String: Int] {
        var counts = [Int](repeating: 0, count: dictionary.count)
        for code in codes where code >= 0 { counts[Int(code)] += 1 }
        return Dictionary(zip(dictionary, counts).filter { $0.1 > 0 }, uniquingKeysWith: +)
    }
}
