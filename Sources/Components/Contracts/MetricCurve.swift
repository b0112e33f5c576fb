import Core

/// The course of one metric for drawing: however many points it has, at most as many buckets as were asked for, each with the
/// smallest and the largest of its points, so that no spike is lost.
package struct MetricCurve: Codable, Sendable, Hashable {
    /// Points of a stretch of steps (of times, when all points have one step). NaN is left out.
    package struct Bucket: Codable, Sendable, Hashable {
        /// Step and time of its first point.
        package var step: Int64
        package var timestamp: Timestamp
        package var min: Double
        package var max: Double
        package var mean: Double
        /// Points that are numbers; at least 1.
        package var count: Int

        package init(step: Int64, timestamp: Timestamp, min: Double, max: Double, mean: Double, count: Int) {
            self.step = step
            self.timestamp = timestamp
            self.min = min
            self.max = max
            self.mean = mean
            self.count = count
        }

        package init(_ point: MetricPoint) {
            self.init(
                step: point.step, timestamp: point.timestamp, min: point.value, max: point.value, mean: point.value,
                count: 1)
        }
    }

    /// By step, then time.
    package var buckets: [Bucket]

    /// More than any chart is wide.
    package static let mostBuckets = 5000

    package init(buckets: [Bucket]) { self.buckets = buckets }

    /// - Parameters:
    ///   - points: by step, then time.
    ///   - most: drawn as they are when there are no more of them.
    package init(_ points: [MetricPoint], atMost most: Int) {
        self.init(buckets: [])
        guard points.count > most, let first = points.first, let last = points.last else {
            buckets = points.filter { !$0.value.isNaN }.map(Bucket.init)
            return
        }
        let isTimed = first.step == last.step
        let place: (MetricPoint) -> Int64 = { isTimed ? $0.timestamp.milliseconds : $0.step }
        // Distances in unsigned numbers: the steps may lie further apart than a signed one can say.
        func distance(_ point: MetricPoint) -> UInt64 { UInt64(bitPattern: place(point) &- place(first)) }
        let width = distance(last) / UInt64(most) + 1
        var rest = points[...]
        while let start = rest.first {
            let end = rest.firstIndex { distance($0) / width != distance(start) / width } ?? rest.endIndex
            let values = rest[..<end].map(\.value).filter { !$0.isNaN }
            if let low = values.min(), let high = values.max() {
                buckets.append(
                    Bucket(
                        step: start.step, timestamp: start.timestamp, min: low, max: high,
                        mean: values.reduce(0, +) / Double(values.count), count: values.count))
            }
            rest = rest[end...]
        }
    }

    /// Points in all buckets.
    package var count: Int { buckets.reduce(0) { $0 + $1.count } }
    /// Whether some bucket stands for several points.
    package var isCondensed: Bool { buckets.contains { $0.count > 1 } }
}

extension Tracking {
    /// For stores that hand out single points only: an even sample of them.
    package func metricCurve(
        runID: String, key: String, steps: ClosedRange<Int64>?, buckets: Int
    ) async throws -> MetricCurve {
        let points = try await metricSample(runID: runID, key: key, steps: steps, maxResults: buckets)
        return MetricCurve(buckets: points.filter { !$0.value.isNaN }.map(MetricCurve.Bucket.init))
    }
}
