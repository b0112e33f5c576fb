import Foundation

extension TemplateRenderer {
    // MARK: - Text

    /// `str(value)`.
    func text(of value: PythonValue) throws -> [UInt8] {
        switch value {
        case .string(let text): return text.bytes
        case .undefined: return []
        default: return try repr(value)
        }
    }

    /// `repr(value)`.
    func repr(_ value: PythonValue) throws -> [UInt8] {
        try charge(1)
        var out: [UInt8] = []
        try appendRepr(value, to: &out)
        return out
    }

    private func appendRepr(_ value: PythonValue, to out: inout [UInt8]) throws {
        switch value {
        case .undefined: out += "Undefined".utf8
        case .none: out += "None".utf8
        case .bool(let value): out += (value ? "True" : "False").utf8
        case .int(let value): out += String(value).utf8
        case .double(let value): out += PythonText.text(value).utf8
        case .string(let text): out += PythonText.quoted(text.bytes)
        case .sequence(let sequence): try appendRepr(sequence, to: &out)
        case .dict(let dict):
            out.append(UInt8(ascii: "{"))
            for (index, (key, value)) in dict.entries.enumerated() {
                if index > 0 { out += ", ".utf8 }
                try appendRepr(key, to: &out)
                out += ": ".utf8
                try appendRepr(value, to: &out)
            }
            out.append(UInt8(ascii: "}"))
        case .callable(let callable):
            guard case .macro(let macro, _) = callable.kind else { fallthrough }
            out += "<Macro '\(macro.name)'>".utf8
        case .iterator, .namespace, .loop:
            throw failure("a \(value.typeName) cannot be printed")
        }
        _ = try checked(out.count > ChatTemplate.mostBytes ? out : [])
        try charge(1)
    }

    private func appendRepr(_ sequence: PythonSequence, to out: inout [UInt8]) throws {
        if sequence.kind == .range {
            let first = sequence.items.first?.integer ?? 0
            let step = sequence.items.count > 1 ? (sequence.items[1].integer ?? 0) - first : 1
            let stop = first + step * Int64(sequence.items.count)
            out += (step == 1 ? "range(\(first), \(stop))" : "range(\(first), \(stop), \(step))").utf8
            return
        }
        let isTuple = sequence.kind == .tuple
        let isView = !isTuple && sequence.kind != .list
        if isView { out += "\(PythonValue.sequence(sequence).typeName)(".utf8 }
        out.append(isTuple ? UInt8(ascii: "(") : UInt8(ascii: "["))
        for (index, item) in sequence.items.enumerated() {
            if index > 0 { out += ", ".utf8 }
            try appendRepr(item, to: &out)
        }
        if isTuple, sequence.items.count == 1 { out.append(UInt8(ascii: ",")) }
        out.append(isTuple ? UInt8(ascii: ")") : UInt8(ascii: "]"))
        if isView { out.append(UInt8(ascii: ")")) }
    }

    // MARK: - Arithmetic

    func sign(_ value: PythonValue, negative: Bool) throws -> PythonValue {
        if case .undefined(let undefined) = value { throw failure(undefined.message) }
        if let number = value.integer {
            return .int(negative ? try exact(Int64(0).subtractingReportingOverflow(number)) : number)
        }
        guard case .double(let number) = value else {
            throw failure("bad operand type for unary \(negative ? "-" : "+"): '\(value.typeName)'")
        }
        return .double(negative ? -number : number)
    }

    private func exact(_ result: (partialValue: Int64, overflow: Bool)) throws -> Int64 {
        guard !result.overflow else { throw failure("a number needs more than 64 bits") }
        return result.partialValue
    }

