import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// The suites that every implementation of a seam keeps, against the remote ones: what a component promises inside the
/// process holds across HTTP.
@Suite struct SeamTests {
    @Test func artifacts() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        try await checkArtifactStore(server.remote.artifacts)
    }

    @Test func datasetsAndFeatures() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        try await checkDatasetStore(server.remote.datasets)
        try await checkFeatureStore(server.remote.features, datasets: server.remote.datasets)
    }

    @Test func trackingAndRegistry() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        try await checkTracking(server.remote.tracking)
        try await checkMetricCurves(server.remote.tracking)
        try await checkRegistry(server.remote.registry)
    }

    @Test func traces() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let experiment = try await server.remote.tracking.createExperiment(
            name: "traces", artifactLocation: nil, tags: [:])
        try await checkTraceStore(server.remote.traces, experiment: experiment.id)
        let measured = try await server.remote.tracking.createExperiment(
            name: "trace metrics", artifactLocation: nil, tags: [:])
        try await checkTraceMetrics(server.remote.traces, experiment: measured.id)
    }

    @Test func jobs() async throws {
        let directory = try TemporaryDirectory()
        // No slots: the suite itself is the worker.
        let server = try await ServerProcess(data: directory.file("data"), arguments: ["--job-slots", "0"])
        try await checkJobQueue(server.remote.jobs) { try await Task.sleep(for: .seconds($0)) }
    }

    @Test func servingAndMonitoring() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"), arguments: ["--monitor-interval", "3600"])
        let remote = server.remote
        var generator = SeededGenerator(seed: 4)
        func row(shift: Double) -> [String: JSONValue] {
            ["x": .number(generator.unit() + shift), "kind": .string(generator.unit() < 0.5 ? "a" : "b")]
        }
        var text = "x,kind,y\n"
        for _ in 0..<2000 {
            let values = row(shift: 0)
            let x = values["x"]!.doubleValue!, kind = values["kind"]!.stringValue!
            text += "\(x),\(kind),\(x > 0.5 || kind == "a" && x > 0.3 ? 1 : 0)\n"
        }
        _ = try await remote.datasets.importVersion(
            DatasetImport(name: "seam", format: .csv, source: "made by the test"), body: ByteStream(Data(text.utf8)))
        for seed in 1...2 {
            let job = try await remote.jobs.train(
                recipe: """
                    name: seam
                    dataset: seam
                    target: y
                    task: binary
                    features: [x, kind]
                    split: {by: seed, seed: \(seed), validation: 0.1, test: 0.1}
                    learner: gradient_boosting
                    parameters: {num_trees: 20}
                    register_as: seam
                    """)
            let ended = try await eventually("the training's end") {
                let now = try await remote.jobs.job(id: job.id)
                return now.state.isFinal ? now : nil
            }
            try #require(ended.state == .succeeded, "\(String(describing: ended.error))")
        }
        let usual = (0..<5000).map { _ in row(shift: 0) }
        try await checkModelServer(
            remote.serving, ModelServerSample(model: "seam", rows: Array(usual.prefix(5)), numericInput: "x"))
        _ = try await remote.serving.deploy(.init(name: "watched", model: "seam", version: "1"))
        try await checkMonitor(
            remote.monitoring, serving: remote.serving,
            MonitorSample(
                deployment: "watched", usual: usual, unusual: (0..<5000).map { _ in row(shift: 3) }, feature: "x"))
    }
}
