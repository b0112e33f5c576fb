import Contracts
import Core
import Dashboard
import Foundation
import Testing

@Suite struct ChartTests {
    /// Every number in the drawing is one, and inside the picture give or take a label.
    private func expectSound(_ text: String, _ what: String) {
        #expect(text.hasPrefix("<svg") && text.hasSuffix("</svg>"), "\(what)")
        for word in ["nan", "inf", "e+", "e-"] {
            let drawn = text.replacingOccurrences(
                of: "<title>[^<]*</title>|<text[^>]*>[^<]*</text>|aria-label=\"[^\"]*\"|class=\"[^\"]*\"", with: "",
                options: .regularExpression)
            #expect(!drawn.lowercased().replacingOccurrences(of: "<line", with: "").contains(word), "\(what): \(word)")
        }
    }

    private func line(_ ys: [Double], _ what: String) -> String {
        let text = LineChart(
            series: [.init(name: "m", points: ys.enumerated().map { (Double($0.offset), $0.element) })], label: what
        ).markup().text
        expectSound(text, what)
        return text
    }

    @Test func oddMetricsStillDraw() {
        #expect(line([], "none").contains("no finite values"))
        #expect(line([.nan, .infinity, -.infinity], "none finite").contains("no finite values"))
        #expect(line([0.5], "one").contains("<circle"))
        #expect(line([3, 3, 3, 3], "constant").contains("<path"))
        #expect(line([0, 0], "zeros").contains("<path"))
        #expect(line([1e308, -1e308, .leastNonzeroMagnitude], "huge").contains("<path"))
        #expect(line([-1e-300, 1e-300], "tiny").contains("<path"))
        let gap = line([1, 2, .nan, 2, 1], "a gap")
        #expect(gap.components(separatedBy: "<path").count == 3)
        expectSound(LineChart(series: [], label: "nothing").markup().text, "no series")
        expectSound(
            LineChart(
                series: (0..<9).map { .init(name: "\($0)", points: [(0, 1), (.infinity, 2), (1, 3)]) }, label: "many"
            ).markup().text, "many")
    }

    @Test func longSeriesKeepTheirSpikesInFewPoints() {
        var ys = (0..<10_000).map { sin(Double($0) / 300) }
        ys[5_003] = 40
        ys[7_777] = -40
        let points = ys.enumerated().map { (Double($0.offset) * 0.05, $0.element) }
        let thin = LineChart.thinned(points)
        #expect(thin.count <= 4 * 501 && thin.count > 500)
        #expect(thin.contains { $0.1 == 40 } && thin.contains { $0.1 == -40 })
        #expect(thin.map(\.0) == thin.map(\.0).sorted())
        #expect(thin.first?.0 == points.first?.0 && thin.last?.0 == points.last?.0)
        #expect(line(ys, "long").utf8.count < 60_000)
    }

    private func curve(_ curves: [MetricCurve], _ axis: CurveChart.Axis, _ smoothing: Double = 0) -> String {
        let text = CurveChart(
            series: curves.enumerated().map { .init(name: "m\($0.offset)", curve: $0.element) }, label: "curve",
            axis: axis, smoothing: smoothing
        ).markup().text
        expectSound(text, "\(axis), \(smoothing)")
        return text
    }

    private func points(_ values: [Double], step: (Int) -> Int64 = { Int64($0) }) -> [MetricPoint] {
        values.enumerated().map {
            MetricPoint(
                key: "m", value: $0.element, timestamp: Timestamp(milliseconds: Int64($0.offset) * 1000),
                step: step($0.offset))
        }
    }

    /// The points of a path: one place, then distances in tenths.
    private func places(_ path: String) -> [(x: Double, y: Double)] {
        let numbers = path.matches(of: /-?[0-9]*\.?[0-9]+/).compactMap { Double($0.output) }
        var at = (x: 0.0, y: 0.0)
        return stride(from: 0, to: numbers.count - 1, by: 2).map { index in
            at = (at.x + numbers[index], at.y + numbers[index + 1])
            return ((at.x * 10).rounded() / 10, (at.y * 10).rounded() / 10)
        }
    }

