import Foundation

// Python's two ways of formatting: `"%s" % value` and `"{}".format(value)`.

/// How a value is laid out: the format specification of `str.format`, which the flags of `%` are translated to.
private struct LayoutSpec {
    var fill: [UInt8] = [0x20]
    var align: UInt8?
    var sign: UInt8 = UInt8(ascii: "-")
    var alternate = false
    var width = 0
    var grouping: UInt8?
    var precision: Int?
    var type: UInt8?
}

extension TemplateRenderer {
    // MARK: - %

    func formatted(_ format: [UInt8], _ values: PythonValue) throws -> [UInt8] {
        var out: [UInt8] = []
        var positional: [PythonValue] = [values]
        if case .sequence(let sequence) = values, sequence.kind == .tuple { positional = sequence.items }
        var given = 0
        var usesKeys = false
        var place = 0
        while place < format.count {
            guard format[place] == UInt8(ascii: "%") else {
                out.append(format[place])
                place += 1
                continue
            }
            place += 1
            var value: PythonValue?
            if place < format.count, format[place] == UInt8(ascii: "(") {
                guard let end = format[place...].firstIndex(of: UInt8(ascii: ")")), case .dict(let dict) = values else {
                    throw failure("format requires a mapping")
                }
                guard let found = dict[Array(format[place + 1..<end])] else {
                    throw failure("a key of the format is missing")
                }
                value = found
                usesKeys = true
                place = end + 1
            }
            let spec = try percentSpec(format, &place)
            guard place < format.count else { throw failure("incomplete format") }
            let type = format[place]
            place += 1
            if type == UInt8(ascii: "%") {
                out.append(type)
                continue
            }
            if value == nil {
                guard given < positional.count else { throw failure("not enough arguments for format string") }
                value = positional[given]
                given += 1
            }
            out += try percent(value ?? .none, spec, type)
            guard out.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        }
        var isMapping = false
        if case .dict = values { isMapping = true }
        guard given >= positional.count || usesKeys || isMapping else {
            throw failure("not all arguments converted during string formatting")
        }
        return out
    }

    private func percentSpec(_ format: [UInt8], _ place: inout Int) throws -> LayoutSpec {
        var spec = LayoutSpec()
        spec.align = UInt8(ascii: ">")
        while place < format.count, "-+ 0#".utf8.contains(format[place]) {
            switch format[place] {
            case UInt8(ascii: "-"): spec.align = UInt8(ascii: "<")
            case UInt8(ascii: "0"): if spec.align != UInt8(ascii: "<") { spec.align = UInt8(ascii: "=") }
            case UInt8(ascii: "#"): spec.alternate = true
            default: spec.sign = format[place]
            }
            place += 1
        }
        spec.width = try number(format, &place)
        if place < format.count, format[place] == UInt8(ascii: ".") {
            place += 1
            spec.precision = try number(format, &place)
        }
        return spec
    }

    private func number(_ text: [UInt8], _ place: inout Int) throws -> Int {
        var number = 0
        while place < text.count, text[place] &- 0x30 < 10 {
            number = number * 10 + Int(text[place] &- 0x30)
            guard number <= 100_000 else { throw failure("a width of the format is too large") }
            place += 1
        }
        return number
    }

