// The methods of Python's values. What would change a value is refused, as Jinja's immutable sandbox does.

extension TemplateRenderer {
    private static let textMethods: Set<String> = [
        "split", "rsplit", "splitlines", "strip", "lstrip", "rstrip", "startswith", "endswith", "replace", "upper",
        "lower",
        "title", "capitalize", "casefold", "swapcase", "find", "rfind", "index", "rindex", "count", "join", "format",
        "removeprefix", "removesuffix", "partition", "rpartition", "isdigit", "isnumeric", "isdecimal", "isalpha",
        "isalnum",
        "isspace", "isupper", "islower", "isascii", "zfill", "center", "ljust", "rjust", "expandtabs", "encode",
        "translate",
        "maketrans", "format_map", "istitle", "isidentifier", "isprintable",
    ]
    private static let changes: [String: Set<String>] = [
        "list": ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"],
        "dict": ["clear", "pop", "popitem", "setdefault", "update"],
    ]

    func isMethod(_ name: String, of value: PythonValue) -> Bool {
        switch value {
        case .string: Self.textMethods.contains(name)
        case .dict:
            ["items", "keys", "values", "get", "copy", "fromkeys"].contains(name)
                || Self.changes["dict"]?.contains(name) == true
        case .sequence(let sequence):
            switch sequence.kind {
            case .list:
                name == "index" || name == "count" || name == "copy" || Self.changes["list"]?.contains(name) == true
            case .tuple, .range: name == "index" || name == "count"
            default: false
            }
        case .loop: name == "cycle" || name == "changed"
        case .callable(let callable):
            switch callable.kind {
            case .cycler: name == "next" || name == "reset"
            case .function("dict"): name == "fromkeys"
            default: false
            }
        default: false
        }
    }

    func method(_ name: String, of value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        try charge(for: value)
        switch value {
        case .string(let text): return try method(name, of: text.bytes, arguments)
        case .dict(let dict): return try method(name, of: dict, arguments)
        case .sequence(let sequence): return try method(name, of: sequence, arguments)
        case .loop(let loop) where name == "cycle":
            guard !arguments.positional.isEmpty else { throw failure("no items for cycling given") }
            return arguments.positional[loop.index % arguments.positional.count]
        case .loop(let loop):
            let last = loop.lastChanged
            loop.lastChanged = arguments.positional
            guard let last, last.count == arguments.positional.count else { return .bool(true) }
            for (a, b) in zip(last, arguments.positional) where try !isEqual(a, b) { return .bool(true) }
            return .bool(false)
        case .callable(let callable):
            guard case .cycler(let values) = callable.kind else { return .dict(try fromKeys(arguments)) }
            if name == "reset" {
                callable.count = 0
                return .none
            }
            callable.count += 1
            return values[(callable.count - 1) % values.count]
        default: throw failure("'\(value.typeName)' object has no method `\(name)`")
        }
    }

    func isChange(_ name: String, of value: PythonValue) -> Bool {
        Self.changes[value.typeName]?.contains(name) == true
    }

    func refusal(_ name: String, _ type: String) -> String {
        "access to attribute '\(name)' of '\(type)' object is unsafe: a template cannot change its values"
    }

    // MARK: - Dicts and lists

    private func method(_ name: String, of dict: PythonDict, _ arguments: TemplateArguments) throws -> PythonValue {
        guard Self.changes["dict"]?.contains(name) != true else { throw failure(refusal(name, "dict")) }
        switch name {
        case "get":
            guard arguments.keywords.isEmpty, 1...2 ~= arguments.positional.count else {
                throw failure("`get` takes a key and a default")
            }
            if let place = dict.place(try arguments.positional[0].key()) { return dict.values[place] }
            return arguments.positional.count > 1 ? arguments.positional[1] : .none
        case "fromkeys": return .dict(try fromKeys(arguments))
        default:
            guard arguments.positional.isEmpty, arguments.keywords.isEmpty else {
                throw failure("`\(name)` takes no arguments")
            }
            switch name {
            case "keys": return .sequence(try PythonSequence(.keys, dict.keys))
            case "values": return .sequence(try PythonSequence(.values, dict.values))
            case "items": return .sequence(try PythonSequence(.items, try dict.items()))
            default: return .dict(dict)
            }
        }
    }

