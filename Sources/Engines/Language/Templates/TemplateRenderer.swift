/// Runs a template once. It does what compiled Jinja does, with limits: a hostile template ends with an error that says so.
final class TemplateRenderer {
    /// How many times the bodies of loops may run, over all loops.
    static let mostLoopSteps = 1_000_000
    /// Work in small units: an expression is one, as are some bytes or list items that an operation touches.
    static let mostWork = 30_000_000
    /// How deep macros, loops and expressions may run inside each other: with this the stack stays below half a megabyte.
    static let deepest = 300

    /// Why statements end before their last.
    enum Flow { case normal, `break`, `continue` }

    let names: TemplateNames
    let clock: TemplateClock
    var out: [UInt8] = []
    /// Where an error is reported: the expression or statement at hand.
    var position = TemplatePosition()
    private var work = 0
    private var loopSteps = 0
    private var depth = 0
    private var namespaces: [PythonNamespace] = []
    private var macros: [PythonCallable] = []
    /// What is held in buffers around the one at hand.
    private var heldBytes = 0

    init(names: TemplateNames, clock: TemplateClock) {
        self.names = names
        self.clock = clock
    }

    func render(_ body: [TemplateStatement], variables: [String: PythonValue]) throws -> [UInt8] {
        defer { untie() }
        let globals = TemplateScope(nil)
        for (name, value) in variables {
            if let slot = names.existing(name) { globals.set(slot, value) }
        }
        _ = try run(body, in: TemplateScope(globals))
        return out
    }

    /// Takes apart what can hold itself.
    private func untie() {
        for namespace in namespaces { namespace.values = [:] }
        for macro in macros { macro.kind = .function("") }
    }

    func makeNamespace(_ entries: [(PythonValue, PythonValue)]) throws -> PythonValue {
        let namespace = PythonNamespace()
        namespaces.append(namespace)
        for (key, value) in entries {
            guard let name = key.stringBytes else { throw failure("a namespace's names are strings") }
            try set(name, of: namespace, to: value)
        }
        return .namespace(namespace)
    }

    private func set(_ name: [UInt8], of namespace: PythonNamespace, to value: PythonValue) throws {
        guard name.first != UInt8(ascii: "_") else {
            throw failure("a namespace has no names that begin with an underscore")
        }
        namespace.set(name, value)
    }

    func makeMacro(_ macro: TemplateStatement.Macro, _ scope: TemplateScope) throws -> PythonValue {
        let callable = try PythonCallable(.macro(macro, scope))
        macros.append(callable)
        return .callable(callable)
    }

    // MARK: - Limits and errors

    func failure(_ message: String) -> TemplateFailure {
        TemplateFailure(kind: .runtime, message: message, position: position)
    }

    func limit(_ message: String) -> TemplateFailure {
        TemplateFailure(kind: .limit, message: message, position: position)
    }

    func charge(_ units: Int) throws {
        work += units
        if work > Self.mostWork {
            throw limit("the template works for too long: it was stopped after \(Self.mostWork) steps")
        }
    }

    /// For an operation that walks over `value`.
    func charge(for value: PythonValue) throws {
        if case .string(let text) = value {
            try charge(1 + text.bytes.count / 32)
        } else {
            try charge(value.extent.count)
        }
    }

    func countLoopStep() throws {
        loopSteps += 1
        if loopSteps > Self.mostLoopSteps {
            throw limit("the template loops: it was stopped after \(Self.mostLoopSteps) rounds of its loops")
        }
    }

    func nested<T>(_ run: () throws -> T) throws -> T {
        guard depth < Self.deepest else {
            throw limit("the template calls itself or nests more than \(Self.deepest) levels deep")
        }
        depth += 1
        defer { depth -= 1 }
        return try run()
    }

    func write(_ bytes: some Collection<UInt8>) throws {
        guard heldBytes + out.count + bytes.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        out.append(contentsOf: bytes)
    }

    func checked(_ bytes: [UInt8]) throws -> [UInt8] {
        guard bytes.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        try charge(bytes.count / 32)
        return bytes
    }

