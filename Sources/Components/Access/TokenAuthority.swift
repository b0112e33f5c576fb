import Core
import Crypto
import Foundation
import Synchronization

/// Who sends a request.
package enum Identity: Sendable, Hashable {
    /// A person or a program with the access token, or anybody on an open server.
    case member(String)
    /// The worker of one job.
    case job(String)

    /// The actor of what it causes.
    package var name: String {
        switch self {
        case .member(let name): name
        case .job(let id): "job/\(id)"
        }
    }
}

/// Checks access tokens, and makes one for each job that a worker runs.
///
/// Only SHA-256 digests are kept in memory, and digests are what is compared, so the time a comparison takes says nothing
/// about the token.
package final class TokenAuthority: Sendable {
    private let memberDigest: SHA256.Digest?
    private let jobs = Mutex<[SHA256.Digest: String]>([:])

    /// - Parameter token: the appliance's access token; nil leaves a loopback server open to its own machine.
    /// Throws `invalid_argument` for a token shorter than 16 characters.
    package init(token: String?) throws {
        if let token {
            guard token.utf8.count >= 16 else {
                throw NestboxError.invalid(
                    "the access token is shorter than 16 characters", hint: "make one with: openssl rand -hex 32")
            }
            memberDigest = SHA256.hash(data: Data(token.utf8))
        } else {
            memberDigest = nil
        }
    }

    /// Whether every request must carry a token.
    package var isRequired: Bool { memberDigest != nil }

    /// The caller behind an `Authorization` header: `Bearer TOKEN`, or `Basic` with the token as the password.
    ///
    /// Throws `unauthenticated` when a token is required and missing, or when one is given that is not known.
    package func identity(authorization: String?) throws -> Identity {
        guard let authorization else {
            guard !isRequired else {
                throw NestboxError(
                    .unauthenticated, "this server asks for an access token",
                    hint:
                        "send `Authorization: Bearer TOKEN`; MLflow's client reads MLFLOW_TRACKING_TOKEN, nestbox reads NESTBOX_TOKEN"
                )
            }
            return .member("local")
        }
        let (token, user) = Self.credentials(authorization)
        if let token {
            let digest = SHA256.hash(data: Data(token.utf8))
            if let job = jobs.withLock({ $0[digest] }) { return .job(job) }
            if let memberDigest, digest == memberDigest { return .member(user ?? "member") }
        }
        // An open server takes no notice of credentials it never asked for, as MLflow's does.
        guard isRequired else { return .member(user ?? "local") }
        throw NestboxError(.unauthenticated, "the access token is not valid", hint: "check NESTBOX_TOKEN")
    }

    /// A new token for one job's worker. Forgotten when the server ends, as its workers are.
    package func mint(job: String) -> String {
        let token = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0).base64EncodedString() }
        jobs.withLock { $0[SHA256.hash(data: Data(token.utf8))] = job }
        return token
    }

    package func revoke(job: String) { jobs.withLock { tokens in tokens = tokens.filter { $0.value != job } } }

    /// Nil for no name, and for one that events would confuse with the appliance's own work or with a worker.
    private static func userName(_ name: Substring) -> String? {
        let isFine =
            !name.isEmpty && name.utf8.count <= 200 && name != "system" && !name.contains("/")
            && name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        return isFine ? String(name) : nil
    }

    private static func credentials(_ header: String) -> (token: String?, user: String?) {
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return (nil, nil) }
        switch parts[0].lowercased() {
        case "bearer":
            return (String(parts[1]), nil)
        case "basic":
            guard let data = Data(base64Encoded: String(parts[1])) else { return (nil, nil) }
            let pair = String(decoding: data, as: UTF8.self).split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { return (nil, nil) }
            return (String(pair[1]), userName(pair[0]))
        default:
            return (nil, nil)
        }
    }
}
