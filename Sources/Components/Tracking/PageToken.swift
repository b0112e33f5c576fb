import Core
import Foundation

/// Where the next page begins, as text that clients hand back unread.
enum PageToken {
    static func encode(_ cursor: some Encodable) throws -> String { try JSON.encode(cursor).base64EncodedString() }

    /// Throws `invalid_argument` for a text that this server did not make.
    static func decode<T: Decodable>(_ type: T.Type, _ token: String?) throws -> T? {
        guard let token, !token.isEmpty else { return nil }
        guard let data = Data(base64Encoded: token), let cursor = try? JSON.decode(T.self, from: data) else {
            throw invalid(token)
        }
        return cursor
    }

    static func invalid(_ token: String) -> NestboxError {
        .invalid(
            "the page token `\(token.prefix(40))` does not belong to this request",
            hint: "pass the token of the page before, with the same request otherwise")
    }
}
