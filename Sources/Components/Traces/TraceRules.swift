import Contracts
import Core

/// MLflow's limits on traces, as sentences. Source: mlflow/utils/validation.py (3.17).
enum TraceRules {
    static let page = 1...500
    /// MLflow's columns are shorter (50 and 250), but on SQLite it takes what is longer.
    private static let identifier = 250, longest = 10_000
    private static let key = 250
    private static let value = 8000
    private static let longestName = 4096
    /// Of attributes: what is stored must be readable again.
    private static let deepest = 56

    static func check(_ info: TraceInfo) throws {
        try checkIdentifier(info.id)
        for key in info.tags.keys { try checkKey(key, "tag", longest) }
        for key in info.metadata.keys { try checkKey(key, "metadata", longest) }
        if let id = info.clientRequestID, id.unicodeScalars.count > longest {
            throw NestboxError.invalid("client_request_id has more than \(longest) characters")
        }
        if let name = info.name, name.unicodeScalars.count > longestName {
            throw NestboxError.invalid("'Trace name' exceeds the maximum length of \(longestName) characters")
        }
        if let session = info.metadata[TraceKey.session], session.unicodeScalars.count > key {
            throw NestboxError.invalid("Session ID has more than \(key) characters: `\(session.prefix(40))…`")
        }
    }

    static func checkIdentifier(_ id: String) throws {
        // It becomes a folder's name: `<experiment>/traces/<id>/artifacts`.
        guard !id.isEmpty, id.utf8.count <= identifier, id != ".", id != "..",
            id.unicodeScalars.allSatisfy({
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789-_.".unicodeScalars.contains($0))
            })
        else {
            throw NestboxError.invalid(
                "`\(id.prefix(80))` cannot be a trace's identifier",
                hint: "use at most \(identifier) letters, digits, `-`, `_` and `.`, as in tr- and 32 hexadecimal digits"
            )
        }
    }

    static func checkKey(_ key: String, _ what: String, _ most: Int = key) throws {
        guard !key.isEmpty, key.unicodeScalars.count <= most, !key.contains("\0") else {
            throw NestboxError.invalid(
                "the \(what) key `\(key.prefix(40))` has \(key.unicodeScalars.count) characters; expected 1 to \(most)"
            )
        }
    }

    /// A tag as somebody sets it: path-like keys only, as MLflow asks.
    static func checkTag(_ key: String) throws {
        try checkKey(key, "tag")
        let isPath =
            key.hasPrefix("/") || key.hasSuffix("/")
            || key.split(separator: "/", omittingEmptySubsequences: false)
                .contains { $0 == "" || $0 == "." || $0 == ".." }
        guard !isPath, key.unicodeScalars.allSatisfy(isAllowed) else {
            throw NestboxError.invalid(
                "Invalid tag name: '\(key.prefix(80))'. Names may only contain alphanumerics, underscores (_), dashes (-), "
                    + "periods (.), spaces ( ), colons (:) and slashes (/), and no part between slashes may be empty, . or .."
            )
        }
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isAlphabetic || scalar.properties.numericType != nil
            || "_-. :/".unicodeScalars.contains(scalar)
    }

    /// MLflow cuts a trace's long tags silently.
    static func cut(_ text: String) -> String {
        guard text.utf8.count > value, text.unicodeScalars.count > value else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(value)))
    }

    static func check(_ span: TraceSpan) throws {
        let what = "span `\(span.name.prefix(40))`"
        guard isHexadecimal(span.traceID, 32), isHexadecimal(span.id, 16) else {
            throw NestboxError.invalid(
                "\(what) has no valid identifiers: a trace's are 16 bytes, a span's 8, and not all of them zero")
        }
        if let parent = span.parentID, !isHexadecimal(parent, 16) || parent == span.id {
            throw NestboxError.invalid("\(what): its parent's identifier is not one of another span")
        }
        guard span.start >= 0, span.end ?? 0 >= 0 else { throw NestboxError.invalid("\(what) lies before 1970") }
        let values =
            Array(span.attributes.values) + span.events.flatMap(\.attributes.values)
            + span.links.flatMap(\.attributes.values)
        guard values.allSatisfy(isShallow) else {
            throw NestboxError.invalid("\(what): its attributes are nested deeper than \(deepest) levels")
        }
    }

    private static func isHexadecimal(_ text: String, _ count: Int) -> Bool {
        text.utf8.count == count && text.utf8.contains { $0 != UInt8(ascii: "0") }
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// Whether a value can be stored and read again.
    static func isShallow(_ value: JSONValue) -> Bool { depth(value, below: deepest) }

    private static func depth(_ value: JSONValue, below limit: Int) -> Bool {
        guard limit > 0 else { return false }
        switch value {
        case .array(let items): return items.allSatisfy { depth($0, below: limit - 1) }
        case .object(let object): return object.values.allSatisfy { depth($0, below: limit - 1) }
        default: return true
        }
    }

    static func check(_ assessment: Assessment) throws {
        guard !assessment.name.isEmpty, assessment.name.unicodeScalars.count <= longest else {
            throw NestboxError.invalid(
                "an assessment's name has 1 to \(longest) characters, not `\(assessment.name.prefix(40))`")
        }
        guard isShallow(assessment.value) else {
            throw NestboxError.invalid(
                "the value of assessment `\(assessment.name)` is nested deeper than \(deepest) levels")
        }
        guard assessment.sourceID.unicodeScalars.count <= key else {
            throw NestboxError.invalid(
                "the source_id of assessment `\(assessment.name)` has more than \(key) characters")
        }
    }
}
