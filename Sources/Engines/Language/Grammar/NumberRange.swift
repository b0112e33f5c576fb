/// The automata of JSON numbers, with and without bounds.
enum NumberRange {
    /// The longest numbers: a model that has begun a third would write threes for ever, and what a double cannot hold
    /// no reader reads.
    private static let whole = "-?(0|[1-9][0-9]{0,19})"
    private static let fraction = "(\\.[0-9]{1,20})?"

    /// Any JSON number that a double can hold, or any whole one without fraction and exponent.
    static func any(isWhole: Bool) throws -> Automaton {
        let pattern =
            isWhole
            ? "^\(whole)$"
            : "^\(whole)\(fraction)([eE][+-]?([0-9]{1,2}|1[0-9]{2}|2[0-7][0-9]))?$"
                + "|^-?[0-9]\(fraction)[eE][+-]?([0-9]{1,2}|[12][0-9]{2}|30[0-7])$"
        guard let automaton = try PatternParser.automaton(pattern) else { throw AutomatonBuilder.Failure.tooLarge }
        return automaton
    }

    /// Whole numbers that `divisor` divides.
    static func multiples(of divisor: Int) throws -> Automaton? {
        // The first state, the one after the sign, then one per remainder.
        var result = Automaton(edges: [], accepts: [false, false])
        let digits = { (remainder: Int, least: Int) in
            (least...9).map { digit -> Automaton.Edge in
                let code = UInt32(0x30 + digit)
                return .init(low: code, high: code, target: Int32(2 + (remainder * 10 + digit) % divisor))
            }
        }
        result.edges = [[.init(low: 0x2D, high: 0x2D, target: 1)] + digits(0, 0), digits(0, 0)]
        for remainder in 0..<divisor {
            result.edges.append(digits(remainder, 0))
            result.accepts.append(remainder == 0)
        }
        return try result.intersection(try any(isWhole: true))
    }

    /// A bound: the digits of its size before and after the point, and whether the number itself is inside.
    struct Bound {
        var isNegative: Bool
        var whole: [UInt8]
        var fraction: [UInt8]
        var isIncluded: Bool

        /// From decimal text without an exponent.
        init(_ text: String, isIncluded: Bool) {
            let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
            whole = Array((parts.first ?? "0").utf8).map { $0 - 0x30 }
            fraction = parts.count > 1 ? Array(parts[1].utf8).map { $0 - 0x30 } : []
            while fraction.last == 0 { fraction.removeLast() }
            while whole.count > 1, whole[0] == 0 { whole.removeFirst() }
            self.isIncluded = isIncluded
            isNegative = text.hasPrefix("-") && (whole != [0] || !fraction.isEmpty)
        }

        var isZero: Bool { whole == [0] && fraction.isEmpty }
    }

    /// Numbers without an exponent between bounds; nil when there are none.
    static func between(_ low: Bound?, _ high: Bound?, isWhole: Bool) throws -> Automaton? {
        var builder = AutomatonBuilder()
        var pieces: [AutomatonBuilder.Piece] = []
        // From zero upwards.
        if high.map({ !$0.isNegative }) ?? true {
            let least = low.flatMap { $0.isNegative ? nil : $0 }
            pieces.append(try sizes(&builder, least, high, isWhole))
        }
        // Below zero the roles are exchanged. -0 is left out: it is zero, which comes without a sign.
        if low.map(\.isNegative) ?? true {
            let least = high.flatMap { $0.isNegative ? $0 : nil }
            let zero = Bound("0", isIncluded: false)
            let size = try sizes(&builder, least ?? zero, low, isWhole)
            pieces.append(try builder.sequence(try builder.text("-"), size))
        }
        guard !pieces.isEmpty, let automaton = try builder.automaton(try builder.either(pieces)) else { return nil }
        let shape = isWhole ? "^\(whole)$" : "^\(whole)\(fraction)$"
        return try PatternParser.automaton(shape).flatMap { try automaton.intersection($0) }
    }

