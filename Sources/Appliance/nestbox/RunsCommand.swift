import ArgumentParser
import Capture
import Client
import Contracts
import Core
import Foundation

struct RunsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List runs, show what one was made with, compare two, make one again.",
        subcommands: [List.self, Show.self, Diff.self, Reproduce.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the runs of an experiment, or show one.")
        @Argument(help: "A run's id.") var id: String?
        @Option(help: "The experiment's name; default: all.") var experiment: String?
        @Option(help: "How to sort: metrics.auc DESC, attributes.start_time ASC, …") var orderBy: String?
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let remote = try client.connect()
            if let id { return try await RunDescription.show(id, remote, json: client.json) }
            let tracking = remote.tracking
            let ids: [String] =
                if let experiment { [try await tracking.experiment(named: experiment).id] } else {
                    try await tracking.experiments(view: .activeOnly, maxResults: 1000, pageToken: nil).items.map(\.id)
                }
            let runs = try await tracking.runs(
                RunSearch(experimentIDs: ids, maxResults: 100, orderBy: orderBy.map { [$0] } ?? [])
            ).items
            if client.json { return try Terminal.json(runs) }
            let keys = Array(Set(runs.flatMap { $0.metrics.map(\.key) })).sorted().prefix(5)
            Terminal.table(
                ["id", "name", "status", "started"] + keys,
                runs.map { run in
                    [run.id, run.name, run.status.rawValue, run.startTime.iso8601]
                        + keys.map { Terminal.number(run.metric($0)) }
                })
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A run: its metrics, params, and what it was made with.")
        @Argument(help: "The run's id.") var id: String
        @OptionGroup var client: ClientOptions

        func run() async throws { try await RunDescription.show(id, try client.connect(), json: client.json) }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What differs between two runs: params, metrics, environment, packages, code, data.",
            discussion: """
                Called in a checkout that has both commits, it also shows which files changed between them. Ends with 0 whether \
                or not anything differs; --exit-code ends with 1 when something does.
                """)
        @Argument(help: "A run's id.") var a: String
        @Argument(help: "The other's.") var b: String
        @Flag(help: "End with exit code 1 when anything differs.") var exitCode = false
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let diff = try await client.connect().provenance.diff(a, b)
            if client.json { try Terminal.json(diff) } else { await RunDescription.print(diff) }
            if exitCode, !diff.isEmpty { throw ExitCode(1) }
        }
    }
}

/// Runs and their differences as text.
enum RunDescription {
    private struct Shown: Encodable {
        var run: Run
        var environment: RunEnvironment
    }

    static func show(_ id: String, _ remote: Remote, json: Bool) async throws {
        let run = try await remote.tracking.run(id: id)
        let environment = try await remote.provenance.environment(ofRun: id)
        if json { return try Terminal.json(Shown(run: run, environment: environment)) }
        Swift.print("\(run.name)  \(run.status.rawValue)  started \(run.startTime.iso8601)")
        Terminal.table(
            ["metric", "value", "step"],
            run.metrics.sorted { $0.key < $1.key }.map { [$0.key, Terminal.number($0.value), "\($0.step)"] })
        Terminal.table(["param", "value"], run.params.sorted { $0.key < $1.key }.map { [$0.key, $0.value] })
        Swift.print("")
        print(environment)
    }

