import Foundation

/// Compiles a JSON schema into the nodes of a grammar.
///
/// What must hold together (`allOf`, a `$ref` with siblings, a property's schema and `additionalProperties`) is a list of
/// parts; alternatives are distributed over them until only plain keywords are left, which are merged.
struct SchemaCompiler {
    /// A schema and where it stands.
    struct Part: Hashable {
        var schema: TemplateValue
        var pointer: String
        /// A group of alternatives that is dealt with.
        var without: Set<String> = []

        subscript(key: String) -> TemplateValue? { without.contains(key) ? nil : schema[key] }

        var key: String { (["#" + pointer] + without.sorted()).joined(separator: "\u{0}") }

        func inner(_ path: String..., schema: TemplateValue) -> Part {
            let steps = path.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }
            return Part(schema: schema, pointer: pointer + steps.joined())
        }

        func failure(_ kind: SchemaFailure.Kind, _ message: String, _ key: String? = nil, hint: String? = nil)
            -> SchemaFailure
        {
            SchemaFailure(kind: kind, pointer: key.map { "\(pointer)/\($0)" } ?? pointer, message: message, hint: hint)
        }
    }

    private static let mostNodes = 20_000

    let root: TemplateValue
    let undeclaredProperties: Bool
    var nodes: [Grammar.Node] = []
    var automata: [Automaton] = []
    /// Where each node comes from.
    private var pointers: [String] = []
    private var known: [String: Int] = [:]
    /// Nodes that are alike whatever they come from.
    private var shared: [String: Int] = [:]
    /// Why nodes have no value.
    private var reasons: [Int: SchemaFailure] = [:]
    var anyNode: Int?
    private var depth = 0

    init(_ schema: TemplateValue, undeclaredProperties: Bool) {
        root = schema
        self.undeclaredProperties = undeclaredProperties
    }

    mutating func compile() throws -> ([Grammar.Node], [Automaton], [Int], Int) {
        let start = try node([Part(schema: root, pointer: "")])
        let heights = self.heights()
        guard heights[start] <= Grammar.deepest else {
            if let reason = reasons[start] ?? reasons.min(by: { $0.key < $1.key })?.value { throw reason }
            throw SchemaFailure(
                kind: .impossible, pointer: "",
                message: "its values would be nested more than \(Grammar.deepest) levels deep",
                hint: "make something in the recursion optional")
        }
        prune(heights)
        return (nodes, automata, heights, start)
    }

    // MARK: - Nodes

    mutating func add(_ node: Grammar.Node, _ pointer: String) throws -> Int {
        guard nodes.count < Self.mostNodes else {
            throw SchemaFailure(
                kind: .unsupported, pointer: pointer, message: "the schema has more than \(Self.mostNodes) parts",
                hint: "use a smaller schema")
        }
        nodes.append(node)
        pointers.append(pointer)
        return nodes.count - 1
    }

    /// A node that is made once for all places.
    mutating func share(_ name: String, _ make: (inout SchemaCompiler) throws -> Grammar.Node) throws -> Int {
        if let node = shared[name] { return node }
        let node = try add(try make(&self), "")
        shared[name] = node
        return node
    }

    mutating func add(_ automaton: Automaton) -> Int {
        automata.append(automaton)
        return automata.count - 1
    }

    /// The node of what all parts ask for. It is known before it is made, so that schemas can refer to themselves.
    mutating func node(_ parts: [Part]) throws -> Int {
        let key = Set(parts.map(\.key)).sorted().joined(separator: "\u{1}")
        if let node = known[key] { return node }
        let pointer = parts.first?.pointer ?? ""
        guard depth < 200 else {
            throw SchemaFailure(kind: .unsupported, pointer: pointer, message: "the schema is nested too deep")
        }
        depth += 1
        defer { depth -= 1 }
        let node = try add(.choice([]), pointer)
        known[key] = node
        do {
            nodes[node] = .choice([try make(try flattened(parts), pointer)])
        } catch let failure as SchemaFailure where failure.kind == .impossible {
            reasons[node] = failure
        }
        return node
    }

    /// Throws why a node has no value, if that is known already.
    func check(_ node: Int) throws {
        if let reason = reasons[node] { throw reason }
    }

    // MARK: - Parts

    /// The parts with references and `allOf` resolved.
    private func flattened(_ parts: [Part]) throws -> [Part] {
        var result: [Part] = []
        var seen: Set<String> = []
        var open = parts
        while !open.isEmpty {
            let part = open.removeFirst()
            switch part.schema {
            case .bool(true): continue
            case .bool(false): throw part.failure(.impossible, "`false` allows no value")
            case .dict: break
            default: throw part.failure(.wrong, "a schema is an object, true or false")
            }
            guard seen.insert(part.key).inserted else {
                // A second way to the same schema adds nothing, except on the way into itself.
                continue
            }
            guard seen.count < 1000 else { throw part.failure(.unsupported, "too many schemas must hold at once") }
            try refuseUnsupported(part)
            var rest = part
            if let reference = part["$ref"] {
                open.append(try resolve(reference, part))
                rest.without.insert("$ref")
            }
            if let all = part["allOf"] {
                guard case .list(let schemas) = all else { throw part.failure(.wrong, "`allOf` is a list", "allOf") }
                for (index, schema) in schemas.enumerated() {
                    open.append(part.inner("allOf", "\(index)", schema: schema))
                }
                rest.without.insert("allOf")
            }
            result.append(rest)
        }
        return result
    }

    private func refuseUnsupported(_ part: Part) throws {
        let hints = [
            "patternProperties": "name the properties, or use `additionalProperties`",
            "propertyNames": "name the properties", "dependentRequired": "use `anyOf`",
            "dependentSchemas": "use `anyOf`",
            "dependencies": "use `anyOf`", "if": "use `anyOf`", "then": "use `anyOf`", "else": "use `anyOf`",
            "not": "say what is allowed instead", "contains": "use `prefixItems`, or check the answer",
            "unevaluatedProperties": "use `additionalProperties`", "unevaluatedItems": "use `items`",
            "$dynamicRef": "use `$ref`", "$recursiveRef": "use `$ref`",
        ]
        for (key, hint) in hints.sorted(by: { $0.key < $1.key }) where part[key] != nil {
            throw part.failure(.unsupported, "`\(key)`", key, hint: hint)
        }
        if part["uniqueItems"] == true {
            throw part.failure(
                .unsupported, "`uniqueItems`", "uniqueItems", hint: "leave it out and take duplicates from the answer")
        }
    }

    func resolve(_ reference: TemplateValue, _ part: Part) throws -> Part {
        guard case .string(let text) = reference else { throw part.failure(.wrong, "`$ref` is text", "$ref") }
        guard text == "#" || text.hasPrefix("#/"), let path = String(text.dropFirst()).removingPercentEncoding else {
            throw part.failure(
                .unsupported, "the reference `\(text)` leads out of the schema", "$ref", hint: "put it under `$defs`")
        }
        var value = root
        for step in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let name = step.replacing("~1", with: "/").replacing("~0", with: "~")
            var next = value[String(name)]
            if case .list(let items) = value, let index = Int(String(name)), items.indices.contains(index) {
                next = items[index]
            }
            guard let next else { throw part.failure(.wrong, "there is nothing at `\(text)`", "$ref") }
            value = next
        }
        return Part(schema: value, pointer: path)
    }

    private mutating func make(_ parts: [Part], _ pointer: String) throws -> Int {
        for (index, part) in parts.enumerated() {
            for key in ["anyOf", "oneOf"] {
                guard let group = part[key] else { continue }
                guard case .list(let schemas) = group, !schemas.isEmpty else {
                    throw part.failure(.wrong, "`\(key)` is a list of schemas", key)
                }
                let alternatives = schemas.enumerated().map { part.inner(key, "\($0.offset)", schema: $0.element) }
                if key == "oneOf" { try checkDisjoint(alternatives, part) }
                var rest = parts
                rest[index].without.insert(key)
                return try choice(of: alternatives.map { rest + [$0] }, pointer)
            }
        }
        return try merged(parts, pointer)
    }

    /// One of several; those that nothing fits are left out.
    private mutating func choice(of alternatives: [[Part]], _ pointer: String) throws -> Int {
        var choices: [Int] = []
        var reason: SchemaFailure?
        for alternative in alternatives {
            let node = try node(alternative)
            // What leads back to itself before any value has begun, says nothing.
            if let failure = reasons[node] { reason = reason ?? failure } else { choices.append(node) }
        }
        if choices.isEmpty, let reason { throw reason }
        return try add(.choice(choices), pointer)
    }

    // MARK: - What can be met

    /// How many levels each node needs; a huge number for those that no finite value meets.
    private func heights() -> [Int] {
        let none = 1 << 20
        var heights = [Int](repeating: none, count: nodes.count)
        var changed = true
        while changed {
            changed = false
            for (index, node) in nodes.enumerated().reversed() {
                let height = min(none, self.height(node, heights, none))
                if height < heights[index] {
                    heights[index] = height
                    changed = true
                }
            }
        }
        return heights
    }

    private func height(_ node: Grammar.Node, _ heights: [Int], _ none: Int) -> Int {
        switch node {
        case .literal, .text, .pattern, .number: return 1
        case .choice(let choices): return choices.map { heights[$0] }.min() ?? none
        case .object(let object):
            var needed = object.nodes.indices.filter { object.required[$0] }.map { heights[object.nodes[$0]] }
            if object.least > needed.count {
                var others = object.nodes.indices.filter { !object.required[$0] }.map { heights[object.nodes[$0]] }
                if let additional = object.additional {
                    others += Array(
                        repeating: heights[additional], count: min(object.least, 100) - min(needed.count, 100))
                }
                let more = others.sorted().prefix(object.least - needed.count)
                guard more.count == object.least - needed.count || object.additional != nil else { return none }
                needed += more
            }
            return 1 + (needed.max() ?? 0)
        case .array(let list):
            guard list.least > 0 else { return 1 }
            var needed = list.prefix.prefix(list.least).map { heights[$0] }
            if list.least > list.prefix.count { needed.append(list.items.map { heights[$0] } ?? none) }
            return 1 + (needed.max() ?? 0)
        }
    }

    /// Takes out what no value meets, and choices among choices, which may lead round in circles.
    private mutating func prune(_ heights: [Int]) {
        let lives = { (node: Int) in heights[node] <= Grammar.deepest }
        let all = nodes
        for index in nodes.indices {
            switch nodes[index] {
            case .choice(let choices):
                var seen = Set(choices)
                var open = choices
                var ends: [Int] = []
                while let choice = open.popLast() {
                    if case .choice(let inner) = all[choice] {
                        open += inner.filter { seen.insert($0).inserted }
                    } else if lives(choice) {
                        ends.append(choice)
                    }
                }
                nodes[index] = .choice(ends.sorted())
            case .object(var object):
                if let additional = object.additional, !lives(additional) { object.additional = nil }
                nodes[index] = .object(object)
            case .array(var list):
                if let dead = list.prefix.firstIndex(where: { !lives($0) }) {
                    list.most = min(list.most ?? dead, dead)
                } else if let items = list.items, !lives(items) {
                    list.items = nil
                }
                nodes[index] = .array(list)
            default: break
            }
        }
    }
}
