// `oneOf` means exactly one. A grammar can only offer alternatives, so they must exclude each other.

extension SchemaCompiler {
    func checkDisjoint(_ alternatives: [Part], _ part: Part) throws {
        guard alternatives.count <= 200 else { throw part.failure(.unsupported, "more than 200 alternatives", "oneOf") }
        for (index, a) in alternatives.enumerated() {
            for (other, b) in alternatives.enumerated().dropFirst(index + 1) where try !areDisjoint(a, b, 0) {
                throw part.failure(
                    .unsupported, "the alternatives \(index) and \(other) may hold at once", "oneOf",
                    hint: "use `anyOf`, or give each a required property with a `const` of its own")
            }
        }
    }

    private func areDisjoint(_ a: Part, _ b: Part, _ depth: Int) throws -> Bool {
        guard depth < 5 else { return false }
        if let reference = a["$ref"] { return try areDisjoint(try resolve(reference, a), b, depth + 1) }
        if let reference = b["$ref"] { return try areDisjoint(a, try resolve(reference, b), depth + 1) }
        if let values = listed(a), let others = listed(b) {
            return !values.contains { value in others.contains { Self.isSame(value, $0) } }
        }
        let (kinds, others) = (try kinds(of: a), try kinds(of: b))
        if let kinds, let others {
            let common = kinds.intersection(others)
            if common.isEmpty { return true }
            guard common == [.object] else { return false }
        } else {
            return false
        }
        // A required name that both describe differently, or that the other one does not allow.
        for (one, another) in [(a, b), (b, a)] {
            guard case .list(let names)? = one["required"] else { continue }
            for name in names {
                guard case .string(let name) = name else { continue }
                guard let schema = another["properties"]?[name] else {
                    if another["additionalProperties"] == false { return true }
                    continue
                }
                guard case .list(let alsoRequired)? = another["required"], alsoRequired.contains(.string(name)) else {
                    continue
                }
                let mine = one["properties"]?[name] ?? true
                if try areDisjoint(
                    one.inner("properties", name, schema: mine), another.inner("properties", name, schema: schema),
                    depth + 1)
                {
                    return true
                }
            }
        }
        return false
    }

    private func listed(_ part: Part) -> [TemplateValue]? {
        if let value = part["const"] { return [value] }
        if case .list(let values)? = part["enum"] { return values }
        return nil
    }

    private func kinds(of part: Part) throws -> Set<Kind>? {
        if let values = listed(part) { return Set(values.map { Kind($0) }) }
        return try kinds(part)
    }
}

/// The formats of strings that are enforced, as patterns.
enum StringFormats {
    private static let leapYears =
        "([0-9][0-9](0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
    private static let years = "([0-9][0-9][0-9][1-9]|[0-9][0-9][1-9][0-9]|[0-9][1-9][0-9][0-9]|[1-9][0-9][0-9][0-9])"
    private static let date =
        "(\(years)-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
        + "|\(leapYears)-02-29)"
    private static let time =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    private static let byte = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    private static let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"

    static let patterns = [
        "date": "^\(date)$", "time": "^\(time)$", "date-time": "^\(date)T\(time)$",
        "duration":
            "^P([0-9]{1,6}W|([0-9]{1,6}Y)?([0-9]{1,6}M)?[0-9]{1,6}D(T[0-9]{1,6}H([0-9]{1,6}M([0-9]{1,6}S)?)?)?|[0-9]{1,6}Y([0-9]{1,6}M)?|[0-9]{1,6}M|T([0-9]{1,6}H([0-9]{1,6}M([0-9]{1,6}S)?)?|[0-9]{1,6}M([0-9]{1,6}S)?|[0-9]{1,6}S))$",
        "uuid": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "email": "^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@\(label)(\\.\(label))+$",
        "hostname": "^\(label)(\\.\(label)){0,4}$", "ipv4": "^\(byte)\\.\(byte)\\.\(byte)\\.\(byte)$",
    ]
}
