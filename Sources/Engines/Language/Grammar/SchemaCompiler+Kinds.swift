// The plain keywords: types, enumerations, numbers, strings, objects and arrays.

extension SchemaCompiler {
    /// The kinds of JSON values; whole numbers apart from others.
    enum Kind: String, CaseIterable {
        case null, boolean, integer, number, string, array, object

        init(_ value: TemplateValue) {
            self =
                switch value {
                case .null: .null
                case .bool: .boolean
                case .int: .integer
                case .double(let number): number == number.rounded() ? .integer : .number
                case .string: .string
                case .list: .array
                case .dict: .object
                }
        }
    }

    private static let keywords: [(Set<Kind>, [String])] = [
        ([.object], ["properties", "required", "additionalProperties", "minProperties", "maxProperties"]),
        ([.array], ["items", "prefixItems", "additionalItems", "minItems", "maxItems"]),
        ([.string], ["minLength", "maxLength", "pattern", "format"]),
        ([.integer, .number], ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ]

    /// The kinds that a part allows. One that names no type is taken for the types that its keywords are about.
    func kinds(_ part: Part) throws -> Set<Kind>? {
        guard let type = part["type"] else {
            guard part["enum"] == nil, part["const"] == nil else { return nil }
            let found = Self.keywords.filter { $0.1.contains { part[$0] != nil } }.map(\.0)
            return found.isEmpty ? nil : found.reduce([]) { $0.union($1) }
        }
        let names: [TemplateValue] = if case .list(let names) = type { names } else { [type] }
        var kinds: Set<Kind> = []
        for name in names {
            guard case .string(let text) = name, let kind = Kind(rawValue: text) else {
                throw part.failure(
                    .wrong, "a type is one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))", "type")
            }
            kinds.insert(kind)
            if kind == .number { kinds.insert(.integer) }
        }
        if part["nullable"] == true { kinds.insert(.null) }
        return kinds
    }

    mutating func merged(_ parts: [Part], _ pointer: String) throws -> Int {
        var kinds = Set(Kind.allCases)
        for part in parts { if let allowed = try self.kinds(part) { kinds.formIntersection(allowed) } }
        if parts.isEmpty { return try anyValue() }
        guard !kinds.isEmpty else {
            throw SchemaFailure(
                kind: .impossible, pointer: pointer, message: "the types that it asks for exclude each other")
        }
        if let values = try enumerated(parts) { return try enumeration(values, kinds, parts, pointer) }
        var choices: [Int] = []
        var reason: SchemaFailure?
        for kind in Kind.allCases where kinds.contains(kind) {
            if kind == .integer, kinds.contains(.number) { continue }
            do {
                choices.append(try node(of: kind, parts, pointer))
            } catch let failure as SchemaFailure where failure.kind == .impossible {
                reason = reason ?? failure
            }
        }
        if choices.isEmpty, let reason { throw reason }
        return choices.count == 1 ? choices[0] : try add(.choice(choices), pointer)
    }

    private mutating func node(of kind: Kind, _ parts: [Part], _ pointer: String) throws -> Int {
        switch kind {
        case .null: try literal("null")
        case .boolean: try boolean()
        case .integer, .number: try number(parts, isWhole: kind == .integer, pointer)
        case .string: try string(parts, pointer)
        case .array: try array(parts, pointer)
        case .object: try object(parts, pointer)
        }
    }

    private mutating func literal(_ text: String) throws -> Int {
        try share("literal \(text)") { _ in .literal(Array(text.utf8)) }
    }

    private mutating func boolean() throws -> Int {
        let choices = [try literal("true"), try literal("false")]
        return try share("boolean") { _ in .choice(choices) }
    }

    /// Any JSON value.
    mutating func anyValue() throws -> Int {
        if let node = anyNode { return node }
        let node = try add(.choice([]), "")
        anyNode = node
        let others = [
            try literal("null"), try boolean(), try number([], isWhole: false, ""), try string([], ""),
            try add(.array(.init(prefix: [], items: node, least: 0, most: nil)), ""),
            try add(
                .object(.init(nodes: [], required: [], keys: .init([]), additional: node, isOrdered: false)), ""),
        ]
        nodes[node] = .choice(others)
        return node
    }

    // MARK: - Values that are listed

    private func enumerated(_ parts: [Part]) throws -> [TemplateValue]? {
        var values: [TemplateValue]?
        for part in parts {
            if let one = part["const"] { values = values?.filter { Self.isSame($0, one) } ?? [one] }
            guard let list = part["enum"] else { continue }
            guard case .list(let listed) = list, !listed.isEmpty else {
                throw part.failure(.wrong, "`enum` is a list of values", "enum")
            }
            values = values?.filter { value in listed.contains { Self.isSame($0, value) } } ?? listed
        }
        return values
    }

    static func isSame(_ a: TemplateValue, _ b: TemplateValue) -> Bool {
        switch (a, b) {
        case (.int(let a), .double(let b)), (.double(let b), .int(let a)): return Double(a) == b
        case (.string(let a), .string(let b)): return a.utf8.elementsEqual(b.utf8)
        case (.list(let a), .list(let b)): return a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
        case (.dict(let a), .dict(let b)):
            return a.count == b.count
                && a.allSatisfy { entry in b.contains { $0.key == entry.key && isSame($0.value, entry.value) } }
        default: return a == b
        }
    }

    private mutating func enumeration(
        _ values: [TemplateValue], _ kinds: Set<Kind>, _ parts: [Part], _ pointer: String
    ) throws -> Int {
        let fitting = try values.filter { kinds.contains(Kind($0)) }.filter { try fits($0, parts) }
        guard !fitting.isEmpty else {
            throw SchemaFailure(
                kind: .impossible, pointer: pointer,
                message: "none of the values listed is of the type and within the limits asked for")
        }
        var choices: [Int] = []
        var texts: [String] = []
        for value in fitting {
            if case .string(let text) = value {
                texts.append(text)
            } else {
                choices.append(try constant(value, pointer))
            }
        }
        if !texts.isEmpty {
            var automaton: Automaton?
            do {
                var builder = AutomatonBuilder()
                automaton = try builder.automaton(try builder.either(try texts.map { try builder.text($0) }))
            } catch is AutomatonBuilder.Failure {
                throw SchemaFailure(
                    kind: .unsupported, pointer: pointer + "/enum", message: "the values listed are too long")
            }
            if let automaton { choices.append(try add(.pattern(add(automaton)), pointer)) }
        }
        return choices.count == 1 ? choices[0] : try add(.choice(choices), pointer)
    }

    /// Whether a listed value keeps to the other keywords. Those of its members are not looked at.
    private func fits(_ value: TemplateValue, _ parts: [Part]) throws -> Bool {
        switch value {
        case .string(let text):
            let length = text.unicodeScalars.count
            let limits = try lengths(parts)
            guard limits.least <= length, limits.most.map({ length <= $0 }) ?? true else { return false }
            return try patterns(parts).allSatisfy { $0.matches(text) }
        case .int, .double:
            guard let automaton = try numberAutomaton(parts, isWhole: false) else { return true }
            return automaton.matches(Self.text(value))
        default: return true
        }
    }

    private static func text(_ number: TemplateValue) -> String {
        switch number {
        case .int(let value): String(value)
        // A whole one is written without its fraction, as in the schema's other places.
        case .double(let value): Int64(exactly: value).map { String($0) } ?? PythonText.text(value)
        default: ""
        }
    }

    private mutating func constant(_ value: TemplateValue, _ pointer: String) throws -> Int {
        switch value {
        case .null: return try literal("null")
        case .bool(let flag): return try literal(flag ? "true" : "false")
        case .int, .double: return try literal(Self.text(value))
        case .string(let text):
            var builder = AutomatonBuilder()
            do {
                guard let automaton = try builder.automaton(try builder.text(text)) else { return try anyValue() }
                return try add(.pattern(add(automaton)), pointer)
            } catch is AutomatonBuilder.Failure {
                throw SchemaFailure(kind: .unsupported, pointer: pointer, message: "a value listed is too long")
            }
        case .list(let items):
            let prefix = try items.map { try constant($0, pointer) }
            return try add(.array(.init(prefix: prefix, items: nil, least: prefix.count, most: prefix.count)), pointer)
        case .dict(let entries):
            let inner = try entries.map { try constant($0.value, pointer) }
            return try add(
                .object(
                    .init(
                        nodes: inner, required: inner.map { _ in true }, keys: .init(entries.map(\.key)),
                        additional: nil,
                        isOrdered: inner.count > 64)), pointer)
        }
    }

    // MARK: - Numbers

    private func numberLimit(_ part: Part, _ key: String) throws -> TemplateValue? {
        switch part[key] {
        case nil, .bool(_)?: return nil
        case .int(let value)?: return .int(value)
        case .double(let value)? where value.isFinite && abs(value) < 1e19: return .double(value)
        default: throw part.failure(.wrong, "`\(key)` is a number below 1e19", key)
        }
    }

    private static func value(_ number: TemplateValue) -> Double {
        switch number {
        case .int(let value): Double(value)
        case .double(let value): value
        default: 0
        }
    }

    /// The automaton of the numbers that the parts allow; nil when they say nothing about numbers.
    private func numberAutomaton(_ parts: [Part], isWhole: Bool) throws -> Automaton? {
        var result: Automaton?
        for part in parts {
            do {
                for automaton in try automata(of: part, isWhole) {
                    let both = try result.map { try $0.intersection(automaton) } ?? automaton
                    guard let both else { throw part.failure(.impossible, "no number is within its limits") }
                    result = both
                }
            } catch is AutomatonBuilder.Failure {
                throw part.failure(.unsupported, "the limits of its numbers are too complicated")
            }
        }
        return result
    }

    private func automata(of part: Part, _ isWhole: Bool) throws -> [Automaton] {
        var result: [Automaton] = []
        let bound = { (inclusive: String, exclusive: String, isLower: Bool) throws -> NumberRange.Bound? in
            let closed = try self.numberLimit(part, inclusive)
            let open = try self.numberLimit(part, exclusive)
            // In older drafts the exclusive one says how the other is meant.
            let isOpen = part[exclusive] == true
            var limit = closed.map { ($0, !isOpen) }
            if let open {
                let replaces = limit.map {
                    isLower ? Self.value(open) >= Self.value($0.0) : Self.value(open) <= Self.value($0.0)
                }
                if replaces ?? true { limit = (open, false) }
            }
            return limit.map { NumberRange.Bound(Self.decimal($0.0), isIncluded: $0.1) }
        }
        let low = try bound("minimum", "exclusiveMinimum", true)
        let high = try bound("maximum", "exclusiveMaximum", false)
        if low != nil || high != nil {
            guard let automaton = try NumberRange.between(low, high, isWhole: isWhole) else {
                throw part.failure(.impossible, "no \(isWhole ? "whole " : "")number is within its limits")
            }
            result.append(automaton)
        }
        if let divisor = part["multipleOf"] {
            guard
                divisor == .double(Self.value(divisor).rounded())
                    || { if case .int = divisor { true } else { false } }(),
                1...10_000 ~= Self.value(divisor)
            else {
                throw part.failure(
                    .unsupported, "`multipleOf` other than a whole number up to 10000", "multipleOf",
                    hint: "check the answer")
            }
            if let automaton = try NumberRange.multiples(of: Int(Self.value(divisor))) { result.append(automaton) }
        }
        return result
    }

    /// Decimal text without an exponent.
    private static func decimal(_ number: TemplateValue) -> String {
        let text = text(number)
        let parts = text.split(separator: "e")
        guard parts.count == 2, let exponent = Int(parts[1]) else { return text }
        let sign = text.hasPrefix("-") ? "-" : ""
        let digits = parts[0].filter { $0.isNumber }
        let whole = parts[0].drop { $0 == "-" }.prefix { $0 != "." }.count + exponent
        if whole <= 0 { return sign + "0." + String(repeating: "0", count: -whole) + digits }
        if whole >= digits.count { return sign + digits + String(repeating: "0", count: whole - digits.count) }
        return sign + digits.prefix(whole) + "." + digits.dropFirst(whole)
    }

    private mutating func number(_ parts: [Part], isWhole: Bool, _ pointer: String) throws -> Int {
        if let automaton = try numberAutomaton(parts, isWhole: isWhole) {
            return try add(.number(add(automaton)), pointer)
        }
        return try share(isWhole ? "integer" : "number") { .number($0.add(try NumberRange.any(isWhole: isWhole))) }
    }

    // MARK: - Strings

    func count(_ part: Part, _ key: String) throws -> Int? {
        guard let value = part[key] else { return nil }
        guard let count = Int(exactly: Self.value(value)), count >= 0, Kind(value) == .integer else {
            throw part.failure(.wrong, "`\(key)` is a whole number of at least 0", key)
        }
        return min(count, 1 << 30)
    }

    private func lengths(_ parts: [Part]) throws -> (least: Int, most: Int?) {
        var (least, most): (Int, Int?) = (0, nil)
        for part in parts {
            least = max(least, try count(part, "minLength") ?? 0)
            if let limit = try count(part, "maxLength") { most = min(most ?? limit, limit) }
        }
        return (least, most)
    }

    private func patterns(_ parts: [Part]) throws -> [Automaton] {
        var result: [Automaton] = []
        for part in parts {
            for key in ["pattern", "format"] {
                guard let value = part[key] else { continue }
                guard case .string(var pattern) = value else { throw part.failure(.wrong, "`\(key)` is text", key) }
                if key == "format" {
                    // Formats that nobody knows are remarks, as the standard has it.
                    guard let known = StringFormats.patterns[pattern] else { continue }
                    pattern = known
                }
                do {
                    guard let automaton = try PatternParser.automaton(pattern) else {
                        throw part.failure(.impossible, "no text matches the pattern", key)
                    }
                    result.append(automaton)
                } catch let failure as PatternParser.Failure {
                    throw part.failure(.unsupported, "the pattern `\(pattern)`: \(failure.message)", key)
                } catch is AutomatonBuilder.Failure {
                    throw part.failure(
                        .unsupported, "the pattern is too complicated", key, hint: "use smaller repetitions")
                }
            }
        }
        return result
    }

    private mutating func string(_ parts: [Part], _ pointer: String) throws -> Int {
        let (least, most) = try lengths(parts)
        guard most.map({ least <= $0 }) ?? true else {
            throw SchemaFailure(kind: .impossible, pointer: pointer, message: "`minLength` is larger than `maxLength`")
        }
        let patterns = try patterns(parts)
        guard var automaton = patterns.first else {
            return try share("text \(least) \(most ?? -1)") { _ in .text(least: least, most: most) }
        }
        let none = SchemaFailure(
            kind: .impossible, pointer: pointer, message: "no text matches all patterns and lengths")
        do {
            for other in patterns.dropFirst() {
                guard let both = try automaton.intersection(other) else { throw none }
                automaton = both
            }
            if least > 0 || most != nil {
                guard let limited = try automaton.limited(to: least...(most ?? least), openEnd: most == nil) else {
                    throw none
                }
                automaton = limited
            }
        } catch is AutomatonBuilder.Failure {
            throw SchemaFailure(
                kind: .unsupported, pointer: pointer, message: "a pattern together with a length this large",
                hint: "put the length into the pattern")
        }
        return try add(.pattern(add(automaton)), pointer)
    }

    // MARK: - Objects

    private mutating func object(_ parts: [Part], _ pointer: String) throws -> Int {
        var names: [String] = []
        var required: Set<String> = []
        var (least, most): (Int, Int?) = (0, nil)
        for part in parts {
            if let properties = part["properties"] {
                guard case .dict(let entries) = properties else {
                    throw part.failure(.wrong, "`properties` is an object", "properties")
                }
                for entry in entries where !names.contains(entry.key) { names.append(entry.key) }
            }
            least = max(least, try count(part, "minProperties") ?? 0)
            if let limit = try count(part, "maxProperties") { most = min(most ?? limit, limit) }
        }
        for part in parts {
            guard let list = part["required"] else { continue }
            if case .bool = list { continue }
            guard case .list(let listed) = list else {
                throw part.failure(.wrong, "`required` is a list of names", "required")
            }
            for name in listed {
                guard case .string(let name) = name else {
                    throw part.failure(.wrong, "`required` is a list of names", "required")
                }
                required.insert(name)
                if !names.contains(name) { names.append(name) }
            }
        }
        let hasNames = !names.isEmpty
        var object = Grammar.Object(
            nodes: [], required: [], keys: .init([]), additional: nil, least: least, most: most, isOrdered: false)
        var kept: [String] = []
        for name in names {
            let node = try self.node(try schemas(parts, name, pointer))
            if required.contains(name) { try check(node) }
            guard (try? check(node)) != nil else { continue }
            kept.append(name)
            object.nodes.append(node)
            object.required.append(required.contains(name))
        }
        if let others = try others(parts, isOpen: undeclaredProperties || !hasNames) {
            let node = try self.node(others)
            if (try? check(node)) != nil { object.additional = node }
        }
        object.keys = .init(kept)
        object.isOrdered = kept.count > 64
        let count = object.required.count { $0 }
        if let most, count > most || least > most {
            throw SchemaFailure(
                kind: .impossible, pointer: pointer, message: "more members are required than `maxProperties` allows")
        }
        if object.additional == nil, least > kept.count {
            throw SchemaFailure(
                kind: .impossible, pointer: pointer,
                message: "`minProperties` asks for more members than there are names")
        }
        if object.isOrdered, object.additional == nil, least > count {
            throw SchemaFailure(
                kind: .unsupported, pointer: pointer,
                message: "`minProperties` beyond the required of more than 64 properties")
        }
        return try add(.object(object), pointer)
    }

    /// What the parts ask of the member `name`.
    private func schemas(_ parts: [Part], _ name: String, _ pointer: String) throws -> [Part] {
        var result: [Part] = []
        for part in parts {
            if let schema = part["properties"]?[name] {
                result.append(part.inner("properties", name, schema: schema))
            } else if let schema = part["additionalProperties"] {
                result.append(part.inner("additionalProperties", schema: schema))
            }
        }
        return result
    }

    /// What the parts ask of members that they do not name; nil when there may be none.
    private func others(_ parts: [Part], isOpen: Bool) throws -> [Part]? {
        var result: [Part] = []
        var isSaid = false
        for part in parts {
            guard let schema = part["additionalProperties"] else { continue }
            isSaid = true
            if schema == false { return nil }
            result.append(part.inner("additionalProperties", schema: schema))
        }
        return isSaid || isOpen ? result : nil
    }

    // MARK: - Arrays

    private mutating func array(_ parts: [Part], _ pointer: String) throws -> Int {
        var list = Grammar.List(prefix: [], items: nil, least: 0, most: nil)
        var prefixes: [[Part]] = []
        var rests: [Part?] = []
        for part in parts {
            var prefix: [Part] = []
            var (prefixKey, restKey) = ("prefixItems", "items")
            // In older drafts `items` is the list, and `additionalItems` the rest.
            if case .list? = part["items"] { (prefixKey, restKey) = ("items", "additionalItems") }
            if let value = part[prefixKey] {
                guard case .list(let schemas) = value else {
                    throw part.failure(.wrong, "`\(prefixKey)` is a list of schemas", prefixKey)
                }
                prefix = schemas.enumerated().map { part.inner(prefixKey, "\($0.offset)", schema: $0.element) }
            }
            prefixes.append(prefix)
            rests.append(part[restKey].map { part.inner(restKey, schema: $0) })
            list.least = max(list.least, try count(part, "minItems") ?? 0)
            if let limit = try count(part, "maxItems") { list.most = min(list.most ?? limit, limit) }
        }
        guard list.most.map({ list.least <= $0 }) ?? true else {
            throw SchemaFailure(kind: .impossible, pointer: pointer, message: "`minItems` is larger than `maxItems`")
        }
        let asked = { (index: Int) in
            zip(prefixes, rests).compactMap { prefix, rest in index < prefix.count ? prefix[index] : rest }
        }
        let count = prefixes.map(\.count).max() ?? 0
        for index in 0..<min(count, list.most ?? count) {
            let node = try self.node(asked(index))
            if index < list.least { try check(node) }
            list.prefix.append(node)
        }
        if list.most.map({ $0 > count }) ?? true {
            let node = try self.node(asked(count))
            if list.least > count { try check(node) }
            list.items = node
        }
        return try add(.array(list), pointer)
    }
}
