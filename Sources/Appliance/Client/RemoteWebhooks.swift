import Contracts
import Core
import NIOHTTP1

/// `WebhookStore` over MLflow REST. The history of deliveries is Nestbox's own.
package struct RemoteWebhooks: WebhookStore {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    private struct Event: Codable, Sendable {
        var entity: String
        var action: String

        init(_ event: WebhookEvent) {
            entity = event.entity.rawValue.uppercased()
            action = event.action.rawValue.uppercased()
        }

        /// Nil for what a newer server knows and this one does not.
        var value: WebhookEvent? {
            guard let entity = WebhookEntity(rawValue: entity.lowercased()),
                let action = WebhookAction(rawValue: action.lowercased())
            else { return nil }
            return WebhookEvent(entity, action)
        }
    }

    private struct Wire: Decodable {
        var webhook_id: String
        var name: String
        var description: String?
        var url: String
        var events: [Event]?
        var status: WebhookStatus
        var creation_timestamp: Timestamp
        var last_updated_timestamp: Timestamp
        var has_secret: Bool?

        var value: Webhook {
            Webhook(
                id: webhook_id, name: name, description: description ?? "", url: url,
                events: (events ?? []).compactMap(\.value), status: status, hasSecret: has_secret ?? false,
                createdAt: creation_timestamp, updatedAt: last_updated_timestamp)
        }
    }

    private struct Answer: Decodable { var webhook: Wire }

    private struct Body: Encodable, Sendable {
        var name: String?
        var url: String?
        var events: [Event]?
        var description: String?
        var secret: String?
        var status: WebhookStatus?
    }

    package func createWebhook(_ webhook: NewWebhook) async throws -> Webhook {
        let body = Body(
            name: webhook.name, url: webhook.url, events: webhook.events.map(Event.init),
            description: webhook.description, secret: webhook.secret, status: webhook.status)
        return try await client.mlflow(.POST, "webhooks", body, as: Answer.self).webhook.value
    }

    package func webhook(_ id: String) async throws -> Webhook {
        try await client.mlflow(Self.path(id), query: [], as: Answer.self).webhook.value
    }

    package func webhooks(maxResults: Int, pageToken: String?) async throws -> Page<Webhook> {
        struct Answer: Decodable {
            var webhooks: [Wire]?
            var next_page_token: String?
        }
        let answer = try await client.mlflow(
            "webhooks", query: [("max_results", String(maxResults)), ("page_token", pageToken)], as: Answer.self)
        return Page(
            items: (answer.webhooks ?? []).map(\.value), nextPageToken: RemoteTracking.token(answer.next_page_token))
    }

    package func updateWebhook(_ id: String, _ change: WebhookChange) async throws -> Webhook {
        let body = Body(
            name: change.name, url: change.url, events: change.events?.map(Event.init),
            description: change.description, secret: change.secret, status: change.status)
        return try await client.mlflow(.PATCH, Self.path(id), body, as: Answer.self).webhook.value
    }

    package func deleteWebhook(_ id: String) async throws {
        try await client.send(.DELETE, APIClient.mlflow + Self.path(id))
    }

    package func testWebhook(_ id: String, event: WebhookEvent?) async throws -> WebhookTestResult {
        struct Body: Encodable, Sendable { var event: Event? }
        struct Result: Decodable {
            var success: Bool?
            var response_status: Int?
            var response_body: String?
            var error_message: String?
        }
        struct Answer: Decodable { var result: Result }
        let result = try await client.mlflow(
            .POST, Self.path(id) + "/test", Body(event: event.map(Event.init)), as: Answer.self
        ).result
        return WebhookTestResult(
            success: result.success ?? false, status: result.response_status, body: result.response_body,
            error: result.error_message)
    }

    package func deliveries(of id: String, limit: Int) async throws -> [OutboxDelivery] {
        try await client.get(
            APIClient.path(
                "/api/v1/webhooks/\(APIClient.escape(id))/deliveries", query: [("limit", String(limit))]))
    }

    private static func path(_ id: String) -> String { "webhooks/" + APIClient.escape(id) }
}
