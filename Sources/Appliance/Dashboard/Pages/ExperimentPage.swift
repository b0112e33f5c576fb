import Contracts
import Core

/// `/experiments/{id}`: the run table.
package struct ExperimentPage: DashboardPage {
    /// Boxes of one kind in the choice of columns.
    struct Group {
        var title: String
        var choices: [Choice]
    }

    package let template = "experiment"
    package let title: String
    package let section = Section.experiments
    package let path: String
    package let trail = [Crumb("Experiments", "/experiments")]
    package let events = ["experiment", "run", "metrics"]

    let tracesHref: String
    let modelsHref: String
    let hasRuns: Bool
    let summary: String
    let heads: [RunTable.Head]
    let rowsMarkup: Markup
    let tags: [Pair]
    let note: String?
    let next: String?
    let newest: String?
    let csvHref: String
    let csvAllHref: String?
    let compareHref: String
    let filter: String
    let fault: FilterFault?
    let views: [Choice]
    let sizes: [Choice]
    let hasTree: Bool
    let treeHref: String
    let treeLabel: String
    /// What the filter's form carries along, and what the columns' does.
    let kept: [PageQuery.Field]
    let columnsKept: [PageQuery.Field]
    let groups: [Group]
    let hasChoice: Bool
    let usualColumnsHref: String?
    let clearHref: String
    let empty: Empty

    /// - Parameters:
    ///   - next: the token of the next page.
    ///   - failure: what is wrong with the filter or the order; then there are no runs.
    package init(
        _ experiment: Experiment, runs: [Run], query: RunTableQuery, next: String?, failure: NestboxError? = nil,
        now: Timestamp
    ) {
        let path = Format.link("experiments", experiment.id), address = query.query
        title = experiment.name
        self.path = path
        tracesHref = "/traces?experiment=\(Format.encoded(experiment.id))"
        modelsHref = path + "/models"
        hasRuns = !runs.isEmpty
        filter = query.filter
        fault = failure.map { FilterFault($0, filter: query.filter) }
        views = [("", "active"), ("deleted", "deleted"), ("all", "all")].map {
            Choice($0.0, $0.1, $0.0 == (address["view"] ?? ""))
        }
        sizes = RunTableQuery.pageSizes.map { Choice("\($0)", "\($0) rows", $0 == query.pageSize) }
        kept = address.without(["filter", "view", "rows", "page", "from"]).fields
        columnsKept = address.without(["col", "page", "from"]).fields
        clearHref = address.without(["filter", "page", "from"]).address(path)
        let isWhole = address["page"] == nil && next == nil
        let table = RunTable(query, runs: runs)
        heads = table.heads(query, path: path)
        let nested = query.order.nested(runs, sorts: isWhole, nests: query.isNested)
        hasTree = runs.contains { $0.parentID != nil }
        treeHref = address.with("tree", query.isNested ? "0" : nil).address(path)
        treeLabel = query.isNested ? "Children in the list's order" : "Children under their parents"
        rowsMarkup = table.rows(nested, now: now)
        note = Self.note(table, query, isWhole: isWhole)
        let first = query.first
        self.next = next.map { address.with("page", $0).with("from", "\(first + runs.count)").address(path) }
        newest = address["page"] == nil ? nil : address.without(["page", "from"]).address(path)
        let columns = address.with("col", table.columns.map(\.id))
        csvHref = columns.address("\(path)/runs.csv")
        csvAllHref = isWhole ? nil : columns.without(["page", "from"]).with("all", "1").address("\(path)/runs.csv")
        compareHref =
            "/compare?runs=" + runs.prefix(ComparePage.mostRuns).map { Format.encoded($0.id) }.joined(separator: ",")
        groups = Self.groups(table, runs)
        hasChoice = !groups.isEmpty && (hasRuns || address["col"] != nil)
        usualColumnsHref = address["col"] == nil ? nil : address.without(["col"]).address(path)
        let running = runs.filter { $0.status == .running }.count
        summary =
            fault != nil
            ? "No runs, because the question is not understood."
            : (isWhole
                ? Format.counted(runs.count, "run")
                : "Runs \(Format.count(first)) to \(Format.count(first + max(0, runs.count - 1)))")
                + (next == nil ? "" : ", more follow") + (running > 0 ? ", \(running) running" : "")
        tags = experiment.tags.sorted { $0.key < $1.key }.map { Pair($0.key, $0.value) }
        empty =
            query.filter.isEmpty && query.view == .activeOnly && address["page"] == nil
            ? Empty(
                "No run yet", "Runs appear here as soon as they start.",
                command: "nestbox train samples/flights/quick.yaml")
            : Empty("No run matches", "Change the filter, or look at other runs than the active ones.")
    }

    private static func note(_ table: RunTable, _ query: RunTableQuery, isWhole: Bool) -> String? {
        let isText = ["params.", "tags."].contains { query.order.key.hasPrefix($0) }
        let parts = [
            table.note, isText && !isWhole ? "Over several pages, parameters and tags are sorted as text." : nil,
        ]
        let text = parts.compactMap { $0 }.joined(separator: " ")
        return text.isEmpty ? nil : text
    }

    /// Everything that the runs of this page have, and what is chosen already.
    private static func groups(_ table: RunTable, _ runs: [Run]) -> [Group] {
        let shown = Set(table.columns)
        func group(_ title: String, _ kind: RunColumn.Kind, _ keys: [String]) -> Group? {
            let more = table.columns.filter { $0.kind == kind && !keys.contains($0.key) }
            let all = keys.map { RunColumn(kind, $0) } + more
            return all.isEmpty
                ? nil : Group(title: title, choices: all.map { Choice($0.id, $0.label, shown.contains($0)) })
        }
        let tags = Set(runs.lazy.flatMap(\.tags.keys)).sorted()
        return [
            group("Metrics", .metrics, RunTable.metricKeys(runs)),
            group("Parameters", .params, RunTable.paramKeys(runs, all: true)),
            group("Tags", .tags, tags), group("Attributes", .attribute, RunColumn.attributes.map(\.key)),
        ].compactMap { $0 }
    }
}
