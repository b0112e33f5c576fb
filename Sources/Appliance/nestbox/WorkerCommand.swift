import ArgumentParser
import Capture
import Client
import Contracts
import Core
import Foundation
import Jobs
import Training

struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Run jobs for a server. The server starts its own; run more here or on another machine.")

    @OptionGroup var client: ClientOptions
    @Option(help: "Run just this job, then end.")
    var job: String?

    func run() async throws {
        WorkerProcess.settle()
        // Work goes on while the server is restarted; the lease says by itself when it has become pointless.
        let remote = try client.connect(patience: 3600)
        let capture = EnvironmentCapture(
            command: ["nestbox"] + CommandLine.arguments.dropFirst(), version: versionText, includesPackages: false)
        let handlers = TrainingHandlers.make(
            datasets: remote.datasets, tracking: remote.tracking, registry: remote.registry,
            artifacts: remote.artifacts,
            environment: { await capture.capture() })
        let worker = Worker(queue: try client.connect().jobs, handlers: handlers)
        try await WorkerProcess.cancelledBySignals { [job] in
            if let job {
                try await worker.runOne(jobID: job)
            } else {
                try await worker.runLoop()
            }
        }
    }
}
