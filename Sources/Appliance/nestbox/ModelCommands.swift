import ArgumentParser
import Client
import Contracts
import Core
import Foundation

struct ModelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "Registered models, their versions, aliases and history.",
        subcommands: [List.self, Show.self, Alias.self, History.self, Semantic.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List registered models.")
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let models = try await client.connect().registry.models(nameContains: nil, maxResults: 1000, pageToken: nil)
                .items
            if client.json { return try Terminal.json(models) }
            Terminal.table(
                ["name", "latest", "aliases", "updated"],
                models.map { model in
                    let aliases = model.aliases.sorted { $0.key < $1.key }.map { "\($0.key)→\($0.value)" }.joined(
                        separator: " ")
                    return [model.name, model.latestVersion.map(String.init) ?? "–", aliases, model.updatedAt.iso8601]
                })
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The versions of a model.")
        @Argument(help: "The model.") var name: String
        @Option(help: "Only semantic versions in this range, the highest first: ^1.2, ~1.2, 1.x, '>=1.2 <2'.")
        var semantic: String?
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let registry = try client.connect().registry
            let versions =
                if let semantic { try await registry.versions(of: name, in: try SemanticRange(parsing: semantic)) } else
                {
                    try await registry.versions(of: name, maxResults: 1000, pageToken: nil).items
                }
            if client.json { return try Terminal.json(versions) }
            Terminal.table(
                ["version", "semantic", "aliases", "stage", "run", "created"],
                versions.map {
                    [
                        "\($0.version)", $0.semantic?.description ?? "–", $0.aliases.joined(separator: ","),
                        $0.stage.rawValue, $0.runID ?? "–",
                        $0.createdAt.iso8601,
                    ]
                })
        }
    }

    struct Alias: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Point an alias at a version, or take it away.")
        @Argument(help: "The model.") var name: String
        @Argument(help: "The alias, like champion.") var alias: String
        @Argument(help: "The version number.") var version: Int?
        @Flag(help: "Take the alias away.") var delete = false
        @Option(help: "Why, for the history.") var reason = ""
        @OptionGroup var client: ClientOptions

        func validate() throws {
            guard delete != (version != nil) else {
                throw ValidationError("say which version the alias is to name, or --delete")
            }
        }

        func run() async throws {
            let registry = try client.connect().registry
            if let version {
                try await registry.setAlias(name, alias: alias, version: version, reason: reason)
            } else {
                try await registry.deleteAlias(name, alias: alias, reason: reason)
            }
            let model = try await registry.model(name)
            if client.json { return try Terminal.json(model) }
            print(version.map { "\(name)@\(alias) is version \($0)" } ?? "\(name) has no alias \(alias)")
        }
    }

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every move of an alias or a stage and every deletion: who, when, from, to, why.",
            discussion: """
                MLflow's clients have no way to say why. They set the tag nestbox.reason of the version before they move an \
                alias to it or off it, change its stage or delete it; the move takes the tag away.
                """)
        @Argument(help: "The model; one that was deleted, too.") var name: String
        @Option(help: "Only moves of this alias.") var alias: String?
        @Option(help: "Only what concerns this version.") var version: Int?
        @Option(help: "How many, newest first.") var limit = 100
        @OptionGroup var client: ClientOptions

        private static let page = 1000

        func validate() throws {
            if limit < 1 { throw ValidationError("--limit is \(limit); expected a positive number") }
        }

        func run() async throws {
            let registry = try client.connect().registry
            var moves: [ModelTransition] = [], token: String?
            repeat {
                let page = try await registry.history(
                    of: name,
                    HistorySearch(
                        alias: alias, version: version, maxResults: min(limit - moves.count, Self.page),
                        pageToken: token))
                moves += page.items
                token = page.nextPageToken
            } while token != nil && moves.count < limit
            if client.json { return try Terminal.json(moves) }
            Terminal.table(
                ["when", "who", "what", "from", "to", "why"],
                moves.map {
                    [$0.at.iso8601, $0.actor, Self.what($0), Self.origin($0), Self.target($0), $0.reason]
                })
            if token != nil { Terminal.say("there is more: --limit shows it") }
        }

        private static func what(_ move: ModelTransition) -> String {
            switch move.kind {
            case .alias: "alias \(move.label)"
            case .stage, .version: "version \(move.fromVersion ?? 0)"
            case .model: "model"
            }
        }

        private static func origin(_ move: ModelTransition) -> String {
            switch move.kind {
            case .alias: move.fromVersion.map { "version \($0)" } ?? "–"
            case .stage, .version: move.fromStage?.rawValue ?? "–"
            case .model: "–"
            }
        }

        private static func target(_ move: ModelTransition) -> String {
            move.kind == .alias ? move.toVersion.map { "version \($0)" } ?? "removed" : move.label
        }
    }
}

struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Let a model version answer predictions; swaps without a gap when it already does.")

    @Argument(help: "The model, with the version or alias behind @: flights-late@champion, flights-late@3.") var model:
        String
    @Option(help: "The deployment's name; default: the model's.") var name: String?
    @Option(parsing: .upToNextOption, help: "view:feature references to look up when a request leaves them out.")
    var lookup: [String] = []
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let parts = model.split(separator: "@", maxSplits: 1).map(String.init)
        guard let modelName = parts.first else { throw ValidationError("the model's name is empty") }
        let deployment = try await client.connect().serving.deploy(
            DeploymentRequest(
                name: name ?? modelName, model: modelName, version: parts.count == 2 ? parts[1] : "latest",
                lookup: lookup.isEmpty ? nil : lookup))
        if client.json { return try Terminal.json(deployment) }
        print("\(deployment.name) answers with \(deployment.model) version \(deployment.version)")
    }
}

struct PredictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Ask a deployment: key=value pairs for one row, or --file with JSON Lines, one row each.")

    @Argument(help: "The deployment.") var deployment: String
    @Argument(help: "key=value pairs.") var values: [String] = []
    @Option(help: "JSON Lines, one row each; - reads standard input.", completion: .file()) var file: String?
    @Option(help: "The rows' event time (ISO 8601): features are looked up as they were known then. Default: now.")
    var at: String?
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let rows = try readRows()
        let prediction = try await client.connect().serving.predict(deployment, rows: rows, at: try parseTime(at))
        if client.json { return try Terminal.json(prediction) }
        for output in prediction.outputs { print(Terminal.number(output)) }
        Terminal.say("prediction \(prediction.id) by \(prediction.model) version \(prediction.version)")
    }

    private func readRows() throws -> [[String: JSONValue]] {
        guard let file else { return [try parsePairs(values)] }
        let text =
            file == "-"
            ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : try readText(file)
        return try text.split(separator: "\n").enumerated().map { index, line in
            try JSON.decode([String: JSONValue].self, from: String(line), what: "line \(index + 1) of \(file)")
        }
    }
}

struct DriftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift", abstract: "Compare what a deployment is asked with what it was trained on, now.")

    @Argument(help: "The deployment.") var deployment: String
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let report = try await client.connect().monitoring.check(deployment)
        if client.json { return try Terminal.json(report) }
        print(
            "\(report.deployment): \(report.rows) rows against the training data of \(report.model) version \(report.version)"
        )
        Terminal.table(
            ["feature", "psi", "ks", "p", "missing then", "missing now"],
            report.features.map {
                [
                    $0.feature, Terminal.number($0.psi), Terminal.number($0.ks), Terminal.number($0.ksPValue),
                    Terminal.number($0.baselineNullRate), Terminal.number($0.currentNullRate),
                ]
            })
    }
}

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy both database files into the data directory's backups folder, while the server runs.")

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let result: JSONValue = try await client.connect().client.call(.POST, "/api/v1/backup")
        if client.json { return try Terminal.json(result) }
        for file in result["files"]?.arrayValue ?? [] { print(file.stringValue ?? "") }
    }
}
