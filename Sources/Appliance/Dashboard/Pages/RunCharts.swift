import Contracts
import Core
import Foundation

/// How the charts of a run are drawn, and which of them, as the address of its page has it:
/// `x=time&smooth=0.6&from=100&to=900&find=loss&charts=24`.
package struct RunChartQuery: Sendable {
    let axis: CurveChart.Axis
    /// From 0, not at all, to below 1.
    let smoothing: Double
    /// What is zoomed to; nil is everything.
    package let steps: ClosedRange<Int64>?
    let from: String
    let to: String
    /// A part of the metrics' names; empty for all.
    package let find: String
    /// How many families of metrics come before the page's.
    package let first: Int

    static let smoothings = [0, 0.6, 0.9, 0.97, 0.99]

    /// - Parameter field: the value of a field of the address.
    package init(_ field: (String) -> String?) {
        axis = field("x").flatMap(CurveChart.Axis.init) ?? .step
        let weight = field("smooth").flatMap(Double.init) ?? 0
        smoothing = weight.isFinite ? min(max(weight, 0), 0.999) : 0
        let low = field("from").flatMap { Int64($0) }, high = field("to").flatMap { Int64($0) }
        from = low.map { String($0) } ?? ""
        to = high.map { String($0) } ?? ""
        let (one, other) = (low ?? .min, high ?? .max)
        steps = low == nil && high == nil ? nil : min(one, other)...max(one, other)
        find = (field("find") ?? "").trimmingCharacters(in: .whitespaces)
        first = max(0, field("charts").flatMap { Int($0) } ?? 0)
    }

    /// Whether it asks for anything but everything as it is.
    var isNarrowed: Bool { steps != nil || !find.isEmpty || first > 0 }

    /// The query of the same charts from another family on.
    func query(first: Int) -> String {
        var fields: [(String, String)] = []
        if axis != .step { fields.append(("x", axis.rawValue)) }
        if smoothing > 0 { fields.append(("smooth", "\(smoothing)")) }
        fields += [("from", from), ("to", to), ("find", find)].filter { !$0.1.isEmpty }
        if first > 0 { fields.append(("charts", "\(first)")) }
        return fields.map { "\($0.0)=\(Format.encoded($0.1))" }.joined(separator: "&")
    }
}

/// Metrics that share a chart: training, validation and test of one measure.
package struct MetricFamily: Sendable {
    package let name: String
    /// Training first, test last.
    package let keys: [String]

    /// The families of a run's metrics by name, those that have moved beyond step 0 first.
    ///
    /// - Parameter find: only keys that contain it.
    package static func all(_ metrics: [MetricPoint], find: String) -> [MetricFamily] {
        let found = find.isEmpty ? metrics : metrics.filter { $0.key.localizedCaseInsensitiveContains(find) }
        let moved = Set(found.filter { $0.step != 0 }.map { name(of: $0.key) })
        let families = Dictionary(grouping: found.map(\.key)) { name(of: $0) }.map { name, keys in
            MetricFamily(name: name, keys: keys.sorted { (rank($0), $0) < (rank($1), $1) })
        }
        return families.sorted {
            let (a, b) = (moved.contains($0.name), moved.contains($1.name))
            return a == b ? $0.name.compare($1.name, options: .numeric) == .orderedAscending : a
        }
    }

    private static let parts = ["train", "training", "validation", "valid", "val", "test", "eval"]

    /// `train_auc`, `auc.validation`, `val/auc` → `auc`.
    package static func name(of key: String) -> String {
        let words = key.split { "_-./ ".contains($0) }.map(String.init)
        guard words.count > 1 else { return key }
        if parts.contains(words[0].lowercased()) {
            return String(key.dropFirst(words[0].count).drop { "_-./ ".contains($0) })
        }
        if let last = words.last, parts.contains(last.lowercased()), key.hasSuffix(last) {
            return String(key.dropLast(last.count + 1))
        }
        return key
    }

    private static func rank(_ key: String) -> Int {
        let words = key.lowercased().split { "_-./ ".contains($0) }.map(String.init)
        return parts.firstIndex { words.contains($0) } ?? parts.count
    }
}