    private func percent(_ value: PythonValue, _ spec: LayoutSpec, _ type: UInt8) throws -> [UInt8] {
        var spec = spec
        spec.type = type
        switch type {
        case UInt8(ascii: "s"), UInt8(ascii: "r"):
            spec.type = nil
            if spec.align == UInt8(ascii: "=") { spec.align = UInt8(ascii: ">") }
            return try layOut(text: type == UInt8(ascii: "s") ? try text(of: value) : try repr(value), spec)
        case UInt8(ascii: "d"), UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "x"), UInt8(ascii: "X"),
            UInt8(ascii: "o"):
            if case .undefined(let undefined) = value { throw failure(undefined.message) }
            let isHex = "xXo".utf8.contains(type)
            guard
                let number = value.integer
                    ?? (isHex ? nil : value.number.flatMap { Int64(exactly: $0.rounded(.towardZero)) })
            else {
                throw failure("%\(Character(Unicode.Scalar(type))) format: a number is required, not \(value.typeName)")
            }
            if spec.align == UInt8(ascii: "=") { spec.fill = [0x30] }
            spec.type = isHex ? type : UInt8(ascii: "d")
            return try layOut(.int(number), spec)
        case UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "g"),
            UInt8(ascii: "G"):
            if case .undefined(let undefined) = value { throw failure(undefined.message) }
            guard let number = value.number else { throw failure("must be real number, not \(value.typeName)") }
            if spec.align == UInt8(ascii: "=") { spec.fill = [0x30] }
            return try layOut(.double(number), spec)
        default: throw failure("unsupported format character `\(Character(Unicode.Scalar(type)))`")
        }
    }

    // MARK: - {}

    func format(_ format: [UInt8], _ arguments: TemplateArguments) throws -> [UInt8] {
        var out: [UInt8] = []
        var place = 0
        var automatic = 0
        while place < format.count {
            let byte = format[place]
            place += 1
            guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
                out.append(byte)
                continue
            }
            if place < format.count, format[place] == byte {
                out.append(byte)
                place += 1
                continue
            }
            guard byte == UInt8(ascii: "{"), let end = format[place...].firstIndex(of: UInt8(ascii: "}")) else {
                throw failure("single `\(Character(Unicode.Scalar(byte)))` in a format string")
            }
            out += try field(Array(format[place..<end]), arguments, &automatic)
            guard out.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
            place = end + 1
        }
        return out
    }

    private func field(_ field: [UInt8], _ arguments: TemplateArguments, _ automatic: inout Int) throws -> [UInt8] {
        guard !field.contains(UInt8(ascii: "{")) else { throw failure("nested fields in a format are not supported") }
        let colon = field.firstIndex(of: UInt8(ascii: ":")) ?? field.count
        var name = field[..<colon]
        var conversion: UInt8?
        if let mark = name.lastIndex(of: UInt8(ascii: "!")) {
            guard mark + 2 == name.endIndex else { throw failure("a conversion of the format is not one letter") }
            conversion = name[mark + 1]
            name = name[..<mark]
        }
        var value = try self.value(of: name, arguments, &automatic)
        switch conversion {
        case nil: break
        case UInt8(ascii: "s"): value = .text(try text(of: value))
        case UInt8(ascii: "r"): value = .text(try repr(value))
        default: throw failure("the conversion of a format is s or r here")
        }
        return try layOut(value, try spec(Array(field[min(colon + 1, field.count)...])))
    }

    private func value(
        of name: ArraySlice<UInt8>, _ arguments: TemplateArguments, _ automatic: inout Int
    ) throws -> PythonValue {
        let end = name.firstIndex { ".[".utf8.contains($0) } ?? name.endIndex
        let first = String(decoding: name[..<end], as: UTF8.self)
        var value: PythonValue
        if first.isEmpty || Int(first) != nil {
            let index = Int(first) ?? automatic
            if first.isEmpty { automatic += 1 }
            guard arguments.positional.indices.contains(index) else {
                throw failure("Replacement index \(index) out of range for positional args tuple")
            }
            value = arguments.positional[index]
        } else {
            guard let found = arguments.keywords.first(where: { $0.0 == first })?.1 else {
                throw failure("the format names `\(first)`, which is not given")
            }
            value = found
        }
        var rest = name[end...]
        while let mark = rest.first {
            rest = rest.dropFirst()
            let isItem = mark == UInt8(ascii: "[")
            let stop = rest.firstIndex { isItem ? $0 == UInt8(ascii: "]") : ".[".utf8.contains($0) } ?? rest.endIndex
            guard !isItem || stop < rest.endIndex else { throw failure("a format's `[` has no `]`") }
            let part = String(decoding: rest[..<stop], as: UTF8.self)
            value =
                isItem
                ? try item(Int64(part).map { .int($0) } ?? .text(part), of: value, at: position)
                : try attribute(part, of: value, at: position)
            rest = rest[(isItem ? stop + 1 : stop)...]
        }
        return value
    }

    private func spec(_ text: [UInt8]) throws -> LayoutSpec {
        var spec = LayoutSpec()
        var place = 0
        let isAlign = { (byte: UInt8) in "<>=^".utf8.contains(byte) }
        if let first = text.first, text.count > PythonText.width(first), isAlign(text[PythonText.width(first)]) {
            place = PythonText.width(first)
            spec.fill = Array(text[..<place])
            spec.align = text[place]
            place += 1
        } else if let first = text.first, isAlign(first) {
            spec.align = first
            place = 1
        }
        if place < text.count, "+- ".utf8.contains(text[place]) {
            spec.sign = text[place]
            place += 1
        }
        if place < text.count, text[place] == UInt8(ascii: "#") {
            spec.alternate = true
            place += 1
        }
        if place < text.count, text[place] == 0x30 {
            if spec.align == nil { (spec.fill, spec.align) = ([0x30], UInt8(ascii: "=")) }
            place += 1
        }
        spec.width = try number(text, &place)
        if place < text.count, ",_".utf8.contains(text[place]) {
            spec.grouping = text[place]
            place += 1
        }
        if place < text.count, text[place] == UInt8(ascii: ".") {
            place += 1
            spec.precision = try number(text, &place)
        }
        if place < text.count {
            spec.type = text[place]
            place += 1
        }
        guard place == text.count else { throw failure("invalid format specifier") }
        return spec
    }

    // MARK: - Laying out

    private func layOut(_ value: PythonValue, _ spec: LayoutSpec) throws -> [UInt8] {
        let type = spec.type
        if case .bool(let flag) = value, type == nil, spec.width == 0 { return Array((flag ? "True" : "False").utf8) }
        let floatTypes = "fFeEgG%".utf8
        if let number = value.integer, type.map({ !floatTypes.contains($0) }) ?? true {
            var digits: String
            switch type {
            case nil, UInt8(ascii: "d"), UInt8(ascii: "n"): digits = String(number.magnitude)
            case UInt8(ascii: "x"): digits = (spec.alternate ? "0x" : "") + String(number.magnitude, radix: 16)
            case UInt8(ascii: "X"):
                digits = (spec.alternate ? "0X" : "") + String(number.magnitude, radix: 16, uppercase: true)
            case UInt8(ascii: "o"): digits = (spec.alternate ? "0o" : "") + String(number.magnitude, radix: 8)
            case UInt8(ascii: "b"): digits = (spec.alternate ? "0b" : "") + String(number.magnitude, radix: 2)
            default: throw failure("this format is not for whole numbers")
            }
            if let grouping = spec.grouping { digits = Self.grouped(digits, grouping) }
            return try layOut(number: digits, isNegative: number < 0, spec)
        }
        if let number = value.number { return try layOut(number, spec) }
        guard type == nil || type == UInt8(ascii: "s") else { throw failure("this format is only for numbers") }
        guard spec.width == 0 && spec.precision == nil || value.stringBytes != nil else {
            throw failure("unsupported format string passed to \(value.typeName).__format__")
        }
        return try layOut(text: try text(of: value), spec)
    }

    private func layOut(_ number: Double, _ spec: LayoutSpec) throws -> [UInt8] {
        let magnitude = abs(number)
        let precision = spec.precision ?? 6
        guard precision <= 300 else { throw failure("the precision of a format is at most 300") }
        var text: String
        switch spec.type {
        case nil:
            text =
                spec.precision == nil
                ? PythonText.text(magnitude) : String(format: "%.\(max(precision, 1))g", magnitude)
        case UInt8(ascii: "f"), UInt8(ascii: "F"): text = String(format: "%.\(precision)f", magnitude)
        case UInt8(ascii: "e"): text = String(format: "%.\(precision)e", magnitude)
        case UInt8(ascii: "E"): text = String(format: "%.\(precision)E", magnitude)
        case UInt8(ascii: "g"): text = String(format: "%.\(precision)g", magnitude)
        case UInt8(ascii: "G"): text = String(format: "%.\(precision)G", magnitude)
        case UInt8(ascii: "%"): text = String(format: "%.\(precision)f", magnitude * 100) + "%"
        default: throw failure("this format is not for numbers with a fraction")
        }
        if let grouping = spec.grouping {
            let whole = text.prefix { $0.isNumber }
            text = Self.grouped(String(whole), grouping) + text.dropFirst(whole.count)
        }
        return try layOut(number: text, isNegative: number.sign == .minus, spec)
    }

    private static func grouped(_ digits: String, _ separator: UInt8) -> String {
        var out: [UInt8] = []
        for (index, digit) in digits.utf8.enumerated() {
            if index > 0, (digits.utf8.count - index) % 3 == 0 { out.append(separator) }
            out.append(digit)
        }
        return String(decoding: out, as: UTF8.self)
    }

    private func layOut(number: String, isNegative: Bool, _ spec: LayoutSpec) throws -> [UInt8] {
        let sign = isNegative ? "-" : spec.sign == UInt8(ascii: "-") ? "" : String(Character(Unicode.Scalar(spec.sign)))
        if spec.align == UInt8(ascii: "=") {
            let width = max(0, spec.width - sign.utf8.count)
            return Array(sign.utf8) + (try padded(Array(number.utf8), width, left: true, right: false, with: spec.fill))
        }
        var spec = spec
        spec.precision = nil
        spec.align = spec.align ?? UInt8(ascii: ">")
        return try layOut(text: Array((sign + number).utf8), spec)
    }

    private func layOut(text: [UInt8], _ spec: LayoutSpec) throws -> [UInt8] {
        let text = spec.precision.map { PythonText.characters(text[...]).prefix($0).flatMap { Array($0) } } ?? text
        switch spec.align {
        case UInt8(ascii: ">"): return try padded(text, spec.width, left: true, right: false, with: spec.fill)
        case UInt8(ascii: "^"):
            // Unlike `center`, the odd one goes to the right.
            let left = max(0, spec.width - PythonText.length(text)) / 2
            let half = try padded(text, PythonText.length(text) + left, left: true, right: false, with: spec.fill)
            return try padded(half, spec.width, left: false, right: true, with: spec.fill)
        case UInt8(ascii: "="): throw failure("'=' alignment not allowed in string format specifier")
        default: return try padded(text, spec.width, left: false, right: true, with: spec.fill)
        }
    }
}
