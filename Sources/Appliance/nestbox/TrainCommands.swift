import ArgumentParser
import Client
import Contracts
import Core
import Foundation

struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train from a recipe (YAML or JSON) as a job, and follow it to its end.")

    @Argument(help: "The recipe.", completion: .file()) var recipe: String
    @Flag(help: "Return as soon as the job is queued.") var detach = false
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let remote = try client.connect()
        let job = try await remote.jobs.train(recipe: try readText(recipe))
        if detach {
            if client.json { return try Terminal.json(job) }
            return print("job \(job.id) is queued (\(job.progress.message)); follow it with: nestbox jobs \(job.id)")
        }
        let finished = try await remote.follow(job: job.id)
        if client.json { try Terminal.json(finished) } else { try describe(finished) }
        guard finished.state == .succeeded else { throw ExitCode(1) }
    }

    private func describe(_ job: Job) throws {
        guard job.state == .succeeded, let result = job.result else {
            Terminal.complain(
                NestboxError(
                    .internalError, "job \(job.id) \(job.state.rawValue): \(job.error?.message ?? "")",
                    hint: job.error?.hint))
            return
        }
        let outcome = try JSON.decode(TrainingOutcome.self, from: try JSON.encode(result))
        let metrics = outcome.metrics.sorted { $0.key < $1.key }.map { "\($0.key) \(Terminal.number($0.value))" }
            .joined(separator: "  ")
        print("run \(outcome.runID)  test: \(metrics)")
        if let model = outcome.model, let version = outcome.version { print("registered \(model) version \(version)") }
        if let rejected = outcome.rejected { print("not registered: \(rejected)") }
    }
}

extension Remote {
    /// Waits for a job's end, showing its progress.
    func follow(job id: String) async throws -> Job {
        defer { Terminal.endProgress() }
        var told: String?
        while true {
            let job = try await jobs.job(id: id)
            if job.state.isFinal { return job }
            let message = job.state == .queued ? "queued, \(job.progress.message)" : job.progress.message
            if Terminal.isInteractive {
                Terminal.progress(job.progress.fraction, "\(job.name): \(message)")
            } else if job.state == .queued, message != told {
                // Into a file or a pipe go only the reasons why nothing happens yet.
                Terminal.say("\(job.name): \(message)")
                told = message
            }
            try await Task.sleep(for: .milliseconds(150))
        }
    }
}

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "List jobs, follow one, cancel or retry it, read its log.")

    @Argument(help: "A job's id.") var id: String?
    @Flag(help: "Ask it to stop.") var cancel = false
    @Flag(help: "Queue it again.") var retry = false
    @Flag(help: "Print its log.") var log = false
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let remote = try client.connect()
        guard let id else {
            let jobs = try await remote.jobs.jobs(state: nil, limit: 50)
            if client.json { return try Terminal.json(jobs) }
            return Terminal.table(
                ["id", "kind", "name", "state", "attempt", "created"],
                jobs.map {
                    [
                        $0.id, $0.kind, $0.name, $0.state.rawValue, "\($0.attempt)/\($0.maxAttempts)",
                        $0.createdAt.iso8601,
                    ]
                })
        }
        if log {
            var offset: Int64 = 0
            while true {
                let chunk = try await remote.jobs.log(id: id, offset: offset)
                if chunk.nextOffset == offset { return }
                print(chunk.text, terminator: "")
                offset = chunk.nextOffset
            }
        }
        let job =
            if cancel { try await remote.jobs.cancel(id: id) } else if retry {
                try await remote.jobs.retry(id: id)
            } else {
                try await remote.follow(job: id)
            }
        if client.json { return try Terminal.json(job) }
        print("job \(job.id) is \(job.state.rawValue)\(job.error.map { ": \($0.message)" } ?? "")")
        if !cancel, !retry, job.state != .succeeded { throw ExitCode(1) }
    }
}
