import Contracts
import Core
import Dashboard

/// Runs side by side.
enum ComparePageRoutes {
    /// Buckets of all curves together of one chart, and of one of them: each run gets fewer when there are many.
    private static let bucketsPerChart = 6000
    private static let bucketsPerCurve = 100...Int(CurveChart.width)

    private static let atOnce = 4

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/compare", "Runs side by side") { call in
                try await compare(CompareQuery(PageForm(query: call).pageQuery), appliance)
            }(appliance)
        ]
    }

    private static func compare(_ query: CompareQuery, _ appliance: Appliance) async throws -> ComparePage {
        let tracking = appliance.tracking
        let found = try await runs(query.runIDs, tracking)
        let runs = query.runIDs.compactMap { found[$0] }
        var experiments: [String: String] = [:]
        for id in Set(runs.map(\.experimentID)) { experiments[id] = try await tracking.experiment(id: id).name }
        var input = CompareInputs(
            runs: runs, experiments: experiments, missing: query.runIDs.filter { found[$0] == nil })
        let share = bucketsPerChart / max(1, runs.count)
        let buckets = min(max(share, bucketsPerCurve.lowerBound), bucketsPerCurve.upperBound)
        var wanted: [(run: String, key: String)] = []
        for key in query.curves(runs) {
            for run in runs where run.metric(key) != nil { wanted.append((run.id, key)) }
        }
        let curves = try await curves(wanted, steps: query.curve.steps, buckets: buckets, tracking)
        for (want, curve) in zip(wanted, curves) { input.curves[want.key, default: [:]][want.run] = curve }
        return try await ComputePool.shared.run { [input] in ComparePage(input, query: query, now: PageRoutes.now) }
    }

    /// Runs by id. They mostly come from one experiment, whose runs one search then finds together.
    private static func runs(_ ids: [String], _ tracking: any Tracking) async throws -> [String: Run] {
        var found: [String: Run] = [:], left = ids
        while let id = left.first {
            left.removeFirst()
            guard let run = try await TrackingPageRoutes.optional({ try await tracking.run(id: id) }) else { continue }
            found[id] = run
            // What is no plain id would need quoting, and names no run anyway.
            let plain = left.filter {
                $0.utf8.allSatisfy { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || $0 >= 0x30 && $0 <= 0x39 }
            }
            guard !plain.isEmpty else { continue }
            let filter = "attributes.run_id IN (\(plain.map { "'\($0)'" }.joined(separator: ", ")))"
            let search = RunSearch(experimentIDs: [run.experimentID], view: .all, filter: filter)
            for run in try await tracking.runs(search).items { found[run.id] = run }
            left.removeAll { found[$0] != nil }
        }
        return found
    }

    /// In the order of `wanted`, read a few at a time.
    private static func curves(
        _ wanted: [(run: String, key: String)], steps: ClosedRange<Int64>?, buckets: Int, _ tracking: any Tracking
    ) async throws -> [MetricCurve] {
        try await withThrowingTaskGroup(of: (Int, MetricCurve).self) { group in
            var curves = [MetricCurve](repeating: MetricCurve(buckets: []), count: wanted.count)
            for (index, want) in wanted.enumerated() {
                if index >= atOnce, let (done, curve) = try await group.next() { curves[done] = curve }
                group.addTask {
                    let curve = try await tracking.metricCurve(
                        runID: want.run, key: want.key, steps: steps, buckets: buckets)
                    return (index, curve)
                }
            }
            while let (done, curve) = try await group.next() { curves[done] = curve }
            return curves
        }
    }
}
