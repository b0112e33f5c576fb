import Client
import Contracts
import Core
import Foundation
import MLflowFiles
import Synchronization
import TestSupport
import Testing

/// `nestbox import mlflow`, from a real server, its database and a file store that a real client has filled alike.
@Suite struct ImportTests {
    @Test func aServerItsDatabaseAndAFolderGiveTheSameAlsoWhenCutOff() async throws {
        guard let python = ProcessInfo.processInfo.environment["NESTBOX_TEST_PYTHON"] else {
            if ProcessInfo.processInfo.environment["NESTBOX_REQUIRE_PYTHON"] != nil {
                Issue.record("NESTBOX_TEST_PYTHON is not set; run ./bootstrap/test")
            }
            return
        }
        let directory = try TemporaryDirectory()
        let home = directory.file("mlflow"), folder = directory.file("mlruns"), ready = directory.file("ready")
        let database = home + "/mlflow.db", files = home + "/artifacts"
        let filling = Task.detached {
            try runCommand(
                python, [repositoryRoot + "/Tests/EndToEnd/fill_mlflow.py", folder, database, files, ready],
                environment: ["MLFLOW_DISABLE_TELEMETRY": "true"])
        }
        let mlflow = try await MLflowServerProcess(python: python, directory: home)
        try Data().write(to: URL(fileURLWithPath: ready))
        let filled = try await filling.value
        try #require(filled.status == 0, "\(filled.output)")

        let targets = try await [
            ServerProcess(data: directory.file("a")), ServerProcess(data: directory.file("b")),
            ServerProcess(data: directory.file("c")),
        ]
        try await cutOff(try await MLflowServer.connect(mlflow.url, .init()), to: targets[0].remote)
        try complete([mlflow.url], into: targets[0])
        let before = try Data(contentsOf: URL(fileURLWithPath: database))
        try await cutOff(try await MLflowFiles.open(database, artifacts: files), to: targets[1].remote)
        try complete([database, "--artifacts", files], into: targets[1])
        try complete([folder], into: targets[2])
        #expect(try Data(contentsOf: URL(fileURLWithPath: database)) == before)

        let found = try await [
            ImportedContents(targets[0].remote), ImportedContents(targets[1].remote),
            ImportedContents(targets[2].remote),
        ]
        #expect(found[0].lines.count > 20)
        #expect(found[0].lines == found[1].lines)
        #expect(found[1].withoutIdentity == found[2].withoutIdentity)
        for target in targets { try await check(target.remote) }
        try await oneBrokenFileStopsNothingElse(folder, directory)
    }

    /// Cut off at the second run.
    private func cutOff(_ source: any MLflowSource, to remote: Remote) async throws {
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
    }

