import ArgumentParser
import Client
import Contracts
import Core
import Foundation
import MLflowFiles

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import a CSV or JSON Lines file as a dataset version, or all that MLflow keeps.",
        discussion: "A file that is called `mlflow` is imported as ./mlflow.",
        subcommands: [ImportFile.self, ImportMLflow.self], defaultSubcommand: ImportFile.self)
}

struct ImportMLflow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mlflow",
        abstract: "Import everything that MLflow keeps: a server, its database file, or an mlruns folder.",
        discussion: """
            A database file (mlflow.db, SQLite) or folder is read as it lies there, with its artifacts, without MLflow and \
            without changing any of it, also while a server uses it. Compares both sides and writes what is missing, so \
            that an import that was cut off, or a source that goes on, is simply imported again. Experiments and registered \
            models go by name: what is here already under that name is added to, and what the source says wins, except \
            that no version made here is replaced. Runs, logged models, traces and versions keep their identifiers and \
            times. Credentials of servers: NESTBOX_TRACKING_TOKEN, or NESTBOX_TRACKING_USERNAME and \
            NESTBOX_TRACKING_PASSWORD. Ends with 1 when not everything came over.
            """)

    @Argument(help: "The MLflow server's address, the path of its database file, or of an mlruns folder.")
    var source: String

    @Option(
        help: ArgumentHelp(
            "The server's --artifacts-destination, where mlflow-artifacts:/ lies, if it is not mlartifacts or mlruns beside the database; files that were moved are sought there, too.",
            valueName: "folder"))
    var artifacts: String?

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let report = try await MLflowImport(from: try await opened(), to: try client.connect()) { what in
            Terminal.progress(0, what)
        }.run()
        Terminal.endProgress()
        try report.show(done: "imported", asJSON: client.json)
    }

    private func opened() async throws -> any MLflowSource {
        guard ["http", "https"].contains(MLflowLocation.scheme(source)) else {
            return try await MLflowFiles.open(source, artifacts: artifacts)
        }
        guard artifacts == nil else {
            throw NestboxError.invalid(
                "--artifacts is for database files and folders", hint: "a server hands its files out by itself")
        }
        let environment = ProcessInfo.processInfo.environment
        return try await MLflowServer.connect(
            source,
            .init(
                token: environment["NESTBOX_TRACKING_TOKEN"], username: environment["NESTBOX_TRACKING_USERNAME"],
                password: environment["NESTBOX_TRACKING_PASSWORD"]))
    }
}
