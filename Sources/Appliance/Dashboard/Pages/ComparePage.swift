import Contracts
import Core

/// What the address of a comparison asks for: `runs=a,b,c`, or `run=a&run=b` as forms send it.
package struct CompareQuery: Sendable {
    package let query: PageQuery
    /// The runs, each once; at most `ComparePage.mostRuns`.
    package let runIDs: [String]
    /// Runs beyond that.
    package let left: Int
    package let curve: CurveQuery

    /// Metrics whose curves are drawn unless they are chosen, and at the most.
    static let usualCurves = 4
    static let mostCurves = 24
    /// Axes of the parallel coordinates unless they are chosen, and at the most.
    static let usualAxes = 8
    static let mostAxes = 30

    package init(_ query: PageQuery) {
        let given = query.all("runs").flatMap { $0.split(separator: ",").map(String.init) } + query.all("run")
        var seen: Set<String> = []
        let ids = given.filter { seen.insert($0).inserted }
        runIDs = Array(ids.prefix(ComparePage.mostRuns))
        left = ids.count - runIDs.count
        // One way to name the runs, so that every link is short.
        self.query = query.without(["run", "runs"]).with("runs", runIDs.joined(separator: ","))
        curve = CurveQuery(query)
    }

    /// The metrics to draw. Unless they are chosen, those that reached a step.
    package func curves(_ runs: [Run]) -> [String] {
        let keys = MetricOrder.sorted(Set(runs.lazy.flatMap { $0.metrics.lazy.map(\.key) }))
        let chosen = query.all("metric")
        if !chosen.isEmpty { return chosen.filter { keys.contains($0) }.prefix(Self.mostCurves).map { $0 } }
        let stepped = Set(runs.lazy.flatMap { $0.metrics.lazy.filter { $0.step != 0 }.map(\.key) })
        return Array(
            (keys.filter { stepped.contains($0) } + keys.filter { !stepped.contains($0) }).prefix(Self.usualCurves))
    }

    var onlyDiffering: Bool { query.has("diff") }
}

/// What a comparison is made from.
package struct CompareInputs: Sendable {
    /// In the order in which they were asked for.
    package var runs: [Run]
    /// Name by id.
    package var experiments: [String: String]
    /// Ids that no run has.
    package var missing: [String]
    /// By metric, then by run.
    package var curves: [String: [String: MetricCurve]]

    package init(
        runs: [Run], experiments: [String: String], missing: [String] = [],
        curves: [String: [String: MetricCurve]] = [:]
    ) {
        self.runs = runs
        self.experiments = experiments
        self.missing = missing
        self.curves = curves
    }
}

