import Contracts
import Core

/// What names, aliases and tags may be, as in MLflow. Source: `mlflow/utils/validation.py`, MLflow 3.17.
enum RegistryRules {
    static let aliasLength = 255
    /// In bytes. MLflow has no limit here.
    static let nameLength = 2000
    static let tagValueLength = 100_000
    /// MLflow has no limit here.
    static let descriptionLength = 1 << 20
    static let sourceLength = 2000
    static let reasonLength = 5000
    static let pageSize = 1...10_000
    /// MLflow lets one page of versions be this large.
    static let searchPageSize = 1...200_000

    /// Throws `invalid_argument` for what cannot be the name of a registered model.
    static func checkName(_ name: String) throws {
        let isFine =
            !name.allSatisfy(\.isWhitespace) && name.utf8.count <= nameLength
            && !name.unicodeScalars.contains { $0 == "/" || $0 == ":" } && EntryKey.isPlainPath(name)
        guard isFine else {
            throw NestboxError.invalid(
                "`\(name.prefix(80))` cannot be the name of a registered model",
                hint: "use 1–\(nameLength) bytes, without `/` and `:`, not beginning with `..`")
        }
    }

    static func checkAlias(_ alias: String) throws {
        try checkAliasSpelling(alias)
        guard alias.lowercased() != "latest" else {
            throw NestboxError.invalid("`\(alias)` cannot be an alias: it always means the newest version")
        }
        let rest = alias.unicodeScalars.dropFirst()
        guard !("vV".contains(alias.prefix(1)) && !rest.isEmpty && rest.allSatisfy(isDigit)) else {
            throw NestboxError.invalid("`\(alias)` cannot be an alias: it reads like a version number")
        }
    }

    /// What every alias that is asked for keeps to, `latest` included.
    static func checkAliasSpelling(_ alias: String) throws {
        guard !alias.isEmpty, alias.unicodeScalars.count <= aliasLength,
            alias.unicodeScalars.allSatisfy({ $0 == "-" || EntryKey.isWord($0) })
        else {
            throw NestboxError.invalid(
                "`\(alias.prefix(80))` cannot be an alias", hint: "use 1–\(aliasLength) letters, digits, `-` and `_`")
        }
    }

    static func checkTag(_ key: String, _ value: String?) throws {
        try EntryKey.check(key, of: "tag")
        try checkLength(value ?? "", tagValueLength, "tag `\(key)`")
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .decimalNumber
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
