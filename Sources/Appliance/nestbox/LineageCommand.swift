import ArgumentParser
import Client
import Contracts
import Core

struct LineageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lineage", abstract: "What went into a thing, and what came of it.",
        discussion: """
            NODE is run:ID, dataset:NAME/VERSION, logged-model:ID, model:NAME/VERSION or deployment:NAME; the version may be \
            `latest` and, of a model, an alias: model:late@champion. Where more is known than is shown, the output says so.
            """)
    @Argument(help: "The thing.") var node: String
    @Option(help: "both, upstream or downstream.") var direction = LineageRequest.Direction.both
    @Option(help: "Steps from the thing, at most 32.") var depth = LineageRequest(node: "").depth
    @Option(help: "Things in all, at most 1000.") var limit = LineageRequest(node: "").limit
    @Option(help: "Neighbours of one kind of each thing, at most 500.") var breadth = LineageRequest(node: "").breadth
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let graph = try await client.connect().lineage.graph(
            LineageRequest(node: node, direction: direction, depth: depth, limit: limit, breadth: breadth))
        if client.json { return try Terminal.json(graph) }
        for line in LineageText.lines(graph) { print(line) }
    }
}

extension LineageRequest.Direction: ExpressibleByArgument {}

/// A lineage as two trees, what went in and what came of it. What hangs on several branches is drawn out on the first.
enum LineageText {
    static func lines(_ graph: LineageGraph) -> [String] {
        guard let root = graph.nodes.first else { return [] }
        var lines = [describe(root)]
        for (direction, heading) in [
            (LineageRequest.Direction.upstream, "what went in"), (.downstream, "what came of it"),
        ] where graph.direction == direction || graph.direction == .both {
            lines.append("\(heading):")
            var tree = LineageTree(graph, direction)
            tree.grow(root.id, indent: "")
            lines += tree.lines.isEmpty ? ["  (nothing)"] : tree.lines
        }
        for reason in LineageGraph.Cut.Reason.allCases {
            let places = graph.cuts.filter { $0.reason == reason }.map(\.node)
            guard !places.isEmpty else { continue }
            let rest = places.count > 5 ? " and \(places.count - 5) more" : ""
            lines.append(
                "not all is shown: there is more at \(places.prefix(5).joined(separator: ", "))\(rest); raise --\(reason.rawValue)"
            )
        }
        return lines
    }

    static func describe(_ node: LineageNode) -> String {
        let state = node.state == .present ? "" : "(\(node.state.rawValue))"
        return [node.id, "\(node.id)".hasSuffix(node.name) ? "" : node.name, node.detail, state]
            .filter { !$0.isEmpty }.joined(separator: "  ")
    }
}

private struct LineageTree {
    private(set) var lines: [String] = []
    private var seen: Set<String> = []
    private let nodes: [String: LineageNode]
    private var neighbours: [String: [(id: String, how: LineageEdge.Kind)]] = [:]

    init(_ graph: LineageGraph, _ direction: LineageRequest.Direction) {
        nodes = Dictionary(graph.nodes.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let isUp = direction == .upstream
        for edge in graph.edges {
            neighbours[isUp ? edge.to : edge.from, default: []].append((isUp ? edge.from : edge.to, edge.kind))
        }
    }

    mutating func grow(_ id: String, indent: String) {
        seen.insert(id)
        let next = neighbours[id] ?? []
        for (index, neighbour) in next.enumerated() {
            guard let node = nodes[neighbour.id] else { continue }
            let isLast = index == next.count - 1
            let isKnown = seen.contains(node.id)
            lines.append(
                indent + (isLast ? "└─ " : "├─ ") + "\(neighbour.how.rawValue): "
                    + (isKnown ? "\(node.id)  (see above)" : LineageText.describe(node)))
            if !isKnown { grow(node.id, indent: indent + (isLast ? "   " : "│  ")) }
        }
    }
}
