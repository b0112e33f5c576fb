import Contracts
import Core

/// A recorded event, as far as pages show it.
package struct Fact: Sendable {
    package var at: Timestamp
    package var kind: String
    package var subject: String
    package var actor: String
    /// What people call the subject, where its identifier says little.
    package var name: String?

    package init(at: Timestamp, kind: String, subject: String, actor: String, name: String? = nil) {
        self.at = at
        self.kind = kind
        self.subject = subject
        self.actor = actor
        self.name = name
    }
}

/// What the overview is made from.
package struct OverviewInput: Sendable {
    package var datasets: [Dataset] = []
    package var views: [FeatureView] = []
    package var materializations: [MaterializationResult] = []
    package var experiments: [Experiment] = []
    /// Newest first.
    package var runs: [Run] = []
    package var models: [RegisteredModel] = []
    package var deployments: [(deployment: Deployment, statistics: ServingStatistics)] = []
    package var openAlerts: [DriftAlert] = []
    package var activeJobs: [Job] = []
    package var facts: [Fact] = []

    package init() {}
}

/// `/`: the loop of a model's life, and what happened last.
package struct OverviewPage: DashboardPage {
    struct Station {
        var label: String
        var href: String
        var state: String
        var value: String
        var detail: String
    }

    struct JobLine {
        var name: String
        var href: String
        var fraction: String
        var percent: String
        var message: String
    }

    struct RunLine {
        var name: String
        var href: String
        var status: Badge
        var metric: String
        var started: TimeText
    }

    package let template = "overview"
    package let title = "Overview"
    package let section = Section.overview
    package let path = "/"
    package let events = [
        "dataset", "features", "feature_view", "experiment", "run", "model", "model_version", "alias", "stage",
        "deployment", "alert", "drift", "job",
    ]

    let lede: String
    let stations: [Station]
    let rate: Markup?
    let rateText: String
    let jobs: [JobLine]
    let alerts: [AlertRow]
    let label = "Open alerts"
    let runs: [RunLine]
    let facts: [FactLine]
    let empty = Empty(
        "An empty nest",
        "Import a table and this page fills up, station by station. The demo fills a nest of its own with a model's whole life.",
        command: "nestbox import samples/flights/flights.csv.gz")

    package init(_ input: OverviewInput, now: Timestamp) {
        stations = Self.stations(input)
        let done = stations.filter { $0.state.contains("done") || $0.state.contains("alarm") }.count
        lede =
            switch done {
            case 0: "Nothing here yet. A model's life goes through these six stations."
            case stations.count: "The whole loop is turning, from data to a monitored prediction."
            default: "\(done) of \(stations.count) stations are in use."
            }
        var perSecond = [Int](repeating: 0, count: 60)
        for item in input.deployments {
            for (index, count) in item.statistics.perSecond.suffix(60).enumerated() {
                perSecond[index + 60 - min(60, item.statistics.perSecond.count)] &+= count
            }
        }
        let total = input.deployments.reduce(0.0) { $0 + $1.statistics.requestRate }
        rateText = "\(Format.number(total, digits: 3)) requests per second"
        rate =
            input.deployments.isEmpty
            ? nil : Sparkline.rate(perSecond, label: "Requests per second over the last minute: \(rateText)")
        jobs = input.activeJobs.map {
            JobLine(
                name: $0.name, href: Format.link("jobs", $0.id), fraction: JobView.fraction($0),
                percent: Format.percent(JobView.share($0)),
                message: $0.state == .queued ? "queued" : $0.progress.message)
        }
        alerts = input.openAlerts.map { AlertRow($0, now: now) }
        runs = input.runs.filter { $0.parentID == nil }.prefix(6).map { run in
            RunLine(
                name: run.name, href: Format.link("runs", run.id), status: Badge(run.status),
                metric: Self.headline(run),
                started: TimeText(run.startTime, now: now))
        }
        facts = FactLine.lines(input.facts, now: now, limit: 12)
    }

    /// The metric that says most.
    private static func headline(_ run: Run) -> String {
        MetricOrder.sorted(run.metrics).first.map { "\($0.key) \(Format.number($0.value))" } ?? ""
    }

    private static func stations(_ input: OverviewInput) -> [Station] {
        let versions = input.datasets.reduce(0) { $0 + $1.latestVersion }
        let running = input.runs.filter { $0.status == .running }.count
        let modelVersions = input.models.reduce(0) { $0 + ($1.latestVersion ?? 0) }
        let champions = input.models.filter { $0.aliases["champion"] != nil }.count
        let rows = input.deployments.reduce(0) { $0 + $1.statistics.rows }
        var stations: [Station] = []
        func add(
            _ label: String, _ href: String, _ count: Int, _ value: String, _ detail: String, else hint: String,
            alarm: Bool = false
        ) {
            let isNext = count == 0 && stations.allSatisfy { !$0.state.contains("next") }
            let state = alarm ? "alarm" : count > 0 ? "done" : isNext ? "next" : ""
            stations.append(
                Station(label: label, href: href, state: state, value: value, detail: count > 0 ? detail : hint))
        }
        add(
            "Data", "/datasets", input.datasets.count, Format.counted(input.datasets.count, "dataset"),
            Format.counted(versions, "version"), else: "import a CSV or JSON Lines file")
        add(
            "Features", "/features", input.views.count, Format.counted(input.views.count, "view"),
            "\(input.materializations.count) in the online store", else: "describe views in features.yaml")
        add(
            "Training", "/experiments", input.runs.count, Format.counted(input.runs.count, "run"),
            running > 0 ? "\(running) running now" : "in " + Format.counted(input.experiments.count, "experiment"),
            else: "train from a recipe")
        add(
            "Registry", "/models", input.models.count, Format.counted(input.models.count, "model"),
            Format.counted(modelVersions, "version")
                + (champions > 0 ? ", " + Format.counted(champions, "champion") : ""), else: "register a trained model")
        add(
            "Deployment", "/deployments", input.deployments.count,
            Format.counted(input.deployments.count, "deployment"), Format.counted(rows, "row") + " predicted",
            else: "let a version answer")
        let isWatching = !input.deployments.isEmpty
        add(
            "Monitoring", "/monitoring", isWatching ? 1 : 0,
            isWatching ? Format.counted(input.openAlerts.count, "open alert") : "–",
            input.openAlerts.isEmpty ? "no drift seen" : "features have moved",
            else: "starts with the first deployment", alarm: !input.openAlerts.isEmpty)
        return stations
    }
}

