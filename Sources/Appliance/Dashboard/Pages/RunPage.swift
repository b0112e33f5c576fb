import Contracts
import Core
import Foundation

enum RunView {
    static func duration(_ run: Run, now: Timestamp) -> String {
        if let end = run.endTime { return Format.duration(end.seconds(since: run.startTime)) }
        return run.status == .running ? Format.duration(now.seconds(since: run.startTime)) : "–"
    }
}

/// What the page of a run is made from.
package struct RunInputs: Sendable {
    package var run: Run
    package var experiment: Experiment
    /// Points of each metric that has a history.
    package var histories: [String: [MetricPoint]]
    /// Below the run's artifact folder, with paths relative to it.
    package var artifacts: [ArtifactEntry]
    /// Feature → share of the importance, when the run has it.
    package var importance: [(feature: String, share: Double)]
    package var children: [Run]
    package var parent: Run?
    /// Versions registered from this run.
    package var versions: [ModelVersion]
    /// Metrics whose histories are longer than what was read.
    package var cutHistories: Set<String> = []
    package var artifactsAreCut = false

    package init(
        run: Run, experiment: Experiment, histories: [String: [MetricPoint]], artifacts: [ArtifactEntry],
        importance: [(feature: String, share: Double)], children: [Run], parent: Run?, versions: [ModelVersion]
    ) {
        self.run = run
        self.experiment = experiment
        self.histories = histories
        self.artifacts = artifacts
        self.importance = importance
        self.children = children
        self.parent = parent
        self.versions = versions
    }
}

