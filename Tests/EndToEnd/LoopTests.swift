import Core
import Foundation
import TestSupport
import Testing

/// The whole loop as a newcomer runs it, the command line, and the real Python clients.
@Suite(.serialized) struct LoopTests {
    private let python = ProcessInfo.processInfo.environment["NESTBOX_TEST_PYTHON"]

    /// Nil on a laptop without the clients; a failure where they are required.
    private func clients() throws -> String? {
        if let python { return python }
        if ProcessInfo.processInfo.environment["NESTBOX_REQUIRE_PYTHON"] != nil {
            Issue.record("NESTBOX_TEST_PYTHON is not set; run ./bootstrap/test")
        } else {
            print("the Python clients are not installed: run ./bootstrap/test where a package index is reachable")
        }
        return nil
    }

    @Test func demoGoesThroughTheWholeLoop() throws {
        let directory = try TemporaryDirectory()
        let result = try runCommand(
            ServerProcess.executable,
            [
                "demo", "--exit", "--port", "0", "--data", directory.file("data"), "--samples",
                repositoryRoot + "/samples",
            ])
        print(result.output)
        #expect(result.status == 0)
        for step in [
            "data", "features", "join", "train", "search", "registry", "deploy", "predict", "replay", "drift",
            "whole loop",
        ] {
            #expect(result.output.split(separator: "\n").contains { $0.hasPrefix(step) }, "no step \(step)")
        }
        let alerts = try #require(result.output.firstMatch(of: #/(\d+) alerts open/#))
        #expect(Int(alerts.output.1)! > 0)
    }

    @Test func demoRunsASecondTimeOnTheSameData() throws {
        let directory = try TemporaryDirectory()
        let arguments = [
            "demo", "--exit", "--port", "0", "--data", directory.file("data"), "--samples", repositoryRoot + "/samples",
        ]
        #expect(try runCommand(ServerProcess.executable, arguments).status == 0)
        let second = try runCommand(ServerProcess.executable, arguments)
        #expect(second.status == 0, "\(second.output)")
        #expect(
            second.output.contains("flights@1:"), "an unchanged import must not make a new version: \(second.output)")
    }

    @Test func realMLflowClientLogsSearchesAndDownloads() async throws { try await runClient("mlflow_client.py") }

    @Test func realMLflowClientMakesAHistory() async throws { try await runClient("mlflow_registry.py") }

    @Test func realMLflowClientLogsAndLoadsModels() async throws { try await runClient("mlflow_models.py") }

    /// Hundreds of filters and orders; `--against` an MLflow server, the script compares with that too. One seed here: the
    /// client's library, which judges, takes some filters that MLflow's own server refuses.
    @Test func realMLflowClientSearchesWithEveryOperator() async throws {
        try await runClient("mlflow_search.py", "--count", "150", "--seed", "2")
    }

    @Test func realMLflowAndOpenTelemetryClientsTrace() async throws { try await runClient("mlflow_traces.py") }

    @Test func realMLflowClientIsFollowedBothWays() async throws { try await runClient("mlflow_lineage.py") }

    /// Its receiver is on this machine, where the server lets webhooks point.
    @Test func realMLflowClientIsToldByWebhooks() async throws { try await runClient("mlflow_webhooks.py") }

    /// Runs a program of samples/clients against a fresh server; it checks every answer itself.
    private func runClient(_ script: String, _ arguments: String...) async throws {
        guard let python = try clients() else { return }
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let result = try runCommand(
            python, [repositoryRoot + "/samples/clients/" + script, server.url] + arguments,
            environment: ["MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"])
        print(result.output)
        #expect(result.status == 0)
    }

    /// The README's first session, then a real client of what it deployed.
    @Test func aFirstSessionByHand() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        try firstSession(server)
        guard let python = try clients() else { return }
        let result = try runCommand(
            python, [repositoryRoot + "/samples/clients/inference_protocol_client.py", server.url, "flights-quick"])
        print(result.output)
        #expect(result.status == 0)
    }

    private func firstSession(_ server: ServerProcess) throws {
        let readme = try String(contentsOfFile: repositoryRoot + "/README.md", encoding: .utf8)
        let commands = readme.matches(
            of: #/^ {4}nestbox ((?:import(?! mlflow)|train|deploy|predict) [^#\n]+)/#.anchorsMatchLineEndings())
        #expect(commands.count == 4)
        for command in commands {
            let arguments = command.output.1.split(separator: " ").map(String.init)
            let result = try runCommand(
                ServerProcess.executable, arguments, environment: ["NESTBOX_URL": server.url], directory: repositoryRoot
            )
            #expect(result.status == 0, "\(command.output.0): \(result.output)")
            if arguments[0] == "predict" { #expect(result.output.contains(#/0\.\d+/#), "\(result.output)") }
        }
    }

    @Test func commandLineTellsScriptsWhatHappened() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        func nestbox(_ arguments: String...) throws -> (status: Int32, output: String) {
            try runCommand(ServerProcess.executable, arguments, environment: ["NESTBOX_URL": server.url])
        }
        let imported = try nestbox("import", repositoryRoot + "/samples/flights/airports.csv", "--json")
        #expect(imported.status == 0)
        let version = try JSON.decode(JSONValue.self, from: imported.output)
        #expect(version["dataset"] == "airports" && version["version"] == 1)
        #expect(try nestbox("datasets").output.contains("airports"))
        #expect(try nestbox("datasets", "airports").output.contains("faa"))

        let missing = try nestbox("datasets", "airport")
        #expect(missing.status == EX_NOINPUT)
        #expect(missing.output.contains("did you mean `airports`"), "\(missing.output)")
        #expect(try nestbox("runs", "--nonsense").status == EX_USAGE)
        #expect(try nestbox("train", "/no/such/recipe.yaml").status == EX_NOINPUT)
        let noServer = try runCommand(ServerProcess.executable, ["runs", "--url", "http://127.0.0.1:9"])
        #expect(noServer.status == EX_UNAVAILABLE)
        #expect(noServer.output.contains("nestbox serve"), "\(noServer.output)")
        #expect(
            try nestbox("doctor", "--data", directory.file("data")).output.contains("in use by process \(server.pid)"))
        let backup = try nestbox("backup")
        #expect(backup.status == 0 && backup.output.contains("nestbox-"))
        for command in ["datasets", "features", "jobs", "runs", "models"] {
            let listed = try nestbox(command, "--json")
            #expect(listed.status == 0, "\(command): \(listed.output)")
            _ = try JSON.decode(JSONValue.self, from: listed.output)
        }
    }
}
