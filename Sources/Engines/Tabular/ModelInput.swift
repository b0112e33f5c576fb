import Core
import Tables

/// One raw input as serving sees it, with what training learned about it.
public struct ModelInput: Sendable, Codable, Equatable {
    /// Categories beyond this many, by frequency, share one bucket: codes must fit a byte, with two to spare.
    static let maximumCategories = 253

    public let name: String
    /// The type in the training table. Numbers of either type are accepted where a number is expected.
    public let type: ColumnType
    /// The categories of strings and booleans ("false", "true"), most frequent first. Nil for numbers and timestamps.
    public let categories: [String]?
    /// Training rows whose category is not in `categories`.
    public let otherCount: Int
    /// Training rows without a value.
    public let nullCount: Int
    /// The observed range, mean, median and standard deviation (n - 1) of numbers; nil when there was no finite value.
    public let minimum: Double?
    public let maximum: Double?
    public let mean: Double?
    public let median: Double?
    public let standardDeviation: Double?

    /// Every input must be present; its value may be null, which means missing.
    public var required: Bool { true }

    var isCategorical: Bool { categories != nil }

    /// Learns an input from its training column.
    init(name: String, column: Column) {
        self.name = name
        type = column.type
        if let counts = Self.categoryCounts(column) {
            let sorted = counts.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
            let kept = sorted.prefix(Self.maximumCategories)
            categories = kept.map(\.key)
            otherCount = sorted.dropFirst(kept.count).reduce(0) { $0 + $1.value }
            nullCount = column.nullCount
            (minimum, maximum, mean, median, standardDeviation) = (nil, nil, nil, nil, nil)
            return
        }
        var values = (column.doubles ?? []).filter(\.isFinite)
        categories = nil
        otherCount = 0
        nullCount = column.count - values.count
        Preprocessor.sort(&values)
        minimum = values.first
        maximum = values.last
        let count = Double(values.count)
        // Dividing before adding cannot overflow, as adding values near the largest double could.
        let average = values.isEmpty ? nil : values.reduce(0) { $0 + $1 / count }
        mean = average
        let middle = values.count / 2
        median =
            values.isEmpty ? nil : values.count % 2 == 1 ? values[middle] : values[middle - 1] / 2 + values[middle] / 2
        if let average, values.count > 1 {
            let variance = values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / (count - 1)
            standardDeviation = variance.isFinite ? variance.squareRoot() : nil
        } else {
            standardDeviation = nil
        }
    }

    /// How often each category occurs; nil for columns that are not categorical.
    private static func categoryCounts(_ column: Column) -> [String: Int]? {
        switch column {
        case .string(let strings):
            var counts = [Int](repeating: 0, count: strings.dictionary.count)
            for code in strings.codes where code >= 0 { counts[Int(code)] += 1 }
            let used = zip(strings.dictionary, counts).filter { $0.1 > 0 }
            return Dictionary(used, uniquingKeysWith: +)
        case .bool(let values, let validity):
            var counts: [String: Int] = [:]
            for row in values.indices where validity[row] { counts[String(values[row]), default: 0] += 1 }
            return counts
        case .int64, .float64, .timestamp:
            return nil
        }
    }

    /// What a value of the wrong type is told.
    func typeError(got: String) -> NestboxError {
        let expected =
            switch type {
            case .int64, .float64: "a number (\(type.rawValue))"
            case .bool: "a boolean"
            case .string: "a string"
            case .timestamp: "a timestamp or milliseconds since 1970"
            }
        return .invalid("column `\(name)` holds \(got); the model expects \(expected)")
    }

    /// Throws unless the fields agree with each other; for values read from outside.
    func validate() throws {
        func fail(_ why: String) -> NestboxError { .invalid("the model's input `\(name)` is not valid: \(why)") }
        guard !name.isEmpty else { throw fail("its name is empty") }
        guard otherCount >= 0, nullCount >= 0 else { throw fail("a count is negative") }
        guard (type == .string || type == .bool) == isCategorical else {
            throw fail("`categories` must be there for strings and booleans, and only for them")
        }
        if let categories {
            guard categories.count <= Self.maximumCategories else {
                throw fail("\(categories.count) categories; expected at most \(Self.maximumCategories)")
            }
            guard Set(categories).count == categories.count else { throw fail("a category appears twice") }
        }
        for value in [minimum, maximum, mean, median, standardDeviation] {
            guard value?.isFinite ?? true else { throw fail("a statistic is not finite") }
        }
        guard standardDeviation ?? 0 >= 0 else { throw fail("`standardDeviation` is negative") }
    }
}