/// `/runs/{id}`
package struct RunPage: DashboardPage {
    struct Chart {
        var name: String
        var legend: [LegendItem]
        var chart: Markup
        var note: String?
    }

    struct LegendItem {
        var name: String
        var key: String
        var last: String
    }

    struct Artifact {
        var path: String
        var href: String
        var size: String
    }

    struct Child {
        var name: String
        var href: String
        var status: Badge
        var metrics: String
        var duration: String
    }

    package let template = "run"
    package let title: String
    package let section = Section.experiments
    package let path: String
    package let trail: [Crumb]
    package let events = ["run", "artifact", "metrics", "model_version"]

    let id: String
    let status: Badge
    let stats: [Stat]
    let charts: [Chart]
    let hasCharts: Bool
    let metrics: [Pair]
    let params: [Pair]
    let tags: [Pair]
    let inputs: [Pair]
    let artifacts: [Artifact]
    let hasArtifacts: Bool
    let artifactsNote: String?
    let importance: Markup?
    let importanceNote: String?
    let children: [Child]
    let hasChildren: Bool
    let versions: [Pair]
    let hasVersions: Bool

    /// At most this many bars of importance.
    static let importanceBars = 20

    package init(_ input: RunInputs, now: Timestamp) {
        let run = input.run
        id = run.id
        title = run.name
        path = Format.link("runs", run.id)
        var trail = [
            Crumb("Experiments", "/experiments"),
            Crumb(input.experiment.name, Format.link("experiments", run.experimentID)),
        ]
        if let parent = input.parent { trail.append(Crumb(parent.name, Format.link("runs", parent.id))) }
        self.trail = trail
        status = run.lifecycleStage == .deleted ? Badge("deleted", "bad") : Badge(run.status)
        stats = [
            Stat("Started", Format.ago(run.startTime, now: now), Format.date(run.startTime)),
            Stat("Duration", RunView.duration(run, now: now)), Stat("By", run.user.isEmpty ? "–" : run.user),
            Stat("Metrics", Format.count(run.metrics.count)), Stat("Parameters", Format.count(run.params.count)),
        ]
        charts = Self.charts(input.histories, cut: input.cutHistories)
        hasCharts = !charts.isEmpty
        metrics = MetricOrder.sorted(run.metrics).map { Pair($0.key, Format.number($0.value, digits: 6)) }
        params = run.params.sorted { $0.key < $1.key }.map { Pair($0.key, $0.value) }
        tags = run.tags.sorted { $0.key < $1.key }.filter { $0.key != "mlflow.runName" }.map {
            Pair($0.key, Format.short($0.value, 400))
        }
        inputs = run.inputs.map {
            Pair($0.name, "\($0.sourceType) \(Format.short($0.source, 80)) · \(Format.short($0.digest, 12))")
        }
        artifacts = input.artifacts.filter { !$0.isDirectory }.map { entry in
            let parts = entry.path.split(separator: "/").map { Format.encoded(String($0)) }.joined(separator: "/")
            return Artifact(
                path: entry.path, href: "\(Format.link("runs", run.id))/artifacts/\(parts)",
                size: entry.size.map { Format.bytes($0) } ?? "–")
        }
        hasArtifacts = !artifacts.isEmpty
        artifactsNote = input.artifactsAreCut ? "Only the first \(artifacts.count) files are listed." : nil
        let bars = input.importance.filter { $0.share.isFinite }.sorted { $0.share > $1.share }
        importance =
            bars.isEmpty
            ? nil
            : BarChart(
                bars: bars.prefix(Self.importanceBars).map { .init(name: $0.feature, value: $0.share) },
                label: "Feature importance"
            ).markup()
        importanceNote =
            bars.count > Self.importanceBars
            ? "the \(Self.importanceBars) largest of \(bars.count)" : "shares of the total"
        children = input.children.map { child in
            Child(
                name: child.name, href: Format.link("runs", child.id), status: Badge(child.status),
                metrics: MetricOrder.sorted(child.metrics).prefix(4).map { "\($0.key) \(Format.number($0.value))" }
                    .joined(separator: ", "),
                duration: RunView.duration(child, now: now))
        }
        hasChildren = !children.isEmpty
        versions = input.versions.map { Pair($0.name, "version \($0.version)", href: Format.link("models", $0.name)) }
        hasVersions = !versions.isEmpty
    }

    /// Training, validation and test of one metric share a chart. A metric of one point is a figure, not a chart.
    static func charts(_ histories: [String: [MetricPoint]], cut: Set<String>) -> [Chart] {
        let drawn = histories.filter { $0.value.count > 1 }
        let groups = Dictionary(grouping: drawn.keys) { Self.family($0) }
        return groups.sorted { $0.key < $1.key }.map { name, keys in
            let keys = keys.sorted { (Self.rank($0), $0) < (Self.rank($1), $1) }
            let series = keys.map { key in
                // Where steps were not given, the order of logging is the axis.
                let points = drawn[key] ?? []
                let hasSteps = Set(points.map(\.step)).count > 1
                return LineChart.Series(
                    name: key,
                    points: points.enumerated().map {
                        (hasSteps ? Double($0.element.step) : Double($0.offset), $0.element.value)
                    })
            }
            let legend = keys.enumerated().map { index, key in
                LegendItem(
                    name: key, key: "k\(min(index, LineChart.colours - 1))",
                    last: Format.number(drawn[key]?.last?.value))
            }
            let isCut = keys.contains { cut.contains($0) }
            return Chart(
                name: name, legend: legend, chart: LineChart(series: series, label: "\(name) by step").markup(),
                note: isCut ? "The first \(Format.count(drawn[keys[0]]?.count ?? 0)) points of a longer history." : nil)
        }
    }

    private static let parts = ["train", "training", "validation", "valid", "val", "test", "eval"]

    /// `train_auc`, `auc.validation`, `val/auc` → `auc`.
    package static func family(_ key: String) -> String {
        let words = key.split { "_-./ ".contains($0) }.map(String.init)
        guard words.count > 1 else { return key }
        if parts.contains(words[0].lowercased()) {
            return String(key.dropFirst(words[0].count).drop { "_-./ ".contains($0) })
        }
        if let last = words.last, parts.contains(last.lowercased()), key.hasSuffix(last) {
            return String(key.dropLast(last.count + 1))
        }
        return key
    }

    private static func rank(_ key: String) -> Int {
        let words = key.lowercased().split { "_-./ ".contains($0) }.map(String.init)
        return parts.firstIndex { words.contains($0) } ?? parts.count
    }
}
