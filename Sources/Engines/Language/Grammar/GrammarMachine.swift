/// One level of what is being written: a string, a number, an object at a certain place, …
struct GrammarFrame: Hashable, Sendable {
    enum Kind: UInt8, Sendable { case root, literal, text, pattern, number, object, array }

    /// Where an object or array stands.
    enum Phase: UInt8, Sendable { case opened, key, colon, value, after, comma }

    var kind: Kind
    var phase = Phase.opened
    /// The white space since the last token.
    var spaces: UInt8 = 0
    /// The node; for strings and numbers the automaton.
    var node: Int32
    /// literal: bytes written; text: code points that may still come, or −1; pattern, number: the automaton's state;
    /// object: the place in the trie of names (−1 off it), then the property (−1 another).
    var a: Int32 = 0
    /// text: code points that must still come; object, array: members so far.
    var b: Int32 = 0
    /// A character of a string that has begun: see `GrammarMachine+Text`.
    var decoding: UInt32 = 0
    /// The properties written, as bits; of an ordered object the number of the next.
    var seen: UInt64 = 0
}

/// The push-down automaton of a grammar over bytes. Because alternatives may begin alike, a state is a set of stacks.
/// Frames, stacks and states are numbered when they are first met, and steps remembered.
final class GrammarMachine {
    static let complete: Int32 = 0
    /// The unknown rest of a stack.
    static let hole: Int32 = 1
    /// More stacks at once than any sensible schema needs. What is dropped makes the language smaller, not wrong.
    private static let mostStacks = 4096

    let grammar: Grammar
    private(set) var frames: [GrammarFrame] = []
    private var frameNumbers: [GrammarFrame: Int32] = [:]
    private var tops: [Int32] = [-1, -1]
    private(set) var parents: [Int32] = [-1, -1]
    private(set) var depths: [Int] = [0, 0]
    private var stackNumbers: [SIMD2<Int32>: Int32] = [:]
    private(set) var states: [[Int32]] = []
    private var stateNumbers: [[Int32]: Int32] = [:]
    /// Where a state's 256 steps begin; −1 before its first. Read for every byte of every token, with no other access around.
    @exclusivity(unchecked) private var tables: [Int32] = []
    @exclusivity(unchecked) private var steps: [Int32] = []
    /// Whether a walk that began above the hole may go on below it.
    @exclusivity(unchecked) private(set) var opensHole: [Bool] = []
    var masks: [Int32: TokenMask] = [:]

    init(_ grammar: Grammar) { self.grammar = grammar }

    var size: Int { states.count }

    func start() -> Int32 { state([push(GrammarFrame(kind: .root, node: Int32(grammar.root)), Self.complete)]) }

    func frame(_ stack: Int32) -> GrammarFrame { frames[Int(tops[Int(stack)])] }

    func push(_ frame: GrammarFrame, _ parent: Int32) -> Int32 {
        let number: Int32
        if let known = frameNumbers[frame] {
            number = known
        } else {
            number = Int32(frames.count)
            frames.append(frame)
            frameNumbers[frame] = number
        }
        let key: SIMD2<Int32> = [number, parent]
        if let known = stackNumbers[key] { return known }
        let stack = Int32(tops.count)
        tops.append(number)
        parents.append(parent)
        depths.append(depths[Int(parent)] + 1)
        stackNumbers[key] = stack
        return stack
    }

    func state(_ stacks: [Int32]) -> Int32 {
        if let known = stateNumbers[stacks] { return known }
        let state = Int32(states.count)
        states.append(stacks)
        tables.append(-1)
        opensHole.append(
            stacks.contains { $0 == Self.hole || $0 != Self.complete && parents[Int($0)] == Self.hole && mayEnd($0) })
        stateNumbers[stacks] = state
        return state
    }

