import Contracts
import Core
import Foundation

/// The courses of metrics over a common axis: a line through the means, and behind it a band from the smallest to the
/// largest point, so that no spike is lost however many points there are.
package struct CurveChart {
    package struct Series {
        var name: String
        var curve: MetricCurve
        /// When its run began; nil is the chart's own.
        var start: Timestamp?
        /// Which colour and dashes; nil is the colour of its place in the list.
        var look: Int?

        package init(name: String, curve: MetricCurve, start: Timestamp? = nil, look: Int? = nil) {
            self.name = name
            self.curve = curve
            self.start = start
            self.look = look
        }

        /// Series beyond the colours are told apart by dashes too.
        static func look(_ index: Int) -> String {
            let dashes = index / LineChart.colours % Self.dashes
            return "\(index % LineChart.colours)" + (dashes > 0 ? " d\(dashes)" : "")
        }

        /// Solid, dashed, dotted.
        static let dashes = 3
    }

    package enum Axis: String, Sendable, CaseIterable {
        case step
        /// Since the start of the run.
        case time
        /// By the clock.
        case wall

        var label: String {
            switch self {
            case .step: "step"
            case .time: "time since start"
            case .wall: "wall time"
            }
        }
    }

    private typealias Place = (x: Double, bucket: MetricCurve.Bucket)

    /// Pixels across, and so the buckets that are worth asking for.
    package static let width = 560.0
    private static let height = 230.0
    /// Bands of more series than this are drawn paler.
    private static let few = 6

    var series: [Series]
    var label: String
    var axis = Axis.step
    var start = Timestamp(milliseconds: 0)
    /// The weight of what was before, from 0 (none) to below 1.
    var smoothing = 0.0
    var isLogarithmic = false

    package init(series: [Series], label: String, axis: Axis = .step, start: Timestamp? = nil, smoothing: Double = 0) {
        self.series = series
        self.label = label
        self.axis = axis
        self.start = start ?? Timestamp(milliseconds: 0)
        self.smoothing = smoothing
    }

    package func markup() -> Markup {
        let style = series.count > Self.few ? "chart wide many" : "chart wide"
        var svg = SVG(Self.width, Self.height, style: style, label: label)
        let drawn = series.map { places($0.curve, from: $0.start ?? start) }
        let ys = drawn.joined().flatMap { [$0.bucket.min, $0.bucket.max] }
        guard ys.contains(where: { $0.isFinite && (!isLogarithmic || $0 > 0) }) else {
            let what = isLogarithmic ? "no positive values for a logarithmic scale" : "no finite values"
            svg.label(Self.width / 2, Self.height / 2, what, anchor: "middle")
            return svg.markup()
        }
        let floor = Self.height - 24, right = Self.width - 12
        let y = Scale(ys, from: floor, to: 10, padded: true, logarithmic: isLogarithmic)
        let ticks = y.ticks()
        let left = 14 + Double(Format.apart(ticks).map(\.count).max() ?? 0) * 6.4
        let unit = Self.unit(axis, drawn.joined().map { abs($0.x) }.max() ?? 0)
        // Names of times are wide, and must not stand out of the picture.
        let x = Scale(drawn.joined().map { $0.x / unit.size }, from: left, to: axis == .wall ? right - 24 : right)
        for (tick, text) in zip(ticks, Format.apart(ticks)) {
            svg.line(left, y(tick), right, y(tick), "grid")
            svg.label(left - 7, y(tick) + 4, text, anchor: "end")
        }
        svg.line(left, floor, right, floor, "axis")
        let isSingle = Set(drawn.joined().map(\.x)).count == 1
        for tick in isSingle ? [(x.low + x.high) / 2] : axis == .wall ? x.timeTicks(5) : x.ticks(6) {
            svg.line(x(tick), floor, x(tick), floor + 4, "axis")
            let text =
                axis == .wall ? Self.clock(tick, over: x.high - x.low) : Format.number(tick) + unit.name
            svg.label(x(tick), floor + 17, text, anchor: "middle")
        }
        for (index, places) in drawn.enumerated() {
            draw(
                &svg, places.map { (x($0.x / unit.size), $0.bucket) }, y,
                look: series[index].look ?? index % LineChart.colours, name: series[index].name)
        }
        return svg.markup()
    }

    /// Where the buckets lie on the axis. Where steps were not given, the order of logging is the step.
    private func places(_ curve: MetricCurve, from start: Timestamp) -> [Place] {
        if axis != .step {
            let origin = axis == .time ? start : Timestamp(milliseconds: 0)
            return curve.buckets.map { ($0.timestamp.seconds(since: origin), $0) }.sorted { $0.x < $1.x }
        }
        guard let first = curve.buckets.first, curve.buckets.contains(where: { $0.step != first.step }) else {
            var before = 0
            return curve.buckets.map { bucket in
                defer { before += bucket.count }
                return (Double(before), bucket)
            }
        }
        return curve.buckets.map { (Double($0.step), $0) }
    }

    private func draw(_ svg: inout SVG, _ places: [Place], _ y: Scale, look: Int, name: String) {
        let isDrawable = { [isLogarithmic] (place: Place) in
            place.bucket.mean.isFinite && place.bucket.min.isFinite && place.bucket.max.isFinite
                && (!isLogarithmic || place.bucket.mean > 0)
        }
        let colour = look % LineChart.colours, style = Series.look(look)
        let means =
            smoothing > 0 ? Self.smoothed(places.map(\.bucket.mean), weight: smoothing) : places.map(\.bucket.mean)
        for range in places.indices.split(whereSeparator: { !isDrawable(places[$0]) }) {
            let piece = places[range]
            if piece.count == 1, let only = piece.first {
                svg.circle(
                    only.x, y(only.bucket.mean), 3, "f\(colour)",
                    title: "\(name): \(Format.number(only.bucket.mean))")
            }
            if piece.contains(where: { $0.bucket.count > 1 }) {
                let upper = piece.map { ($0.x, y($0.bucket.max)) }, lower = piece.map { ($0.x, y($0.bucket.min)) }
                svg.path(upper + lower.reversed(), "band s\(colour) f\(colour)")
            } else if smoothing > 0, piece.count > 1 {
                svg.path(piece.map { ($0.x, y($0.bucket.mean)) }, "line faint s\(style)")
            }
            if piece.count > 1 {
                svg.path(piece.indices.map { (places[$0].x, y(means[$0])) }, "line s\(style)", title: name)
            }
        }
        if let last = places.indices.last(where: { isDrawable(places[$0]) }), places.count > 1 {
            let value = places[last].bucket.mean
            svg.circle(
                places[last].x, y(means[last]), 3, "f\(colour)", title: "\(name): \(Format.number(value))")
        }
    }

    /// Exponential moving average, divided by what its start at zero takes away, so that the first values are not drawn
    /// towards it. Values that are not finite stay, and are left out of the average.
    static func smoothed(_ values: [Double], weight: Double) -> [Double] {
        var average = 0.0, count = 0
        return values.map { value in
            guard value.isFinite else { return value }
            average = weight * average + (1 - weight) * value
            count += 1
            return average / (1 - pow(weight, Double(count)))
        }
    }

    /// What the axis counts in: times of an hour are told in minutes.
    private static func unit(_ axis: Axis, _ most: Double) -> (name: String, size: Double) {
        guard axis == .time else { return ("", 1) }
        if most < 120 { return (" s", 1) }
        if most < 7200 { return (" min", 60) }
        return most < 172_800 ? (" h", 3600) : (" d", 86_400)
    }

    /// `12:05:30`, `12:05`, `06-01 12:05` or `2026-06-01`, by how many seconds the axis is long.
    private static func clock(_ seconds: Double, over length: Double) -> String {
        let text = Format.iso(Timestamp(milliseconds: Int64(min(max(seconds, -9e12), 9e12) * 1000)))
        guard text.count >= 19 else { return text }
        if length < 600 { return String(text.dropFirst(11).prefix(8)) }
        if length < 86_400 { return String(text.dropFirst(11).prefix(5)) }
        return length < 20 * 86_400
            ? String(text.dropFirst(5).prefix(11)).replacing("T", with: " ") : String(text.prefix(10))
    }
}
