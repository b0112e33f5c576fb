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

    /// What is drawn as one box.
    private enum Item {
        case node(LineageNode)
        /// Several of a kind that hang together with the same things.
        case folded([LineageNode])
    }

    /// Of so many alike all are drawn, of more only some, and one box for the rest.
    private static let mostAlike = 7
    private static let drawnOfMore = 5

    package mutating func markup() -> Markup {
        let (items, places) = fold()
        var arrows: [(from: Int, to: Int)] = [], words: [String] = [], known: [[Int]: Int] = [:]
        for edge in graph.edges {
            guard let from = places[edge.from], let to = places[edge.to], from != to else { continue }
            let word = LineageView.word(edge)
            if let index = known[[from, to]] {
                if !words[index].components(separatedBy: ", ").contains(word) { words[index] += ", \(word)" }
            } else {
                known[[from, to]] = arrows.count
                arrows.append((from, to))
                words.append(word)
            }
        }
        let layout = LayeredLayout(count: items.count, arrows: arrows)
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
                title: "\(Self.name(items[from])) → \(Self.name(items[to])): \(words[index])")
        }
        for (index, item) in items.enumerated() {
            let x = Self.x(layout.places[index].layer)
            switch item {
            case .node(let node): draw(node, &svg, x: x, y: tops[index])
            case .folded(let nodes): Self.draw(folded: nodes, &svg, x: x, y: tops[index])
            }
        }
        return svg.markup()
    }

    private static func name(_ item: Item) -> String {
        switch item {
        case .node(let node): node.name
        case .folded(let nodes):
            "\(Format.count(nodes.count)) more \(LineageView.word(nodes[0].kind, plural: nodes.count > 1))"
        }
    }

    /// The boxes, and in which of them each node is.
    private func fold() -> (items: [Item], places: [String: Int]) {
        var around: [String: Set<String>] = [:]
        for edge in graph.edges {
            around[edge.to, default: []].insert("<" + edge.from)
            around[edge.from, default: []].insert(">" + edge.to)
        }
        struct Likeness: Hashable {
            var kind: LineageNode.Kind
            var state: LineageNode.State
            var around: Set<String>
        }
        let alike = Dictionary(grouping: graph.nodes.filter { $0.id != graph.root }) {
            Likeness(kind: $0.kind, state: $0.state, around: around[$0.id] ?? [])
        }
        var rest: [String: [LineageNode]] = [:]
        for group in alike.values where group.count > Self.mostAlike {
            let folded = Array(group.dropFirst(Self.drawnOfMore))
            for node in folded { rest[node.id] = folded }
        }
        var items: [Item] = [], places: [String: Int] = [:]
        for node in graph.nodes where places[node.id] == nil {
            let folded = rest[node.id]
            for member in folded ?? [node] { places[member.id] = items.count }
            items.append(folded.map { .folded($0) } ?? .node(node))
        }
        return (items, places)
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

    private static func draw(folded nodes: [LineageNode], _ svg: inout SVG, x: Double, y: Double) {
        let word = name(.folded(nodes))
        svg.openLink("#everything", "node more \(nodes[0].kind.rawValue)", title: "\(word), in the table below")
        svg.rectangle(x, y, box.width, box.height, "box")
        svg.rectangle(x, y, 5, box.height, "mark")
        svg.label(x + 15, y + 19, word, "name")
        svg.label(x + 15, y + 35, "in the table below")
        svg.closeLink()
    }
}
