import ArgumentParser
import Client
import Contracts
import Core
import Foundation

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import a CSV or JSON Lines file as a dataset version, or all that an MLflow server keeps.",
        discussion: "A file that is called `mlflow` is imported as ./mlflow.",
        subcommands: [ImportFile.self, ImportMLflow.self], defaultSubcommand: ImportFile.self)
}

struct ImportMLflow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mlflow", abstract: "Import everything that an MLflow server keeps.",
        discussion: """
            Compares both servers and writes what is missing, so that an import that was cut off, or a server that goes on, is \
            simply imported again. Experiments and registered models go by name: what is here already under that name is \
            added to, and what the source says wins, except that no version made here is replaced. Runs, logged models, \
            traces and versions keep their identifiers and times. Credentials: NESTBOX_TRACKING_TOKEN, or \
            NESTBOX_TRACKING_USERNAME and NESTBOX_TRACKING_PASSWORD. Ends with 1 when not everything came over.
            """)

    @Argument(help: "The MLflow server's address.") var source: String
    @OptionGroup var client: ClientOptions

    func run() async throws {
        guard source.hasPrefix("http://") || source.hasPrefix("https://") else {
            throw NestboxError.invalid(
                "`\(source)` is not the address of an MLflow server",
                hint:
                    "for a database file or an mlruns folder start one: mlflow server --backend-store-uri sqlite:///mlflow.db --artifacts-destination mlartifacts"
            )
        }
        let environment = ProcessInfo.processInfo.environment
        let server = try await MLflowServer.connect(
            source,
            .init(
                token: environment["NESTBOX_TRACKING_TOKEN"], username: environment["NESTBOX_TRACKING_USERNAME"],
                password: environment["NESTBOX_TRACKING_PASSWORD"]))
        let report = try await MLflowImport(from: server, to: try client.connect()) { what in
            Terminal.progress(0, what)
        }.run()
        Terminal.endProgress()
        if client.json {
            try Terminal.json(report)
        } else {
            Terminal.table(
                ["kind", "source", "imported", "skipped", "missing"],
                report.counts.map { [$0.kind, "\($0.source)", "\($0.imported)", "\($0.skipped)", "\($0.missing)"] })
            for note in report.notes { print("note: \(note)") }
        }
        for failure in report.failures { Terminal.say("nestbox: \(failure)") }
        if !report.isComplete {
            Terminal.say("nestbox: not everything came over; import again when the causes are gone")
            throw ExitCode(1)
        }
    }
}
