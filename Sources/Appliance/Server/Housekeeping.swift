import Core
import ServiceLifecycle
import Storage
import Synchronization

/// Keeps the write-ahead logs short: checkpoints each file when its log has grown past 16 MiB.
struct Housekeeping: Service {
    let stores: [Store]

    func run() async throws {
        for await _ in AsyncTimerStream(every: .seconds(20)).cancelOnGracefulShutdown() {
            for store in stores where store.walSize > 16 << 20 { _ = try? await store.checkpoint() }
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
