import ArgumentParser
import Client
import Core
import Foundation
import Server

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Start the appliance and take a real model through its whole life: New York's flights of 2013.",
        discussion:
            "Each step goes through the public HTTP API and prints its duration and a link. The server stays up afterwards."
    )

    @OptionGroup var server: ServerOptions
    @Option(help: "The folder with flights/ in it (NESTBOX_SAMPLES; default: samples of this checkout).") var samples:
        String?
    @Flag(help: "Stop after the last step.") var exit = false

    func run() async throws {
        let (options, logger) = try await server.resolve()
        let folder = try samplesFolder()
        let appliance = try await Appliance(options)
        let (addresses, continuation) = AsyncStream.makeStream(of: String.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await appliance.run(logger: logger) { url in
                    continuation.yield(url)
                }
            }
            group.addTask {
                for await url in addresses {
                    Terminal.line("ready \(url)")
                    let remote = Remote(try APIClient(baseURL: url, token: options.token))
                    try await Demo(remote: remote, samples: folder).run()
                    Terminal.line(
                        exit ? "done" : "\nThe server stays up at \(url) — open it in a browser. Ctrl-C stops it.")
                    if exit { kill(getpid(), SIGTERM) }
                }
            }
            // The first to end decides: the server when it is stopped, the steps when one of them fails.
            do {
                try await group.waitForAll()
            } catch {
                kill(getpid(), SIGTERM)
                throw error
            }
        }
    }

    private func samplesFolder() throws -> String {
        let given = samples ?? ProcessInfo.processInfo.environment["NESTBOX_SAMPLES"]
        var candidates = [given].compactMap { $0 }
        if given == nil {
            candidates.append("samples")
            // A binary in a checkout's build folder finds the checkout above it.
            var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            while folder.path != "/" {
                candidates.append(folder.appendingPathComponent("samples").path)
                folder.deleteLastPathComponent()
            }
        }
        for candidate in candidates where FileManager.default.fileExists(atPath: candidate + "/flights/recipe.yaml") {
            return candidate
        }
        throw NestboxError(
            .notFound, "the demo's data is not in \(candidates[0])",
            hint: "run it from a checkout with ./bootstrap/run, or give the folder with --samples DIR")
    }
}