/// The courses of a run's metrics, as far as one page shows them.
package struct RunCurves: Sendable {
    package var families: [MetricFamily]
    /// By key.
    package var curves: [String: MetricCurve]
    /// The first family of the next page; nil when this is the last.
    package var next: Int?
    /// Families in all.
    package var total: Int

    package init(families: [MetricFamily], curves: [String: MetricCurve], next: Int?, total: Int) {
        self.families = families
        self.curves = curves
        self.next = next
        self.total = total
    }
}

/// The part of a run's page that draws its metrics.
struct RunCharts {
    struct Chart {
        var name: String
        var legend: [LegendItem]
        var chart: Markup
        var note: String?
    }

    struct LegendItem {
        var name: String
        var key: String
        var last: String
    }

    let charts: [Chart]
    let axes: [Choice]
    let smoothings: [Choice]
    let from: String
    let to: String
    let find: String
    let hasFind: Bool
    /// Which of many they are.
    let note: String?
    let nextHref: String?
    let firstHref: String?
    let isEmpty: Bool

    /// Nil when the run has nothing to draw.
    init?(_ run: Run, _ read: RunCurves, _ query: RunChartQuery, path: String) {
        let last = Dictionary(run.metrics.map { ($0.key, $0.value) }) { $1 }
        charts = read.families.compactMap { Self.chart($0, read.curves, last, query, start: run.startTime) }
        isEmpty = charts.isEmpty
        guard !isEmpty || query.isNarrowed else { return nil }
        axes = CurveChart.Axis.allCases.map {
            Choice($0.rawValue, $0.label, $0 == query.axis)
        }
        smoothings = Set(RunChartQuery.smoothings + [query.smoothing]).sorted().map {
            Choice("\($0)", $0 == 0 ? "none" : Format.number($0), $0 == query.smoothing)
        }
        (from, to, find) = (query.from, query.to, query.find)
        hasFind = run.metrics.count > 12 || !query.find.isEmpty
        let end = read.next ?? read.total
        note =
            query.first > 0 || read.next != nil
            ? "Charts of metrics \(Format.count(min(query.first + 1, read.total))) to \(Format.count(end)) of \(Format.count(read.total))."
            : nil
        func address(_ first: Int) -> String {
            let text = query.query(first: first)
            return path + (text.isEmpty ? "" : "?\(text)") + "#charts"
        }
        nextHref = read.next.map(address)
        firstHref = query.first > 0 ? address(0) : nil
    }

    /// Nil when no metric of the family has a second point: that is a figure, not a course.
    private static func chart(
        _ family: MetricFamily, _ curves: [String: MetricCurve], _ last: [String: Double], _ query: RunChartQuery,
        start: Timestamp
    ) -> Chart? {
        let keys = family.keys.filter { (curves[$0]?.count ?? 0) > 1 }
        guard !keys.isEmpty else { return nil }
        let series = keys.map { CurveChart.Series(name: $0, curve: curves[$0] ?? MetricCurve(buckets: [])) }
        let points = series.filter { $0.curve.isCondensed }.map(\.curve.count).reduce(0, +)
        return Chart(
            name: family.name,
            legend: keys.enumerated().map { index, key in
                LegendItem(name: key, key: "k\(index % LineChart.colours)", last: Format.number(last[key]))
            },
            chart: CurveChart(
                series: series, label: "\(family.name) by \(query.axis.rawValue)", axis: query.axis, start: start,
                smoothing: query.smoothing
            ).markup(),
            note: points > 0
                ? "\(Format.count(points)) points: the line is their mean, the band reaches from the smallest to the largest."
                : nil)
    }
}
