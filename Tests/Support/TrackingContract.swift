import Contracts
import Core
import Foundation
import Testing

/// What every `Tracking` keeps to. Makes experiments of its own, so that it can run against a server in use.
package func checkTracking(_ tracking: any Tracking & LoggedModelStore) async throws {
    try await checkExperiments(tracking)
    try await checkExperimentLifecycle(tracking)
    try await checkExperimentPages(tracking)
    try await checkRuns(tracking)
    try await checkRunNames(tracking)
    try await checkRunLifecycle(tracking)
    try await checkLogging(tracking)
    try await checkLatestMetric(tracking)
    try await checkNonFiniteMetrics(tracking)
    try await checkBatchIsAllOrNothing(tracking)
    try await checkLoggingRules(tracking)
    try await checkTagsAndInputs(tracking)
    try await checkMetricHistory(tracking)
    try await checkRunOrder(tracking)
    try await checkRunPages(tracking)
    try await checkMetricSamples(tracking)
    try await checkDatasetSummaries(tracking)
    try await checkLoggedModels(tracking)
    try await checkLoggedModelMetrics(tracking)
    try await checkModelsOfRuns(tracking)
    try await checkRunLinks(tracking)
    try await checkModelsMadeByRuns(tracking)
    try await checkLoggedModelSearch(tracking)
    try await checkLoggedModelOrder(tracking)
    try await checkRunSearch(tracking)
    try await checkExperimentSearch(tracking)
}

func unique(_ name: String) -> String { "\(name)-\(UUID().uuidString.prefix(8))" }

func newExperiment(_ tracking: any Tracking, _ name: String) async throws -> Experiment {
    try await tracking.createExperiment(name: unique(name), artifactLocation: nil, tags: [:])
}

func point(_ key: String, _ value: Double, step: Int64 = 0, at time: Int64 = 1_700_000_000_000) -> MetricPoint {
    MetricPoint(key: key, value: value, timestamp: Timestamp(milliseconds: time), step: step)
}

package func checkExperiments(_ tracking: any Tracking) async throws {
    let home = try await tracking.experiment(id: "0")
    #expect(home.name == "Default")
    #expect(home.lifecycleStage == .active)

    let name = unique("flights")
    let made = try await tracking.createExperiment(name: name, artifactLocation: nil, tags: ["team": "ops"])
    #expect(Int64(made.id) ?? 0 > 0)
    #expect(made.name == name)
    #expect(made.artifactLocation == "mlflow-artifacts:/\(made.id)")
    #expect(made.tags == ["team": "ops"])
    #expect(made.createdAt == made.updatedAt)
    #expect(try await tracking.experiment(id: made.id) == made)
    #expect(try await tracking.experiment(named: name) == made)
    #expect(try await tracking.ensureExperiment(named: name).id == made.id)
    let located = try await tracking.createExperiment(name: unique("s3"), artifactLocation: "s3://bucket/x", tags: [:])
    #expect(located.artifactLocation == "s3://bucket/x")

    try await tracking.setExperimentTag(id: made.id, key: "team", value: "data")
    #expect(try await tracking.experiment(id: made.id).tags == ["team": "data"])

    await expectError(.alreadyExists, mentions: name) {
        try await tracking.createExperiment(name: name, artifactLocation: nil, tags: [:])
    }
    await expectError(.invalidArgument) {
        try await tracking.createExperiment(name: "", artifactLocation: nil, tags: [:])
    }
    await expectError(.notFound, mentions: "999999999") { try await tracking.experiment(id: "999999999") }
    await expectError(.invalidArgument, mentions: "abc") { try await tracking.experiment(id: "abc") }
    let missing = unique("missing")
    await expectError(.notFound, mentions: missing) { try await tracking.experiment(named: missing) }
}