    func binary(
        _ left: PythonValue, _ operation: TemplateNode.Operator, _ right: PythonValue
    ) throws -> PythonValue {
        if let left = left.integer, let right = right.integer { return try integers(left, operation, right) }
        if let left = left.number, let right = right.number { return try numbers(left, operation, right) }
        try charge(for: left)
        try charge(for: right)
        switch (left, operation, right) {
        case (.undefined(let undefined), .modulo, _) where true: throw failure(undefined.message)
        case (.string(let format), .modulo, _): return .text(try checked(try formatted(format.bytes, right)))
        case (.undefined(let undefined), _, _), (_, _, .undefined(let undefined)): throw failure(undefined.message)
        case (.string(let left), .add, .string(let right)):
            guard left.isMarkup || right.isMarkup else { return .text(try checked(left.bytes + right.bytes)) }
            let bytes = try checked(markup(left) + markup(right))
            return .string(PythonString(bytes: bytes, isMarkup: true))
        case (.sequence(let left), .add, .sequence(let right))
        where left.kind == right.kind && (left.kind == .list || left.kind == .tuple):
            return .sequence(try PythonSequence(left.kind, left.items + right.items))
        case (.string(let text), .multiply, let times), (let times, .multiply, .string(let text)):
            guard let count = times.integer else { break }
            guard Int64(text.bytes.count).multipliedReportingOverflow(by: max(count, 0)).overflow == false,
                text.bytes.count * Int(max(count, 0)) <= ChatTemplate.mostBytes
            else { throw TemplateFailure.tooLong }
            return .text(try checked(Array(repeatElement(text.bytes, count: Int(max(count, 0))).joined())))
        case (.sequence(let sequence), .multiply, let times), (let times, .multiply, .sequence(let sequence)):
            guard let count = times.integer, sequence.kind == .list || sequence.kind == .tuple else { break }
            let total = Int64(sequence.items.count).multipliedReportingOverflow(by: max(count, 0))
            guard !total.overflow, total.partialValue <= PythonValue.Extent.largest else {
                throw limit("the template makes a list that is too long")
            }
            try charge(Int(total.partialValue))
            let items = Array(repeatElement(sequence.items, count: Int(max(count, 0))).joined())
            return .sequence(try PythonSequence(sequence.kind, items))
        default: break
        }
        throw failure(
            "unsupported operand type(s) for \(operation.rawValue): '\(left.typeName)' and '\(right.typeName)'")
    }

    private func markup(_ text: PythonString) -> [UInt8] { text.isMarkup ? text.bytes : Self.escaped(text.bytes) }

    private func integers(_ left: Int64, _ operation: TemplateNode.Operator, _ right: Int64) throws -> PythonValue {
        switch operation {
        case .add: return .int(try exact(left.addingReportingOverflow(right)))
        case .subtract: return .int(try exact(left.subtractingReportingOverflow(right)))
        case .multiply: return .int(try exact(left.multipliedReportingOverflow(by: right)))
        case .divide: return try numbers(Double(left), operation, Double(right))
        case .floorDivide, .modulo:
            guard right != 0 else { throw failure("integer division or modulo by zero") }
            guard right != -1 else {
                return .int(operation == .modulo ? 0 : try exact(Int64(0).subtractingReportingOverflow(left)))
            }
            let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return .int(
                operation == .modulo ? (isBelow ? remainder + right : remainder) : (isBelow ? quotient - 1 : quotient))
        case .power:
            guard right >= 0 else { return try numbers(Double(left), operation, Double(right)) }
            var (result, base, exponent) = (Int64(1), left, right)
            while exponent > 0 {
                if exponent & 1 == 1 { result = try exact(result.multipliedReportingOverflow(by: base)) }
                exponent >>= 1
                if exponent > 0 { base = try exact(base.multipliedReportingOverflow(by: base)) }
            }
            return .int(result)
        }
    }

    private func numbers(_ left: Double, _ operation: TemplateNode.Operator, _ right: Double) throws -> PythonValue {
        switch operation {
        case .add: return .double(left + right)
        case .subtract: return .double(left - right)
        case .multiply: return .double(left * right)
        case .power:
            guard left != 0 || right >= 0 else { throw failure("0.0 cannot be raised to a negative power") }
            let result = pow(left, right)
            guard result.isFinite || !left.isFinite || !right.isFinite else {
                throw failure("the result is out of range")
            }
            guard !result.isNaN || left.isNaN || right.isNaN else { throw failure("the result is a complex number") }
            return .double(result)
        case .divide, .floorDivide, .modulo:
            guard right != 0 else { throw failure("division by zero") }
            if operation == .divide { return .double(left / right) }
            var remainder = fmod(left, right)
            var quotient = (left - remainder) / right
            if remainder != 0, (remainder < 0) != (right < 0) {
                remainder += right
                quotient -= 1
            }
            if operation == .modulo { return .double(remainder == 0 ? (right < 0 ? -0.0 : 0.0) : remainder) }
            var floored = quotient.rounded(.down)
            if quotient - floored > 0.5 { floored += 1 }
            return .double(floored)
        }
    }

