import Contracts
import Core

/// What a model takes and gives back, read from its folder's MLmodel file, and how it differs from another.
/// Source: `mlflow/models/signature.py` and `mlflow/types/schema.py`, MLflow 3.17.
package struct ModelInterface: Sendable, Hashable {
    package struct Column: Sendable, Hashable {
        /// `#1` for the first of those without names.
        package var name: String
        package var type: String
        package var isRequired: Bool
        package var standard: JSONValue?
    }

    package struct Change: Sendable, Hashable {
        package var bump: SemanticVersion.Bump
        package var text: String

        package init(_ bump: SemanticVersion.Bump, _ text: String) {
            self.bump = bump
            self.text = text
        }
    }

    package var inputs: [Column]
    package var outputs: [Column]
    /// Parameters of an inference; each has a standard value.
    package var params: [Column]

    /// Nil when the file tells of no signature. Throws `invalid_argument` when what it tells is not well-formed.
    package init?(signature: JSONValue?) throws {
        guard let signature, case .object = signature else { return nil }
        inputs = try Self.columns(signature["inputs"])
        outputs = try Self.columns(signature["outputs"])
        params = try Self.columns(signature["params"])
        if inputs.isEmpty, outputs.isEmpty, params.isEmpty { return nil }
    }

    /// A list as JSON inside a text.
    private static func columns(_ field: JSONValue?) throws -> [Column] {
        guard let field, field != .null else { return [] }
        let list = try field.stringValue.map { try JSON.decode(JSONValue.self, from: $0, what: "a signature") } ?? field
        guard let items = list.arrayValue else {
            throw NestboxError.invalid("a signature has \(field.kind) where a list was expected")
        }
        return try items.enumerated().map { index, item in
            guard case .object(var fields) = item else {
                throw NestboxError.invalid("item \(index + 1) of a signature is \(item.kind), not an object")
            }
            let name = fields["name"]?.stringValue ?? "#\(index + 1)"
            let isRequired = fields["required"]?.boolValue ?? !(fields["optional"]?.boolValue ?? false)
            let standard = fields["default"]
            for key in ["name", "required", "optional", "default"] { fields[key] = nil }
            return Column(name: name, type: try type(fields), isRequired: isRequired, standard: standard)
        }
    }

    private static func type(_ fields: [String: JSONValue]) throws -> String {
        if fields["type"] == "tensor", let spec = fields["tensor-spec"], let kind = spec["dtype"]?.stringValue {
            return "tensor of \(kind) \(try JSON.string(spec["shape"] ?? .null))"
        }
        let rest = fields.filter { $0.value != .null }
        if rest.count == 1, let plain = rest["type"]?.stringValue ?? rest["dtype"]?.stringValue { return plain }
        return try JSON.string(JSONValue.object(rest))
    }

    /// What changed from `old` to `new`; empty when whoever called the old one notices nothing.
    package static func changes(from old: ModelInterface?, to new: ModelInterface?) -> [Change] {
        switch (old, new) {
        case (nil, nil): return []
        case (nil, _): return [Change(.minor, "it has a signature, which the version before had not")]
        case (_, nil): return [Change(.major, "it has no signature, which the version before had")]
        case (let old?, let new?):
            return compare(old.inputs, new.inputs, "input", added: { $0.isRequired ? .major : .minor })
                + compare(old.outputs, new.outputs, "output", added: { _ in .minor })
                + compare(old.params, new.params, "parameter", added: { _ in .minor })
        }
    }

    private static func compare(
        _ old: [Column], _ new: [Column], _ what: String, added: (Column) -> SemanticVersion.Bump
    ) -> [Change] {
        let before = Dictionary(old.map { ($0.name, $0) }) { $1 }
        let after = Dictionary(new.map { ($0.name, $0) }) { $1 }
        var changes: [Change] = []
        for column in old {
            guard let now = after[column.name] else {
                changes.append(Change(.major, "\(what) `\(column.name)` is gone"))
                continue
            }
            if now.type != column.type {
                changes.append(Change(.major, "\(what) `\(column.name)` was \(column.type) and is \(now.type)"))
            }
            if what == "input", now.isRequired != column.isRequired {
                changes.append(
                    now.isRequired
                        ? Change(.major, "input `\(column.name)` is required now")
                        : Change(.minor, "input `\(column.name)` is no longer required"))
            }
            if now.standard != column.standard {
                changes.append(Change(.minor, "\(what) `\(column.name)` has another standard value"))
            }
        }
        for column in new where before[column.name] == nil {
            let kind = what == "input" ? column.isRequired ? "required " : "optional " : ""
            changes.append(Change(added(column), "\(kind)\(what) `\(column.name)` is new"))
        }
        return changes
    }
}
