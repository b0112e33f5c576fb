import Contracts
import Core
import Logging
import ServiceLifecycle
import Storage

/// Committed events → messages in the outbox, in order, each once. Nobody waits for it: a change has been acknowledged long
/// before. What is told and up to where stand in one transaction, so that neither a kill nor a receiver that is away loses any;
/// while the server runs without an address, events wait in the log.
package final class OpenLineageSender: Service {
    private let store: Store
    private let outbox: any Outbox
    private let reporter: OpenLineageReporter
    private let logger: Logger

    private static let sender = OpenLineageReporter.target
    private static let batch = 200
    /// Seconds after which the log is looked at anyway.
    private static let longestSleep = 15.0

    package init(store: Store, outbox: any Outbox, reporter: OpenLineageReporter, logger: Logger) {
        self.store = store
        self.outbox = outbox
        self.reporter = reporter
        self.logger = logger
    }

    /// Before anything is served: who asks for the first time is told what happens from now on.
    package func prepare() async throws {
        guard try await outbox.position(of: Self.sender) == nil else { return }
        let head = try await store.recentEvents(limit: 1).first?.id ?? 0
        try await outbox.enqueue([], from: Self.sender, upTo: head)
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.listen() }
    }

    private func listen() async {
        let (wakes, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            let events = store.events.subscribe(buffer: 1) { OpenLineageReporter.kinds.contains($0.kind) }
            group.addTask { for await _ in events { bell.yield() } }
            group.addTask {
                while !Task.isCancelled {
                    bell.yield()
                    try? await Task.sleep(for: .seconds(Self.longestSleep))
                }
            }
            for await _ in wakes {
                do {
                    try await drain()
                } catch is CancellationError {
                    break
                } catch {
                    if Task.isCancelled { break }
                    logger.warning("lineage could not be told further, and is tried again: \(error)")
                }
            }
            group.cancelAll()
        }
    }

    /// Everything in the log up to its end.
    func drain() async throws {
        var position = try await outbox.position(of: Self.sender) ?? 0
        while true {
            try Task.checkCancellation()
            let events = try await store.eventLog(after: position, limit: Self.batch)
            guard let last = events.last else { return }
            var messages: [OutboxMessage] = []
            for event in events where OpenLineageReporter.kinds.contains(event.kind) {
                messages += try await self.messages(for: event)
            }
            position = last.id
            // A log of other things is not worth a write each time; after a start it is read again.
            if !messages.isEmpty || events.count == Self.batch {
                try await outbox.enqueue(messages, from: Self.sender, upTo: position)
            }
            if events.count < Self.batch { return }
        }
    }

    private func messages(for event: Event) async throws -> [OutboxMessage] {
        do {
            return try await reporter.messages(
                for: (event.kind, event.subject, event.at, event.data, event.id),
                endsLater: { [store] run in
                    try await store.eventLog(after: event.id, subject: "run/\(run)", limit: 1000).contains {
                        $0.kind == "run.finished"
                    }
                })
        } catch let error as NestboxError where error.code == .notFound {
            // It was removed before it could be told of.
            logger.debug("nothing is left to tell of \(event.kind) \(event.subject): \(error.message)")
            return []
        }
    }
}
