import Foundation

extension TemplateRenderer {
    /// The value of an expression. `filtering` is what a filter without a value of its own works on.
    func value(_ node: TemplateNode, _ scope: TemplateScope, filtering: PythonValue? = nil) throws -> PythonValue {
        position = node.at
        try charge(1)
        switch node.kind {
        case .none: return .none
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .double(let value): return .double(value)
        case .string(let text): return .text(text)
        case .name(let slot): return variable(slot, scope)
        case .attribute(let of, let name):
            return try attribute(name, of: try inner(of, scope), at: node.at)
        case .filter(let of, let name, let arguments):
            let value = try of.map { try inner($0, scope, filtering: filtering) } ?? filtering ?? .none
            let evaluated = try evaluate(arguments, scope)
            position = node.at
            return try filter(name, value, evaluated)
        case .call: return try call(node, scope, caller: nil)
        case .and(let left, let right):
            let value = try inner(left, scope)
            return value.isTrue ? try inner(right, scope) : value
        case .or(let left, let right):
            let value = try inner(left, scope)
            return value.isTrue ? value : try inner(right, scope)
        case .not(let node): return .bool(try !inner(node, scope).isTrue)
        case .conditional(let test, let then, let otherwise):
            if try inner(test, scope).isTrue { return try inner(then, scope) }
            return try otherwise.map { try inner($0, scope) }
                ?? .undefined("the inline if-expression was false and has no else")
        default: return try rareValue(node, scope)
        }
    }

    /// One level further in.
    private func inner(_ node: TemplateNode, _ scope: TemplateScope, filtering: PythonValue? = nil) throws
        -> PythonValue
    {
        try nested { try value(node, scope, filtering: filtering) }
    }

