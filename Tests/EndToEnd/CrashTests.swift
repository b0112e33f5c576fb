import Client
import Contracts
import Core
import Foundation
import Synchronization
import TestSupport
import Testing

/// Kill anything at any moment: what was acknowledged is there afterwards, and nothing is stuck.
@Suite(.serialized) struct CrashTests {
    private final class Acknowledged: Sendable {
        private let state = Mutex<[String: [Double]]>([:])
        func add(_ key: String, _ value: Double) { state.withLock { $0[key, default: []].append(value) } }
        var count: Int { state.withLock { $0.values.reduce(0) { $0 + $1.count } } }
        var all: [String: [Double]] { state.withLock { $0 } }
    }

    @Test func everyAcknowledgedWriteSurvivesSIGKILL() async throws {
        let directory = try TemporaryDirectory()
        let data = directory.file("data")
        let acknowledged = Acknowledged()
        let artifacts = Acknowledged()
        var runID = ""
        do {
            let server = try await ServerProcess(data: data)
            let remote = server.remote
            let experiment = try await remote.tracking.createExperiment(name: "crash", artifactLocation: nil, tags: [:])
            let run = try await remote.tracking.createRun(NewRun(experimentID: experiment.id, name: "r"))
            runID = run.id
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<8 {
                    group.addTask {
                        for step in 0..<100_000 {
                            let point = MetricPoint(
                                key: "m\(writer)", value: Double(step),
                                timestamp: Timestamp(milliseconds: 1_700_000_000_000), step: Int64(step))
                            let batch = LogBatch(metrics: [point], params: ["p\(writer)_\(step)": "\(step)"])
                            do { try await remote.tracking.log(runID: run.id, batch) } catch { return }
                            acknowledged.add("m\(writer)", Double(step))
                        }
                    }
                }
                group.addTask {
                    for index in 0..<10_000 {
                        let path = "\(run.artifactPath)/file\(index).txt"
                        do { _ = try await remote.artifacts.put(path, Data("content \(index)".utf8)) } catch { return }
                        artifacts.add(path, Double(index))
                    }
                }
                group.addTask {
                    while acknowledged.count < 400 { try? await Task.sleep(for: .milliseconds(5)) }
                    server.killHard()
                }
            }
        }
        #expect(acknowledged.count >= 400)
        let server = try await ServerProcess(data: data)
        let run = try await server.remote.tracking.run(id: runID)
        for (key, values) in acknowledged.all {
            var stored: Set<Double> = []
            var token: String?
            repeat {
                let page = try await server.remote.tracking.metricHistory(
                    runID: runID, key: key, maxResults: 25_000, pageToken: token)
                stored.formUnion(page.items.map(\.value))
                token = page.nextPageToken
            } while token != nil
            #expect(
                stored.isSuperset(of: values),
                "\(key): \(Set(values).subtracting(stored).count) acknowledged points are gone")
            for value in values { #expect(run.params["p\(key.dropFirst())_\(Int(value))"] == "\(Int(value))") }
        }
        for (path, index) in artifacts.all {
            let content = try await server.remote.artifacts.read(path)
            #expect(content == Data("content \(Int(index[0]))".utf8))
        }
        let leftovers = try FileManager.default.contentsOfDirectory(atPath: data + "/tmp")
        #expect(leftovers.isEmpty, "temporary files stayed: \(leftovers)")
        #expect(server.stop() == 0)
    }

    @Test func jobOfAKilledWorkerFinishesOnRetry() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        try await SlowTraining.importTable(server.remote)
        let job = try await server.remote.jobs.train(recipe: SlowTraining.recipe)
        _ = try await eventually("training under way") {
            let current = try await server.remote.jobs.job(id: job.id)
            return current.state == .running && current.progress.fraction > 0.02 ? current : nil
        }
        let worker = try #require(server.children.first)
        kill(worker, SIGKILL)
        let finished = try await eventually("the job's end", within: 180) {
            let current = try await server.remote.jobs.job(id: job.id)
            return current.state.isFinal ? current : nil
        }
        #expect(finished.state == .succeeded, "\(String(describing: finished.error))")
        #expect(finished.attempt == 2)
        #expect(try await server.remote.registry.model("slow").latestVersion == 1)
        // The run of the killed attempt does not stay RUNNING.
        let experiment = try await server.remote.tracking.experiment(named: "slow")
        let runs = try await server.remote.tracking.runs(RunSearch(experimentIDs: [experiment.id])).items
        #expect(!runs.contains { $0.status == .running })
        #expect(runs.filter { $0.status == .finished }.count == 1)
    }

    @Test func jobOfAKilledServerFinishesAfterRestart() async throws {
        let directory = try TemporaryDirectory()
        let data = directory.file("data")
        var jobID = ""
        var worker: Int32 = 0
        do {
            let server = try await ServerProcess(data: data)
            try await SlowTraining.importTable(server.remote)
            jobID = try await server.remote.jobs.train(recipe: SlowTraining.recipe).id
            _ = try await eventually("training under way") {
                try await server.remote.jobs.job(id: jobID).progress.fraction > 0.02 ? true : nil
            }
            worker = try #require(server.children.first)
            server.killHard()
        }
        _ = try await eventually("the worker's end") { ServerProcess.isAlive(worker) ? nil : true }
        let server = try await ServerProcess(data: data)
        let finished = try await eventually("the job's end", within: 180) {
            let current = try await server.remote.jobs.job(id: jobID)
            return current.state.isFinal ? current : nil
        }
        #expect(finished.state == .succeeded, "\(String(describing: finished.error))")
    }

    @Test func aSecondServerOnTheSameDirectoryNamesTheHolder() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let second = try runCommand(
            ServerProcess.executable, ["serve", "--data", directory.file("data"), "--port", "0"])
        #expect(second.status == EX_CANTCREAT)
        #expect(second.output.contains("in use by process \(server.pid)"), "\(second.output)")
    }
}
