/// A value while a template runs, with Python's meaning of equality, truth, order and text.
enum PythonValue {
    case undefined(Undefined)
    case none
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(PythonString)
    case sequence(PythonSequence)
    case dict(PythonDict)
    case iterator(PythonIterator)
    case namespace(PythonNamespace)
    case callable(PythonCallable)
    case loop(TemplateLoop)

    /// What a missing variable, key or attribute gives. It prints as nothing and refuses nearly everything else.
    struct Undefined {
        var message: String
    }

    static func text(_ bytes: some Sequence<UInt8>) -> PythonValue { .string(PythonString(bytes: Array(bytes))) }
    static func text(_ text: String) -> PythonValue { .string(PythonString(bytes: Array(text.utf8))) }
    static func list(_ items: [PythonValue]) throws -> PythonValue { .sequence(try PythonSequence(.list, items)) }
    static func tuple(_ items: [PythonValue]) throws -> PythonValue { .sequence(try PythonSequence(.tuple, items)) }
    static func undefined(_ message: String) -> PythonValue { .undefined(Undefined(message: message)) }

    var extent: Extent {
        switch self {
        case .sequence(let sequence): sequence.extent
        case .dict(let dict): dict.extent
        case .iterator(let iterator): iterator.extent
        case .callable(let callable): callable.extent
        case .loop(let loop): loop.extent
        default: Extent()
        }
    }

    /// How deep values lie inside a value, and how many. Values are walked recursively, and a list that holds another one
    /// twice is walked as often as it is written out.
    struct Extent {
        static let deepest = 100
        static let largest = 4_000_000

        var depth = 0
        var count = 1

        init() {}

        init(around items: some Sequence<PythonValue>) throws {
            for item in items {
                let inner = item.extent
                depth = max(depth, inner.depth)
                count += inner.count
                if count > Self.largest { throw Self.tooLarge }
            }
            depth += 1
            if depth > Self.deepest { throw Self.tooLarge }
        }

        private static var tooLarge: TemplateFailure {
            TemplateFailure(
                kind: .limit,
                message: "the template makes a list or dict of more than \(largest) values or \(deepest) levels",
                position: nil)
        }
    }
}

struct PythonString {
    var bytes: [UInt8]
    /// Marked by `safe` or `escape`: what is added to it is escaped as HTML.
    var isMarkup = false
}

/// A list, tuple, range or view of a dict. Nothing can change one: the sandbox refuses it.
final class PythonSequence {
    enum Kind { case list, tuple, range, keys, values, items }

    let kind: Kind
    let items: [PythonValue]
    let extent: PythonValue.Extent

    init(_ kind: Kind, _ items: [PythonValue]) throws {
        self.kind = kind
        self.items = items
        extent = try .init(around: items)
    }
}

/// A dict: its keys in the order of their first insertion.
final class PythonDict {
    /// What a key is equal to: 1, 1.0 and True are one key.
    enum Key: Hashable {
        case none
        case int(Int64)
        case double(Double)
        case string([UInt8])
        case tuple([Key])
        case other(ObjectIdentifier)
    }

    let keys: [PythonValue]
    let values: [PythonValue]
    let extent: PythonValue.Extent
    private let places: [Key: Int]

    init(_ entries: [(PythonValue, PythonValue)]) throws {
        var keys: [PythonValue] = []
        var values: [PythonValue] = []
        var places: [Key: Int] = [:]
        places.reserveCapacity(entries.count)
        for (key, value) in entries {
            let hashed = try key.key()
            if let place = places[hashed] {
                values[place] = value
            } else {
                places[hashed] = keys.count
                keys.append(key)
                values.append(value)
            }
        }
        extent = try .init(around: values + keys)
        self.keys = keys
        self.values = values
        self.places = places
    }

    func place(_ key: Key) -> Int? { places[key] }

    subscript(key: [UInt8]) -> PythonValue? { places[.string(key)].map { values[$0] } }

    var entries: [(PythonValue, PythonValue)] { Array(zip(keys, values)) }

    func items() throws -> [PythonValue] { try zip(keys, values).map { try .tuple([$0, $1]) } }
}

/// What `map`, `selectattr` and others give: values that can be walked over once, and that are not made before, so that
/// what is never looked at cannot fail.
final class PythonIterator {
    private var items: [PythonValue] = []
    private var at = 0
    private var make: (() throws -> [PythonValue])?
    let extent: PythonValue.Extent

    /// - Parameter source: what the values are made of.
    init(of source: PythonValue, _ make: @escaping () throws -> [PythonValue]) throws {
        extent = try .init(around: [source])
        self.make = make
    }

    private func fill() throws {
        guard let make else { return }
        self.make = nil
        items = try make()
        _ = try PythonValue.Extent(around: items)
    }

    func next() throws -> PythonValue? {
        try fill()
        guard at < items.count else { return nil }
        at += 1
        return items[at - 1]
    }

