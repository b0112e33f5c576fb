import Core
import Synchronization

/// A grammar together with a vocabulary, to be shared by all answers that must keep to it. It remembers for each kind of
/// place which tokens may come there whatever stands around it, and which depend on that.
public final class GrammarConstraint: Sendable {
    /// For a frame: the tokens that end inside it, and the places in the trie where it ends before its token does.
    struct Entry: Sendable {
        var mask: TokenMask
        var exits: [Int32]
        /// Whether it may have ended already.
        var exitsAtOnce: Bool
    }

    /// Each has a bit per token.
    private static let mostEntries = 2000

    public let grammar: Grammar
    public let trie: TokenTrie
    /// The most levels that a value may need.
    let highest: Int
    private let entries = Mutex<[GrammarFrame: Entry]>([:])

    public init(_ grammar: Grammar, trie: TokenTrie) {
        self.grammar = grammar
        self.trie = trie
        highest = grammar.heights.filter { $0 <= Grammar.deepest }.max() ?? 0
    }

    func entry(_ frame: GrammarFrame, _ machine: GrammarMachine) -> Entry {
        var frame = frame
        if frame.kind == .text {
            // Lengths that no token reaches are alike.
            let longest = Int32(clamping: trie.longest)
            if frame.a > longest { frame.a = -1 }
            frame.b = min(frame.b, longest + 1)
        }
        if let known = entries.withLock({ $0[frame] }) { return known }
        let state = machine.state([machine.push(frame, GrammarMachine.hole)])
        var entry = Entry(mask: TokenMask(count: trie.count), exits: [], exitsAtOnce: machine.opensHole[Int(state)])
        trie.walk(machine, from: state, under: -1, &entry.mask, &entry.exits)
        entries.withLock {
            if $0.count >= Self.mostEntries { $0 = [:] }
            $0[frame] = entry
        }
        return entry
    }
}

/// How far one answer has come in its grammar. Not to be used by two threads at once.
public final class GrammarState {
    /// So many states are remembered before the machine begins anew.
    private static let mostStates = 20_000
    private static let mostMasks = 200

    public let constraint: GrammarConstraint
    private var machine: GrammarMachine
    private var state: Int32
    /// Whether an end token was taken.
    public private(set) var isFinished = false

    public init(_ constraint: GrammarConstraint) {
        self.constraint = constraint
        machine = GrammarMachine(constraint.grammar)
        state = machine.start()
    }

    private init(copy other: GrammarState) {
        constraint = other.constraint
        machine = GrammarMachine(constraint.grammar)
        state = machine.state(other.machine.export(other.state))
        isFinished = other.isFinished
    }

    /// An independent state at the same place.
    public func copy() -> GrammarState { GrammarState(copy: self) }

    /// Whether what was written is a whole document.
    public var isComplete: Bool { machine.isComplete(state) }

    /// Goes on by one byte; false, and nothing changes, when it does not belong there.
    public func advance(_ byte: UInt8) -> Bool { advance(CollectionOfOne(byte)) }

    /// Goes on by several bytes, or by none of them.
    public func advance(_ bytes: some Sequence<UInt8>) -> Bool {
        guard !isFinished else { return false }
        var next = state
        for byte in bytes {
            next = machine.next(next, byte)
            if next < 0 { return false }
        }
        state = next
        if machine.size > Self.mostStates {
            let stacks = machine.export(state)
            machine = GrammarMachine(constraint.grammar)
            state = machine.state(stacks)
        }
        return true
    }

    /// Goes on by a token; an end token is taken when the document is whole.
    public func advance(token: Int) -> Bool {
        guard !isFinished, token >= 0, token < constraint.trie.count else { return false }
        if constraint.trie.endTokens.contains(token) {
            isFinished = isComplete
            return isFinished
        }
        let bytes = constraint.trie.byteStrings[token]
        return !bytes.isEmpty && advance(bytes)
    }

    /// The tokens that may come next: each of them begins, continues or ends a document of the grammar.
    public func mask() -> TokenMask {
        guard !isFinished else { return TokenMask(count: constraint.trie.count) }
        if let known = machine.masks[state] { return known }
        var mask = TokenMask(count: constraint.trie.count)
        for stack in machine.states[Int(state)] { add(stack, to: &mask) }
        if isComplete { for token in constraint.trie.endTokens { mask[token] = true } }
        if machine.masks.count >= Self.mostMasks { machine.masks = [:] }
        machine.masks[state] = mask
        return mask
    }

    private func add(_ stack: Int32, to mask: inout TokenMask) {
        guard stack != GrammarMachine.complete else { return }
        let parent = machine.parents[Int(stack)]
        var exits: [Int32] = []
        // Close to the greatest depth it matters how deep the rest of the stack is.
        guard machine.depths[Int(stack)] + constraint.trie.mostOpened + constraint.highest < Grammar.deepest else {
            return constraint.trie.walk(machine, from: machine.state([stack]), under: -1, &mask, &exits)
        }
        let entry = constraint.entry(machine.frame(stack), machine)
        mask.formUnion(entry.mask)
        guard parent != GrammarMachine.complete else { return }
        if entry.exitsAtOnce { add(parent, to: &mask) }
        let state = machine.state([parent])
        for exit in entry.exits { constraint.trie.walk(machine, from: state, under: Int(exit), &mask, &exits) }
    }
}
