import Contracts
import Core
import Dashboard
import Foundation
import Hummingbird

/// Webhooks and how their deliveries fared. Forms change them; `CrossSite` refuses those of other sites' pages.
enum WebhookPageRoutes {
    private static let webhooksPerPage = 100
    private static let listedDeliveries = 50

    static func routes(_ appliance: Appliance) -> [Route] {
        let webhooks = appliance.webhooks
        return [
            PageRoutes.page("/webhooks", "Webhooks") { call in
                try await list(webhooks, page: PageForm(query: call)["page"])
            }(appliance),
            PageRoutes.page("/webhooks/{id}", "One webhook with its deliveries") { call in
                try await page(try call.parameter("id"), nil, webhooks)
            }(appliance),
            PageRoutes.form("/webhooks", "Add a webhook") { call in try await create(call, appliance) },
            PageRoutes.form("/webhooks/{id}/test", "Post an example, once and now") { call in
                let id = try call.parameter("id")
                let result = try await webhooks.testWebhook(id, event: nil)
                return try await PageRoutes.html(appliance, try await page(id, result, webhooks))
            },
            PageRoutes.form("/webhooks/{id}/status", "Enable or disable a webhook") { call in
                let id = try call.parameter("id"), text = try await PageForm(body: call)["status"] ?? ""
                guard let status = WebhookStatus(rawValue: text) else {
                    throw NestboxError.invalid("`status` is `\(text.prefix(40))`; expected ACTIVE or DISABLED")
                }
                _ = try await webhooks.updateWebhook(id, WebhookChange(status: status))
                return .redirect(to: Format.link("webhooks", id))
            },
            PageRoutes.form("/webhooks/{id}/delete", "Remove a webhook with what it is still owed") { call in
                try await webhooks.deleteWebhook(try call.parameter("id"))
                return .redirect(to: "/webhooks")
            },
        ]
    }

    private static func list(
        _ webhooks: any WebhookStore, page: String? = nil, draft: WebhookDraft = WebhookDraft()
    ) async throws -> WebhooksPage {
        let found = try await webhooks.webhooks(maxResults: webhooksPerPage, pageToken: page)
        var last: [String: OutboxDelivery] = [:]
        for webhook in found.items { last[webhook.id] = try await webhooks.deliveries(of: webhook.id, limit: 1).first }
        return WebhooksPage(found.items, last: last, next: found.nextPageToken, draft: draft, now: PageRoutes.now)
    }

    private static func page(
        _ id: String, _ test: WebhookTestResult?, _ webhooks: any WebhookStore
    ) async throws -> WebhookPage {
        let deliveries = try await webhooks.deliveries(of: id, limit: listedDeliveries + 1)
        return WebhookPage(
            try await webhooks.webhook(id), deliveries: Array(deliveries.prefix(listedDeliveries)),
            hasMore: deliveries.count > listedDeliveries, test: test, now: PageRoutes.now)
    }

    /// What is refused comes back in the form, but for the secret, which no page ever shows.
    private static func create(_ call: Call, _ appliance: Appliance) async throws -> Response {
        let form = try await PageForm(body: call)
        var draft = WebhookDraft()
        (draft.name, draft.url, draft.description) = (form["name"] ?? "", form["url"] ?? "", form["description"] ?? "")
        draft.events = Set(form.fields.filter { $0.name == "event" }.map(\.value))
        let known = WebhookEntity.allCases.flatMap { entity in entity.actions.map { WebhookEvent(entity, $0) } }
        do {
            let secret = form["secret"] ?? ""
            let webhook = try await appliance.webhooks.createWebhook(
                NewWebhook(
                    name: draft.name, url: draft.url, events: known.filter { draft.events.contains($0.name) },
                    description: draft.description, secret: secret.isEmpty ? nil : secret))
            return .redirect(to: Format.link("webhooks", webhook.id))
        } catch let error as NestboxError where error.code.httpStatus < 500 {
            draft.failure = error
            return try await PageRoutes.html(
                appliance, try await list(appliance.webhooks, draft: draft), status: .badRequest)
        }
    }
}
