import Contracts
import Core
import Testing

/// Of stores that see all points: no spike is lost, however few buckets are asked for.
package func checkMetricCurves(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "curve")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    func log(_ key: String, _ points: [(step: Int64, at: Int64, value: Double)]) async throws {
        for start in stride(from: 0, to: points.count, by: 500) {
            let part = points[start..<min(points.count, start + 500)]
            try await tracking.log(
                runID: run.id, LogBatch(metrics: part.map { point(key, $0.value, step: $0.step, at: $0.at) }))
        }
    }
    func curve(_ key: String, _ buckets: Int, in steps: ClosedRange<Int64>? = nil) async throws -> [MetricCurve.Bucket]
    {
        try await tracking.metricCurve(runID: run.id, key: key, steps: steps, buckets: buckets).buckets
    }

    var generator = SeededGenerator(seed: 7)
    let wild = (0..<3000).map { (step: Int64($0) * 3, at: Int64($0), value: generator.unit()) }
    try await log("wild", wild.reversed())
    for count in [1, 2, 7, 100, 2999] {
        let buckets = try await curve("wild", count)
        #expect(buckets.count <= count && buckets.count > count / 2)
        #expect(buckets.reduce(0) { $0 + $1.count } == 3000)
        #expect(buckets.map(\.step) == buckets.map(\.step).sorted())
        for (index, bucket) in buckets.enumerated() {
            let end = index + 1 < buckets.count ? buckets[index + 1].step : .max
            let points = wild.filter { $0.step >= bucket.step && $0.step < end }
            #expect(points.count == bucket.count && points.first?.at == bucket.timestamp.milliseconds)
            #expect(points.map(\.value).min() == bucket.min && points.map(\.value).max() == bucket.max)
            #expect(abs(points.map(\.value).reduce(0, +) / Double(points.count) - bucket.mean) < 1e-12)
        }
    }
    #expect(try await curve("wild", 3000).map(\.mean) == wild.map(\.value))
    #expect(try await curve("wild", 10, in: 30...36).map(\.step) == [30, 33, 36])

    // All at one step, as clients that give none do: by time.
    try await log("timed", (0..<100).map { (0, 1000 + $0 * 10, Double($0)) })
    #expect(try await curve("timed", 4).map(\.count) == [25, 25, 25, 25])
    #expect(try await curve("timed", 4).map(\.max) == [24, 49, 74, 99])
    // Steps at the ends of what a number can say, and values that are none.
    try await log("far", [(.min, 0, 1), (-1, 0, .infinity), (0, 0, .nan), (0, 1, 4), (.max, 0, 2)])
    #expect(try await curve("far", 2).map(\.count) == [2, 2])
    let infinity = ContractProfile.lacks(.infinities) ? Double.greatestFiniteMagnitude : .infinity
    #expect(try await curve("far", 2).map(\.max) == [infinity, 4])
    #expect(try await curve("far", 10).map(\.step) == [.min, -1, 0, .max])

    #expect(try await curve("none", 10).isEmpty)
    await expectError(.invalidArgument) { try await curve("wild", 0) }
    await expectError(.invalidArgument) { try await curve("wild", MetricCurve.mostBuckets + 1) }
    await expectError(.notFound, mentions: "no-such-run") {
        try await tracking.metricCurve(runID: "no-such-run", key: "m", steps: nil, buckets: 10)
    }
}
