import Foundation

/// Word-sized charts for table cells and the request rate.
package enum Sparkline {
    /// Bars of a histogram.
    package static func histogram(_ counts: [Int], label: String) -> Markup {
        let width = 144.0, height = 32.0
        var svg = SVG(width, height, style: "spark", label: label)
        let most = Double(max(1, counts.max() ?? 1))
        let slot = width / Double(max(1, counts.count))
        for (index, count) in counts.enumerated() where count > 0 {
            let size = max(1, Double(count) / most * (height - 2))
            svg.rectangle(
                Double(index) * slot, height - 1 - size, max(0.8, min(slot, 24) - 1), size, "bar-fill",
                title: Format.count(count))
        }
        svg.line(0, height - 0.5, width, height - 0.5, "axis")
        return svg.markup()
    }

    /// Requests in each of the last seconds, oldest first.
    package static func rate(_ perSecond: [Int], label: String, width: Double = 640) -> Markup {
        let height = 96.0
        var svg = SVG(width, height, style: "chart wide", label: label)
        let top = Double(max(1, perSecond.max() ?? 0))
        let y = Scale([0, top], from: height - 18, to: 8)
        let x = Scale([0, Double(max(1, perSecond.count - 1))], from: 0, to: width - 34)
        for tick in [0, top] {
            svg.line(0, y(tick), width - 34, y(tick), tick == 0 ? "axis" : "grid")
            svg.label(width - 28, y(tick) + 4, Format.number(tick, digits: 3))
        }
        let points = perSecond.enumerated().map { (x(Double($0.offset)), y(Double(max(0, $0.element)))) }
        if points.count > 1 {
            svg.path([(points[0].0, height - 18)] + points + [(points[points.count - 1].0, height - 18)], "area")
            svg.path(points, "line s0")
        }
        svg.label(0, height - 4, "\(perSecond.count) s ago")
        svg.label(width - 34, height - 4, "now", anchor: "end")
        return svg.markup()
    }
}