package func checkExperimentLifecycle(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "life")
    let other = try await newExperiment(tracking, "other")
    let renamed = unique("renamed")
    try await tracking.renameExperiment(id: experiment.id, to: renamed)
    #expect(try await tracking.experiment(id: experiment.id).name == renamed)
    await expectError(.notFound) { try await tracking.experiment(named: experiment.name) }
    await expectError(ContractProfile.lacks(.mistakes) ? .invalidArgument : .alreadyExists) {
        try await tracking.renameExperiment(id: experiment.id, to: other.name)
    }
    await expectError(.notFound) { try await tracking.renameExperiment(id: "999999999", to: unique("x")) }

    try await tracking.setExperimentTag(id: experiment.id, key: "k", value: "v")
    #expect(try await tracking.experiment(id: experiment.id).tags == ["k": "v"])
    try await tracking.setExperimentTag(id: experiment.id, key: "k", value: nil)
    #expect(try await tracking.experiment(id: experiment.id).tags.isEmpty)
    await expectError(.notFound, mentions: "`k`") {
        try await tracking.setExperimentTag(id: experiment.id, key: "k", value: nil)
    }

    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    try await tracking.deleteExperiment(id: experiment.id)
    #expect(try await tracking.experiment(id: experiment.id).lifecycleStage == .deleted)
    #expect(try await tracking.run(id: run.id).lifecycleStage == .deleted)
    await expectError(.invalidArgument) { try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 1)])) }
    await expectError(.invalidArgument) { try await tracking.createRun(NewRun(experimentID: experiment.id)) }
    await expectError(.invalidArgument) { try await tracking.setExperimentTag(id: experiment.id, key: "k", value: "v") }
    await expectError(.invalidArgument) { try await tracking.setExperimentTag(id: experiment.id, key: "k", value: nil) }
    await expectError(.conflict) { try await tracking.renameExperiment(id: experiment.id, to: unique("x")) }
    await expectError(.notFound) { try await tracking.deleteExperiment(id: experiment.id) }
    // The name stays taken, so that restoring cannot fail.
    await expectError(.alreadyExists) {
        try await tracking.createExperiment(name: renamed, artifactLocation: nil, tags: [:])
    }

    try await tracking.restoreExperiment(id: experiment.id)
    #expect(try await tracking.experiment(id: experiment.id).lifecycleStage == .active)
    #expect(try await tracking.run(id: run.id).lifecycleStage == .active)
    try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 1)]))
    await expectError(.notFound) { try await tracking.restoreExperiment(id: experiment.id) }
    await expectError(.notFound) { try await tracking.deleteExperiment(id: "999999999") }
}

