/// A deterministic automaton over code points. From each of its states an accepting one can be reached, so that whoever
/// follows it never comes to a dead end.
struct Automaton: Sendable {
    struct Edge: Sendable {
        var low: UInt32
        var high: UInt32
        var target: Int32
    }

    /// Sorted by code point; the first state is where it begins.
    var edges: [[Edge]]
    var accepts: [Bool]

    func next(_ state: Int32, _ code: UInt32) -> Int32? {
        let edges = edges[Int(state)]
        var (low, high) = (0, edges.count)
        while low < high {
            let middle = (low + high) / 2
            if edges[middle].high < code { low = middle + 1 } else { high = middle }
        }
        return low < edges.count && edges[low].low <= code ? edges[low].target : nil
    }

    /// Whether any code point of a range leads on.
    func leadsOn(_ state: Int32, _ range: ClosedRange<UInt32>) -> Bool {
        edges[Int(state)].contains { $0.low <= range.upperBound && $0.high >= range.lowerBound }
    }

    /// The automaton that also asks for a length between the bounds, in code points; nil when nothing is left, and an error
    /// when it would be too large.
    func limited(to bounds: ClosedRange<Int>, openEnd: Bool) throws -> Automaton? {
        let most = openEnd ? bounds.lowerBound : bounds.upperBound
        let (size, overflow) = edges.count.multipliedReportingOverflow(by: most + 1)
        guard most < 1 << 20, !overflow, size <= AutomatonBuilder.mostStates else {
            throw AutomatonBuilder.Failure.tooLarge
        }
        var result = Automaton(edges: [], accepts: [])
        for count in 0...most {
            for state in edges.indices {
                let next = openEnd ? min(count + 1, most) : count + 1
                result.edges.append(
                    next > most
                        ? []
                        : edges[state].map {
                            Edge(low: $0.low, high: $0.high, target: $0.target + Int32(next * edges.count))
                        })
                result.accepts.append(accepts[state] && count >= bounds.lowerBound)
            }
        }
        return result.trimmed()
    }

    /// The automaton of what both accept; nil when that is nothing.
    func intersection(_ other: Automaton) throws -> Automaton? {
        var numbers: [SIMD2<Int32>: Int32] = [[0, 0]: 0]
        var pairs: [SIMD2<Int32>] = [[0, 0]]
        var result = Automaton(edges: [], accepts: [])
        var at = 0
        while at < pairs.count {
            let pair = pairs[at]
            at += 1
            result.accepts.append(accepts[Int(pair[0])] && other.accepts[Int(pair[1])])
            var edges: [Edge] = []
            for a in self.edges[Int(pair[0])] {
                for b in other.edges[Int(pair[1])] where a.low <= b.high && b.low <= a.high {
                    let target: SIMD2<Int32> = [a.target, b.target]
                    if numbers[target] == nil {
                        guard pairs.count < AutomatonBuilder.mostStates else { throw AutomatonBuilder.Failure.tooLarge }
                        numbers[target] = Int32(pairs.count)
                        pairs.append(target)
                    }
                    edges.append(Edge(low: max(a.low, b.low), high: min(a.high, b.high), target: numbers[target] ?? 0))
                }
            }
            result.edges.append(edges)
        }
        return result.trimmed()
    }

    /// Without states that lead nowhere; nil when the first is one of them.
    func trimmed() -> Automaton? {
        var sources: [[Int32]] = Array(repeating: [], count: edges.count)
        for (state, edges) in edges.enumerated() {
            for edge in edges { sources[Int(edge.target)].append(Int32(state)) }
        }
        var lives = accepts
        var open = accepts.indices.filter { accepts[$0] }.map { Int32($0) }
        while let state = open.popLast() {
            for source in sources[Int(state)] where !lives[Int(source)] {
                lives[Int(source)] = true
                open.append(source)
            }
        }
        guard lives.first == true else { return nil }
        // Reachable from the first, in the order found.
        var places = [Int32](repeating: -1, count: edges.count)
        var order: [Int32] = [0]
        places[0] = 0
        var at = 0
        while at < order.count {
            for edge in edges[Int(order[at])] where lives[Int(edge.target)] && places[Int(edge.target)] < 0 {
                places[Int(edge.target)] = Int32(order.count)
                order.append(edge.target)
            }
            at += 1
        }
        return Automaton(
            edges: order.map { state in
                edges[Int(state)].compactMap { edge in
                    let place = places[Int(edge.target)]
                    return place < 0 ? nil : Edge(low: edge.low, high: edge.high, target: place)
                }
            }, accepts: order.map { accepts[Int($0)] })
    }

