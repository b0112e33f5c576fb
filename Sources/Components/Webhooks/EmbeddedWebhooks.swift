import Contracts
import Core
import GRDB
import Storage

/// `WebhookStore` on SQLite.
package final class EmbeddedWebhooks: WebhookStore {
    let store: Store
    let ambient: Ambient
    let vault: SecretVault
    let destination: WebhookDestination
    let poster: any OutboundPost
    package let outbox: EmbeddedOutbox

    /// - Parameters:
    ///   - store: `nestbox.db`, opened with `migrations`.
    ///   - poster: posts; one request at a time for each webhook.
    package init(
        store: Store, ambient: Ambient, vault: SecretVault, destination: WebhookDestination, poster: any OutboundPost,
        schedule: DeliverySchedule = DeliverySchedule()
    ) {
        self.store = store
        self.ambient = ambient
        self.vault = vault
        self.destination = destination
        self.poster = poster
        outbox = EmbeddedOutbox(store: store, ambient: ambient, schedule: schedule)
    }

    package func createWebhook(_ webhook: NewWebhook) async throws -> Webhook {
        try WebhookRules.checkName(webhook.name)
        try await destination.admit(webhook.url)
        try WebhookRules.checkEvents(webhook.events)
        try WebhookRules.checkDescription(webhook.description)
        let id = newID(), sealed = try seal(webhook.secret, id)
        return try await store.write { [self] context in
            try WebhookFanOut.run(context, newID: newID)
            let now = context.now.milliseconds
            try context.db.execute(
                sql: """
                    INSERT INTO webhooks_hooks
                        (id, name, description, url, events, status, secret, created_at, updated_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    id, webhook.name, webhook.description, webhook.url, try Self.text(webhook.events),
                    webhook.status.rawValue, sealed, now, now,
                ])
            return try Self.recorded("webhook.created", id, context)
        }
    }

    package func webhook(_ id: String) async throws -> Webhook {
        try await store.read { db in try Self.webhook(id, in: db) }
    }

    package func webhooks(maxResults: Int, pageToken: String?) async throws -> Page<Webhook> {
        try WebhookRules.checkPageSize(maxResults)
        let terms = [SortTerm("seq", isAscending: false)]
        let position = try Keyset.position(in: pageToken, search: ["webhooks"], terms: 1)
        return try await store.read { db in
            let condition: SQL = position.map { Keyset.after($0, in: terms) } ?? "1"
            let query: SQL =
                "SELECT * FROM webhooks_hooks WHERE \(literal: condition) ORDER BY seq DESC LIMIT \(maxResults + 1)"
            let rows = try SQLRequest<Row>(literal: query).fetchAll(db)
            let shown = rows.prefix(maxResults)
            let next =
                try rows.count > maxResults
                ? shown.last.map { try Keyset.token(after: [.integer($0["seq"])], search: ["webhooks"]) } : nil
            return Page(items: try shown.map(Self.webhook), nextPageToken: next)
        }
    }

    package func updateWebhook(_ id: String, _ change: WebhookChange) async throws -> Webhook {
        // Says first that it is not there, whatever else is wrong.
        _ = try await webhook(id)
        if let name = change.name { try WebhookRules.checkName(name) }
        if let url = change.url { try await destination.admit(url) }
        if let events = change.events { try WebhookRules.checkEvents(events) }
        if let description = change.description { try WebhookRules.checkDescription(description) }
        let sealed = try seal(change.secret, id)
        return try await store.write { [self] context in
            try WebhookFanOut.run(context, newID: newID)
            let old = try Self.webhook(id, in: context.db)
            try context.db.execute(
                sql: """
                    UPDATE webhooks_hooks SET name = ?, description = ?, url = ?, events = ?, status = ?, updated_at = ?
                    WHERE id = ?
                    """,
                arguments: [
                    change.name ?? old.name, change.description ?? old.description, change.url ?? old.url,
                    try Self.text(change.events ?? old.events), (change.status ?? old.status).rawValue,
                    context.now.milliseconds, id,
                ])
            if change.secret != nil {
                try context.db.execute(
                    sql: "UPDATE webhooks_hooks SET secret = ? WHERE id = ?", arguments: [sealed, id])
            }
            // Mended: what waits for it need not wait for the next retry.
            if change.url != nil || change.status == .active || change.secret != nil {
                try context.db.execute(
                    sql: "UPDATE webhooks_deliveries SET due_at = ? WHERE target = ? AND state = 'pending'",
                    arguments: [context.now.milliseconds, id])
            }
            return try Self.recorded("webhook.updated", id, context)
        }
    }

    package func deleteWebhook(_ id: String) async throws {
        try await store.write { [self] context in
            try WebhookFanOut.run(context, newID: newID)
            let old = try Self.webhook(id, in: context.db)
            try context.db.execute(sql: "DELETE FROM webhooks_deliveries WHERE target = ?", arguments: [id])
            try context.db.execute(sql: "DELETE FROM webhooks_hooks WHERE id = ?", arguments: [id])
            try context.record("webhook.deleted", "webhook/\(id)", ["name": .string(old.name)])
        }
    }

    package func testWebhook(_ id: String, event: WebhookEvent?) async throws -> WebhookTestResult {
        let webhook = try await webhook(id)
        guard let event = event ?? webhook.events.first else {
            throw NestboxError(.internalError, "webhook `\(id)` has no event")
        }
        try WebhookRules.checkEvents([event])
        let now = ambient.now()
        do {
            let body = try WebhookFacts.body(event, at: now, data: WebhookFacts.example(event))
            guard let request = try await request(to: id, deliveryID: newID(), body: body) else {
                throw NestboxError(.notFound, "webhook `\(id)` was removed meanwhile")
            }
            let answer = try await poster.post(request)
            return WebhookTestResult(success: answer.status < 400, status: answer.status, body: answer.body)
        } catch let error as NestboxError {
            let sentence = error.hint.map { "\(error.message) (\($0))" } ?? error.message
            return WebhookTestResult(success: false, error: "Failed to test webhook: \(sentence)")
        }
    }

    package func deliveries(of id: String, limit: Int) async throws -> [OutboxDelivery] {
        _ = try await webhook(id)
        return try await outbox.deliveries(to: id, limit: limit)
    }

    // MARK: shared

    /// The post that brings `body` to a webhook, signed now; nil when there is no such webhook.
    func request(to id: String, deliveryID: String, body: String) async throws -> OutboundRequest? {
        let row = try await store.read { db in
            try Row.fetchOne(db, sql: "SELECT url, secret FROM webhooks_hooks WHERE id = ?", arguments: [id]).map {
                (url: $0["url"] as String, secret: $0["secret"] as String?)
            }
        }
        guard let row else { return nil }
        let checked = try await destination.check(row.url)
        let secret = try row.secret.map { try vault.open($0, for: id) }
        return OutboundRequest(
            url: row.url,
            headers: WebhookSignature.headers(deliveryID: deliveryID, at: ambient.now(), body: body, secret: secret),
            body: body, address: checked.address)
    }

    func newID() -> String { EmbeddedOutbox.newID(ambient) }

    private func seal(_ secret: String?, _ id: String) throws -> String? {
        guard let secret, !secret.isEmpty else { return nil }
        try WebhookRules.checkSecret(secret)
        return try vault.seal(secret, for: id)
    }

    /// The event names neither the address, which may hold a secret, nor the secret.
    private static func recorded(_ kind: String, _ id: String, _ context: WriteContext) throws -> Webhook {
        let webhook = try webhook(id, in: context.db)
        try context.record(
            kind, "webhook/\(id)",
            [
                "name": .string(webhook.name), "status": .string(webhook.status.rawValue),
                "events": .array(webhook.events.map { .string($0.name) }),
            ])
        return webhook
    }

    private static func webhook(_ id: String, in db: Database) throws -> Webhook {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM webhooks_hooks WHERE id = ?", arguments: [id]) else {
            throw NestboxError(
                .notFound, "there is no webhook with the id `\(id.prefix(80))`",
                hint: "list them: GET /api/2.0/mlflow/webhooks")
        }
        return try webhook(row)
    }

    private static func webhook(_ row: Row) throws -> Webhook {
        guard let status = WebhookStatus(rawValue: row["status"]) else {
            throw NestboxError(.internalError, "nestbox.db holds a webhook in no known status")
        }
        return Webhook(
            id: row["id"], name: row["name"], description: row["description"], url: row["url"],
            events: try JSON.decode([WebhookEvent].self, from: row["events"] as String), status: status,
            hasSecret: row["secret"] != nil, createdAt: Timestamp(milliseconds: row["created_at"]),
            updatedAt: Timestamp(milliseconds: row["updated_at"]))
    }

    private static func text(_ events: [WebhookEvent]) throws -> String { try JSON.string(events) }
}
