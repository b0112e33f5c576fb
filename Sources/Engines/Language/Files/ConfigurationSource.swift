import Core

/// Named settings of a model that nobody vouches for: from GGUF metadata or from JSON. Null is the same as absent.
struct ConfigurationSource {
    /// Named in errors.
    let file: String
    private let lookup: (String) -> JSONValue?

    init(file: String, lookup: @escaping (String) -> JSONValue?) {
        self.file = file
        self.lookup = lookup
    }

    init(json: JSONValue, file: String) {
        self.init(file: file) { json[$0] }
    }

    /// Scalars, and short arrays of them.
    init(metadata: ModelMetadata, file: String) {
        self.init(file: file) { metadata[$0].flatMap(Self.json) }
    }

    private static func json(_ value: MetadataValue) -> JSONValue? {
        switch value {
        case .string(let text): .string(text)
        case .bool(let flag): .bool(flag)
        case .array(let array): array.count <= 65_536 ? .array(((try? array.values()) ?? []).compactMap(json)) : nil
        case .uint64(let number) where number > UInt64(Int64.max): .number(Double(number))
        default: value.integer.map { .int(Int64($0)) } ?? value.number.map(JSONValue.number)
        }
    }

    subscript(key: String) -> JSONValue? {
        let value = lookup(key)
        return value == .null ? nil : value
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = self[key] else { return nil }
        return try integer(value, key, in: range)
    }

    func integer(_ value: JSONValue, _ key: String, in range: ClosedRange<Int>) throws -> Int {
        guard let whole = value.intValue, let number = Int(exactly: whole), range.contains(number) else {
            throw fault(key, value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func requiredInteger(_ keys: String..., in range: ClosedRange<Int>) throws -> Int {
        for key in keys {
            if let value = try integer(key, in: range) { return value }
        }
        throw NestboxError.invalid("\(file): `\(keys[0])` is missing", hint: "the configuration is incomplete")
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = self[key] else { return nil }
        guard let number = value.doubleValue, range.contains(number) else {
            throw fault(key, value, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ key: String) throws -> Bool? {
        guard let value = self[key] else { return nil }
        guard let flag = value.boolValue else { throw fault(key, value, "true or false") }
        return flag
    }

    func text(_ key: String) throws -> String? {
        guard let value = self[key] else { return nil }
        guard let text = value.stringValue else { throw fault(key, value, "a text") }
        return text
    }

    func section(_ key: String) throws -> ConfigurationSource? {
        guard let value = self[key] else { return nil }
        guard value.objectValue != nil else { throw fault(key, value, "an object") }
        return ConfigurationSource(json: value, file: "\(file): \(key)")
    }

    func fault(_ key: String, _ value: JSONValue, _ expected: String) -> NestboxError {
        .invalid(
            "\(file): `\(key)` is \(value.excerpt()), not \(expected)",
            hint: "the configuration is damaged or not supported")
    }
}
