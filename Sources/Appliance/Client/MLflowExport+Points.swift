import Contracts
import Core

extension MLflowExport {
    private typealias Point = MLflowImport.Identity

    private static let batch = 1000
    private static let historyPage = 25_000

    /// The points of one key that were sent and are not yet read back.
    private struct Sent {
        let key: String
        let distinct: Set<Point>
        let old: Int
    }

    /// Whole histories. Where a key has a single point, as most have, the latest ones of the run tell whether it is there.
    func bringPoints(of run: Run, _ before: Run, _ open: inout OpenRun, _ state: inout State) async throws {
        let latest = Self.latest(of: before)
        var sent: [Sent] = [], pending: [MetricPoint] = []
        for key in run.metrics.map(\.key) {
            let points = try await history(source.tracking, run.id, key)
            let distinct = Set(points.map(Point.init))
            let there = try await found(distinct, of: key, open.id, latest[key])
            guard there.count < distinct.count else {
                state.report.add("metric points", source: distinct.count, skipped: distinct.count)
                continue
            }
            pending += points.filter { !there.contains(Point($0)) }
            sent.append(Sent(key: key, distinct: distinct, old: there.count))
            if pending.count >= Self.batch {
                try await write(pending, run, &open, &state)
                try await verify(sent, open.id, &state)
                (sent, pending) = ([], [])
            }
        }
        try await write(pending, run, &open, &state)
        try await verify(sent, open.id, &state)
    }

    private func write(
        _ points: [MetricPoint], _ run: Run, _ open: inout OpenRun, _ state: inout State
    ) async throws {
        for start in stride(from: 0, to: points.count, by: Self.batch) {
            let batch = Array(points[start...].prefix(Self.batch))
            try await attempt(nil, "run `\(run.id)`: metrics", &state) { _ in
                try await open.open()
                try await target.tracking.log(runID: open.id, LogBatch(metrics: batch))
            }
        }
    }

    private func verify(_ sent: [Sent], _ id: String, _ state: inout State) async throws {
        guard !sent.isEmpty else { return }
        let latest = Self.latest(of: try await target.tracking.run(id: id))
        for one in sent {
            let now = try await found(one.distinct, of: one.key, id, latest[one.key])
            state.report.add(
                "metric points", source: one.distinct.count, imported: now.count - one.old, skipped: one.old)
        }
    }

    private func found(
        _ wanted: Set<Point>, of key: String, _ id: String, _ latest: MetricPoint?
    ) async throws -> Set<Point> {
        guard let latest else { return [] }
        if wanted.count == 1, wanted.contains(Point(latest)) { return wanted }
        return wanted.intersection(try await history(target.tracking, id, key).map(Point.init))
    }

    private static func latest(of run: Run) -> [String: MetricPoint] {
        Dictionary(run.metrics.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
    }

    private func history(_ tracking: RemoteTracking, _ run: String, _ key: String) async throws -> [MetricPoint] {
        try await Page.all { token in
            try await tracking.metricHistory(runID: run, key: key, maxResults: Self.historyPage, pageToken: token)
        }
    }
}