    func rest() throws -> [PythonValue] {
        try fill()
        defer { at = items.count }
        return Array(items[at...])
    }
}

/// `namespace(…)`: the one thing whose parts a template can set. The renderer empties it at the end, so that namespaces
/// that hold each other go.
final class PythonNamespace {
    var names: [[UInt8]] = []
    var values: [[UInt8]: PythonValue] = [:]

    func set(_ name: [UInt8], _ value: PythonValue) {
        if values.updateValue(value, forKey: name) == nil { names.append(name) }
    }
}

final class PythonCallable {
    enum Kind {
        case macro(TemplateStatement.Macro, TemplateScope)
        case function(String)
        /// A method that was looked up but not called yet.
        case method(PythonValue, String)
        case cycler([PythonValue])
        case joiner([UInt8])
    }

    /// A macro's is emptied at the end: it holds the scope that holds it.
    var kind: Kind
    /// The state of cyclers and joiners.
    var count = 0

    let extent: PythonValue.Extent

    init(_ kind: Kind) throws {
        self.kind = kind
        switch kind {
        case .method(let value, _): extent = try .init(around: [value])
        case .cycler(let values): extent = try .init(around: values)
        default: extent = .init()
        }
    }
}

/// The variables of one block. Looked up outwards.
final class TemplateScope {
    let parent: TemplateScope?
    private var slots: [Int] = []
    private var values: [PythonValue] = []

    init(_ parent: TemplateScope?) { self.parent = parent }

    func set(_ slot: Int, _ value: PythonValue) {
        if let place = slots.lastIndex(of: slot) {
            values[place] = value
        } else {
            slots.append(slot)
            values.append(value)
        }
    }

    func find(_ slot: Int) -> PythonValue? {
        var scope: TemplateScope? = self
        while let current = scope {
            if let place = current.slots.lastIndex(of: slot) { return current.values[place] }
            scope = current.parent
        }
        return nil
    }
}

/// `loop` inside a `for`.
final class TemplateLoop {
    let items: [PythonValue]
    let level: Int
    let extent: PythonValue.Extent
    var index = 0
    var lastChanged: [PythonValue]?
    /// For recursive loops: the statement and where it stands.
    let recursive: (TemplateStatement.Loop, TemplateScope)?

    init(_ items: [PythonValue], level: Int, recursive: (TemplateStatement.Loop, TemplateScope)?) throws {
        self.items = items
        self.level = level
        self.recursive = recursive
        extent = try .init(around: items)
    }
}

// MARK: - Kinds, truth and equality

extension PythonValue {
    /// Python's name of the type, for errors.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .double: "float"
        case .string: "str"
        case .sequence(let sequence):
            switch sequence.kind {
            case .list: "list"
            case .tuple: "tuple"
            case .range: "range"
            case .keys: "dict_keys"
            case .values: "dict_values"
            case .items: "dict_items"
            }
        case .dict: "dict"
        case .iterator: "generator"
        case .namespace: "Namespace"
        case .callable: "function"
        case .loop: "LoopContext"
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .double(let value): value != 0
        case .string(let value): !value.bytes.isEmpty
        case .sequence(let sequence): !sequence.items.isEmpty
        case .dict(let dict): !dict.keys.isEmpty
        // A LoopContext has a length, which is never 0 inside the loop.
        case .iterator, .namespace, .callable, .loop: true
        }
    }

    var stringBytes: [UInt8]? { if case .string(let value) = self { value.bytes } else { nil } }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }
    var isNone: Bool { if case .none = self { true } else { false } }

    /// The number as an integer, of bools too.
    var integer: Int64? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): value
        default: nil
        }
    }

    var number: Double? {
        if case .double(let value) = self { return value }
        return integer.map(Double.init)
    }

    var identity: ObjectIdentifier? {
        switch self {
        case .sequence(let object): ObjectIdentifier(object)
        case .dict(let object): ObjectIdentifier(object)
        case .iterator(let object): ObjectIdentifier(object)
        case .namespace(let object): ObjectIdentifier(object)
        case .callable(let object): ObjectIdentifier(object)
        case .loop(let object): ObjectIdentifier(object)
        default: nil
        }
    }

    func key() throws -> PythonDict.Key {
        switch self {
        case .none: return .none
        case .bool, .int: return .int(integer ?? 0)
        case .double(let value): return Int64(exactly: value).map { .int($0) } ?? .double(value)
        case .string(let value): return .string(value.bytes)
        case .sequence(let sequence) where sequence.kind == .tuple:
            return .tuple(try sequence.items.map { try $0.key() })
        case .undefined: return .other(ObjectIdentifier(PythonDict.self))
        case .sequence(let sequence) where sequence.kind == .range: return .other(ObjectIdentifier(sequence))
        case .iterator, .namespace, .callable, .loop:
            if let identity { return .other(identity) }
            fallthrough
        default: throw TemplateFailure(kind: .runtime, message: "unhashable type: '\(typeName)'", position: nil)
        }
    }
}
