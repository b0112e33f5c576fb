import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Deleting really frees, by reference.
@Suite struct GarbageTests {
    private func collect(_ server: ServerProcess) async throws -> GarbageReport {
        try await server.remote.client.send(
            .POST, "/api/v1/garbage-collection", body: GarbageRequest(olderThanDays: 0))
    }

    /// A new database may have pages to give back all the same.
    private func removedNothing(_ report: GarbageReport) -> Bool {
        var report = report
        report.databaseBytes = 0
        return report.isEmpty
    }

    /// A finished run with points and a file of `bytes`.
    private func run(_ server: ServerProcess, _ experiment: String, bytes: Int) async throws -> Run {
        let tracking = server.remote.tracking
        let run = try await tracking.createRun(NewRun(experimentID: experiment))
        let points = (0..<900).map {
            MetricPoint(key: "m", value: Double($0), timestamp: Timestamp(milliseconds: 1), step: Int64($0))
        }
        try await tracking.log(runID: run.id, LogBatch(metrics: points, params: ["p": "1"], tags: ["t": "1"]))
        let body = Data((0..<bytes).map { _ in UInt8.random(in: 0...255) })
        _ = try await server.remote.artifacts.put("\(run.artifactPath)/model/weights.bin", body)
        return try await tracking.updateRun(
            id: run.id, RunUpdate(status: .finished, endTime: Timestamp(milliseconds: 1_600_000_000_000)))
    }

    @Test func whatWasDeletedGoesExceptWhatAVersionNeeds() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let remote = server.remote
        let plain = try await run(server, "0", bytes: 300_000), registered = try await run(server, "0", bytes: 200_000)
        let kept = try await run(server, "0", bytes: 1000)
        _ = try await remote.registry.createModel(name: "m", description: "", tags: [:])
        let version = try await remote.registry.createVersion(
            NewModelVersion(name: "m", source: "\(registered.artifactURI)/model", runID: registered.id))
        #expect(removedNothing(try await collect(server)))

        for run in [plain, registered] { try await remote.tracking.deleteRun(id: run.id) }
        let report = try await collect(server)
        #expect(report.runs == 1 && report.keptForVersions == 1 && report.points == 1800)
        #expect(report.artifacts == ReclaimedSpace(objects: 1, bytes: 300_000))
        for run in [plain, registered] {
            await expectError(.notFound, mentions: run.id) { try await remote.tracking.run(id: run.id) }
        }
        let file = "\(registered.artifactPath)/model/weights.bin"
        #expect(try await remote.artifacts.read(file).count == 200_000)
        #expect(try await remote.tracking.run(id: kept.id).metric("m") == 899)

        try await remote.registry.deleteVersion("m", version.version)
        let second = try await collect(server)
        #expect(second.runs == 1 && second.artifacts == ReclaimedSpace(objects: 1, bytes: 200_000))
        await expectError(.notFound) { try await remote.artifacts.read(file) }
        let page = String(decoding: try await server.remote.client.send(.GET, "/storage"), as: UTF8.self)
        #expect(page.contains("1 run, 1,800 points") && page.contains("200 KB"))
    }

    @Test func aDeletedExperimentTakesEverythingAlong() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let experiment = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
        let run = try await run(server, experiment.id, bytes: 1000)
        let model = try await tracking.createLoggedModel(
            NewLoggedModel(experimentID: experiment.id, name: "net", sourceRunID: run.id))
        let place = try ArtifactPath.path(ofURI: model.artifactURI)
        _ = try await server.remote.artifacts.put("\(place)/MLmodel", Data("flavors: {}".utf8))
        let trace = try await server.remote.traces.begin(
            experimentID: experiment.id, at: Timestamp(milliseconds: 5), metadata: [:], tags: [:])
        try await tracking.deleteExperiment(id: experiment.id)
        let report = try await collect(server)
        #expect(report.runs == 1 && report.loggedModels == 1 && report.experiments == 1 && report.traces == 1)
        #expect(report.artifacts.objects == 2)
        await expectError(.notFound) { try await tracking.experiment(id: experiment.id) }
        await expectError(.notFound) { try await tracking.loggedModel(id: model.id, includingDeleted: true) }
        await expectError(.notFound) { try await server.remote.traces.info(id: trace.id) }
        #expect(removedNothing(try await collect(server)))
        // The name is free again.
        _ = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
    }

    @Test func anExperimentKeepsWhatItsRuleSays() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let experiment = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
        let old = try await run(server, experiment.id, bytes: 10)
        let open = try await tracking.createRun(
            NewRun(experimentID: experiment.id, startTime: Timestamp(milliseconds: 1)))
        for value in ["0", "-1", "ten", ""] {
            await expectError(.invalidArgument, mentions: RetentionRule.runsTag) {
                try await tracking.setExperimentTag(id: experiment.id, key: RetentionRule.runsTag, value: value)
            }
        }
        #expect(removedNothing(try await collect(server)))
        try await tracking.setExperimentTag(id: experiment.id, key: RetentionRule.runsTag, value: "30")
        let report = try await collect(server)
        #expect(report.expiredRuns == 1 && report.runs == 1)
        await expectError(.notFound) { try await tracking.run(id: old.id) }
        #expect(try await tracking.run(id: open.id).status == .running)
    }
}