    func matches(_ text: String) -> Bool {
        var state: Int32 = 0
        for scalar in text.unicodeScalars {
            guard let next = next(state, scalar.value) else { return false }
            state = next
        }
        return accepts[Int(state)]
    }
}

/// Builds automata from pieces, by Thompson's construction and that of subsets.
struct AutomatonBuilder {
    static let mostStates = 50_000

    enum Failure: Error { case tooLarge }

    /// A piece with one way in and one way out.
    struct Piece {
        var start: Int
        var end: Int
    }

    private var steps: [[(ClosedRange<UInt32>, Int)]] = []
    private var jumps: [[Int]] = []
    /// Subsets can be many and large: their making is bounded by its work.
    private var work = 0
    private static let mostWork = 60_000_000

    mutating func state() throws -> Int {
        guard steps.count < Self.mostStates else { throw Failure.tooLarge }
        steps.append([])
        jumps.append([])
        return steps.count - 1
    }

    mutating func jump(_ from: Int, _ to: Int) { jumps[from].append(to) }

    mutating func step(_ from: Int, _ range: ClosedRange<UInt32>, _ to: Int) { steps[from].append((range, to)) }

    mutating func empty() throws -> Piece {
        let state = try state()
        return Piece(start: state, end: state)
    }

    mutating func set(_ ranges: [ClosedRange<UInt32>]) throws -> Piece {
        let piece = Piece(start: try state(), end: try state())
        for range in ranges { step(piece.start, range, piece.end) }
        return piece
    }

    mutating func text(_ text: String) throws -> Piece {
        var piece = try empty()
        for scalar in text.unicodeScalars { piece = try sequence(piece, try set([scalar.value...scalar.value])) }
        return piece
    }

    mutating func sequence(_ first: Piece, _ second: Piece) throws -> Piece {
        jump(first.end, second.start)
        return Piece(start: first.start, end: second.end)
    }

    mutating func either(_ pieces: [Piece]) throws -> Piece {
        let whole = Piece(start: try state(), end: try state())
        for piece in pieces {
            jump(whole.start, piece.start)
            jump(piece.end, whole.end)
        }
        return whole
    }

    mutating func optional(_ piece: Piece) throws -> Piece { try either([piece, try empty()]) }

    mutating func repeated(_ piece: Piece) throws -> Piece {
        let whole = Piece(start: try state(), end: try state())
        jump(whole.start, piece.start)
        jump(whole.start, whole.end)
        jump(piece.end, piece.start)
        jump(piece.end, whole.end)
        return whole
    }

    /// The automaton for a piece; nil when it matches nothing. Mutating, so that an argument that builds comes first.
    mutating func automaton(_ piece: Piece) throws -> Automaton? {
        var numbers: [[Int]: Int32] = [:]
        var sets: [[Int]] = []
        var result = Automaton(edges: [], accepts: [])
        let number = { (set: [Int]) throws -> Int32 in
            if let number = numbers[set] { return number }
            guard sets.count < Self.mostStates else { throw Failure.tooLarge }
            numbers[set] = Int32(sets.count)
            sets.append(set)
            return Int32(sets.count - 1)
        }
        _ = try number(closure([piece.start]))
        var at = 0
        while at < sets.count {
            let set = sets[at]
            at += 1
            result.accepts.append(set.contains(piece.end))
            result.edges.append(try self.edges(of: set, number))
        }
        return result.trimmed()
    }

    private mutating func edges(of set: [Int], _ number: ([Int]) throws -> Int32) throws -> [Automaton.Edge] {
        let steps = set.flatMap { self.steps[$0] }
        var bounds: Set<UInt32> = []
        for (range, _) in steps {
            bounds.insert(range.lowerBound)
            bounds.insert(range.upperBound + 1)
        }
        let cuts = bounds.sorted()
        work += (cuts.count + 4) * (steps.count + 4) + set.count
        guard work <= Self.mostWork else { throw Failure.tooLarge }
        var edges: [Automaton.Edge] = []
        for (low, end) in zip(cuts, cuts.dropFirst()) {
            let targets = steps.filter { $0.0.contains(low) }.map(\.1)
            guard !targets.isEmpty else { continue }
            let target = try number(closure(targets))
            if let last = edges.last, last.target == target, last.high + 1 == low {
                edges[edges.count - 1].high = end - 1
            } else {
                edges.append(.init(low: low, high: end - 1, target: target))
            }
        }
        return edges
    }

    private func closure(_ states: [Int]) -> [Int] {
        var seen = Set(states)
        var open = states
        while let state = open.popLast() {
            for next in jumps[state] where seen.insert(next).inserted { open.append(next) }
        }
        return seen.sorted()
    }
}