    private func fromKeys(_ arguments: TemplateArguments) throws -> PythonDict {
        let bound = try arguments.bound(to: ["iterable", "value"], of: "fromkeys", self)
        return try PythonDict(try items(of: bound[0] ?? .none).map { ($0, bound[1] ?? .none) })
    }

    private func method(
        _ name: String, of sequence: PythonSequence, _ arguments: TemplateArguments
    ) throws -> PythonValue {
        guard Self.changes["list"]?.contains(name) != true else { throw failure(refusal(name, "list")) }
        if name == "copy" { return .sequence(sequence) }
        guard let wanted = arguments.positional.first, arguments.positional.count == 1 else {
            throw failure("`\(name)` takes one value")
        }
        var count: Int64 = 0
        for (index, item) in sequence.items.enumerated() where try isEqual(item, wanted) {
            if name == "index" { return .int(Int64(index)) }
            count += 1
        }
        guard name == "count" else { throw failure("the value is not in the list") }
        return .int(count)
    }

    // MARK: - Text

    func stripped(_ value: PythonValue, _ characters: PythonValue?, left: Bool, right: Bool) throws -> [UInt8] {
        var set: [UInt8]?
        if let characters, !characters.isNone {
            guard let bytes = characters.stringBytes else { throw failure("strip arg must be None or str") }
            set = bytes
        }
        return PythonText.stripped(try text(of: value), left: left, right: right, of: set)
    }

    private func method(_ name: String, of text: [UInt8], _ arguments: TemplateArguments) throws -> PythonValue {
        switch name {
        case "split", "rsplit": return try split(text, arguments, fromRight: name == "rsplit")
        case "strip", "lstrip", "rstrip":
            let bound = try arguments.bound(to: ["chars"], of: name, self)
            return .text(try stripped(.text(text), bound[0], left: name != "rstrip", right: name != "lstrip"))
        case "startswith", "endswith": return .bool(try affix(name, text, arguments))
        case "replace":
            let bound = try arguments.bound(to: ["old", "new", "count"], of: name, self)
            guard let old = bound[0]?.stringBytes, let new = bound[1]?.stringBytes else {
                throw failure("replace() needs two strings")
            }
            let most = try integer(bound[2], -1, "count")
            return .text(try checked(try PythonText.replaced(text, old, new, most, ChatTemplate.mostBytes)))
        case "join": return .text(try join(text, arguments))
        case "find", "rfind", "index", "rindex", "count": return try search(name, text, arguments)
        case "format": return .text(try checked(try format(text, arguments)))
        case "splitlines":
            let bound = try arguments.bound(to: ["keepends"], of: name, self)
            return try .list(PythonText.lines(text, keepEnds: bound[0]?.isTrue == true).map { .text($0) })
        case "removeprefix", "removesuffix", "partition", "rpartition":
            guard let part = try arguments.bound(to: ["part"], of: name, self)[0]?.stringBytes else {
                throw failure("`\(name)` needs a string")
            }
            return try cut(name, text, part)
        case "zfill", "center", "ljust", "rjust", "expandtabs": return try pad(name, text, arguments)
        default:
            guard arguments.positional.isEmpty, arguments.keywords.isEmpty else {
                throw failure("`\(name)` takes no arguments")
            }
            return try plainMethod(name, of: text)
        }
    }

