import Core
import Foundation
import Lineage
import Webhooks

/// Who is told of lineage.
package struct OpenLineageAddress: Sendable {
    package let namespace: String
    private let url: String
    private let key: String?

    /// - Parameters:
    ///   - url: with a path, where events are posted; without one, a server whose `/api/v1/lineage` takes them, as the clients of
    ///     OpenLineage have it.
    ///   - key: sent as a bearer token.
    package init(url: String, key: String?, namespace: String) throws {
        guard var parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme?.lowercased() ?? ""),
            let host = parts.host, !host.isEmpty
        else {
            // The address may hold a secret, so it is not repeated.
            throw NestboxError.invalid(
                "the OpenLineage address is no http or https address", hint: "--openlineage-url http://127.0.0.1:5000")
        }
        guard parts.user == nil, parts.password == nil else {
            throw NestboxError.invalid(
                "the OpenLineage address holds a user or a password", hint: "give a key in OPENLINEAGE_API_KEY instead")
        }
        guard !namespace.isEmpty, namespace.count <= 200, !namespace.unicodeScalars.contains(where: { $0.value < 0x20 })
        else { throw NestboxError.invalid("the OpenLineage namespace needs 1–200 characters") }
        if let key, key.unicodeScalars.contains(where: { $0.value < 0x21 || $0.value > 0x7E }) {
            throw NestboxError.invalid("OPENLINEAGE_API_KEY holds a character that no header can carry")
        }
        if parts.path.isEmpty || parts.path == "/" { parts.path = "/api/v1/lineage" }
        parts.fragment = nil
        self.url = parts.string ?? url
        self.key = key.flatMap { $0.isEmpty ? nil : $0 }
        self.namespace = namespace
    }

    package var targets: [String: OutboxTarget] {
        var headers = [(name: "Content-Type", value: "application/json")]
        if let key { headers.append((name: "Authorization", value: "Bearer \(key)")) }
        return [OpenLineageReporter.target: OutboxTarget(url: url, headers: headers)]
    }
}