    /// Sizes between bounds: the digits are followed side by side with those of both bounds, as long as they are equal.
    private static func sizes(
        _ builder: inout AutomatonBuilder, _ low: Bound?, _ high: Bound?, _ isWhole: Bool
    ) throws -> AutomatonBuilder.Piece {
        let piece = AutomatonBuilder.Piece(start: try builder.state(), end: try builder.state())
        let shortest = low?.whole.count ?? 1
        let longest = high?.whole.count ?? max(shortest, 1) + 1
        guard shortest <= longest else { return piece }
        for count in shortest...longest {
            let isOpen = high == nil && count == longest
            var walk = Walk(
                low: low.flatMap { $0.whole.count == count ? $0 : nil },
                high: high.flatMap { $0.whole.count == count ? $0 : nil },
                count: count, isOpen: isOpen, isWhole: isWhole, end: piece.end)
            try walk.whole(&builder, from: piece.start, 0, walk.low != nil, walk.high != nil)
        }
        return piece
    }

    private struct Walk {
        let low: Bound?
        let high: Bound?
        let count: Int
        let isOpen: Bool
        let isWhole: Bool
        let end: Int
        /// The states reached already, by place and by which bounds are still equal.
        var known: [Int: Int] = [:]

        init(low: Bound?, high: Bound?, count: Int, isOpen: Bool, isWhole: Bool, end: Int) {
            (self.low, self.high, self.count, self.isOpen, self.isWhole, self.end) = (
                low, high, count, isOpen, isWhole, end
            )
        }

        mutating func whole(
            _ builder: inout AutomatonBuilder, from state: Int, _ place: Int, _ atLow: Bool, _ atHigh: Bool
        ) throws {
            guard place < count else { return try ending(&builder, from: state, atLow, atHigh) }
            // Without a bound of the same length, a number of several digits has no leading zero.
            let first: UInt8 = place == 0 && count > 1 ? 1 : 0
            let least = max(atLow ? low?.whole[place] ?? 0 : 0, first)
            let most = atHigh ? high?.whole[place] ?? 9 : 9
            guard least <= most else { return }
            for digit in least...most {
                let stillLow = atLow && digit == low?.whole[place]
                let stillHigh = atHigh && digit == high?.whole[place]
                let key = (place + 1) * 4 + (stillLow ? 1 : 0) + (stillHigh ? 2 : 0)
                let isNew = known[key] == nil
                let next = try known[key] ?? builder.state()
                known[key] = next
                builder.step(state, UInt32(digit) + 0x30...UInt32(digit) + 0x30, next)
                if isNew { try whole(&builder, from: next, place + 1, stillLow, stillHigh) }
            }
        }

        private mutating func ending(
            _ builder: inout AutomatonBuilder, from state: Int, _ atLow: Bool, _ atHigh: Bool
        ) throws {
            if isOpen { builder.step(state, 0x30...0x39, state) }
            if isInside(atLow, atHigh, 0) { builder.jump(state, end) }
            guard !isWhole else { return }
            let point = try builder.state()
            builder.step(state, 0x2E...0x2E, point)
            try fraction(&builder, from: point, 0, atLow, atHigh)
        }

        /// Whether the number may end at this place of the fraction: what the bounds still have counts as more than it.
        private func isInside(_ atLow: Bool, _ atHigh: Bool, _ place: Int) -> Bool {
            if atLow, let low, place < low.fraction.count || !low.isIncluded { return false }
            if atHigh, let high, place >= high.fraction.count, !high.isIncluded { return false }
            return true
        }

        private mutating func fraction(
            _ builder: inout AutomatonBuilder, from state: Int, _ place: Int, _ atLow: Bool, _ atHigh: Bool
        ) throws {
            let lowDigit = low.map { place < $0.fraction.count ? $0.fraction[place] : 0 } ?? 0
            let highDigit = high.map { place < $0.fraction.count ? $0.fraction[place] : 0 } ?? 0
            let least = atLow ? lowDigit : 0
            let most = atHigh ? highDigit : 9
            guard least <= most else { return }
            for digit in least...most {
                let stillLow = atLow && digit == lowDigit
                let stillHigh = atHigh && digit == highDigit
                // Behind all digits of the bounds nothing changes any more.
                let depth = max(low?.fraction.count ?? 0, high?.fraction.count ?? 0)
                let key = (count + 2 + min(place + 1, depth + 1)) * 4 + (stillLow ? 1 : 0) + (stillHigh ? 2 : 0)
                let isNew = known[key] == nil
                let next = try known[key] ?? builder.state()
                known[key] = next
                builder.step(state, UInt32(digit) + 0x30...UInt32(digit) + 0x30, next)
                guard isNew else { continue }
                if isInside(stillLow, stillHigh, place + 1) { builder.jump(next, end) }
                try fraction(&builder, from: next, place + 1, stillLow, stillHigh)
            }
        }
    }
}
