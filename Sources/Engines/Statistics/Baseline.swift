import Core
import Tables

/// What is kept of a training table so that later samples of its columns can be compared with it.
public struct Baseline: Sendable, Codable, Equatable {
    public let features: [FeatureBaseline]

    /// Throws on an unknown column.
    public init(_ table: Table, features: [String]) throws {
        self.features = try features.map { FeatureBaseline(name: $0, column: try table.column($0)) }
    }

    public subscript(name: String) -> FeatureBaseline? { features.first { $0.name == name } }
}

/// One column's baseline: counts per bin for the stability index, and order statistics for Kolmogorov-Smirnov.
///
/// Numbers and timestamps fall into up to ten bins between the deciles of training; a value that fills a whole decile has a
/// bin of its own, so that a column which was constant, or nearly so, shows when it moves. Strings and booleans have a bin
/// each for the most frequent values and one for the rest. Nulls (and values that are not finite) are a bin of their own.
public struct FeatureBaseline: Sendable, Equatable {
    static let numericBins = 10
    static let categoryBins = 30
    /// Of a longer column this many evenly spaced order statistics are kept, which moves the statistic by less than 1/2000.
    static let maximumSample = 2000

    public let name: String
    public let type: ColumnType
    /// Rows, nulls included.
    public let count: Int
    public let nullCount: Int
    /// Inner bounds, ascending: bin b holds values up to and including edges[b], the last everything above.
    let edges: [Double]
    /// For categories: their values, most frequent first.
    let categories: [String]
    /// Per bin; for categories the last is "other".
    let counts: [Int]
    /// Order statistics, ascending; empty for categories.
    let sample: [Double]

    var isNumeric: Bool { type != .string && type != .bool }

    public init(name: String, column: Column) {
        self.name = name
        type = column.type
        count = column.count
        switch Self.values(column) {
        case .numbers(let values):
            let sorted = values.sorted()
            nullCount = column.count - sorted.count
            categories = []
            edges = Self.edges(sorted)
            counts = Self.count(sorted, edges)
            sample = Self.thin(sorted)
        case .categories(let all):
            nullCount = column.nullCount
            let ordered = all.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
            let kept = ordered.prefix(Self.categoryBins)
            categories = kept.map(\.key)
            counts = kept.map(\.value) + [ordered.dropFirst(kept.count).reduce(0) { $0 + $1.value }]
            edges = []
            sample = []
        }
    }

    /// Bounds at the deciles, where they differ. A decile that equals its neighbour is a value of at least a tenth of the
    /// rows: bounds on both of its sides single it out, also when it is the smallest or the largest of all.
    private static func edges(_ sorted: [Double]) -> [Double] {
        guard let last = sorted.last else { return [] }
        let deciles = (1..<numericBins).map { sorted.quantile(Double($0) / Double(numericBins)) }
        var edges: [Double] = []
        func add(_ edge: Double) { if edges.last.map({ $0 < edge }) ?? true { edges.append(edge) } }
        for (index, edge) in deciles.enumerated() {
            let isRepeated = index + 1 < deciles.count && deciles[index + 1] == edge
            if isRepeated { add(justBelow(edge)) }
            if isRepeated || edge < last { add(edge) }
        }
        return edges
    }

    /// The bound that keeps everything smaller apart from `value`. Near zero it is a normal number: some JSON readers refuse
    /// the others.
    private static func justBelow(_ value: Double) -> Double {
        let below = value.nextDown
        return below.isNormal ? below : min(-Double.leastNormalMagnitude, below)
    }

    /// The bins with their shares in training; the last is that of nulls.
    public var bins: [DriftBin] {
        shown(zip(labels, shares(counts + [nullCount])).map { DriftBin(label: $0, expected: $1, actual: $1) })
    }

    /// Without the gaps beside a singled-out value that nothing has ever fallen into.
    private func shown(_ bins: [DriftBin]) -> [DriftBin] {
        guard isNumeric else { return bins }
        return bins.enumerated().filter { $0 == bins.count - 1 || $1.expected > 0 || $1.actual > 0 }.map(\.element)
    }

    /// Compares a later sample. Whole numbers are accepted where the baseline has floats and the other way round; a column
    /// without any values is accepted whatever its type. Throws `invalid_argument` for another type.
    public func drift(_ current: Column) throws -> FeatureDrift {
        if current.nullCount == current.count {
            return drift(isNumeric ? .numbers([]) : .categories([:]), rows: current.count)
        }
        let fits =
            current.type == type || (current.type.isNumeric && type.isNumeric)
            || (current.type == .int64 && type == .timestamp)
        guard fits else {
            throw NestboxError.invalid(
                "column `\(name)` holds \(current.type.rawValue) values; its baseline has \(type.rawValue)")
        }
        return drift(Self.values(current), rows: current.count)
    }

    /// Compares logged request values; null is a missing value. Throws `invalid_argument` for a value of the wrong kind.
    public func drift(values: [JSONValue]) throws -> FeatureDrift {
        func wrong(_ value: JSONValue) -> NestboxError {
            .invalid("feature `\(name)` was logged as \(value.kind); its baseline has \(type.rawValue)")
        }
        if isNumeric {
            var numbers: [Double] = []
            for value in values where value != .null {
                // JSON has no NaN; they are logged as strings, and count as missing.
                if case .string(let text) = value, ["NaN", "Infinity", "-Infinity"].contains(text) { continue }
                if case .string(let text) = value, type == .timestamp {
                    guard let time = Timestamp(iso8601: text) else { throw wrong(value) }
                    numbers.append(Double(time.milliseconds))
                    continue
                }
                guard let number = value.doubleValue else { throw wrong(value) }
                if number.isFinite { numbers.append(number) }
            }
            return drift(.numbers(numbers), rows: values.count)
        }
        var counts: [String: Int] = [:]
        for value in values where value != .null {
            let text = type == .bool ? value.boolValue.map { String($0) } : value.stringValue
            guard let text else { throw wrong(value) }
            counts[text, default: 0] += 1
        }
        return drift(.categories(counts), rows: values.count)
    }

