import Contracts
import Core

/// What names, aliases and tags may be, as in MLflow. Source: `mlflow/utils/validation.py`, MLflow 3.17.
enum RegistryRules {
    static let aliasLength = 255
    static let tagKeyLength = 250
    static let tagValueLength = 100_000
    static let descriptionLength = 100_000
    static let sourceLength = 2000
    static let reasonLength = 5000
    static let pageSize = 1...10_000
    /// MLflow lets one page of versions be this large.
    static let searchPageSize = 1...200_000

    static func checkAlias(_ alias: String) throws {
        let isPlain = alias.unicodeScalars.allSatisfy {
            $0 == "_" || $0 == "-" || $0.properties.isAlphabetic || $0.properties.numericType != nil
        }
        guard !alias.isEmpty, alias.unicodeScalars.count <= aliasLength, isPlain else {
            throw NestboxError.invalid(
                "`\(alias.prefix(80))` cannot be an alias", hint: "use 1–\(aliasLength) letters, digits, `-` and `_`")
        }
        guard alias.lowercased() != "latest" else {
            throw NestboxError.invalid("`\(alias)` cannot be an alias: it always means the newest version")
        }
        let rest = alias.dropFirst()
        guard !("vV".contains(alias.prefix(1)) && !rest.isEmpty && rest.allSatisfy { $0.isNumber }) else {
            throw NestboxError.invalid("`\(alias)` cannot be an alias: it reads like a version number")
        }
        // Unlike MLflow: a bare number selects a version wherever an alias or a version may be given.
        guard Int(alias) == nil else {
            throw NestboxError.invalid("`\(alias)` cannot be an alias: it is a version number")
        }
    }

    static func checkTag(_ key: String, _ value: String?) throws {
        guard !key.isEmpty, key.unicodeScalars.count <= tagKeyLength,
            !key.unicodeScalars.contains(where: { $0.value < 0x20 })
        else {
            throw NestboxError.invalid(
                "`\(key.prefix(80))` cannot be the key of a tag; expected 1–\(tagKeyLength) characters")
        }
        try checkLength(value ?? "", tagValueLength, "tag `\(key)`")
    }

    static func checkDescription(_ description: String) throws {
        try checkLength(description, descriptionLength, "the description")
    }

    static func checkReason(_ reason: String) throws { try checkLength(reason, reasonLength, "the reason") }

    static func checkSource(_ source: String) throws {
        guard !source.isEmpty else {
            throw NestboxError.invalid(
                "a model version needs a source",
                hint: "give the URI of the model folder: `mlflow-artifacts:/1/RUN/artifacts/model`")
        }
        try checkLength(source, sourceLength, "the source")
    }

    /// Whether tags make a prompt, which is a model with a tag.
    static func isPrompt(_ tags: [String: String]) -> Bool { tags[RegistryQuery.promptTag]?.lowercased() == "true" }

    static func checkPageSize(_ size: Int, in range: ClosedRange<Int> = pageSize) throws {
        guard range.contains(size) else {
            throw NestboxError.invalid(
                "max_results is \(size); expected a number from \(range.lowerBound) to \(range.upperBound)")
        }
    }

    private static func checkLength(_ value: String, _ limit: Int, _ what: String) throws {
        guard value.utf8.count <= limit || value.unicodeScalars.count <= limit else {
            throw NestboxError.invalid("\(what) has \(value.unicodeScalars.count) characters; \(limit) are allowed")
        }
    }
}
