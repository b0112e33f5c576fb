import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// Experiments.
enum TrackingPageRoutes {
    /// Runs per page of an experiment.
    static let runsPerPage = 500

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/experiments", "Experiments") { call in
                let page = try await appliance.tracking.experiments(
                    view: .activeOnly, maxResults: 200, pageToken: PageForm(query: call)["page"])
                return ExperimentsPage(
                    page.items, next: page.nextPageToken.map { "/experiments?page=\(Format.encoded($0))" },
                    now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/experiments/{id}", "One experiment with its runs") { call in
                try await experiment(call, appliance)
            }(appliance),
            PageRoutes.hidden(.get, "/experiments/{id}/runs/{run}", "A run by MLflow's kind of address") { call in
                .redirect(to: Format.link("runs", try call.parameter("run")))
            },
        ]
    }

    private static func experiment(_ call: Call, _ appliance: Appliance) async throws -> ExperimentPage {
        let id = try call.parameter("id"), form = PageForm(query: call)
        let experiment = try await appliance.tracking.experiment(id: id)
        let page = try await appliance.tracking.runs(
            RunSearch(
                experimentIDs: [id], maxResults: runsPerPage,
                orderBy: RunOrdering(key: form["sort"] ?? "start", ascending: form["order"] == "asc").clauses,
                pageToken: form["page"]))
        let kept = ["sort", "order", "params"].compactMap { name in form[name].map { "&\(name)=\(Format.encoded($0))" }
        }.joined()
        let next = page.nextPageToken.map { "\(Format.link("experiments", id))?page=\(Format.encoded($0))\(kept)" }
        return ExperimentPage(
            experiment, runs: page.items, sort: form["sort"], ascending: form["order"] == "asc",
            allParams: form["params"] == "all", next: next,
            now: PageRoutes.now)
    }

    static func optional<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
        do { return try await body() } catch let error as NestboxError where error.code == .notFound { return nil }
    }
}