    private enum Values {
        case numbers([Double])
        case categories([String: Int])
    }

    private static func values(_ column: Column) -> Values {
        switch column {
        case .string(let strings): return .categories(strings.valueCounts())
        case .bool(let values, let validity):
            var counts: [String: Int] = [:]
            for row in values.indices where validity[row] { counts[String(values[row]), default: 0] += 1 }
            return .categories(counts)
        case .int64, .float64, .timestamp: return .numbers((column.doubles ?? []).filter(\.isFinite))
        }
    }

    private func drift(_ current: Values, rows: Int) -> FeatureDrift {
        var actual: [Int], test: KSResult?
        switch current {
        case .numbers(let values):
            let sorted = values.sorted()
            actual = Self.count(sorted, edges)
            test = Drift.kolmogorovSmirnov(sorted: sample, count: count - nullCount, sorted: sorted)
        case .categories(let found):
            actual = categories.map { found[$0] ?? 0 }
            actual.append(found.values.reduce(0, +) - actual.reduce(0, +))
        }
        let nulls = rows - actual.reduce(0, +)
        let expected = counts + [nullCount]
        actual.append(nulls)
        let bins = zip(labels, zip(shares(expected), shares(actual)))
            .map { DriftBin(label: $0, expected: $1.0, actual: $1.1) }
        return FeatureDrift(
            feature: name, baselineCount: count, currentCount: rows, psi: Drift.psi(expected: expected, actual: actual),
            ks: test?.statistic, ksPValue: test?.pValue,
            baselineNullShare: count > 0 ? Double(nullCount) / Double(count) : 0,
            currentNullShare: rows > 0 ? Double(nulls) / Double(rows) : 0, bins: shown(bins))
    }

    private var labels: [String] {
        guard isNumeric else { return categories + ["other", "missing"] }
        guard let first = edges.first, let last = edges.last else { return ["all", "missing"] }
        func text(_ edge: Double) -> String { Self.text(edge, type) }
        /// The value that this bound lies just below.
        func single(after index: Int) -> Double? {
            guard index + 1 < edges.count, Self.justBelow(edges[index + 1]) == edges[index] else { return nil }
            return edges[index + 1]
        }
        let middle = edges.indices.dropLast().map { index in
            if let value = single(after: index) { return text(value) }
            return "\(text(edges[index])) – \(text(single(after: index + 1) ?? edges[index + 1]))"
        }
        let lowest = single(after: 0).map { "< \(text($0))" } ?? "≤ \(text(first))"
        return [lowest] + middle + ["> \(text(last))", "missing"]
    }

    private static func text(_ value: Double, _ type: ColumnType) -> String {
        if type == .timestamp, let milliseconds = Int64(exactly: value.rounded()) {
            return Timestamp(milliseconds: milliseconds).iso8601
        }
        if let whole = Int64(exactly: value) { return String(whole) }
        // Four significant digits are enough for a label.
        let magnitude = abs(value)
        guard magnitude >= 1e-3, magnitude < 1e6 else { return String(value) }
        var scale = 1.0
        while magnitude * scale < 1000 { scale *= 10 }
        return String((value * scale).rounded() / scale)
    }

    private func shares(_ counts: [Int]) -> [Double] {
        let total = Double(max(1, counts.reduce(0, +)))
        return counts.map { Double($0) / total }
    }

    /// Counts of ascending values per bin.
    private static func count(_ sorted: [Double], _ edges: [Double]) -> [Int] {
        var counts = [Int](repeating: 0, count: edges.count + 1), bin = 0
        for value in sorted {
            while bin < edges.count, value > edges[bin] { bin += 1 }
            counts[bin] += 1
        }
        return counts
    }

    private static func thin(_ sorted: [Double]) -> [Double] {
        guard sorted.count > maximumSample else { return sorted }
        // The middle of each of equal stretches, so that both ends are represented alike.
        return (0..<maximumSample).map { sorted[(2 * $0 + 1) * sorted.count / (2 * maximumSample)] }
    }
}

extension FeatureBaseline: Codable {
    private enum CodingKeys: String, CodingKey { case name, type, count, nullCount, edges, categories, counts, sample }

    /// Throws `NestboxError` for values that do not fit together.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        type = try container.decode(ColumnType.self, forKey: .type)
        count = try container.decode(Int.self, forKey: .count)
        nullCount = try container.decode(Int.self, forKey: .nullCount)
        edges = try container.decode([Double].self, forKey: .edges)
        categories = try container.decode([String].self, forKey: .categories)
        counts = try container.decode([Int].self, forKey: .counts)
        sample = try container.decode([Double].self, forKey: .sample)
        let limit = 1 << 44
        let isAscending =
            zip(edges, edges.dropFirst()).allSatisfy { $0 < $1 }
            && zip(sample, sample.dropFirst()).allSatisfy { $0 <= $1 }
        guard (0...limit).contains(count), (0...count).contains(nullCount),
            counts.allSatisfy({ (0...limit).contains($0) }), counts.count <= 1 << 16,
            counts.reduce(0, +) == count - nullCount, counts.count == 1 + (isNumeric ? edges.count : categories.count),
            isAscending, edges.allSatisfy(\.isFinite), sample.allSatisfy(\.isFinite)
        else {
            throw NestboxError.invalid("the baseline of `\(name)` is not valid: its parts do not fit together")
        }
    }
}