package func checkExperimentPages(_ tracking: any Tracking) async throws {
    var made: Set<String> = []
    for index in 0..<5 { made.insert(try await newExperiment(tracking, "page\(index)").id) }
    let deleted = try await newExperiment(tracking, "page-deleted")
    try await tracking.deleteExperiment(id: deleted.id)
    func all(_ view: ViewType) async throws -> [Experiment] {
        var found: [Experiment] = [], token: String?
        repeat {
            let page = try await tracking.experiments(view: view, maxResults: 2, pageToken: token)
            #expect(page.items.count <= 2)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        #expect(Set(found.map(\.id)).count == found.count)
        return found
    }
    let active = try await all(.activeOnly)
    #expect(made.isSubset(of: active.map(\.id)))
    #expect(active.allSatisfy { $0.lifecycleStage == .active })
    let gone = try await all(.deletedOnly)
    #expect(gone.contains { $0.id == deleted.id })
    #expect(gone.allSatisfy { $0.lifecycleStage == .deleted })
    #expect(try await all(.all).count >= active.count)
    await expectError(.invalidArgument) { try await tracking.experiments(view: .all, maxResults: 0, pageToken: nil) }
    await expectError(.invalidArgument) { try await tracking.experiments(view: .all, maxResults: 5, pageToken: "?!") }
}

package func checkRuns(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "runs")
    let start = Timestamp(milliseconds: 1_600_000_000_000)
    let run = try await tracking.createRun(
        NewRun(experimentID: experiment.id, name: "first", user: "ada", startTime: start, tags: ["kind": "test"]))
    #expect(run.id.count == 32 && run.id.allSatisfy(\.isHexDigit))
    #expect(run.experimentID == experiment.id)
    #expect(run.name == "first" && run.user == "ada")
    #expect(run.status == .running && run.endTime == nil && run.lifecycleStage == .active)
    #expect(run.startTime == start)
    #expect(run.artifactURI == "mlflow-artifacts:/\(experiment.id)/\(run.id)/artifacts")
    #expect(run.tags == ["kind": "test", "mlflow.runName": "first"])
    #expect(run.params.isEmpty && run.metrics.isEmpty && run.inputs.isEmpty)
    #expect(try await tracking.run(id: run.id) == run)

    let end = Timestamp(milliseconds: 1_600_000_060_000)
    let finished = try await tracking.updateRun(id: run.id, RunUpdate(status: .finished, endTime: end))
    #expect(finished.status == .finished && finished.endTime == end)
    #expect(finished.name == "first")
    for status in RunStatus.allCases {
        #expect(try await tracking.updateRun(id: run.id, RunUpdate(status: status)).status == status)
    }

    await expectError(.notFound, mentions: "no-such-run") { try await tracking.run(id: "no-such-run") }
    await expectError(.notFound) { try await tracking.updateRun(id: "no-such-run", RunUpdate(status: .failed)) }
    await expectError(.notFound, mentions: "999999999") {
        try await tracking.createRun(NewRun(experimentID: "999999999"))
    }
}

package func checkRunNames(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "names")
    let unnamed = try await tracking.createRun(NewRun(experimentID: experiment.id))
    #expect(!unnamed.name.isEmpty)
    #expect(unnamed.tags["mlflow.runName"] == unnamed.name)
    let tagged = try await tracking.createRun(NewRun(experimentID: experiment.id, tags: ["mlflow.runName": "by tag"]))
    #expect(tagged.name == "by tag")
    let renamed = try await tracking.updateRun(id: tagged.id, RunUpdate(name: "second"))
    #expect(renamed.name == "second" && renamed.tags["mlflow.runName"] == "second")
    #expect(renamed.status == .running && renamed.endTime == nil)
    try await tracking.log(runID: tagged.id, LogBatch(tags: ["mlflow.runName": "third"]))
    #expect(try await tracking.run(id: tagged.id).name == "third")
    await expectError(.invalidArgument, mentions: "one", "two") {
        try await tracking.createRun(NewRun(experimentID: experiment.id, name: "one", tags: ["mlflow.runName": "two"]))
    }
}

package func checkRunLifecycle(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "run-life")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let kept = try await tracking.createRun(NewRun(experimentID: experiment.id))
    try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 1)]))
    try await tracking.deleteRun(id: run.id)
    #expect(try await tracking.run(id: run.id).lifecycleStage == .deleted)
    await expectError(.invalidArgument, mentions: run.id) {
        try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 2)]))
    }
    await expectError(.invalidArgument) { try await tracking.log(runID: run.id, LogBatch(params: ["p": "1"])) }
    await expectError(.invalidArgument) { try await tracking.updateRun(id: run.id, RunUpdate(status: .finished)) }
    func ids(_ view: ViewType) async throws -> Set<String> {
        Set(try await tracking.runs(RunSearch(experimentIDs: [experiment.id], view: view)).items.map(\.id))
    }
    #expect(try await ids(.activeOnly) == [kept.id])
    #expect(try await ids(.deletedOnly) == [run.id])
    #expect(try await ids(.all) == [kept.id, run.id])

    try await tracking.restoreRun(id: run.id)
    try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 3, step: 1)]))
    #expect(try await tracking.run(id: run.id).metric("m") == 3)
    await expectError(.notFound) { try await tracking.deleteRun(id: "no-such-run") }
    await expectError(.notFound) { try await tracking.restoreRun(id: "no-such-run") }
}
