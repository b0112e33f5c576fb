import Contracts
import Core
import Foundation

/// An MLflow server that keeps runs, logged models, traces and registered models in Nestbox's stead.
package struct MLflowServer: Sendable {
    package let tracking: RemoteTracking
    package let registry: RemoteRegistry
    package let traces: RemoteTraces
    /// Nil when the server gives no access to files: then they stay with the Nestbox that asks.
    package let artifacts: RemoteArtifacts?
    /// Without credentials.
    package let address: String
    package let version: String
    private let probe: APIClient
    private let reachability: Reachability

    /// What Nestbox sends along; from the environment, so that it shows in no process list.
    package struct Credentials: Sendable {
        package var token: String?
        package var username: String?
        package var password: String?

        package init(token: String? = nil, username: String? = nil, password: String? = nil) {
            self.token = token
            self.username = username
            self.password = password
        }

        var authorization: String? {
            if let token { return "Bearer \(token)" }
            guard username != nil || password != nil else { return nil }
            return "Basic " + Data("\(username ?? ""):\(password ?? "")".utf8).base64EncodedString()
        }
    }

    /// Logged models, which Nestbox counts on, came with 3.0.
    private static let oldest = 3

    /// Asks the server who it is and whether it lets Nestbox in. Throws, naming the address, when nobody answers, when it is
    /// no MLflow server or too old a one, and when it refuses the credentials.
    /// - Parameters:
    ///   - timeout: seconds for an exchange that moves no file.
    ///   - patience: seconds for which a server that does not answer is asked again.
    ///   - keepsFiles: whether Nestbox keeps the files of new experiments when the server serves none.
    ///   - waiting: told once, when the first question had no answer.
    package static func connect(
        _ url: String, _ credentials: Credentials, timeout: Double = 60, patience: Double = 0,
        keepsFiles: Bool = true, waiting: (NestboxError) -> Void = { _ in }
    ) async throws -> MLflowServer {
        guard var parts = URLComponents(string: url), parts.host != nil, ["http", "https"].contains(parts.scheme) else {
            throw NestboxError.invalid(
                "the tracking URL is not the address of a server", hint: "expected http://host:port or https://host")
        }
        var credentials = credentials
        // As MLflow's own clients take them; from here on they are out of the address, and of every message.
        if let user = parts.user {
            credentials = Credentials(username: user, password: parts.password ?? credentials.password)
        }
        (parts.user, parts.password) = (nil, nil)
        let address = parts.string ?? ""
        let reachability = Reachability()
        func client(_ version: String, timeout: Double) throws -> APIClient {
            try APIClient(
                baseURL: address, authorization: credentials.authorization, dialect: .mlflow(version: version),
                timeout: timeout, reachability: reachability)
        }
        let probe = try client("", timeout: 10)
        let version = try await awaitVersion(probe, for: patience, waiting)
        try await checkAccess(probe)
        let real = try client(version, timeout: timeout)
        let serves = try await servesArtifacts(probe)
        return MLflowServer(
            tracking: RemoteTracking(real, artifactLocation: serves || !keepsFiles ? nil : ownLocation),
            registry: RemoteRegistry(real), traces: RemoteTraces(real), artifacts: serves ? RemoteArtifacts(real) : nil,
            address: probe.baseURL, version: version, probe: try client(version, timeout: probeSeconds),
            reachability: reachability)
    }

    private static let probeSeconds = 2.0

    /// False when it did not answer when it was last asked, and does not now. Asks nothing while it answers.
    @Sendable package func isBack() async -> Bool {
        if reachability.answered { return true }
        return await answers()
    }

    /// Whether it answers. Asks within two seconds, unless somebody asked something in the last five.
    @Sendable package func answers() async -> Bool {
        if let known = reachability.answered(within: .seconds(5)) { return known }
        do {
            try await probe.send(.GET, "/version")
            return true
        } catch {
            // Also when a proxy in between says that nobody is there.
            reachability.note(answered: false)
            return false
        }
    }

    /// Both may have been started at the same moment, and an MLflow server takes its time.
    private static func awaitVersion(
        _ client: APIClient, for patience: Double, _ waiting: (NestboxError) -> Void
    ) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(patience)
        var isFirst = true
        while true {
            do {
                return try await version(client)
            } catch let error as NestboxError where error.code == .unavailable && error.cause != nil {
                guard ContinuousClock.now < deadline else { throw error }
                if isFirst { waiting(error) }
                isFirst = false
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Below a name that no experiment's number takes.
    @Sendable private static func ownLocation() -> String {
        ArtifactPath.uri("external/\(UUID().uuidString.lowercased())")
    }

    private static func version(_ client: APIClient) async throws -> String {
        let text: String
        do {
            text = String(decoding: try await client.send(.GET, "/version"), as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        } catch let error as NestboxError where error.code == .unavailable {
            throw NestboxError(
                .unavailable, "cannot use the MLflow server: \(error.message)",
                // Without a cause it did answer, and the hint is about that.
                hint: error.cause == nil
                    ? error.hint
                    : "check --tracking-url (NESTBOX_TRACKING_URL), and that the server runs and may be reached from here",
                cause: error.cause)
        } catch let error as NestboxError {
            throw notMLflow(client.baseURL, error.message)
        }
        let numbers = text.split(separator: ".").map { Int($0.prefix { $0.isNumber }) }
        guard numbers.count >= 2, let major = numbers[0], numbers[1] != nil, text.utf8.count < 40 else {
            throw notMLflow(client.baseURL, "/version answered `\(text.prefix(80))`")
        }
        guard major >= oldest else {
            throw NestboxError.invalid(
                "the MLflow server at \(client.baseURL) is \(text); Nestbox needs \(oldest).0 or newer",
                hint: "update it; Nestbox is tested with MLflow 3.17")
        }
        return text
    }

    private static func notMLflow(_ address: String, _ what: String) -> NestboxError {
        .invalid(
            "\(address) is no MLflow server: \(what)",
            hint: "give the address that MLflow's clients have as their tracking URI, with a path if it has one")
    }

    /// What holds nothing secret is answered to everybody; this is not.
    private static func checkAccess(_ client: APIClient) async throws {
        do {
            _ = try await RemoteTracking(client).experiments(ExperimentSearch(maxResults: 1))
        } catch let error as NestboxError where error.code == .notImplemented || error.code == .notFound {
            throw NestboxError.invalid(
                "the server at \(client.baseURL) answers no questions about experiments: \(error.message)",
                hint: "a server started with --artifacts-only does not; give the address of the tracking server")
        }
    }

    /// A server started with `--no-serve-artifacts` says 503 to everything about them.
    private static func servesArtifacts(_ client: APIClient) async throws -> Bool {
        do {
            _ = try await RemoteArtifacts(client).list("")
            return true
        } catch let error as NestboxError where error.code == .unavailable || error.code == .notImplemented {
            return false
        }
    }
}
