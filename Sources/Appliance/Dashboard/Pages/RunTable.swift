import Contracts
import Core

/// What the address of a run table asks for.
package struct RunTableQuery: Sendable {
    package static let pageSizes = [25, 50, 100, 200, 500]
    package static let usualPageSize = 100
    /// Columns shown unless they are chosen.
    static let usualMetrics = 12
    static let usualParams = 8

    package let query: PageQuery

    package init(_ query: PageQuery) { self.query = query }

    package var filter: String { query["filter"] ?? "" }
    package var order: RunOrdering {
        RunOrdering(key: query["sort"] ?? "start", ascending: query["order"] == "asc")
    }
    package var view: ViewType {
        switch query["view"] {
        case "deleted": .deletedOnly
        case "all": .all
        default: .activeOnly
        }
    }
    package var pageSize: Int {
        query["rows"].flatMap { Int($0) }.flatMap { Self.pageSizes.contains($0) ? $0 : nil } ?? Self.usualPageSize
    }
    /// The number of the first run of the page, from 1.
    var first: Int { query["page"] == nil ? 1 : max(1, query["from"].flatMap { Int($0) } ?? 1) }
    /// The chosen columns; empty when the page chooses.
    package var columns: [RunColumn] { query.all("col").compactMap { RunColumn($0) } }
    var isNested: Bool { query["tree"] != "0" }

    package func search(_ experimentID: String) -> RunSearch {
        RunSearch(
            experimentIDs: [experimentID], view: view, filter: filter, maxResults: pageSize, orderBy: order.clauses,
            pageToken: query["page"])
    }
}