    @Test func curvesOfManyPointsKeepTheirSpikes() throws {
        var values = (0..<100_000).map { sin(Double($0) / 3000) }
        values[50_003] = 40
        values[77_777] = -40
        let condensed = MetricCurve(points(values), atMost: 560)
        for axis in CurveChart.Axis.allCases {
            let text = curve([condensed], axis)
            // The band reaches from the one spike to the other, which are the ends of the scale.
            let band = try #require(text.firstMatch(of: /class="band s0 f0" d="([^"]*)"/)?.1)
            let heights = places(String(band)).map(\.y)
            #expect(heights.min() == 10 && heights.max() == 206)
            #expect(text.utf8.count < 40_000)
        }
        #expect(curve([condensed], .time).contains(" h</text>"))
    }

    @Test func oddCurvesStillDraw() {
        #expect(curve([], .step).contains("no finite values"))
        #expect(curve([MetricCurve(buckets: [])], .time).contains("no finite values"))
        #expect(curve([MetricCurve(points([.infinity, -.infinity, .nan]), atMost: 9)], .step).contains("no finite"))
        #expect(curve([MetricCurve(points([1]), atMost: 9)], .step).contains("<circle"))
        let gap = curve([MetricCurve(points([1, 2, .infinity, 2, 1]), atMost: 9)], .step)
        #expect(gap.components(separatedBy: "<path").count == 3)
        // Without steps, the order of logging is the axis.
        #expect(curve([MetricCurve(points([1, 2, 3]) { _ in 0 }, atMost: 9)], .step).contains("<path"))
        #expect(!curve([MetricCurve(points([1, 2, 3]), atMost: 9)], .step).contains("band"))
        let smooth = curve([MetricCurve(points([1, 9, 1, 9, 1]), atMost: 9)], .step, 0.9)
        #expect(smooth.contains("line faint s0") && smooth.contains("\"line s0\""))
    }

    @Test func ticksAreRoundAndInsideTheScale() {
        #expect(
            Scale([0, 1], from: 0, to: 100).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1].map { ($0 * 5).rounded() * 0.2 })
        #expect(Scale([3, 97], from: 0, to: 100).ticks() == [20, 40, 60, 80])
        for (low, high) in [(0.0, 1e-9), (-5.0, 1e12), (1.0, 1.0000001), (-1e300, 1e300), (0.0, 0.0)] {
            let scale = Scale([low, high], from: 0, to: 500)
            let ticks = scale.ticks()
            #expect(ticks.count <= 16)
            #expect(ticks.allSatisfy { scale($0) >= -0.001 && scale($0) <= 500.001 }, "\(low) \(high)")
        }
    }

    @Test func barsAndHistogramsTakeAnyShares() {
        expectSound(BarChart(bars: [], label: "none").markup().text, "no bars")
        expectSound(
            BarChart(
                bars: [.init(name: "a", value: .nan), .init(name: "b<", value: 0), .init(name: "c", value: -2)],
                label: "odd", limits: [0.1]
            ).markup().text, "odd bars")
        expectSound(PairedHistogram(bins: [], label: "none").markup().text, "no bins")
        expectSound(
            PairedHistogram(bins: [("a", .nan, .infinity), ("b", 0, 0)], label: "odd").markup().text, "odd bins")
        expectSound(
            PairedHistogram(bins: (0..<400).map { ("\($0)", 0.1, 0.2) }, label: "many").markup().text, "many bins")
        expectSound(Sparkline.histogram([], label: "none").text, "empty histogram")
        expectSound(Sparkline.histogram([0, 0], label: "zeros").text, "zeros")
        expectSound(Sparkline.histogram([1, .max], label: "big").text, "big counts")
        for perSecond in [[], [5], [0, 0, 0], [Int.max, 0], Array(repeating: 3, count: 60)] {
            expectSound(Sparkline.rate(perSecond, label: "rate").text, "\(perSecond)")
        }
    }

    @Test func namesInChartsAreEscaped() {
        let text = BarChart(bars: [.init(name: "<b>\"'&", value: 1)], label: "\"><script>").markup().text
        #expect(text.contains("&lt;b&gt;&quot;&#39;&amp;") && !text.contains("<script") && !text.contains("<b>"))
    }
}
