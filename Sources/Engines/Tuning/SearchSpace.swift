import Core
import Foundation

/// Named ranges to search. As JSON or YAML an object of name to range; reading one validates it.
public struct SearchSpace: Sendable, Equatable {
    public let ranges: [String: ParameterRange]

    /// Throws `invalid_argument` for no ranges, bounds in the wrong order, or a logarithmic range that reaches 0.
    public init(_ ranges: [String: ParameterRange]) throws {
        guard !ranges.isEmpty else { throw NestboxError.invalid("the search space has no parameters") }
        for (name, range) in ranges.sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty else { throw NestboxError.invalid("a parameter of the search space has an empty name") }
            try range.validate(name: name)
        }
        self.ranges = ranges
    }

    /// The parameters of one trial of a random search: the same (space, seed, trial) always gives the same values, and a
    /// parameter's values do not depend on which others are searched.
    public func sample(seed: UInt64, trial: Int) -> [String: JSONValue] {
        var values: [String: JSONValue] = [:]
        for (name, range) in ranges {
            var state = SeededGenerator(seed: seed)
            var mixed = state.next() ^ (UInt64(bitPattern: Int64(trial)) &* 0x9E37_79B9_7F4A_7C15)
            // FNV-1a of the name; Swift's own hashes change from process to process.
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            mixed ^= hash
            var generator = SeededGenerator(seed: mixed)
            // The first output still shows how close two seeds are.
            _ = generator.next()
            values[name] = range.value(at: generator.unit())
        }
        return values
    }

    /// Every combination of at most `steps` values per range and all choices; the last name by alphabet varies fastest.
    ///
    /// Throws `invalid_argument` when there are more than `limit`.
    public func grid(steps: Int, limit: Int = 10_000) throws -> [[String: JSONValue]] {
        guard (1...1_000_000).contains(steps) else {
            throw NestboxError.invalid("a grid of \(steps) steps; expected 1 to 1000000")
        }
        var points: [[String: JSONValue]] = [[:]]
        for (name, range) in ranges.sorted(by: { $0.key < $1.key }) {
            let values = range.grid(steps: min(steps, limit + 1))
            let (count, overflow) = points.count.multipliedReportingOverflow(by: values.count)
            guard !overflow, count <= limit else {
                throw NestboxError.invalid(
                    "the grid has more than \(limit) points at parameter `\(name)`",
                    hint: "take fewer steps or parameters")
            }
            points = points.flatMap { point in
                values.map { value in
                    var next = point
                    next[name] = value
                    return next
                }
            }
        }
        return points
    }
}

extension SearchSpace: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode([String: ParameterRange].self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(ranges)
    }
}

/// low * (high / low) ^ unit, exact at both ends.
func exponential(_ low: Double, _ high: Double, _ unit: Double) -> Double {
    if unit <= 0 { return low }
    if unit >= 1 { return high }
    return exp(log(low) + (log(high) - log(low)) * unit)
}
