import Synchronization

/// The runs known to exist and to be active, so that logging a metric need not ask the database each time.
///
/// Only what was read is remembered, and only when nothing was deleted while it was being read.
final class ActiveRuns: Sendable {
    private struct State {
        var runs: Set<String> = []
        var deletions = 0
    }

    private static let capacity = 100_000
    private let state = Mutex(State())

    func contains(_ run: String) -> Bool { state.withLock { $0.runs.contains(run) } }

    /// Taken before reading, handed to `insert` after it.
    var deletions: Int { state.withLock { $0.deletions } }

    func insert(_ run: String, readAt deletions: Int) {
        state.withLock {
            guard $0.deletions == deletions else { return }
            if $0.runs.count >= Self.capacity { $0.runs.removeAll(keepingCapacity: true) }
            $0.runs.insert(run)
        }
    }

    func remove(_ run: String) {
        state.withLock {
            $0.deletions += 1
            $0.runs.remove(run)
        }
    }

    func removeAll() {
        state.withLock {
            $0.deletions += 1
            $0.runs.removeAll()
        }
    }
}
