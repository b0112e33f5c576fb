import ArgumentParser
import Client
import Contracts
import Core
import Foundation

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Export what a Nestbox keeps to another server.",
        subcommands: [ExportMLflow.self])
}

struct ExportMLflow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mlflow", abstract: "Export everything in tracking and registry to an MLflow server.",
        discussion: """
            Compares both servers and writes what is missing there, so that an export that was cut off, or a Nestbox that goes \
            on, is simply exported again. Experiments and registered models go by name, traces keep their identifiers, versions \
            their numbers. MLflow gives runs and logged models new identifiers: the tag nestbox.export.source says where each \
            comes from. What MLflow cannot keep is named at the end. Nothing is removed there. Credentials: \
            NESTBOX_TRACKING_TOKEN, or NESTBOX_TRACKING_USERNAME and NESTBOX_TRACKING_PASSWORD; without them those of MLflow's \
            clients. Ends with 1 when not everything came over.
            """)

    @Argument(help: "The MLflow server's address.") var target: String
    @Option(
        name: .customLong("experiment"),
        help: "Only this experiment, and the registered models made from it alone. May be repeated.")
    var experiments: [String] = []
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let server: MLflowServer
        do {
            server = try await MLflowServer.connect(target, .fromEnvironment(), keepsFiles: false)
        } catch let error as NestboxError {
            throw MLflowExport.explained(error, target: URL(string: target)?.host() ?? target)
        }
        let export = MLflowExport(
            from: try client.connect(), to: server, experiments: experiments.isEmpty ? nil : experiments
        ) { fraction, what in
            Terminal.progress(fraction, what)
        }
        let report: ExchangeReport
        do {
            report = try await export.run()
        } catch {
            Terminal.endProgress()
            throw error
        }
        Terminal.endProgress()
        try report.show(done: "exported", asJSON: client.json)
    }
}

extension MLflowServer.Credentials {
    /// Nestbox's own variables, or else all those of MLflow's clients: never a user of one with a password of the other.
    static func fromEnvironment() -> MLflowServer.Credentials {
        let environment = ProcessInfo.processInfo.environment
        func named(_ prefix: String) -> MLflowServer.Credentials? {
            let token = environment[prefix + "_TOKEN"], username = environment[prefix + "_USERNAME"]
            let password = environment[prefix + "_PASSWORD"]
            guard token != nil || username != nil || password != nil else { return nil }
            return .init(token: token, username: username, password: password)
        }
        guard let own = named("NESTBOX_TRACKING") else {
            var others = named("MLFLOW_TRACKING") ?? .init()
            // Where both are set, MLflow's clients send the name.
            if others.username != nil { others.token = nil }
            return others
        }
        return own
    }
}

extension ExchangeReport {
    /// The counts and notes on stdout, what is missing on stderr; throws when something is.
    /// - Parameter done: what happened to what was not there: `exported`.
    func show(done: String, asJSON: Bool) throws {
        if asJSON {
            try Terminal.json(self)
        } else {
            Terminal.table(
                ["kind", "source", done, "skipped", "missing"],
                counts.map { [$0.kind, "\($0.source)", "\($0.imported)", "\($0.skipped)", "\($0.missing)"] })
            for note in notes { print("note: \(note)") }
        }
        for failure in failures { Terminal.say("nestbox: \(failure)") }
        guard isComplete else {
            Terminal.say("nestbox: not everything came over; call it again when the causes are gone")
            throw ExitCode(1)
        }
    }
}
