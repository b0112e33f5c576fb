import AsyncHTTPClient
import Contracts
import Core
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// POSTs to elsewhere with async-http-client. Follows no redirect, uses no proxy, and reads no more of an answer than asked.
struct OutboundHTTP: OutboundPost {
    /// Lives as long as the process.
    private static let shared = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration())

    private static func configuration() -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(10)
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    func post(_ request: OutboundRequest) async throws -> OutboundAnswer {
        guard let address = request.address, let host = URLComponents(string: request.url)?.host else {
            return try await exchange(request, Self.shared)
        }
        // A client of its own, because what a host means is a setting of the client.
        var configuration = Self.configuration()
        configuration.dnsOverride = [host: address]
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<OutboundAnswer, any Error>
        do {
            result = .success(try await exchange(request, client))
        } catch {
            result = .failure(error)
        }
        try? await client.shutdown()
        return try result.get()
    }

    /// The client's own deadline ends with the answer's head; this one holds for its body too.
    private func exchange(_ request: OutboundRequest, _ client: HTTPClient) async throws -> OutboundAnswer {
        do {
            return try await withThrowingTaskGroup(of: OutboundAnswer?.self) { group in
                group.addTask { try await send(request, client) }
                group.addTask {
                    try await Task.sleep(for: .seconds(request.timeout))
                    return nil
                }
                let first = try await group.next() ?? nil
                group.cancelAll()
                guard let answer = first else {
                    throw NestboxError(.unavailable, "no answer within \(Int(request.timeout)) seconds")
                }
                return answer
            }
        } catch let error as NestboxError {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw NestboxError(.unavailable, Self.sentence(error, request), cause: error)
        }
    }

    private func send(_ request: OutboundRequest, _ client: HTTPClient) async throws -> OutboundAnswer {
        var message = HTTPClientRequest(url: request.url)
        message.method = .POST
        for (name, value) in request.headers { message.headers.add(name: name, value: value) }
        message.headers.add(name: "User-Agent", value: "nestbox/\(Appliance.version)")
        message.body = .bytes(ByteBuffer(string: request.body))
        let response = try await client.execute(message, timeout: .milliseconds(Int64(request.timeout * 1000)))
        var bytes: [UInt8] = []
        for try await chunk in response.body {
            bytes += chunk.readableBytesView
            if bytes.count > request.answerLimit { break }
        }
        var text = String(decoding: bytes.prefix(request.answerLimit), as: UTF8.self)
        if bytes.count > request.answerLimit { text += "… (cut after \(request.answerLimit) bytes)" }
        return OutboundAnswer(
            status: Int(response.status.code), retryAfter: response.headers.first(name: "Retry-After"), body: text)
    }

    /// Names the host at most: the rest of an address may be a secret.
    private static func sentence(_ error: any Error, _ request: OutboundRequest) -> String {
        let host = URLComponents(string: request.url)?.host ?? "the address"
        if error is NIOConnectionError || (error as? IOError)?.errnoCode == ECONNREFUSED {
            return "no connection to \(host): refused, or the host is not known"
        }
        switch error as? HTTPClientError {
        case .connectTimeout: return "no connection to \(host) within 10 seconds"
        case .deadlineExceeded, .readTimeout, .requestStreamCancelled:
            return "no answer from \(host) within \(Int(request.timeout)) seconds"
        case .remoteConnectionClosed: return "\(host) closed the connection without an answer"
        case let known?: return "the exchange with \(host) failed: \(known.shortDescription)"
        case nil: return "the exchange with \(host) failed: \(type(of: error))"
        }
    }
}