    private func plainMethod(_ name: String, of text: [UInt8]) throws -> PythonValue {
        switch name {
        case "upper": .text(try checked(PythonText.upper(text)))
        case "lower", "casefold": .text(try checked(PythonText.lower(text)))
        case "title": .text(PythonText.titled(text))
        case "capitalize": .text(PythonText.capitalized(text))
        case "swapcase": .text(PythonText.swapped(text))
        case "isdigit": .bool(PythonText.all(text, PythonText.isDigit))
        case "isdecimal": .bool(PythonText.all(text) { $0.numericType == .decimal })
        case "isnumeric": .bool(PythonText.all(text) { $0.numericType != nil })
        case "isalpha": .bool(PythonText.all(text, PythonText.isAlpha))
        case "isalnum": .bool(PythonText.all(text) { PythonText.isAlpha($0) || $0.numericType != nil })
        case "isspace": .bool(!text.isEmpty && PythonText.stripped(text, left: true, right: true, of: nil).isEmpty)
        case "isupper": .bool(PythonText.isCase(text, upper: true))
        case "islower": .bool(PythonText.isCase(text, upper: false))
        case "isascii": .bool(PythonText.isASCII(text))
        default: throw failure("the method `\(name)` of strings is not supported in templates")
        }
    }

    private func split(_ text: [UInt8], _ arguments: TemplateArguments, fromRight: Bool) throws -> PythonValue {
        let bound = try arguments.bound(to: ["sep", "maxsplit"], of: "split", self)
        let most = try integer(bound[1], -1, "maxsplit")
        guard let separator = bound[0], !separator.isNone else {
            guard fromRight, most >= 0 else {
                return try .list(PythonText.splitBySpace(text, most: most).map { .text($0) })
            }
            // From the right: the parts before the last `most` stay together.
            let parts = PythonText.splitBySpace(text, most: -1)
            guard parts.count > most + 1, let first = parts.first else { return try .list(parts.map { .text($0) }) }
            let kept = parts.count - most - 1
            let head = text[first.startIndex..<parts[kept].endIndex]
            return try .list(([head] + parts[(kept + 1)...]).map { .text($0) })
        }
        guard let separator = separator.stringBytes else {
            throw failure("must be str or None, not \(separator.typeName)")
        }
        guard !separator.isEmpty else { throw failure("empty separator") }
        let parts =
            fromRight
            ? PythonText.splitFromRight(text, by: separator, most: most)
            : PythonText.split(text, by: separator, most: most)
        try charge(parts.count)
        return try .list(parts.map { .text($0) })
    }

    private func affix(_ name: String, _ text: [UInt8], _ arguments: TemplateArguments) throws -> Bool {
        guard arguments.keywords.isEmpty, arguments.positional.count == 1 else {
            throw failure("`\(name)` takes one string or tuple of strings here")
        }
        var affixes = [arguments.positional[0]]
        if case .sequence(let sequence) = affixes[0], sequence.kind == .tuple { affixes = sequence.items }
        return try affixes.contains { affix in
            guard let bytes = affix.stringBytes else {
                throw failure("\(name) first arg must be str or a tuple of str, not \(affix.typeName)")
            }
            return name == "startswith" ? text.starts(with: bytes) : text.reversed().starts(with: bytes.reversed())
        }
    }

    private func join(_ separator: [UInt8], _ arguments: TemplateArguments) throws -> [UInt8] {
        guard let iterable = try arguments.bound(to: ["iterable"], of: "join", self)[0] else {
            throw failure("join() takes exactly one argument")
        }
        let parts = try items(of: iterable)
        for (index, part) in parts.enumerated() where part.stringBytes == nil {
            throw failure("sequence item \(index): expected str instance, \(part.typeName) found")
        }
        return try joined(parts, with: separator)
    }

