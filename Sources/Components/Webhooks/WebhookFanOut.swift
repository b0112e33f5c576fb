import Contracts
import Core
import GRDB
import Storage

/// Committed events → messages for the webhooks that asked for them.
///
/// Also runs at the beginning of every change of a webhook, in its transaction: what happened before a webhook was made,
/// changed or removed is told by the rules of that moment, however late the loop is.
enum WebhookFanOut {
    static let sender = "registry"
    private static let batch = 500

    /// Whether `run` would find something after `scanned`; up to which event that is known.
    static func isNeeded(after scanned: Int64, in db: Database) throws -> (isNeeded: Bool, upTo: Int64) {
        let head = try Self.head(in: db)
        let hasHooks =
            try Bool.fetchOne(
                db, sql: "SELECT EXISTS (SELECT 1 FROM webhooks_hooks WHERE status = ?)",
                arguments: [WebhookStatus.active.rawValue]) ?? false
        guard hasHooks else { return (false, head) }
        let start = max(scanned, try EmbeddedOutbox.position(of: sender, in: db) ?? 0)
        let sql = "SELECT EXISTS (SELECT 1 FROM events WHERE id > ? AND id <= ? AND kind IN (\(kinds)))"
        return (try Bool.fetchOne(db, sql: sql, arguments: [start, head]) ?? false, head)
    }

    /// Returns how many messages it made.
    @discardableResult
    static func run(_ context: WriteContext, newID: () -> String) throws -> Int {
        let db = context.db
        let head = try head(in: db)
        let hooks = try subscriptions(in: db)
        var position = try EmbeddedOutbox.position(of: sender, in: db) ?? 0
        var made = 0
        while !hooks.isEmpty {
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT id, at, kind, subject, actor, data FROM events
                    WHERE id > ? AND id <= ? AND kind IN (\(kinds)) ORDER BY id LIMIT \(batch)
                    """, arguments: [position, head])
            guard let last = rows.last else { break }
            for row in rows { made += try enqueue(event(row), hooks, context, newID) }
            position = last["id"]
        }
        try EmbeddedOutbox.setPosition(head, of: sender, in: db)
        return made
    }

    private static func enqueue(
        _ event: Event, _ hooks: [(id: String, events: Set<WebhookEvent>)], _ context: WriteContext,
        _ newID: () -> String
    ) throws -> Int {
        guard let told = WebhookFacts.webhookEvent(of: event) else { return 0 }
        let wanted = hooks.filter { $0.events.contains(told) }
        guard !wanted.isEmpty else { return 0 }
        let body = try WebhookFacts.body(told, at: event.at, data: WebhookFacts.payload(told, of: event))
        for hook in wanted {
            let message = OutboxMessage(target: hook.id, label: told.name, body: body)
            try EmbeddedOutbox.insert(message, id: newID(), context)
        }
        return wanted.count
    }

    private static func subscriptions(in db: Database) throws -> [(id: String, events: Set<WebhookEvent>)] {
        try Row.fetchAll(
            db, sql: "SELECT id, events FROM webhooks_hooks WHERE status = ? ORDER BY seq",
            arguments: [WebhookStatus.active.rawValue]
        ).map { row in (row["id"], Set(try JSON.decode([WebhookEvent].self, from: row["events"] as String))) }
    }

    private static func event(_ row: Row) throws -> Event {
        Event(
            id: row["id"], at: Timestamp(milliseconds: row["at"]), kind: row["kind"], subject: row["subject"],
            actor: row["actor"], data: try JSON.decode(JSONValue.self, from: row["data"] as String))
    }

    private static func head(in db: Database) throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT max(id) FROM events") ?? 0
    }

    private static let kinds = WebhookFacts.kinds.map { "'\($0)'" }.joined(separator: ", ")
}