    /// Everything comes, and again nothing.
    private func complete(_ source: [String], into server: ServerProcess) throws {
        let arguments = ["import", "mlflow"] + source + ["--url", server.url, "--json"]
        let whole = try runCommand(ServerProcess.executable, arguments)
        #expect(whole.status == 0, "\(source): \(whole.output)")
        let report = try JSON.decode(ExchangeReport.self, from: whole.output, what: "the report")
        #expect(report.counts.allSatisfy { $0.missing == 0 } && report.failures.isEmpty, "\(whole.output)")
        var sources = Dictionary(uniqueKeysWithValues: report.counts.map { ($0.kind, $0.source) })
        // In a checkout, MLflow's client adds where that stands.
        let tags = sources.removeValue(forKey: "tags") ?? 0
        #expect(tags >= 15)
        #expect(
            sources == [
                "experiments": 3, "runs": 4, "metric points": 1005, "params": 2, "dataset inputs": 1,
                "artifact files": 2, "logged models": 1, "traces": 2, "spans": 4, "assessments": 2,
                "registered models": 1, "model versions": 3, "prompts": 1, "prompt versions": 1,
            ], "\(source): \(sources)")
        let again = try runCommand(ServerProcess.executable, arguments)
        #expect(again.status == 0, "\(again.output)")
        let second = try JSON.decode(ExchangeReport.self, from: again.output, what: "the report")
        #expect(second.counts.allSatisfy { $0.imported == 0 && $0.missing == 0 }, "\(again.output)")
    }

    private func check(_ remote: Remote) async throws {
        let mine = try await remote.tracking.experiment(named: "mine")
        #expect(mine.tags["team"] == "blue")
        let gone = try await remote.tracking.experiment(named: "gone")
        #expect(gone.lifecycleStage == .deleted)
        let runs = try await remote.tracking.runs(RunSearch(experimentIDs: [mine.id], view: .all)).items
        #expect(runs.count == 3 && runs.filter { $0.lifecycleStage == .deleted }.map(\.name) == ["dropped"])
        let parent = try #require(runs.first { $0.name == "parent" })
        let child = try #require(runs.first { $0.name == "child" })
        #expect(child.parentID == parent.id && parent.inputs.map(\.name) == ["flights"])
        #expect(parent.params == ["depth": "6", "deep/note": "two\nlines: 'ü'"] && parent.tags["a/b"] == "c")
        let model = try #require(parent.modelOutputs.first)
        #expect(model.step == 2 && child.modelInputs == [model.modelID])
        let measured = try await remote.tracking.loggedModel(id: model.modelID, includingDeleted: false).metrics
        #expect(measured.map(\.point.value) == [0.75] && measured.first?.datasetName == "flights")
        let odd = try await remote.tracking.metricHistory(
            runID: parent.id, key: "val/odd", maxResults: 10, pageToken: nil)
        #expect(odd.items.count == 3 && odd.items.contains { $0.value.isNaN })
        #expect(try await remote.artifacts.read(parent.artifactPath + "/deep/note.txt") == Data("hello".utf8))
        let champion = try await remote.registry.version("fraud", alias: "champion")
        #expect(champion.version == 3 && champion.stage == .production && champion.tags == ["k": "v"])
        for version in [champion, try await remote.registry.version("fraud", 4)] {
            let file = try ArtifactPath.path(ofURI: version.artifactURI) + "/note.txt"
            #expect(try await remote.artifacts.read(file) == Data("hello".utf8))
        }
        let traces = try await remote.traces.search(TraceSearch(experimentIDs: [mine.id])).items
        #expect(traces.count == 2 && traces.flatMap(\.assessments).map(\.name).sorted() == ["answer", "correct"])
    }

    private func oneBrokenFileStopsNothingElse(_ folder: String, _ directory: TemporaryDirectory) async throws {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder).map { folder + "/" + $0 }
        let loss = try #require(paths.first { $0.hasSuffix("/metrics/loss") })
        let child = try #require(
            try paths.first {
                try $0.hasSuffix("/meta.yaml")
                    && String(contentsOfFile: $0, encoding: .utf8).contains("run_name: child")
            })
        let handle = try #require(FileHandle(forWritingAtPath: loss))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("17000 half a li".utf8))
        try handle.close()
        try Data("run_id: [".utf8).write(to: URL(fileURLWithPath: child))
        let server = try await ServerProcess(data: directory.file("d"))
        let result = try runCommand(
            ServerProcess.executable, ["import", "mlflow", folder, "--url", server.url])
        #expect(result.status == 1)
        #expect(
            result.output.contains("metrics/loss`, line 1001: `17000 half a li` is no measurement"), "\(result.output)")
        #expect(result.output.contains(child) && result.output.contains("not well-formed YAML"), "\(result.output)")
        let mine = try await server.remote.tracking.experiment(named: "mine")
        let runs = try await server.remote.tracking.runs(RunSearch(experimentIDs: [mine.id], view: .all)).items
        #expect(Set(runs.map(\.name)) == ["parent", "dropped"])
        let parent = try #require(runs.first { $0.name == "parent" })
        #expect(parent.metric("loss") == 0.001)
        #expect(try await server.remote.artifacts.read(parent.artifactPath + "/deep/note.txt") == Data("hello".utf8))
    }
}

/// All that a Nestbox got from an import, one line for each thing.
private struct ImportedContents {
    var lines: [String] = []
    /// Identifiers of a source, and what they stand for in every one.
    private var names: [(id: String, name: String)] = []

