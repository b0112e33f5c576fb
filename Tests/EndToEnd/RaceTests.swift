import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Clients that want the same thing at the same time, over HTTP: one wins or the last one does, nothing is torn, and
/// nobody is told that the server failed.
@Suite struct RaceTests {
    private static let api = "/api/2.0/mlflow/"

    /// Sends all bodies at once, each from a thread of its own.
    private func race(
        _ server: ServerProcess, _ requests: [(method: String, path: String, body: String)]
    ) async throws -> [RawHTTP.Answer] {
        let http = try RawHTTP(server.url)
        return try await withThrowingTaskGroup(of: (Int, RawHTTP.Answer).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask {
                    // All wait at once: not on threads that are as many as the cores.
                    try await withCheckedThrowingContinuation { done in
                        Thread.detachNewThread {
                            done.resume(
                                with: Result {
                                    (
                                        index,
                                        try http.send(request.method, Self.api + request.path, Data(request.body.utf8))
                                    )
                                })
                        }
                    }
                }
            }
            var answers: [Int: RawHTTP.Answer] = [:]
            for try await (index, answer) in group { answers[index] = answer }
            return requests.indices.compactMap { answers[$0] }
        }
    }

    private func server() async throws -> (ServerProcess, TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        return (try await ServerProcess(data: directory.file("data")), directory)
    }

    private func model(_ name: String, versions: Int, _ server: ServerProcess) async throws {
        _ = try await server.remote.registry.createModel(name: name, description: "", tags: [:])
        for _ in 0..<versions {
            _ = try await server.remote.registry.createVersion(
                NewModelVersion(name: name, source: "s3://bucket/key", runID: nil))
        }
    }

    @Test func ofTwoWhoMoveAnAliasTheLastWins() async throws {
        let (server, directory) = try await server()
        defer { withExtendedLifetime(directory) {} }
        try await model("m", versions: 4, server)
        for round in 0..<10 {
            let answers = try await race(
                server,
                (0..<16).map {
                    (
                        "POST", "registered-models/alias",
                        #"{"name": "m", "alias": "champion", "version": "\#($0 % 4 + 1)"}"#
                    )
                })
            #expect(answers.allSatisfy { $0.status == 200 }, "round \(round): \(answers.map(\.status))")
            // What the model, the version and the history say is one and the same.
            let model = try await server.remote.registry.model("m")
            let version = try await server.remote.registry.version("m", alias: "champion")
            #expect(model.aliases == ["champion": version.version] && version.aliases == ["champion"])
            let history = try await server.remote.registry.history(of: "m", HistorySearch(alias: "champion")).items
            #expect(history.first?.toVersion == version.version)
            for (later, earlier) in zip(history, history.dropFirst()) {
                #expect(later.fromVersion == earlier.toVersion)
            }
        }
    }

    @Test func anAliasThatIsMovedAndRemovedAtOnceIsThereOrNot() async throws {
        let (server, directory) = try await server()
        defer { withExtendedLifetime(directory) {} }
        try await model("m", versions: 2, server)
        for round in 0..<10 {
            let answers = try await race(
                server,
                (0..<16).map {
                    $0 % 2 == 0
                        ? (
                            "POST", "registered-models/alias",
                            #"{"name": "m", "alias": "a", "version": "\#($0 % 4 / 2 + 1)"}"#
                        )
                        : ("DELETE", "registered-models/alias", #"{"name": "m", "alias": "a"}"#)
                })
            #expect(answers.allSatisfy { $0.status == 200 }, "round \(round): \(answers.map(\.status))")
            let model = try await server.remote.registry.model("m")
            for number in 1...2 {
                let version = try await server.remote.registry.version("m", number)
                #expect(version.aliases == (model.aliases["a"] == number ? ["a"] : []))
            }
        }
    }

    @Test func noAliasPointsAtAVersionThatIsGone() async throws {
        let (server, directory) = try await server()
        defer { withExtendedLifetime(directory) {} }
        for round in 0..<10 {
            try await model("m\(round)", versions: 2, server)
            var requests = (0..<8).map { _ in
                ("POST", "registered-models/alias", #"{"name": "m\#(round)", "alias": "a", "version": "2"}"#)
            }
            requests.insert(("DELETE", "model-versions/delete", #"{"name": "m\#(round)", "version": "2"}"#), at: 4)
            let answers = try await race(server, requests)
            #expect(answers[4].status == 200)
            for answer in answers where answer.status != 200 {
                #expect(answer.status == 404 && answer.errorCode == "RESOURCE_DOES_NOT_EXIST")
            }
            #expect(try await server.remote.registry.model("m\(round)").aliases.isEmpty)
        }
    }

    @Test(arguments: [
        ("experiments/create", #"{"name": "NAME"}"#), ("registered-models/create", #"{"name": "NAME"}"#),
    ])
    func ofManyWhoTakeANewNameOneGetsIt(path: String, body: String) async throws {
        let (server, directory) = try await server()
        defer { withExtendedLifetime(directory) {} }
        for round in 0..<10 {
            let body = body.replacingOccurrences(of: "NAME", with: "n\(round)")
            let answers = try await race(server, Array(repeating: ("POST", path, body), count: 12))
            #expect(answers.count { $0.status == 200 } == 1)
            for answer in answers where answer.status != 200 {
                #expect(answer.status == 400 && answer.errorCode == "RESOURCE_ALREADY_EXISTS")
            }
        }
    }

    @Test func aParamThatIsLoggedInSeveralWaysKeepsOne() async throws {
        let (server, directory) = try await server()
        defer { withExtendedLifetime(directory) {} }
        let experiment = try await server.remote.tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: experiment.id)).id
        for round in 0..<10 {
            let answers = try await race(
                server,
                (0..<12).map {
                    let params =
                        #"[{"key": "p\#(round)", "value": "\#($0)"}, {"key": "p\#(round)-\#($0)", "value": "x"}]"#
                    return ("POST", "runs/log-batch", #"{"run_id": "\#(run)", "params": \#(params)}"#)
                })
            let winners = answers.indices.filter { answers[$0].status == 200 }
            #expect(winners.count == 1)
            for answer in answers where answer.status != 200 {
                #expect(answer.status == 400 && answer.errorCode == "INVALID_PARAMETER_VALUE")
            }
            // Of a batch that lost, nothing is there.
            let params = try await server.remote.tracking.run(id: run).params.filter {
                $0.key.hasPrefix("p\(round)-") || $0.key == "p\(round)"
            }
            #expect(Set(params.keys) == Set(["p\(round)"] + winners.map { "p\(round)-\($0)" }))
            #expect(params["p\(round)"] == winners.first.map(String.init))
        }
    }
}
