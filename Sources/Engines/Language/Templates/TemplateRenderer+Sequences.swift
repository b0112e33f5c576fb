// Filters over several values.

extension TemplateRenderer {
    func sequenceFilter(_ name: String, _ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue? {
        switch name {
        case "first", "last": return try end(of: value, isFirst: name == "first")
        case "list": return try .list(try items(of: value))
        case "join":
            let bound = try arguments.bound(to: ["d", "attribute"], of: name, self)
            var parts = try items(of: value)
            if let attribute = bound[1], !attribute.isNone {
                parts = try parts.map { try self.value(at: attribute, of: $0) }
            }
            return .text(try joined(parts, with: try bound[0].map { try text(of: $0) } ?? []))
        case "reverse":
            if case .string(let text) = value {
                return .text(PythonText.characters(text.bytes[...]).reversed().flatMap { $0 })
            }
            if case .iterator = value { return try lazily(value) { try self.items(of: value).reversed() } }
            let items = try items(of: value)
            return try lazily(value) { items.reversed() }
        case "items":
            return try lazily(value) {
                if value.isUndefined { return [] }
                guard case .dict(let dict) = value else {
                    throw self.failure("Can only get item pairs from a mapping.")
                }
                return try dict.items()
            }
        case "sort": return try .list(try sorted(value, arguments))
        case "dictsort": return try dictSorted(value, arguments)
        case "unique": return try unique(value, arguments)
        case "sum": return try sum(value, arguments)
        case "min", "max":
            let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: name, self)
            let key = try keys(bound[1], isCaseSensitive: bound[0]?.isTrue == true)
            var best: (PythonValue, PythonValue)?
            for item in try items(of: value) {
                let itemKey = try key(item)
                if let (_, bestKey) = best {
                    guard try name == "min" ? isLess(itemKey, bestKey) : isLess(bestKey, itemKey, ">") else { continue }
                }
                best = (item, itemKey)
            }
            return best?.0 ?? .undefined("No aggregated item, sequence was empty.")
        case "map": return try mapped(value, arguments)
        case "select", "reject", "selectattr", "rejectattr": return try selected(name, value, arguments)
        case "batch": return try batched(value, arguments)
        case "slice": return try sliced(value, arguments)
        default: return nil
        }
    }

    /// Values that are made when somebody looks at them.
    private func lazily(_ source: PythonValue, _ make: @escaping () throws -> [PythonValue]) throws -> PythonValue {
        .iterator(try PythonIterator(of: source, make))
    }

