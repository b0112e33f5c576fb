extension TemplateRenderer {
    /// `tojson` as transformers defines it: `json.dumps` with `ensure_ascii=False`, and nothing escaped for HTML.
    func json(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(
            to: ["ensure_ascii", "indent", "separators", "sort_keys"], of: "tojson", self)
        var writer = JSONWriter(
            renderer: self, isASCII: bound[0]?.isTrue == true, sortsKeys: bound[3]?.isTrue == true)
        if let indent = bound[1], !indent.isNone {
            if let text = indent.stringBytes {
                writer.indent = text
            } else {
                let width = try integer(indent, 0, "indent")
                guard width <= 1000 else { throw failure("`tojson` indents by at most 1000") }
                writer.indent = Array(repeating: 0x20, count: max(width, 0))
            }
            writer.separator = Array(",".utf8)
        }
        if let separators = bound[2], !separators.isNone {
            let pair = try items(of: separators)
            guard pair.count == 2, let item = pair[0].stringBytes, let key = pair[1].stringBytes else {
                throw failure("`separators` needs two strings")
            }
            (writer.separator, writer.keySeparator) = (item, key)
        }
        try writer.write(value, 0)
        return .text(try checked(writer.out))
    }
}

private struct JSONWriter {
    let renderer: TemplateRenderer
    let isASCII: Bool
    let sortsKeys: Bool
    var indent: [UInt8]?
    var separator = Array(", ".utf8)
    var keySeparator = Array(": ".utf8)
    var out: [UInt8] = []

    init(renderer: TemplateRenderer, isASCII: Bool, sortsKeys: Bool) {
        self.renderer = renderer
        self.isASCII = isASCII
        self.sortsKeys = sortsKeys
    }

    mutating func write(_ value: PythonValue, _ level: Int) throws {
        guard out.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        switch value {
        case .none: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .int(let value): out += String(value).utf8
        case .double(let value): out += Self.text(value).utf8
        case .string(let text): write(string: text.bytes)
        case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
            try write(sequence.items, level, "[", "]") { try $0.write($1, level + 1) }
        case .dict(let dict):
            var entries = dict.entries
            if sortsKeys { entries = try sorted(entries) }
            try write(entries, level, "{", "}") { writer, entry in
                writer.write(string: try writer.key(entry.0))
                writer.out += writer.keySeparator
                try writer.write(entry.1, level + 1)
            }
        default: throw renderer.failure("Object of type \(value.typeName) is not JSON serializable")
        }
    }

    private mutating func write<T>(
        _ items: [T], _ level: Int, _ opening: Unicode.Scalar, _ closing: Unicode.Scalar,
        _ item: (inout JSONWriter, T) throws -> Void
    ) throws {
        out.append(UInt8(ascii: opening))
        for (index, value) in items.enumerated() {
            if index > 0 { out += separator }
            newLine(level + 1)
            try item(&self, value)
        }
        if !items.isEmpty { newLine(level) }
        out.append(UInt8(ascii: closing))
    }

    private mutating func newLine(_ level: Int) {
        guard let indent else { return }
        out.append(0x0A)
        for _ in 0..<level { out += indent }
    }

    private func sorted(_ entries: [(PythonValue, PythonValue)]) throws -> [(PythonValue, PythonValue)] {
        try entries.sorted { try renderer.isLess($0.0, $1.0) }
    }

    private static func text(_ number: Double) -> String {
        number.isFinite ? PythonText.text(number) : number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity"
    }

    private func key(_ key: PythonValue) throws -> [UInt8] {
        switch key {
        case .string(let text): text.bytes
        case .none: Array("null".utf8)
        case .bool(let value): Array((value ? "true" : "false").utf8)
        case .int(let value): Array(String(value).utf8)
        case .double(let value): Array(Self.text(value).utf8)
        default: throw renderer.failure("keys must be str, int, float, bool or None, not \(key.typeName)")
        }
    }

    private mutating func write(string text: [UInt8]) {
        out.append(UInt8(ascii: "\""))
        if isASCII, !PythonText.isASCII(text) {
            for scalar in PythonText.scalars(text) {
                if scalar.value < 0x80 {
                    write(byte: UInt8(scalar.value))
                } else {
                    for unit in String(Character(scalar)).utf16 { write(unit: unit) }
                }
            }
        } else {
            for byte in text { write(byte: byte) }
        }
        out.append(UInt8(ascii: "\""))
    }

    private mutating func write(byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
        case 0x0A: out += "\\n".utf8
        case 0x0D: out += "\\r".utf8
        case 0x09: out += "\\t".utf8
        case 0x08: out += "\\b".utf8
        case 0x0C: out += "\\f".utf8
        case 0..<0x20: write(unit: UInt16(byte))
        case 0x7F where isASCII: write(unit: 0x7F)
        default: out.append(byte)
        }
    }

    private mutating func write(unit: UInt16) {
        let hex = String(unit, radix: 16)
        out += ("\\u" + String(repeating: "0", count: 4 - hex.count) + hex).utf8
    }
}