    private func search(_ name: String, _ text: [UInt8], _ arguments: TemplateArguments) throws -> PythonValue {
        guard let part = arguments.positional.first?.stringBytes, arguments.positional.count <= 3 else {
            throw failure("`\(name)` needs a string")
        }
        // Bounds count characters: they are made places of bytes.
        var slice = text[...]
        var skipped = 0
        if arguments.positional.count > 1 {
            let characters = PythonText.characters(slice)
            let bounds = try arguments.positional.dropFirst().map {
                $0.isNone ? nil : Int64(try integer($0, 0, "bound"))
            }
            let places = Self.places([bounds[0], bounds.count > 1 ? bounds[1] : nil, 1], characters.count)
            skipped = places.first ?? 0
            if let first = places.first, let last = places.last {
                slice = text[characters[first].startIndex..<characters[last].endIndex]
            } else {
                slice = []
            }
        }
        if name == "count" {
            guard !part.isEmpty else { return .int(Int64(PythonText.length(slice) + 1)) }
            return .int(Int64(PythonText.split(Array(slice), by: part, most: -1).count - 1))
        }
        let place = name.hasPrefix("r") ? PythonText.findLast(part, in: slice) : PythonText.find(part, in: slice)
        guard let place else {
            guard name.hasSuffix("find") else { throw failure("substring not found") }
            return .int(-1)
        }
        return .int(Int64(skipped + PythonText.length(slice[slice.startIndex..<place])))
    }

    private func cut(_ name: String, _ text: [UInt8], _ part: [UInt8]) throws -> PythonValue {
        switch name {
        case "removeprefix": return .text(text.starts(with: part) ? text[part.count...] : text[...])
        case "removesuffix":
            let ends = !part.isEmpty && text.reversed().starts(with: part.reversed())
            return .text(ends ? text.dropLast(part.count) : text[...])
        default:
            guard !part.isEmpty else { throw failure("empty separator") }
            let place =
                name == "partition" ? PythonText.find(part, in: text[...]) : PythonText.findLast(part, in: text[...])
            guard let place else {
                let parts: [[UInt8]] = name == "partition" ? [text, [], []] : [[], [], text]
                return try .tuple(parts.map { .text($0) })
            }
            return try .tuple([.text(text[..<place]), .text(part), .text(text[(place + part.count)...])])
        }
    }

    private func pad(_ name: String, _ text: [UInt8], _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["width", "fillchar"], of: name, self)
        if name == "expandtabs" {
            let size = try integer(bound[0], 8, "tabsize")
            guard size <= 1000 else { throw failure("`expandtabs` takes at most 1000") }
            var out: [UInt8] = []
            var column = 0
            for character in PythonText.characters(text[...]) {
                if character.first == 0x09 {
                    let width = size > 0 ? size - column % size : 0
                    out += Array(repeating: 0x20, count: width)
                    column += width
                } else {
                    out += character
                    column = character.first == 0x0A || character.first == 0x0D ? 0 : column + 1
                }
            }
            return .text(try checked(out))
        }
        guard let width = bound[0]?.integer else { throw failure("`\(name)` needs a width") }
        if name == "zfill" {
            let signs = text.first == UInt8(ascii: "-") || text.first == UInt8(ascii: "+") ? 1 : 0
            let zeros = try padding(text, Int(width), with: [0x30])
            return .text(text[..<signs] + zeros + text[signs...])
        }
        let fill = bound[1]?.stringBytes ?? [0x20]
        guard PythonText.length(fill) == 1 else {
            throw failure("The fill character must be exactly one character long")
        }
        return .text(try padded(text, Int(width), left: name != "ljust", right: name != "rjust", with: fill))
    }

    private func padding(_ text: [UInt8], _ width: Int, with fill: [UInt8]) throws -> [UInt8] {
        guard width <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        let count = max(0, width - PythonText.length(text))
        try charge(count / 32)
        return Array(repeatElement(fill, count: count).joined())
    }

    /// `text` with `fill` at its sides up to `width` characters.
    func padded(_ text: [UInt8], _ width: Int, left: Bool, right: Bool, with fill: [UInt8]) throws -> [UInt8] {
        let all = try padding(text, width, with: fill)
        guard left, right else { return left ? all + text : text + all }
        let count = all.count / max(fill.count, 1)
        // CPython puts the odd one on the left when the width is odd.
        let before = (count / 2 + (count & width & 1)) * fill.count
        return all[..<before] + text + all[before...]
    }
}
