import Contracts
import Core
import Foundation
import Testing

/// What every `WebhookStore` that may point anywhere keeps to. Makes webhooks of its own, so that it can run against a server
/// in use; their addresses are never reached.
package func checkWebhookStore(_ webhooks: any WebhookStore) async throws {
    try await checkWebhookLife(webhooks)
    try await checkWebhookChanges(webhooks)
    try await checkWebhookPages(webhooks)
    try await checkWebhookRules(webhooks)
    try await checkWebhookTest(webhooks)
}

private let nowhere = "http://127.0.0.1:9/hook"
private let created = WebhookEvent(.modelVersion, .created)

private func newWebhook(_ webhooks: any WebhookStore, secret: String? = nil) async throws -> Webhook {
    try await webhooks.createWebhook(
        NewWebhook(name: "hook-\(UUID().uuidString.prefix(8))", url: nowhere, events: [created], secret: secret))
}

package func checkWebhookLife(_ webhooks: any WebhookStore) async throws {
    let wanted = [WebhookEvent(.modelVersionAlias, .created), created, WebhookEvent(.promptTag, .deleted)]
    let made = try await webhooks.createWebhook(
        NewWebhook(
            name: "Ci.main_1", url: "https://127.0.0.1/hooks/x?y=1", events: wanted, description: "wörds",
            secret: "s3cret"))
    #expect(made.name == "Ci.main_1" && made.url == "https://127.0.0.1/hooks/x?y=1" && made.description == "wörds")
    #expect(made.events == wanted, "in their order")
    #expect(made.status == .active && made.hasSecret && made.createdAt == made.updatedAt)
    #expect(try await webhooks.webhook(made.id) == made)
    #expect(!String(describing: made).contains("s3cret"))
    #expect(try await webhooks.deliveries(of: made.id, limit: 10).isEmpty)

    // Names need not be unique, as in MLflow.
    let second = try await webhooks.createWebhook(
        NewWebhook(name: "Ci.main_1", url: nowhere, events: [created], status: .disabled))
    #expect(second.id != made.id && second.status == .disabled && !second.hasSecret && second.description.isEmpty)
    try await webhooks.deleteWebhook(made.id)
    await expectError(.notFound, mentions: made.id) { try await webhooks.webhook(made.id) }
    await expectError(.notFound) { try await webhooks.deleteWebhook(made.id) }
    await expectError(.notFound) { try await webhooks.updateWebhook(made.id, WebhookChange(name: "-")) }
    await expectError(.notFound) { try await webhooks.testWebhook(made.id, event: nil) }
    await expectError(.notFound) { try await webhooks.deliveries(of: made.id, limit: 1) }
    try await webhooks.deleteWebhook(second.id)
}

package func checkWebhookChanges(_ webhooks: any WebhookStore) async throws {
    let made = try await newWebhook(webhooks, secret: "one")
    let same = try await webhooks.updateWebhook(made.id, WebhookChange())
    #expect(same.name == made.name && same.events == made.events && same.hasSecret && same.createdAt == made.createdAt)
    let changed = try await webhooks.updateWebhook(
        made.id,
        WebhookChange(
            name: "renamed", url: "http://127.0.0.1:9/other", events: [WebhookEvent(.prompt, .created)],
            description: "why", status: .disabled))
    #expect(changed.name == "renamed" && changed.url == "http://127.0.0.1:9/other" && changed.description == "why")
    #expect(changed.events == [WebhookEvent(.prompt, .created)] && changed.status == .disabled && changed.hasSecret)
    #expect(try await webhooks.webhook(made.id) == changed)
    #expect(try await webhooks.updateWebhook(made.id, WebhookChange(description: "")).description.isEmpty)
    #expect(try await !webhooks.updateWebhook(made.id, WebhookChange(secret: "")).hasSecret)
    #expect(try await webhooks.updateWebhook(made.id, WebhookChange(secret: "two")).hasSecret)
    await expectError(.invalidArgument) { try await webhooks.updateWebhook(made.id, WebhookChange(name: "a b")) }
    await expectError(.invalidArgument) { try await webhooks.updateWebhook(made.id, WebhookChange(url: "ftp://h/x")) }
    #expect(try await webhooks.webhook(made.id).name == "renamed")
    try await webhooks.deleteWebhook(made.id)
}

package func checkWebhookPages(_ webhooks: any WebhookStore) async throws {
    var made: [String] = []
    for _ in 0..<5 { made.append(try await newWebhook(webhooks).id) }
    var found: [String] = [], token: String?
    repeat {
        let page = try await webhooks.webhooks(maxResults: 2, pageToken: token)
        #expect(page.items.count <= 2)
        found += page.items.map(\.id)
        token = page.nextPageToken
    } while token != nil
    #expect(found.filter(Set(made).contains) == made.reversed(), "newest first, each once")
    for size in [-1, 1001] {
        await expectError(.invalidArgument) { try await webhooks.webhooks(maxResults: size, pageToken: nil) }
    }
    await expectError(.invalidArgument) { try await webhooks.webhooks(maxResults: 2, pageToken: "zzz") }
    for id in made { try await webhooks.deleteWebhook(id) }
}

package func checkWebhookRules(_ webhooks: any WebhookStore) async throws {
    func refused(_ name: String = "n", _ url: String = nowhere, _ events: [WebhookEvent] = [created]) async {
        await expectError(.invalidArgument) {
            try await webhooks.createWebhook(NewWebhook(name: name, url: url, events: events, secret: "hush"))
        }
    }
    for name in ["", "-a", "a-", ".a", "a b", "ä", "a/b", String(repeating: "a", count: 64)] { await refused(name) }
    for url in [
        "", "  ", "nowhere", "ftp://host/x", "file:///etc/passwd", "javascript:alert(1)", "http:///x", "http://",
        "http://user:pass@host/", "http://ho st/", "http://host/\u{7}", "http://h\\x", "http://hö.example/",
        "http://h/" + String(repeating: "x", count: 3000),
    ] { await refused("n", url) }
    await refused("n", nowhere, [])
    await refused("n", nowhere, [created, created])
    await refused("n", nowhere, [WebhookEvent(.registeredModel, .deleted)])
    let longest = try await webhooks.createWebhook(
        NewWebhook(name: String(repeating: "a", count: 63), url: nowhere, events: [created]))
    try await webhooks.deleteWebhook(longest.id)
}

package func checkWebhookTest(_ webhooks: any WebhookStore) async throws {
    let made = try await newWebhook(webhooks)
    // Nobody listens on the discard port.
    let result = try await webhooks.testWebhook(made.id, event: nil)
    #expect(!result.success && result.status == nil && result.body == nil)
    #expect(result.error?.hasPrefix("Failed to test webhook: ") == true, "\(result)")
    await expectError(.invalidArgument, mentions: "created") {
        try await webhooks.testWebhook(made.id, event: WebhookEvent(.prompt, .deleted))
    }
    #expect(try await webhooks.deliveries(of: made.id, limit: 10).isEmpty, "a test is no delivery")
    try await webhooks.deleteWebhook(made.id)
}