    /// The state after `byte`; −1 when nothing that goes on so is in the language.
    @inline(__always)
    func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        let table = tables[Int(state)]
        if table >= 0 {
            let known = steps[Int(table) + Int(byte)]
            if known != -2 { return known }
        }
        return makeNext(state, byte)
    }

    @inline(never)
    private func makeNext(_ state: Int32, _ byte: UInt8) -> Int32 {
        var table = tables[Int(state)]
        if table < 0 {
            table = Int32(steps.count)
            tables[Int(state)] = table
            steps.append(contentsOf: repeatElement(-2, count: 256))
        }
        var out: [Int32] = []
        for stack in states[Int(state)] { step(stack, byte, &out) }
        var result: Int32 = -1
        if !out.isEmpty {
            if out.count > 1 { out = Array(Set(out)).sorted() }
            if out.count > Self.mostStacks { out.removeSubrange(Self.mostStacks...) }
            result = self.state(out)
        }
        steps[Int(table) + Int(byte)] = result
        return result
    }

    /// Whether what stands on the stack may end here.
    private func mayEnd(_ stack: Int32) -> Bool {
        let frame = frame(stack)
        return frame.kind == .number && grammar.automata[Int(frame.node)].accepts[Int(frame.a)]
    }

    func isComplete(_ state: Int32) -> Bool {
        states[Int(state)].contains {
            $0 == Self.complete || $0 != Self.hole && parents[Int($0)] == Self.complete && mayEnd($0)
        }
    }

    // MARK: - Stacks as values

    func export(_ state: Int32) -> [[GrammarFrame]] {
        states[Int(state)].map { stack in
            var frames: [GrammarFrame] = []
            var stack = stack
            while stack > Self.hole {
                frames.append(frame(stack))
                stack = parents[Int(stack)]
            }
            return frames.reversed()
        }
    }

    func state(_ stacks: [[GrammarFrame]]) -> Int32 {
        state(stacks.map { $0.reduce(Self.complete) { push($1, $0) } }.sorted())
    }

    // MARK: - Steps

    private func fits(_ node: Int, _ parent: Int32) -> Bool {
        depths[Int(parent)] + grammar.heights[node] <= Grammar.deepest
    }

    private func step(_ stack: Int32, _ byte: UInt8, _ out: inout [Int32]) {
        guard stack > Self.hole else { return }
        let parent = parents[Int(stack)]
        var frame = frame(stack)
        switch frame.kind {
        case .root: begin(Int(frame.node), byte, parent, &out)
        case .literal:
            guard case .literal(let bytes) = grammar.nodes[Int(frame.node)], bytes[Int(frame.a)] == byte else { return }
            frame.a += 1
            out.append(Int(frame.a) == bytes.count ? parent : push(frame, parent))
        case .text, .pattern:
            switch text(&frame, byte) {
            case .open: out.append(push(frame, parent))
            case .closed: out.append(parent)
            case .dead: break
            }
        case .number:
            let automaton = grammar.automata[Int(frame.node)]
            if automaton.accepts[Int(frame.a)] { step(parent, byte, &out) }
            if let next = automaton.next(frame.a, UInt32(byte)) {
                frame.a = next
                out.append(push(frame, parent))
            }
        case .object: stepObject(frame, stack, byte, &out)
        case .array: stepArray(frame, stack, byte, &out)
        }
    }

    /// White space between tokens.
    private func space(_ frame: GrammarFrame, _ parent: Int32, _ byte: UInt8, _ out: inout [Int32]) -> Bool {
        guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return false }
        guard Int(frame.spaces) < grammar.spaces else { return true }
        var frame = frame
        frame.spaces += 1
        out.append(push(frame, parent))
        return true
    }

    /// Begins a value of a node with its first byte.
    private func begin(_ node: Int, _ byte: UInt8, _ parent: Int32, _ out: inout [Int32]) {
        guard fits(node, parent) else { return }
        switch grammar.nodes[node] {
        case .choice(let choices): for choice in choices { begin(choice, byte, parent, &out) }
        case .literal(let bytes):
            guard bytes.first == byte else { return }
            out.append(bytes.count == 1 ? parent : push(GrammarFrame(kind: .literal, node: Int32(node), a: 1), parent))
        case .text(let least, let most):
            guard byte == UInt8(ascii: "\"") else { return }
            let frame = GrammarFrame(kind: .text, node: 0, a: Int32(clamping: most ?? -1), b: Int32(clamping: least))
            out.append(push(frame, parent))
        case .pattern(let automaton):
            guard byte == UInt8(ascii: "\"") else { return }
            out.append(push(GrammarFrame(kind: .pattern, node: Int32(automaton)), parent))
        case .number(let automaton):
            guard let state = grammar.automata[automaton].next(0, UInt32(byte)) else { return }
            out.append(push(GrammarFrame(kind: .number, node: Int32(automaton), a: state), parent))
        case .object:
            if byte == UInt8(ascii: "{") { out.append(push(GrammarFrame(kind: .object, node: Int32(node)), parent)) }
        case .array:
            if byte == UInt8(ascii: "[") { out.append(push(GrammarFrame(kind: .array, node: Int32(node)), parent)) }
        }
    }

    // MARK: - Arrays

    private func stepArray(_ frame: GrammarFrame, _ stack: Int32, _ byte: UInt8, _ out: inout [Int32]) {
        guard case .array(let list) = grammar.nodes[Int(frame.node)] else { return }
        let parent = parents[Int(stack)]
        if space(frame, parent, byte, &out) { return }
        var frame = frame
        frame.spaces = 0
        if byte == UInt8(ascii: "]"), frame.phase != .comma {
            if Int(frame.b) >= list.least { out.append(parent) }
            return
        }
        guard let item = list.node(Int(frame.b)), fits(item, stack) else { return }
        if frame.phase == .after {
            guard byte == UInt8(ascii: ",") else { return }
            frame.phase = .comma
            out.append(push(frame, parent))
        } else {
            frame.phase = .after
            frame.b = min(frame.b + 1, Int32(clamping: list.saturation))
            begin(item, byte, push(frame, parent), &out)
        }
    }

    // MARK: - Objects

    private func stepObject(_ frame: GrammarFrame, _ stack: Int32, _ byte: UInt8, _ out: inout [Int32]) {
        guard case .object(let object) = grammar.nodes[Int(frame.node)] else { return }
        let parent = parents[Int(stack)]
        var frame = frame
        switch frame.phase {
        case .key:
            switch key(&frame, object, byte, stack) {
            case .open: out.append(push(frame, parent))
            case .closed:
                frame.phase = .colon
                out.append(push(frame, parent))
            case .dead: break
            }
        case .colon:
            guard byte == UInt8(ascii: ":") else { return }
            frame.phase = .value
            out.append(push(frame, parent))
        case .value:
            if space(frame, parent, byte, &out) { return }
            guard let node = frame.a < 0 ? object.additional : object.nodes[Int(frame.a)] else { return }
            (frame.phase, frame.spaces, frame.a) = (.after, 0, 0)
            begin(node, byte, push(frame, parent), &out)
        case .opened, .after, .comma:
            if space(frame, parent, byte, &out) { return }
            frame.spaces = 0
            switch byte {
            case UInt8(ascii: "}") where frame.phase != .comma:
                if requiredLeft(object, frame) == 0, Int(frame.b) >= object.least { out.append(parent) }
            case UInt8(ascii: ",") where frame.phase == .after:
                guard allowsMore(object, frame, stack) else { return }
                frame.phase = .comma
                out.append(push(frame, parent))
            case UInt8(ascii: "\"") where frame.phase != .after:
                guard allowsMore(object, frame, stack) else { return }
                (frame.phase, frame.a) = (.key, 0)
                out.append(push(frame, parent))
            default: break
            }
        }
    }

    private func requiredLeft(_ object: Grammar.Object, _ frame: GrammarFrame) -> Int {
        if object.isOrdered { return object.required.dropFirst(Int(frame.seen)).count { $0 } }
        return (object.requiredBits & ~frame.seen).nonzeroBitCount
    }

    /// Whether one more member leaves room for those that are required.
    private func hasRoom(_ object: Grammar.Object, _ frame: GrammarFrame, isRequired: Bool) -> Bool {
        guard let most = object.most else { return true }
        return Int(frame.b) + requiredLeft(object, frame) + (isRequired ? 0 : 1) <= most
    }

    func allows(_ property: Int, _ object: Grammar.Object, _ frame: GrammarFrame, _ stack: Int32) -> Bool {
        guard fits(object.nodes[property], stack), hasRoom(object, frame, isRequired: object.required[property]) else {
            return false
        }
        guard object.isOrdered else { return frame.seen >> UInt64(property) & 1 == 0 }
        return property >= Int(frame.seen) && !object.required[Int(frame.seen)..<property].contains(true)
    }

    func allowsOther(_ object: Grammar.Object, _ frame: GrammarFrame, _ stack: Int32) -> Bool {
        guard let node = object.additional else { return false }
        return fits(node, stack) && hasRoom(object, frame, isRequired: false)
    }

    private func allowsMore(_ object: Grammar.Object, _ frame: GrammarFrame, _ stack: Int32) -> Bool {
        allowsOther(object, frame, stack) || object.nodes.indices.contains { allows($0, object, frame, stack) }
    }

    /// What the member just named changes.
    func count(_ frame: inout GrammarFrame, _ object: Grammar.Object, _ property: Int32) {
        frame.a = property
        let saturation = max(object.least, object.most ?? 0)
        frame.b = min(frame.b + 1, Int32(clamping: saturation))
        guard property >= 0 else { return }
        frame.seen = object.isOrdered ? UInt64(property) + 1 : frame.seen | 1 << UInt64(property)
    }
}
