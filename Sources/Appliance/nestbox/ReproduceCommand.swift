import ArgumentParser
import Client
import Contracts
import Core
import Foundation

extension RunsCommand {
    struct Reproduce: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a run again as a job, and compare the metrics.",
            discussion: """
                A run of a recipe is trained again by the server, from the same dataset version with the same seeds; no model \
                version is registered. A run of `nestbox run -- COMMAND` is made again here, by this program and not by the \
                server: its commit is checked out into a temporary directory, its uncommitted changes are applied, and its \
                command is started with the variables and seeds that were recorded. Look at what that is beforehand with \
                --dry-run: it comes from the server.

                Ends with 0 when every metric is within the tolerance, and with 1 when one is not. What the run lacks to be made \
                again is listed.
                """)
        @Argument(help: "The run's id.") var id: String
        @Option(help: "How far a metric may be off, relative to its value.") var tolerance = 1e-6
        @Option(help: "A metric that is not compared, like the seconds that something took. May be repeated.")
        var ignore: [String] = []
        @Option(help: "A checkout that has the run's commit; default: this directory's, the recorded one, or a clone.")
        var repository: String?
        @Flag(help: "Install the packages that the run had, into a virtual environment of its own.")
        var rebuildEnvironment = false
        @Flag(help: "Keep the temporary directory.") var keep = false
        @Flag(help: "Show what would be done, and do nothing.") var dryRun = false
        @OptionGroup var client: ClientOptions

        /// How many other packages are named.
        private static let listed = 12

        func validate() throws {
            guard tolerance >= 0, tolerance.isFinite else {
                throw ValidationError("--tolerance is \(tolerance); expected 0 or more")
            }
        }

        func run() async throws {
            let remote = try client.connect(patience: 60)
            let original = try await remote.tracking.run(id: id)
            guard original.status != .running, original.status != .scheduled else {
                throw NestboxError(
                    .conflict, "run \(id) has not ended yet: there is nothing to compare with", hint: "wait for its end"
                )
            }
            let environment = try await remote.provenance.environment(ofRun: id)
            let gaps = try await environment.gaps + lostData(environment, remote)
            guard gaps.isEmpty else { throw Self.impossible(id, gaps) }
            let copy: Run
            if environment.job != nil {
                guard let made = try await train(environment, remote) else { return }
                copy = made
            } else {
                var command = try await ReproducedCommand(original, environment, remote, client)
                command.repository = repository
                command.rebuilds = rebuildEnvironment
                command.keeps = keep
                guard let made = try await command.reproduce(dryRun: dryRun) else { return }
                copy = made
            }
            try await remote.tracking.log(
                runID: original.id, LogBatch(tags: [RunEnvironment.reproducedByTag: copy.id]))
            let result = Reproduction(of: original, by: copy, tolerance: tolerance, ignoring: Set(ignore))
            let diff = try await remote.provenance.diff(original.id, copy.id)
            if client.json { try Terminal.json(result) } else { show(result, diff) }
            if !result.isEqual { throw ExitCode(1) }
        }

        static func impossible(_ id: String, _ gaps: [String]) -> NestboxError {
            NestboxError(
                .notFound, "run \(id) cannot be made again: \(gaps.joined(separator: "; "))",
                hint: "`nestbox run -- …` in a git checkout records all that is needed")
        }

        /// Datasets of this server that are gone, or are others than they were.
        private func lostData(_ environment: RunEnvironment, _ remote: Remote) async throws -> [String] {
            var lost: [String] = []
            for data in environment.data {
                guard let version = data.version else { continue }
                let reference = DatasetReference(name: data.name, version: version)
                do {
                    let now = try await remote.datasets.version(reference)
                    if now.contentHash != data.digest {
                        lost.append(
                            "the data: \(reference) is not what it was (\(now.contentHash.prefix(12)), then \(data.digest.prefix(12)))"
                        )
                    }
                } catch let error as NestboxError where error.code == .notFound {
                    lost.append("the data: \(reference) is gone")
                }
            }
            return lost
        }

        // MARK: Recipes

        private func train(_ environment: RunEnvironment, _ remote: Remote) async throws -> Run? {
            guard let job = environment.job, case .object(var recipe) = job.recipe else {
                throw Self.impossible(id, ["the recipe of its job is not recorded"])
            }
            recipe["register_as"] = nil
            let text = try JSON.string(JSONValue.object(recipe))
            if dryRun {
                print("the server would train again, as a job of kind \(job.kind):\n\(text)")
                return nil
            }
            let ended = try await remote.follow(job: try await remote.jobs.train(recipe: text).id)
            guard ended.state == .succeeded, let result = ended.result else {
                throw NestboxError(
                    .internalError, "job \(ended.id) \(ended.state.rawValue): \(ended.error?.message ?? "")",
                    hint: ended.error?.hint)
            }
            let outcome = try JSON.decode(TrainingOutcome.self, from: try JSON.encode(result))
            try await remote.tracking.log(runID: outcome.runID, LogBatch(tags: [RunEnvironment.reproducesTag: id]))
            return try await remote.tracking.run(id: outcome.runID)
        }

        // MARK: The answer

        private func show(_ result: Reproduction, _ diff: RunDiff) {
            print("original    \(result.original)  \(result.originalStatus.rawValue)")
            print("reproduced  \(result.reproduced)  \(result.reproducedStatus.rawValue)")
            Terminal.table(
                ["metric", "original", "reproduced", "difference", "within \(tolerance)"],
                result.entries.map {
                    [
                        $0.metric, text($0.original), text($0.reproduced), text($0.difference),
                        $0.isWithin ? "yes" : "no",
                    ]
                })
            if !result.added.isEmpty { print("only in the new run: \(result.added.joined(separator: ", "))") }
            if !result.ignored.isEmpty { print("not compared: \(result.ignored.joined(separator: ", "))") }
            for (what, entries) in [("packages", diff.packages), ("code", diff.code), ("data", diff.data)]
            where !entries.isEmpty {
                print(
                    "other \(what): "
                        + entries.prefix(Self.listed).map { "\($0.key) \($0.a ?? "–") → \($0.b ?? "–")" }.joined(
                            separator: ", ")
                        + (entries.count > Self.listed
                            ? ", and \(entries.count - Self.listed) more, which `nestbox runs diff` shows" : ""))
            }
            let missed = result.entries.filter { !$0.isWithin }.count
            if result.originalStatus != result.reproducedStatus {
                print("the runs ended differently")
            } else if missed > 0 {
                print("\(missed) of \(result.entries.count) metrics differ")
            } else {
                print(
                    result.entries.isEmpty
                        ? "the run has no metrics to compare" : "all \(result.entries.count) metrics are reproduced")
            }
        }

        private func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "–" }
    }
}
