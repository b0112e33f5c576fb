import Contracts
import Core

/// Words and addresses of lineages.
enum LineageView {
    static func word(_ kind: LineageNode.Kind) -> String {
        switch kind {
        case .dataset: "dataset"
        case .externalDataset: "dataset elsewhere"
        case .run: "run"
        case .loggedModel: "logged model"
        case .modelVersion: "model version"
        case .deployment: "deployment"
        }
    }

    static func word(_ kind: LineageNode.Kind, plural: Bool) -> String {
        guard plural else { return word(kind) }
        return kind == .externalDataset ? "datasets elsewhere" : word(kind) + "s"
    }

    static func word(_ edge: LineageEdge) -> String {
        switch edge.kind {
        case .read: edge.label.isEmpty ? "read" : "read for \(edge.label)"
        case .made: "made"
        case .used: "used"
        case .child: "part of"
        case .registered: "registered as"
        case .copied: "copied as"
        case .deployed: "answers in"
        }
    }

    static func state(_ node: LineageNode) -> String { node.state == .present ? "" : node.state.rawValue }

    /// The thing's own page; its lineage for what has none.
    static func href(_ node: LineageNode) -> String {
        guard node.state != .missing else { return lineage(node.id) }
        let name = String(node.id.drop { $0 != ":" }.dropFirst())
        let cut = name.lastIndex(of: "/") ?? name.endIndex
        switch node.kind {
        case .dataset:
            return Format.link("datasets", String(name[..<cut])) + "?version="
                + Format.encoded(
                    String(name[cut...].dropFirst()))
        case .run: return Format.link("runs", name)
        case .modelVersion:
            return Format.link("models", String(name[..<cut]), "versions", String(name[cut...].dropFirst()))
        case .deployment: return Format.link("deployments", name)
        case .loggedModel: return LoggedModelView.href(name)
        case .externalDataset: return lineage(node.id)
        }
    }

    static func lineage(_ id: String) -> String { "/lineage?node=\(Format.encoded(id))" }

    static func section(_ kind: LineageNode.Kind) -> Section {
        switch kind {
        case .dataset, .externalDataset: .datasets
        case .run, .loggedModel: .experiments
        case .modelVersion: .models
        case .deployment: .deployments
        }
    }
}

/// `/lineage?node=…`
package struct LineagePage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var kind: String
        var detail: String
        var state: Badge?
        var made: TimeText?
        var sources: [Pair]
        var lineageHref: String?
    }

    struct Tab {
        var label: String
        var href: String
        var isCurrent: Bool
    }

    package let template = "lineage"
    package let title: String
    package let section: Section
    package let path = "/lineage"
    package let trail: [Crumb]
    package let events = ["run", "logged_model", "model_version", "alias", "deployment", "dataset"]

    let node: String
    let kind: String
    let tabs: [Tab]
    let chart: Markup?
    let chartStyle: String
    let rows: [Row]
    let cuts: [String]
    let hasCuts: Bool
    let isAlone: Bool
    let alone = Empty(
        "Nothing hangs together with it yet",
        "A run that reads it, a model that it makes, a version or a deployment of that shows up here by itself.")
    let nothing = Empty(
        "Nothing was asked for",
        "Name a dataset version, a run, a logged model, a model version or a deployment, or come here from its page.",
        command: "nestbox lineage model:NAME@champion")

    /// How many places are named at which something was left out.
    private static let namedCuts = 6

    /// - Parameter graph: nil when nothing was asked for.
    package init(_ graph: LineageGraph?, _ request: LineageRequest, now: Timestamp) {
        guard let graph, let root = graph.nodes.first else {
            (title, section, trail, node, kind) = ("Lineage", .overview, [], "", "")
            (tabs, chart, chartStyle, rows, cuts, hasCuts, isAlone) = ([], nil, "", [], [], false, false)
            return
        }
        title = "Lineage of \(root.name)"
        section = LineageView.section(root.kind)
        let own = LineageView.href(root)
        trail = own.hasPrefix("/lineage") ? [] : [Crumb(root.name, own)]
        node = root.id
        kind = LineageView.word(root.kind)
        tabs = LineageRequest.Direction.allCases.map { direction in
            Tab(
                label: direction == .both ? "Both ways" : direction == .upstream ? "What went in" : "What came of it",
                href: LineageView.lineage(root.id) + (direction == .both ? "" : "&direction=\(direction.rawValue)"),
                isCurrent: direction == graph.direction)
        }
        var drawing = LineageChart(graph)
        chart = drawing.markup()
        chartStyle = "--graph-width: \(Int(drawing.width.rounded(.up)))px"
        let names = Dictionary(graph.nodes.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        rows = graph.nodes.sorted { ($0.distance, $0.id) < ($1.distance, $1.id) }.map { node in
            Row(
                name: node.name, href: LineageView.href(node), kind: LineageView.word(node.kind), detail: node.detail,
                state: node.state == .present ? nil : Badge(node.state.rawValue, "bad"),
                made: node.at.map { TimeText($0, now: now) },
                sources: graph.edges.filter { $0.to == node.id }.map { edge in
                    Pair(
                        LineageView.word(edge), names[edge.from]?.name ?? edge.from,
                        href: names[edge.from].map { LineageView.href($0) })
                },
                lineageHref: node.id == root.id ? nil : LineageView.lineage(node.id))
        }
        cuts = Self.sentences(graph, request, names)
        hasCuts = !cuts.isEmpty
        isAlone = graph.nodes.count == 1
    }

    private static func sentences(
        _ graph: LineageGraph, _ request: LineageRequest, _ names: [String: LineageNode]
    ) -> [String] {
        LineageGraph.Cut.Reason.allCases.compactMap { reason in
            let places = graph.cuts.filter { $0.reason == reason }
            guard !places.isEmpty else { return nil }
            let shown = places.prefix(namedCuts).map { names[$0.node]?.name ?? $0.node }.joined(separator: ", ")
            let rest = places.count > namedCuts ? " and \(Format.count(places.count - namedCuts)) more" : ""
            return switch reason {
            case .depth:
                "More than \(request.depth) steps away there is more: beyond \(shown)\(rest). Ask for it with &depth= in the address."
            case .breadth:
                "Only the newest \(request.breadth) of a kind are shown at \(shown)\(rest). Ask for more with &breadth= in the address."
            case .limit:
                "Only \(request.limit) things are shown; there is more at \(shown)\(rest). Ask for it with &limit= in the address."
            }
        }
    }
}
