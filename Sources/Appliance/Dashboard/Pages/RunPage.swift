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
    package var curves: RunCurves
    package var environment: RunEnvironment
    package var files: FileListing
    /// Feature → share of the importance, when the run has it.
    package var importance: [(feature: String, share: Double)]
    package var children: [Run]
    package var parent: Run?
    /// Versions registered from this run.
    package var versions: [ModelVersion]
    /// What it made and used, as far as it is still there.
    package var loggedModels: [LoggedModel] = []
    /// The run before it in the experiment.
    package var previous: Run?
    package var childrenAreCut = false

    package init(
        run: Run, experiment: Experiment, curves: RunCurves, environment: RunEnvironment, files: FileListing,
        importance: [(feature: String, share: Double)], children: [Run], parent: Run?, versions: [ModelVersion]
    ) {
        self.run = run
        self.experiment = experiment
        self.curves = curves
        self.environment = environment
        self.files = files
        self.importance = importance
        self.children = children
        self.parent = parent
        self.versions = versions
    }
}

/// `/runs/{id}`
package struct RunPage: DashboardPage {
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
    let lineageHref: String
    let status: Badge
    let stats: [Stat]
    let diffHref: String?
    let charts: RunCharts?
    let environment: RunEnvironmentView?
    let metrics: [Pair]
    let params: [Pair]
    let tags: [Pair]
    let inputs: [Pair]
    let tree: FileTree
    let hasFiles: Bool
    let filesHref: String
    let importance: Markup?
    let importanceNote: String?
    let children: [Child]
    let hasChildren: Bool
    let childrenNote: String?
    let versions: [Pair]
    let hasVersions: Bool
    let loggedModels: [Pair]
    let hasLoggedModels: Bool

    /// At most this many bars of importance.
    static let importanceBars = 20

    package init(_ input: RunInputs, query: RunChartQuery, now: Timestamp) {
        let run = input.run
        id = run.id
        lineageHref = LineageView.lineage("run:\(run.id)")
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
        diffHref = input.previous.map { Format.link("runs", run.id, "diff", $0.id) }
        charts = RunCharts(run, input.curves, query, path: path)
        environment = RunEnvironmentView(
            input.environment, of: run, files: FileOwner(run, experiment: input.experiment))
        metrics = MetricOrder.sorted(run.metrics).map { Pair($0.key, Format.number($0.value, digits: 6)) }
        params = run.params.sorted { $0.key < $1.key }.map { Pair($0.key, $0.value) }
        tags = run.tags.sorted { $0.key < $1.key }.filter { $0.key != "mlflow.runName" }.map {
            Pair($0.key, Format.short($0.value, 400))
        }
        inputs = run.inputs.map {
            Pair($0.name, "\($0.sourceType) \(Format.short($0.source, 80)) · \(Format.short($0.digest, 12))")
        }
        let owner = FileOwner(run, experiment: input.experiment)
        tree = FileTree(input.files, of: owner, current: "")
        hasFiles = !tree.rows.isEmpty
        filesHref = owner.page("")
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
        childrenNote = input.childrenAreCut ? "The newest \(children.count)." : nil
        versions = input.versions.map {
            Pair($0.name, "version \($0.version)", href: FileOwner($0).href)
        }
        hasVersions = !versions.isEmpty
        loggedModels = Self.loggedModels(input)
        hasLoggedModels = !loggedModels.isEmpty
    }

    private static func loggedModels(_ input: RunInputs) -> [Pair] {
        input.loggedModels.map { model in
            let made = input.run.modelOutputs.first { $0.modelID == model.id }
            var facts = [LoggedModelView.badge(model).text, made == nil ? "used" : "made"]
            if let made, made.step != 0 { facts.append("step \(made.step)") }
            if let type = model.modelType, !type.isEmpty { facts.append(type) }
            return Pair(model.name, facts.joined(separator: ", "), href: LoggedModelView.href(model.id))
        }
    }
}