    /// What `body` writes, in place of writing it.
    func captured(_ body: () throws -> Void) throws -> [UInt8] {
        let outer = out
        heldBytes += outer.count
        out = []
        defer {
            heldBytes -= outer.count
            out = outer
        }
        try body()
        return out
    }

    // MARK: - Statements

    func run(_ body: [TemplateStatement], in scope: TemplateScope) throws -> Flow {
        for statement in body {
            let flow = try nested { try run(statement, in: scope) }
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func run(_ statement: TemplateStatement, in scope: TemplateScope) throws -> Flow {
        position = statement.at
        try charge(1)
        switch statement.kind {
        case .data(let text): try write(text)
        case .output(let node): try write(try text(of: try value(node, scope)))
        case .if(let branches, let otherwise):
            for (test, body) in branches where try value(test, scope).isTrue { return try run(body, in: scope) }
            return try run(otherwise, in: scope)
        case .for(let loop): try run(loop, over: try value(loop.values, scope), in: scope, level: 0)
        case .set(let target, let node): try assign(try value(node, scope), to: target, in: scope)
        case .macro(let macro): scope.set(macro.nameSlot, try makeMacro(macro, scope))
        case .callBlock(let call, let macro):
            try write(try text(of: try self.call(call, scope, caller: try makeMacro(macro, scope))))
        case .break: return .break
        case .continue: return .continue
        case .scope(let body): return try run(body, in: TemplateScope(scope))
        case .setBlock, .filterBlock, .with: return try runBlock(statement.kind, in: scope)
        }
        return .normal
    }

    private func runBlock(_ kind: TemplateStatement.Kind, in scope: TemplateScope) throws -> Flow {
        var flow = Flow.normal
        switch kind {
        case .setBlock(let target, let filter, let body):
            let text = PythonValue.text(try captured { flow = try run(body, in: TemplateScope(scope)) })
            if flow != .normal { return flow }
            try assign(try filter.map { try value($0, scope, filtering: text) } ?? text, to: target, in: scope)
        case .filterBlock(let filter, let body):
            let text = PythonValue.text(try captured { flow = try run(body, in: TemplateScope(scope)) })
            if flow != .normal { return flow }
            try write(try self.text(of: try value(filter, scope, filtering: text)))
        case .with(let values, let body):
            let inner = TemplateScope(scope)
            for (target, node) in values { try assign(try value(node, scope), to: target, in: inner) }
            return try run(body, in: inner)
        default: break
        }
        return flow
    }

    func assign(_ value: PythonValue, to target: TemplateStatement.Target, in scope: TemplateScope) throws {
        switch target {
        case .name(let slot): scope.set(slot, value)
        case .attribute(let slot, let name):
            guard case .namespace(let namespace)? = scope.find(slot) else {
                throw failure("cannot set `.\(name)` of `\(names.names[slot])`: only of a namespace")
            }
            try set(Array(name.utf8), of: namespace, to: value)
        case .tuple(let targets):
            let values = try items(of: value)
            guard values.count == targets.count else {
                throw failure("\(values.count) values for \(targets.count) names")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target, in: scope) }
        }
    }

    // MARK: - Loops

    func run(
        _ loop: TemplateStatement.Loop, over values: PythonValue, in scope: TemplateScope, level: Int
    ) throws {
        var items = try self.items(of: values)
        try charge(items.count)
        let keeps = { (item: PythonValue) throws -> Bool in
            guard let filter = loop.filter else { return true }
            try self.countLoopStep()
            let inner = TemplateScope(scope)
            try self.assign(item, to: loop.target, in: inner)
            return try self.value(filter, inner).isTrue
        }
        // A loop that asks for its length or next item has to know them; otherwise the filter may depend on earlier rounds.
        if loop.usesLoop { items = try items.filter(keeps) }
        let state =
            loop.usesLoop
            ? try TemplateLoop(items, level: level, recursive: loop.isRecursive ? (loop, scope) : nil) : nil
        // Jinja notes a round at its end, which `break` and `continue` jump over.
        var hasFinishedRound = false
        for (index, item) in items.enumerated() {
            try countLoopStep()
            if !loop.usesLoop, try !keeps(item) { continue }
            let inner = TemplateScope(scope)
            if let state {
                state.index = index
                inner.set(TemplateNames.loop, .loop(state))
            }
            try assign(item, to: loop.target, in: inner)
            let flow = try run(loop.body, in: inner)
            if flow == .normal { hasFinishedRound = true }
            if flow == .break { break }
        }
        if !hasFinishedRound { _ = try run(loop.otherwise, in: TemplateScope(scope)) }
    }

    /// What iterating gives; an iterator is used up.
    func items(of value: PythonValue) throws -> [PythonValue] {
        switch value {
        case .undefined: return []
        case .sequence(let sequence): return sequence.items
        case .dict(let dict): return dict.keys
        case .iterator(let iterator): return try nested { try iterator.rest() }
        case .string(let text):
            try charge(text.bytes.count)
            return PythonText.characters(text.bytes[...]).map { .text($0) }
        // A loop is an iterator over the rounds to come; nobody means that.
        case .loop: throw failure("`loop` cannot be iterated over")
        default: throw failure("'\(value.typeName)' object is not iterable")
        }
    }

    // MARK: - Macros

    func call(
        _ macro: TemplateStatement.Macro, _ outer: TemplateScope, _ arguments: TemplateArguments, caller: PythonValue?
    )
        throws -> PythonValue
    {
        let scope = TemplateScope(outer)
        var keywords = arguments.keywords
        var given = arguments.positional[...]
        if macro.usesCaller { scope.set(TemplateNames.caller, caller ?? .undefined("No caller defined")) }
        if !macro.usesCaller, caller != nil {
            throw failure("macro `\(macro.name)` was called with a block but does not use `caller`")
        }
        for parameter in macro.parameters {
            if let value = given.popFirst() {
                guard !keywords.contains(where: { $0.0 == parameter.name }) else {
                    throw failure("macro `\(macro.name)` got several values for `\(parameter.name)`")
                }
                scope.set(parameter.slot, value)
            } else if let place = keywords.firstIndex(where: { $0.0 == parameter.name }) {
                scope.set(parameter.slot, keywords.remove(at: place).1)
            } else if let standard = parameter.standard {
                scope.set(parameter.slot, try value(standard, scope))
            } else {
                scope.set(parameter.slot, .undefined("parameter '\(parameter.name)' was not provided"))
            }
        }
        if macro.usesVarargs { scope.set(TemplateNames.varargs, try .tuple(Array(given))) }
        guard macro.usesVarargs || given.isEmpty else {
            throw failure("macro `\(macro.name)` takes not more than \(macro.parameters.count) argument(s)")
        }
        if macro.usesKwargs {
            let dict = try PythonDict(keywords.map { (.text($0.0), $0.1) })
            scope.set(TemplateNames.kwargs, .dict(dict))
        } else if let unknown = keywords.first {
            throw failure("macro `\(macro.name)` takes no keyword argument `\(unknown.0)`")
        }
        return .text(try captured { _ = try run(macro.body, in: scope) })
    }
}

/// The arguments of a call, evaluated.
struct TemplateArguments {
    var positional: [PythonValue] = []
    var keywords: [(String, PythonValue)] = []

    /// The arguments for the parameters named, in order; nil where none is given.
    func bound(to names: [String], of what: String, _ renderer: TemplateRenderer) throws -> [PythonValue?] {
        guard positional.count <= names.count else {
            throw renderer.failure("`\(what)` takes at most \(names.count) argument(s), \(positional.count) are given")
        }
        var bound: [PythonValue?] = positional + Array(repeating: nil, count: names.count - positional.count)
        for (name, value) in keywords {
            guard let place = names.firstIndex(of: name) else {
                throw renderer.failure("`\(what)` has no argument `\(name)`")
            }
            guard bound[place] == nil else { throw renderer.failure("`\(what)` got several values for `\(name)`") }
            bound[place] = value
        }
        return bound
    }
}
