// The command line. One file per command; each is a client of the HTTP API, except serve and demo, which start the
// appliance, and doctor, which looks at the machine.
//
//   serve demo doctor worker · import export datasets features · train jobs · run runs models lineage · deploy predict drift · backup gc
//
// Exit codes are those of sysexits.h: 64 wrong usage, 65 bad input, 66 not found, 69 no answer from the server,
// 70 internal error, 73 already exists or in use, 74 disk, 77 access; 1 for a job that failed, and for runs that
// differ; `run` ends with its command's own.

import ArgumentParser
import Core
import Foundation
import Logging

@main
struct Nestbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nestbox",
        abstract: "One binary that raises models: data, features, training, registry, serving, monitoring.",
        discussion: """
            Start with `nestbox demo`, or `nestbox serve` and then the other commands from a second terminal.
            Every client command takes --url (or NESTBOX_URL), --token (or NESTBOX_TOKEN) and --json.
            Exit codes: 64 usage, 65 bad input, 66 not found, 69 no answer, 70 internal, 73 exists or in use, 74 disk, 77 access.
            """,
        version: versionText,
        subcommands: [
            ServeCommand.self, DemoCommand.self, DoctorCommand.self, WorkerCommand.self, ImportCommand.self,
            ExportCommand.self,
            DatasetsCommand.self,
            FeaturesCommand.self, TrainCommand.self, JobsCommand.self, RunCommand.self, RunsCommand.self,
            ModelsCommand.self, LineageCommand.self,
            DeployCommand.self,
            PredictCommand.self, DriftCommand.self, BackupCommand.self, CollectCommand.self,
        ])

    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        ProcessList.hideToken()
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as NestboxError {
            Terminal.complain(error)
            Foundation.exit(exitCode(of: error))
        } catch is CancellationError {
            Foundation.exit(130)
        } catch {
            Self.exit(withError: error)
        }
    }

    private static func exitCode(of error: NestboxError) -> Int32 {
        switch error.code {
        case .invalidArgument, .payloadTooLarge, .unsupportedMediaType, .methodNotAllowed: EX_DATAERR
        case .notFound: EX_NOINPUT
        case .unavailable, .rateLimited, .cancelled, .notImplemented: EX_UNAVAILABLE
        case .alreadyExists, .conflict: EX_CANTCREAT
        case .storageFull: EX_IOERR
        case .unauthenticated, .permissionDenied: EX_NOPERM
        case .internalError: EX_SOFTWARE
        }
    }
}
