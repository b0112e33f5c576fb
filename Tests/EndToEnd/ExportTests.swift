import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// `nestbox export mlflow`, to a real server, from a Nestbox that a real client has filled.
@Suite(WithMLflowServer()) struct ExportTests {
    @Test func everythingGoesOverOnceAlsoWhenItIsKilled() async throws {
        guard let mlflow = WithMLflowServer.server,
            let python = ProcessInfo.processInfo.environment["NESTBOX_TEST_PYTHON"]
        else { return }
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let filled = try runCommand(python, ["-c", Self.fill + "\n" + Self.more, server.url])
        try #require(filled.status == 0, "\(filled.output)")
        let target = try await MLflowServer.connect(mlflow.url, .init())

        try await cutOff(server, target)
        let report = try export(server, mlflow)
        #expect(report.counts.allSatisfy { $0.missing == 0 } && report.failures.isEmpty, "\(report)")
        let sources = Dictionary(uniqueKeysWithValues: report.counts.map { ($0.kind, $0.source) })
        #expect(sources["runs"] == 5 && sources["metric points"] == 1206 && sources["model metrics"] == 2, "\(sources)")
        #expect(sources["model versions"] == 4 && sources["prompt versions"] == 1, "\(sources)")
        #expect(sources["logged models"] == 2 && sources["traces"] == 1 && sources["spans"] == 2, "\(sources)")
        #expect(sources["assessments"] == 3 && sources["trace links"] == 1, "\(sources)")
        #expect(
            report.notes.contains { $0.contains("param `long` has 7000 characters: MLflow keeps the first 6000") },
            "\(report.notes)")
        try check(mlflow, python)

        let second = try export(server, mlflow)
        #expect(second.counts.allSatisfy { $0.imported == 0 && $0.missing == 0 }, "\(second)")
        try await goOn(server, mlflow)
        try check(mlflow, python)
        try await comesBack(from: mlflow, as: sources, directory)

        mlflow.stop()
        let away = try runCommand(ServerProcess.executable, ["export", "mlflow", mlflow.url, "--url", server.url])
        #expect(away.status == EX_UNAVAILABLE && away.output.contains("export again"), "\(away.output)")
    }

    private func export(_ server: ServerProcess, _ mlflow: MLflowServerProcess) throws -> ExchangeReport {
        let done = try runCommand(
            ServerProcess.executable, ["export", "mlflow", mlflow.url, "--url", server.url, "--json"])
        #expect(done.status == 0, "\(done.output)")
        return try JSON.decode(ExchangeReport.self, from: done.output, what: "the report")
    }

    /// Twice: `kill -9` while runs are made, and once all are made and the first is being filled.
    private func cutOff(_ server: ServerProcess, _ target: MLflowServer) async throws {
        let export = Process()
        export.executableURL = URL(fileURLWithPath: ServerProcess.executable)
        export.arguments = ["export", "mlflow", target.address, "--url", server.url]
        export.standardOutput = FileHandle.nullDevice
        try export.run()
        _ = try await eventually("the first experiment there") { try? await target.tracking.experiment(named: "mine") }
        kill(export.processIdentifier, SIGKILL)
        export.waitUntilExit()
        #expect(export.terminationReason == .uncaughtSignal)

        let cut = Task {
            try await MLflowExport(from: server.remote, to: target) { _, what in
                if what.hasPrefix("run ") { withUnsafeCurrentTask { $0?.cancel() } }
            }.run()
        }
        await #expect(throws: (any Error).self) { try await cut.value }
    }

    /// What has changed since, and nothing else.
    private func goOn(_ server: ServerProcess, _ mlflow: MLflowServerProcess) async throws {
        let tracking = server.remote.tracking
        let mine = try await tracking.experiment(named: "mine")
        let child = try #require(
            try await tracking.runs(RunSearch(experimentIDs: [mine.id], filter: "attributes.run_name = 'child'")).items
                .first)
        let point = MetricPoint(key: "late", value: 1, timestamp: Timestamp(milliseconds: 5), step: 9)
        try await tracking.log(runID: child.id, LogBatch(metrics: [point], params: ["late": "1"], tags: ["late": "2"]))
        _ = try await tracking.updateRun(id: child.id, RunUpdate(status: .failed, endTime: child.endTime))
        try await server.remote.registry.setAlias("fraud", alias: "old", version: 1, reason: "")
        let imported = try export(server, mlflow).counts.filter { $0.imported > 0 }
        #expect(
            Dictionary(uniqueKeysWithValues: imported.map { ($0.kind, $0.imported) })
                == [
                    "runs": 1, "params": 1, "tags": 1, "metric points": 1, "aliases": 1, "registered models": 1,
                ])
        let there = try await MLflowServer.connect(mlflow.url, .init()).tracking
        let copy = try #require(
            try await there.runs(
                RunSearch(
                    experimentIDs: [try await there.experiment(named: "mine").id],
                    filter: "attributes.run_name = 'child'")
            ).items.first)
        #expect(copy.status == .failed && copy.metric("late") == 1 && copy.params["late"] == "1")
    }

    /// Into an empty Nestbox: as much as went over.
    private func comesBack(
        from mlflow: MLflowServerProcess, as sources: [String: Int], _ directory: TemporaryDirectory
    ) async throws {
        let fresh = try await ServerProcess(data: directory.file("fresh"))
        let back = try runCommand(
            ServerProcess.executable, ["import", "mlflow", mlflow.url, "--url", fresh.url, "--json"])
        #expect(back.status == 0, "\(back.output)")
        let report = try JSON.decode(ExchangeReport.self, from: back.output, what: "the report")
        let counts = Dictionary(uniqueKeysWithValues: report.counts.map { ($0.kind, $0.source) })
        for kind in [
            "runs", "dataset inputs", "logged models", "traces", "spans", "assessments",
            "registered models", "model versions", "prompt versions",
        ] { #expect(counts[kind] == sources[kind], "\(kind)") }
        #expect(counts["metric points"] == 1207)
    }

    private func check(_ mlflow: MLflowServerProcess, _ python: String) throws {
        let checked = try runCommand(python, ["-c", Self.verify, mlflow.url])
        #expect(checked.status == 0, "\(checked.output)")
    }

    private static let fill = """
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

    /// After that: a model that can be loaded, what MLflow cuts off, links, and an assessment that is overridden.
    private static let more = """
        from sklearn.linear_model import LinearRegression
        with mlflow.start_run(run_name="linear") as linear:
            logged = mlflow.sklearn.log_model(
                LinearRegression().fit([[1.0], [2.0]], [2.0, 4.0]), name="linear", registered_model_name="linear",
                serialization_format="cloudpickle")
            mlflow.log_metric("mse", 0.5, step=2, model_id=logged.model_id)
            mlflow.log_metric("other", 1)
            mlflow.log_param("long", "\\u00fc" * 7000)
        client.set_registered_model_alias("linear", "champion", 1)
        client.create_registered_model("a copy")
        client.copy_model_version("models:/linear/1", "a copy")
        client.link_traces_to_run([trace], linear.info.run_id)
        first = mlflow.log_feedback(trace_id=trace, name="second", value=True)
        mlflow.override_feedback(trace_id=trace, assessment_id=first.assessment_id, value=False)
        """

    private static let verify = """
        import math, sys, mlflow
        mlflow.set_tracking_uri(sys.argv[1])
        client = mlflow.MlflowClient()
        mine = mlflow.get_experiment_by_name("mine")
        assert mine.tags["team"] == "blue"
        assert client.search_experiments(view_type=2, filter_string="name = 'gone'")
        runs = client.search_runs([mine.experiment_id], run_view_type=3)
        assert sorted(run.info.run_name for run in runs) == ["child", "dropped", "linear", "parent"], runs
        runs = {run.info.run_name: run for run in runs}
        assert runs["dropped"].info.lifecycle_stage == "deleted" and runs["dropped"].data.metrics == {"m": 1}
        parent, linear = runs["parent"], runs["linear"]
        assert runs["child"].data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert parent.data.params == {"depth": "6"} and parent.info.status == "FINISHED" and parent.info.end_time
        assert [i.dataset.name for i in parent.inputs.dataset_inputs] == ["flights"]
        loss = client.get_metric_history(parent.info.run_id, "loss")
        assert [(p.step, p.value) for p in loss] == [(i, 1 / (i + 1)) for i in range(1200)]
        odd = {p.step: p.value for p in client.get_metric_history(parent.info.run_id, "odd")}
        assert math.isnan(odd[0]) and odd[1] > 1e308 and odd[2] < -1e308, odd
        assert open(mlflow.artifacts.download_artifacts(run_id=parent.info.run_id, artifact_path="deep/note.txt")).read() == "hello"
        assert linear.data.params["long"] == "\\u00fc" * 6000
        [output] = linear.outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        assert model.source_run_id == linear.info.run_id and model.status == "READY"
        assert sorted((m.key, m.value) for m in model.metrics) == [("mse", 0.5), ("other", 1.0)]
        assert {m.run_id for m in model.metrics} == {linear.info.run_id}
        assert len(client.search_logged_models([mine.experiment_id])) == 2
        for uri in ("models:/linear@champion", "models:/a copy/1"):
            assert abs(mlflow.pyfunc.load_model(uri).predict([[3.0]])[0] - 6) < 1e-9
        fraud = client.get_model_version_by_alias("fraud", "champion")
        assert int(fraud.version) == 3 and fraud.current_stage == "Production" and fraud.tags["k"] == "v"
        assert fraud.run_id == parent.info.run_id and fraud.source == parent.info.artifact_uri + "/deep"
        assert sorted(int(v.version) for v in client.search_model_versions("name = 'fraud'")) == [1, 3]
        assert client.get_registered_model("fraud").description == "d"
        assert mlflow.genai.load_prompt("prompts:/greeting/1").template == "Hello {{name}}"
        [trace] = client.search_traces(locations=[mine.experiment_id])
        assert sorted(span.name for span in trace.data.spans) == ["inner", "outer"]
        assert sorted(a.name for a in trace.info.assessments) == ["correct", "second", "second"]
        assert sorted((a.value, a.valid) for a in trace.info.assessments if a.name == "second") == [(False, True), (True, False)]
        linked = client.search_traces(locations=[mine.experiment_id], filter_string=f"run_id = '{linear.info.run_id}'")
        assert [t.info.trace_id for t in linked] == [trace.info.trace_id]
        """
}
