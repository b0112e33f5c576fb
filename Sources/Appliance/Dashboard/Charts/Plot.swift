import Foundation

/// A straight scale from values to pixels, with round ticks. Any finite values make a sound scale, equal ones too.
package struct Scale {
    let low: Double
    let high: Double
    let from: Double
    let to: Double

    /// - Parameter padded: widen the ends to the outer ticks.
    package init(_ values: some Sequence<Double>, from: Double, to: Double, padded: Bool = false, ticks: Int = 5) {
        var low = Double.infinity, high = -Double.infinity
        for value in values where value.isFinite {
            low = min(low, value)
            high = max(high, value)
        }
        if low > high { (low, high) = (0, 1) }
        // Charts of enormous values are drawn within a range whose width is still a number.
        low = max(low, -1e300)
        high = min(high, 1e300)
        if low == high {
            let margin = low == 0 ? 1 : abs(low) * 0.1
            (low, high) = (low - margin, high + margin)
        }
        if padded {
            let step = Scale.step(high - low, ticks)
            low = (low / step).rounded(.down) * step
            high = (high / step).rounded(.up) * step
        }
        self.low = low
        self.high = high
        self.from = from
        self.to = to
    }

    package func callAsFunction(_ value: Double) -> Double {
        let share = (min(max(value, low), high) - low) / (high - low)
        return from + (to - from) * (share.isFinite ? share : 0)
    }

    /// Round values inside the range: multiples of 1, 2, 2.5 or 5 times a power of ten.
    package func ticks(_ wanted: Int = 5) -> [Double] {
        let step = Scale.step(high - low, wanted)
        guard step.isFinite, step > 0 else { return [low] }
        let first = (low / step - 1e-9).rounded(.up)
        let end = high + step * 1e-9
        var ticks: [Double] = []
        for index in 0...(wanted * 3) {
            let tick = (first + Double(index)) * step
            if tick > end { break }
            // The tick at zero must not read 1e-17.
            ticks.append(abs(tick) < step * 1e-9 ? 0 : tick)
        }
        return ticks
    }

    private static func step(_ width: Double, _ wanted: Int) -> Double {
        let rough = width / Double(max(1, wanted))
        let power = pow(10, log10(rough).rounded(.down))
        guard power > 0, power.isFinite else { return rough }
        for factor in [1, 2, 2.5, 5] where factor * power >= rough * 0.999 { return factor * power }
        return 10 * power
    }
}

/// Writes SVG. Numbers get at most one decimal, texts are escaped.
struct SVG {
    private(set) var text: String
    let width: Double
    let height: Double

    /// - Parameters:
    ///   - label: what a screen reader says.
    ///   - role: `group` for one with links inside.
    init(_ width: Double, _ height: Double, style: String, label: String, role: String = "img") {
        self.width = width
        self.height = height
        text =
            "<svg class=\"\(style)\" viewBox=\"0 0 \(SVG.at(width)) \(SVG.at(height))\" role=\"\(role)\" aria-label=\"\(escaped(label))\">"
    }

    static func at(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let tenths = (min(max(value, -1e6), 1e6) * 10).rounded()
        let whole = Int(tenths)
        if whole % 10 == 0 { return String(whole / 10) }
        return "\(whole < 0 ? "-" : "")\(whole.magnitude / 10).\(whole.magnitude % 10)"
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
        text +=
            "<line class=\"\(style)\" x1=\"\(Self.at(x1))\" y1=\"\(Self.at(y1))\" x2=\"\(Self.at(x2))\" y2=\"\(Self.at(y2))\"/>"
    }

    mutating func rectangle(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, title: String? = nil
    ) {
        let head =
            "<rect class=\"\(style)\" x=\"\(Self.at(x))\" y=\"\(Self.at(y))\" width=\"\(Self.at(max(0, width)))\" height=\"\(Self.at(max(0, height)))\" rx=\"1\""
        text += title.map { "\(head)><title>\(escaped($0))</title></rect>" } ?? head + "/>"
    }

    mutating func circle(_ x: Double, _ y: Double, _ radius: Double, _ style: String, title: String? = nil) {
        let head = "<circle class=\"\(style)\" cx=\"\(Self.at(x))\" cy=\"\(Self.at(y))\" r=\"\(Self.at(radius))\""
        text += title.map { "\(head)><title>\(escaped($0))</title></circle>" } ?? head + "/>"
    }

    mutating func label(_ x: Double, _ y: Double, _ content: String, anchor: String = "start", _ style: String? = nil) {
        let look = style.map { " class=\"\($0)\"" } ?? ""
        text +=
            "<text\(look) x=\"\(Self.at(x))\" y=\"\(Self.at(y))\" text-anchor=\"\(anchor)\">\(escaped(content))</text>"
    }

    mutating func path(_ points: [(Double, Double)], _ style: String) {
        guard let first = points.first else { return }
        var d = "M\(Self.at(first.0)) \(Self.at(first.1))"
        for point in points.dropFirst() { d += "L\(Self.at(point.0)) \(Self.at(point.1))" }
        text += "<path class=\"\(style)\" d=\"\(d)\"/>"
    }

    /// A line through the points that leaves and enters each of them level.
    mutating func curve(_ points: [(Double, Double)], _ style: String, title: String) {
        guard let first = points.first else { return }
        var d = "M\(Self.at(first.0)) \(Self.at(first.1))"
        for (a, b) in zip(points, points.dropFirst()) {
            let middle = Self.at((a.0 + b.0) / 2)
            d += "C\(middle) \(Self.at(a.1)) \(middle) \(Self.at(b.1)) \(Self.at(b.0)) \(Self.at(b.1))"
        }
        text += "<path class=\"\(style)\" d=\"\(d)\"><title>\(escaped(title))</title></path>"
    }

    mutating func open(_ style: String) { text += "<g class=\"\(style)\">" }
    mutating func close() { text += "</g>" }

    mutating func openLink(_ href: String, _ style: String, title: String) {
        text += "<a class=\"\(style)\" href=\"\(escaped(href))\"><title>\(escaped(title))</title>"
    }
    mutating func closeLink() { text += "</a>" }

    func markup() -> Markup { Markup(text + "</svg>") }
}
