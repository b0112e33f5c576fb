import Synchronization

/// Whether a server answered when it was last asked something, whatever it was. Shared by the clients of one server.
package final class Reachability: Sendable {
    private let last = Mutex<(at: ContinuousClock.Instant, answered: Bool)?>(nil)

    package init() {}

    func note(answered: Bool) { last.withLock { $0 = (.now, answered) } }

    /// False only after a question without an answer.
    var answered: Bool { last.withLock { $0?.answered ?? true } }

    /// Nil when nobody asked within `age`.
    func answered(within age: Duration) -> Bool? {
        last.withLock { last in last.flatMap { $0.at.duration(to: .now) <= age ? $0.answered : nil } }
    }
}
