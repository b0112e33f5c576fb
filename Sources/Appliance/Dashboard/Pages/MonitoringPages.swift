import Contracts
import Core

/// One alert in a table.
struct AlertRow {
    var deployment: String
    var href: String
    var feature: String
    var psi: String
    var threshold: String
    var message: String
    var opened: TimeText
    var closed: TimeText?
    var state: Badge

    init(_ alert: DriftAlert, now: Timestamp) {
        deployment = alert.deployment
        href = Format.link("monitoring", alert.deployment)
        feature = alert.feature
        psi = Format.number(alert.psi, digits: 3)
        threshold = Format.number(alert.threshold, digits: 3)
        message = alert.message
        opened = TimeText(alert.openedAt, now: now)
        closed = alert.closedAt.map { TimeText($0, now: now) }
        state = alert.closedAt == nil ? Badge("open", "bad") : Badge("closed", "good")
    }
}

/// The usual reading of the population stability index.
enum DriftLevel {
    static let watch = 0.1
    static let act = 0.25

    static func fill(_ psi: Double) -> String { psi > act ? "bad-fill" : psi > watch ? "warn-fill" : "good-fill" }
    static func style(_ psi: Double) -> String { psi > act ? "drift-bad" : psi > watch ? "drift-warn" : "" }
    static func badge(_ psi: Double) -> Badge {
        psi > act ? Badge("drifted", "bad") : psi > watch ? Badge("watch", "warn") : Badge("stable", "good")
    }
}

/// `/monitoring`
package struct MonitoringPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var model: String
        var worst: String
        var worstFeature: String
        var level: Badge
        var rows: String
        var checked: TimeText?
    }

    package let template = "monitoring"
    package let title = "Monitoring"
    package let section = Section.monitoring
    package let path = "/monitoring"
    package let events = ["alert", "drift", "deployment"]

    let rows: [Row]
    let empty = Empty(
        "Nothing to watch yet",
        "Every deployment is compared with its training data on a schedule: each logged feature against its baseline.",
        command: "nestbox deploy flights-quick@1")
    let alerts: [AlertRow]
    let closed: [AlertRow]
    let hasClosed: Bool
    let label = "Open alerts"
    let closedView: ClosedAlerts
    let calm = Empty(
        "No open alert",
        "An alert opens when a feature's stability index passes its threshold, and closes when it comes back.")

    struct ClosedAlerts {
        var label: String
        var alerts: [AlertRow]
    }

    package init(
        _ deployments: [(deployment: Deployment, report: DriftReport?)], open: [DriftAlert], closed: [DriftAlert],
        now: Timestamp
    ) {
        rows = deployments.map { deployment, report in
            let worst = report?.features.max { $0.psi < $1.psi }
            return Row(
                name: deployment.name, href: Format.link("monitoring", deployment.name),
                model: "\(deployment.model) · version \(deployment.version)",
                worst: Format.number(worst?.psi, digits: 3), worstFeature: worst?.feature ?? "–",
                level: worst.map { DriftLevel.badge($0.psi) } ?? Badge("not checked yet"),
                rows: report.map { Format.count($0.rows) } ?? "–",
                checked: report.map { TimeText($0.at, now: now) })
        }
        alerts = open.map { AlertRow($0, now: now) }
        self.closed = closed.map { AlertRow($0, now: now) }
        hasClosed = !closed.isEmpty
        closedView = ClosedAlerts(label: "Closed alerts", alerts: self.closed)
    }
}

