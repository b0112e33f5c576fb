import Contracts
import Core
import Dashboard
import Foundation
import Hummingbird

/// One run, and what tells two runs apart.
enum RunPageRoutes {
    private static let listedChildren = 200
    private static let listedVersions = 100
    private static let listedModels = 50
    /// Runs offered to compare one with.
    private static let listedOthers = 50

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/runs/{id}", "One run") { call in try await run(call, appliance) }(appliance),
            PageRoutes.page("/runs/{id}/diff/{other}", "What tells two runs apart") { call in
                try await diff(try call.parameter("id"), try call.parameter("other"), appliance)
            }(appliance),
            PageRoutes.hidden(.get, "/runs/{id}/diff", "The same, as the page's form asks for it") { call in
                guard let other = call.query("other"), !other.isEmpty else {
                    throw NestboxError.invalid("the query has no `other`", hint: "name a run: ?other=ID")
                }
                return .redirect(to: Format.link("runs", try call.parameter("id"), "diff", other))
            },
        ]
    }

    private static func run(_ call: Call, _ appliance: Appliance) async throws -> RunPage {
        let tracking = appliance.tracking, form = PageForm(query: call)
        let query = RunChartQuery { form[$0] }
        let run = try await tracking.run(id: try call.parameter("id"))
        async let experiment = tracking.experiment(id: run.experimentID)
        async let curves = RunCurves.read(run, query, tracking)
        async let environment = ProvenanceReader(tracking: tracking, artifacts: appliance.artifacts)
            .environment(of: run)
        async let children = tracking.runs(
            RunSearch(
                experimentIDs: [run.experimentID], filter: "tags.`mlflow.parentRunId` = '\(run.id)'",
                maxResults: listedChildren))
        async let previous = tracking.runs(
            RunSearch(
                experimentIDs: [run.experimentID],
                filter: "attributes.start_time < \(run.startTime.milliseconds)", maxResults: 1))
        async let versions = appliance.registry.searchVersions(
            ModelSearch(filter: "run_id = '\(run.id)'", maxResults: listedVersions))
        var parent: Run?
        if let parentID = run.parentID {
            // A parent that was removed for good leaves the child without a way up, not without a page.
            parent = try await TrackingPageRoutes.optional { try await tracking.run(id: parentID) }
        }
        let files = try await ArtifactPageRoutes.listing(below: run.artifactPath, open: "", appliance)
        let found = try await children
        var input = RunInputs(
            run: run, experiment: try await experiment, curves: try await curves, environment: try await environment,
            files: files, importance: try await importance(run, files, appliance),
            children: found.items.filter { $0.id != run.id }, parent: parent, versions: try await versions.items)
        input.previous = try await previous.items.first
        for id in Set(run.modelOutputs.map(\.modelID) + run.modelInputs).sorted().prefix(listedModels) {
            let model = try await TrackingPageRoutes.optional {
                try await tracking.loggedModel(id: id, includingDeleted: true)
            }
            if let model { input.loggedModels.append(model) }
        }
        input.childrenAreCut = found.nextPageToken != nil
        return try await ComputePool.shared.run { [input] in RunPage(input, query: query, now: PageRoutes.now) }
    }

    private static func diff(_ a: String, _ b: String, _ appliance: Appliance) async throws -> RunDiffPage {
        let reader = ProvenanceReader(tracking: appliance.tracking, artifacts: appliance.artifacts)
        let first = try await reader.facts(a), second = try await reader.facts(b)
        let experiment = try await appliance.tracking.experiment(id: first.run.experimentID)
        let others = try await appliance.tracking.runs(
            RunSearch(experimentIDs: [experiment.id], maxResults: listedOthers))
        return try await ComputePool.shared.run {
            RunDiffPage(RunDiff(first, second), experiment: experiment, others: others.items, now: PageRoutes.now)
        }
    }

    /// `feature_importance.json`: a list of `{"feature": …, "importance": …}`, or an object of shares by feature.
    private static func importance(
        _ run: Run, _ files: FileListing, _ appliance: Appliance
    ) async throws -> [(feature: String, share: Double)] {
        guard let file = files.files.first(where: { $0.path.hasSuffix("feature_importance.json") }),
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
}

extension RunCurves {
    /// Charts on one page.
    static let perPage = 24
    /// Readers of the file of points at a time.
    private static let atOnce = 4

    /// The curves of the page that `query` asks for. Metrics with one point have none, so families are read on until the
    /// page is full.
    static func read(_ run: Run, _ query: RunChartQuery, _ tracking: any Tracking) async throws -> RunCurves {
        let families = MetricFamily.all(run.metrics, find: query.find)
        var read = RunCurves(families: [], curves: [:], next: nil, total: families.count)
        var at = min(query.first, families.count), drawn = 0
        while at < families.count, drawn < perPage {
            let some = families[at..<min(families.count, at + perPage - drawn)]
            let curves = try await curves(run.id, some.flatMap(\.keys), query.steps, tracking)
            read.curves.merge(curves) { $1 }
            read.families += some
            drawn += some.count { family in family.keys.contains { (curves[$0]?.count ?? 0) > 1 } }
            at += some.count
        }
        read.next = at < families.count ? at : nil
        return read
    }

    private static func curves(
        _ run: String, _ keys: [String], _ steps: ClosedRange<Int64>?, _ tracking: any Tracking
    ) async throws -> [String: MetricCurve] {
        try await withThrowingTaskGroup(of: (String, MetricCurve).self) { group in
            var found: [String: MetricCurve] = [:], rest = keys[...]
            func add() {
                guard let key = rest.popFirst() else { return }
                group.addTask {
                    let curve = try await tracking.metricCurve(
                        runID: run, key: key, steps: steps, buckets: Int(CurveChart.width))
                    return (key, curve)
                }
            }
            for _ in 0..<atOnce { add() }
            while let (key, curve) = try await group.next() {
                found[key] = curve
                add()
            }
            return found
        }
    }
}
