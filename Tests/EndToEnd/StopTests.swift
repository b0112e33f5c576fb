import Client
import Contracts
import Core
import Foundation
import Synchronization
import TestSupport
import Testing

/// SIGTERM: a stop is bounded, loses nothing that was answered, and costs no job an attempt.
@Suite(.serialized) struct StopTests {
    private final class Answered: Sendable {
        let ids = Mutex<Set<String>>([])
    }

    @Test func aStopCostsAJobNoAttempt() async throws {
        let directory = try TemporaryDirectory()
        let data = directory.file("data")
        var jobID = ""
        do {
            let server = try await ServerProcess(data: data)
            try await SlowTraining.importTable(server.remote)
            jobID = try await server.remote.jobs.train(recipe: SlowTraining.recipe).id
            try await SlowTraining.underWay(server.remote, jobID)
            // Supervisors of services tell every process of one, not only the first.
            let workers = server.children
            kill(server.pid, SIGTERM)
            for worker in workers { kill(worker, SIGTERM) }
            _ = try await eventually("the server's end") { server.isRunning ? nil : true }
            #expect(server.stop() == 0)
        }
        let server = try await ServerProcess(data: data)
        let finished = try await SlowTraining.end(server.remote, jobID)
        #expect(finished.state == .succeeded && finished.attempt == 1, "\(String(describing: finished.error))")
        let experiment = try await server.remote.tracking.experiment(named: "slow")
        let runs = try await server.remote.tracking.runs(RunSearch(experimentIDs: [experiment.id])).items
        #expect(runs.count == 2 && runs.filter { $0.status == .finished }.count == 1)
        #expect(!runs.contains { $0.status == .running })
        #expect(try await server.remote.registry.model("slow").latestVersion == 1)
    }

    /// The upload never rests and never ends, so that without a bound the server would stay for ever.
    @Test func aHalfSentUploadDoesNotHoldUpAStop() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let experiment = try await server.remote.tracking.createExperiment(
            name: "half", artifactLocation: nil, tags: [:])
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: experiment.id))
        let sent = Mutex(0)
        let body = ByteStream(length: 1 << 30) {
            try await Task.sleep(for: .milliseconds(20))
            sent.withLock { $0 += 1 }
            return [1]
        }
        let remote = server.remote
        let upload = Task { try await remote.artifacts.put("\(run.artifactPath)/half.bin", body) }
        _ = try await eventually("the upload under way") { sent.withLock { $0 } > 3 ? true : nil }
        kill(server.pid, SIGTERM)
        _ = try await eventually("the server's end", within: 100) { server.isRunning ? nil : true }
        await #expect(throws: (any Error).self) { _ = try await upload.value }
        let next = try await ServerProcess(data: directory.file("data"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("data/tmp")).isEmpty)
        #expect(next.stop() == 0)
    }

    @Test func everyAnsweredPredictionIsInTheLogAfterAStop() async throws {
        let directory = try TemporaryDirectory()
        let data = directory.file("data")
        let answered = Answered()
        do {
            let server = try await ServerProcess(data: data)
            let remote = server.remote
            try await SlowTraining.importTable(remote, rows: 2000)
            let recipe = SlowTraining.recipe.replacingOccurrences(of: "num_trees: 2500", with: "num_trees: 5")
            let job = try await SlowTraining.end(remote, try await remote.jobs.train(recipe: recipe).id)
            try #require(job.state == .succeeded, "\(String(describing: job.error))")
            _ = try await remote.serving.deploy(.init(name: "slow", model: "slow", version: "1"))
            let row: [String: JSONValue] = ["a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5, "f": 0.6]
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        // Until the server is gone.
                        while let answer = try? await remote.serving.predict("slow", rows: [row]) {
                            answered.ids.withLock { _ = $0.insert(answer.id) }
                        }
                    }
                }
                group.addTask {
                    while answered.ids.withLock({ $0.count }) < 500 { try? await Task.sleep(for: .milliseconds(5)) }
                    kill(server.pid, SIGTERM)
                }
            }
            _ = try await eventually("the server's end") { server.isRunning ? nil : true }
        }
        let server = try await ServerProcess(data: data)
        var gone = 0
        let wanted = answered.ids.withLock { $0 }
        for id in wanted {
            do {
                _ = try await server.remote.serving.prediction(id: id)
            } catch let error as NestboxError where error.code == .notFound {
                gone += 1
            }
        }
        #expect(gone == 0, "of \(wanted.count)")
    }

    @Test func aWorkerElsewhereGoesOnWhileTheServerIsRestarted() async throws {
        let directory = try TemporaryDirectory()
        let data = directory.file("data")
        let worker = Process()
        defer { if worker.isRunning { kill(worker.processIdentifier, SIGKILL) } }
        let output = directory.file("worker")
        var jobID = "", port = ""
        do {
            let server = try await ServerProcess(data: data, arguments: ["--job-slots", "0"])
            #expect(server.log.contains("jobs wait for outside workers"), "\(server.log)")
            try await SlowTraining.importTable(server.remote)
            let job = try await server.remote.jobs.train(recipe: SlowTraining.recipe)
            #expect(job.progress.message.contains("no job slots"))
            for arguments in [["doctor", "--data", data], ["jobs", "--json"]] {
                let told = try runCommand(
                    ServerProcess.executable, arguments, environment: ["NESTBOX_URL": server.url])
                #expect(told.output.contains("no job slots"), "\(told.output)")
            }
            (jobID, port) = (job.id, String(server.url.split(separator: ":").last ?? ""))
            _ = FileManager.default.createFile(atPath: output, contents: nil)
            worker.executableURL = URL(fileURLWithPath: ServerProcess.executable)
            worker.arguments = ["worker", "--url", server.url]
            worker.standardOutput = FileHandle(forWritingAtPath: output)
            worker.standardError = worker.standardOutput
            try worker.run()
            try await SlowTraining.underWay(server.remote, jobID)
            #expect(server.stop() == 0)
        }
        _ = try await eventually("a renewal that fails") {
            try String(contentsOfFile: output, encoding: .utf8).contains("could not be renewed") ? true : nil
        }
        let server = try await ServerProcess(data: data, arguments: ["--job-slots", "0", "--port", port])
        let finished = try await SlowTraining.end(server.remote, jobID)
        #expect(finished.state == .succeeded && finished.attempt == 1, "\(String(describing: finished.error))")
        #expect(worker.isRunning)
        let log = try await server.remote.jobs.log(id: jobID, offset: 0).text
        #expect(log.contains("attempt 1 of 3 starts") && log.contains("iteration 2 of 2500"), "\(log.prefix(500))")
        #expect(log.contains("registered slow version 1"))
    }
}
