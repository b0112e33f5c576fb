import Contracts
import Foundation

/// A lineage from left to right: what went in, the thing itself, what came of it.
package struct LineageChart {
    private static let box = (width: 188.0, height: 46.0)
    private static let columnGap = 54.0
    private static let rowGap = 12.0
    /// Of an arrow that passes a layer.
    private static let laneHeight = 8.0
    private static let margin = 6.0

    let graph: LineageGraph

    package init(_ graph: LineageGraph) { self.graph = graph }

    /// In pixels; texts are drawn at their size, so the drawing is as wide as it must be.
    package private(set) var width = 0.0

    package mutating func markup() -> Markup {
        let indices = Dictionary(
            graph.nodes.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { first, _ in first })
        var arrows: [(from: Int, to: Int)] = [], words: [String] = [], known: [[Int]: Int] = [:]
        for edge in graph.edges {
            guard let from = indices[edge.from], let to = indices[edge.to], from != to else { continue }
            let word = LineageView.word(edge)
            if let index = known[[from, to]] {
                words[index] += ", \(word)"
            } else {
                known[[from, to]] = arrows.count
                arrows.append((from, to))
                words.append(word)
            }
        }
        let layout = LayeredLayout(count: graph.nodes.count, arrows: arrows)
        let (tops, height) = Self.rows(layout)
        width =
            Double(max(1, layout.layers.count)) * (Self.box.width + Self.columnGap) - Self.columnGap + 2 * Self.margin
        var svg = SVG(
            width, height, style: "chart lineage",
            label: "Lineage of \(graph.nodes.first?.name ?? ""), from left to right; the table below has the same",
            role: "group")
        for (index, route) in layout.routes.enumerated() {
            let (from, to) = arrows[index]
            svg.curve(
                Self.points(route, layout, tops), isBack(route, layout) ? "arrow back" : "arrow",
                title: "\(graph.nodes[from].name) → \(graph.nodes[to].name): \(words[index])")
        }
        for (index, node) in graph.nodes.enumerated() {
            draw(node, &svg, x: Self.x(layout.places[index].layer), y: tops[index])
        }
        return svg.markup()
    }

    private func isBack(_ route: [Int], _ layout: LayeredLayout) -> Bool {
        guard let first = route.first, let last = route.last else { return false }
        return layout.places[first].layer > layout.places[last].layer
    }

    /// The top of each place, every layer in the middle of the drawing's height.
    private static func rows(_ layout: LayeredLayout) -> (tops: [Double], height: Double) {
        func size(_ place: Int) -> Double { layout.places[place].node == nil ? laneHeight : box.height }
        let heights = layout.layers.map { layer in
            layer.reduce(0) { $0 + size($1) } + rowGap * Double(max(0, layer.count - 1))
        }
        let height = (heights.max() ?? 0) + 2 * margin
        var tops = Array(repeating: 0.0, count: layout.places.count)
        for (index, layer) in layout.layers.enumerated() {
            var y = (height - heights[index]) / 2
            for place in layer {
                tops[place] = y
                y += size(place) + rowGap
            }
        }
        return (tops, max(height, box.height + 2 * margin))
    }

    private static func x(_ layer: Int) -> Double { margin + Double(layer) * (box.width + columnGap) }

    /// From the right side of a place to the left side of the next; the other way round for an arrow that runs back.
    private static func points(_ route: [Int], _ layout: LayeredLayout, _ tops: [Double]) -> [(Double, Double)] {
        guard let first = route.first, let last = route.last else { return [] }
        let isForward = layout.places[first].layer < layout.places[last].layer
        var points: [(Double, Double)] = []
        for place in route {
            let left = x(layout.places[place].layer), right = left + box.width
            let isLane = layout.places[place].node == nil
            let y = tops[place] + (isLane ? laneHeight : box.height) / 2
            if place != first { points.append((isForward ? left : right, y)) }
            if place != last { points.append((isForward ? right : left, y)) }
        }
        return points
    }

    private func draw(_ node: LineageNode, _ svg: inout SVG, x: Double, y: Double) {
        var style = "node \(node.kind.rawValue)"
        if node.id == graph.root { style += " root" }
        if node.state != .present { style += " gone" }
        let kind = LineageView.word(node.kind)
        let second = [kind, LineageView.state(node), node.detail].filter { !$0.isEmpty }.joined(separator: " · ")
        svg.openLink(LineageView.href(node), style, title: "\(kind) \(node.name) \(node.detail)")
        svg.rectangle(x, y, Self.box.width, Self.box.height, "box")
        svg.rectangle(x, y, 5, Self.box.height, "mark")
        svg.label(x + 15, y + 19, Format.short(node.name, 24), "name")
        svg.label(x + 15, y + 35, Format.short(second, 29))
        svg.closeLink()
    }
}
