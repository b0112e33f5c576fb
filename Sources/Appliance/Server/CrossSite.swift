import Core
import Foundation
import HTTPTypes

/// Refuses what a page on another site makes a browser send with rights that are the browser's own: those of this machine on
/// an open server, remembered credentials otherwise. Scripts send neither header, and so pass.
///
/// The rule is that of Go's `net/http.CrossOriginProtection`: https://words.filippo.io/csrf/
enum CrossSite {
    private static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!

    static func refuse(_ request: HTTPRequest, isOpen: Bool) throws {
        // A name that a page's owner has pointed at this machine makes the page the same site. With a token that leads
        // nowhere, because a browser remembers credentials by name; and behind a proxy any name may be right.
        if isOpen, let authority = request.authority {
            let host = hostName(authority)
            guard Appliance.isLoopback(host) else {
                throw NestboxError(
                    .permissionDenied, "this server answers only under a loopback name, not `\(host.prefix(100))`",
                    hint: "use http://127.0.0.1, or start it with an access token")
            }
        }
        // What is safe changes nothing, and its answer is not shown to another site. No page can send a bearer token that it
        // does not know.
        let isSafe = request.method == .get || request.method == .head || request.method == .options
        let isBearer = request.headerFields[.authorization]?.lowercased().hasPrefix("bearer ") ?? false
        guard !isSafe, !isBearer else { return }
        if let site = request.headerFields[secFetchSite] {
            guard site != "same-origin", site != "none" else { return }
            throw refusal(request.headerFields[.origin] ?? site)
        }
        guard let origin = request.headerFields[.origin] else { return }
        let scheme = ["http://", "https://"].first { origin.lowercased().hasPrefix($0) } ?? ""
        guard !scheme.isEmpty, origin.dropFirst(scheme.count).lowercased() == request.authority?.lowercased()
        else {
            throw refusal(origin)
        }
    }

    private static func refusal(_ origin: String) -> NestboxError {
        NestboxError(
            .permissionDenied, "requests from pages on other sites (`\(origin.prefix(100))`) are refused",
            hint: "send it from this server's own pages, or from a program, with `Authorization: Bearer TOKEN`; "
                + "a proxy in between must pass on the Host header")
    }

    private static func hostName(_ authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" }).lowercased()
    }
}
