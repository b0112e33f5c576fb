import Contracts
import Core
import Foundation
import Synchronization

/// Counts and latencies of one deployment. A lock is held for some ten nanoseconds per request and for a copy per reading.
final class ServingRecorder: Sendable {
    private static let seconds = 60
    private static let latencies = 1024

    private struct State {
        var requests = 0
        var rows = 0
        var errors = 0
        var dropped = 0
        /// Requests in second `second` are at `second % 60`, valid while `stamps` there says that second.
        var counts = [Int](repeating: 0, count: ServingRecorder.seconds)
        var stamps = [Int64](repeating: .min, count: ServingRecorder.seconds)
        /// The newest latencies in milliseconds, a ring.
        var latencies: [Double] = []
        var nextLatency = 0

        mutating func count(at: Timestamp) {
            requests += 1
            let second = at.milliseconds / 1000
            let place = Int(second.magnitude % UInt64(ServingRecorder.seconds))
            if stamps[place] != second {
                stamps[place] = second
                counts[place] = 0
            }
            counts[place] += 1
        }
    }

    private let state = Mutex(State())

    func answered(rows: Int, took: Duration, at: Timestamp) {
        let (seconds, attoseconds) = took.components
        let milliseconds = Double(seconds) * 1e3 + Double(attoseconds) * 1e-15
        state.withLock { state in
            state.count(at: at)
            state.rows += rows
            if state.latencies.count < Self.latencies {
                state.latencies.append(milliseconds)
            } else {
                state.latencies[state.nextLatency] = milliseconds
                state.nextLatency = (state.nextLatency + 1) % Self.latencies
            }
        }
    }

    /// A request that got an error; it counts as a request, not as a latency.
    func failed(at: Timestamp) {
        state.withLock { state in
            state.count(at: at)
            state.errors += 1
        }
    }

    func dropped(rows: Int) { state.withLock { $0.dropped += rows } }

    func statistics(of deployment: String, at now: Timestamp) -> ServingStatistics {
        let state = state.withLock { $0 }
        let current = now.milliseconds / 1000
        let perSecond = (0..<Self.seconds).map { index -> Int in
            let second = current - Int64(Self.seconds - 1 - index)
            let place = Int(second.magnitude % UInt64(Self.seconds))
            return state.stamps[place] == second ? state.counts[place] : 0
        }
        let sorted = state.latencies.sorted()
        /// The smallest latency that at least the share `p` of requests did not exceed.
        func percentile(_ p: Double) -> Double? {
            sorted.isEmpty ? nil : sorted[max(0, Int((p * Double(sorted.count)).rounded(.up)) - 1)]
        }
        return ServingStatistics(
            deployment: deployment, requests: state.requests, rows: state.rows, errors: state.errors,
            logDropped: state.dropped, requestRate: Double(perSecond.suffix(10).reduce(0, +)) / 10,
            latencyP50: percentile(0.5), latencyP99: percentile(0.99), perSecond: perSecond)
    }
}
