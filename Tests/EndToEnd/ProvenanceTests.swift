import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// What runs are made with: captured by workers and by `nestbox run`, shown, and compared.
@Suite(.serialized) struct ProvenanceTests {
    private let directory: TemporaryDirectory
    private let server: ServerProcess

    init() async throws {
        directory = try TemporaryDirectory()
        server = try await ServerProcess(data: directory.file("data"))
    }

    private func nestbox(_ arguments: String..., in place: String? = nil, environment: [String: String] = [:]) throws
        -> (status: Int32, output: String)
    {
        try runCommand(
            ServerProcess.executable, arguments, environment: environment.merging(["NESTBOX_URL": server.url]) { $1 },
            directory: place)
    }

    private func checkout() throws -> String {
        let path = directory.file("checkout")
        try DurableFile.makeDirectory(path)
        try "import sys\nprint('trained')\nsys.exit(int(sys.argv[1]))\n".write(
            toFile: path + "/train.py", atomically: false, encoding: .utf8)
        for arguments in [
            ["init", "-q"], ["add", "."],
            ["-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-q", "-m", "first"],
        ] {
            #expect(try runCommand("/usr/bin/env", ["git"] + arguments, directory: path).status == 0)
        }
        return path
    }

    private func runs() async throws -> [Run] {
        try await server.remote.tracking.runs(RunSearch(experimentIDs: ["0"])).items
    }

    @Test func runCapturesAndEndsByTheExitCode() async throws {
        let checkout = try checkout()
        let first = try nestbox(
            "run", "--param", "p=1", "--", "/usr/bin/env", "python3", "train.py", "0", in: checkout,
            environment: ["PYTHONHASHSEED": "3"])
        #expect(first.status == 0 && first.output.contains("trained"), "\(first.output)")
        try "print('changed')\nimport sys\nsys.exit(3)\n".write(
            toFile: checkout + "/train.py", atomically: false, encoding: .utf8)
        let second = try nestbox(
            "run", "--param", "p=2", "--", "/usr/bin/env", "python3", "train.py", "0", in: checkout)
        #expect(second.status == 3, "\(second.output)")
        let found = try await runs()
        try #require(found.count == 2)
        let (failed, finished) = (found[0], found[1])
        #expect(finished.status == .finished && finished.endTime != nil && finished.params == ["p": "1"])
        #expect(failed.status == .failed && failed.tags["nestbox.error"] == "exit code 3")
        #expect(finished.tags["mlflow.source.git.commit"]?.count == 40 && finished.tags["nestbox.git.dirty"] == "false")
        #expect(failed.tags["nestbox.git.dirty"] == "true")

        let environment = try await server.remote.provenance.environment(ofRun: failed.id)
        #expect(environment.origin == .captured && environment.code?.isDirty == true)
        let diff = try #require(environment.code?.diff)
        let patch = try await server.remote.artifacts.read(try ArtifactPath.path(ofURI: diff.uri))
        #expect(String(decoding: patch, as: UTF8.self).contains("+print('changed')"))

        let shown = try nestbox("runs", "show", finished.id)
        #expect(shown.status == 0 && shown.output.contains("PYTHONHASHSEED 3"), "\(shown.output)")
        #expect(shown.output.contains(finished.tags["mlflow.source.git.commit"]!))
        let compared = try nestbox("runs", "diff", finished.id, failed.id, "--exit-code")
        #expect(compared.status == 1 && compared.output.contains("patch train.py"), "\(compared.output)")
        let json = try JSON.decode(
            RunDiff.self, from: try nestbox("runs", "diff", finished.id, failed.id, "--json").output)
        #expect(json.params == [.init(key: "p", a: "1", b: "2")])
        #expect(try nestbox("runs", "diff", finished.id, finished.id, "--exit-code").status == 0)
        #expect(try nestbox("runs", "diff", finished.id, "nothing").status == EX_NOINPUT)
        #expect(try nestbox("run").status == EX_USAGE)
        #expect(try nestbox("run", "--", "/no/such/program").status == EX_NOINPUT)
        #expect(try await runs().first?.status == .failed)
    }

