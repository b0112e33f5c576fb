import Core

/// The values that a search may give one parameter.
///
/// As JSON or YAML: `{"type": "float", "low": 0.01, "high": 0.3, "log": true}`, `{"type": "int", "low": 8, "high": 64}`
/// (both ends included), `{"type": "categorical", "choices": [31, 63]}` or just the list `[31, 63]`.
public enum ParameterRange: Sendable, Equatable {
    case float(low: Double, high: Double, log: Bool)
    case int(low: Int64, high: Int64, log: Bool)
    case categorical([JSONValue])

    /// Throws `invalid_argument` naming the parameter and the bound that is wrong.
    func validate(name: String) throws {
        func fail(_ why: String) -> NestboxError { .invalid("the search range of `\(name)` is not valid: \(why)") }
        switch self {
        case .float(let low, let high, let log):
            guard low.isFinite, high.isFinite, (high - low).isFinite else {
                throw fail("a bound is not a finite number")
            }
            guard low <= high else { throw fail("`low` is \(low), above `high` \(high)") }
            guard !log || low > 0 else { throw fail("`low` is \(low); a logarithmic range must be above 0") }
        case .int(let low, let high, let log):
            // Beyond 2^53 a position in the range could not be computed exactly.
            let limit: Int64 = 1 << 53
            guard (-limit...limit).contains(low), (-limit...limit).contains(high) else {
                throw fail("its bounds must lie within 2^53 of zero")
            }
            guard low <= high else { throw fail("`low` is \(low), above `high` \(high)") }
            guard !log || low > 0 else { throw fail("`low` is \(low); a logarithmic range must be above 0") }
        case .categorical(let choices):
            guard !choices.isEmpty else { throw fail("it has no choices") }
            guard Set(choices).count == choices.count else { throw fail("a choice appears twice") }
        }
    }

    /// The value at a position from 0 (low) to just below 1 (high).
    func value(at unit: Double) -> JSONValue {
        switch self {
        case .float(let low, let high, let log):
            let value = log ? exponential(low, high, unit) : low + (high - low) * unit
            return .number(min(max(value, low), high))
        case .int(let low, let high, let log):
            // Half a step is added at both ends, so that the ends are as likely as the rest.
            let (a, b) = (Double(low) - 0.5, Double(high) + 0.5)
            let value = log ? exponential(a, b, unit) : a + (b - a) * unit
            return .int(min(max(Int64(value.rounded()), low), high))
        case .categorical(let choices):
            return choices[min(choices.count - 1, Int(unit * Double(choices.count)))]
        }
    }

    /// Evenly spaced values, at most `steps` of a range, ends included; all choices of a list.
    func grid(steps: Int) -> [JSONValue] {
        let steps = max(1, steps)
        let positions = (0..<steps).map { steps == 1 ? 0.5 : Double($0) / Double(steps - 1) }
        switch self {
        case .float(let low, let high, let log):
            if low == high { return [.number(low)] }
            return positions.map {
                let value = log ? exponential(low, high, $0) : low + (high - low) * $0
                return .number(min(max(value, low), high))
            }
        case .int(let low, let high, let log):
            var values: [JSONValue] = []
            for position in positions {
                let (a, b) = (Double(low), Double(high))
                let value = (log ? exponential(a, b, position) : a + (b - a) * position).rounded()
                let item = JSONValue.int(min(max(Int64(value), low), high))
                if values.last != item { values.append(item) }
            }
            return values
        case .categorical(let choices): return choices
        }
    }
}

extension ParameterRange: Codable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case type, low, high, log, choices }

    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        let name = decoder.codingPath.last?.stringValue ?? "?"
        if let choices = try? decoder.singleValueContainer().decode([JSONValue].self) {
            self = .categorical(choices)
            try validate(name: name)
            return
        }
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys
        where CodingKeys(stringValue: key.stringValue) == nil {
            throw NestboxError.invalid(
                "the search range of `\(name)` has the unknown key `\(key.stringValue)`",
                hint: "its keys are \(CodingKeys.allCases.map(\.stringValue).joined(separator: ", "))")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        let log = try container.decodeIfPresent(Bool.self, forKey: .log) ?? false
        switch type {
        case "float":
            self = .float(
                low: try container.decode(Double.self, forKey: .low),
                high: try container.decode(Double.self, forKey: .high),
                log: log)
        case "int":
            self = .int(
                low: try container.decode(Int64.self, forKey: .low),
                high: try container.decode(Int64.self, forKey: .high),
                log: log)
        case "categorical": self = .categorical(try container.decode([JSONValue].self, forKey: .choices))
        default:
            throw NestboxError.invalid(
                "the search range of `\(name)` has the type `\(type)`",
                hint: "the types are `float`, `int` and `categorical`")
        }
        try validate(name: name)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .float(let low, let high, let log):
            try container.encode("float", forKey: .type)
            try container.encode(low, forKey: .low)
            try container.encode(high, forKey: .high)
            try container.encode(log, forKey: .log)
        case .int(let low, let high, let log):
            try container.encode("int", forKey: .type)
            try container.encode(low, forKey: .low)
            try container.encode(high, forKey: .high)
            try container.encode(log, forKey: .log)
        case .categorical(let choices):
            try container.encode("categorical", forKey: .type)
            try container.encode(choices, forKey: .choices)
        }
    }
}
