import Foundation

/// A scale from values to pixels, with round ticks. Any finite values make a sound scale, equal ones too.
package struct Scale {
    /// Of a logarithmic scale the exponents of ten.
    let low: Double
    let high: Double
    let from: Double
    let to: Double
    let isLogarithmic: Bool

    /// - Parameters:
    ///   - padded: widen the ends to the outer ticks.
    ///   - logarithmic: by powers of ten; only positive values count.
    package init(
        _ values: some Sequence<Double>, from: Double, to: Double, padded: Bool = false, ticks: Int = 5,
        logarithmic: Bool = false
    ) {
        var low = Double.infinity, high = -Double.infinity
        isLogarithmic = logarithmic
        for value in values where value.isFinite && (!logarithmic || value > 0) {
            let value = logarithmic ? log10(value) : value
            low = min(low, value)
            high = max(high, value)
        }
        if low > high { (low, high) = (0, 1) }
        // Charts of enormous values are drawn within a range whose width is still a number.
        low = max(low, -1e300)
        high = min(high, 1e300)
        if low == high {
            let margin = logarithmic ? 0.5 : low == 0 ? 1 : abs(low) * 0.1
            (low, high) = (low - margin, high + margin)
        }
        if padded, !logarithmic {
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
        let value = isLogarithmic ? log10(max(value, 1e-320)) : value
        let share = (min(max(value, low), high) - low) / (high - low)
        return from + (to - from) * (share.isFinite ? share : 0)
    }

    /// Round values inside the range: multiples of 1, 2, 2.5 or 5 times a power of ten.
    package func ticks(_ wanted: Int = 5) -> [Double] {
        if isLogarithmic { return logarithmicTicks(wanted) }
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

    /// Powers of ten, with twice and five times them where few fit; where none does, round values.
    private func logarithmicTicks(_ wanted: Int) -> [Double] {
        let factors: [Double] = high - low <= 2.5 ? [1, 2, 5] : [1]
        let skip = max(1, Int(((high - low) / Double(max(1, wanted))).rounded(.down)))
        var ticks: [Double] = []
        for exponent in Int(low.rounded(.down))...Int(high.rounded(.up)) where exponent % skip == 0 {
            for factor in factors {
                let tick = factor * pow(10, Double(exponent)), place = log10(tick)
                if place >= low - 1e-9, place <= high + 1e-9 { ticks.append(tick) }
            }
        }
        return ticks.count > 1 ? ticks : Scale([pow(10, low), pow(10, high)], from: from, to: to).ticks(wanted)
    }

    /// Moments in seconds that people divide time by: 30 s, 5 min, 6 h, 1 d.
    package func timeTicks(_ wanted: Int = 6) -> [Double] {
        let units: [Double] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
            604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
        ]
        let rough = (high - low) / Double(max(1, wanted))
        guard rough >= 0.5, let step = units.first(where: { $0 >= rough }) else { return ticks(wanted) }
        let first = (low / step).rounded(.up)
        return (0...(wanted * 2)).map { (first + Double($0)) * step }.filter { $0 <= high }
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

    static func at(_ value: Double) -> String { written(tenths(value)) }

    private static func tenths(_ value: Double) -> Int {
        value.isFinite ? Int((min(max(value, -1e6), 1e6) * 10).rounded()) : 0
    }

    private static func written(_ tenths: Int) -> String {
        if tenths % 10 == 0 { return String(tenths / 10) }
        return "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
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

    mutating func path(_ points: [(Double, Double)], _ style: String, title: String? = nil) {
        guard !points.isEmpty else { return }
        let head = "<path class=\"\(style)\" d=\"\(Self.course(points))\""
        text += title.map { "\(head)><title>\(escaped($0))</title></path>" } ?? head + "/>"
    }

    /// A path whose colour is not one of the classes', with what it stands for.
    mutating func path(_ points: [(Double, Double)], _ style: String, colour: String, title: String) {
        guard !points.isEmpty else { return }
        text +=
            "<path class=\"\(style)\" style=\"stroke:\(colour)\" d=\"\(Self.course(points))\"><title>\(escaped(title))</title></path>"
    }

    /// Each point by its distance from the one before, in whole tenths so that nothing adds up: half the length of places.
    static func course(_ points: [(Double, Double)]) -> String {
        var path = "", last: (x: Int, y: Int)?
        for point in points {
            let (x, y) = (tenths(point.0), tenths(point.1))
            if let last {
                for distance in [x - last.x, y - last.y] {
                    // A minus sign separates as well as a blank does.
                    if distance >= 0, path.utf8.last != UInt8(ascii: "l") { path += " " }
                    path += written(distance)
                }
            } else {
                path = "M\(written(x)) \(written(y))" + (points.count > 1 ? "l" : "")
            }
            last = (x, y)
        }
        return path
    }

    /// A dot that leads somewhere.
    mutating func dot(_ x: Double, _ y: Double, _ radius: Double, colour: String, href: String, title: String) {
        text +=
            "<a href=\"\(escaped(href))\"><circle class=\"dot\" style=\"fill:\(colour)\" cx=\"\(Self.at(x))\" cy=\"\(Self.at(y))\" r=\"\(Self.at(radius))\"><title>\(escaped(title))</title></circle></a>"
    }

    mutating func label(_ x: Double, _ y: Double, _ content: String, anchor: String = "start", style: String) {
        text +=
            "<text class=\"\(style)\" x=\"\(Self.at(x))\" y=\"\(Self.at(y))\" text-anchor=\"\(anchor)\">\(escaped(content))</text>"
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