/// One line of recent events; repeated ones are counted instead of listed.
struct FactLine {
    var noun: String
    var subject: String
    var href: String?
    var what: String
    var times: String?
    var at: TimeText
    var actor: String

    /// Events of one kind in a row are one line: `×3` for the same subject, `6 alerts` for several.
    static func lines(_ facts: [Fact], now: Timestamp, limit: Int) -> [FactLine] {
        var groups: [(first: Fact, subjects: Set<String>, count: Int)] = []
        for fact in facts {
            if let last = groups.last, last.first.kind == fact.kind {
                groups[groups.count - 1].subjects.insert(fact.subject)
                groups[groups.count - 1].count += 1
            } else if groups.count < limit {
                groups.append((fact, [fact.subject], 1))
            } else {
                break
            }
        }
        return groups.map { line($0.first, subjects: $0.subjects.count, count: $0.count, now: now) }
    }

    private static func line(_ fact: Fact, subjects: Int, count: Int, now: Timestamp) -> FactLine {
        let parts = fact.subject.split(separator: "/", maxSplits: 1).map(String.init)
        let kind = fact.kind.split(separator: ".", maxSplits: 1).map { $0.replacingOccurrences(of: "_", with: " ") }
        let noun = parts.first ?? fact.subject, name = parts.count > 1 ? parts[1] : ""
        let words = noun.replacingOccurrences(of: "_", with: " ")
        let own = fact.name ?? (name.isEmpty ? words : isIdentifier(name) ? String(name.prefix(8)) : name)
        return FactLine(
            noun: words, subject: subjects > 1 ? Format.counted(subjects, words) : Format.short(own, 60),
            href: subjects > 1 ? section(noun) : href(noun, name),
            what: kind.first == words ? kind.dropFirst().joined() : kind.joined(separator: " "),
            times: subjects == 1 && count > 1 ? Format.count(count) : nil, at: TimeText(fact.at, now: now),
            actor: Format.actor(fact.actor))
    }

    private static func section(_ noun: String) -> String? {
        switch noun {
        case "run", "experiment": "/experiments"
        case "dataset": "/datasets"
        case "model", "model_version": "/models"
        case "deployment": "/deployments"
        case "job": "/jobs"
        case "feature_view", "view", "features": "/features"
        case "alert": "/monitoring"
        default: nil
        }
    }

    private static func isIdentifier(_ name: String) -> Bool {
        name.count >= 20 && name.allSatisfy { $0.isHexDigit || $0 == "-" }
    }

    private static func href(_ noun: String, _ name: String) -> String? {
        switch noun {
        case "run": Format.link("runs", name)
        case "experiment": Format.link("experiments", name)
        case "dataset": Format.link("datasets", String(name.prefix { $0 != "@" && $0 != "/" }))
        case "model", "model_version": Format.link("models", String(name.prefix { $0 != "@" && $0 != "/" }))
        case "deployment": Format.link("deployments", name)
        case "job": Format.link("jobs", name)
        case "feature_view", "view": Format.link("features", name)
        case "alert": "/monitoring"
        default: nil
        }
    }
}
