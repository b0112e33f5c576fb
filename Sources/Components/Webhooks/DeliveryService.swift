import Contracts
import Core
import Logging
import ServiceLifecycle
import Storage
import Synchronization

/// An address that the server itself was started with, beside the webhooks.
package struct OutboxTarget: Sendable {
    package var url: String
    package var headers: [(name: String, value: String)]

    package init(url: String, headers: [(name: String, value: String)]) {
        self.url = url
        self.headers = headers
    }
}

/// Posts what lies in the outbox: one message at a time for each target, many targets at once. A target that does not answer
/// rests, longer each time, and keeps nobody else waiting. A stop drops the posts under way; they are sent again after the
/// next start, under the same id.
package final class DeliveryService: Service {
    private let webhooks: EmbeddedWebhooks
    private let targets: [String: OutboxTarget]
    private let logger: Logger
    private let pace = Mutex(Pace())
    /// Up to which event nothing is left to be told, where no webhook asked for it.
    private let scanned = Mutex<Int64>(0)

    private struct Pace {
        var underWay: Set<String> = []
        var failures: [String: Int] = [:]
        var restsUntil: [String: Timestamp] = [:]
    }

    /// Kinds of events after which there may be something to do.
    private static let waking = Set(WebhookFacts.kinds + ["webhook.updated"])
    /// Seconds after which the outbox is looked at anyway: a listener that falls behind loses events.
    private static let longestSleep = 15.0

    /// - Parameter targets: by the name that messages are addressed to.
    package init(webhooks: EmbeddedWebhooks, targets: [String: OutboxTarget] = [:], logger: Logger) {
        self.webhooks = webhooks
        self.targets = targets
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.deliver() }
    }

    private func deliver() async {
        let bell = webhooks.outbox.bell
        await withDiscardingTaskGroup { group in
            let events = webhooks.store.events.subscribe { Self.waking.contains($0.kind) }
            group.addTask {
                for await _ in events { bell.ring() }
            }
            var alarm: Task<Void, Never>?
            bell.ring()
            for await _ in bell.rings {
                alarm?.cancel()
                var sleep = Self.longestSleep
                do {
                    sleep = try await round(&group)
                } catch is CancellationError {
                    break
                } catch {
                    logger.warning("the outbox could not be read: \(error)")
                }
                alarm = Task { [sleep] in
                    try? await Task.sleep(for: .seconds(sleep))
                    if !Task.isCancelled { bell.ring() }
                }
            }
            alarm?.cancel()
            group.cancelAll()
        }
    }

    /// Starts a post for each target that has one due and is free. Returns the seconds until there may be another.
    private func round(_ group: inout DiscardingTaskGroup) async throws -> Double {
        try await fanOut()
        let now = webhooks.ambient.now()
        let (busy, free) = pace.withLock { pace in
            pace.restsUntil = pace.restsUntil.filter { $0.value > now }
            return (
                pace.underWay.union(pace.restsUntil.keys),
                webhooks.outbox.schedule.concurrency - pace.underWay.count
            )
        }
        let due = try await webhooks.outbox.due(at: now, targets: Set(targets.keys), except: busy)
        for message in due.prefix(max(0, free)) {
            pace.withLock { _ = $0.underWay.insert(message.target) }
            group.addTask {
                await self.attempt(message)
                self.pace.withLock { _ = $0.underWay.remove(message.target) }
                self.webhooks.outbox.bell.ring()
            }
        }
        // With no place free, the next post that ends wakes the loop.
        return due.count > free ? Self.longestSleep : try await pause(now: now)
    }

    private func fanOut() async throws {
        let after = scanned.withLock { $0 }
        let (isNeeded, upTo) = try await webhooks.store.read { db in try WebhookFanOut.isNeeded(after: after, in: db) }
        if isNeeded {
            try await webhooks.store.write { [webhooks] context in
                _ = try WebhookFanOut.run(context, newID: webhooks.newID)
            }
        }
        scanned.withLock { $0 = max($0, upTo) }
    }

    /// Targets under way wake the loop themselves.
    private func pause(now: Timestamp) async throws -> Double {
        let next = try await webhooks.outbox.nextDue(targets: Set(targets.keys))
        let earliest = pace.withLock { pace in
            next.compactMap { target, due in
                pace.underWay.contains(target) ? nil : max(due, pace.restsUntil[target] ?? due)
            }.min()
        }
        guard let earliest else { return Self.longestSleep }
        return min(Self.longestSleep, max(0.02, earliest.seconds(since: now)))
    }

    private func attempt(_ message: EmbeddedOutbox.Due) async {
        let started = webhooks.ambient.now()
        var status: Int?
        var verdict: DeliverySchedule.Verdict
        do {
            guard let request = try await request(message) else { return }
            let answer = try await webhooks.poster.post(request)
            status = answer.status
            verdict = DeliverySchedule.verdict(answer, now: webhooks.ambient.now())
        } catch let error as NestboxError where error.code == .invalidArgument {
            verdict = .refused(error: error.message)
        } catch {
            verdict = .retry(error: (error as? NestboxError)?.message ?? "\(error)", retryAfter: nil)
        }
        // What a stop cut off says nothing about the receiver.
        if case .retry = verdict, Task.isCancelled { return }
        note(verdict, of: message.target)
        let ended = webhooks.ambient.now()
        let attempt = OutboxDelivery.Attempt(
            at: started, status: status, error: Self.error(verdict),
            milliseconds: Int(ended.milliseconds - started.milliseconds))
        do {
            try await webhooks.outbox.record(message, attempt, verdict)
        } catch {
            // It stays due and is sent again under its id; the target rests, so that a full disk is no reason to hurry.
            note(.retry(error: "", retryAfter: nil), of: message.target)
            logger.warning("a delivery to \(message.target) could not be recorded: \(error)")
        }
    }

    private func request(_ message: EmbeddedOutbox.Due) async throws -> OutboundRequest? {
        if let target = targets[message.target] {
            return OutboundRequest(url: target.url, headers: target.headers, body: message.body)
        }
        return try await webhooks.request(to: message.target, deliveryID: message.id, body: message.body)
    }

    private func note(_ verdict: DeliverySchedule.Verdict, of target: String) {
        let now = webhooks.ambient.now(), schedule = webhooks.outbox.schedule
        pace.withLock { pace in
            guard case .retry(_, let retryAfter) = verdict else {
                pace.failures[target] = nil
                return
            }
            let failures = (pace.failures[target] ?? 0) + 1
            pace.failures[target] = failures
            pace.restsUntil[target] = now.adding(seconds: schedule.rest(failures: failures, retryAfter: retryAfter))
        }
    }

    private static func error(_ verdict: DeliverySchedule.Verdict) -> String? {
        switch verdict {
        case .delivered: nil
        case .retry(let error, _), .refused(let error): error
        }
    }
}
