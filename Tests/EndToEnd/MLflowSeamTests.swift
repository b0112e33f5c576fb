import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// The contract suites against a real `mlflow server`: the remote seams alone, then through a Nestbox that uses it. What is
/// not offered there is named in `ContractProfile`.
@Suite struct MLflowSeamTests {
    @Test func everySeamOverARealMLflowServer() async throws {
        guard let python = try clientPython() else { return }
        let directory = try TemporaryDirectory()
        let mlflow = try await MLflowServerProcess(python: python, directory: directory.file("mlflow"))
        let direct = try await MLflowServer.connect(mlflow.url, .init())
        try await ContractProfile.$current.withValue(.mlflow) {
            try await check(direct.tracking, direct.registry, direct.traces, try #require(direct.artifacts))
        }
        let server = try await ServerProcess(
            data: directory.file("data"), arguments: ["--tracking-url", mlflow.url])
        let remote = server.remote
        try await ContractProfile.$current.withValue(.nestboxBeforeMLflow) {
            try await checkRegistry(remote.registry)
            try await checkLogging(remote.tracking)
            try await checkLoggedModels(remote.tracking)
            try await checkArtifactRoundTrip(remote.artifacts, root: "through")
        }
        try await checkOutage(mlflow, remote)
    }

    private func clientPython() throws -> String? {
        let environment = ProcessInfo.processInfo.environment
        if let python = environment["NESTBOX_TEST_PYTHON"] { return python }
        if environment["NESTBOX_REQUIRE_PYTHON"] != nil {
            Issue.record("NESTBOX_TEST_PYTHON is not set; run ./bootstrap/test")
        } else {
            print("mlflow is not installed: run ./bootstrap/test where a package index is reachable")
        }
        return nil
    }

    private func check(
        _ tracking: RemoteTracking, _ registry: RemoteRegistry, _ traces: RemoteTraces, _ artifacts: RemoteArtifacts
    ) async throws {
        try await checkTracking(tracking)
        try await checkMetricCurves(tracking)
        try await checkRegistry(registry)
        let experiment = try await tracking.createExperiment(name: "traces", artifactLocation: nil, tags: [:])
        try await checkTraceStore(traces, experiment: experiment.id)
        try await checkArtifactStore(artifacts)
    }

    /// Who asks while it is away is told so, with its address.
    private func checkOutage(_ mlflow: MLflowServerProcess, _ remote: Remote) async throws {
        mlflow.stop()
        await expectError(.unavailable, mentions: mlflow.url) { try await remote.tracking.experiment(id: "0") }
    }

    @Test func wrongAddressesAreRefusedAtTheStart() async throws {
        let directory = try TemporaryDirectory()
        let other = try await ServerProcess(data: directory.file("other"))
        for (url, word) in [
            ("http://ada:secret@127.0.0.1:1", "127.0.0.1:1"), ("nonsense", "tracking URL"),
            (other.url + "/nothing", "no MLflow server"),
        ] {
            let result = try runCommand(
                ServerProcess.executable,
                ["serve", "--data", directory.file("data"), "--port", "0", "--tracking-url", url])
            #expect(result.status != 0 && result.output.contains(word), "\(result.output)")
            #expect(!result.output.contains("secret"))
        }
    }
}
