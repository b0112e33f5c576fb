import ArgumentParser
import Client
import Contracts
import Core
import Dashboard

struct CollectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove for good what was deleted, and give its space back to the disk.",
        discussion: """
            Deleted runs, experiments and logged models can be restored for --older-than days (the server's --keep-deleted, 30);
            after that they go for good, with their points, traces and files. Files that a registered model version still
            needs stay. The server does the same by itself every hour.
            """)

    @Option(help: "Days since the deletion; 0 removes everything that is deleted now.")
    var olderThan: Double?
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let report: GarbageReport = try await client.connect().client.send(
            .POST, "/api/v1/garbage-collection", body: GarbageRequest(olderThanDays: olderThan))
        if client.json { return try Terminal.json(report) }
        Terminal.table(
            ["removed", ""],
            [
                ["runs", "\(report.runs)"], ["metric points", "\(report.points)"],
                ["logged models", "\(report.loggedModels)"],
                ["experiments", "\(report.experiments)"], ["traces", "\(report.traces)"],
                ["artifact contents", "\(report.artifacts.objects), \(Format.bytes(report.artifacts.bytes))"],
                ["database files", Format.bytes(report.databaseBytes)],
                ["freed", Format.bytes(report.bytes)],
            ])
        if report.expiredRuns > 0 {
            print("\(report.expiredRuns) runs were marked as deleted by their experiments' rules.")
        }
        if report.keptForVersions > 0 {
            print("\(report.keptForVersions) deleted items keep their files, which registered versions need.")
        }
    }
}
