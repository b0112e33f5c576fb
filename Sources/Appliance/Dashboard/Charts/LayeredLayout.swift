/// Where the nodes of a graph stand so that arrows run from left to right: in layers, in an order inside each that crosses few
/// arrows (Sugiyama's method: longest paths, stand-ins where an arrow passes a layer, barycentres). Circles are allowed: an
/// arrow that closes one runs back.
package struct LayeredLayout {
    /// One place in a layer: a node's, or what keeps it free for an arrow that passes.
    package struct Place {
        package var layer: Int
        package var node: Int?
    }

    package private(set) var places: [Place] = []
    /// Places from top to bottom, layer by layer.
    package private(set) var layers: [[Int]] = []
    /// For each arrow the places that it goes through, from its beginning to its end.
    package private(set) var routes: [[Int]] = []

    /// - Parameters:
    ///   - count: of nodes.
    ///   - arrows: from node to node, each once, none from a node to itself.
    package init(count: Int, arrows: [(from: Int, to: Int)]) {
        let isBack = Self.backArrows(count, arrows)
        let forward = arrows.indices.map { isBack[$0] ? (from: arrows[$0].to, to: arrows[$0].from) : arrows[$0] }
        let layer = Self.layers(count, forward)
        places = layer.indices.map { Place(layer: layer[$0], node: $0) }
        for (index, arrow) in forward.enumerated() {
            var route = [arrow.from]
            for passed in layer[arrow.from] + 1..<max(layer[arrow.from] + 1, layer[arrow.to]) {
                route.append(places.count)
                places.append(Place(layer: passed, node: nil))
            }
            route.append(arrow.to)
            routes.append(isBack[index] ? route.reversed() : route)
        }
        layers = Array(repeating: [], count: (places.map(\.layer).max() ?? -1) + 1)
        for (index, place) in places.enumerated() { layers[place.layer].append(index) }
        order()
    }

    /// Which arrows lead back to a node from which their own beginning was reached.
    private static func backArrows(_ count: Int, _ arrows: [(from: Int, to: Int)]) -> [Bool] {
        var leaving = Array(repeating: [Int](), count: count)
        for (index, arrow) in arrows.enumerated() { leaving[arrow.from].append(index) }
        var isBack = Array(repeating: false, count: arrows.count)
        // 0 not seen, 1 on the path, 2 done. A stack of its own: a chain may be as long as there are nodes.
        var state = Array(repeating: 0, count: count), next = Array(repeating: 0, count: count)
        for start in 0..<count where state[start] == 0 {
            var path = [start]
            state[start] = 1
            while let node = path.last {
                guard next[node] < leaving[node].count else {
                    state[node] = 2
                    path.removeLast()
                    continue
                }
                let arrow = leaving[node][next[node]]
                next[node] += 1
                let target = arrows[arrow].to
                if state[target] == 1 { isBack[arrow] = true }
                if state[target] == 0 {
                    state[target] = 1
                    path.append(target)
                }
            }
        }
        return isBack
    }

    /// Behind everything that leads there; what nothing leads to stands right before what it leads to.
    private static func layers(_ count: Int, _ arrows: [(from: Int, to: Int)]) -> [Int] {
        var layer = Array(repeating: 0, count: count), open = Array(repeating: 0, count: count)
        var targets = Array(repeating: [Int](), count: count)
        for arrow in arrows {
            open[arrow.to] += 1
            targets[arrow.from].append(arrow.to)
        }
        let sources = open.indices.filter { open[$0] == 0 }
        var ready = sources
        while let node = ready.popLast() {
            for target in targets[node] {
                layer[target] = max(layer[target], layer[node] + 1)
                open[target] -= 1
                if open[target] == 0 { ready.append(target) }
            }
        }
        for node in sources {
            if let nearest = targets[node].map({ layer[$0] }).min() { layer[node] = nearest - 1 }
        }
        return layer
    }

    /// Each place goes to the middle of its neighbours in the layer before, then in the layer behind, a few times.
    private mutating func order() {
        var before = Array(repeating: [Int](), count: places.count), behind = before
        for route in routes {
            for (a, b) in zip(route, route.dropFirst()) {
                let isForward = places[a].layer < places[b].layer
                before[isForward ? b : a].append(isForward ? a : b)
                behind[isForward ? a : b].append(isForward ? b : a)
            }
        }
        var position = Array(repeating: 0.0, count: places.count)
        func number(_ layer: [Int]) { for (index, place) in layer.enumerated() { position[place] = Double(index) } }
        for layer in layers { number(layer) }
        for round in 0..<8 {
            let neighbours = round % 2 == 0 ? before : behind
            for index in round % 2 == 0 ? Array(layers.indices) : layers.indices.reversed() {
                let centre = layers[index].map { place -> Double in
                    let around = neighbours[place]
                    return around.isEmpty
                        ? position[place] : around.reduce(0) { $0 + position[$1] } / Double(around.count)
                }
                // Equal ones stay in their order.
                layers[index] = layers[index].indices.sorted { (centre[$0], $0) < (centre[$1], $1) }.map {
                    layers[index][$0]
                }
                number(layers[index])
            }
        }
    }
}
