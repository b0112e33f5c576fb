import Core
import Foundation
import Subprocess

/// Other programs.
package enum Tool {
    package struct Answer: Sendable {
        package var status: Int32
        package var output: [UInt8]
        /// The beginning of what it complained.
        package var complaint: String

        package var text: String { String(decoding: output, as: UTF8.self) }
        package var line: String { text.trimmingCharacters(in: .newlines) }
    }

    private static let outputLimit = 64 << 20

    /// Runs a program to its end. Throws `not_found` when there is none of that name.
    package static func run(
        _ program: String, _ arguments: [String], in directory: String, environment: [String: String] = [:],
        input: [UInt8] = []
    ) async throws -> Answer {
        var variables: [Environment.Key: String?] = [:]
        for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
        var configuration = Configuration(
            executable: program.contains("/") ? .path(.init(program)) : .name(program), arguments: Arguments(arguments),
            environment: .inherit.updating(variables))
        configuration.workingDirectory = .init(directory)
        do {
            let result = try await Subprocess.run(
                configuration, input: .array(input), output: .bytes(limit: outputLimit),
                error: .bytes(limit: 1 << 20))
            return Answer(
                status: code(result.terminationStatus), output: result.standardOutput,
                complaint: String(decoding: result.standardError.prefix(2000), as: UTF8.self).trimmingCharacters(
                    in: .whitespacesAndNewlines))
        } catch let error as SubprocessError {
            throw NestboxError(
                .notFound, "`\(program)` could not be run in \(directory)",
                hint: "is it installed, and does the directory exist?", cause: error)
        }
    }

    /// Runs a command on this terminal and returns its exit code; 128 and the signal's number when one ended it.
    ///
    /// When the calling task is cancelled the command gets SIGTERM, and SIGKILL ten seconds later.
    package static func follow(
        _ command: [String], in directory: String, environment: [String: String]
    ) async throws -> Int32 {
        guard let program = command.first else { throw NestboxError.invalid("there is no command to run") }
        var variables: [Environment.Key: String?] = [:]
        for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
        var platform = PlatformOptions()
        platform.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
        var configuration = Configuration(
            executable: program.contains("/") ? .path(.init(program)) : .name(program),
            arguments: Arguments(Array(command.dropFirst())), environment: .inherit.updating(variables),
            platformOptions: platform)
        configuration.workingDirectory = .init(directory)
        do {
            let result = try await Subprocess.run(
                configuration, input: .currentStandardInput, output: .currentStandardOutput,
                error: .currentStandardError)
            // A command that was told to stop has an exit code too, but not one of its own.
            try Task.checkCancellation()
            return code(result.terminationStatus)
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw NestboxError(
                .notFound, "`\(program)` could not be run in \(directory)",
                hint: "is it installed, and does the directory exist?", cause: error)
        }
    }

    private static func code(_ status: TerminationStatus) -> Int32 {
        switch status {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    }
}