/// `/monitoring/{deployment}`: drift per feature.
package struct DriftPage: DashboardPage {
    struct Feature {
        var name: String
        var level: Badge
        var psi: String
        var ks: String?
        var pValue: String?
        var missingThen: String
        var missingNow: String
        var chart: Markup
    }

    package let template = "drift"
    package let title: String
    package let section = Section.monitoring
    package let path: String
    package let trail = [Crumb("Monitoring", "/monitoring")]
    package let events = ["alert", "drift", "deployment"]

    let deploymentHref: String
    let checkPath: String
    let hasReport: Bool
    let stats: [Stat]
    let bars: Markup?
    let features: [Feature]
    let alerts: [AlertRow]
    let label = "Alerts of this deployment"
    let history: Markup?
    let failure: String?
    let failureHint: String?
    let empty: Empty

    /// - Parameter reports: newest first; the first is shown.
    package init(
        _ deployment: Deployment, reports: [DriftReport], alerts: [DriftAlert], failure: NestboxError?, now: Timestamp
    ) {
        title = deployment.name
        path = Format.link("monitoring", deployment.name)
        deploymentHref = Format.link("deployments", deployment.name)
        checkPath = path + "/check"
        let report = reports.first
        hasReport = report != nil
        let sorted = (report?.features ?? []).sorted { $0.psi > $1.psi }
        let moved = sorted.filter { $0.psi > DriftLevel.act }.count
        stats =
            report.map { report in
                [
                    Stat("Features", Format.count(sorted.count)),
                    Stat("Drifted", Format.count(moved), "PSI above \(Format.number(DriftLevel.act))"),
                    Stat("Rows compared", Format.count(report.rows)), Stat("Checked", Format.ago(report.at, now: now)),
                    Stat("Version", "\(report.version)", "of \(report.model)"),
                ]
            } ?? []
        bars =
            sorted.isEmpty
            ? nil
            : BarChart(
                bars: sorted.map { .init(name: $0.feature, value: $0.psi, style: DriftLevel.fill($0.psi)) },
                label: "Population stability index by feature",
                limits: [DriftLevel.watch, DriftLevel.act], cap: 1
            ).markup()
        features = sorted.map(Self.feature)
        self.alerts = alerts.map { AlertRow($0, now: now) }
        history = Self.history(reports)
        self.failure = failure?.message
        failureHint = failure?.hint
        empty = Empty(
            "Not checked yet", "The first comparison runs once enough predictions are logged.",
            command: "nestbox drift \(deployment.name)")
    }

    private static func feature(_ item: FeatureDriftReport) -> Feature {
        Feature(
            name: item.feature, level: DriftLevel.badge(item.psi), psi: Format.number(item.psi, digits: 3),
            ks: item.ks.map { Format.number($0, digits: 3) },
            pValue: item.ksPValue.map { $0 < 1e-6 ? "< 1e−6" : Format.number($0, digits: 2) },
            missingThen: Format.percent(item.baselineNullRate),
            missingNow: Format.percent(item.currentNullRate),
            chart: PairedHistogram(
                bins: item.bins.map { ($0.label, $0.baseline, $0.current) },
                label: "\(item.feature): shares in training and now",
                style: DriftLevel.style(item.psi)
            ).markup())
    }

    /// The highest index of each report over time, once there are a few.
    private static func history(_ reports: [DriftReport]) -> Markup? {
        guard reports.count > 2, let newest = reports.first else { return nil }
        let points: [(x: Double, y: Double)] = reports.reversed().map { report in
            let highest = report.features.map(\.psi).max() ?? Double.nan
            return (x: -newest.at.seconds(since: report.at) / 60, y: highest)
        }
        var chart = LineChart(
            series: [.init(name: "highest PSI", points: points)],
            label: "Highest stability index over time, in minutes before the last check")
        (chart.width, chart.height) = (980, 200)
        return chart.markup()
    }
}

/// Any error, as a page.
package struct ErrorPageView: DashboardPage {
    package let template = "error"
    package let title: String
    package let section = Section.overview
    package let path = ""

    let status: String
    let message: String
    let hint: String?

    package init(_ error: NestboxError, status: Int) {
        self.status = "\(status)"
        title =
            switch error.code {
            case .notFound: "Not found"
            case .unauthenticated: "Access token wanted"
            case .internalError, .unavailable, .storageFull: "Something is wrong"
            default: "That did not work"
            }
        message =
            error.message.prefix(1).uppercased() + error.message.dropFirst() + (error.message.hasSuffix(".") ? "" : ".")
        hint = error.hint
    }
}
