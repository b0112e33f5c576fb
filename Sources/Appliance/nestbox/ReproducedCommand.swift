import Capture
import Client
import Contracts
import Core
import Foundation
import Jobs

/// A captured command, made again where this program was called.
///
/// It is a job of the server, so that it is seen, logged and can be cancelled there; the one who works on it is this process,
/// which leases the job that it has submitted itself.
struct ReproducedCommand {
    private let original: Run
    private let environment: RunEnvironment
    private let code: RunEnvironment.Code
    private let experiment: String
    private let remote: Remote
    private let client: ClientOptions
    var repository: String?
    var rebuilds = false
    var keeps = false

    private static let fileLimit = 16 << 20

    init(_ run: Run, _ environment: RunEnvironment, _ remote: Remote, _ client: ClientOptions) async throws {
        guard let code = environment.code else {
            throw RunsCommand.Reproduce.impossible(run.id, ["no commit is recorded"])
        }
        original = run
        self.environment = environment
        self.code = code
        self.remote = remote
        self.client = client
        experiment = try await remote.tracking.experiment(id: run.experimentID).name
    }

    /// Nil for a dry run.
    func reproduce(dryRun: Bool) async throws -> Run? {
        let source = try await findRepository()
        let patch = try await contents(of: code.diff, what: "the patch of its uncommitted changes")
        let lines = rebuilds ? try await packages() : []
        Terminal.say("commit \(code.commit) from \(source)" + (patch == nil ? "" : ", with its uncommitted changes"))
        for path in code.leftOut { Terminal.say("was not captured: \(path)") }
        Terminal.say("command: \(environment.command.joined(separator: " "))")
        if dryRun { return nil }
        let root = NSTemporaryDirectory() + "nestbox-reproduce-\(UUID().uuidString.lowercased())"
        try DurableFile.makeDirectory(root)
        defer {
            if keeps { Terminal.say("kept: \(root)") } else { try? FileManager.default.removeItem(atPath: root) }
        }
        let payload: JSONValue = [
            "run": .string(original.id), "command": .array(environment.command.map { .string($0) }),
            "commit": .string(code.commit),
        ]
        let job = try await remote.jobs.submit(
            JobRequest(kind: JobRequest.reproduce, name: original.name, payload: payload, maxAttempts: 1))
        var worker = Worker(
            queue: remote.jobs,
            handlers: [
                JobRequest.reproduce: { [self] _, report in
                    let run = try await work(in: root, source, patch, lines, report)
                    return ["runID": .string(run.id), "status": .string(run.status.rawValue)]
                }
            ])
        worker.log = { Terminal.say($0) }
        let ended = try await WorkerProcess.cancelledBySignals { [worker] in try await worker.runOne(jobID: job.id) }
        guard let ended, ended.state == .succeeded, let id = ended.result?["runID"]?.stringValue else {
            let error = ended?.error
            throw NestboxError(
                NestboxError.Code(rawValue: error?.code ?? "") ?? .unavailable,
                "run \(original.id) was not made again: \(error?.message ?? "its job was cancelled")", hint: error?.hint
            )
        }
        return try await remote.tracking.run(id: id)
    }

    private func work(
        in root: String, _ source: String, _ patch: Data?, _ lines: [String], _ report: @escaping JobReport
    ) async throws -> Run {
        try report(JobProgress(fraction: 0.02, message: "checking out \(code.commit.prefix(12))"))
        let tree = root + "/tree"
        try await GitWorktree.lay(out: code.commit, from: source, remote: code.remote, patch: patch, in: tree)
        let directory = code.directory.isEmpty ? tree : tree + "/" + code.directory
        var command = environment.command
        var variables = environment.variables.merging(environment.seeds) { $1 }
        if rebuilds {
            try report(JobProgress(fraction: 0.05, message: "installing \(lines.count) packages"))
            try await PythonRebuild.make(in: root + "/venv", version: environment.python, lines: lines)
            variables["VIRTUAL_ENV"] = root + "/venv"
            let name = (command[0] as NSString).lastPathComponent
            if command[0].contains("/"), name.hasPrefix("python") { command[0] = root + "/venv/bin/python" }
        }
        if let place = variables["VIRTUAL_ENV"] {
            if FileManager.default.fileExists(atPath: place + "/bin") {
                variables["PATH"] = place + "/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
            } else {
                variables["VIRTUAL_ENV"] = nil
            }
        }
        if let path = variables["PATH"] { command[0] = Self.find(command[0], in: path) }
        try report(JobProgress(fraction: 0.1, message: "running \(environment.command.joined(separator: " "))"))
        var again = CommandRun(
            command: command, directory: directory, experiment: experiment, name: original.name,
            tags: [RunEnvironment.reproducesTag: original.id],
            inputs: environment.data.compactMap { data in
                data.version.map { DatasetReference(name: data.name, version: $0) }
            }, variables: Array(environment.variables.keys), client: client)
        again.environment = variables
        let (run, exit) = try await again.execute(remote)
        try report(JobProgress(fraction: 1, message: "run \(run.id) \(run.status.rawValue), exit code \(exit)"))
        return run
    }

    /// A program is looked for by this process's PATH, and a virtual environment's own comes first.
    private static func find(_ program: String, in path: String) -> String {
        guard !program.contains("/") else { return program }
        let candidates = path.split(separator: ":").map { "\($0)/\(program)" }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? program
    }

    // MARK: What it is made from

    private func findRepository() async throws -> String {
        let own = FileManager.default.currentDirectoryPath
        let places = repository.map { [$0] } ?? [own] + [environment.directory].compactMap { $0 }
        if let found = try await GitWorktree.repository(with: code.commit, among: places) { return found }
        if repository == nil, let remote = code.remote { return remote }
        let tried = places.joined(separator: " nor ")
        throw RunsCommand.Reproduce.impossible(
            original.id,
            [
                "its commit \(code.commit) is not in a checkout at \(tried)"
                    + (repository == nil ? ", and it was made in one without a remote" : "")
            ])
    }

    private func packages() async throws -> [String] {
        guard let data = try await contents(of: environment.packages, what: "the list of its packages") else {
            throw RunsCommand.Reproduce.impossible(original.id, ["which packages it had is not recorded"])
        }
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func contents(of file: RunEnvironment.File?, what: String) async throws -> Data? {
        guard let file else { return nil }
        do {
            return try await remote.artifacts.read(
                try ArtifactPath.path(ofURI: file.uri), limit: Self.fileLimit)
        } catch let error as NestboxError where error.code == .notFound {
            throw RunsCommand.Reproduce.impossible(original.id, ["\(what) is gone (\(file.uri))"])
        }
    }
}