    // MARK: - Comparison

    func compare(_ left: PythonValue, _ comparison: TemplateNode.Comparison, _ right: PythonValue) throws -> Bool {
        switch comparison {
        case .equal: try isEqual(left, right)
        case .notEqual: try !isEqual(left, right)
        case .less: try isLess(left, right, "<")
        case .greater: try isLess(right, left, ">")
        case .lessOrEqual: try isLess(left, right, "<=") || isEqual(left, right)
        case .greaterOrEqual: try isLess(right, left, ">=") || isEqual(left, right)
        case .in: try contains(right, left)
        case .notIn: try !contains(right, left)
        }
    }

    func isEqual(_ left: PythonValue, _ right: PythonValue) throws -> Bool {
        try charge(1)
        if let left = left.integer, let right = right.integer { return left == right }
        if let left = left.number, let right = right.number { return left == right }
        switch (left, right) {
        case (.none, .none), (.undefined, .undefined): return true
        case (.string(let left), .string(let right)):
            try charge(min(left.bytes.count, right.bytes.count) / 32)
            return left.bytes == right.bytes
        case (.sequence(let left), .sequence(let right)):
            guard left.kind == right.kind, left.items.count == right.items.count else { return false }
            for (a, b) in zip(left.items, right.items) { guard try isEqual(a, b) else { return false } }
            return true
        case (.dict(let left), .dict(let right)):
            guard left.keys.count == right.keys.count else { return false }
            for (key, value) in left.entries {
                guard let place = right.place(try key.key()), try isEqual(value, right.values[place]) else {
                    return false
                }
            }
            return true
        default:
            guard let identity = left.identity else { return false }
            return identity == right.identity
        }
    }

    func isLess(_ left: PythonValue, _ right: PythonValue, _ sign: String = "<") throws -> Bool {
        try charge(1)
        if let left = left.integer, let right = right.integer { return left < right }
        if let left = left.number, let right = right.number {
            // NaN is neither, and `<=` asks for equality too.
            return left < right
        }
        switch (left, right) {
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw failure(undefined.message)
        case (.string(let left), .string(let right)):
            try charge(min(left.bytes.count, right.bytes.count) / 32)
            return left.bytes.lexicographicallyPrecedes(right.bytes)
        case (.sequence(let left), .sequence(let right))
        where left.kind == right.kind && (left.kind == .list || left.kind == .tuple):
            for (a, b) in zip(left.items, right.items) where try !isEqual(a, b) { return try isLess(a, b, sign) }
            return left.items.count < right.items.count
        default:
            throw failure("'\(sign)' not supported between instances of '\(left.typeName)' and '\(right.typeName)'")
        }
    }

    func contains(_ container: PythonValue, _ value: PythonValue) throws -> Bool {
        switch container {
        case .string(let text):
            guard let part = value.stringBytes else {
                if case .undefined = value {}
                throw failure("'in <string>' requires string as left operand, not \(value.typeName)")
            }
            try charge(text.bytes.count / 32)
            return PythonText.find(part, in: text.bytes[...]) != nil
        case .dict(let dict): return dict.place(try value.key()) != nil
        case .iterator(let iterator):
            while let item = try iterator.next() { if try isEqual(item, value) { return true } }
            return false
        case .undefined: return false
        case .sequence(let sequence):
            for item in sequence.items where try isEqual(item, value) { return true }
            return false
        default: throw failure("argument of type '\(container.typeName)' is not iterable")
        }
    }
}