    /// The other kinds of expressions: apart, so that the frames of the common ones stay small.
    private func rareValue(_ node: TemplateNode, _ scope: TemplateScope) throws -> PythonValue {
        switch node.kind {
        case .list(let nodes): return try .list(try nodes.map { try inner($0, scope) })
        case .tuple(let nodes): return try .tuple(try nodes.map { try inner($0, scope) })
        case .dict(let nodes):
            return .dict(try PythonDict(try nodes.map { (try inner($0, scope), try inner($1, scope)) }))
        case .item(let of, let key):
            let value = try inner(of, scope)
            return try item(try inner(key, scope), of: value, at: node.at)
        case .slice(let of, let start, let stop, let step):
            let value = try inner(of, scope)
            let bounds = try [start, stop, step].map { node in try node.map { try inner($0, scope) } }
            position = node.at
            return try slice(value, bounds)
        case .test(let of, let name, let arguments):
            let value = try inner(of, scope)
            let evaluated = try evaluate(arguments, scope)
            position = node.at
            return .bool(try test(name, value, evaluated))
        case .negative(let of): return try sign(try inner(of, scope), negative: true)
        case .positive(let of): return try sign(try inner(of, scope), negative: false)
        case .binary(let left, let operation, let right):
            let (left, right) = (try inner(left, scope), try inner(right, scope))
            position = node.at
            return try binary(left, operation, right)
        case .concatenation(let nodes):
            var bytes: [UInt8] = []
            for node in nodes { bytes = try checked(bytes + (try text(of: try inner(node, scope)))) }
            return .text(bytes)
        case .compare(let first, let operands):
            var left = try inner(first, scope)
            for (comparison, node) in operands {
                let right = try inner(node, scope)
                position = node.at
                guard try compare(left, comparison, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        default: return .none
        }
    }

    private func variable(_ slot: Int, _ scope: TemplateScope) -> PythonValue {
        if let value = scope.find(slot) { return value }
        let name = names.names[slot]
        if Self.functions.contains(name), let function = try? PythonCallable(.function(name)) {
            return .callable(function)
        }
        return .undefined("'\(name)' is undefined")
    }

    func evaluate(_ arguments: TemplateNode.Arguments, _ scope: TemplateScope) throws -> TemplateArguments {
        var result = TemplateArguments()
        for node in arguments.positional { result.positional.append(try inner(node, scope)) }
        for (name, node) in arguments.keywords { result.keywords.append((name, try inner(node, scope))) }
        if let rest = arguments.rest { result.positional += try items(of: try inner(rest, scope)) }
        if let rest = arguments.keywordRest {
            guard case .dict(let dict) = try inner(rest, scope) else { throw failure("`**` needs a dict") }
            for (key, value) in dict.entries {
                guard let name = key.stringBytes else { throw failure("keywords must be strings") }
                let text = String(decoding: name, as: UTF8.self)
                guard !result.keywords.contains(where: { $0.0 == text }) else {
                    throw failure("the argument `\(text)` is given twice")
                }
                result.keywords.append((text, value))
            }
        }
        return result
    }

    // MARK: - Calls

    func call(_ node: TemplateNode, _ scope: TemplateScope, caller: PythonValue?) throws -> PythonValue {
        guard case .call(let callee, let arguments) = node.kind else { throw failure("only a macro can be called") }
        if case .attribute(let of, let name) = callee.kind {
            let receiver = try inner(of, scope)
            // Methods are called without being made values first.
            if isMethod(name, of: receiver) {
                let evaluated = try evaluate(arguments, scope)
                position = node.at
                return try method(name, of: receiver, evaluated)
            }
            let function = try attribute(name, of: receiver, at: callee.at)
            let evaluated = try evaluate(arguments, scope)
            position = node.at
            return try nested { try call(function, evaluated, caller: caller) }
        }
        let function = try inner(callee, scope)
        let evaluated = try evaluate(arguments, scope)
        position = node.at
        return try nested { try call(function, evaluated, caller: caller) }
    }

    private func call(_ function: PythonValue, _ arguments: TemplateArguments, caller: PythonValue?) throws
        -> PythonValue
    {
        switch function {
        case .undefined(let undefined): throw failure(undefined.message)
        case .loop(let loop):
            guard let (statement, scope) = loop.recursive else {
                throw failure("`loop` can only be called in a loop that is `recursive`")
            }
            let values = try arguments.bound(to: ["iterable"], of: "loop", self)[0] ?? .none
            return .text(try captured { try run(statement, over: values, in: scope, level: loop.level + 1) })
        case .callable(let callable):
            switch callable.kind {
            case .macro(let macro, let scope): return try call(macro, scope, arguments, caller: caller)
            case .function(let name): return try self.function(name, arguments)
            case .method(let receiver, let name): return try method(name, of: receiver, arguments)
            case .cycler: throw failure("a cycler cannot be called: use its `next()`")
            case .joiner(let separator):
                callable.count += 1
                return callable.count == 1 ? .text("") : .text(separator)
            }
        default: throw failure("'\(function.typeName)' object is not callable")
        }
    }

    static let functions: Set<String> = [
        "range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now",
    ]

    private func function(_ name: String, _ arguments: TemplateArguments) throws -> PythonValue {
        switch name {
        case "raise_exception":
            let message = try arguments.bound(to: ["message"], of: name, self)[0] ?? .none
            throw TemplateFailure(
                kind: .raised, message: String(decoding: try text(of: message), as: UTF8.self), position: position)
        case "range": return try range(arguments)
        case "dict": return .dict(try PythonDict(try entries(arguments)))
        case "namespace": return try makeNamespace(try entries(arguments))
        case "strftime_now":
            let format = try arguments.bound(to: ["format"], of: name, self)[0] ?? .none
            guard let bytes = format.stringBytes else { throw failure("`strftime_now` needs a format") }
            return .text(clock.formatted(String(decoding: bytes, as: UTF8.self)))
        case "cycler":
            guard !arguments.positional.isEmpty else { throw failure("`cycler` needs at least one value") }
            return .callable(try PythonCallable(.cycler(arguments.positional)))
        case "joiner":
            let separator = try arguments.bound(to: ["sep"], of: name, self)[0]
            return .callable(try PythonCallable(.joiner(try separator.map { try text(of: $0) } ?? Array(", ".utf8))))
        default: throw failure("there is no function `\(name)`")
        }
    }

    private func range(_ arguments: TemplateArguments) throws -> PythonValue {
        guard arguments.keywords.isEmpty, 1...3 ~= arguments.positional.count else {
            throw failure("`range` takes 1 to 3 numbers")
        }
        let numbers = try arguments.positional.map { value -> Int64 in
            guard let number = value.integer else {
                throw failure("'\(value.typeName)' object cannot be interpreted as an integer")
            }
            return number
        }
        let (start, stop) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
        let step = numbers.count == 3 ? numbers[2] : 1
        guard step != 0 else { throw failure("`range` needs a step other than 0") }
        var items: [PythonValue] = []
        var at = start
        while step > 0 ? at < stop : at > stop {
            // The sandbox's own limit.
            guard items.count < 100_000 else { throw limit("`range` is longer than 100000") }
            items.append(.int(at))
            let (sum, overflow) = at.addingReportingOverflow(step)
            if overflow { break }
            at = sum
        }
        try charge(items.count)
        return .sequence(try PythonSequence(.range, items))
    }

    /// The entries that `dict(…)` makes of a dict or of pairs, and of keywords.
    private func entries(_ arguments: TemplateArguments) throws -> [(PythonValue, PythonValue)] {
        var entries: [(PythonValue, PythonValue)] = []
        guard arguments.positional.count <= 1 else { throw failure("`dict` takes one dict or list of pairs") }
        if let first = arguments.positional.first {
            try charge(for: first)
            if case .dict(let dict) = first {
                entries = dict.entries
            } else {
                for item in try items(of: first) {
                    let pair = try items(of: item)
                    guard pair.count == 2 else { throw failure("`dict` needs pairs, found \(pair.count) values") }
                    entries.append((pair[0], pair[1]))
                }
            }
        }
        return entries + arguments.keywords.map { (.text($0.0), $0.1) }
    }

    // MARK: - Attributes and items

    func attribute(_ name: String, of value: PythonValue, at place: TemplatePosition) throws -> PythonValue {
        position = place
        switch value {
        case .undefined(let undefined): throw failure(undefined.message)
        case .loop(let loop):
            if let value = self.attribute(name, of: loop) { return value }
        case .namespace(let namespace):
            if let value = namespace.values[Array(name.utf8)] { return value }
        default:
            if isChange(name, of: value) { return .undefined(refusal(name, value.typeName)) }
            if isMethod(name, of: value) { return .callable(try PythonCallable(.method(value, name))) }
            if case .dict(let dict) = value, let value = dict[Array(name.utf8)] { return value }
            if case .callable(let callable) = value {
                if case .cycler(let values) = callable.kind, name == "current" {
                    return values[callable.count % values.count]
                }
                if case .macro(let macro, _) = callable.kind, name == "name" { return .text(macro.name) }
            }
        }
        if case .loop = value, isMethod(name, of: value) { return .callable(try PythonCallable(.method(value, name))) }
        return .undefined("'\(value.typeName) object' has no attribute '\(name)'")
    }

    private func attribute(_ name: String, of loop: TemplateLoop) -> PythonValue? {
        let (index, count) = (loop.index, loop.items.count)
        return switch name {
        case "index": .int(Int64(index + 1))
        case "index0": .int(Int64(index))
        case "revindex": .int(Int64(count - index))
        case "revindex0": .int(Int64(count - index - 1))
        case "first": .bool(index == 0)
        case "last": .bool(index == count - 1)
        case "length": .int(Int64(count))
        case "depth": .int(Int64(loop.level + 1))
        case "depth0": .int(Int64(loop.level))
        case "previtem": index > 0 ? loop.items[index - 1] : .undefined("there is no previous item")
        case "nextitem": index + 1 < count ? loop.items[index + 1] : .undefined("there is no next item")
        default: nil
        }
    }

    func item(_ key: PythonValue, of value: PythonValue, at place: TemplatePosition) throws -> PythonValue {
        position = place
        switch value {
        case .undefined(let undefined): throw failure(undefined.message)
        case .dict(let dict):
            if case .sequence(let sequence) = key, sequence.kind == .list { break }
            if case .dict = key { break }
            if let place = dict.place(try key.key()) { return dict.values[place] }
        case .sequence(let sequence):
            let isIndexed = sequence.kind == .list || sequence.kind == .tuple || sequence.kind == .range
            if isIndexed, let index = key.integer {
                if let place = Self.place(index, sequence.items.count) { return sequence.items[place] }
            }
        case .string(let text):
            if let index = key.integer {
                if PythonText.isASCII(text.bytes) {
                    if let place = Self.place(index, text.bytes.count) { return .text([text.bytes[place]]) }
                } else {
                    try charge(text.bytes.count / 4)
                    let characters = PythonText.characters(text.bytes[...])
                    if let place = Self.place(index, characters.count) { return .text(characters[place]) }
                }
            }
        default: break
        }
        if let name = key.stringBytes {
            let name = String(decoding: name, as: UTF8.self)
            if case .dict = value, !isMethod(name, of: value) {
                return .undefined("'dict object' has no attribute '\(name)'")
            }
            return try attribute(name, of: value, at: place)
        }
        return .undefined("\(value.typeName) object has no element \(String(decoding: try repr(key), as: UTF8.self))")
    }

    /// The place that a Python index means; nil outside.
    static func place(_ index: Int64, _ count: Int) -> Int? {
        let place = index < 0 ? index &+ Int64(count) : index
        return 0..<Int64(count) ~= place ? Int(place) : nil
    }

    private func slice(_ value: PythonValue, _ bounds: [PythonValue?]) throws -> PythonValue {
        let numbers = try bounds.map { bound -> Int64? in
            guard let bound, !bound.isNone else { return nil }
            guard let number = bound.integer else { throw failure("slice indices must be integers or None") }
            return number
        }
        guard numbers[2] != 0 else { throw failure("slice step cannot be zero") }
        try charge(for: value)
        switch value {
        case .undefined(let undefined): throw failure(undefined.message)
        case .string(let text):
            if PythonText.isASCII(text.bytes) {
                return .text(Self.places(numbers, text.bytes.count).map { text.bytes[$0] })
            }
            let characters = PythonText.characters(text.bytes[...])
            return .text(Self.places(numbers, characters.count).flatMap { characters[$0] })
        case .sequence(let sequence) where [.list, .tuple, .range].contains(sequence.kind):
            let items = Self.places(numbers, sequence.items.count).map { sequence.items[$0] }
            return .sequence(try PythonSequence(sequence.kind, items))
        default: throw failure("'\(value.typeName)' object is not subscriptable by a slice")
        }
    }

    /// The places that a slice picks from `count` items.
    static func places(_ bounds: [Int64?], _ count: Int) -> [Int] {
        let count = Int64(count)
        let step = bounds[2] ?? 1
        let (low, high): (Int64, Int64) = step > 0 ? (0, count) : (-1, count - 1)
        let clamped = { (bound: Int64?, standard: Int64) -> Int64 in
            guard let bound else { return standard }
            return min(max(bound < 0 ? bound &+ count : bound, low), high)
        }
        var at = clamped(bounds[0], step > 0 ? low : high)
        let stop = clamped(bounds[1], step > 0 ? high : low)
        var places: [Int] = []
        while step > 0 ? at < stop : at > stop {
            places.append(Int(at))
            let (sum, overflow) = at.addingReportingOverflow(step)
            if overflow { break }
            at = sum
        }
        return places
    }
}
