import ArgumentParser
import Capture
import Client
import Contracts
import Core
import Foundation
import Jobs

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command as a run: `nestbox run -- python train.py`.",
        discussion: """
            Makes a run, captures what it is made with, and starts the command with MLFLOW_TRACKING_URI, MLFLOW_RUN_ID \
            and MLFLOW_EXPERIMENT_ID set, so that an unmodified MLflow client logs into that run. The run ends FINISHED or \
            FAILED by the command's exit code, which is also this command's.

            Captured as environment/… among the run's files: git commit and a patch of what differs from it (up to 4 MiB, new \
            files up to 1 MiB each), the command line, what is installed for its Python, lock files, the machine, and the \
            environment variables that decide what a computation gives. Passwords in addresses, arguments like \
            --db-password, and files like .env are left out. `nestbox runs show ID` shows it all.

            A program that chooses its experiment by itself must choose the one given here.
            """)

    @Option(help: "The experiment (MLFLOW_EXPERIMENT_NAME; default: Default). Made when there is none.")
    var experiment: String?
    @Option(help: "The run's name; default: the command's file.") var name: String?
    @Option(help: "A dataset of this server that the command reads: flights or flights@2. May be repeated.")
    var input: [String] = []
    @Option(help: "A parameter to log: key=value. May be repeated.") var param: [String] = []
    @Option(help: "A tag to set: key=value. May be repeated.") var tag: [String] = []
    @Option(help: "An environment variable to capture as well. May be repeated.") var env: [String] = []
    @OptionGroup var client: ClientOptions
    @Argument(parsing: .postTerminator, help: "The command, behind --.") var command: [String]

    func validate() throws {
        if command.isEmpty { throw ValidationError("there is no command: nestbox run -- python train.py") }
    }

    func run() async throws {
        // The server may be restarted while the command works.
        let remote = try client.connect(patience: 60)
        let experimentName = experiment ?? ProcessInfo.processInfo.environment["MLFLOW_EXPERIMENT_NAME"] ?? "Default"
        let commandRun = CommandRun(
            command: command, directory: FileManager.default.currentDirectoryPath, experiment: experimentName,
            name: name, tags: try strings(tag), params: try strings(param),
            inputs: try input.map { try DatasetReference(parsing: $0) }, variables: env, client: client)
        let (run, code) = try await commandRun.execute(remote)
        Terminal.say("run \(run.id) \(run.status.rawValue), exit code \(code): nestbox runs show \(run.id)")
        if client.json { try Terminal.json(run) }
        if code != 0 { throw ExitCode(code) }
    }

    private func strings(_ pairs: [String]) throws -> [String: String] {
        var found: [String: String] = [:]
        for pair in pairs {
            guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else {
                throw NestboxError.invalid("`\(pair)` is not a key=value pair")
            }
            found[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
        }
        return found
    }
}

/// A command that logs into a run made for it, with its environment captured.
struct CommandRun {
    var command: [String]
    var directory: String
    var experiment: String
    var name: String?
    var tags: [String: String] = [:]
    var params: [String: String] = [:]
    var inputs: [DatasetReference] = []
    var variables: [String] = []
    /// Set for the command, besides those that lead the client into the run.
    var environment: [String: String] = [:]
    var client: ClientOptions

    /// Returns the ended run and the command's exit code. The run ends KILLED when this process is told to stop.
    func execute(_ remote: Remote) async throws -> (Run, Int32) {
        let target = try await remote.tracking.ensureExperiment(named: experiment)
        let data = try await versions(remote)
        let run = try await begin(remote, in: target, data)
        do {
            var variables = environment
            variables["MLFLOW_TRACKING_URI"] = remote.client.baseURL
            variables["MLFLOW_RUN_ID"] = run.id
            variables["MLFLOW_EXPERIMENT_ID"] = target.id
            variables["NESTBOX_URL"] = remote.client.baseURL
            if let token = client.accessToken { variables["MLFLOW_TRACKING_TOKEN"] = token }
            let code = try await WorkerProcess.cancelledBySignals { [command, directory, variables] in
                try await Tool.follow(command, in: directory, environment: variables)
            }
            return (try await end(run, remote, code == 0 ? .finished : .failed, "exit code \(code)"), code)
        } catch {
            let isStopped = error is CancellationError
            // Apart from this task, which may be cancelled.
            _ = try? await Task {
                try await end(
                    run, remote, isStopped ? .killed : .failed, (error as? NestboxError)?.message ?? "stopped")
            }.value
            throw error
        }
    }

    private func versions(_ remote: Remote) async throws -> [DatasetVersion] {
        var found: [DatasetVersion] = []
        for input in inputs { found.append(try await remote.datasets.version(input)) }
        return found
    }

    private func begin(_ remote: Remote, in target: Experiment, _ data: [DatasetVersion]) async throws -> Run {
        var captured = await EnvironmentCapture(
            command: command, directory: directory, version: versionText, variables: variables,
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }
        ).capture()
        captured.environment.data = data.map {
            RunEnvironment.DataVersion(name: $0.dataset, version: $0.version, digest: $0.contentHash, source: $0.source)
        }
        let source = captured.environment.command.joined(separator: " ")
        var tags = tags
        tags["mlflow.source.name"] = String(source.prefix(1000))
        tags["mlflow.source.type"] = "LOCAL"
        let file = command.first { $0.hasSuffix(".py") } ?? command[0]
        let run = try await remote.tracking.createRun(
            NewRun(
                experimentID: target.id, name: name ?? (file as NSString).lastPathComponent,
                user: captured.environment.user, startTime: Ambient.live.now(),
                tags: tags.merging(captured.environment.tags) { $1 }))
        do {
            _ = try await captured.store(in: remote.artifacts, of: run)
            if !params.isEmpty { try await remote.tracking.log(runID: run.id, LogBatch(params: params)) }
            if !data.isEmpty { try await remote.tracking.logInputs(runID: run.id, try data.map { try $0.runInput }) }
        } catch {
            _ = try? await end(run, remote, .failed, "the environment could not be stored")
            throw error
        }
        for note in captured.environment.notes { Terminal.say("note: \(note)") }
        for path in captured.environment.code?.leftOut ?? [] { Terminal.say("not captured: \(path)") }
        return run
    }

    /// The command's client may have ended the run already; what its exit code says counts.
    private func end(_ run: Run, _ remote: Remote, _ status: RunStatus, _ reason: String) async throws -> Run {
        if status != .finished {
            try await remote.tracking.log(runID: run.id, LogBatch(tags: ["nestbox.error": reason]))
        }
        return try await remote.tracking.updateRun(
            id: run.id, RunUpdate(status: status, endTime: Ambient.live.now()))
    }
}
