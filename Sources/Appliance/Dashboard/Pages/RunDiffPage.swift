import Contracts
import Core

/// `/runs/{a}/diff/{b}`
package struct RunDiffPage: DashboardPage {
    struct Row {
        var key: String
        var a: String
        var b: String
        /// Of numbers: how far the second is from the first.
        var change: String
    }

    struct Group {
        var title: String
        var same: String?
        var rows: [Row]
        var isNumeric: Bool
    }

    package let template = "run-diff"
    package let title: String
    package let section = Section.experiments
    package let path: String
    package let trail: [Crumb]
    package let events = ["run", "metrics"]

    let aName: String
    let aHref: String
    let bName: String
    let bHref: String
    let swapHref: String
    let compareAction: String
    /// What the first can be compared with instead.
    let others: [Choice]
    let groups: [Group]
    let hasGroups: Bool
    /// What is known too little of.
    let note: String?

    /// - Parameter others: runs to compare the first with instead.
    package init(_ diff: RunDiff, experiment: Experiment, others: [Run], now: Timestamp) {
        title = "\(diff.a.name) and \(diff.b.name)"
        path = Format.link("runs", diff.a.id, "diff", diff.b.id)
        trail = [
            Crumb("Experiments", "/experiments"), Crumb(experiment.name, Format.link("experiments", experiment.id)),
            Crumb(diff.a.name, Format.link("runs", diff.a.id)),
        ]
        // Runs of one command are named alike.
        let isAlike = diff.a.name == diff.b.name
        aName = isAlike ? "\(diff.a.name) …\(diff.a.id.suffix(6))" : diff.a.name
        bName = isAlike ? "\(diff.b.name) …\(diff.b.id.suffix(6))" : diff.b.name
        aHref = Format.link("runs", diff.a.id)
        bHref = Format.link("runs", diff.b.id)
        swapHref = Format.link("runs", diff.b.id, "diff", diff.a.id)
        compareAction = Format.link("runs", diff.a.id, "diff")
        var choices = others.filter { $0.id != diff.a.id }.map {
            Choice(
                $0.id, "\(Format.short($0.name, 60)) · \(Format.ago($0.startTime, now: now))",
                $0.id == diff.b.id)
        }
        if !choices.contains(where: \.isChosen) {
            choices.insert(Choice(diff.b.id, Format.short(diff.b.name, 60), true), at: 0)
        }
        self.others = choices
        groups = Self.groups(diff)
        hasGroups = !groups.isEmpty
        let unknown = [diff.a, diff.b].filter { $0.origin == .tags }.map(\.name)
        note =
            unknown.isEmpty
            ? nil
            : "The environment of \(unknown.joined(separator: " and ")) was not captured; only what the client sent is compared."
    }

    private static func groups(_ diff: RunDiff) -> [Group] {
        let metrics = diff.metrics.map { entry in
            Row(
                key: entry.key, a: Format.number(entry.a, digits: 6), b: Format.number(entry.b, digits: 6),
                change: change(entry.a, entry.b))
        }
        return [
            Group(
                title: "Metrics", same: same(diff.same.metrics), rows: metrics, isNumeric: true),
            Group(title: "Parameters", same: same(diff.same.params), rows: rows(diff.params), isNumeric: false),
            Group(title: "Code", same: nil, rows: rows(diff.code), isNumeric: false),
            Group(title: "Data", same: same(diff.same.data), rows: rows(diff.data), isNumeric: false),
            Group(title: "Packages", same: same(diff.same.packages), rows: rows(diff.packages), isNumeric: false),
            Group(title: "Environment", same: nil, rows: rows(diff.environment), isNumeric: false),
        ].filter { !$0.rows.isEmpty }
    }

    private static func same(_ count: Int) -> String? {
        count == 0 ? nil : "\(Format.counted(count, "other is", "others are")) the same"
    }

    private static func rows(_ entries: [RunDiff.Entry]) -> [Row] {
        entries.map {
            Row(key: $0.key, a: Format.short($0.a ?? "–", 2000), b: Format.short($0.b ?? "–", 2000), change: "")
        }
    }

    private static func change(_ a: Double?, _ b: Double?) -> String {
        guard let a, let b, a.isFinite, b.isFinite else { return "" }
        return (b > a ? "+" : "") + Format.number(b - a)
    }
}
