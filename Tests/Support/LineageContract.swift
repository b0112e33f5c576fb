import Contracts
import Core
import Foundation
import Testing

/// By what runs hang together, over all experiments.
package func checkRunLinks(_ tracking: any Tracking & LoggedModelStore) async throws {
    let here = try await newExperiment(tracking, "links"), there = try await newExperiment(tracking, "links")
    let name = unique("it's data")
    func input(_ name: String, _ digest: String) -> RunInput {
        RunInput(name: name, digest: digest, sourceType: "local", source: "{}")
    }
    func run(_ experiment: Experiment, at time: Int64, _ tags: [String: String] = [:]) async throws -> Run {
        try await tracking.createRun(
            NewRun(experimentID: experiment.id, startTime: Timestamp(milliseconds: time), tags: tags))
    }
    let first = try await run(here, at: 1000)
    let second = try await run(there, at: 2000, ["mlflow.parentRunId": first.id])
    let third = try await run(here, at: 3000, ["mlflow.parentRunId": first.id])
    try await tracking.logInputs(runID: first.id, [input(name, "d1")])
    try await tracking.logInputs(runID: second.id, [input(name, "d1"), input(name, "d2")])
    try await tracking.logInputs(runID: third.id, [input(name, "d2"), input(unique("other"), "d1")])
    func ids(_ link: RunLink, limit: Int = 10) async throws -> [String] {
        try await tracking.runs(link, limit: limit).map(\.id)
    }
    #expect(try await ids(.reading(dataset: name, digest: "d1")) == [second.id, first.id])
    #expect(try await ids(.reading(dataset: name, digest: "d2"), limit: 1) == [third.id])
    #expect(try await ids(.reading(dataset: name, digest: "d3")).isEmpty)
    #expect(try await ids(.children(of: first.id)) == [third.id, second.id])
    #expect(try await ids(.children(of: third.id)).isEmpty)

    let model = try await tracking.createLoggedModel(
        NewLoggedModel(experimentID: here.id, name: "m", sourceRunID: first.id))
    _ = try await tracking.finalizeLoggedModel(id: model.id, status: .ready)
    try await tracking.logModelOutputs(runID: first.id, [ModelOutput(modelID: model.id)])
    try await tracking.logModelInputs(runID: second.id, modelIDs: [model.id])
    let measured = point("auc", 0.7)
    try await tracking.log(
        runID: second.id,
        LogBatch(metrics: [measured], modelMetrics: [LoggedModelMetric(modelID: model.id, point: measured)]))
    #expect(try await ids(.making(model: model.id)) == [first.id])
    #expect(try await ids(.using(model: model.id)) == [second.id])

    try await tracking.deleteRun(id: second.id)
    #expect(try await ids(.reading(dataset: name, digest: "d1")) == [second.id, first.id])
    #expect(try await ids(.children(of: first.id)) == [third.id, second.id])
}

package func checkModelsMadeByRuns(_ tracking: any Tracking & LoggedModelStore) async throws {
    let experiment = try await newExperiment(tracking, "made")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let other = try await tracking.createRun(NewRun(experimentID: experiment.id))
    var made: Set<String> = []
    for name in ["a", "b", "c"] {
        made.insert(
            try await tracking.createLoggedModel(
                NewLoggedModel(experimentID: experiment.id, name: name, sourceRunID: run.id)
            ).id)
    }
    _ = try await tracking.createLoggedModel(
        NewLoggedModel(experimentID: experiment.id, name: "d", sourceRunID: other.id))
    #expect(Set(try await tracking.loggedModels(madeBy: run, limit: 10).map(\.id)) == made)
    #expect(try await tracking.loggedModels(madeBy: run, limit: 2).count == 2)
}

/// By what they were made from, versions of any model are found.
package func checkVersionOrigins(_ registry: any ModelRegistry) async throws {
    let name = unique("origins"), root = "s3://bucket/\(UUID().uuidString)/artifacts"
    let run = UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
    _ = try await registry.createModel(name: name, description: "", tags: [:])
    func version(_ source: String, run: String? = nil) async throws {
        _ = try await registry.createVersion(NewModelVersion(name: name, source: source, runID: run))
    }
    try await version(root)
    try await version(root + "/model")
    try await version(root + "-other/model")
    try await version("s3://bucket/elsewhere", run: run)
    func found(_ origin: VersionOrigin, limit: Int = 10) async throws -> Set<Int> {
        Set(try await registry.versions(from: origin, limit: limit).filter { $0.name == name }.map(\.version))
    }
    #expect(try await found(VersionOrigin(sources: [root])) == [1, 2])
    #expect(try await found(VersionOrigin(sources: [root + "/model"])) == [2])
    #expect(try await found(VersionOrigin(runID: run)) == [4])
    #expect(try await found(VersionOrigin(runID: run, sources: [root])) == [1, 2, 4])
    #expect(try await registry.versions(from: VersionOrigin(runID: run, sources: [root]), limit: 2).count == 2)
    #expect(try await found(VersionOrigin()).isEmpty)
    #expect(try await found(VersionOrigin(modelID: "m-none", sources: [root + "/none"])).isEmpty)
}
