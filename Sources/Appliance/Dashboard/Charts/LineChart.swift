import Foundation

/// Lines over a common axis: metrics by step.
package struct LineChart {
    package struct Series {
        var name: String
        var points: [(x: Double, y: Double)]

        package init(name: String, points: [(x: Double, y: Double)]) {
            self.name = name
            self.points = points
        }
    }

    /// Series beyond this many share the last colour.
    static let colours = 6

    var series: [Series]
    var label: String
    var width = 560.0
    var height = 230.0

    package init(series: [Series], label: String) {
        self.series = series
        self.label = label
    }

    /// Values that are not finite are gaps. Long series are drawn by the lowest and highest point of each pixel, so that no
    /// spike is lost.
    package func markup() -> Markup {
        var svg = SVG(width, height, style: "chart wide", label: label)
        let finite = series.map { $0.points.filter { $0.x.isFinite } }
        let ys = finite.joined().map(\.y)
        guard ys.contains(where: \.isFinite) else {
            svg.label(width / 2, height / 2, "no finite values", anchor: "middle")
            return svg.markup()
        }
        let y = Scale(ys, from: height - 24, to: 10, padded: true)
        let ticks = y.ticks()
        let left = 14 + Double(Format.apart(ticks).map(\.count).max() ?? 0) * 6.4
        let x = Scale(finite.joined().map(\.x), from: left, to: width - 12)
        for (tick, text) in zip(ticks, Format.apart(ticks)) {
            svg.line(left, y(tick), width - 12, y(tick), "grid")
            svg.label(left - 7, y(tick) + 4, text, anchor: "end")
        }
        drawSteps(&svg, x: x, left: left, single: Set(finite.joined().map(\.x)).count == 1)
        for (index, points) in finite.enumerated() {
            draw(
                &svg, points.sorted { $0.x < $1.x }, x: x, y: y, colour: min(index, Self.colours - 1),
                name: series[index].name)
        }
        return svg.markup()
    }

    private func drawSteps(_ svg: inout SVG, x: Scale, left: Double, single: Bool) {
        svg.line(left, height - 24, width - 12, height - 24, "axis")
        let ticks = single ? [(x.low + x.high) / 2] : x.ticks(6)
        for tick in ticks {
            svg.line(x(tick), height - 24, x(tick), height - 20, "axis")
            svg.label(x(tick), height - 7, Format.number(tick), anchor: "middle")
        }
    }

    private func draw(
        _ svg: inout SVG, _ points: [(x: Double, y: Double)], x: Scale, y: Scale, colour: Int, name: String
    ) {
        var piece: [(x: Double, y: Double)] = []
        var pieces: [[(x: Double, y: Double)]] = []
        for point in points {
            if point.y.isFinite { piece.append(point) } else if !piece.isEmpty { pieces.append(piece); piece = [] }
        }
        if !piece.isEmpty { pieces.append(piece) }
        for piece in pieces {
            if piece.count == 1 {
                svg.circle(
                    x(piece[0].x), y(piece[0].y), 3, "f\(colour)", title: "\(name): \(Format.number(piece[0].y))")
            } else {
                let pixels = piece.map { (x($0.x), y($0.y)) }
                svg.path(Self.thinned(pixels), "line s\(colour)")
            }
        }
        if let last = pieces.last?.last, points.count > 1 {
            svg.circle(
                x(last.x), y(last.y), 3, "f\(colour)",
                title: "\(name): \(Format.number(last.y)) at \(Format.number(last.x))")
        }
    }

    /// At most four points per pixel column: first, lowest, highest, last, in their order.
    package static func thinned(_ points: [(Double, Double)]) -> [(Double, Double)] {
        guard points.count > 4 else { return points }
        var kept: [(Double, Double)] = []
        var start = 0
        while start < points.count {
            let column = points[start].0.rounded(.down)
            var end = start, lowest = start, highest = start
            while end < points.count, points[end].0.rounded(.down) == column {
                if points[end].1 < points[lowest].1 { lowest = end }
                if points[end].1 > points[highest].1 { highest = end }
                end += 1
            }
            for index in Set([start, lowest, highest, end - 1]).sorted() { kept.append(points[index]) }
            start = end
        }
        return kept
    }
}
