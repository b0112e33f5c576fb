import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// The contract suites against a real `mlflow server`: the remote seams alone, then through a Nestbox that uses it. What is
/// not offered there is named in `ContractProfile`.
@Suite(.serialized, WithMLflowServer()) struct MLflowSeamTests {
    @Test func everySeam() async throws {
        guard let mlflow = WithMLflowServer.server else { return }
        let direct = try await MLflowServer.connect(mlflow.url, .init())
        try await ContractProfile.$current.withValue(.mlflow) {
            try await checkTracking(direct.tracking)
            try await checkMetricCurves(direct.tracking)
            try await checkRegistry(direct.registry)
            let experiment = try await direct.tracking.createExperiment(
                name: "traces", artifactLocation: nil, tags: [:])
            try await checkTraceStore(direct.traces, experiment: experiment.id)
            try await checkArtifactStore(try #require(direct.artifacts))
        }
    }

    @Test func everySeamThroughANestbox() async throws {
        guard let mlflow = WithMLflowServer.server else { return }
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"), arguments: ["--tracking-url", mlflow.url])
        let remote = server.remote
        try await ContractProfile.$current.withValue(.nestboxBeforeMLflow) {
            try await checkRegistry(remote.registry)
            try await checkLogging(remote.tracking)
            try await checkLoggedModels(remote.tracking)
            try await checkArtifactRoundTrip(remote.artifacts, root: "through")
            let experiment = try await remote.tracking.createExperiment(
                name: "traces through", artifactLocation: nil, tags: [:])
            try await checkTraceStore(remote.traces, experiment: experiment.id)
        }
    }

    /// From data to an answer, with runs and models kept over there; then without that server, and with it again.
    @Test func theWholeLoopAndAnOutage() async throws {
        guard let mlflow = WithMLflowServer.server else { return }
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"), arguments: ["--tracking-url", mlflow.url])
        let remote = server.remote
        let lines = (0..<400).map { "\($0 % 20),\($0 % 20 > 12 ? 1 : 0)\n" }
        _ = try await remote.datasets.importVersion(
            DatasetImport(name: "loop", format: .csv, source: "made by the test"),
            body: ByteStream(Data(("x,y\n" + lines.joined()).utf8)))
        #expect(try await ended(try await train(remote), remote).state == .succeeded)
        try await remote.registry.setAlias("loop", alias: "champion", version: 1, reason: "the first")
        let direct = try await MLflowServer.connect(mlflow.url, .init())
        #expect(try await direct.registry.version("loop", alias: "champion").version == 1)
        #expect(try await remote.registry.history(of: "loop", .init()).items.first?.reason == "the first")
        _ = try await remote.serving.deploy(.init(name: "loop", model: "loop", version: "champion"))
        let high = try await remote.serving.predict("loop", rows: [["x": 18]], at: nil)
        #expect(high.outputs[0] > 0.5)
        #expect(try await health(remote)["trackingAnswers"] == true)

        mlflow.stop()
        await expectError(.unavailable, mentions: mlflow.url) { try await remote.tracking.experiment(id: "0") }
        await expectError(.unavailable, mentions: mlflow.url) { try await remote.registry.model("loop") }
        let away = try await health(remote)
        #expect(away["trackingAnswers"] == false && away["status"] == "ok")
        #expect(try await remote.serving.predict("loop", rows: [["x": 18]], at: nil).outputs == high.outputs)
        let waiting = try await train(remote)

        try await mlflow.start()
        #expect(try await remote.registry.model("loop").aliases == ["champion": 1])
        let second = try await ended(waiting, remote)
        #expect(second.state == .succeeded && second.attempt == 1, "\(String(describing: second.error))")
        #expect(try await direct.registry.model("loop").latestVersion == 2)
    }

    private func train(_ remote: Remote) async throws -> Job {
        try await remote.jobs.train(
            recipe: """
                name: loop
                dataset: loop
                target: y
                task: binary
                features: [x]
                split: {by: seed, seed: 1, validation: 0.1, test: 0.1}
                learner: gradient_boosting
                parameters: {num_trees: 10}
                register_as: loop
                """)
    }

    private func ended(_ job: Job, _ remote: Remote) async throws -> Job {
        try await eventually("the training's end") {
            let now = try await remote.jobs.job(id: job.id)
            return now.state.isFinal ? now : nil
        }
    }

    private func health(_ remote: Remote) async throws -> JSONValue { try await remote.client.get("/health") }
}

/// Apart from the suite above, so that it needs no MLflow server.
@Suite struct TrackingURLTests {
    @Test func wrongAddressesAreRefusedAtTheStart() async throws {
        let directory = try TemporaryDirectory()
        let other = try await ServerProcess(data: directory.file("other"))
        for (url, word) in [
            ("http://ada:secret@127.0.0.1:1", "127.0.0.1:1"), ("nonsense", "tracking URL"),
            (other.url + "/nothing", "no MLflow server"),
        ] {
            let result = try runCommand(
                ServerProcess.executable,
                [
                    "serve", "--data", directory.file("data"), "--port", "0", "--tracking-url", url, "--tracking-wait",
                    "0",
                ])
            #expect(result.status != 0 && result.output.contains(word), "\(result.output)")
            #expect(!result.output.contains("secret"))
        }
    }

    /// A Nestbox in front of another, which asks for its token as MLflow's clients send it.
    @Test func credentialsAreMLflowsOrNestboxsOwn() async throws {
        let directory = try TemporaryDirectory()
        let token = "0123456789abcdef0123"
        let other = try await ServerProcess(
            data: directory.file("other"), environment: ["NESTBOX_TOKEN": token], token: token)
        for (index, environment) in [
            ["MLFLOW_TRACKING_TOKEN": token], ["NESTBOX_TRACKING_TOKEN": token, "MLFLOW_TRACKING_TOKEN": "wrong"],
            ["MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": token, "MLFLOW_TRACKING_TOKEN": "wrong"],
        ].enumerated() {
            let front = try await ServerProcess(
                data: directory.file("front\(index)"), arguments: ["--tracking-url", other.url],
                environment: environment)
            let made = try await front.remote.tracking.createExperiment(
                name: "e\(index)", artifactLocation: nil, tags: [:])
            #expect(try await other.remote.tracking.experiment(id: made.id).name == "e\(index)")
            #expect(!front.log.contains(token))
        }
        let refused = try runCommand(
            ServerProcess.executable,
            ["serve", "--data", directory.file("data"), "--port", "0", "--tracking-url", other.url],
            environment: ["NESTBOX_TRACKING_TOKEN": "not the right one"])
        #expect(refused.status != 0 && refused.output.contains("refuses Nestbox's credentials"), "\(refused.output)")
        #expect(refused.output.contains("NESTBOX_TRACKING_TOKEN") && !refused.output.contains("not the right one"))
    }
}