    init(_ remote: Remote) async throws {
        for experiment in try await remote.tracking.experiments(ExperimentSearch(view: .all)).items {
            let tags = experiment.tags.filter { $0.key != "nestbox.import.source" }
            lines.append("experiment \(experiment.name) \(experiment.lifecycleStage) \(try JSON.string(tags))")
            try await addRuns(of: experiment, remote)
            for model in try await remote.tracking.loggedModels(LoggedModelSearch(experimentIDs: [experiment.id])).items
            {
                names.append((model.id, "model \(model.name)"))
                lines.append(try JSON.string(model))
                try await addFiles(model.artifactURI, remote)
            }
            for info in try await remote.traces.search(TraceSearch(experimentIDs: [experiment.id])).items {
                try await add(try await remote.traces.trace(id: info.id, allowPartial: false))
            }
        }
        let prompts = "tags.`mlflow.prompt.is_prompt` = 'true'"
        for filter in ["", prompts] {
            for model in try await remote.registry.searchModels(ModelSearch(filter: filter)).items {
                lines.append(try JSON.string(model))
                let of = "name = '\(model.name)'" + (filter.isEmpty ? "" : " AND \(filter)")
                lines += try await remote.registry.searchVersions(ModelSearch(filter: of)).items.map {
                    try JSON.string($0)
                }
            }
        }
        lines.sort()
    }

    private mutating func addRuns(of experiment: Experiment, _ remote: Remote) async throws {
        for run in try await remote.tracking.runs(RunSearch(experimentIDs: [experiment.id], view: .all)).items {
            names.append((run.id, "run \(run.name)"))
            lines.append(try JSON.string(run))
            for key in run.metrics.map(\.key) {
                let points = try await remote.tracking.metricHistory(
                    runID: run.id, key: key, maxResults: 2000, pageToken: nil)
                lines.append(run.id + " " + (try JSON.string(points)))
            }
            try await addFiles(run.artifactURI, remote)
        }
    }

    private mutating func addFiles(_ location: String, _ remote: Remote) async throws {
        var folders = [try ArtifactPath.path(ofURI: location)]
        while let folder = folders.popLast() {
            for entry in try await remote.artifacts.list(folder) {
                if entry.isDirectory {
                    folders.append(entry.path)
                } else {
                    lines.append("file mlflow-artifacts:/\(entry.path) \(entry.digest ?? "") \(entry.size ?? 0)")
                }
            }
        }
    }

    private mutating func add(_ trace: Trace) throws {
        let name = "trace \(trace.info.state.rawValue)"
        names.append((trace.info.id, name))
        for span in trace.spans { names += [(span.traceID, name), (span.id, "\(name) \(span.name)")] }
        var info = trace.info
        names += info.assessments.map { ($0.id, "assessment \($0.name)") }
        info.assessments.sort { $0.name < $1.name }
        lines.append(try JSON.string(info))
        lines += try trace.spans.map { try JSON.string($0) }
    }

    /// Without what two stores that are filled alike differ in: identifiers, times, and that a database keeps no infinity.
    var withoutIdentity: [String] {
        lines.map { line in
            var line = line
            for (id, name) in names { line = line.replacing(id, with: name) }
            line = line.replacing(#/-?1\.7976931348623157[eE]\+?308/#) {
                $0.output.hasPrefix("-") ? "\"-Infinity\"" : "\"Infinity\""
            }
            line = line.replacing(#/mlflow-artifacts:\/[0-9]+\//#, with: "mlflow-artifacts:/E/")
            line = line.replacing(#/"experimentID":"[0-9]+"/#, with: "E").replacing(#/,[0-9]+,"/#, with: ",E,\"")
            line = line.replacing(#/"mlflow.trace.size(Bytes|Stats)":"([^"\\]|\\.)*"/#, with: "S")
            line = line.replacing(#/"duration":[0-9]+/#, with: "D")
            line = line.replacing(#/\b20[0-9-]{8}T[0-9:.]+Z/#, with: "T")
            return line.replacing(#/\b1[78][0-9]{8,17}\b/#, with: "T")
        }.sorted()
    }
}
