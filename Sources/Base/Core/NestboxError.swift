/// The one error type that crosses a module boundary.
///
/// `message` names the value, the place and what was expected, and is safe to show to a client. `hint` says what to do
/// about it. `cause` goes to the log only.
public struct NestboxError: Error, Sendable, CustomStringConvertible {
    /// A machine-readable code; its raw value is what clients see.
    public enum Code: String, Sendable, Codable, CaseIterable {
        case invalidArgument = "invalid_argument"
        case unauthenticated = "unauthenticated"
        case permissionDenied = "permission_denied"
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case alreadyExists = "already_exists"
        case conflict = "conflict"
        case payloadTooLarge = "payload_too_large"
        case unsupportedMediaType = "unsupported_media_type"
        case rateLimited = "rate_limited"
        case cancelled = "cancelled"
        case storageFull = "storage_full"
        case unavailable = "unavailable"
        case internalError = "internal"
        /// What somebody else's server, on which this one builds, cannot do.
        case notImplemented = "not_implemented"

        /// The HTTP status that carries this code.
        public var httpStatus: Int {
            switch self {
            case .invalidArgument: 400
            case .unauthenticated: 401
            case .permissionDenied: 403
            case .notFound: 404
            case .methodNotAllowed: 405
            case .alreadyExists, .conflict: 409
            case .payloadTooLarge: 413
            case .unsupportedMediaType: 415
            case .rateLimited: 429
            case .cancelled: 499
            case .internalError: 500
            case .notImplemented: 501
            case .unavailable: 503
            case .storageFull: 507
            }
        }
    }

    public var code: Code
    public var message: String
    public var hint: String?
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, hint: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.cause = cause
    }

    public static func invalid(_ message: String, hint: String? = nil) -> NestboxError {
        NestboxError(.invalidArgument, message, hint: hint)
    }

    /// «there is no dataset named `flight`», with the nearest existing names as the hint when there are any.
    public static func notFound(_ what: String, _ name: String, among names: [String] = []) -> NestboxError {
        let near = names.sorted { editDistance($0, name) < editDistance($1, name) }.prefix(3)
        let hint = near.isEmpty ? nil : "did you mean " + near.map { "`\($0)`" }.joined(separator: ", ") + "?"
        return NestboxError(.notFound, "there is no \(what) named `\(name)`", hint: hint)
    }

    public var description: String {
        var text = "\(code.rawValue): \(message)"
        if let hint { text += " (\(hint))" }
        if let cause { text += " [cause: \(cause)]" }
        return text
    }
}

/// What a client receives as JSON under `"error"`.
public struct ErrorBody: Codable, Sendable, Hashable {
    public struct Detail: Codable, Sendable, Hashable {
        public var code: String
        public var message: String
        public var hint: String?

        public init(code: String, message: String, hint: String?) {
            self.code = code
            self.message = message
            self.hint = hint
        }
    }

    public var error: Detail

    public init(_ error: NestboxError) {
        self.error = Detail(code: error.code.rawValue, message: error.message, hint: error.hint)
    }

    /// The error as it was thrown on the other side of the wire.
    public var nestboxError: NestboxError {
        NestboxError(.init(rawValue: error.code) ?? .internalError, error.message, hint: error.hint)
    }
}

/// Levenshtein distance over Unicode scalars; used only for hints on short names.
func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.unicodeScalars.prefix(64)), b = Array(b.unicodeScalars.prefix(64))
    var row = Array(0...b.count)
    for i in a.indices {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let substitution = diagonal + (a[i] == b[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
