import Contracts
import Core
import Logging
import ServiceLifecycle
import Storage
import Synchronization

/// Keeps the files short: checkpoints each when its write-ahead log has grown past 16 MiB, and hourly removes old events and
/// what was deleted long enough ago. Tries again to load deployments whose files are with a server that was away.
struct Housekeeping: Service {
    let stores: [Store]
    let retention: [EventRetention]
    let collect: @Sendable () async throws -> GarbageReport
    let retryDeployments: @Sendable () async throws -> Void
    let logger: Logger

    /// In ticks of 20 seconds.
    private static let pruneEvery = 180

    func run() async throws {
        // Not only the timer is cancelled: a prune under way ends between two steps.
        await cancelWhenGracefulShutdown {
            var tick = 0
            for await _ in AsyncTimerStream(every: .seconds(20)) {
                for store in stores where store.walSize > 16 << 20 { _ = try? await store.checkpoint() }
                await retry()
                if tick % Self.pruneEvery == 0 {
                    await prune()
                    await collectGarbage()
                }
                tick += 1
            }
        }
    }

    private func retry() async {
        do {
            try await retryDeployments()
        } catch is CancellationError {
            return
        } catch {
            logger.warning("deployments could not be loaded again: \(error)")
        }
    }

    private func collectGarbage() async {
        do {
            let report = try await collect()
            if !report.isEmpty {
                logger.info(
                    "collected \(report.runs) runs, \(report.loggedModels) logged models, \(report.traces) traces, \(report.bytes) bytes"
                )
            }
        } catch is CancellationError {
            return
        } catch {
            logger.warning("what was deleted could not be removed: \(error)")
        }
    }

    private func prune() async {
        for log in retention {
            do {
                let removed = try await log.prune()
                if removed > 0 { logger.info("removed \(removed) old events") }
            } catch is CancellationError {
                return
            } catch {
                logger.warning("old events could not be removed: \(error)")
            }
        }
    }
}

/// Ends live event streams at shutdown, which would otherwise hold it up for as long as a page is open.
struct CloseSubscriptions: Service {
    let events: EventHub

    func run() async throws {
        try? await gracefulShutdown()
        events.close()
    }
}

/// A tick every so often, until the consuming task ends.
struct AsyncTimerStream: AsyncSequence, Sendable {
    typealias Element = Void
    let interval: Duration

    init(every interval: Duration) { self.interval = interval }

    struct Iterator: AsyncIteratorProtocol {
        let interval: Duration

        mutating func next() async -> Void? {
            do {
                try await Task.sleep(for: interval)
                return ()
            } catch {
                return nil
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(interval: interval) }
}

/// The address the server got, for those who start before it has one.
final class AddressBox: Sendable {
    private let url = Mutex<String?>(nil)

    func set(_ value: String) { url.withLock { $0 = value } }

    /// Waits until the server listens.
    func value() async throws -> String {
        while true {
            if let value = url.withLock({ $0 }) { return value }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
