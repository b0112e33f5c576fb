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