/// `/compare?runs=a,b,c`
package struct ComparePage: DashboardPage {
    /// More lines than this can be told apart by nobody.
    package static let mostRuns = 100

    struct Figure {
        var name: String
        var chart: Markup
    }

    struct Legend {
        var name: String
        var href: String
        var key: String
        var removeHref: String?
    }

    package let template = "compare"
    package let title: String
    package let section = Section.experiments
    package let path = "/compare"
    package let trail: [Crumb]
    package let events = ["run", "metrics"]

    let hasRuns: Bool
    let lede: String
    let warnings: [String]
    let empty = Empty(
        "Nothing to compare",
        "Choose runs in an experiment's table and press «Compare selected», or name them in the address: /compare?runs=…,…"
    )
    let legend: [Legend]
    let legendNote: String?

    let curves: [Figure]
    let curvesNote: String?
    let curveKept: [PageQuery.Field]
    let axes: [Choice]
    let smoothing: String
    let isLogarithmic: Bool
    let from: String
    let to: String
    let curveMetrics: [Choice]

    let parallel: Markup
    let hasParallel: Bool
    let parallelKept: [PageQuery.Field]
    let parallelAxes: [Choice]
    let colours: [Choice]
    let scaleLow: String?
    let scaleHigh: String?

    let scatter: Markup
    let hasScatter: Bool
    let scatterKept: [PageQuery.Field]
    let xs: [Choice]
    let ys: [Choice]

    let tableMarkup: Markup
    let tableKept: [PageQuery.Field]
    let onlyDiffering: Bool
    let tableNote: String?

    package init(_ input: CompareInputs, query: CompareQuery, now: Timestamp) {
        let runs = input.runs, address = query.query
        hasRuns = !runs.isEmpty
        title = runs.count == 1 ? "One run" : "Compare \(Format.counted(runs.count, "run"))"
        let experiments = Set(runs.map(\.experimentID))
        trail = experiments.sorted().prefix(1).reduce(into: [Crumb("Experiments", "/experiments")]) { trail, id in
            if experiments.count == 1 {
                trail.append(Crumb(input.experiments[id] ?? "Experiment \(id)", Format.link("experiments", id)))
            }
        }
        lede =
            experiments.count > 1
            ? "From \(Format.counted(experiments.count, "experiment"))." : "What they were given, and what came of it."
        warnings = Self.warnings(input, query)
        legend = Self.legend(runs, address)
        let looks = LineChart.colours * CurveChart.Series.dashes
        legendNote =
            runs.count > looks ? "Colours repeat after \(looks) runs; a curve under the pointer says its name." : nil

        let drawn = query.curves(runs)
        (curves, curvesNote) = Self.curves(input, drawn, query.curve)
        curveKept = address.without(CurveQuery.names.union(["metric"])).fields
        axes = query.curve.axes
        smoothing = query.curve.smoothingText
        isLogarithmic = query.curve.isLogarithmic
        (from, to) = (query.curve.from, query.curve.to)
        let metricKeys = RunTable.metricKeys(runs)
        curveMetrics = metricKeys.map { Choice($0, $0, drawn.contains($0)) }

        let plots = ComparePlots(runs, address)
        parallel = plots.parallel()
        hasParallel = plots.axes.count > 1 && runs.count > 1
        parallelKept = address.without(["axis", "colour"]).fields
        parallelAxes = plots.columns.map { Choice($0.id, plots.name($0), plots.axes.contains($0)) }
        colours = plots.metrics.map { Choice($0.id, $0.key, $0 == plots.colour) }
        scaleLow = plots.ramp.map { Format.number($0.low) }
        scaleHigh = plots.ramp.map { Format.number($0.high) }
        scatter = plots.scatter()
        hasScatter = plots.numbers.count > 1 && runs.count > 1
        scatterKept = address.without(["sx", "sy"]).fields
        xs = plots.numbers.map { Choice($0.id, plots.name($0), $0 == plots.x) }
        ys = plots.numbers.map { Choice($0.id, plots.name($0), $0 == plots.y) }

        let table = CompareTable(runs, experiments: input.experiments, onlyDiffering: query.onlyDiffering, now: now)
        tableMarkup = table.markup()
        tableNote = table.note
        tableKept = address.without(["diff"]).fields
        onlyDiffering = query.onlyDiffering
    }

    private static func warnings(_ input: CompareInputs, _ query: CompareQuery) -> [String] {
        var warnings = input.missing.prefix(5).map { "There is no run with id `\(Format.short($0, 60))`." }
        if input.missing.count > 5 { warnings.append("\(input.missing.count - 5) further ids name no run either.") }
        if query.left > 0 {
            warnings.append(
                "A page compares at most \(mostRuns) runs; \(Format.counted(query.left, "further one")) left out.")
        }
        return warnings
    }

    private static func legend(_ runs: [Run], _ address: PageQuery) -> [Legend] {
        let ids = runs.map(\.id)
        return runs.enumerated().map { index, run in
            let rest = ids.filter { $0 != run.id }
            return Legend(
                name: Format.short(run.name, 60), href: Format.link("runs", run.id),
                key: "k\(CurveChart.Series.look(index))",
                removeHref: rest.isEmpty
                    ? nil : address.with("runs", rest.joined(separator: ",")).address("/compare"))
        }
    }

    private static func curves(
        _ input: CompareInputs, _ keys: [String], _ query: CurveQuery
    ) -> ([Figure], String?) {
        var figures: [Figure] = [], single: [String] = []
        for key in keys {
            let curves = input.curves[key] ?? [:]
            guard curves.values.contains(where: { $0.count > 1 }) else {
                single.append(key)
                continue
            }
            let series = input.runs.enumerated().compactMap { index, run -> CurveChart.Series? in
                guard let curve = curves[run.id], !curve.buckets.isEmpty else { return nil }
                return .init(name: run.name, curve: curve, start: run.startTime, look: index)
            }
            var chart = CurveChart(
                series: series, label: "\(key) by \(query.axis.label)", axis: query.axis, smoothing: query.smoothing)
            chart.isLogarithmic = query.isLogarithmic
            figures.append(Figure(name: key, chart: chart.markup()))
        }
        let note =
            single.isEmpty
            ? nil
            : "No curve, because there is no more than one point: \(single.map { Format.short($0, 40) }.joined(separator: ", "))."
        return (figures, note)
    }
}
