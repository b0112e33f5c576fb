import Core
import Foundation

/// Numbers over many traces, spans or assessments: counts, sums, percentiles, by name or by time.
package struct TraceMetricQuery: Codable, Sendable {
    package enum View: String, Codable, Sendable, CaseIterable {
        case traces = "TRACES"
        case spans = "SPANS"
        case assessments = "ASSESSMENTS"
    }

    package struct Aggregation: Codable, Sendable, Hashable {
        package enum Kind: String, Codable, Sendable, CaseIterable {
            case count = "COUNT"
            case sum = "SUM"
            case average = "AVG"
            case percentile = "PERCENTILE"
            case minimum = "MIN"
            case maximum = "MAX"
        }

        package var kind: Kind
        /// From 0 to 100; of `percentile` only.
        package var percentile: Double?

        package init(_ kind: Kind, percentile: Double? = nil) {
            self.kind = kind
            self.percentile = percentile
        }

        /// What its value is called in a point: `AVG`, `P95.0`.
        package var name: String { percentile.map { "P\($0)" } ?? kind.rawValue }
    }

    package var experimentIDs: [String]
    package var view: View
    /// `trace_count`, `latency`, `total_tokens`, `span_count`, `total_cost`, `assessment_value`, …
    package var metric: String
    package var aggregations: [Aggregation]
    /// `trace_name`, `span_type`, `assessment_name`, …: a point for each of their values.
    package var dimensions: [String]
    /// One comparison each, all of which must hold: `trace.status = 'OK'`, `span.type = 'LLM'`.
    package var filters: [String]
    /// Seconds; a point for each interval, and `start` and `end` are needed.
    package var interval: Int64?
    /// Milliseconds, both included.
    package var start: Int64?
    package var end: Int64?
    package var maxResults: Int
    package var pageToken: String?

    package static let mostResults = 10_000

    package init(
        experimentIDs: [String], view: View, metric: String, aggregations: [Aggregation], dimensions: [String] = [],
        filters: [String] = [], interval: Int64? = nil, start: Int64? = nil, end: Int64? = nil, maxResults: Int = 1000,
        pageToken: String? = nil
    ) {
        self.experimentIDs = experimentIDs
        self.view = view
        self.metric = metric
        self.aggregations = aggregations
        self.dimensions = dimensions
        self.filters = filters
        self.interval = interval
        self.start = start
        self.end = end
        self.maxResults = maxResults
        self.pageToken = pageToken
    }
}

package struct TraceMetricPoint: Codable, Sendable, Hashable {
    /// With an interval also `time_bucket`, its beginning: `2023-11-14T22:00:00+00:00`.
    package var dimensions: [String: String]
    /// By the aggregation's name; what has no value is left out.
    package var values: [String: Double]

    package init(dimensions: [String: String], values: [String: Double]) {
        self.dimensions = dimensions
        self.values = values
    }
}

/// How often two filters hold for the same traces, as normalized pointwise mutual information: 1 always together, 0
/// independent, -1 never together. Source: `mlflow/store/analytics/trace_correlation.py`, 3.17.
package struct TraceCorrelation: Codable, Sendable, Hashable {
    package var first: Int
    package var second: Int
    package var joint: Int
    package var total: Int

    package init(first: Int, second: Int, joint: Int, total: Int) {
        self.first = first
        self.second = second
        self.joint = joint
        self.total = total
    }

    /// Nil when one filter holds for nothing.
    package var npmi: Double? { joint == 0 && first > 0 && second > 0 && isConsistent ? -1 : value(smoothing: 0) }

    /// With half a trace added to each of the four cells (Jeffreys' prior), which tames small counts.
    package var smoothedNPMI: Double? { value(smoothing: 0.5) }

    private var isConsistent: Bool { min(joint, first - joint, second - joint, total - first - second + joint) >= 0 }

    private func value(smoothing: Double) -> Double? {
        guard total > 0, first > 0, second > 0, isConsistent else { return nil }
        if first == total, second == total { return 1 }
        let both = Double(joint) + smoothing, all = Double(total) + 4 * smoothing
        let a = Double(first) + 2 * smoothing, b = Double(second) + 2 * smoothing
        guard both > 0 else { return nil }
        let mutual = (log(both) + log(all)) - (log(a) + log(b))
        return max(-1, min(1, mutual / (log(all) - log(both))))
    }
}
