import Contracts
import Core

enum LoggedModelView {
    static func badge(_ model: LoggedModel) -> Badge {
        if model.lifecycleStage == .deleted { return Badge("deleted", "bad") }
        return switch model.status {
        case .ready: Badge("ready", "good")
        case .pending: Badge("pending", "live")
        case .failed: Badge("upload failed", "bad")
        case .unspecified: Badge("unknown")
        }
    }

    static func href(_ id: String) -> String { Format.link("logged-models", id) }

    /// The latest point of each metric on each dataset; those measured on none come first.
    static func latest(_ model: LoggedModel) -> [LoggedModelMetric] {
        var latest: [[String?]: LoggedModelMetric] = [:]
        for metric in model.metrics {
            let key = [metric.datasetName, metric.datasetDigest, metric.point.key]
            if let known = latest[key]?.point,
                (known.step, known.timestamp) > (metric.point.step, metric.point.timestamp)
            {
                continue
            }
            latest[key] = metric
        }
        return latest.values.sorted {
            ($0.datasetName ?? "", $0.datasetDigest ?? "", $0.point.key)
                < ($1.datasetName ?? "", $1.datasetDigest ?? "", $1.point.key)
        }
    }
}

/// `/experiments/{id}/models`
package struct LoggedModelsPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var status: Badge
        var type: String
        var metrics: String
        var run: String?
        var runHref: String?
        var created: TimeText
    }

    package let template = "logged-models"
    package let title: String
    package let section = Section.experiments
    package let path: String
    package let trail: [Crumb]
    package let events = ["logged_model", "metrics"]

    let rows: [Row]
    let filter: String
    let failure: String?
    let failureHint: String?
    let next: String?
    let empty: Empty

    /// - Parameters:
    ///   - runs: the names of the runs that made them, by id, as far as they are known.
    ///   - failure: what is wrong with the filter; then there are no models.
    ///   - next: the token of the next page.
    package init(
        _ models: [LoggedModel], experiment: Experiment, runs: [String: String], filter: String,
        failure: NestboxError?, next: String?, now: Timestamp
    ) {
        title = "Logged models of \(experiment.name)"
        let path = Format.link("experiments", experiment.id, "models")
        self.path = path
        trail = FileOwner.trail(experiment)
        rows = models.map { model in
            let metrics = LoggedModelView.latest(model)
            let shown = metrics.prefix(4).map { "\($0.point.key) \(Format.number($0.point.value))" }
            return Row(
                name: model.name, href: LoggedModelView.href(model.id), status: LoggedModelView.badge(model),
                type: model.modelType ?? "", metrics: shown.joined(separator: ", ") + (metrics.count > 4 ? ", …" : ""),
                run: model.sourceRunID.map { runs[$0] ?? Format.short($0, 9) },
                runHref: model.sourceRunID.map { Format.link("runs", $0) },
                created: TimeText(model.createdAt, now: now))
        }
        self.filter = filter
        self.failure = failure?.message
        failureHint = failure?.hint
        self.next = next.map { "\(path)?page=\(Format.encoded($0))&filter=\(Format.encoded(filter))" }
        empty =
            filter.isEmpty
            ? Empty(
                "No logged model yet",
                "MLflow's log_model makes one in every run that calls it: mlflow.sklearn.log_model(model, name=\"model\")."
            )
            : Empty("No logged model passes the filter", "Ask for less, or look at all of them.")
    }
}

/// What the page of a logged model is made from.
package struct LoggedModelInputs: Sendable {
    package var model: LoggedModel
    package var experiment: Experiment
    /// The run that made it, when it is still there.
    package var run: Run?
    /// Versions registered from it.
    package var versions: [ModelVersion]
    package var files: FileListing
    /// Whether its files are in this server's store.
    package var hasFilesHere: Bool

    package init(
        model: LoggedModel, experiment: Experiment, run: Run?, versions: [ModelVersion], files: FileListing,
        hasFilesHere: Bool
    ) {
        self.model = model
        self.experiment = experiment
        self.run = run
        self.versions = versions
        self.files = files
        self.hasFilesHere = hasFilesHere
    }
}