    static func print(_ environment: RunEnvironment) {
        var rows: [[String]] = []
        func add(_ name: String, _ value: String?) {
            if let value, !value.isEmpty { rows.append([name, value]) }
        }
        add("captured", environment.capturedAt.map { "\($0.iso8601) by nestbox \(environment.nestbox ?? "?")" })
        add("user", environment.user)
        add("command", environment.command.joined(separator: " "))
        add("directory", environment.directory)
        if let code = environment.code {
            add("commit", code.commit + (code.branch.map { " (\($0))" } ?? ""))
            add("remote", code.remote)
            add("inside", code.directory)
            if let diff = code.diff {
                add("uncommitted", "\(diff.bytes) bytes of patch\(code.isDiffWhole ? "" : ", cut off"): \(diff.uri)")
            } else if environment.origin == .captured {
                add("uncommitted", code.isDirty ? "yes" : "nothing")
            }
            for path in code.leftOut { add("not captured", path) }
        }
        if let job = environment.job { add("job", "\(job.kind) \(job.id), attempt \(job.attempt)") }
        add("python", environment.python)
        add("packages", environment.packages?.uri)
        for file in environment.files { add("file", "\(file.path): \(file.uri)") }
        for (name, value) in environment.seeds.sorted(by: { $0.key < $1.key }) { add("seed", "\(name) \(value)") }
        for (name, value) in environment.variables.sorted(by: { $0.key < $1.key }) {
            add("variable", "\(name)=\(value)")
        }
        add("threads", environment.threads.map { String($0) })
        if let machine = environment.machine {
            add(
                "machine",
                "\(machine.host): \(machine.cpu ?? machine.architecture), \(machine.cores) cores, \(machine.memory >> 20) MiB"
            )
            add("system", machine.system)
            add("accelerators", machine.accelerators.joined(separator: ", "))
        }
        for item in environment.data {
            add("data", item.name + (item.version.map { "@\($0)" } ?? "") + "  \(item.digest.prefix(16))")
        }
        Terminal.table(["made with", ""], rows)
        for note in environment.notes { Swift.print("note: \(note)") }
    }

    static func print(_ diff: RunDiff) async {
        Swift.print("a  \(diff.a.id)  \(diff.a.name)  \(diff.a.status.rawValue)")
        Swift.print("b  \(diff.b.id)  \(diff.b.name)  \(diff.b.status.rawValue)")
        for side in [diff.a, diff.b] where side.origin == .tags {
            Swift.print("of \(side.id) only what its client sent is known")
        }
        section("params", diff.params, same: diff.same.params)
        section(
            "metrics",
            diff.metrics.map { RunDiff.Entry(key: $0.key, a: text($0.a), b: text($0.b)) }, same: diff.same.metrics,
            change: { key in
                guard let entry = diff.metrics.first(where: { $0.key == key }), let a = entry.a, let b = entry.b else {
                    return ""
                }
                return (b >= a ? "+" : "") + Terminal.number(b - a)
            })
        section("environment", diff.environment, same: nil)
        section("packages", diff.packages, same: diff.same.packages)
        section("code", diff.code, same: nil)
        await printChanges(diff)
        section("data", diff.data, same: diff.same.data)
    }

    private static func text(_ value: Double?) -> String? { value.map { "\($0)" } }

    private static func section(
        _ title: String, _ entries: [RunDiff.Entry], same: Int?, change: ((String) -> String)? = nil
    ) {
        let rest = same.map { ", \($0) the same" } ?? ""
        Swift.print("\n\(title): " + (entries.isEmpty ? "no difference\(rest)" : "\(entries.count) differ\(rest)"))
        guard !entries.isEmpty else { return }
        Terminal.table(
            [title, "a", "b"] + (change == nil ? [] : ["change"]),
            entries.map { entry in
                [entry.key, line(entry.a), line(entry.b)] + (change.map { [$0(entry.key)] } ?? [])
            })
    }

    private static func line(_ text: String?) -> String {
        guard let text else { return "–" }
        let flat = text.replacingOccurrences(of: "\n", with: "⏎")
        return flat.count > 80 ? flat.prefix(79) + "…" : flat
    }

    /// What git says of the two commits, where this directory's checkout has both.
    private static func printChanges(_ diff: RunDiff) async {
        guard let commits = diff.code.first(where: { $0.key == "commit" }), let a = commits.a, let b = commits.b else {
            return
        }
        if let summary = try? await GitWorktree.summary(from: a, to: b, in: FileManager.default.currentDirectoryPath) {
            Swift.print(summary)
        } else {
            Swift.print("(call this in a checkout that has both commits to see which files changed between them)")
        }
    }
}
