/// Parses tokens by the grammar of Jinja 3.1 (https://jinja.palletsprojects.com/en/stable/templates/), without what needs
/// other templates (`include`, `import`, `extends`).
struct TemplateParser {
    /// How deep expressions and blocks may lie inside each other, and how long a chain of operators may be: trees are
    /// walked recursively.
    static let deepest = 100

    var tokens: [TemplateToken]
    var at = 0
    var names = TemplateNames()
    private var depth = 0
    /// How many loops are around in this macro; `break` needs one.
    var loops = 0
    /// The variables that the macro or loop at hand reads.
    var used: Set<Int> = []

    static func parse(_ source: String) throws -> (body: [TemplateStatement], names: TemplateNames) {
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: source))
        let body = try parser.statements(until: [])
        return (body, parser.names)
    }

    init(tokens: [TemplateToken]) { self.tokens = tokens }

    // MARK: - Tokens

    var token: TemplateToken { tokens[at] }
    var here: TemplatePosition { tokens[at].at }

    func failure(_ message: String, at position: TemplatePosition? = nil) -> TemplateFailure {
        TemplateFailure(kind: .syntax, message: message, position: position ?? here)
    }

    func failure(expected: String) -> TemplateFailure {
        let found =
            switch token.kind {
            case .data: "text"
            case .variableBegin: "`{{`"
            case .variableEnd: "`}}`"
            case .blockBegin: "`{%`"
            case .blockEnd: "`%}`"
            case .name(let name): "`\(name)`"
            case .string: "a string"
            case .int, .double: "a number"
            case .sign(let sign): "`\(sign)`"
            case .end: "the end of the template"
            }
        return failure("expected \(expected), found \(found)")
    }

    mutating func next() { if at < tokens.count - 1 { at += 1 } }

    func isName(_ name: String, ahead: Int = 0) -> Bool {
        guard at + ahead < tokens.count, case .name(name) = tokens[at + ahead].kind else { return false }
        return true
    }

    func isSign(_ sign: String, ahead: Int = 0) -> Bool {
        guard at + ahead < tokens.count, case .sign(sign) = tokens[at + ahead].kind else { return false }
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        next()
        return true
    }

    mutating func skip(sign: String) -> Bool {
        guard isSign(sign) else { return false }
        next()
        return true
    }

    mutating func expect(sign: String) throws {
        guard skip(sign: sign) else { throw failure(expected: "`\(sign)`") }
    }

    mutating func expect(name: String) throws {
        guard skip(name: name) else { throw failure(expected: "`\(name)`") }
    }

    mutating func expect(_ kind: TemplateToken.Kind, _ what: String) throws {
        guard token.kind == kind else { throw failure(expected: what) }
        next()
    }

    mutating func identifier(_ what: String = "a name") throws -> String {
        guard case .name(let name) = token.kind else { throw failure(expected: what) }
        next()
        return name
    }

    mutating func nested<T>(_ parse: (inout TemplateParser) throws -> T) throws -> T {
        guard depth < Self.deepest else { throw failure("nested more than \(Self.deepest) levels deep") }
        depth += 1
        defer { depth -= 1 }
        return try parse(&self)
    }

    func checkChain(_ length: Int) throws {
        guard length < Self.deepest else { throw failure("more than \(Self.deepest) operators in a row") }
    }

    // MARK: - Expressions

    mutating func expression(conditional: Bool = true) throws -> TemplateNode {
        try nested { try conditional ? $0.conditional() : $0.disjunction() }
    }

    private mutating func conditional() throws -> TemplateNode {
        let position = here
        var value = try disjunction()
        var count = 0
        while skip(name: "if") {
            try checkChain(count)
            count += 1
            let test = try disjunction()
            let otherwise = skip(name: "else") ? try expression() : nil
            value = TemplateNode(.conditional(test, then: value, else: otherwise), position)
        }
        return value
    }

    private mutating func disjunction() throws -> TemplateNode {
        var left = try conjunction()
        var count = 0
        while isName("or") {
            let position = here
            try checkChain(count)
            count += 1
            next()
            left = TemplateNode(.or(left, try conjunction()), position)
        }
        return left
    }

    private mutating func conjunction() throws -> TemplateNode {
        var left = try negation()
        var count = 0
        while isName("and") {
            let position = here
            try checkChain(count)
            count += 1
            next()
            left = TemplateNode(.and(left, try negation()), position)
        }
        return left
    }

    private mutating func negation() throws -> TemplateNode {
        let position = here
        if skip(name: "not") { return TemplateNode(.not(try nested { try $0.negation() }), position) }
        return try comparison()
    }

    private mutating func comparison() throws -> TemplateNode {
        let position = here
        let first = try sum()
        var operands: [(TemplateNode.Comparison, TemplateNode)] = []
        while let comparison = comparisonSign() { operands.append((comparison, try sum())) }
        return operands.isEmpty ? first : TemplateNode(.compare(first, operands), position)
    }

    private mutating func comparisonSign() -> TemplateNode.Comparison? {
        switch token.kind {
        case .sign(let sign):
            guard let comparison = TemplateNode.Comparison(rawValue: sign) else { return nil }
            next()
            return comparison
        case .name("in"):
            next()
            return .in
        case .name("not") where isName("in", ahead: 1):
            next()
            next()
            return .notIn
        default: return nil
        }
    }

    private mutating func chain(
        _ signs: Set<String>, _ operand: (inout TemplateParser) throws -> TemplateNode
    ) throws -> TemplateNode {
        var left = try operand(&self)
        var count = 0
        while case .sign(let sign) = token.kind, signs.contains(sign),
            let operation = TemplateNode.Operator(rawValue: sign)
        {
            let position = here
            try checkChain(count)
            count += 1
            next()
            left = TemplateNode(.binary(left, operation, try operand(&self)), position)
        }
        return left
    }

    private mutating func sum() throws -> TemplateNode { try chain(["+", "-"]) { try $0.concatenation() } }

    private mutating func concatenation() throws -> TemplateNode {
        let position = here
        var parts = [try product()]
        while skip(sign: "~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : TemplateNode(.concatenation(parts), position)
    }

    private mutating func product() throws -> TemplateNode {
        try chain(["*", "/", "//", "%"]) { try $0.chain(["**"]) { try $0.unary() } }
    }

    private mutating func unary(filters: Bool = true) throws -> TemplateNode {
        let position = here
        var node: TemplateNode
        if skip(sign: "-") {
            node = TemplateNode(.negative(try nested { try $0.unary(filters: false) }), position)
        } else if skip(sign: "+") {
            node = TemplateNode(.positive(try nested { try $0.unary(filters: false) }), position)
        } else {
            node = try primary()
        }
        node = try postfix(node)
        return filters ? try filtered(node) : node
    }

    private mutating func primary() throws -> TemplateNode {
        let position = here
        switch token.kind {
        case .name(let name):
            next()
            switch name {
            case "true", "True": return TemplateNode(.bool(true), position)
            case "false", "False": return TemplateNode(.bool(false), position)
            case "none", "None": return TemplateNode(.none, position)
            default:
                let slot = names.number(name)
                used.insert(slot)
                return TemplateNode(.name(slot), position)
            }
        case .string(var text):
            next()
            while case .string(let more) = token.kind {
                text += more
                next()
            }
            return TemplateNode(.string(text), position)
        case .int(let value):
            next()
            return TemplateNode(.int(value), position)
        case .double(let value):
            next()
            return TemplateNode(.double(value), position)
        case .sign("("):
            next()
            let node = try tuple(inParentheses: true)
            try expect(sign: ")")
            return node
        case .sign("["):
            next()
            return TemplateNode(.list(try items(until: "]") { try $0.expression() }), position)
        case .sign("{"):
            next()
            return TemplateNode(
                .dict(
                    try items(until: "}") {
                        let key = try $0.expression()
                        try $0.expect(sign: ":")
                        return (key, try $0.expression())
                    }), position)
        default: throw failure(expected: "a value")
        }
    }

    /// Values between commas up to a closing bracket, which may follow a comma.
    private mutating func items<T>(
        until end: String, _ item: (inout TemplateParser) throws -> T
    ) throws -> [T] {
        var items: [T] = []
        while !isSign(end) {
            if !items.isEmpty {
                try expect(sign: ",")
                if isSign(end) { break }
            }
            items.append(try item(&self))
        }
        next()
        return items
    }

    /// An expression, or a tuple of them when commas follow.
    mutating func tuple(
        conditional: Bool = true, inParentheses: Bool = false, end: String? = nil
    ) throws -> TemplateNode {
        let position = here
        var values: [TemplateNode] = []
        var isTuple = false
        while true {
            if !values.isEmpty { try expect(sign: ",") }
            if isTupleEnd(end) { break }
            values.append(try expression(conditional: conditional))
            guard isSign(",") else { break }
            isTuple = true
        }
        if !isTuple, let only = values.first { return only }
        guard isTuple || inParentheses else { throw failure(expected: "an expression") }
        return TemplateNode(.tuple(values), position)
    }

    func isTupleEnd(_ name: String?) -> Bool {
        switch token.kind {
        case .variableEnd, .blockEnd, .sign(")"): true
        case .name(let found): found == name
        default: false
        }
    }

    private mutating func postfix(_ node: TemplateNode) throws -> TemplateNode {
        var node = node
        var count = 0
        while true {
            try checkChain(count)
            count += 1
            let position = here
            if skip(sign: ".") {
                if case .int(let index) = token.kind {
                    next()
                    node = TemplateNode(.item(node, TemplateNode(.int(index), position)), position)
                } else {
                    node = TemplateNode(.attribute(node, try identifier("a name or number")), position)
                }
            } else if skip(sign: "[") {
                node = try item(of: node, position)
            } else if isSign("(") {
                node = TemplateNode(.call(node, try arguments()), position)
            } else {
                return node
            }
        }
    }

    private mutating func item(of node: TemplateNode, _ position: TemplatePosition) throws -> TemplateNode {
        if !isSign(":") {
            let first = try expression()
            if isSign(",") {
                var values = [first]
                while skip(sign: ",") { values.append(try expression()) }
                try expect(sign: "]")
                return TemplateNode(.item(node, TemplateNode(.tuple(values), position)), position)
            }
            guard isSign(":") else {
                try expect(sign: "]")
                return TemplateNode(.item(node, first), position)
            }
            return try slice(of: node, from: first, position)
        }
        return try slice(of: node, from: nil, position)
    }

    private mutating func slice(
        of node: TemplateNode, from start: TemplateNode?, _ position: TemplatePosition
    ) throws -> TemplateNode {
        try expect(sign: ":")
        let stop = isSign(":") || isSign("]") ? nil : try expression()
        let step = skip(sign: ":") && !isSign("]") ? try expression() : nil
        try expect(sign: "]")
        return TemplateNode(.slice(node, start, stop, step), position)
    }

    private mutating func filtered(_ node: TemplateNode) throws -> TemplateNode {
        var node = node
        var count = 0
        while true {
            try checkChain(count)
            count += 1
            let position = here
            if isSign("|") {
                next()
                node = try filter(of: node, position)
            } else if skip(name: "is") {
                node = try test(of: node, position)
            } else if isSign("(") {
                node = TemplateNode(.call(node, try arguments()), position)
            } else {
                return node
            }
        }
    }

    private mutating func dottedName(_ what: String) throws -> String {
        var name = try identifier(what)
        while skip(sign: ".") { name += "." + (try identifier()) }
        return name
    }

    /// A filter, its bar already read.
    mutating func filter(of node: TemplateNode?, _ position: TemplatePosition) throws -> TemplateNode {
        let name = try dottedName("a filter")
        return TemplateNode(.filter(node, name, isSign("(") ? try arguments() : .init()), position)
    }

    private mutating func test(of node: TemplateNode, _ position: TemplatePosition) throws -> TemplateNode {
        let negated = skip(name: "not")
        let name = try dottedName("a test")
        var arguments = TemplateNode.Arguments()
        switch token.kind {
        case .sign("("): arguments = try self.arguments()
        case .name("else"), .name("or"), .name("and"): break
        case .name("is"): throw failure("tests with `is` cannot follow each other")
        case .name, .string, .int, .double, .sign("["), .sign("{"):
            arguments.positional = [try nested { try $0.postfix(try $0.primary()) }]
        default: break
        }
        let node = TemplateNode(.test(node, name, arguments), position)
        return negated ? TemplateNode(.not(node), position) : node
    }

    mutating func arguments() throws -> TemplateNode.Arguments {
        let opening = here
        try expect(sign: "(")
        var arguments = TemplateNode.Arguments()
        let ensure = { (holds: Bool) in
            if !holds { throw TemplateFailure(kind: .syntax, message: "arguments in a wrong order", position: opening) }
        }
        var isFirst = true
        while !isSign(")") {
            if !isFirst {
                try expect(sign: ",")
                if isSign(")") { break }
            }
            isFirst = false
            if skip(sign: "*") {
                try ensure(arguments.rest == nil && arguments.keywordRest == nil)
                arguments.rest = try expression()
            } else if skip(sign: "**") {
                try ensure(arguments.keywordRest == nil)
                arguments.keywordRest = try expression()
            } else if case .name(let name) = token.kind, isSign("=", ahead: 1) {
                try ensure(arguments.keywordRest == nil)
                next()
                next()
                guard !arguments.keywords.contains(where: { $0.0 == name }) else {
                    throw failure("the argument `\(name)` is given twice")
                }
                arguments.keywords.append((name, try expression()))
            } else {
                try ensure(arguments.rest == nil && arguments.keywordRest == nil && arguments.keywords.isEmpty)
                arguments.positional.append(try expression())
            }
        }
        next()
        return arguments
    }
}
