import Contracts
import Core

/// The parallel coordinates and the scatter plot of a comparison.
struct ComparePlots {
    private let runs: [Run]
    /// What an axis can be: parameters that differ, then metrics, then the other parameters.
    let columns: [RunColumn]
    let metrics: [RunColumn]
    /// Columns of numbers, for the scatter plot.
    let numbers: [RunColumn]
    let axes: [RunColumn]
    let colour: RunColumn?
    let ramp: Ramp?
    let x: RunColumn?
    let y: RunColumn?
    private let colours: [String]

    init(_ runs: [Run], _ query: PageQuery) {
        self.runs = runs
        let differing = RunTable.paramKeys(runs, all: false).map { RunColumn(.params, $0) }
        let same = RunTable.paramKeys(runs, all: true).map { RunColumn(.params, $0) }.filter { !differing.contains($0) }
        metrics = RunTable.metricKeys(runs).map { RunColumn(.metrics, $0) }
        let columns = differing + metrics + same
        self.columns = columns
        func chosen(_ name: String) -> RunColumn? {
            query[name].flatMap { RunColumn($0) }.flatMap { columns.contains($0) ? $0 : nil }
        }
        let asked = query.all("axis").compactMap { RunColumn($0) }.filter { columns.contains($0) }
        let half = CompareQuery.usualAxes / 2
        let usual = differing.prefix(max(half, CompareQuery.usualAxes - metrics.count))
        axes =
            asked.isEmpty
            ? Array(usual) + Array(metrics.prefix(max(0, CompareQuery.usualAxes - usual.count)))
            : Array(asked.prefix(CompareQuery.mostAxes))
        let colour = chosen("colour").flatMap { $0.kind == .metrics ? $0 : nil } ?? metrics.first
        self.colour = colour
        let values = colour.map { column in runs.map { $0.metric(column.key) } } ?? []
        let ramp = Ramp(values)
        self.ramp = ramp
        colours = runs.indices.map { index in
            ramp.map { $0.colour(index < values.count ? values[index] : nil) } ?? "var(--series-0)"
        }
        let numbers = columns.filter { column in
            column.kind == .metrics || runs.contains { column.text($0).flatMap { Double($0) } != nil }
        }
        self.numbers = numbers
        x = chosen("sx") ?? numbers.first { $0.kind == .params } ?? numbers.first
        y = chosen("sy") ?? metrics.first
    }

    /// A parameter and a metric may share their name.
    func name(_ column: RunColumn) -> String {
        columns.contains { $0 != column && $0.key == column.key } ? column.id : column.label
    }

    func parallel() -> Markup {
        ParallelChart(
            axes: axes.map { column in
                ParallelChart.Axis(name: name(column), values: runs.map { column.text($0) })
            },
            names: runs.map { run in
                guard let colour, let value = run.metric(colour.key) else { return run.name }
                return "\(run.name), \(colour.key) \(Format.number(value))"
            }, colours: colours, label: "Parallel coordinates of \(Format.counted(runs.count, "run"))"
        ).markup()
    }

    func scatter() -> Markup {
        guard let x, let y else { return ScatterChart(dots: [], xName: "", yName: "").markup() }
        let dots = runs.enumerated().compactMap { index, run -> ScatterChart.Dot? in
            guard let a = x.text(run).flatMap(Double.init), let b = y.text(run).flatMap(Double.init) else { return nil }
            return .init(x: a, y: b, name: run.name, href: Format.link("runs", run.id), colour: colours[index])
        }
        return ScatterChart(dots: dots, xName: name(x), yName: name(y)).markup()
    }
}

/// Everything that runs were given and measured, a column per run.
struct CompareTable {
    private struct Row {
        var name: String
        /// Nil where the run has none.
        var values: [String?]
        var best: Set<Int> = []
        let differs: Bool

        /// - Parameter exact: what `values` show rounded.
        init(name: String, values: [String?], exact: [String?]? = nil, best: Set<Int> = []) {
            (self.name, self.values, self.best) = (name, values, best)
            let exact = exact ?? values
            differs = exact.contains { $0 != exact[0] }
        }
    }

    private let runs: [Run]
    private let groups: [(title: String, rows: [Row])]
    let note: String?

