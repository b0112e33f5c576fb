import Contracts
import Core

/// From one thing outwards: upstream to all that went into it, downstream to all that came of it, nearest first. What went
/// into its descendants from elsewhere is not followed, or everything would hang together with everything.
package struct LineageWalk: Sendable {
    private let sources: LineageSources

    package init(_ sources: LineageSources) { self.sources = sources }

    /// Throws `not_found` when there is no such thing, `invalid_argument` for a name that is none and for bounds that are too
    /// wide.
    package func graph(_ request: LineageRequest) async throws -> LineageGraph {
        for (name, value, range) in [
            ("depth", request.depth, LineageRequest.depths), ("limit", request.limit, LineageRequest.limits),
            ("breadth", request.breadth, LineageRequest.breadths),
        ] where !range.contains(value) {
            throw NestboxError.invalid(
                "`\(name)` is \(value); expected a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        var progress = LineageProgress(LineageFacts(sources), request)
        return try await progress.graph()
    }
}

private struct LineageProgress {
    private var facts: LineageFacts
    private let request: LineageRequest
    /// In the order of being found.
    private var order: [LineageKey] = []
    private var distances: [LineageKey: Int] = [:]
    private var cuts: [LineageGraph.Cut] = []
    /// What lies behind the last step, to be looked at when everything is found: the other direction may have it.
    private var ends: [(key: LineageKey, direction: LineageRequest.Direction, behind: [LineageKey], hasMore: Bool)] = []

    init(_ facts: LineageFacts, _ request: LineageRequest) {
        self.facts = facts
        self.request = request
    }

    mutating func graph() async throws -> LineageGraph {
        let root = try await facts.resolve(request.node).key
        add(root, at: 0)
        for direction in [LineageRequest.Direction.upstream, .downstream]
        where request.direction == direction || request.direction == .both {
            try await walk(from: root, direction)
        }
        for end in ends where end.hasMore || end.behind.contains(where: { distances[$0] == nil }) {
            cut(end.key, end.direction, .depth)
        }
        // What two shown things have to do with each other is shown, whichever way they were found.
        var links: [LineageLink] = []
        for key in order { links += try await facts.stated(by: try await facts.thing(key)) }
        var nodes: [LineageNode] = []
        for key in order { nodes.append(try await node(key)) }
        var seen: Set<LineageLink> = []
        let edges = links.filter { distances[$0.from] != nil && distances[$0.to] != nil && seen.insert($0).inserted }
        return LineageGraph(
            root: "\(root)", direction: request.direction,
            nodes: nodes.enumerated().sorted { (abs($0.1.distance), $0.0) < (abs($1.1.distance), $1.0) }.map(\.1),
            edges: edges.map { LineageEdge(from: "\($0.from)", to: "\($0.to)", kind: $0.kind, label: $0.label) },
            cuts: cuts)
    }

    private mutating func walk(from root: LineageKey, _ direction: LineageRequest.Direction) async throws {
        var frontier = [root], visited: Set<LineageKey> = [root]
        for step in 1...request.depth {
            var next: [LineageKey] = []
            for key in frontier {
                let found = try await neighbours(of: key, direction)
                if found.hasMore { cut(key, direction, .breadth) }
                for neighbour in found.keys {
                    guard distances[neighbour] != nil || order.count < request.limit else {
                        cut(key, direction, .limit)
                        break
                    }
                    add(neighbour, at: direction == .upstream ? -step : step)
                    if visited.insert(neighbour).inserted { next.append(neighbour) }
                }
            }
            guard !next.isEmpty else { return }
            frontier = next
        }
        for key in frontier {
            let found = try await neighbours(of: key, direction)
            ends.append((key, direction, found.keys, found.hasMore))
        }
    }

    /// One step away, and whether there are more of a kind than were asked for.
    private mutating func neighbours(
        of key: LineageKey, _ direction: LineageRequest.Direction
    ) async throws -> (keys: [LineageKey], hasMore: Bool) {
        let breadth = request.breadth
        let thing = try await facts.thing(key)
        let isUpstream = direction == .upstream
        func neighbour(_ link: LineageLink) -> LineageKey? {
            (isUpstream ? link.to : link.from) == key ? (isUpstream ? link.from : link.to) : nil
        }
        var keys: [LineageKey] = [], hasMore = false
        func add(_ found: [LineageKey]) {
            hasMore = hasMore || found.count > breadth
            for key in found.prefix(breadth) where !keys.contains(key) { keys.append(key) }
        }
        let own = try await facts.stated(by: thing)
        for kind in LineageEdge.Kind.allCases { add(own.filter { $0.kind == kind }.compactMap(neighbour)) }
        for others in try await facts.others(thing, direction, limit: breadth + 1) {
            var found: [LineageKey] = []
            for other in others {
                let told = try await facts.stated(by: other)
                if told.contains(where: { neighbour($0) == other.key }) { found.append(other.key) }
            }
            // Those that say nothing of it after all were counted by the search.
            if others.count > breadth, found.count <= breadth { hasMore = true }
            add(found)
        }
        return (keys, hasMore)
    }

    private mutating func add(_ key: LineageKey, at distance: Int) {
        guard distances[key] == nil else { return }
        distances[key] = distance
        order.append(key)
    }

    private mutating func cut(
        _ key: LineageKey, _ direction: LineageRequest.Direction, _ reason: LineageGraph.Cut.Reason
    ) {
        let cut = LineageGraph.Cut(node: "\(key)", direction: direction, reason: reason)
        if !cuts.contains(cut) { cuts.append(cut) }
    }

    private mutating func node(_ key: LineageKey) async throws -> LineageNode {
        var node = LineageNode(id: "\(key)", kind: key.kind, name: key.name, distance: distances[key] ?? 0)
        switch try await facts.thing(key) {
        case .dataset(let version):
            node.detail = "\(version.rowCount) rows, \(version.schema.fields.count) columns"
            node.at = version.createdAt
        case .externalDataset(let input): node.detail = "digest \(input.digest), kept elsewhere (\(input.sourceType))"
        case .run(let run):
            node.name = run.name
            node.detail = run.status.rawValue.lowercased()
            node.state = run.lifecycleStage == .active ? .present : .deleted
            node.at = run.startTime
        case .loggedModel(let model):
            node.name = model.name
            node.detail = model.modelType.map { $0.isEmpty ? "logged model" : $0 } ?? "logged model"
            node.state = model.lifecycleStage == .active ? .present : .deleted
            node.at = model.createdAt
        case .modelVersion(let version):
            node.detail = (version.aliases.map { "@\($0)" } + (version.stage == .none ? [] : [version.stage.rawValue]))
                .joined(separator: " ")
            node.at = version.createdAt
        case .deployment(let deployment):
            node.detail = "answers with \(deployment.model)@\(deployment.version)"
            node.at = deployment.updatedAt
        case .missing: node.state = .missing
        }
        return node
    }
}