    func joined(_ parts: [PythonValue], with separator: [UInt8]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if index > 0 { bytes += separator }
            bytes += try text(of: part)
            guard bytes.count <= ChatTemplate.mostBytes else { throw TemplateFailure.tooLong }
        }
        return try checked(bytes)
    }

    private func end(of value: PythonValue, isFirst: Bool) throws -> PythonValue {
        let none = PythonValue.undefined("No \(isFirst ? "first" : "last") item, sequence was empty.")
        if case .iterator(let iterator) = value {
            guard isFirst else { throw failure("'generator' object is not reversible") }
            return try iterator.next() ?? none
        }
        let items = try items(of: value)
        return (isFirst ? items.first : items.last) ?? none
    }

    /// What `attribute=` names: a key, a place or a path of them with dots.
    private func value(at attribute: PythonValue, of value: PythonValue) throws -> PythonValue {
        guard let path = attribute.stringBytes else { return try item(attribute, of: value, at: position) }
        var value = value
        for part in PythonText.split(path, by: Array(".".utf8), most: -1) {
            let text = String(decoding: part, as: UTF8.self)
            let isIndex = !part.isEmpty && part.allSatisfy { $0 &- 0x30 < 10 }
            value = try item(
                isIndex ? Int64(text).map { .int($0) } ?? .text(text) : .text(text), of: value, at: position)
        }
        return value
    }

    /// The key by which `sort` and others compare.
    private func keys(
        _ attribute: PythonValue?, isCaseSensitive: Bool, several: Bool = false
    ) throws -> (PythonValue) throws -> PythonValue {
        let fold = { (value: PythonValue) -> PythonValue in
            guard !isCaseSensitive, let bytes = value.stringBytes else { return value }
            return .text(PythonText.lower(bytes))
        }
        guard let attribute, !attribute.isNone else { return several ? { try .list([fold($0)]) } : fold }
        if several {
            // Compared as lists, in which undefined values are equal instead of an error.
            let parts = attribute.stringBytes.map {
                PythonText.split($0, by: Array(",".utf8), most: -1).map { PythonValue.text($0) }
            }
            return { item in try .list(try (parts ?? [attribute]).map { fold(try self.value(at: $0, of: item)) }) }
        }
        return { fold(try self.value(at: attribute, of: $0)) }
    }

    private func sorted(_ value: PythonValue, _ arguments: TemplateArguments) throws -> [PythonValue] {
        let bound = try arguments.bound(to: ["reverse", "case_sensitive", "attribute"], of: "sort", self)
        let key = try keys(bound[2], isCaseSensitive: bound[1]?.isTrue == true, several: true)
        return try sorted(try items(of: value), reverse: bound[0]?.isTrue == true, key)
    }

    /// A stable sort, also in reverse.
    private func sorted(
        _ items: [PythonValue], reverse: Bool, _ key: (PythonValue) throws -> PythonValue
    ) throws -> [PythonValue] {
        let keyed = try items.map { (item: $0, key: try key($0)) }
        try charge(keyed.count)
        // Swift's sort is stable in practice but does not promise it: places decide between equals.
        let order = try keyed.indices.sorted { a, b in
            if try reverse ? isLess(keyed[b].key, keyed[a].key) : isLess(keyed[a].key, keyed[b].key) { return true }
            if try reverse ? isLess(keyed[a].key, keyed[b].key) : isLess(keyed[b].key, keyed[a].key) { return false }
            return a < b
        }
        return order.map { keyed[$0].item }
    }

    private func dictSorted(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["case_sensitive", "by", "reverse"], of: "dictsort", self)
        guard case .dict(let dict) = value else { throw failure("`dictsort` needs a dict, found \(value.typeName)") }
        let by = try bound[1].map { String(decoding: try text(of: $0), as: UTF8.self) } ?? "key"
        guard by == "key" || by == "value" else { throw failure("`dictsort` sorts by key or value, not `\(by)`") }
        let fold = try keys(nil, isCaseSensitive: bound[0]?.isTrue == true)
        return try .list(
            try sorted(try dict.items(), reverse: bound[2]?.isTrue == true) { item in
                guard case .sequence(let pair) = item else { return item }
                return try fold(pair.items[by == "key" ? 0 : 1])
            })
    }

    private func unique(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: "unique", self)
        let key = try keys(bound[1], isCaseSensitive: bound[0]?.isTrue == true)
        return try lazily(value) {
            var seen: Set<PythonDict.Key> = []
            return try self.items(of: value).filter { seen.insert(try key($0).key()).inserted }
        }
    }

    private func sum(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["attribute", "start"], of: "sum", self)
        var total = bound[1] ?? .int(0)
        for item in try items(of: value) {
            let part = try bound[0].flatMap { $0.isNone ? nil : try self.value(at: $0, of: item) } ?? item
            total = try binary(total, .add, part)
        }
        return total
    }

    // MARK: - Mapping and selecting

    private func mapped(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        try lazily(value) {
            guard value.isTrue else { return [] }
            let change = try self.change(arguments)
            return try self.items(of: value).map { item in
                try self.charge(1)
                return try change(item)
            }
        }
    }

    /// What `map` does to each value.
    private func change(_ arguments: TemplateArguments) throws -> (PythonValue) throws -> PythonValue {
        if arguments.positional.isEmpty, let attribute = arguments.keywords.first(where: { $0.0 == "attribute" })?.1 {
            let standard = arguments.keywords.first { $0.0 == "default" }?.1
            guard arguments.keywords.count == (standard == nil ? 1 : 2) else {
                throw failure("`map` takes `attribute` and `default`")
            }
            return { item in
                let found = try self.value(at: attribute, of: item)
                return found.isUndefined ? standard ?? found : found
            }
        }
        guard let name = arguments.positional.first?.stringBytes else {
            throw failure("map requires a filter argument")
        }
        let rest = TemplateArguments(positional: Array(arguments.positional.dropFirst()), keywords: arguments.keywords)
        return { try self.filter(String(decoding: name, as: UTF8.self), $0, rest) }
    }

    private func selected(_ name: String, _ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        try lazily(value) {
            guard value.isTrue else { return [] }
            var arguments = arguments
            var attribute: PythonValue?
            if name.hasSuffix("attr") {
                guard !arguments.positional.isEmpty else { throw self.failure("Missing parameter for attribute name") }
                attribute = arguments.positional.removeFirst()
            }
            var test: String?
            if !arguments.positional.isEmpty {
                test = String(decoding: try self.text(of: arguments.positional.removeFirst()), as: UTF8.self)
            }
            let keeps = name.hasPrefix("select")
            return try self.items(of: value).filter { item in
                try self.charge(1)
                let tested = try attribute.map { try self.value(at: $0, of: item) } ?? item
                return try (test.map { try self.test($0, tested, arguments) } ?? tested.isTrue) == keeps
            }
        }
    }

    // MARK: - Groups

    private func batched(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["linecount", "fill_with"], of: "batch", self)
        let count = try integer(bound[0], 0, "linecount")
        guard 1...PythonValue.Extent.largest ~= count else { throw failure("`batch` needs a count of at least 1") }
        return try lazily(value) { try self.batches(try self.items(of: value), of: count, filling: bound[1]) }
    }

    private func batches(_ items: [PythonValue], of count: Int, filling: PythonValue?) throws -> [PythonValue] {
        var batches: [PythonValue] = []
        var start = 0
        while start < items.count {
            var batch = Array(items[start..<min(start + count, items.count)])
            if let fill = filling, !fill.isNone {
                try charge(count)
                while batch.count < count { batch.append(fill) }
            }
            batches.append(try .list(batch))
            start += count
        }
        return batches
    }

    private func sliced(_ value: PythonValue, _ arguments: TemplateArguments) throws -> PythonValue {
        let bound = try arguments.bound(to: ["slices", "fill_with"], of: "slice", self)
        let count = try integer(bound[0], 0, "slices")
        guard 1...PythonValue.Extent.largest ~= count else { throw failure("`slice` needs a count of at least 1") }
        try charge(count)
        return try lazily(value) { try self.slices(try self.items(of: value), count, filling: bound[1]) }
    }

    private func slices(_ items: [PythonValue], _ count: Int, filling: PythonValue?) throws -> [PythonValue] {
        let (size, larger) = items.count.quotientAndRemainder(dividingBy: count)
        var start = 0
        var slices: [PythonValue] = []
        for index in 0..<count {
            let end = start + size + (index < larger ? 1 : 0)
            var slice = Array(items[start..<end])
            if let fill = filling, !fill.isNone, index >= larger { slice.append(fill) }
            slices.append(try .list(slice))
            start = end
        }
        return slices
    }
}
