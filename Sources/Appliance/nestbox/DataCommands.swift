import ArgumentParser
import Client
import Contracts
import Core
import Foundation
import Tables

struct ImportFile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "file", abstract: "Import a CSV or JSON Lines file (also gzipped) as a new dataset version.")

    @Argument(help: "The file.", completion: .file())
    var file: String
    @Option(help: "The dataset's name; default: the file's, without endings.")
    var name: String?
    @Option(help: "csv or jsonl; default: by the file's ending.")
    var format: String?
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let remote = try client.connect()
        let fileName = (file as NSString).lastPathComponent
        let name = name ?? String(fileName.prefix { $0 != "." })
        let version = try await remote.importFile(file, name: name, format: try tableFormat(fileName))
        if client.json { return try Terminal.json(version) }
        print("\(version.dataset)@\(version.version): \(version.rowCount) rows, \(version.schema.fields.count) columns")
    }

    private func tableFormat(_ fileName: String) throws -> TableFormat {
        if let format {
            guard let known = TableFormat(rawValue: format) else {
                throw NestboxError.invalid("`\(format)` is not a format", hint: "csv or jsonl")
            }
            return known
        }
        return fileName.contains(".jsonl") || fileName.contains(".ndjson") ? .jsonl : .csv
    }
}

extension Remote {
    /// Uploads a file with a progress bar.
    func importFile(_ path: String, name: String, format: TableFormat) async throws -> DatasetVersion {
        let body = try ByteStream(file: path)
        let total = Double(max(1, body.length ?? 1))
        let counter = ByteCounter()
        let counted = ByteStream(length: body.length) { [iterator = ByteSource(body)] in
            guard let chunk = try await iterator.next() else { return nil }
            Terminal.progress(Double(counter.add(chunk.count)) / total, "uploading \(path)")
            return chunk
        }
        defer { Terminal.endProgress() }
        return try await datasets.importVersion(DatasetImport(name: name, format: format, source: path), body: counted)
    }
}

private final class ByteCounter: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var total = 0
    func add(_ count: Int) -> Int {
        total += count
        return total
    }
}

private final class ByteSource: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var iterator: ByteStream.Iterator
    init(_ stream: ByteStream) { iterator = stream.makeAsyncIterator() }
    func next() async throws -> [UInt8]? { try await iterator.next() }
}

struct DatasetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "datasets", abstract: "List datasets, or describe one (`flights`, `flights@2`).")

    @Argument(help: "A dataset, with @version for another than the latest.")
    var reference: String?
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let datasets = try client.connect().datasets
        guard let reference else {
            let all = try await datasets.datasets()
            if client.json { return try Terminal.json(all) }
            return Terminal.table(
                ["name", "versions", "created"], all.map { [$0.name, "\($0.latestVersion)", $0.createdAt.iso8601] })
        }
        let parsed = try DatasetReference(parsing: reference)
        let version = try await datasets.version(parsed)
        let profile = try await datasets.profile(parsed)
        if client.json { return try Terminal.json(profile) }
        print(
            "\(version.dataset)@\(version.version)  \(version.rowCount) rows  sha256 \(version.contentHash.prefix(16))…  from \(version.source)"
        )
        Terminal.table(
            ["column", "type", "nulls", "distinct", "min", "mean", "max"],
            profile.columns.map { item in
                let column = item.profile
                return [
                    item.name, column.type.rawValue, "\(column.nullCount)", "\(column.distinctCount)",
                    Terminal.number(column.minimum), Terminal.number(column.mean), Terminal.number(column.maximum),
                ]
            })
    }
}

struct FeaturesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Feature views: apply definitions, join training sets, materialize, look up.",
        subcommands: [List.self, Apply.self, Join.self, Materialize.self, Lookup.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List feature views.")
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let definitions = try await client.connect().features.definitions()
            if client.json { return try Terminal.json(definitions) }
            Terminal.table(
                ["view", "entities", "dataset", "event time", "features"],
                definitions.featureViews.map {
                    [
                        $0.name, $0.entities.joined(separator: ","), $0.dataset.description, $0.eventTime ?? "–",
                        $0.features.joined(separator: ","),
                    ]
                })
        }
    }

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Apply a features.yaml.")
        @Argument(help: "The file.", completion: .file()) var file: String
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let definitions = try await client.connect().features.apply(yaml: try readText(file))
            if client.json { return try Terminal.json(definitions) }
            print("\(definitions.featureViews.count) feature views, \(definitions.entities.count) entities")
        }
    }

    struct Join: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Join features to a dataset as they were known at each row's time.")
        @Argument(help: "The dataset whose rows are wanted.") var spine: String
        @Option(help: "Its event time column.") var eventTime: String?
        @Option(parsing: .upToNextOption, help: "view:feature references.") var features: [String]
        @Option(help: "The dataset to save as.") var saveAs: String
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let version = try await client.connect().features.trainingSet(
                TrainingSetRequest(
                    spine: try DatasetReference(parsing: spine), eventTime: eventTime, features: features,
                    saveAs: saveAs))
            if client.json { return try Terminal.json(version) }
            print(
                "\(version.dataset)@\(version.version): \(version.rowCount) rows, \(version.schema.fields.count) columns"
            )
        }
    }

    struct Materialize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Bring the newest values to the online store.")
        @Argument(help: "Feature views; all when left out.") var views: [String] = []
        @Option(help: "Only rows known by this ISO 8601 time.") var until: String?
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let results = try await client.connect().features.materialize(views: views, until: try parseTime(until))
            if client.json { return try Terminal.json(results) }
            Terminal.table(
                ["view", "entities", "dataset version", "up to"],
                results.map { [$0.view, "\($0.entityCount)", "\($0.datasetVersion)", $0.upTo?.iso8601 ?? "–"] })
        }
    }

    struct Lookup: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Read values from the online store.")
        @Option(parsing: .upToNextOption, help: "view:feature references.") var features: [String]
        @Option(parsing: .upToNextOption, help: "key=value pairs that name one entity.") var entity: [String]
        @Option(help: "As it was known at this ISO 8601 time; default: now.") var at: String?
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let response = try await client.connect().features.lookup(
                OnlineFeatureRequest(features: features, entities: [try parsePairs(entity)], at: try parseTime(at)))
            try Terminal.json(response)
        }
    }
}

/// An ISO 8601 time; nil when none was given.
func parseTime(_ text: String?) throws -> Timestamp? {
    guard let text else { return nil }
    guard let time = Timestamp(iso8601: text) else {
        throw NestboxError.invalid("`\(text)` is not a time", hint: "ISO 8601, like 2013-06-01T00:00:00Z")
    }
    return time
}

/// `key=value` pairs as JSON: numbers, true, false and null are recognised, the rest is text.
func parsePairs(_ pairs: [String]) throws -> [String: JSONValue] {
    var values: [String: JSONValue] = [:]
    for pair in pairs {
        guard let equals = pair.firstIndex(of: "=") else {
            throw NestboxError.invalid("`\(pair)` is not a key=value pair", hint: "write origin=JFK distance=760")
        }
        let text = String(pair[pair.index(after: equals)...])
        values[String(pair[..<equals])] = (try? JSON.decode(JSONValue.self, from: text)) ?? .string(text)
    }
    return values
}

func readText(_ path: String) throws -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw NestboxError(.notFound, "cannot read \(path)", hint: "check the path; the file must be UTF-8 text")
    }
    return text
}
