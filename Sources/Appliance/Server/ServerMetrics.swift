import Core
import Foundation
import Synchronization

/// Counters and latency histograms of HTTP requests, written out in Prometheus' text format 0.0.4.
///
/// Labels are method, route template and status class: their number is bounded by the route table.
package final class ServerMetrics: Sendable {
    private struct Key: Hashable {
        var method: String
        var route: String
        var status: Int
    }

    private struct Series {
        var buckets = [Int](repeating: 0, count: ServerMetrics.bounds.count + 1)
        var sum = 0.0
        var count = 0
    }

    /// Upper bounds in seconds.
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    private let series = Mutex<[Key: Series]>([:])

    package init() {}

    package func count(method: String, route: String, status: Int, seconds: Double) {
        let key = Key(method: method, route: route, status: status / 100)
        let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        series.withLock {
            $0[key, default: Series()].buckets[bucket] += 1
            $0[key]?.sum += seconds
            $0[key]?.count += 1
        }
    }

    /// All requests answered since the start.
    package var total: Int { series.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    /// - Parameter gauges: name, help and value of what is read at this moment.
    package func exposition(gauges: [Gauge]) -> String {
        var text = """
            # HELP nestbox_http_request_duration_seconds Time to answer a request.
            # TYPE nestbox_http_request_duration_seconds histogram

            """
        let snapshot = series.withLock { $0 }.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        for (key, value) in snapshot {
            let labels = "method=\"\(key.method)\",route=\"\(Self.escape(key.route))\",status=\"\(key.status)xx\""
            var cumulative = 0
            for (index, bound) in Self.bounds.enumerated() {
                cumulative += value.buckets[index]
                text += "nestbox_http_request_duration_seconds_bucket{\(labels),le=\"\(bound)\"} \(cumulative)\n"
            }
            text += "nestbox_http_request_duration_seconds_bucket{\(labels),le=\"+Inf\"} \(value.count)\n"
            text += "nestbox_http_request_duration_seconds_sum{\(labels)} \(value.sum)\n"
            text += "nestbox_http_request_duration_seconds_count{\(labels)} \(value.count)\n"
        }
        var last = ""
        for gauge in gauges {
            if gauge.name != last { text += "# HELP \(gauge.name) \(gauge.help)\n# TYPE \(gauge.name) \(gauge.type)\n" }
            last = gauge.name
            let labels = gauge.labels.map { "\($0)=\"\(Self.escape($1))\"" }.joined(separator: ",")
            text += labels.isEmpty ? "\(gauge.name) \(gauge.value)\n" : "\(gauge.name){\(labels)} \(gauge.value)\n"
        }
        return text
    }

    private static func escape(_ label: String) -> String {
        label.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
            .replacingOccurrences(of: "\n", with: "\\n")
    }
}

/// One value read at scrape time. Gauges of one name stand together.
package struct Gauge: Sendable {
    var name: String
    var help: String
    var type = "gauge"
    var labels: [(String, String)] = []
    var value: Double
}
