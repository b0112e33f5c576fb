extension TemplateParser {
    /// Statements up to one of the tags named, whose name is the token at hand afterwards; up to the end for none.
    mutating func statements(until ends: [String]) throws -> [TemplateStatement] {
        var body: [TemplateStatement] = []
        let opening = here
        while true {
            let position = here
            switch token.kind {
            case .end:
                guard ends.isEmpty else {
                    throw failure(
                        "the template ends inside a block: expected `{% \(ends.joined(separator: " %}` or `{% ")) %}`",
                        at: opening)
                }
                return body
            case .data(let text):
                next()
                body.append(TemplateStatement(.data(text), position))
            case .variableBegin:
                next()
                body.append(TemplateStatement(.output(try tuple()), position))
                try expect(.variableEnd, "`}}`")
            case .blockBegin:
                next()
                if case .name(let name) = token.kind, ends.contains(name) { return body }
                body += try nested { try $0.statement() }
                try expect(.blockEnd, "`%}`")
            default: throw failure(expected: "text or a tag")
            }
        }
    }

    /// The statements of a block whose opening tag ends here.
    private mutating func block(until ends: [String]) throws -> [TemplateStatement] {
        _ = skip(sign: ":")
        try expect(.blockEnd, "`%}`")
        return try statements(until: ends)
    }

    private mutating func wholeBlock(until end: String) throws -> [TemplateStatement] {
        let body = try block(until: [end])
        next()
        return body
    }

    private mutating func statement() throws -> [TemplateStatement] {
        let position = here
        let tag = try identifier("a tag")
        let kind: TemplateStatement.Kind
        switch tag {
        case "if": kind = try conditionalBlock()
        case "for": kind = .for(try loop())
        case "set": kind = try assignment()
        case "macro": kind = .macro(try macro())
        case "call": kind = try callBlock()
        case "filter":
            let filters = try filterChain(try filter(of: nil, position))
            kind = .filterBlock(filters, try wholeBlock(until: "endfilter"))
        case "with": kind = try with()
        // Marks what the model says, for training. It is a call block, so that variables set in it end with it.
        case "generation": kind = .scope(try wholeBlock(until: "endgeneration"))
        case "print":
            var outputs = [TemplateStatement(.output(try expression()), position)]
            while skip(sign: ",") { outputs.append(TemplateStatement(.output(try expression()), position)) }
            return outputs
        case "break", "continue":
            guard loops > 0 else { throw failure("`\(tag)` outside of a loop", at: position) }
            kind = tag == "break" ? .break : .continue
        case "include", "import", "from", "extends", "block":
            throw failure("`\(tag)` needs other templates, which a chat template has not", at: position)
        case "autoescape": throw failure("`autoescape` is not supported: chat templates are not HTML", at: position)
        default: throw failure("there is no tag `\(tag)` here", at: position)
        }
        return [TemplateStatement(kind, position)]
    }

    private mutating func conditionalBlock() throws -> TemplateStatement.Kind {
        var branches: [(TemplateNode, [TemplateStatement])] = []
        while true {
            let test = try tuple(conditional: false)
            branches.append((test, try block(until: ["elif", "else", "endif"])))
            let word = try identifier()
            if word == "elif" { continue }
            return .if(branches, else: word == "else" ? try wholeBlock(until: "endif") : [])
        }
    }

    private mutating func loop() throws -> TemplateStatement.Loop {
        let target = try self.target(end: "in")
        try expect(name: "in")
        let values = try tuple(conditional: false, end: "recursive")
        let outer = used
        used = []
        let filter = skip(name: "if") ? try expression() : nil
        let isRecursive = skip(name: "recursive")
        loops += 1
        let body = try block(until: ["endfor", "else"])
        loops -= 1
        let usesLoop = used.contains(TemplateNames.loop)
        used.formUnion(outer)
        let otherwise = try identifier() == "else" ? try wholeBlock(until: "endfor") : []
        return .init(
            target: target, values: values, filter: filter, body: body, otherwise: otherwise, isRecursive: isRecursive,
            usesLoop: usesLoop || isRecursive)
    }

    /// What is assigned to: a name, a namespace's attribute, or several of these.
    private mutating func target(end: String? = nil, attributes: Bool = false) throws -> TemplateStatement.Target {
        var targets: [TemplateStatement.Target] = []
        var isTuple = false
        while true {
            if !targets.isEmpty { try expect(sign: ",") }
            if isTupleEnd(end) || isSign("=") { break }
            if skip(sign: "(") {
                targets.append(try nested { try $0.target(attributes: attributes) })
                try expect(sign: ")")
            } else {
                targets.append(try singleTarget(attributes))
            }
            guard isSign(",") else { break }
            isTuple = true
        }
        if !isTuple, let only = targets.first { return only }
        guard isTuple else { throw failure(expected: "a name to assign to") }
        return .tuple(targets)
    }

    private mutating func singleTarget(_ attributes: Bool) throws -> TemplateStatement.Target {
        let position = here
        let name = try identifier("a name to assign to")
        guard !["true", "True", "false", "False", "none", "None"].contains(name) else {
            throw failure("cannot assign to `\(name)`", at: position)
        }
        let slot = names.number(name)
        if attributes, skip(sign: ".") { return .attribute(slot, try identifier()) }
        return .name(slot)
    }

    private mutating func assignment() throws -> TemplateStatement.Kind {
        let target = try self.target(attributes: true)
        if skip(sign: "=") { return .set(target, try tuple()) }
        let position = here
        let filters = skip(sign: "|") ? try filterChain(try filter(of: nil, position)) : nil
        return .setBlock(target, filter: filters, try wholeBlock(until: "endset"))
    }

    private mutating func filterChain(_ first: TemplateNode) throws -> TemplateNode {
        var node = first
        var count = 0
        while isSign("|") {
            try checkChain(count)
            count += 1
            let position = here
            next()
            node = try filter(of: node, position)
        }
        return node
    }

    private mutating func signature() throws -> [(name: String, slot: Int, standard: TemplateNode?)] {
        var parameters: [(name: String, slot: Int, standard: TemplateNode?)] = []
        try expect(sign: "(")
        while !isSign(")") {
            if !parameters.isEmpty { try expect(sign: ",") }
            let name = try identifier("a parameter")
            guard !parameters.contains(where: { $0.name == name }) else {
                throw failure("the parameter `\(name)` is there twice")
            }
            let standard = skip(sign: "=") ? try expression() : nil
            guard standard != nil || parameters.last?.standard == nil else {
                throw failure("the parameter `\(name)` without a default follows one with a default")
            }
            parameters.append((name, names.number(name), standard))
        }
        next()
        return parameters
    }

    /// The body of a macro, up to the tag `end`.
    private mutating func macroBody(
        _ name: String, _ parameters: [(name: String, slot: Int, standard: TemplateNode?)], until end: String
    ) throws -> TemplateStatement.Macro {
        let (outerLoops, outerUsed) = (loops, used)
        (loops, used) = (0, [])
        let body = try wholeBlock(until: end)
        let inner = used
        loops = outerLoops
        used = outerUsed.union(inner)
        return .init(
            name: name, nameSlot: names.number(name), parameters: parameters, body: body,
            usesVarargs: inner.contains(TemplateNames.varargs), usesKwargs: inner.contains(TemplateNames.kwargs),
            usesCaller: inner.contains(TemplateNames.caller))
    }

    private mutating func macro() throws -> TemplateStatement.Macro {
        let name = try identifier("the macro's name")
        return try macroBody(name, try signature(), until: "endmacro")
    }

    private mutating func callBlock() throws -> TemplateStatement.Kind {
        let parameters = isSign("(") ? try signature() : []
        let position = here
        let call = try expression()
        guard case .call = call.kind else { throw failure("`call` needs a call of a macro", at: position) }
        return .callBlock(call, try macroBody("caller", parameters, until: "endcall"))
    }

    private mutating func with() throws -> TemplateStatement.Kind {
        var values: [(TemplateStatement.Target, TemplateNode)] = []
        while token.kind != .blockEnd, !isSign(":") {
            if !values.isEmpty { try expect(sign: ",") }
            let target = try self.target()
            try expect(sign: "=")
            values.append((target, try expression()))
        }
        return .with(values, try wholeBlock(until: "endwith"))
    }
}
