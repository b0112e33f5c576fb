import Contracts
import Core
import Dashboard
import Foundation

/// Traces: the list with its filter, and one trace's waterfall.
enum TracePageRoutes {
    private static let tracesPerPage = 100
    private static let largestFile = 32 << 20

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/traces", "Traces") { call in try await list(PageForm(query: call), appliance) }(
                appliance),
            PageRoutes.page("/traces/{id}", "One trace: its spans, inputs and outputs") { call in
                try await trace(try call.parameter("id"), appliance)
            }(appliance),
        ]
    }

    private static func list(_ form: PageForm, _ appliance: Appliance) async throws -> TracesPage {
        let experiments = try await appliance.tracking.experiments(view: .activeOnly, maxResults: 1000, pageToken: nil)
            .items
        let chosen = form["experiment"].flatMap { $0.isEmpty ? nil : $0 }
        let filter = form["filter"] ?? ""
        let search = TraceSearch(
            experimentIDs: chosen.map { [$0] } ?? experiments.map(\.id), filter: filter, maxResults: tracesPerPage,
            pageToken: form["page"])
        do {
            let page = try await appliance.traces.search(search)
            let next = page.nextPageToken.map {
                "/traces?page=\(Format.encoded($0))&experiment=\(Format.encoded(chosen ?? ""))&filter=\(Format.encoded(filter))"
            }
            return TracesPage(
                page.items, experiments: experiments, chosen: chosen, filter: filter, failure: nil, next: next,
                now: PageRoutes.now)
        } catch let error as NestboxError where error.code == .invalidArgument {
            return TracesPage(
                [], experiments: experiments, chosen: chosen, filter: filter, failure: error, next: nil,
                now: PageRoutes.now)
        }
    }

    private static func trace(_ id: String, _ appliance: Appliance) async throws -> TracePage {
        var trace = try await appliance.traces.trace(id: id, allowPartial: true)
        let experiment = try await appliance.tracking.experiment(id: trace.info.experimentID)
        // Older clients keep the spans in a file beside the runs' artifacts.
        if trace.spans.isEmpty,
            let folder = try? ArtifactPath.path(ofURI: trace.info.tags[TraceKey.artifactLocation] ?? "")
        {
            let file = try await TrackingPageRoutes.optional {
                try await appliance.artifacts.read("\(folder)/traces.json", limit: largestFile)
            }
            if let file { trace.spans = try TraceFile.decode(file) }
        }
        return TracePage(trace, experiment: experiment, now: PageRoutes.now)
    }
}