/// `/logged-models/{id}`
package struct LoggedModelPage: DashboardPage {
    struct Metric {
        var dataset: String
        var digest: String
        var key: String
        var value: String
        var step: String
        var run: String
        var runHref: String
    }

    package let template = "logged-model"
    package let title: String
    package let section = Section.experiments
    package let path: String
    package let trail: [Crumb]
    package let events = ["logged_model", "metrics", "artifact", "model_version"]

    let id: String
    let lineageHref: String
    let status: Badge
    let statusMessage: String?
    let stats: [Stat]
    let metrics: [Metric]
    let metricsNote: String?
    let params: [Pair]
    let tags: [Pair]
    let versions: [Pair]
    let hasVersions: Bool
    let source: [Pair]
    let tree: FileTree
    let hasFiles: Bool
    let filesHref: String
    let filesNote: String

    /// More rows of metrics than anybody reads.
    private static let mostMetrics = 500

    package init(_ input: LoggedModelInputs, now: Timestamp) {
        let model = input.model
        id = model.id
        lineageHref = LineageView.lineage("logged-model:\(model.id)")
        title = model.name
        path = LoggedModelView.href(model.id)
        trail =
            FileOwner.trail(input.experiment)
            + [Crumb("Logged models", Format.link("experiments", model.experimentID, "models"))]
        status = LoggedModelView.badge(model)
        statusMessage = model.statusMessage.flatMap { $0.isEmpty ? nil : $0 }
        let latest = LoggedModelView.latest(model)
        stats = [
            Stat("Created", Format.ago(model.createdAt, now: now), Format.date(model.createdAt)),
            Stat("Type", model.modelType.flatMap { $0.isEmpty ? nil : $0 } ?? "–"),
            Stat("Metrics", Format.count(latest.count)), Stat("Parameters", Format.count(model.params.count)),
            Stat("Versions", Format.count(input.versions.count)),
        ]
        metrics = latest.prefix(Self.mostMetrics).map { metric in
            Metric(
                dataset: metric.datasetName ?? "no dataset named",
                digest: metric.datasetDigest.map { Format.short($0, 12) } ?? "", key: metric.point.key,
                value: Format.number(metric.point.value, digits: 6), step: "\(metric.point.step)",
                run: metric.runID == input.run?.id ? input.run?.name ?? "" : Format.short(metric.runID, 9),
                runHref: Format.link("runs", metric.runID))
        }
        metricsNote = latest.count > metrics.count ? "The first \(metrics.count) of \(latest.count)." : nil
        params = model.params.sorted { $0.key < $1.key }.map { Pair($0.key, $0.value) }
        tags = model.tags.sorted { $0.key < $1.key }.map { Pair($0.key, Format.short($0.value, 400)) }
        versions = input.versions.map {
            Pair($0.name, "version \($0.version)", href: Format.link("models", $0.name, "versions", "\($0.version)"))
        }
        hasVersions = !versions.isEmpty
        source = [
            model.sourceRunID.map { id in
                Pair("Made by run", input.run?.name ?? Format.short(id, 9), href: Format.link("runs", id))
            } ?? Pair("Made by run", "not said"),
            Pair("Experiment", input.experiment.name, href: Format.link("experiments", model.experimentID)),
            Pair("Changed", Format.date(model.updatedAt)), Pair("Files at", model.artifactURI),
        ]
        let owner = FileOwner(model, experiment: input.experiment)
        tree = FileTree(input.files, of: owner, current: "")
        hasFiles = !tree.rows.isEmpty
        filesHref = owner.page("")
        filesNote = input.hasFilesHere ? "No file was stored." : "The files are kept elsewhere."
    }
}
