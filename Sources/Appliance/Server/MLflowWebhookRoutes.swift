import Contracts
import Core
import Hummingbird

/// `mlflow/webhooks…`. A group of its own in the document: a job's token opens MLflow's other endpoints and not these.
enum MLflowWebhookRoutes {
    private static let statuses: [WebhookStatus] = [.active, .disabled]

    static func routes(_ webhooks: any WebhookStore) -> [Route] {
        (collection(webhooks) + item(webhooks)).map { $0.with { $0.tag = "Webhooks" } } + [history(webhooks)]
    }

    private static func collection(_ webhooks: any WebhookStore) -> [Route] {
        MLflowRoutes.endpoint(.post, "webhooks", "Have an address told of changes in the registry") { request in
            let name = try request.required("name"), url = try request.required("url")
            guard request.has("events") else { throw request.missing("events") }
            return answer(
                try await webhooks.createWebhook(
                    NewWebhook(
                        name: name, url: url, events: try events(request),
                        description: try request.string("description") ?? "", secret: try request.nonempty("secret"),
                        status: try request.choice("status", numbered: statuses) ?? .active)))
        }
            + MLflowRoutes.endpoint(
                .get, "webhooks", "Webhooks, newest first",
                query: [.init("max_results", "1 to 1000, default 100"), .init("page_token", "from the page before")]
            ) { request in
                // Zero is what clients send that mean nothing by it.
                let size = try request.integer("max_results", default: 0, in: 0...1000)
                let page = try await webhooks.webhooks(
                    maxResults: size == 0 ? 100 : size, pageToken: try request.pageToken())
                return MLflowJSONWriter.object {
                    $0.list("webhooks", page.items) { $0.webhook($1) }
                    $0.field("next_page_token", page.nextPageToken)
                }
            }
    }

    private static func item(_ webhooks: any WebhookStore) -> [Route] {
        MLflowRoutes.resource(.get, "webhooks/{webhook_id}", "One webhook; its secret is never told") { call, _ in
            answer(try await webhooks.webhook(try call.parameter("webhook_id")))
        }
            + MLflowRoutes.resource(.patch, "webhooks/{webhook_id}", "Change what is given of a webhook") {
                call, request in
                let change = WebhookChange(
                    name: try request.nonempty("name"), url: try request.nonempty("url"),
                    events: try request.objects("events").isEmpty ? nil : try events(request),
                    description: try request.string("description"), secret: try request.string("secret"),
                    status: try request.choice("status", numbered: statuses))
                return answer(try await webhooks.updateWebhook(try call.parameter("webhook_id"), change))
            }
            + MLflowRoutes.resource(.delete, "webhooks/{webhook_id}", "Remove a webhook with what it is still owed") {
                call, _ in
                try await webhooks.deleteWebhook(try call.parameter("webhook_id"))
                return MLflowRoutes.nothing
            }
            + MLflowRoutes.resource(.post, "webhooks/{webhook_id}/test", "Post an example to a webhook, once and now") {
                call, request in
                let result = try await webhooks.testWebhook(
                    try call.parameter("webhook_id"), event: try request.object("event").map(event))
                return MLflowJSONWriter.object {
                    $0.object("result") {
                        $0.field("success", result.success)
                        $0.field("response_status", result.status.map(Int64.init))
                        $0.field("response_body", result.body)
                        $0.field("error_message", result.error)
                    }
                }
            }
    }

    private static func history(_ webhooks: any WebhookStore) -> Route {
        .get(
            "/api/v1/webhooks/{id}/deliveries", "Webhooks", "What was and is to be delivered, newest first",
            query: [.limit(100, most: 1000)], returns: [OutboxDelivery].self
        ) { call in
            try await webhooks.deliveries(
                of: try call.parameter("id"), limit: try call.queryInteger("limit", default: 100, in: 1...1000))
        }
    }

    private static func answer(_ webhook: Webhook) -> [UInt8] {
        MLflowJSONWriter.object { $0.object("webhook") { $0.webhook(webhook) } }
    }

    private static func events(_ request: MLflowRequest) throws -> [WebhookEvent] {
        try request.objects("events").map(event)
    }

    private static func event(_ object: MLflowRequest) throws -> WebhookEvent {
        WebhookEvent(
            try choice("entity", of: object, WebhookEntity.self), try choice("action", of: object, WebhookAction.self))
    }

    /// In MLflow's capitals, or by the number that it has in protocol buffers.
    private static func choice<T: CaseIterable & RawRepresentable>(
        _ name: String, of object: MLflowRequest, _ type: T.Type
    ) throws -> T where T.RawValue == String {
        let cases = Array(type.allCases)
        guard let value = object.value(name), value != .null else { throw object.missing(name) }
        if let text = value.stringValue, let found = T(rawValue: text.lowercased()) { return found }
        let number = value.intValue ?? value.stringValue.flatMap { Int64($0) }
        if let number, (1...Int64(cases.count)).contains(number) { return cases[Int(number) - 1] }
        throw object.wrong(
            name, value, "one of \(cases.map { $0.rawValue.uppercased() }.joined(separator: ", "))")
    }
}

extension MLflowJSONWriter {
    mutating func webhook(_ webhook: Webhook) {
        field("webhook_id", webhook.id)
        field("name", webhook.name)
        field("description", webhook.description.isEmpty ? nil : webhook.description)
        field("url", webhook.url)
        list("events", webhook.events) { writer, event in
            writer.field("entity", event.entity.rawValue.uppercased())
            writer.field("action", event.action.rawValue.uppercased())
        }
        field("status", webhook.status.rawValue)
        field("creation_timestamp", webhook.createdAt.milliseconds)
        field("last_updated_timestamp", webhook.updatedAt.milliseconds)
        // Not MLflow's, whose clients ignore it: whether what is sent is signed.
        field("has_secret", webhook.hasSecret)
    }
}
