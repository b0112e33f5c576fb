import Client
import Contracts
import Core
import Foundation
import Synchronization
import TestSupport
import Testing

/// `nestbox import mlflow`, from a real server that a real client has filled.
@Suite struct ImportTests {
    @Test func everythingComesOverOnceAlsoWhenItIsCutOff() async throws {
        guard let python = ProcessInfo.processInfo.environment["NESTBOX_TEST_PYTHON"] else {
            if ProcessInfo.processInfo.environment["NESTBOX_REQUIRE_PYTHON"] != nil {
                Issue.record("NESTBOX_TEST_PYTHON is not set; run ./bootstrap/test")
            }
            return
        }
        let directory = try TemporaryDirectory()
        let mlflow = try await MLflowServerProcess(python: python, directory: directory.file("mlflow"))
        let filled = try runCommand(python, ["-c", Self.fill, mlflow.url])
        try #require(filled.status == 0, "\(filled.output)")
        let server = try await ServerProcess(data: directory.file("data"))

        // Cut off at the second run.
        let source = try await MLflowServer.connect(mlflow.url, .init())
        let remote = server.remote
        let runs = Mutex(0)
        let cut = Task {
            try await MLflowImport(from: source, to: remote) { what in
                guard what.hasPrefix("run "),
                    runs.withLock({
                        $0 += 1; return $0
                    }) == 2
                else { return }
                withUnsafeCurrentTask { $0?.cancel() }
            }.run()
        }
        await #expect(throws: (any Error).self) { try await cut.value }

        let arguments = ["import", "mlflow", mlflow.url, "--url", server.url, "--json"]
        let whole = try runCommand(ServerProcess.executable, arguments)
        #expect(whole.status == 0, "\(whole.output)")
        let report = try JSON.decode(ExchangeReport.self, from: whole.output, what: "the report")
        #expect(report.counts.allSatisfy { $0.missing == 0 } && report.failures.isEmpty, "\(whole.output)")
        let sources = Dictionary(uniqueKeysWithValues: report.counts.map { ($0.kind, $0.source) })
        #expect(
            sources["runs"] == 4 && sources["metric points"] == 1204 && sources["artifact files"] == 2, "\(sources)")
        #expect(
            sources["model versions"] == 2 && sources["prompts"] == 1 && sources["prompt versions"] == 1, "\(sources)")
        #expect(sources["logged models"] == 1 && sources["traces"] == 1 && sources["spans"] == 2, "\(sources)")
        try await check(remote)

        let again = try runCommand(ServerProcess.executable, arguments)
        #expect(again.status == 0, "\(again.output)")
        let second = try JSON.decode(ExchangeReport.self, from: again.output, what: "the report")
        #expect(second.counts.allSatisfy { $0.imported == 0 && $0.missing == 0 }, "\(again.output)")
        try await check(remote)
    }

    private func check(_ remote: Remote) async throws {
        let mine = try await remote.tracking.experiment(named: "mine")
        #expect(mine.tags["team"] == "blue")
        let gone = try await remote.tracking.experiment(named: "gone")
        #expect(gone.lifecycleStage == .deleted)
        let runs = try await remote.tracking.runs(RunSearch(experimentIDs: [mine.id], view: .all)).items
        #expect(runs.count == 3 && runs.filter { $0.lifecycleStage == .deleted }.map(\.name) == ["dropped"])
        let parent = try #require(runs.first { $0.name == "parent" })
        #expect(runs.first { $0.name == "child" }?.parentID == parent.id)
        #expect(parent.params == ["depth": "6"] && parent.inputs.map(\.name) == ["flights"])
        let odd = try await remote.tracking.metricHistory(runID: parent.id, key: "odd", maxResults: 10, pageToken: nil)
        #expect(odd.items.count == 3 && odd.items.contains { $0.value.isNaN })
        #expect(try await remote.artifacts.read(parent.artifactPath + "/deep/note.txt") == Data("hello".utf8))
        let champion = try await remote.registry.version("fraud", alias: "champion")
        #expect(champion.version == 3 && champion.stage == .production && champion.tags == ["k": "v"])
        let file = try ArtifactPath.path(ofURI: champion.artifactURI) + "/note.txt"
        #expect(try await remote.artifacts.read(file) == Data("hello".utf8))
        let traces = try await remote.traces.search(TraceSearch(experimentIDs: [mine.id])).items
        #expect(traces.count == 1 && traces.first?.assessments.map(\.name) == ["correct"])
        #expect(try await remote.traces.trace(id: try #require(traces.first).id, allowPartial: false).spans.count == 2)
    }

    /// What a real client makes, wherever its server is; `ExportTests` fills a Nestbox with it.
    static let fill = """
        import sys, mlflow, pathlib, tempfile
        from mlflow.entities import Metric
        mlflow.set_tracking_uri(sys.argv[1])
        client = mlflow.MlflowClient()
        mine = client.create_experiment("mine", tags={"team": "blue"})
        mlflow.set_experiment(experiment_id=mine)
        note = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
        note.write_text("hello")
        with mlflow.start_run(run_name="parent") as parent:
            mlflow.log_param("depth", 6)
            dataset = mlflow.data.meta_dataset.MetaDataset(
                mlflow.data.http_dataset_source.HTTPDatasetSource("http://example.com/f.csv"), name="flights")
            mlflow.log_input(dataset, context="training")
            run = parent.info.run_id
            for start in (0, 600):
                client.log_batch(run, [Metric("loss", 1 / (i + 1), 1700000000000 + i, i) for i in range(start, start + 600)])
            for step, value in enumerate([float("nan"), float("inf"), float("-inf")]):
                mlflow.log_metric("odd", value, step=step)
            mlflow.log_artifact(str(note), "deep")
            with mlflow.start_run(run_name="child", nested=True):
                pass
        with mlflow.start_run(run_name="dropped") as dropped:
            mlflow.log_metric("m", 1)
        client.delete_run(dropped.info.run_id)
        model = mlflow.initialize_logged_model(name="net", params={"a": "1"})
        client.log_model_artifact(model.model_id, str(note))
        mlflow.finalize_logged_model(model.model_id, "READY")
        client.create_registered_model("fraud", tags={"owner": "ada"}, description="d")
        source = client.get_run(run).info.artifact_uri + "/deep"
        for i in range(3):
            client.create_model_version("fraud", source, run_id=run, tags={"k": "v"})
        client.delete_model_version("fraud", "2")
        client.set_registered_model_alias("fraud", "champion", "3")
        client.transition_model_version_stage("fraud", "3", "Production")
        mlflow.genai.register_prompt("greeting", "Hello {{name}}")
        @mlflow.trace
        def inner(x):
            return x + 1
        @mlflow.trace
        def outer(x):
            return inner(x)
        outer(1)
        mlflow.flush_trace_async_logging()
        trace = mlflow.get_last_active_trace_id()
        mlflow.log_feedback(trace_id=trace, name="correct", value=True)
        gone = client.create_experiment("gone")
        client.create_run(gone)
        client.delete_experiment(gone)
        """
}
