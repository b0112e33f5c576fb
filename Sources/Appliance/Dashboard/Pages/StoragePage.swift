import Contracts
import Core

/// What the page of storage is made from.
package struct StorageInput: Sendable {
    /// Name and bytes of each database file.
    package var files: [(name: String, bytes: Int64)] = []
    package var artifacts = ReclaimedSpace(objects: 0, bytes: 0)
    package var datasetVersions = 0
    /// Newest first.
    package var collections: [(at: Timestamp, actor: String, report: GarbageReport)] = []
    /// Experiments with a rule.
    package var rules: [(experiment: Experiment, rule: RetentionRule)] = []
    package var keptDeletedDays: Double?

    package init() {}
}

/// `/storage`
package struct StoragePage: DashboardPage {
    struct Collection {
        var at: TimeText
        var actor: String
        var removed: String
        var files: String
        var freed: String
    }

    struct Rule {
        var name: String
        var href: String
        var runs: String
        var traces: String
    }

    package let template = "storage"
    package let title = "Storage"
    package let section = Section.overview
    package let path = "/storage"
    package let events = ["garbage", "experiment", "artifact"]

    let stats: [Stat]
    let keptDeleted: String
    let collections: [Collection]
    let rules: [Rule]
    let noCollections = Empty(
        "Nothing was collected yet",
        "Every hour the server removes what was deleted long enough ago, and says here what that gave back.",
        command: "nestbox gc --older-than 0")
    let noRules = Empty(
        "Every experiment keeps everything",
        "Give an experiment the tag \(RetentionRule.runsTag) or \(RetentionRule.tracesTag), in days, and older runs or traces go by themselves.",
        command: "mlflow.set_experiment_tag(\"\(RetentionRule.runsTag)\", \"90\")")

    package init(_ input: StorageInput, now: Timestamp) {
        stats =
            input.files.map { Stat($0.name, Format.bytes($0.bytes)) }
            + [
                Stat("Artifacts", Format.bytes(input.artifacts.bytes), Format.counted(input.artifacts.objects, "file")),
                Stat(
                    "Freed so far", Format.bytes(input.collections.reduce(0) { $0 + $1.report.bytes }),
                    input.collections.isEmpty
                        ? nil : "in the last \(Format.counted(input.collections.count, "collection"))"),
            ]
        keptDeleted =
            input.keptDeletedDays.map { "What is deleted can be restored for \(Format.number($0)) days." }
            ?? "What is deleted can be restored for ever."
        collections = input.collections.map { item in
            let report = item.report
            let parts = [
                (report.runs, "run"), (report.loggedModels, "logged model"), (report.experiments, "experiment"),
                (report.traces, "trace"), (report.points, "point"),
            ].filter { $0.0 > 0 }.map { Format.counted($0.0, $0.1) }
            return Collection(
                at: TimeText(item.at, now: now), actor: item.actor,
                removed: parts.isEmpty ? "–" : parts.joined(separator: ", "),
                files: Format.count(report.artifacts.objects), freed: Format.bytes(report.bytes))
        }
        rules = input.rules.map { item in
            Rule(
                name: item.experiment.name, href: Format.link("experiments", item.experiment.id),
                runs: item.rule.runDays.map { Format.counted($0, "day") } ?? "for ever",
                traces: item.rule.traceDays.map { Format.counted($0, "day") } ?? "for ever")
        }
    }
}
