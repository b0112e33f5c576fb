import Core
import Synchronization

/// Hands committed events to live listeners: pages, the monitoring schedule, the job runner.
///
/// A listener that falls behind by more than its buffer loses the oldest events; the `events` table has them all.
public final class EventHub: Sendable {
    private struct Listener: Sendable {
        var continuation: AsyncStream<Event>.Continuation
        var wants: @Sendable (Event) -> Bool
    }

    private struct State {
        var listeners: [Int: Listener] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())
    private let nextKey = Atomic<Int>(0)

    public init() {}

    /// Events from now on; ends when the consuming task does, and at once after `close`.
    ///
    /// `wants` is asked before anybody is woken.
    public func subscribe(
        buffer: Int = 256, where wants: @escaping @Sendable (Event) -> Bool = { _ in true }
    ) -> AsyncStream<Event> {
        let key = nextKey.add(1, ordering: .relaxed).newValue
        let (stream, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(buffer))
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.listeners.removeValue(forKey: key) }
        }
        let isClosed = state.withLock { state in
            if !state.isClosed { state.listeners[key] = Listener(continuation: continuation, wants: wants) }
            return state.isClosed
        }
        // Outside the lock: ending it calls the handler above.
        if isClosed { continuation.finish() }
        return stream
    }

    /// Ends every subscription, and those of pages that come back meanwhile, so that none holds up a shutdown.
    public func close() {
        let ended = state.withLock { state in
            state.isClosed = true
            return Array(state.listeners.values)
        }
        for listener in ended { listener.continuation.finish() }
    }

    func publish(_ events: [Event]) {
        guard !events.isEmpty else { return }
        for listener in state.withLock({ Array($0.listeners.values) }) {
            for event in events where listener.wants(event) { listener.continuation.yield(event) }
        }
    }
}
