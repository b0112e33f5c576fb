import AsyncHTTPClient
import Contracts
import Core
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// HTTP to a Nestbox or MLflow server: JSON in, JSON out, errors as they were thrown on the other side.
package final class APIClient: Sendable {
    package let baseURL: String
    /// Whose server it is.
    package let dialect: Dialect
    private let authorization: String?
    private let http: HTTPClient
    private let timeout: TimeAmount
    private let patience: Double
    private let reachability: Reachability?

    /// - Parameters:
    ///   - baseURL: `http://127.0.0.1:8080`, with or without a final slash.
    ///   - token: sent as `Authorization: Bearer …`.
    ///   - authorization: the whole header instead of a token.
    ///   - timeout: seconds a whole exchange may take.
    ///   - patience: seconds for which a server that refuses connections is tried again; nothing was sent to it, so no
    ///     request arrives twice.
    ///   - reachability: is told of every answer, and of every question without one.
    package init(
        baseURL: String, token: String? = nil, authorization: String? = nil, dialect: Dialect = .nestbox,
        timeout: Double = 300, patience: Double = 0, reachability: Reachability? = nil
    ) throws {
        guard let url = URL(string: baseURL), url.scheme == "http" || url.scheme == "https", url.host != nil else {
            throw NestboxError.invalid("`\(baseURL)` is not the address of a server", hint: "expected http://host:port")
        }
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        self.dialect = dialect
        self.authorization = authorization ?? token.map { "Bearer \($0)" }
        self.timeout = .milliseconds(Int64(timeout * 1000))
        self.patience = patience
        self.reachability = reachability
        http = Self.sharedHTTP
    }

    /// Lives as long as the process. Unlike `HTTPClient.shared`, which tries for a minute and a half to reach a server that
    /// refuses connections, it says so at once.
    private static let sharedHTTP: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        // A stream of a file keeps its connection; others must not wait for it.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
        // Transfers may take hours, but not stand still.
        configuration.timeout.read = .minutes(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// One part of a path, percent-encoded.
    package static func escape(_ part: String) -> String {
        let allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return part.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }

    /// A path with its query; nil values are left out.
    package static func path(_ path: String, query: [(String, String?)]) -> String {
        let pairs = query.compactMap { name, value in value.map { "\(escape(name))=\(escape($0))" } }
        return pairs.isEmpty ? path : path + "?" + pairs.joined(separator: "&")
    }

    package func get<T: Decodable>(_ path: String, as type: T.Type = T.self) async throws -> T {
        try JSON.decode(T.self, from: try await send(.GET, path), what: "the answer of \(path)")
    }

    package func send<T: Decodable>(
        _ method: HTTPMethod, _ path: String, body: some Encodable & Sendable, as type: T.Type = T.self
    ) async throws -> T {
        let answer = try await send(
            method, path, body: ByteStream(try JSON.encode(body)), contentType: "application/json")
        return try JSON.decode(T.self, from: answer, what: "the answer of \(path)")
    }

    /// A request without a body whose answer is JSON.
    package func call<T: Decodable>(_ method: HTTPMethod, _ path: String, as type: T.Type = T.self) async throws -> T {
        try JSON.decode(T.self, from: try await send(method, path), what: "the answer of \(path)")
    }

    /// The whole answer in memory.
    @discardableResult
    package func send(
        _ method: HTTPMethod, _ path: String, body: ByteStream? = nil, contentType: String? = nil
    ) async throws -> Data {
        Data(try await stream(method, path, body: body, contentType: contentType).collect(upTo: 4 << 30))
    }

    /// The answer chunk by chunk. Throws what the server threw when the status is not 2xx.
    package func stream(
        _ method: HTTPMethod, _ path: String, body: ByteStream? = nil, contentType: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> ByteStream {
        try await exchange(method, path, body: body, contentType: contentType, headers: headers).body
    }

    /// The answer with its status, which is one of 2xx.
    /// - Parameter isTransfer: whether a file moves, which takes as long as it takes.
    func exchange(
        _ method: HTTPMethod, _ path: String, body: ByteStream? = nil, contentType: String? = nil,
        headers: [(String, String)] = [], isTransfer: Bool = false
    ) async throws -> (status: Int, body: ByteStream) {
        var request = HTTPClientRequest(url: baseURL + path)
        request.method = method
        if let authorization { request.headers.add(name: "Authorization", value: authorization) }
        if let contentType { request.headers.add(name: "Content-Type", value: contentType) }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body {
            let buffers = ByteBufferSequence(stream: body)
            request.body = .stream(buffers, length: body.length.map { .known($0) } ?? .unknown)
        }
        let response: HTTPClientResponse
        do {
            response = try await execute(request, timeout: isTransfer ? Self.longestTransfer : timeout)
        } catch let error as NestboxError {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            reachability?.note(answered: false)
            throw noAnswer(error)
        }
        reachability?.note(answered: true)
        guard (200..<300).contains(Int(response.status.code)) else {
            throw try await failure(response, method: method, path: path)
        }
        let box = ResponseIterator(response.body.makeAsyncIterator())
        let length = response.headers.first(name: "Content-Length").flatMap { Int64($0) }
        return (Int(response.status.code), ByteStream(length: length) { try await box.next() })
    }

    private static let longestTransfer = TimeAmount.hours(12)

    private func noAnswer(_ error: any Error) -> NestboxError {
        let isLate = [.deadlineExceeded, .readTimeout, .writeTimeout].contains(error as? HTTPClientError)
        return NestboxError(
            .unavailable, isLate ? "\(baseURL) did not answer in time" : "no answer from \(baseURL)",
            hint: dialect == .nestbox
                ? "is the server running? start it with `nestbox serve`, or give its address with --url"
                : "is the MLflow server running there? Nestbox uses it for tracking and the registry, and goes on when it is back",
            cause: error)
    }

    private func execute(_ request: HTTPClientRequest, timeout: TimeAmount) async throws -> HTTPClientResponse {
        let deadline = ContinuousClock.now + .seconds(patience)
        var pause = 0.2, mayAskAgain = request.method == .GET
        while true {
            do {
                return try await http.execute(request, timeout: timeout)
            } catch let error where mayAskAgain && Self.lostConnection(error) {
                // A kept connection that the server was about to close; to read twice does no harm.
                mayAskAgain = false
            } catch let error where Self.wasNotSent(error) && ContinuousClock.now < deadline {
                try await Task.sleep(for: .seconds(pause))
                pause = min(pause * 2, 5)
            }
        }
    }

    private static func lostConnection(_ error: any Error) -> Bool {
        (error as? HTTPClientError) == .remoteConnectionClosed || (error as? IOError)?.errnoCode == ECONNRESET
            || (error as? IOError)?.errnoCode == EPIPE
    }

    private static func wasNotSent(_ error: any Error) -> Bool {
        error is NIOConnectionError || (error as? HTTPClientError) == .connectTimeout
            || (error as? IOError)?.errnoCode == ECONNREFUSED
    }

    private func failure(_ response: HTTPClientResponse, method: HTTPMethod, path: String) async throws -> NestboxError
    {
        let bytes = try await response.body.collect(upTo: 1 << 20)
        let data = Data(bytes.readableBytesView), status = Int(response.status.code)
        if dialect != .nestbox, status == 401 { return refusedCredentials }
        if let body = try? JSON.decode(ErrorBody.self, from: data) { return body.nestboxError }
        if let body = try? JSON.decode(MLflowErrorBody.self, from: data) {
            return dialect == .nestbox ? body.nestboxError : body.fault(status: status, server: baseURL)
        }
        let code = NestboxError.Code.allCases.first { $0.httpStatus == status } ?? .internalError
        let text = String(decoding: data.prefix(300), as: UTF8.self)
        guard dialect != .nestbox else { return NestboxError(code, "\(path) answered \(status): \(text)") }
        let endpoint = path.prefix { $0 != "?" }
        guard status == 404 || status == 405 else {
            return NestboxError(
                (502...504).contains(status) ? .unavailable : code,
                "the MLflow server at \(baseURL) answered \(method.rawValue) \(endpoint) with \(status): \(text)",
                hint: "its log says why")
        }
        return NestboxError(
            .notImplemented, "the MLflow server at \(baseURL) does not answer \(method.rawValue) \(endpoint)",
            hint: "update it: Nestbox is tested with MLflow 3.17")
    }

    /// Not `unauthenticated`: who asked Nestbox has no part in it.
    private var refusedCredentials: NestboxError {
        NestboxError(
            .unavailable,
            "the MLflow server at \(baseURL) "
                + (authorization == nil ? "asks for credentials" : "refuses Nestbox's credentials"),
            hint:
                "set NESTBOX_TRACKING_USERNAME and NESTBOX_TRACKING_PASSWORD, or NESTBOX_TRACKING_TOKEN, for nestbox serve"
        )
    }
}

extension APIClient {
    /// Whose server answers. An MLflow server lacks what only a Nestbox has.
    package enum Dialect: Sendable, Hashable {
        case nestbox
        case mlflow(version: String)
    }

    /// Throws `not_implemented` where only a Nestbox can answer.
    func requireNestbox(_ what: String, hint: String) throws {
        guard dialect == .nestbox else {
            throw NestboxError(
                .notImplemented, "the MLflow server at \(baseURL) cannot \(what)", hint: hint)
        }
    }
}

/// MLflow's error shape, as it arrives from MLflow routes.
private struct MLflowErrorBody: Codable {
    var error_code: String
    var message: String

    var nestboxError: NestboxError {
        let code: NestboxError.Code =
            switch error_code {
            case "RESOURCE_DOES_NOT_EXIST": .notFound
            case "RESOURCE_ALREADY_EXISTS": .alreadyExists
            case "INVALID_PARAMETER_VALUE", "BAD_REQUEST": .invalidArgument
            case "RESOURCE_CONFLICT", "INVALID_STATE": .conflict
            case "UNAUTHENTICATED": .unauthenticated
            case "PERMISSION_DENIED": .permissionDenied
            case "REQUEST_LIMIT_EXCEEDED": .rateLimited
            case "TEMPORARILY_UNAVAILABLE": .unavailable
            case "ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED": .notImplemented
            default: .internalError
            }
        return NestboxError(code, message)
    }

    func fault(status: Int, server: String) -> NestboxError {
        var error = nestboxError
        error.hint = error.code == .notImplemented ? "the MLflow server at \(server) cannot do that" : nil
        error.cause = UpstreamFault(errorCode: error_code, status: status, message: message)
        return error
    }
}

private struct ByteBufferSequence: AsyncSequence, Sendable {
    let stream: ByteStream

    struct Iterator: AsyncIteratorProtocol {
        var base: ByteStream.Iterator
        mutating func next() async throws -> ByteBuffer? { try await base.next().map { ByteBuffer(bytes: $0) } }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: stream.makeAsyncIterator()) }
}

private final class ResponseIterator: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var iterator: HTTPClientResponse.Body.AsyncIterator

    init(_ iterator: HTTPClientResponse.Body.AsyncIterator) { self.iterator = iterator }

    func next() async throws -> [UInt8]? {
        while let buffer = try await iterator.next() {
            if buffer.readableBytes > 0 { return [UInt8](buffer.readableBytesView) }
        }
        return nil
    }
}
