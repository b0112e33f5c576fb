import Contracts
import Core

/// What a form of webhooks was sent with, and what was wrong with it.
package struct WebhookDraft: Sendable {
    package var name = ""
    package var url = ""
    package var description = ""
    package var events: Set<String> = []
    package var failure: NestboxError?

    package init() {}
}

enum WebhookView {
    static func badge(_ status: WebhookStatus) -> Badge {
        status == .active ? Badge("active", "good") : Badge("disabled", "warn")
    }

    static func href(_ id: String) -> String { Format.link("webhooks", id) }
}

/// `/webhooks`
package struct WebhooksPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var status: Badge
        var url: String
        var events: String
        var last: String
        var lastState: Badge?
    }

    struct Group {
        var title: String
        var choices: [Choice]
    }

    package let template = "webhooks"
    package let title = "Webhooks"
    package let section = Section.models
    package let path = "/webhooks"
    package let events = ["webhook"]

    let rows: [Row]
    let next: String?
    let failure: String?
    let failureHint: String?
    let name: String
    let url: String
    let description: String
    let groups: [Group]
    let isOpen: Bool
    let empty = Empty(
        "No webhook yet",
        "A webhook is an address that is told when models, versions, aliases, tags and prompts change. Add one below, or with MLflow's client."
    )

    /// - Parameters:
    ///   - last: the newest delivery of each, by its id.
    ///   - draft: what a refused form was sent with.
    package init(
        _ webhooks: [Webhook], last: [String: OutboxDelivery], next: String?, draft: WebhookDraft = WebhookDraft(),
        now: Timestamp
    ) {
        rows = webhooks.map { webhook in
            let delivery = last[webhook.id]
            return Row(
                name: webhook.name, href: WebhookView.href(webhook.id), status: WebhookView.badge(webhook.status),
                url: webhook.url, events: Self.told(webhook.events),
                last: delivery.map { "\($0.label), \(Format.ago($0.createdAt, now: now))" } ?? "nothing yet",
                lastState: delivery.map { WebhookPage.badge($0.state) })
        }
        self.next = next.map { "/webhooks?page=\(Format.encoded($0))" }
        failure = draft.failure?.message
        failureHint = draft.failure?.hint
        (name, url, description) = (draft.name, draft.url, draft.description)
        isOpen = draft.failure != nil || webhooks.isEmpty
        // Nothing here ever exceeds a budget.
        groups = WebhookEntity.allCases.filter { $0 != .budgetPolicy }.map { entity in
            Group(
                title: entity.rawValue.split(separator: "_").joined(separator: " "),
                choices: entity.actions.map { action in
                    let name = WebhookEvent(entity, action).name
                    return Choice(name, action.rawValue, draft.events.contains(name))
                })
        }
    }

    static func told(_ events: [WebhookEvent]) -> String {
        let shown = events.prefix(3).map(\.name).joined(separator: ", ")
        return events.count > 3 ? "\(shown) and \(events.count - 3) more" : shown
    }
}

/// `/webhooks/{id}`
package struct WebhookPage: DashboardPage {
    struct Delivery {
        var label: String
        var state: Badge
        var created: TimeText
        var id: String
        var attempts: [String]
        var due: String?
    }

    package let template = "webhook"
    package let title: String
    package let section = Section.models
    package let path: String
    package let trail = [Crumb("Webhooks", "/webhooks")]
    package let events = ["webhook"]

    let status: Badge
    let id: String
    let isActive: Bool
    let description: String?
    let facts: [Pair]
    let deliveries: [Delivery]
    let deliveriesNote: String?
    /// What came of a test call.
    let tested: String?
    let testedBody: String?
    let isBad: Bool

    /// - Parameters:
    ///   - deliveries: newest first.
    ///   - test: what came of a test call that this page was asked for with.
    package init(
        _ webhook: Webhook, deliveries: [OutboxDelivery], hasMore: Bool, test: WebhookTestResult?, now: Timestamp
    ) {
        id = webhook.id
        title = webhook.name
        path = WebhookView.href(webhook.id)
        status = WebhookView.badge(webhook.status)
        isActive = webhook.status == .active
        description = webhook.description.isEmpty ? nil : webhook.description
        facts = [
            Pair("Address", webhook.url), Pair("Told of", webhook.events.map(\.name).joined(separator: "\n")),
            Pair("Signature", webhook.hasSecret ? "HMAC-SHA256 with its secret" : "none: it has no secret"),
            Pair("Created", Format.date(webhook.createdAt)), Pair("Changed", Format.date(webhook.updatedAt)),
        ]
        self.deliveries = deliveries.map { delivery in
            Delivery(
                label: delivery.label, state: Self.badge(delivery.state),
                created: TimeText(delivery.createdAt, now: now), id: delivery.id,
                attempts: Self.attempts(delivery),
                due: delivery.dueAt.map {
                    $0 > now ? "next try in \(Format.duration($0.seconds(since: now)))" : "next try now"
                })
        }
        deliveriesNote = hasMore ? "The newest \(deliveries.count)." : nil
        tested = test.map(Self.sentence)
        testedBody = test?.body.flatMap { $0.isEmpty ? nil : Format.short($0, 2000) }
        isBad = test?.success == false
    }

    static func badge(_ state: OutboxDelivery.State) -> Badge {
        switch state {
        case .pending: Badge("pending", "live")
        case .delivered: Badge("delivered", "good")
        case .failed: Badge("failed", "bad")
        }
    }

    /// `503 after 12 ms`, oldest first; those that are not kept are counted.
    private static func attempts(_ delivery: OutboxDelivery) -> [String] {
        let left = delivery.attemptCount - delivery.attempts.count
        return (left > 0 ? ["\(Format.counted(left, "earlier try", "earlier tries"))"] : [])
            + delivery.attempts.map { attempt in
                let what = attempt.status.map { "\($0)" } ?? Format.short(attempt.error ?? "no answer", 200)
                let why = attempt.status != nil ? attempt.error.map { " (\(Format.short($0, 200)))" } ?? "" : ""
                return "\(what)\(why) after \(Format.latency(Double(attempt.milliseconds)))"
            }
    }

    private static func sentence(_ test: WebhookTestResult) -> String {
        if let status = test.status {
            return "The test call was answered with \(status)" + (test.error.map { ": \($0)" } ?? ".")
        }
        return "The test call was not answered: \(test.error ?? "no reason known")"
    }
}
