import Contracts
import Core
import Foundation
import GRDB
import Storage

/// Wakes the loop that posts; rung before it listens, it is heard when it does.
final class Bell: Sendable {
    let rings: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (rings, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1)) }

    func ring() { continuation.yield() }
}

/// The outbox in `nestbox.db`.
package struct EmbeddedOutbox: Outbox {
    let store: Store
    let ambient: Ambient
    let schedule: DeliverySchedule
    /// Rung when there is something to send that no event tells of.
    let bell = Bell()

    /// - Parameter store: `nestbox.db`, opened with `EmbeddedWebhooks.migrations`.
    package init(store: Store, ambient: Ambient, schedule: DeliverySchedule = DeliverySchedule()) {
        self.store = store
        self.ambient = ambient
        self.schedule = schedule
    }

    package func position(of sender: String) async throws -> Int64? {
        try await store.read { db in try Self.position(of: sender, in: db) }
    }

    package func enqueue(_ messages: [OutboxMessage], from sender: String, upTo position: Int64) async throws {
        try await store.write { [ambient] context in
            for message in messages { try Self.insert(message, id: Self.newID(ambient), context) }
            try Self.setPosition(position, of: sender, in: context.db)
        }
        if !messages.isEmpty { bell.ring() }
    }

    package func deliveries(to target: String, limit: Int) async throws -> [OutboxDelivery] {
        try await store.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM webhooks_deliveries WHERE target = ? ORDER BY seq DESC LIMIT ?",
                arguments: [target, limit])
            let attempts = try Self.attempts(of: rows.map { $0["seq"] }, in: db)
            return try rows.map { row in
                guard let state = OutboxDelivery.State(rawValue: row["state"]) else {
                    throw NestboxError(.internalError, "nestbox.db holds a delivery in no known state")
                }
                return OutboxDelivery(
                    id: row["id"], label: row["label"], state: state,
                    createdAt: Timestamp(milliseconds: row["created_at"]),
                    dueAt: state == .pending ? Timestamp(milliseconds: row["due_at"]) : nil,
                    attemptCount: row["attempts"], attempts: attempts[row["seq"]] ?? [])
            }
        }
    }

    // MARK: for the loop

    /// A message that is due.
    struct Due: Sendable {
        var seq: Int64
        var id: String
        var target: String
        var label: String
        var body: String
        var attempts: Int
        var createdAt: Timestamp
    }

    /// The oldest due message of each target that is not in `except`. Webhooks that are disabled wait, and so does what is
    /// for an address that this start does not name.
    func due(at now: Timestamp, targets: Set<String>, except: Set<String>) async throws -> [Due] {
        try await store.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT min(d.seq) AS seq, d.id, d.target, d.label, d.body, d.attempts, d.created_at
                    FROM webhooks_deliveries d LEFT JOIN webhooks_hooks h ON h.id = d.target
                    WHERE d.state = 'pending' AND d.due_at <= ?
                        AND (h.status = ? OR d.target IN (SELECT value FROM json_each(?)))
                        AND d.target NOT IN (SELECT value FROM json_each(?))
                    GROUP BY d.target ORDER BY 1
                    """,
                arguments: [
                    now.milliseconds, WebhookStatus.active.rawValue, try JSON.string(targets.sorted()),
                    try JSON.string(except.sorted()),
                ])
            return rows.map {
                Due(
                    seq: $0["seq"], id: $0["id"], target: $0["target"], label: $0["label"], body: $0["body"],
                    attempts: $0["attempts"], createdAt: Timestamp(milliseconds: $0["created_at"]))
            }
        }
    }

    /// When each target has something to send, at the earliest. Leaves out what `due` leaves out.
    func nextDue(targets: Set<String>) async throws -> [String: Timestamp] {
        try await store.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT d.target, min(d.due_at) AS due
                    FROM webhooks_deliveries d LEFT JOIN webhooks_hooks h ON h.id = d.target
                    WHERE d.state = 'pending' AND (h.status = ? OR d.target IN (SELECT value FROM json_each(?)))
                    GROUP BY d.target
                    """, arguments: [WebhookStatus.active.rawValue, try JSON.string(targets.sorted())])
            return Dictionary(
                uniqueKeysWithValues: rows.map { ($0["target"] as String, Timestamp(milliseconds: $0["due"])) })
        }
    }

    /// Keeps what came of an attempt. A message that was dropped meanwhile stays dropped.
    func record(_ message: Due, _ attempt: OutboxDelivery.Attempt, _ verdict: DeliverySchedule.Verdict) async throws {
        let attempts = message.attempts + 1, schedule = schedule
        let isOld = attempt.at.seconds(since: message.createdAt) >= schedule.giveUpAfter
        let chance = Double(ambient.randomBits() >> 11) * 0x1p-53
        try await store.write { context in
            let now = context.now
            var state = OutboxDelivery.State.pending, due = now
            switch verdict {
            case .delivered: state = .delivered
            case .refused: state = .failed
            case .retry where isOld: state = .failed
            case .retry(_, let retryAfter):
                due = now.adding(
                    seconds: schedule.wait(attempts: attempts, retryAfter: retryAfter, chance: chance))
            }
            try context.db.execute(
                sql: "UPDATE webhooks_deliveries SET state = ?, attempts = ?, due_at = ? WHERE seq = ?",
                arguments: [state.rawValue, attempts, due.milliseconds, message.seq])
            guard context.db.changesCount > 0 else { return }
            try context.db.execute(
                sql: "INSERT INTO webhooks_attempts (delivery, at, status, error, milliseconds) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    message.seq, attempt.at.milliseconds, attempt.status, attempt.error, attempt.milliseconds,
                ])
            try Self.prune(message, schedule, in: context.db)
            guard state == .failed else { return }
            try context.record(
                "webhook.gave_up", "webhook/\(message.target)",
                [
                    "delivery": .string(message.id), "event": .string(message.label),
                    "attempts": .int(Int64(attempts)), "error": .string(attempt.error ?? ""),
                ])
        }
    }

    private static func prune(_ message: Due, _ schedule: DeliverySchedule, in db: Database) throws {
        try db.execute(
            sql: """
                DELETE FROM webhooks_attempts WHERE delivery = ?1 AND id <= (
                    SELECT id FROM webhooks_attempts WHERE delivery = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
                """, arguments: [message.seq, schedule.keptAttempts])
        for state in [OutboxDelivery.State.delivered, .failed] {
            try db.execute(
                sql: """
                    DELETE FROM webhooks_deliveries WHERE target = ?1 AND state = ?2 AND seq <= (
                        SELECT seq FROM webhooks_deliveries WHERE target = ?1 AND state = ?2
                        ORDER BY seq DESC LIMIT 1 OFFSET ?3)
                    """, arguments: [message.target, state.rawValue, schedule.keptDeliveries])
        }
    }

    private static func attempts(of deliveries: [Int64], in db: Database) throws -> [Int64: [OutboxDelivery.Attempt]] {
        let sql = """
            SELECT * FROM webhooks_attempts WHERE delivery IN (SELECT value FROM json_each(?)) ORDER BY id
            """
        var found: [Int64: [OutboxDelivery.Attempt]] = [:]
        for row in try Row.fetchAll(db, sql: sql, arguments: [try JSON.string(deliveries)]) {
            found[row["delivery"], default: []].append(
                OutboxDelivery.Attempt(
                    at: Timestamp(milliseconds: row["at"]), status: row["status"], error: row["error"],
                    milliseconds: row["milliseconds"]))
        }
        return found
    }

    // MARK: inside a transaction

    static func position(of sender: String, in db: Database) throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT event FROM webhooks_positions WHERE sender = ?", arguments: [sender])
    }

    static func setPosition(_ event: Int64, of sender: String, in db: Database) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO webhooks_positions (sender, event) VALUES (?, ?)", arguments: [sender, event])
    }

    static func insert(_ message: OutboxMessage, id: String, _ context: WriteContext) throws {
        let now = context.now.milliseconds
        try context.db.execute(
            sql: """
                INSERT INTO webhooks_deliveries (id, target, label, body, state, created_at, due_at)
                VALUES (?, ?, ?, ?, 'pending', ?, ?)
                """, arguments: [id, message.target, message.label, message.body, now, now])
    }

    /// A random UUID, as MLflow's are.
    static func newID(_ ambient: Ambient) -> String {
        let high = ambient.randomBits() & ~0xF000 | 0x4000
        let low = ambient.randomBits() & ~(0b11 << 62) | (0b10 << 62)
        var bytes: [UInt8] = []
        for word in [high, low] { bytes += withUnsafeBytes(of: word.bigEndian) { Array($0) } }
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        let groups = [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
        return groups.map { $0.joined() }.joined(separator: "-")
    }
}
