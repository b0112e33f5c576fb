import Contracts
import Core
import Foundation

/// The points of a `log-metric` or `log-batch` body that holds nothing else, read in one pass without the values in between: a batch of
/// a hundred is otherwise half of what logging it costs.
///
/// Nil for whatever is not plain (other fields, numbers as text, anything wrong): `MLflowRequest` reads that and finds the words. What
/// is read here is what it would have read.
package struct PlainMetrics: Equatable {
    package var run: String
    package var points: [MetricPoint]

    package init(run: String, points: [MetricPoint]) {
        self.run = run
        self.points = points
    }

    private static let mostPoints = 1000

    private struct NotPlain: Error {}

    /// `{"run_id", "metrics": [{"key", "value", "timestamp", "step"}], "params": [], "tags": []}`
    package static func batch(_ body: some Collection<UInt8>) -> PlainMetrics? {
        read(body) { reader in
            var run = ""
            var points: [MetricPoint] = []
            try reader.members { name, reader in
                if name.isEqual("run_id") {
                    run = try reader.text()
                } else if name.isEqual("metrics") {
                    points = try metrics(&reader)
                } else if name.isEqual("params") || name.isEqual("tags") {
                    try reader.elements { _ in throw NotPlain() }
                } else {
                    throw NotPlain()
                }
            }
            return PlainMetrics(run: run, points: points)
        }
    }

    private static func metrics(_ reader: inout JSONReader) throws -> [MetricPoint] {
        var points: [MetricPoint] = []
        points.reserveCapacity(min(mostPoints, reader.rest.count / 60))
        try reader.elements { reader in
            var metric = Metric()
            try reader.members { try metric.read($0, &$1) }
            points.append(try metric.point())
        }
        return points
    }

    /// `{"run_id", "run_uuid", "key", "value", "timestamp", "step"}`; the two names of the run must agree.
    package static func single(_ body: some Collection<UInt8>) -> PlainMetrics? {
        read(body) { reader in
            var run: String?
            var metric = Metric()
            try reader.members { name, reader in
                guard name.isEqual("run_id") || name.isEqual("run_uuid") else { return try metric.read(name, &reader) }
                let text = try reader.text()
                guard run == nil || run == text else { throw NotPlain() }
                run = text
            }
            return PlainMetrics(run: run ?? "", points: [try metric.point()])
        }
    }

    private static func read(
        _ body: some Collection<UInt8>, _ read: (inout JSONReader) throws -> PlainMetrics
    ) -> PlainMetrics? {
        let found = body.withContiguousStorageIfAvailable { try? JSONReader.read($0, read) } ?? nil
        guard let found, !found.run.isEmpty, (1...mostPoints).contains(found.points.count) else { return nil }
        return found
    }

    private struct Metric {
        var key = ""
        var value: Double?
        var timestamp: Int64?
        var step: Int64 = 0

        mutating func read(_ name: UnsafeBufferPointer<UInt8>, _ reader: inout JSONReader) throws {
            if name.isEqual("key") {
                key = try reader.text()
            } else if name.isEqual("value") {
                value = try reader.double()
            } else if name.isEqual("timestamp") {
                timestamp = try reader.integer()
            } else if name.isEqual("step") {
                step = try reader.integer()
            } else {
                throw NotPlain()
            }
        }

        func point() throws -> MetricPoint {
            guard !key.isEmpty, let value, let timestamp, timestamp >= 0 else { throw NotPlain() }
            return MetricPoint(key: key, value: value, timestamp: Timestamp(milliseconds: timestamp), step: step)
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    fileprivate func isEqual(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && (count == 0 || memcmp(baseAddress!, text.utf8Start, count) == 0)
    }
}
