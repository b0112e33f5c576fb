import Contracts
import Core
import Synchronization

/// Lines of a worker on another machine on their way to the job's log there. Sent with the renewals; what cannot be sent
/// waits, and what is too much meanwhile is left out with a line that says so.
final class ShippedLog: Sendable {
    private struct State {
        var lines: [String] = []
        var bytes = 0
        var leftOut = 0
    }

    private static let mostBytes = JobLog.mostPerCall / 2
    private let state = Mutex(State())

    func add(_ line: String) {
        state.withLock { state in
            let size = line.utf8.count + 1
            guard state.bytes + size <= Self.mostBytes else { return state.leftOut += 1 }
            state.lines.append(line)
            state.bytes += size
        }
    }

    /// Sends what waits. A failure leaves it waiting: the job matters more than its log.
    func send(_ lease: JobLease, to queue: any JobQueue) async {
        let taken = state.withLock { state in
            defer { state = State() }
            return state
        }
        guard !taken.lines.isEmpty else { return }
        var text = taken.lines.joined(separator: "\n") + "\n"
        if taken.leftOut > 0 { text += "[\(taken.leftOut) lines were left out here]\n" }
        do {
            try await queue.appendLog(id: lease.job.id, token: lease.token, text: text)
        } catch let error as NestboxError where error.code == .invalidArgument || error.code == .payloadTooLarge {
            // These lines would be refused again.
            return
        } catch {
            state.withLock { state in
                state.lines = taken.lines + state.lines
                state.bytes += taken.bytes
                state.leftOut += taken.leftOut
            }
        }
    }
}
