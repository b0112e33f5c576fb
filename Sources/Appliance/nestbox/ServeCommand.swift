import ArgumentParser
import Server

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Start the appliance: everything in one process, on loopback unless told otherwise.")

    @OptionGroup var server: ServerOptions

    func run() async throws {
        let (options, logger) = try await server.resolve()
        let appliance = try await Appliance(options)
        try await appliance.run(logger: logger) { url in
            Terminal.line("ready \(url)")
            if options.jobSlots == 0 {
                Terminal.say("no job slots: jobs wait for outside workers (nestbox worker --url \(url))")
            }
        }
    }
}
