import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Webhooks of real processes, against a receiver that outlives them.
@Suite(.serialized) struct WebhookTests {
    private let told = [WebhookEvent(.registeredModel, .created), WebhookEvent(.modelVersion, .created)]

    @Test func seam() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        try await checkWebhookStore(server.remote.webhooks)
    }

    @Test func whatWasAcknowledgedIsDeliveredAfterSIGKILL() async throws {
        let directory = try TemporaryDirectory()
        let receiver = try Receiver(status: 500)
        let data = directory.file("data")
        var hookID = ""
        do {
            let server = try await ServerProcess(data: data)
            let hook = try await server.remote.webhooks.createWebhook(
                NewWebhook(name: "h", url: receiver.url + "/hook", events: told, secret: "s3cret"))
            hookID = hook.id
            for index in 0..<10 {
                _ = try await server.remote.registry.createModel(name: "m\(index)", description: "", tags: [:])
            }
            _ = try await eventually("a first attempt") { receiver.received.isEmpty ? nil : true }
            server.killHard()
        }
        let ids = Set(receiver.received.compactMap { $0.headers["x-mlflow-delivery-id"] })
        receiver.answer(200)
        let server = try await ServerProcess(data: data)
        _ = try await eventually("all deliveries") {
            let history = try await server.remote.webhooks.deliveries(of: hookID, limit: 100)
            return history.count == 10 && history.allSatisfy { $0.state == .delivered } ? true : nil
        }
        let names = receiver.received.compactMap { $0.json["data"]?["name"]?.stringValue }
        #expect(Set(names) == Set((0..<10).map { "m\($0)" }))
        let later = Dictionary(
            receiver.received.map { ($0.headers["x-mlflow-delivery-id"] ?? "", $0.json) }, uniquingKeysWith: { $1 })
        #expect(later.count == 10 && ids.isSubset(of: later.keys), "what is sent again keeps its id")
        #expect(receiver.received.allSatisfy { $0.headers["x-mlflow-signature"]?.hasPrefix("v1,") == true })
        #expect(!server.log.contains("s3cret"))
    }

    /// Nobody answers at the other end, and a stop still takes moments.
    @Test func aSilentReceiverDoesNotHoldUpAStopOrAWrite() async throws {
        let directory = try TemporaryDirectory()
        let silent = try SilentReceiver()
        let server = try await ServerProcess(data: directory.file("data"))
        _ = try await server.remote.webhooks.createWebhook(NewWebhook(name: "h", url: silent.url, events: told))
        for index in 0..<50 {
            _ = try await server.remote.registry.createModel(name: "m\(index)", description: "", tags: [:])
        }
        _ = try await eventually("a post under way") { silent.isCalled ? true : nil }
        #expect(server.stop() == 0)
    }

    @Test func fromElsewhereOnlyPublicAddressesMayBeNamed() async throws {
        let directory = try TemporaryDirectory()
        let token = "a-token-of-some-length",
            server = try await ServerProcess(
                data: directory.file("data"), arguments: ["--token", token], token: token)
        for url in [
            "http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest",
        ] {
            await expectError(.invalidArgument) {
                try await server.remote.webhooks.createWebhook(NewWebhook(name: "h", url: url, events: told))
            }
        }
        let open = try await ServerProcess(
            data: directory.file("other"), arguments: ["--token", token, "--webhook-targets", "any"], token: token)
        let receiver = try Receiver(status: 404)
        let hook = try await open.remote.webhooks.createWebhook(NewWebhook(name: "h", url: receiver.url, events: told))
        let result = try await open.remote.webhooks.testWebhook(hook.id, event: nil)
        #expect(result == WebhookTestResult(success: false, status: 404, body: "said"))
    }
}

/// Takes connections and never says anything.
private final class SilentReceiver: Sendable {
    let url: String
    private let listener: Int32

    init() throws { (listener, url) = try Receiver.listen() }

    deinit { close(listener) }

    /// The kernel has taken a connection that nobody accepts.
    var isCalled: Bool {
        var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1
    }
}
