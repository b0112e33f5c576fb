import Core
import Synchronization

/// Hands committed events to live listeners: pages, the monitoring schedule, the job runner.
///
/// A listener that falls behind by more than its buffer loses the oldest events; the `events` table has them all.
public final class EventHub: Sendable {
    private let listeners = Mutex<[Int: AsyncStream<Event>.Continuation]>([:])
    private let nextKey = Atomic<Int>(0)

    public init() {}

    /// Events from now on; ends when the consuming task does.
    public func subscribe(buffer: Int = 256) -> AsyncStream<Event> {
        let key = nextKey.add(1, ordering: .relaxed).newValue
        let (stream, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(buffer))
        continuation.onTermination = { [weak self] _ in _ = self?.listeners.withLock { $0.removeValue(forKey: key) } }
        listeners.withLock { $0[key] = continuation }
        return stream
    }

    /// Ends every subscription, so that open pages do not hold up a shutdown.
    public func close() {
        for continuation in listeners.withLock({ Array($0.values) }) { continuation.finish() }
    }

    func publish(_ events: [Event]) {
        guard !events.isEmpty else { return }
        for continuation in listeners.withLock({ Array($0.values) }) {
            for event in events { continuation.yield(event) }
        }
    }
}
