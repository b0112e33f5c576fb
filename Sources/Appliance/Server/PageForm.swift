import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// The fields of a sent form, from a query or from a body: `application/x-www-form-urlencoded`, where `+` is a space.
package struct PageForm: Sendable {
    package let fields: [(name: String, value: String)]

    package init(_ text: String) {
        fields = text.split(separator: "&").map { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Self.decoded(pair[0]), pair.count > 1 ? Self.decoded(pair[1]) : "")
        }
    }

    /// The query of a GET form.
    init(query call: Call) { self.init(call.request.uri.query ?? "") }

    /// The same for pages whose links carry it along.
    package var pageQuery: PageQuery { PageQuery(fields) }

    /// Throws `payload_too_large` like any other body, and `unsupported_media_type` for what no form sends.
    init(body call: Call) async throws {
        let type = call.header(.contentType) ?? ""
        guard type.isEmpty || type.hasPrefix("application/x-www-form-urlencoded") else {
            throw NestboxError(
                .unsupportedMediaType, "this page takes a sent form, not `\(type.prefix(80))`",
                hint: "programs use the routes under /api/v1")
        }
        self.init(String(decoding: try await call.body(), as: UTF8.self))
    }

    package subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// Fields whose names begin with `prefix`, without it; the first of a name counts.
    package func fields(prefix: String) -> [String: String] {
        Dictionary(
            fields.filter { $0.name.hasPrefix(prefix) }.map { (String($0.name.dropFirst(prefix.count)), $0.value) },
            uniquingKeysWith: { first, _ in first })
    }

    private static func decoded(_ text: Substring) -> String {
        let spaced = text.replacingOccurrences(of: "+", with: " ")
        // What is not well-formed stays as it was sent: it names nothing, and the error shows it.
        return spaced.removingPercentEncoding ?? spaced
    }
}
