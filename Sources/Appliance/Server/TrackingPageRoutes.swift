import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// Experiments, runs and the files of runs.
enum TrackingPageRoutes {
    /// Runs per page of an experiment, and points per metric of a chart.
    static let runsPerPage = 500
    static let pointsPerMetric = 25_000
    static let listedFiles = 400

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
            PageRoutes.page("/runs/{id}", "One run") { call in try await run(try call.parameter("id"), appliance) }(
                appliance),
            artifact(appliance),
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

    private static func run(_ id: String, _ appliance: Appliance) async throws -> RunPage {
        let tracking = appliance.tracking
        let run = try await tracking.run(id: id)
        let experiment = try await tracking.experiment(id: run.experimentID)
        var histories: [String: [MetricPoint]] = [:], cut: Set<String> = []
        for key in Set(run.metrics.map(\.key)) {
            let page = try await tracking.metricHistory(
                runID: id, key: key, maxResults: pointsPerMetric, pageToken: nil)
            histories[key] = page.items
            if page.nextPageToken != nil { cut.insert(key) }
        }
        let siblings = try await tracking.runs(RunSearch(experimentIDs: [run.experimentID], maxResults: 1000)).items
        var parent: Run?
        if let parentID = run.parentID {
            // A parent that was removed for good leaves the child without a way up, not without a page.
            parent = try await optional { try await tracking.run(id: parentID) }
        }
        let (files, isCut) = try await files(below: run.artifactPath, appliance)
        let versions = try await appliance.registry.versions(of: nil, maxResults: 1000, pageToken: nil).items
        var input = RunInputs(
            run: run, experiment: experiment, histories: histories, artifacts: files,
            importance: try await importance(run, files, appliance),
            children: siblings.filter { $0.parentID == id && $0.id != id },
            parent: parent, versions: versions.filter { $0.runID == id })
        input.cutHistories = cut
        input.artifactsAreCut = isCut
        return RunPage(input, now: PageRoutes.now)
    }

    static func optional<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
        do { return try await body() } catch let error as NestboxError where error.code == .notFound { return nil }
    }

    /// The files below a folder, with paths relative to it.
    private static func files(below root: String, _ appliance: Appliance) async throws -> ([ArtifactEntry], Bool) {
        var found: [ArtifactEntry] = [], folders = [root]
        while let folder = folders.popLast() {
            for entry in try await appliance.artifacts.list(folder) {
                if entry.isDirectory {
                    folders.append(entry.path)
                } else if found.count < listedFiles {
                    var relative = entry
                    if entry.path.hasPrefix(root + "/") { relative.path = String(entry.path.dropFirst(root.count + 1)) }
                    found.append(relative)
                } else {
                    return (found.sorted { $0.path < $1.path }, true)
                }
            }
        }
        return (found.sorted { $0.path < $1.path }, false)
    }

    /// `feature_importance.json`: a list of `{"feature": …, "importance": …}`, or an object of shares by feature.
    private static func importance(
        _ run: Run, _ files: [ArtifactEntry], _ appliance: Appliance
    ) async throws -> [(feature: String, share: Double)] {
        guard let file = files.first(where: { $0.path.hasSuffix("feature_importance.json") }),
            (file.size ?? 0) < 1 << 20
        else { return [] }
        let data = try await appliance.artifacts.read("\(run.artifactPath)/\(file.path)", limit: 1 << 20)
        // Anybody may log a file of that name with something else inside; then there is no chart.
        guard let value = try? JSON.decode(JSONValue.self, from: data) else { return [] }
        if let object = value.objectValue {
            return object.compactMap { name, share in share.doubleValue.map { (name, $0) } }
        }
        return (value.arrayValue ?? []).compactMap { item in
            guard let name = item["feature"]?.stringValue,
                let share = (item["share"] ?? item["importance"] ?? item["gain"])?.doubleValue
            else { return nil }
            return (name, share)
        }
    }

    /// A file of a run, always as a download: what was logged may be HTML, and must not run as a page of this server.
    private static func artifact(_ appliance: Appliance) -> Route {
        PageRoutes.hidden(.get, "/runs/{id}/artifacts/**", "A file of a run") { call in
            let run = try await appliance.tracking.run(id: try call.parameter("id"))
            let path = try ArtifactPath.normalize("\(run.artifactPath)/\(try call.rest)")
            let (entry, body) = try await appliance.artifacts.open(path, range: nil)
            let name = entry.path.split(separator: "/").last.map(String.init) ?? "artifact"
            var response = Response.stream(body, type: "application/octet-stream")
            response.headers[.contentDisposition] = "attachment; filename*=UTF-8''\(Format.encoded(name))"
            response.headers[.contentSecurityPolicy] = "default-src 'none'; sandbox"
            if let digest = entry.digest { response.headers[.eTag] = "\"\(digest)\"" }
            return response
        }
    }
}
