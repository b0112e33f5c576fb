import Core

/// Keys of metrics, params and tags, of runs as of registered models. Source: `mlflow/utils/validation.py`, MLflow 3.17.
package enum EntryKey {
    package static let length = 250

    /// Throws `invalid_argument` for a key that MLflow refuses.
    package static func check(_ key: String, of kind: String) throws {
        guard !key.isEmpty else { throw NestboxError.invalid("a \(kind) needs a key, and it is empty") }
        guard key.utf8.count <= length || key.unicodeScalars.count <= length else {
            throw NestboxError.invalid(
                "the \(kind) key `\(key.prefix(40))…` has \(key.unicodeScalars.count) characters; \(length) are allowed"
            )
        }
        guard key.unicodeScalars.allSatisfy(isAllowed) else {
            throw NestboxError.invalid(
                "`\(key)` cannot be the key of a \(kind)",
                hint: "use letters, digits, underscores, dashes, periods, spaces, colons and slashes")
        }
        guard isPlainPath(key) else {
            throw NestboxError.invalid(
                "`\(key)` cannot be the key of a \(kind): it does not make a plain path",
                hint:
                    "write `a/b`, without a slash at the ends, without `..` in front, without `//`, `.` and `..` between slashes"
            )
        }
    }

    /// Whether the text, taken as a path (as in MLflow's file layout), is the shortest way to write that path.
    package static func isPlainPath(_ text: String) -> Bool {
        // Also `..a`, which names no folder above: MLflow looks at the first two characters only.
        !text.utf8.starts(with: "..".utf8)
            && !text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).contains {
                $0.isEmpty || $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8)
            }
    }

    /// What Python's `\w` matches, the underscore included.
    package static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: !scalar.isASCII && isLetterOrNumber(scalar.properties.generalCategory)
        }
    }

    private static func isLetterOrNumber(_ category: Unicode.GeneralCategory) -> Bool {
        switch category {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "-", ".", " ", ":", "/": true
        default: isWord(scalar)
        }
    }
}
