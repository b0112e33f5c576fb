import Foundation

/// Colours for the values of one metric, from low to high.
struct Ramp {
    let low: Double
    let high: Double

    /// Nil when no value is finite.
    init?(_ values: some Sequence<Double?>) {
        let finite = values.compactMap { $0 }.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else { return nil }
        (self.low, self.high) = (low, high)
    }

    /// A CSS colour between the three of the stylesheet.
    func colour(_ value: Double?) -> String {
        guard let value, value.isFinite else { return "var(--line-strong)" }
        let share = high > low ? (value / 2 - low / 2) / (high / 2 - low / 2) : 0.5
        let (from, to, part) = share < 0.5 ? (0, 1, share * 2) : (1, 2, share * 2 - 1)
        return
            "color-mix(in oklab,var(--ramp-\(from)),var(--ramp-\(to)) \(Int((min(max(part, 0), 1) * 100).rounded()))%)"
    }
}

/// One axis per parameter and metric, one line per run.
struct ParallelChart {
    struct Axis {
        var name: String
        /// One per line; nil where the run has none.
        var values: [String?]
        /// Nil unless all values are numbers; those that are not finite have no place.
        var numbers: [Double?]?

        init(name: String, values: [String?]) {
            self.name = name
            self.values = values
            let numbers = values.map { $0.flatMap(Double.init) }
            let isNumeric = zip(values, numbers).allSatisfy { $0 == nil || $1 != nil }
            self.numbers = isNumeric ? numbers.map { $0.flatMap { $0.isFinite ? $0 : nil } } : nil
        }
    }

    var axes: [Axis]
    var names: [String]
    var colours: [String]
    var label: String
    /// Names of values that fit beside an axis.
    private static let mostNames = 14

    func markup() -> Markup {
        let width = max(560, Double(axes.count) * 132), height = 330.0
        var svg = SVG(width, height, style: "chart wide parallel", label: label)
        let left = 78.0, gap = axes.count > 1 ? (width - left - 78) / Double(axes.count - 1) : 0
        let top = 40.0, floor = height - 36
        let places = axes.map { place($0, from: floor, to: top) }
        for line in names.indices {
            var piece: [(Double, Double)] = []
            for (index, axis) in places.enumerated() {
                let x = left + Double(index) * gap
                if let y = axis.at[line] {
                    piece.append((x, y))
                } else {
                    draw(&svg, piece, line)
                    piece = []
                }
            }
            draw(&svg, piece, line)
        }
        for (index, axis) in axes.enumerated() {
            let x = left + Double(index) * gap
            svg.line(x, top, x, floor, "axis")
            svg.label(x, index % 2 == 0 ? 12 : 27, Format.short(axis.name, 20), anchor: "middle", style: "name")
            for tick in places[index].ticks { svg.label(x + 6, tick.y + 4, tick.text, anchor: "start", style: "halo") }
            let missing = places[index].at.count { $0 == nil }
            if missing > 0 { svg.label(x, height - 8, "\(missing) without", anchor: "middle") }
        }
        return svg.markup()
    }

    private func draw(_ svg: inout SVG, _ piece: [(Double, Double)], _ line: Int) {
        if piece.count > 1 {
            svg.path(piece, "strand", colour: colours[line], title: names[line])
        } else if let only = piece.first {
            svg.path([(only.0 - 4, only.1), (only.0 + 4, only.1)], "strand", colour: colours[line], title: names[line])
        }
    }

    private func place(_ axis: Axis, from: Double, to: Double) -> (at: [Double?], ticks: [(y: Double, text: String)]) {
        if let numbers = axis.numbers {
            let known = numbers.compactMap { $0 }
            // Learning rates and the like spread over powers of ten.
            let spread = (known.max() ?? 1) / (known.min() ?? 1)
            let y = Scale(
                known, from: from, to: to, logarithmic: (known.min() ?? 0) > 0 && spread >= 100 && spread.isFinite)
            let ticks = known.isEmpty ? [] : y.ticks(5)
            return (numbers.map { $0.map { y($0) } }, zip(ticks, Format.apart(ticks)).map { (y($0), $1) })
        }
        let kinds = Set(axis.values.compactMap { $0 }).sorted()
        let index = Dictionary(uniqueKeysWithValues: kinds.enumerated().map { ($1, $0) })
        func y(_ kind: Int) -> Double {
            kinds.count > 1 ? from + (to - from) * Double(kind) / Double(kinds.count - 1) : (from + to) / 2
        }
        let step = (kinds.count + Self.mostNames - 1) / Self.mostNames
        return (
            axis.values.map { $0.flatMap { index[$0] }.map(y) },
            kinds.enumerated().filter { $0.offset % max(1, step) == 0 }
                .map { (y($0.offset), Format.short($0.element.isEmpty ? "(empty)" : $0.element, 16)) }
        )
    }
}

/// One dot per run, by two of its values.
struct ScatterChart {
    struct Dot {
        var x: Double
        var y: Double
        var name: String
        var href: String
        var colour: String
    }

    var dots: [Dot]
    var xName: String
    var yName: String

    func markup() -> Markup {
        let width = 760.0, height = 340.0
        var svg = SVG(width, height, style: "chart wide", label: "\(yName) by \(xName), one dot per run")
        let finite = dots.filter { $0.x.isFinite && $0.y.isFinite }
        guard !finite.isEmpty else {
            svg.label(width / 2, height / 2, "no run has both values as numbers", anchor: "middle")
            return svg.markup()
        }
        func isSpread(_ values: [Double]) -> Bool {
            guard let low = values.min(), let high = values.max(), low > 0 else { return false }
            return high / low >= 100
        }
        let ys = finite.map(\.y), xs = finite.map(\.x)
        let y = Scale(ys, from: height - 44, to: 24, padded: true, logarithmic: isSpread(ys))
        let yTicks = y.ticks()
        let left = 14 + Double(Format.apart(yTicks).map(\.count).max() ?? 0) * 6.4
        let x = Scale(xs, from: left + 10, to: width - 16, padded: true, logarithmic: isSpread(xs))
        for (tick, text) in zip(yTicks, Format.apart(yTicks)) {
            svg.line(left, y(tick), width - 12, y(tick), "grid")
            svg.label(left - 7, y(tick) + 4, text, anchor: "end")
        }
        svg.line(left, height - 44, width - 12, height - 44, "axis")
        let xTicks = x.ticks(7)
        for (tick, text) in zip(xTicks, Format.apart(xTicks)) {
            svg.line(x(tick), height - 44, x(tick), height - 40, "axis")
            svg.label(x(tick), height - 27, text, anchor: "middle")
        }
        svg.label(left, 12, "↑ \(Format.short(yName, 60))", anchor: "start", style: "name")
        svg.label(width - 12, height - 8, "\(Format.short(xName, 60)) →", anchor: "end", style: "name")
        for dot in finite {
            svg.dot(
                x(dot.x), y(dot.y), 5, colour: dot.colour, href: dot.href,
                title: "\(dot.name): \(xName) \(Format.number(dot.x)), \(yName) \(Format.number(dot.y))")
        }
        return svg.markup()
    }
}