    @Test func aRecipesRunsKnowWhatTheyWereMadeWith() async throws {
        let text = "x,y\n" + (0..<300).map { "\($0 % 17),\($0 % 17 > 8 ? 1 : 0)\n" }.joined()
        let version = try await server.remote.datasets.importVersion(
            DatasetImport(name: "small", format: .csv, source: "made by the test"), body: ByteStream(Data(text.utf8)))
        let recipe = directory.file("recipe.yaml")
        try """
        name: small
        dataset: small
        target: y
        task: binary
        features: [x]
        split: {by: seed, seed: 5, validation: 0.2, test: 0.2}
        learner: gradient_boosting
        parameters: {num_trees: 5}
        study: {trials: 2, seed: 3, space: {num_leaves: {type: int, low: 4, high: 8}}}
        """.write(toFile: recipe, atomically: false, encoding: .utf8)
        let trained = try nestbox("train", recipe)
        try #require(trained.status == 0, "\(trained.output)")
        let experiment = try await server.remote.tracking.experiment(named: "small")
        let runs = try await server.remote.tracking.runs(RunSearch(experimentIDs: [experiment.id])).items
        #expect(runs.count == 3)
        for run in runs {
            let environment = try await server.remote.provenance.environment(ofRun: run.id)
            #expect(
                environment.data == [
                    .init(name: "small", version: 1, digest: version.contentHash, source: "made by the test")
                ])
            #expect(environment.seeds["split.seed"] == "5")
            #expect(environment.job?.recipe["dataset"] == "small@1")
            #expect(environment.job?.kind == (run.parentID == nil ? "study" : "train"))
            #expect(environment.threads != nil && environment.machine?.cores != nil && environment.nestbox != nil)
        }
        for run in runs {
            let again = try nestbox("runs", "reproduce", run.id, "--tolerance", "0")
            #expect(again.status == 0 && again.output.contains("are reproduced"), "\(again.output)")
        }
        let copies = try await server.remote.tracking.runs(
            RunSearch(experimentIDs: [experiment.id], filter: "tags.`nestbox.reproduces` LIKE '%'")
        ).items
        #expect(Set(copies.compactMap { $0.tags["nestbox.reproduces"] }) == Set(runs.map(\.id)))
    }

    /// The command logs by itself, as an MLflow client would.
    @Test func aCapturedCommandIsMadeAgain() async throws {
        let checkout = try checkout()
        let script = """
            import json, os, random, urllib.request
            random.seed(int(os.environ["SEED"]))
            value = random.random() + float(open("offset.txt").read())
            body = {"run_id": os.environ["MLFLOW_RUN_ID"], "metrics": [
                {"key": "loss", "value": value, "timestamp": 1, "step": 0},
                {"key": "seconds", "value": os.getpid(), "timestamp": 1, "step": 0}]}
            urllib.request.urlopen(urllib.request.Request(
                os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-batch",
                json.dumps(body).encode(), {"Content-Type": "application/json"}))
            """
        try script.write(toFile: checkout + "/train.py", atomically: false, encoding: .utf8)
        try "0.5".write(toFile: checkout + "/offset.txt", atomically: false, encoding: .utf8)
        let command = ["--", "/usr/bin/env", "python3", "train.py"]
        func nestbox(_ arguments: [String], in place: String) throws -> (status: Int32, output: String) {
            try runCommand(
                ServerProcess.executable, arguments, environment: ["NESTBOX_URL": server.url, "SEED": "7"],
                directory: place)
        }
        let first = try nestbox(["run"] + command, in: checkout)
        try #require(first.status == 0, "\(first.output)")
        let original = try #require(try await runs().first)
        // What was not committed is what counts: the checkout has moved on, and the seed is another.
        try "99".write(toFile: checkout + "/offset.txt", atomically: false, encoding: .utf8)
        let again = try runCommand(
            ServerProcess.executable, ["runs", "reproduce", original.id, "--ignore", "seconds"],
            environment: ["NESTBOX_URL": server.url, "SEED": "8"], directory: checkout)
        #expect(again.status == 0 && again.output.contains("all 1 metrics are reproduced"), "\(again.output)")
        let copy = try #require(try await runs().first)
        #expect(copy.id != original.id && copy.tags["nestbox.reproduces"] == original.id)
        #expect(copy.metric("loss") == original.metric("loss") && copy.tags["nestbox.git.dirty"] == "true")
        #expect(try await server.remote.tracking.run(id: original.id).tags["nestbox.reproduced_by"] == copy.id)
        let job = try #require(try await server.remote.jobs.jobs(state: .succeeded, limit: 5).first)
        #expect(job.kind == "reproduce" && job.result?["runID"]?.stringValue == copy.id)
        let differing = try nestbox(["runs", "reproduce", original.id], in: checkout)
        #expect(differing.status == 1 && differing.output.contains("1 of 2 metrics differ"), "\(differing.output)")
        let plan = try nestbox(["runs", "reproduce", original.id, "--dry-run"], in: checkout)
        #expect(plan.status == 0 && plan.output.contains("python3 train.py"), "\(plan.output)")
        #expect(try await runs().count == 3)

        try FileManager.default.removeItem(atPath: checkout)
        let lost = try nestbox(["runs", "reproduce", original.id], in: directory.path)
        #expect(lost.status == EX_NOINPUT && lost.output.contains("its commit"), "\(lost.output)")
        let bare = try await server.remote.tracking.createRun(NewRun(experimentID: "0"))
        _ = try await server.remote.tracking.updateRun(id: bare.id, RunUpdate(status: .finished))
        let impossible = try nestbox(["runs", "reproduce", bare.id], in: directory.path)
        #expect(impossible.status == EX_NOINPUT && impossible.output.contains("no commit is recorded"))
    }

    @Test func whatAClientSentIsShownWhereNothingWasCaptured() async throws {
        let run = try await server.remote.tracking.createRun(
            NewRun(
                experimentID: "0",
                tags: ["mlflow.source.name": "train.py", "mlflow.source.git.commit": "abc123", "mlflow.user": "ada"]))
        let environment = try await server.remote.provenance.environment(ofRun: run.id)
        #expect(environment.origin == .tags && environment.command == ["train.py"] && environment.user == "ada")
        #expect(environment.code?.commit == "abc123" && !environment.notes.isEmpty)
        await expectError(.notFound) { try await server.remote.provenance.environment(ofRun: "nothing") }
    }
}
