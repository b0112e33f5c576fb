import Contracts
import Core

extension Samples {
    /// One of each kind of thing, something deleted, something missing, a circle, and a place where more is known.
    var lineage: LineageGraph {
        func node(
            _ kind: LineageNode.Kind, _ id: String, _ name: String, _ detail: String, _ distance: Int,
            _ state: LineageNode.State = .present
        ) -> LineageNode {
            LineageNode(
                id: "\(kind.rawValue):\(dress(id))", kind: kind, name: dress(name), detail: dress(detail), state: state,
                at: ago(3600 * Double(10 - distance)), distance: distance)
        }
        let nodes = [
            node(.modelVersion, "flights-late/2", "flights-late@2", "@champion", 0),
            node(.loggedModel, "m-1", "flights-late", "gradient_boosting", -1),
            node(.run, "r1", "merry-heron-1", "finished", -2),
            node(.run, "r2", "merry-heron-2", "failed", -3, .deleted),
            node(.dataset, "flights_training/3", "flights_training@3", "81204 rows, 14 columns", -3),
            node(.externalDataset, "weather/8a1f", "weather", "digest 8a1f, kept elsewhere (http)", -3),
            node(.deployment, "flights-late", "flights-late", "answers with flights-late@2", 1),
            node(.modelVersion, "production/1", "production@1", "", 1, .missing),
            node(.run, "r3", "evaluation-of-the-whole-summer", "finished", 1),
        ]
        func edge(_ from: Int, _ to: Int, _ kind: LineageEdge.Kind, _ label: String = "") -> LineageEdge {
            LineageEdge(from: nodes[from].id, to: nodes[to].id, kind: kind, label: label)
        }
        return LineageGraph(
            root: nodes[0].id, direction: .both, nodes: nodes,
            edges: [
                edge(4, 2, .read, dress("training")), edge(5, 2, .read, dress("training")), edge(5, 3, .read),
                edge(3, 2, .child), edge(2, 1, .made), edge(1, 0, .registered), edge(0, 6, .deployed),
                edge(0, 7, .copied), edge(1, 8, .used), edge(4, 8, .read, dress("test")), edge(8, 3, .child),
            ], cuts: [.init(node: nodes[4].id, direction: .downstream, reason: .breadth)])
    }

    /// A study: three datasets, forty trials, the models of some, two versions and a deployment.
    var largeLineage: LineageGraph {
        var nodes = [
            LineageNode(id: "run:study", kind: .run, name: dress("study"), detail: "finished", at: now)
        ]
        var edges: [LineageEdge] = []
        for index in 0..<3 {
            nodes.append(
                LineageNode(id: "dataset:d/\(index + 1)", kind: .dataset, name: "d@\(index + 1)", distance: -2))
        }
        for index in 0..<40 {
            let id = "run:trial\(index)"
            nodes.append(LineageNode(id: id, kind: .run, name: "trial \(index)", detail: "finished", distance: -1))
            edges.append(LineageEdge(from: id, to: "run:study", kind: .child))
            edges.append(LineageEdge(from: "dataset:d/\(index % 3 + 1)", to: id, kind: .read))
        }
        for index in 0..<13 {
            let id = "logged-model:m\(index)"
            nodes.append(LineageNode(id: id, kind: .loggedModel, name: "model \(index)", distance: 1))
            edges.append(LineageEdge(from: "run:study", to: id, kind: .made))
        }
        for index in 1...2 {
            nodes.append(
                LineageNode(id: "model:late/\(index)", kind: .modelVersion, name: "late@\(index)", distance: 2))
            edges.append(LineageEdge(from: "logged-model:m\(index)", to: "model:late/\(index)", kind: .registered))
        }
        nodes.append(LineageNode(id: "deployment:late", kind: .deployment, name: "late", distance: 3))
        edges.append(LineageEdge(from: "model:late/2", to: "deployment:late", kind: .deployed))
        return LineageGraph(
            root: "run:study", direction: .both, nodes: nodes, edges: edges,
            cuts: LineageGraph.Cut.Reason.allCases.map { .init(node: "run:study", direction: .upstream, reason: $0) })
    }
}
