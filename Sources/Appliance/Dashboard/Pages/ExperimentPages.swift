import Contracts
import Core

/// `/experiments`
package struct ExperimentsPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var id: String
        var updated: TimeText
        var created: TimeText
    }

    package let template = "experiments"
    package let title = "Experiments"
    package let section = Section.experiments
    package let path = "/experiments"
    package let events = ["experiment", "run", "metrics"]

    let rows: [Row]
    let next: String?
    let empty = Empty(
        "No experiment yet", "A recipe names its experiment; MLflow clients create one with set_experiment.",
        command: "nestbox train samples/flights/quick.yaml")

    /// - Parameter next: the address of the next page, when there is one.
    package init(_ experiments: [Experiment], next: String?, now: Timestamp) {
        rows = experiments.map {
            Row(
                name: $0.name, href: Format.link("experiments", $0.id), id: $0.id,
                updated: TimeText($0.updatedAt, now: now),
                created: TimeText($0.createdAt, now: now))
        }
        self.next = next
    }
}

/// `/experiments/{id}`: the run table.
package struct ExperimentPage: DashboardPage {
    struct Column {
        var label: String
        var href: String
        var sort: String?
        var style: String
    }

    struct Value {
        var text: String
        var isBest: Bool
    }

    struct Row {
        var name: String
        var href: String
        var rowStyle: String
        var status: Badge
        var started: TimeText
        var duration: String
        var metrics: [Value]
        var params: [String]
    }

    package let template = "experiment"
    package let title: String
    package let section = Section.experiments
    package let path: String
    package let trail = [Crumb("Experiments", "/experiments")]
    package let events = ["experiment", "run", "metrics"]

    let id: String
    let tracesHref: String
    let hasRuns: Bool
    let summary: String
    let columns: [Column]
    let params: [String]
    let rows: [Row]
    let tags: [Pair]
    let paramsNote: String?
    let allParamsHref: String
    let next: String?
    let empty = Empty(
        "No run yet", "Runs appear here as soon as they start.", command: "nestbox train samples/flights/quick.yaml")

    /// - Parameter sort: `metrics.auc`, `params.num_leaves`, `name`, `status`, `duration` or `start`; anything else is `start`.
    /// - Parameter allParams: also the parameters in which the runs do not differ.
    package init(
        _ experiment: Experiment, runs: [Run], sort: String?, ascending: Bool, allParams: Bool, next: String?,
        now: Timestamp
    ) {
        id = experiment.id
        title = experiment.name
        path = Format.link("experiments", experiment.id)
        tracesHref = "/traces?experiment=\(Format.encoded(experiment.id))"
        hasRuns = !runs.isEmpty
        self.next = next
        let metricKeys = MetricOrder.sorted(Set(runs.flatMap { $0.metrics.map(\.key) }))
        let differing = Self.paramKeys(runs, all: false), every = Self.paramKeys(runs, all: true)
        params = allParams ? every : differing
        let same = every.count - differing.count
        paramsNote =
            same == 0 || runs.isEmpty
            ? nil : allParams ? "Only what differs" : "Show \(Format.counted(same, "parameter")) equal in all runs"
        allParamsHref = allParams ? path : "\(path)?params=all"
        let order = RunOrdering(key: sort ?? "start", ascending: ascending)
        let best = Dictionary(uniqueKeysWithValues: metricKeys.map { ($0, Self.best($0, runs)) })
        columns = Self.columns(metricKeys, params: params, order: order, path: path, allParams: allParams)
        let shown = params
        rows = order.nested(runs).map { run, isChild in
            Row(
                name: run.name, href: Format.link("runs", run.id), rowStyle: isChild ? "child" : "",
                status: Badge(run.status),
                started: TimeText(run.startTime, now: now), duration: RunView.duration(run, now: now),
                metrics: metricKeys.map { key in
                    let value = run.metric(key)
                    return Value(
                        text: Format.number(value),
                        isBest: value != nil && runs.count > 1 && value == best[key, default: nil])
                },
                params: shown.map { run.params[$0].map { Format.short($0, 40) } ?? "–" })
        }
        let running = runs.filter { $0.status == .running }.count
        summary =
            Format.counted(runs.count, "run") + (next == nil ? "" : " on this page")
            + (running > 0 ? ", \(running) running" : "")
        tags = experiment.tags.sorted { $0.key < $1.key }.map { Pair($0.key, $0.value) }
    }

    static func paramKeys(_ runs: [Run], all: Bool) -> [String] {
        let keys = Set(runs.flatMap(\.params.keys)).sorted()
        if all || runs.count < 2 { return keys }
        return keys.filter { key in Set(runs.map { $0.params[key] }).count > 1 }
    }

    /// The best finite value of a metric; nil when its name does not tell which end is good.
    static func best(_ key: String, _ runs: [Run]) -> Double? {
        let values = runs.compactMap { $0.metric(key) }.filter(\.isFinite)
        let words = Set(key.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
        if !words.isDisjoint(with: ["loss", "rmse", "mae", "mse", "error", "mape"]) { return values.min() }
        if !words.isDisjoint(with: ["auc", "accuracy", "acc", "f1", "precision", "recall", "r2", "ap"]) {
            return values.max()
        }
        return nil
    }

    private static func columns(
        _ metrics: [String], params: [String], order: RunOrdering, path: String, allParams: Bool
    ) -> [Column] {
        func column(_ label: String, _ key: String, _ style: String = "") -> Column {
            let isCurrent = order.key == key
            // Numbers are first wanted from the top, names from A.
            let startsAscending = key == "name" || key == "status"
            let ascending = isCurrent ? !order.ascending : startsAscending
            let href =
                "\(path)?sort=\(Format.encoded(key))&order=\(ascending ? "asc" : "desc")"
                + (allParams ? "&params=all" : "")
            return Column(
                label: label, href: href, sort: isCurrent ? (order.ascending ? "ascending" : "descending") : nil,
                style: style)
        }
        return [
            column("Run", "name"), column("Status", "status"), column("Started", "start"),
            column("Duration", "duration", "num"),
        ]
            + metrics.map { column($0, "metrics.\($0)", "num") } + params.map { column($0, "params.\($0)") }
    }
}

/// How a run table is sorted. Child runs follow their parent, in the same order among themselves.
package struct RunOrdering {
    package var key: String
    package var ascending: Bool

    package init(key: String, ascending: Bool) {
        self.key = key
        self.ascending = ascending
    }

    /// The clause that asks a tracking store for the same order, so that it holds across pages of a long list too.
    package var clauses: [String] {
        let direction = ascending ? "ASC" : "DESC"
        for kind in ["metrics", "params"] where key.hasPrefix(kind + ".") {
            let name = key.dropFirst(kind.count + 1)
            return name.isEmpty ? [] : ["\(kind).`\(name)` \(direction)"]
        }
        switch key {
        case "name": return ["run_name \(direction)"]
        case "status": return ["status \(direction)"]
        // A store knows no duration: the page sorts what it has.
        default: return ["start_time \(key == "start" ? direction : "DESC")"]
        }
    }

    package func nested(_ runs: [Run]) -> [(run: Run, isChild: Bool)] {
        let ids = Set(runs.map(\.id))
        let sorted = self.sorted(runs)
        let children = Dictionary(
            grouping: sorted.filter { $0.parentID.map(ids.contains) ?? false && $0.parentID != $0.id }
        ) { $0.parentID ?? "" }
        var rows: [(Run, Bool)] = [], placed: Set<String> = []
        func place(_ run: Run, isChild: Bool) {
            guard placed.insert(run.id).inserted else { return }
            rows.append((run, isChild))
            for child in children[run.id] ?? [] { place(child, isChild: true) }
        }
        for run in sorted where !(run.parentID.map(ids.contains) ?? false) { place(run, isChild: false) }
        // Runs that name each other as parents still have a row.
        for run in sorted { place(run, isChild: false) }
        return rows
    }

    private func sorted(_ runs: [Run]) -> [Run] {
        let keyed = runs.map { ($0, number($0), text($0)) }
        return keyed.sorted { a, b in
            switch (a.1, b.1) {
            case (let x?, let y?) where x != y: return ascending ? x < y : x > y
            // Runs without the value come last whichever way the rest is sorted.
            case (_?, nil): return true
            case (nil, _?): return false
            default: break
            }
            if a.2 != b.2 { return a.2.isEmpty || b.2.isEmpty ? !a.2.isEmpty : (a.2 < b.2) == ascending }
            return a.0.startTime != b.0.startTime ? a.0.startTime > b.0.startTime : a.0.id < b.0.id
        }.map(\.0)
    }

    private func number(_ run: Run) -> Double? {
        if key.hasPrefix("metrics.") { return run.metric(String(key.dropFirst(8))).flatMap { $0.isNaN ? nil : $0 } }
        if key.hasPrefix("params.") {
            return run.params[String(key.dropFirst(7))].flatMap(Double.init).flatMap { $0.isNaN ? nil : $0 }
        }
        switch key {
        case "duration": return run.endTime?.seconds(since: run.startTime)
        case "name", "status": return nil
        default: return Double(run.startTime.milliseconds)
        }
    }

    private func text(_ run: Run) -> String {
        if key.hasPrefix("params.") { return run.params[String(key.dropFirst(7))] ?? "" }
        return key == "name" ? run.name : key == "status" ? run.status.rawValue : ""
    }
}