/// Runs under chosen columns, as HTML rows and as CSV. The rows are put together here and not by a template: a page has
/// thousands of cells.
package struct RunTable: Sendable {
    struct Head {
        var label: String
        var kind: String?
        var href: String?
        var sort: String?
        var style: String
    }

    let columns: [RunColumn]
    /// Why some of the runs' values are not shown.
    let note: String?

    package init(_ query: RunTableQuery, runs: [Run]) {
        let chosen = query.columns
        if chosen.isEmpty {
            let metrics = Self.metricKeys(runs), differing = Self.paramKeys(runs, all: false)
            let usual =
                metrics.prefix(RunTableQuery.usualMetrics).map { RunColumn(.metrics, $0) }
                + differing.prefix(RunTableQuery.usualParams).map { RunColumn(.params, $0) }
            // What the table is sorted by stands where it is seen without scrolling.
            let sorted = RunColumn(query.order.key).flatMap { $0.kind == .attribute ? nil : $0 }
            columns = RunColumn.usual + [sorted].compactMap { $0 } + usual.filter { $0 != sorted }
            let same = Self.paramKeys(runs, all: true).count - differing.count
            let parts = [
                same > 0 ? Format.counted(same, "parameter") + " equal in all runs" : nil,
                differing.count > RunTableQuery.usualParams
                    ? Format.counted(differing.count - RunTableQuery.usualParams, "further parameter") : nil,
                metrics.count > RunTableQuery.usualMetrics
                    ? Format.counted(metrics.count - RunTableQuery.usualMetrics, "further metric") : nil,
            ].compactMap { $0 }
            note = parts.isEmpty ? nil : "Not shown: \(parts.joined(separator: ", ")). Choose columns to see them."
        } else {
            columns = chosen
            note = nil
        }
    }

    static func metricKeys(_ runs: [Run]) -> [String] {
        MetricOrder.sorted(Set(runs.lazy.flatMap { $0.metrics.lazy.map(\.key) }))
    }

    static func paramKeys(_ runs: [Run], all: Bool) -> [String] {
        let keys = Set(runs.lazy.flatMap(\.params.keys)).sorted()
        if all || runs.count < 2 { return keys }
        return keys.filter { key in
            let first = runs[0].params[key]
            return runs.contains { $0.params[key] != first }
        }
    }

    func heads(_ query: RunTableQuery, path: String) -> [Head] {
        [head("Run", nil, "name", RunColumn(.attribute, "name"), query, path)]
            + columns.map { head($0.label, $0.kind, $0.id, $0, query, path) }
    }

    private func head(
        _ label: String, _ kind: RunColumn.Kind?, _ key: String, _ column: RunColumn, _ query: RunTableQuery,
        _ path: String
    ) -> Head {
        let order = query.order, isCurrent = order.key == key
        // Numbers are first wanted from the top, names from A.
        let startsAscending = ["name", "status", "user", "id"].contains(key) || key.hasPrefix("tags.")
        let ascending = isCurrent ? !order.ascending : startsAscending
        let address = query.query.without(["page", "from"]).with("sort", key).with("order", ascending ? "asc" : "desc")
            .address(path)
        let kinds: [RunColumn.Kind: String] = [.metrics: "metric", .params: "parameter", .tags: "tag"]
        return Head(
            label: Format.short(label, 40), kind: kind.flatMap { kinds[$0] }, href: column.canSort ? address : nil,
            sort: isCurrent ? (order.ascending ? "ascending" : "descending") : nil, style: column.isNumber ? "num" : "")
    }

    /// The body of the table.
    func rows(_ nested: [(run: Run, isChild: Bool)], now: Timestamp) -> Markup {
        var best: [RunColumn: Double] = [:]
        if nested.count > 1 {
            for column in columns where column.kind == .metrics {
                best[column] = MetricOrder.best(column.key, nested.lazy.map { $0.run.metric(column.key) })
            }
        }
        var html = ""
        for (run, isChild) in nested {
            let metrics = Dictionary(run.metrics.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
            html += isChild ? "<tr class=\"child\">" : "<tr>"
            html +=
                "<td class=\"name\"><span class=\"pick\"><input type=\"checkbox\" name=\"run\" value=\"\(escaped(run.id))\" "
                + "aria-label=\"Select \(escaped(run.name))\" autocomplete=\"off\"><a href=\"\(Format.link("runs", run.id))\"\(Self.title(run.name, 60))>\(escaped(Format.short(run.name, 60)))</a>"
            if !isChild, let parent = run.parentID, parent != run.id {
                html +=
                    " <a class=\"parent\" href=\"\(Format.link("runs", parent))\" title=\"to the run whose child this is\">↳</a>"
            }
            html += "</span></td>"
            for column in columns { html += cell(column, run, metrics, best: best[column], now: now) }
            html += "</tr>\n"
        }
        return Markup(html)
    }

    /// More of a text than the cell shows, for the pointer.
    private static func title(_ text: String, _ shown: Int) -> String {
        Format.short(text, shown) == text ? "" : " title=\"\(escaped(Format.short(text, 300)))\""
    }

    private func cell(
        _ column: RunColumn, _ run: Run, _ metrics: [String: Double], best: Double?, now: Timestamp
    ) -> String {
        switch column.kind {
        case .metrics:
            guard let value = metrics[column.key] else { return "<td class=\"num soft\">–</td>" }
            let text = Format.number(value)
            return value == best
                ? "<td class=\"num\"><span class=\"best\" title=\"best of this page\">\(text)</span></td>"
                : "<td class=\"num\">\(text)</td>"
        case .params, .tags:
            guard let value = column.text(run) else { return "<td class=\"soft\">–</td>" }
            return "<td class=\"mono\"\(Self.title(value, 40))>\(escaped(Format.short(value, 40)))</td>"
        case .attribute: return attribute(column, run, now: now)
        }
    }

    private func attribute(_ column: RunColumn, _ run: Run, now: Timestamp) -> String {
        func time(_ moment: Timestamp?) -> String {
            guard let moment else { return "<td class=\"soft\">–</td>" }
            let text = TimeText(moment, now: now)
            return
                "<td class=\"tight\"><time datetime=\"\(text.iso)\" title=\"\(text.iso)\"\(text.isRecent ? " data-ago" : "")>\(text.text)</time></td>"
        }
        switch column.key {
        case "status":
            let badge = run.lifecycleStage == .deleted ? Badge("deleted", "bad") : Badge(run.status)
            return "<td class=\"tight\"><span class=\"badge \(badge.tone)\">\(badge.text)</span></td>"
        case "start": return time(run.startTime)
        case "end": return time(run.endTime)
        case "duration": return "<td class=\"num\">\(RunView.duration(run, now: now))</td>"
        case "models":
            let links = run.modelOutputs.prefix(5).map {
                "<a href=\"\(Format.link("logged-models", $0.modelID))\">\(escaped(Format.short($0.modelID, 10)))</a>"
            }
            let more = run.modelOutputs.count > 5 ? " and \(run.modelOutputs.count - 5) more" : ""
            return "<td class=\"mono\">\(links.isEmpty ? "–" : links.joined(separator: ", "))\(more)</td>"
        default:
            let text = column.text(run) ?? ""
            return "<td class=\"mono\">\(text.isEmpty ? "–" : escaped(Format.short(text, 60)))</td>"
        }
    }

    // MARK: CSV

    /// The first line of the file.
    package var csvHeader: String { Self.line(["run_id", "run_name"] + columns.map(\.id)) }

    package func csv(_ runs: [Run]) -> String {
        runs.map { run in Self.line([run.id, run.name] + columns.map { $0.text(run) ?? "" }) }.joined()
    }

    private static func line(_ cells: [String]) -> String { cells.map(field).joined(separator: ",") + "\r\n" }

    /// Spreadsheets run what begins like a formula, so such a text that is no number gets an apostrophe before it.
    private static func field(_ text: String) -> String {
        var text = text
        if let first = text.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first), Double(text) == nil {
            text = "'" + text
        }
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
        return "\"\(text.replacing("\"", with: "\"\""))\""
    }
}
