import Foundation

// The filters of Jinja (https://jinja.palletsprojects.com/en/stable/templates/#builtin-filters) that make sense in a prompt.

extension TemplateRenderer {
    func filter(_ name: String, _ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        try charge(for: value)
        if let result = try textFilter(name, value, arguments) { return result }
        if let result = try numberFilter(name, value, arguments) { return result }
        if let result = try sequenceFilter(name, value, arguments) { return result }
        switch name {
        case "default", "d":
            let bound = try arguments.bound(to: ["default_value", "boolean"], of: name, self)
            let replaces = value.isUndefined || bound[1]?.isTrue == true && !value.isTrue
            return replaces ? bound[0] ?? .text("") : value
        case "tojson": return try json(value, arguments)
        case "attr":
            guard let attribute = try arguments.bound(to: ["name"], of: name, self)[0]?.stringBytes else {
                throw failure("`attr` needs a name")
            }
            let text = String(decoding: attribute, as: UTF8.self)
            if case .dict = value, !isMethod(text, of: value) { return .undefined("dict has no attribute '\(text)'") }
            return try self.attribute(text, of: value, at: position)
        default:
            throw TemplateFailure(kind: .syntax, message: "there is no filter `\(name)` here", position: position)
        }
    }

    // MARK: - Text

    private func textFilter(
        _ name: String, _ value: PythonValue, _ arguments: TemplateArguments
    ) throws -> PythonValue? {
        switch name {
        case "string":
            if case .string = value { return value }
            return .text(try text(of: value))
        case "trim":
            let bound = try arguments.bound(to: ["chars"], of: name, self)
            return .text(try stripped(value, bound[0], left: true, right: true))
        case "upper": return .text(try checked(PythonText.upper(try text(of: value))))
        case "lower": return .text(try checked(PythonText.lower(try text(of: value))))
        case "capitalize": return .text(PythonText.capitalized(try text(of: value)))
        case "title": return .text(Self.title(try text(of: value)))
        case "replace":
            let bound = try arguments.bound(to: ["old", "new", "count"], of: name, self)
            guard let old = bound[0], let new = bound[1] else { throw failure("`replace` needs an old and a new text") }
            let most = try integer(bound[2], -1, "count")
            let result = try PythonText.replaced(
                try text(of: value), try text(of: old), try text(of: new), most, ChatTemplate.mostBytes)
            return .text(try checked(result))
        case "escape", "e", "forceescape":
            if case .string(let text) = value, text.isMarkup, name != "forceescape" { return value }
            return .string(PythonString(bytes: Self.escaped(try text(of: value)), isMarkup: true))
        case "safe": return .string(PythonString(bytes: try text(of: value), isMarkup: true))
        case "indent": return .text(try checked(try indented(value, arguments)))
        case "center":
            let width = try integer(try arguments.bound(to: ["width"], of: name, self)[0], 80, "width")
            return .text(try padded(try text(of: value), width, left: true, right: true, with: [0x20]))
        case "format": return .text(try checked(try formatted(try text(of: value), try formatValues(arguments))))
        case "truncate": return .text(try truncated(value, arguments))
        case "wordcount":
            var count = 0
            var inWord = false
            for scalar in PythonText.scalars(try text(of: value)) {
                let properties = scalar.properties
                let isWord = PythonText.isAlpha(properties) || properties.numericType != nil || scalar == "_"
                if isWord, !inWord { count += 1 }
                inWord = isWord
            }
            return .int(Int64(count))
        case "urlencode":
            var out: [UInt8] = []
            for byte in try text(of: value) {
                let isPlain =
                    byte < 0x80
                    && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber)
                if isPlain || "-._~/".utf8.contains(byte) {
                    out.append(byte)
                } else {
                    out += String(format: "%%%02X", byte).utf8
                }
            }
            return .text(try checked(out))
        default: return nil
        }
    }

    /// The right side of `%` that the filter `format` makes of its arguments.
    private func formatValues(_ arguments: TemplateArguments) throws -> PythonValue {
        guard arguments.keywords.isEmpty else {
            return .dict(try PythonDict(arguments.keywords.map { (.text($0.0), $0.1) }))
        }
        return try .tuple(arguments.positional)
    }

    static func escaped(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        for byte in text {
            switch byte {
            case UInt8(ascii: "&"): out += "&amp;".utf8
            case UInt8(ascii: "<"): out += "&lt;".utf8
            case UInt8(ascii: ">"): out += "&gt;".utf8
            case UInt8(ascii: "'"): out += "&#39;".utf8
            case UInt8(ascii: "\""): out += "&#34;".utf8
            default: out.append(byte)
            }
        }
        return out
    }

    private static func title(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var beginsWord = true
        for character in PythonText.characters(text[...]) {
            let isBreak =
                PythonText.space(character, at: character.startIndex) != nil
                || "-({[<".utf8.contains(character[character.startIndex])
            if isBreak {
                out += character
            } else {
                out += beginsWord ? PythonText.upper(Array(character)) : PythonText.lower(Array(character))
            }
            beginsWord = isBreak
        }
        return out
    }

    private func indented(_ value: PythonValue, _ arguments: TemplateArguments) throws -> [UInt8] {
        let bound = try arguments.bound(to: ["width", "first", "blank"], of: "indent", self)
        let indent: [UInt8]
        if let text = bound[0]?.stringBytes {
            indent = text
        } else {
            let width = try integer(bound[0], 4, "width")
            guard width <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
            indent = Array(repeating: 0x20, count: max(width, 0))
        }
        let blank = bound[2]?.isTrue == true
        var out: [UInt8] = []
        for (index, line) in PythonText.lines(try text(of: value) + [0x0A]).enumerated() {
            if index > 0 { out.append(0x0A) }
            if index > 0 ? blank || !line.isEmpty : bound[1]?.isTrue == true { out += indent }
            out += line
            guard out.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        }
        return out
    }

    private func truncated(_ value: PythonValue, _ arguments: TemplateArguments) throws -> [UInt8] {
        let bound = try arguments.bound(to: ["length", "killwords", "end", "leeway"], of: "truncate", self)
        let length = try integer(bound[0], 255, "length")
        let end = try bound[2].map { try text(of: $0) } ?? Array("...".utf8)
        let leeway = try integer(bound[3], 5, "leeway")
        let bytes = try text(of: value)
        let characters = PythonText.characters(bytes[...])
        let (endLength, limit) = (PythonText.length(end), length.addingReportingOverflow(leeway))
        guard length >= endLength, leeway >= 0, !limit.overflow else {
            throw failure("`truncate` needs a length of at least \(endLength) and a leeway of at least 0")
        }
        if characters.count <= limit.partialValue { return bytes }
        var kept = characters[..<(length - endLength)]
        if bound[1]?.isTrue != true, let space = kept.lastIndex(where: { Array($0) == [0x20] }) {
            kept = kept[..<space]
        }
        return kept.flatMap { $0 } + end
    }

    // MARK: - Numbers

    private func numberFilter(
        _ name: String, _ value: PythonValue, _ arguments: TemplateArguments
    ) throws -> PythonValue? {
        switch name {
        case "length", "count": return .int(Int64(try length(value)))
        case "abs":
            if case .double(let number) = value { return .double(abs(number)) }
            guard let number = value.integer else { throw failure("bad operand type for abs(): '\(value.typeName)'") }
            return number < 0 ? try sign(.int(number), negative: true) : .int(number)
        case "int":
            let bound = try arguments.bound(to: ["default", "base"], of: name, self)
            return try wholeNumber(value, bound[0] ?? .int(0), try integer(bound[1], 10, "base"))
        case "float":
            if case .undefined(let undefined) = value { throw failure(undefined.message) }
            let bound = try arguments.bound(to: ["default"], of: name, self)
            let number = value.number ?? value.stringBytes.flatMap(Self.float)
            return number.map { .double($0) } ?? bound[0] ?? .double(0)
        case "round": return try rounded(value, arguments)
        default: return nil
        }
    }

    func length(_ value: PythonValue) throws -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text): return PythonText.length(text.bytes)
        case .sequence(let sequence): return sequence.items.count
        case .dict(let dict): return dict.keys.count
        case .loop(let loop): return loop.items.count
        default: throw failure("object of type '\(value.typeName)' has no len()")
        }
    }

    /// An argument that has to be a whole number.
    func integer(_ value: PythonValue?, _ standard: Int, _ name: String) throws -> Int {
        guard let value, !value.isNone else { return standard }
        guard let number = value.integer else {
            throw failure("`\(name)` must be a whole number, found \(value.typeName)")
        }
        return Int(number)
    }

    static func float(_ text: [UInt8]) -> Double? {
        let stripped = PythonText.stripped(text, left: true, right: true, of: nil)
        let text = String(decoding: stripped, as: UTF8.self).replacingOccurrences(of: "_", with: "").lowercased()
        switch text {
        case "inf", "infinity", "+inf", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        case "nan", "+nan", "-nan": return .nan
        default: return text.contains("x") || text.contains("n") ? nil : Double(text)
        }
    }

    private func wholeNumber(_ value: PythonValue, _ standard: PythonValue, _ base: Int) throws -> PythonValue {
        if case .undefined(let undefined) = value { throw failure(undefined.message) }
        if let number = value.integer { return .int(number) }
        var number: Double?
        if let bytes = value.stringBytes {
            let stripped = PythonText.stripped(bytes, left: true, right: true, of: nil)
            var text = String(decoding: stripped, as: UTF8.self).replacingOccurrences(of: "_", with: "")
            let prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : nil
            if let prefix, text.lowercased().hasPrefix(prefix) { text = String(text.dropFirst(2)) }
            if 2...36 ~= base, let whole = Int64(text, radix: base) { return .int(whole) }
            number = Self.float(bytes)
        } else if case .double(let value) = value {
            number = value
        }
        guard let number, number.isFinite else { return standard }
        guard let whole = Int64(exactly: number.rounded(.towardZero)) else {
            throw failure("a number needs more than 64 bits")
        }
        return .int(whole)
    }

    private func rounded(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["precision", "method"], of: "round", self)
        let precision = try integer(bound[0], 0, "precision")
        let method = try bound[1].map { String(decoding: try text(of: $0), as: UTF8.self) } ?? "common"
        guard let number = value.number else { throw failure("type \(value.typeName) has no rounding") }
        guard -300...300 ~= precision else { throw failure("`round` to \(precision) places is not supported") }
        switch method {
        case "common":
            if let whole = value.integer, precision >= 0 { return .int(whole) }
            guard number.isFinite else { return value }
            // Through decimal text, as Python rounds: correctly, with halves to even.
            if precision >= 0 { return .double(Double(String(format: "%.\(precision)f", number)) ?? number) }
            let scale = pow(10, Double(-precision))
            let rounded = (number / scale).rounded(.toNearestOrEven) * scale
            return value.integer == nil ? .double(rounded) : .int(Int64(exactly: rounded) ?? 0)
        case "ceil", "floor":
            let scale = pow(10, Double(precision))
            let scaled = (number * scale).rounded(method == "ceil" ? .up : .down)
            return .double(scaled / scale)
        default: throw failure("`round` has the methods common, ceil and floor, not `\(method)`")
        }
    }
}
