extension TemplateRenderer {
    /// `value is name(arguments)`.
    func test(_ name: String, _ value: PythonValue, _ arguments: TemplateArguments) throws -> Bool {
        if let holds = try kindTest(name, value) {
            guard arguments.positional.isEmpty, arguments.keywords.isEmpty else {
                throw failure("the test `\(name)` takes no argument")
            }
            return holds
        }
        let other = { () throws -> PythonValue in
            guard arguments.positional.count == 1, arguments.keywords.isEmpty else {
                throw self.failure("the test `\(name)` takes one argument")
            }
            return arguments.positional[0]
        }
        switch name {
        case "eq", "equalto", "==": return try compare(value, .equal, try other())
        case "ne", "!=": return try compare(value, .notEqual, try other())
        case "lt", "lessthan", "<": return try compare(value, .less, try other())
        case "le", "<=": return try compare(value, .lessOrEqual, try other())
        case "gt", "greaterthan", ">": return try compare(value, .greater, try other())
        case "ge", ">=": return try compare(value, .greaterOrEqual, try other())
        case "in": return try contains(try other(), value)
        case "sameas": return try isSame(value, try other())
        case "divisibleby":
            return try isEqual(try binary(value, .modulo, try other()), .int(0))
        default:
            throw TemplateFailure(kind: .syntax, message: "there is no test `\(name)` here", position: position)
        }
    }

    private func isSame(_ left: PythonValue, _ right: PythonValue) throws -> Bool {
        switch (left, right) {
        case (.bool(let left), .bool(let right)): left == right
        case (.bool, _), (_, .bool): false
        case (.int, .double), (.double, .int): false
        case (.sequence, _), (.dict, _): left.identity == right.identity
        default: try isEqual(left, right)
        }
    }

    /// The tests without arguments; nil for another name.
    private func kindTest(_ name: String, _ value: PythonValue) throws -> Bool? {
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "boolean": if case .bool = value { return true } else { return false }
        case "true": if case .bool(true) = value { return true } else { return false }
        case "false": if case .bool(false) = value { return true } else { return false }
        case "string": return value.stringBytes != nil
        case "number": return value.number != nil
        case "integer": if case .int = value { return true } else { return false }
        case "float": if case .double = value { return true } else { return false }
        case "mapping": if case .dict = value { return true } else { return false }
        case "sequence":
            switch value {
            case .string, .dict, .undefined: return true
            case .sequence(let sequence): return [.list, .tuple, .range].contains(sequence.kind)
            default: return false
            }
        case "iterable":
            switch value {
            case .string, .dict, .undefined, .sequence, .iterator, .loop: return true
            default: return false
            }
        case "callable": if case .callable = value { return true } else { return value.isUndefined }
        case "odd", "even":
            let remainder = try binary(value, .modulo, .int(2))
            return try isEqual(remainder, .int(name == "odd" ? 1 : 0))
        case "lower", "upper": return PythonText.isCase(try text(of: value), upper: name == "upper")
        case "escaped": if case .string(let text) = value { return text.isMarkup } else { return false }
        case "filter", "test": throw failure("the test `\(name)` is not supported")
        default: return nil
        }
    }
}
