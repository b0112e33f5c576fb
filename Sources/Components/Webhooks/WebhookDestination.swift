import Contracts
import Core
import Foundation

/// Which addresses webhooks may name. A webhook makes the server post to wherever a client says, also to what only the
/// server can reach; so where clients come from elsewhere, only HTTPS to the public internet is allowed, which is MLflow's
/// rule. It is checked when the webhook is made and again before every post, and the post goes to the very IP address that
/// was checked: a name that means something else a moment later is of no use.
package struct WebhookDestination: Sendable {
    /// Looks a host up. Throws with a sentence when it is not known.
    package typealias Resolve = @Sendable (String) async throws -> [String]

    /// Whether plain HTTP and private addresses are allowed too: where every client is on this machine already.
    package let allowsPrivate: Bool
    private let resolve: Resolve

    package init(allowsPrivate: Bool, resolve: @escaping Resolve = WebhookDestination.systemLookup) {
        self.allowsPrivate = allowsPrivate
        self.resolve = resolve
    }

    /// What may be posted to.
    struct Checked {
        /// The one to connect to; nil leaves it to the connection.
        var address: String?
    }

    /// Throws `invalid_argument` for an address that is not allowed.
    func check(_ url: String) async throws -> Checked {
        let host = try Self.host(of: url, allowsHTTP: allowsPrivate)
        guard !allowsPrivate else { return Checked() }
        let addresses = try await resolve(host)
        guard let first = addresses.first else {
            throw NestboxError.invalid("the host `\(host)` of the webhook's URL has no address")
        }
        for address in addresses where !PublicAddress.isPublic(address) {
            throw NestboxError.invalid(
                "the host `\(host)` of the webhook's URL is \(address), which is no public address",
                hint: "start the server with --webhook-targets any to allow private addresses and plain http")
        }
        return Checked(address: first)
    }

    /// As `check`, for what a client asks to be kept: a host that is not known is the client's mistake there, and only a
    /// matter of time later.
    func admit(_ url: String) async throws {
        do {
            _ = try await check(url)
        } catch let error as NestboxError where error.code == .unavailable {
            throw NestboxError.invalid(error.message, hint: error.hint)
        }
    }

    /// The host of a well-formed URL with an allowed scheme.
    static func host(of url: String, allowsHTTP: Bool) throws -> String {
        let shown = url.prefix(200)
        guard !url.allSatisfy(\.isWhitespace) else { throw NestboxError.invalid("a webhook needs a URL") }
        guard url.utf8.count <= WebhookRules.urlLength else {
            throw NestboxError.invalid("the URL has \(url.utf8.count) bytes; \(WebhookRules.urlLength) are allowed")
        }
        let schemes = allowsHTTP ? ["http", "https"] : ["https"]
        let isPlain = url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\\\"<>^`{|}".utf8.contains($0) }
        guard isPlain, let parts = URLComponents(string: url) else {
            throw NestboxError.invalid("`\(shown)` is not a URL", hint: "expected https://host/path")
        }
        guard let scheme = parts.scheme?.lowercased(), schemes.contains(scheme) else {
            throw NestboxError.invalid(
                "the scheme `\(parts.scheme ?? "")` of the webhook's URL is not allowed",
                hint: "allowed: \(schemes.joined(separator: ", "))"
                    + (allowsHTTP ? "" : "; with --webhook-targets any also http"))
        }
        guard let host = parts.host, !host.isEmpty else {
            throw NestboxError.invalid("`\(shown)` names no host", hint: "expected https://host/path")
        }
        guard parts.user == nil, parts.password == nil else {
            throw NestboxError.invalid(
                "the webhook's URL holds a user or a password, which everybody who lists webhooks would see",
                hint: "leave them out, and let the receiver check the signature made with the secret")
        }
        return host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    }

    /// The system's answer, on a thread of its own: a lookup may take half a minute.
    package static func systemLookup(_ host: String) async throws -> [String] {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try lookup(host) }) }
        }
    }

    private static func lookup(_ host: String) throws -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            throw NestboxError(
                .unavailable, "the host `\(host)` cannot be looked up: \(String(cString: gai_strerror(status)))",
                hint: "check the URL of the webhook")
        }
        defer { freeaddrinfo(list) }
        var found: [String] = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                == 0
            {
                found.append(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
            }
            next = entry.pointee.ai_next
        }
        return found
    }
}
