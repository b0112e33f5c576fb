import Core

/// What can be told of: a kind of thing in the registry, in MLflow's names and order.
/// Source: `mlflow/entities/webhook.py` and `webhooks.proto`, MLflow 3.17.
package enum WebhookEntity: String, Codable, Sendable, CaseIterable {
    case registeredModel = "registered_model"
    case modelVersion = "model_version"
    case modelVersionTag = "model_version_tag"
    case modelVersionAlias = "model_version_alias"
    case prompt
    case promptVersion = "prompt_version"
    case promptTag = "prompt_tag"
    case promptVersionTag = "prompt_version_tag"
    case promptAlias = "prompt_alias"
    /// Nothing here has a budget: it may be subscribed to and never happens.
    case budgetPolicy = "budget_policy"

    /// What can happen to it.
    package var actions: [WebhookAction] {
        switch self {
        case .registeredModel, .modelVersion, .prompt, .promptVersion: [.created]
        case .modelVersionTag, .promptTag, .promptVersionTag: [.deleted, .set]
        case .modelVersionAlias, .promptAlias: [.created, .deleted]
        case .budgetPolicy: [.exceeded]
        }
    }
}

package enum WebhookAction: String, Codable, Sendable, CaseIterable {
    case created, updated, deleted, set, exceeded
}

/// `model_version.created`
package struct WebhookEvent: Codable, Sendable, Hashable {
    package var entity: WebhookEntity
    package var action: WebhookAction

    package init(_ entity: WebhookEntity, _ action: WebhookAction) {
        self.entity = entity
        self.action = action
    }

    package var name: String { "\(entity.rawValue).\(action.rawValue)" }
}

package enum WebhookStatus: String, Codable, Sendable, CaseIterable {
    case active = "ACTIVE"
    /// Nothing is posted; what happens meanwhile is not told later.
    case disabled = "DISABLED"
}

/// An address that is told of changes in the registry. Its secret is write-only.
package struct Webhook: Codable, Sendable, Hashable {
    package var id: String
    package var name: String
    package var description: String
    package var url: String
    package var events: [WebhookEvent]
    package var status: WebhookStatus
    /// Whether what it is sent is signed.
    package var hasSecret: Bool
    package var createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: String, name: String, description: String, url: String, events: [WebhookEvent], status: WebhookStatus,
        hasSecret: Bool, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.name = name
        self.description = description
        self.url = url
        self.events = events
        self.status = status
        self.hasSecret = hasSecret
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

package struct NewWebhook: Sendable {
    package var name: String
    package var url: String
    package var events: [WebhookEvent]
    package var description: String
    /// Signs what is sent, with HMAC-SHA256; nil sends unsigned.
    package var secret: String?
    package var status: WebhookStatus

    package init(
        name: String, url: String, events: [WebhookEvent], description: String = "", secret: String? = nil,
        status: WebhookStatus = .active
    ) {
        self.name = name
        self.url = url
        self.events = events
        self.description = description
        self.secret = secret
        self.status = status
    }
}

/// What to change of a webhook; nil leaves it as it is.
package struct WebhookChange: Sendable {
    package var name: String?
    package var url: String?
    package var events: [WebhookEvent]?
    package var description: String?
    /// Empty ends the signing.
    package var secret: String?
    package var status: WebhookStatus?

    package init(
        name: String? = nil, url: String? = nil, events: [WebhookEvent]? = nil, description: String? = nil,
        secret: String? = nil, status: WebhookStatus? = nil
    ) {
        self.name = name
        self.url = url
        self.events = events
        self.description = description
        self.secret = secret
        self.status = status
    }
}

/// What came of a test post.
package struct WebhookTestResult: Codable, Sendable, Hashable {
    /// Whether the answer's status was below 400.
    package var success: Bool
    package var status: Int?
    package var body: String?
    package var error: String?

    package init(success: Bool, status: Int? = nil, body: String? = nil, error: String? = nil) {
        self.success = success
        self.status = status
        self.body = body
        self.error = error
    }
}

package protocol WebhookStore: Sendable {
    /// Throws `invalid_argument` for a name, an address or a subscription that is not allowed.
    func createWebhook(_ webhook: NewWebhook) async throws -> Webhook
    func webhook(_ id: String) async throws -> Webhook
    /// Newest first.
    func webhooks(maxResults: Int, pageToken: String?) async throws -> Page<Webhook>
    func updateWebhook(_ id: String, _ change: WebhookChange) async throws -> Webhook
    /// What is not delivered yet is dropped.
    func deleteWebhook(_ id: String) async throws
    /// Posts an example once, now, whatever the status of the webhook; of its first event when `event` is nil.
    func testWebhook(_ id: String, event: WebhookEvent?) async throws -> WebhookTestResult
    /// What was and is to be delivered, newest first. Finished deliveries beyond the newest hundred are forgotten.
    func deliveries(of id: String, limit: Int) async throws -> [OutboxDelivery]
}
