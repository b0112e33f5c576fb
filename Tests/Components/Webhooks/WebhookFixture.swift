import Contracts
import Core
import Foundation
import Logging
import Registry
import Storage
import Synchronization
import TestSupport

@testable import Webhooks

/// Answers as it is told and keeps what it was sent.
final class FakePoster: OutboundPost {
    typealias Script = @Sendable (OutboundRequest, Int) async throws -> OutboundAnswer

    private let state = Mutex<(requests: [OutboundRequest], script: Script)>(
        ([], { _, _ in OutboundAnswer(status: 200) }))

    init(_ script: @escaping Script = { _, _ in OutboundAnswer(status: 200) }) { answer(script) }

    /// - Parameter script: of the request and its place in the row.
    func answer(_ script: @escaping Script) { state.withLock { $0.script = script } }

    var requests: [OutboundRequest] { state.withLock { $0.requests } }

    func requests(to url: String) -> [OutboundRequest] { requests.filter { $0.url == url } }

    func post(_ request: OutboundRequest) async throws -> OutboundAnswer {
        let (script, place) = state.withLock { state in
            state.requests.append(request)
            return (state.script, state.requests.count - 1)
        }
        return try await script(request, place)
    }
}

extension OutboundRequest {
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    var deliveryID: String { header("X-MLflow-Delivery-Id") ?? "" }

    var json: JSONValue { (try? JSON.decode(JSONValue.self, from: body)) ?? .null }
}

/// A registry and webhooks on one real store, with retries in hundredths of a second.
final class WebhookFixture: Sendable {
    let directory: TemporaryDirectory
    let store: Store
    let registry: EmbeddedRegistry
    let poster: FakePoster
    let webhooks: EmbeddedWebhooks

    init(
        in directory: TemporaryDirectory? = nil, poster: FakePoster = FakePoster(), schedule: DeliverySchedule? = nil,
        destination: WebhookDestination = WebhookDestination(allowsPrivate: true)
    ) throws {
        self.directory = try directory ?? TemporaryDirectory()
        self.poster = poster
        store = try Store(in: self.directory, EmbeddedRegistry.migrations + EmbeddedWebhooks.migrations)
        registry = EmbeddedRegistry(store: store, ambient: .live)
        webhooks = EmbeddedWebhooks(
            store: store, ambient: .live, vault: SecretVault(path: self.directory.file("secrets.key")),
            destination: destination, poster: poster, schedule: schedule ?? Self.quick)
    }

    static var quick: DeliverySchedule {
        var schedule = DeliverySchedule()
        schedule.firstRetry = 0.02
        schedule.longestWait = 0.1
        return schedule
    }

    /// The loop, until `body` ends.
    func delivering<T>(
        targets: [String: OutboxTarget] = [:], _ body: () async throws -> T
    ) async throws -> T {
        let service = DeliveryService(webhooks: webhooks, targets: targets, logger: Logger(label: "test"))
        let loop = Task { try await service.run() }
        defer { loop.cancel() }
        let value = try await body()
        loop.cancel()
        try await loop.value
        return value
    }

    func hook(
        _ url: String, _ events: [WebhookEvent] = [WebhookEvent(.registeredModel, .created)], secret: String? = nil
    ) async throws -> Webhook {
        try await webhooks.createWebhook(NewWebhook(name: "h", url: url, events: events, secret: secret))
    }

    func model(_ name: String) async throws {
        _ = try await registry.createModel(name: name, description: "", tags: [:])
    }
}

/// Asks again until it holds; an issue of the test that never does is its time limit.
func wait(_ what: String, until condition: () async throws -> Bool) async throws {
    for _ in 0..<2000 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    throw NestboxError(.unavailable, "\(what) did not happen")
}