    init(_ runs: [Run], experiments: [String: String], onlyDiffering: Bool, now: Timestamp) {
        self.runs = runs
        let tags = Set(runs.lazy.flatMap(\.tags.keys)).filter {
            $0 != "mlflow.runName" && $0 != "mlflow.log-model.history"
        }
        let all: [(String, [Row])] = [
            ("Metrics", RunTable.metricKeys(runs).map { Self.metric($0, runs) }),
            (
                "Parameters",
                RunTable.paramKeys(runs, all: true).map { key in Row(name: key, values: runs.map { $0.params[key] }) }
            ),
            ("Run", Self.attributes(runs, experiments, now: now)),
            ("Tags", tags.sorted().map { key in Row(name: key, values: runs.map { $0.tags[key] }) }),
        ]
        let kept = all.map { ($0.0, onlyDiffering ? $0.1.filter(\.differs) : $0.1) }
        groups = kept.filter { !$0.1.isEmpty }
        let hidden = all.map(\.1.count).reduce(0, +) - kept.map(\.1.count).reduce(0, +)
        note =
            !onlyDiffering
            ? nil : hidden == 0 ? "Everything differs." : "\(Format.counted(hidden, "row")) with equal values hidden."
    }

    private static func metric(_ key: String, _ runs: [Run]) -> Row {
        let values = runs.map { $0.metric(key) }
        let best = runs.count > 1 ? MetricOrder.best(key, values) : nil
        return Row(
            name: key, values: values.map { $0.map { Format.number($0, digits: 6) } },
            exact: values.map { $0.map { "\($0)" } },
            best: best.map { best in Set(values.indices.filter { values[$0] == best }) } ?? [])
    }

    private static func attributes(_ runs: [Run], _ experiments: [String: String], now: Timestamp) -> [Row] {
        var rows = [
            Row(name: "status", values: runs.map { $0.lifecycleStage == .deleted ? "deleted" : Badge($0.status).text }),
            Row(name: "started", values: runs.map { Format.date($0.startTime) }),
            Row(name: "duration", values: runs.map { RunView.duration($0, now: now) }),
            Row(name: "user", values: runs.map(\.user)),
            Row(
                name: "datasets",
                values: runs.map { run in
                    run.inputs.isEmpty
                        ? nil : run.inputs.map { "\($0.name) \(Format.short($0.digest, 9))" }.joined(separator: ", ")
                }),
        ]
        if Set(runs.map(\.experimentID)).count > 1 {
            rows.insert(
                Row(name: "experiment", values: runs.map { experiments[$0.experimentID] ?? $0.experimentID }), at: 0)
        }
        return rows
    }

    func markup() -> Markup {
        guard !runs.isEmpty else { return Markup("") }
        var html = "<table class=\"runs compare\"><thead><tr><th scope=\"col\">Run</th>"
        for (index, run) in runs.enumerated() {
            html +=
                "<th scope=\"col\"><i class=\"key k\(CurveChart.Series.look(index))\"></i> "
                + "<a href=\"\(Format.link("runs", run.id))\" title=\"\(escaped(run.name))\">\(escaped(Format.short(run.name, 26)))</a></th>"
        }
        html += "</tr></thead>"
        for group in groups {
            html +=
                "<tbody><tr class=\"group\"><th scope=\"rowgroup\">\(group.title)</th><td colspan=\"\(runs.count)\"></td></tr>"
            for row in group.rows { html += self.row(row, isNumber: group.title == "Metrics") }
            html += "</tbody>"
        }
        if groups.isEmpty {
            html += "<tbody><tr><td>Nothing differs.</td><td colspan=\"\(runs.count)\"></td></tr></tbody>"
        }
        return Markup(html + "</table>")
    }

    private func row(_ row: Row, isNumber: Bool) -> String {
        var html =
            "<tr\(row.differs ? " class=\"differs\"" : "")><th scope=\"row\" title=\"\(escaped(row.name))\">\(escaped(Format.short(row.name, 60)))</th>"
        for (index, value) in row.values.enumerated() {
            guard let value else {
                html += "<td class=\"soft\">–</td>"
                continue
            }
            let short = Format.short(value, 60)
            let title = short == value ? "" : " title=\"\(escaped(Format.short(value, 400)))\""
            let text =
                row.best.contains(index)
                ? "<span class=\"best\" title=\"best of these runs\">\(escaped(short))</span>" : escaped(short)
            html += "<td class=\"\(isNumber ? "num" : "mono")\"\(title)>\(text)</td>"
        }
        return html + "</tr>\n"
    }
}
