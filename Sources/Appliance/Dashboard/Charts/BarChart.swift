import Foundation

/// Horizontal bars with a name before and a value behind each: feature importance, stability index.
package struct BarChart {
    package struct Bar {
        var name: String
        var value: Double
        /// `good-fill`, `warn-fill`, `bad-fill` or `bar-fill`
        var style: String

        package init(name: String, value: Double, style: String = "bar-fill") {
            self.name = name
            self.value = value
            self.style = style
        }
    }

    var bars: [Bar]
    var label: String
    /// Dashed lines with their values, such as the thresholds of an alert.
    var limits: [Double]
    /// Longer bars end there with a break, so that one of them does not flatten the rest; their values tell.
    var cap: Double?
    var width = 560.0

    package init(bars: [Bar], label: String, limits: [Double] = [], cap: Double? = nil) {
        self.cap = cap
        self.bars = bars
        self.label = label
        self.limits = limits
    }

    package func markup() -> Markup {
        let rows = bars.filter { $0.value.isFinite }
        let names = rows.map { Format.short($0.name, 26) }
        let left = 12 + Double(names.map(\.count).max() ?? 0) * 6.2
        let top = limits.isEmpty ? 4.0 : 18
        var svg = SVG(width, top + Double(max(1, rows.count)) * 22 + 4, style: "chart bars wide", label: label)
        guard !rows.isEmpty else {
            svg.label(width / 2, top + 14, "no finite values", anchor: "middle")
            return svg.markup()
        }
        let x = Scale(rows.map { min($0.value, cap ?? $0.value) } + limits + [0], from: left, to: width - 52)
        for limit in limits {
            svg.line(x(limit), top - 4, x(limit), svg.height, "limit")
            svg.label(x(limit), top - 8, Format.number(limit), anchor: "middle")
        }
        for (index, row) in rows.enumerated() {
            let y = top + Double(index) * 22
            svg.label(left - 8, y + 14, names[index], anchor: "end")
            let a = x(min(0, row.value)), b = x(max(0, row.value))
            svg.rectangle(a, y + 4, max(1, b - a), 13, row.style, title: "\(row.name): \(Format.number(row.value))")
            if let cap, row.value > cap { svg.path([(b - 16, y + 19), (b - 8, y + 2)], "break") }
            svg.label(b + 6, y + 14, Format.number(row.value, digits: 3))
        }
        return svg.markup()
    }
}

/// Two distributions side by side, bin by bin, at a common scale.
package struct PairedHistogram {
    var bins: [(label: String, then: Double, now: Double)]
    var label: String
    /// `drift-bad`, `drift-warn` or empty.
    var style: String
    var width = 300.0
    var height = 120.0

    package init(bins: [(label: String, then: Double, now: Double)], label: String, style: String = "") {
        self.bins = bins
        self.label = label
        self.style = style
    }

    package func markup() -> Markup {
        var svg = SVG(width, height, style: "chart", label: label)
        let bins = bins.map { ($0.label, $0.then.isFinite ? max(0, $0.then) : 0, $0.now.isFinite ? max(0, $0.now) : 0) }
        guard !bins.isEmpty else {
            svg.label(width / 2, height / 2, "no rows yet", anchor: "middle")
            return svg.markup()
        }
        let floor = height - 16
        let most = max(bins.map { max($0.1, $0.2) }.max() ?? 0, 1e-9)
        let slot = width / Double(bins.count), bar = max(1, (slot - min(4, slot * 0.25)) / 2)
        svg.open(style.isEmpty ? "drift" : style)
        for (index, bin) in bins.enumerated() {
            let x = Double(index) * slot
            for (offset, value, kind, word) in [(0.0, bin.1, "bar-then", "training"), (bar, bin.2, "bar-now", "now")] {
                let size = value / most * (floor - 6)
                svg.rectangle(
                    x + offset, floor - size, bar - (bar > 3 ? 0.6 : 0), size, kind,
                    title: "\(bin.0) · \(word): \(Format.percent(value))")
            }
        }
        svg.close()
        svg.line(0, floor, width, floor, "axis")
        svg.label(0, height - 3, Format.short(bins[0].0, 18))
        if bins.count > 1 { svg.label(width, height - 3, Format.short(bins[bins.count - 1].0, 18), anchor: "end") }
        return svg.markup()
    }
}
