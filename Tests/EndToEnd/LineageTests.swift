import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// From the rows to the deployment, over HTTP, of what a training job made.
@Suite(.serialized) struct LineageTests {
    @Test func aTrainedModelIsFollowedBackToItsData() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let remote = server.remote
        try await train(on: server)
        _ = try await remote.serving.deploy(.init(name: "lineage-api", model: "lineage", version: "latest"))
        let version = try await remote.registry.version("lineage", 1)
        let run = try #require(version.runID)
        let up = try await remote.lineage.graph(LineageRequest(node: "deployment:lineage-api", direction: .upstream))
        #expect(up.nodes.map(\.id).contains("dataset:lineage/1") && up.nodes.map(\.id).contains("run:\(run)"))
        #expect(up.nodes[0].id == "deployment:lineage-api" && up.cuts.isEmpty)
        let down = try await remote.lineage.graph(LineageRequest(node: "dataset:lineage/1", direction: .downstream))
        #expect(Set(down.nodes.map(\.id)) == Set(up.nodes.map(\.id)))
        #expect(Set(down.edges) == Set(up.edges))
        await expectError(.notFound) { try await remote.lineage.graph(LineageRequest(node: "dataset:lineage/2")) }
        await expectError(.invalidArgument, mentions: "names nothing") {
            try await remote.lineage.graph(LineageRequest(node: "lineage"))
        }
        await expectError(.invalidArgument, mentions: "depth") {
            try await remote.lineage.graph(LineageRequest(node: "dataset:lineage/1", depth: 99))
        }
    }

    /// From the rows to the deployment as events, in the words of the specification, also over a kill and with a receiver that
    /// is away at first.
    @Test func openLineageHearsOfAllOfIt() async throws {
        let directory = try TemporaryDirectory()
        let receiver = try Receiver(status: 503)
        let arguments = ["--openlineage-url", receiver.url, "--openlineage-namespace", "team box"]
        let environment = ["OPENLINEAGE_API_KEY": "a-key-that-nobody-sees"]
        var log = "", failed = ""
        do {
            let server = try await ServerProcess(
                data: directory.file("data"), arguments: arguments, environment: environment)
            try await train(on: server)
            let run = try await server.remote.tracking.createRun(NewRun(experimentID: "0", name: "fails"))
            failed = run.id
            _ = try await server.remote.tracking.updateRun(id: run.id, RunUpdate(status: .failed))
            _ = try await eventually("a first attempt") { receiver.received.isEmpty ? nil : true }
            server.killHard()
            log = server.log
        }
        receiver.answer(201)
        let server = try await ServerProcess(
            data: directory.file("data"), arguments: arguments, environment: environment)
        _ = try await server.remote.serving.deploy(.init(name: "lineage-api", model: "lineage", version: "latest"))
        func told() -> [JSONValue] { receiver.received.map(\.json) }
        _ = try await eventually("the deployment's event") {
            told().contains { $0["job"]?["name"] == "deploy.lineage-api" && $0["eventType"] == "COMPLETE" } ? true : nil
        }
        _ = try await eventually("the failed run's event") {
            told().contains { $0["eventType"] == "FAIL" && $0["run"]?["runId"] == .string(Self.uuid(failed)) }
                ? true : nil
        }
        #expect(receiver.received.allSatisfy { $0.path == "/api/v1/lineage" })
        #expect(receiver.received.allSatisfy { $0.headers["authorization"] == "Bearer a-key-that-nobody-sees" })
        #expect(!(log + server.log).contains("a-key-that-nobody-sees"))
        // What was sent before the kill and answered with 503 came again.
        let bodies = Array(Set(receiver.received.map(\.body)))
        let run = try #require(try await server.remote.registry.version("lineage", 1).runID)
        let ends = told().filter { $0["run"]?["runId"] == .string(Self.uuid(run)) && $0["eventType"] == "COMPLETE" }
        #expect(ends.first?["inputs"]?.arrayValue?.first?["name"] == "datasets/lineage")
        #expect(ends.first?["job"]?["namespace"] == "team box")
        try check(bodies, in: directory)
    }

    private static func uuid(_ id: String) -> String {
        let digits = Array(id)
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }

    /// With the classes of OpenLineage's own client.
    private func check(_ bodies: [String], in directory: TemporaryDirectory) throws {
        guard let python = ProcessInfo.processInfo.environment["NESTBOX_TEST_PYTHON"] else {
            #expect(ProcessInfo.processInfo.environment["NESTBOX_REQUIRE_PYTHON"] == nil, "run ./bootstrap/test")
            return
        }
        let path = directory.file("events.jsonl")
        try bodies.joined(separator: "\n").write(toFile: path, atomically: false, encoding: .utf8)
        let result = try runCommand(python, [repositoryRoot + "/Tests/EndToEnd/check_openlineage.py", path])
        #expect(result.status == 0 && result.output.contains("\(bodies.count) events are sound"), "\(result.output)")
    }

    @Test func addressesThatAreNoneAreRefusedAtTheStart() async throws {
        let directory = try TemporaryDirectory()
        for url in ["ftp://h", "marquez:5000", "http://", "http://user:secret@h/x"] {
            let result = try runCommand(
                ServerProcess.executable,
                ["serve", "--data", directory.file("data"), "--port", "0", "--openlineage-url", url])
            #expect(result.status == EX_DATAERR && result.output.contains("OpenLineage address"), "\(result.output)")
            #expect(!result.output.contains("secret"))
        }
    }

    @Test func theCommandPrintsTrees() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let run = try await tracking.createRun(NewRun(experimentID: "0", name: "parent"))
        let child = try await tracking.createRun(
            NewRun(experimentID: "0", name: "child", tags: ["mlflow.parentRunId": run.id]))
        try await tracking.logInputs(
            runID: child.id, [RunInput(name: "x", digest: "d", sourceType: "local", source: "{}")])
        let model = try await tracking.createLoggedModel(
            NewLoggedModel(experimentID: "0", name: "m", sourceRunID: run.id))
        func nestbox(_ arguments: String...) throws -> (status: Int32, output: String) {
            try runCommand(
                ServerProcess.executable, ["lineage"] + arguments, environment: ["NESTBOX_URL": server.url])
        }
        let shown = try nestbox("run:\(run.id)")
        #expect(shown.status == 0)
        for line in [
            "run:\(run.id)  parent  running", "└─ child: run:\(child.id)  child  running",
            "   └─ read: external-dataset:x/d",
            "└─ made: logged-model:\(model.id)  m",
        ] { #expect(shown.output.contains("\n" + line) || shown.output.hasPrefix(line), "\(shown.output)") }
        let up = try nestbox("run:\(run.id)", "--direction", "upstream", "--depth", "1")
        #expect(!up.output.contains("made:") && up.output.contains("raise --depth"), "\(up.output)")
        let json = try JSON.decode(LineageGraph.self, from: try nestbox("run:\(run.id)", "--json").output)
        #expect(json.nodes.count == 4)
        #expect(try nestbox("run:none").status == EX_NOINPUT)
        #expect(try nestbox("none").status == EX_DATAERR)
        #expect(try nestbox("run:x", "--direction", "sideways").status == EX_USAGE)
    }

    private func train(on server: ServerProcess) async throws {
        let remote = server.remote
        var text = "x,y\n"
        for index in 0..<400 { text += "\(Double(index % 37) / 37),\(index % 37 > 18 ? 1 : 0)\n" }
        _ = try await remote.datasets.importVersion(
            DatasetImport(name: "lineage", format: .csv, source: "made by the test"), body: ByteStream(Data(text.utf8)))
        let job = try await remote.jobs.train(
            recipe: """
                name: lineage
                dataset: lineage
                target: y
                task: binary
                features: [x]
                split: {by: seed, seed: 1, validation: 0.1, test: 0.1}
                learner: gradient_boosting
                parameters: {num_trees: 5}
                register_as: lineage
                """)
        let ended = try await eventually("the training's end") {
            let now = try await remote.jobs.job(id: job.id)
            return now.state.isFinal ? now : nil
        }
        try #require(ended.state == .succeeded, "\(String(describing: ended.error))")
    }
}
