import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Server-sent events as curl and load balancers see them.
@Suite struct EventStreamTests {
    /// What the stream tells within a second, as (id, kind).
    private func told(_ server: ServerProcess, query: String = "", after id: Int?) throws -> [(id: Int?, kind: String)]
    {
        var arguments = ["curl", "-sN", "--max-time", "1"]
        if let id { arguments += ["-H", "Last-Event-ID: \(id)"] }
        let text = try runCommand("/usr/bin/env", arguments + [server.url + "/api/v1/events/stream" + query]).output
        return text.components(separatedBy: "\n\n").compactMap { block in
            let lines = block.split(separator: "\n")
            guard let kind = lines.first(where: { $0.hasPrefix("event: ") }) else { return nil }
            let id = lines.first { $0.hasPrefix("id: ") }
            return (id.flatMap { Int($0.dropFirst(4)) }, String(kind.dropFirst(7)))
        }
    }

    @Test func aClientThatComesBackMissesNoDecision() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        // More than one page of the log, with measurements in between, whose positions count separately.
        for index in 0..<1100 {
            let points =
                index % 100 == 0
                ? [MetricPoint(key: "m", value: 1, timestamp: Timestamp(milliseconds: 1), step: Int64(index))] : []
            try await tracking.log(runID: run.id, LogBatch(metrics: points, tags: ["t": "\(index)"]))
        }
        let events: [JSONValue] = try await server.remote.client.get("/api/v1/events?limit=1")
        let newest = Int(try #require(events[0]["id"]?.intValue))
        #expect(try told(server, after: 1).map(\.id) == (2...newest).map { $0 })
        #expect(try told(server, after: newest).isEmpty)
        #expect(try told(server, after: nil).isEmpty)
        let runs = try told(server, query: "?kinds=run.created", after: 0)
        #expect(runs.map(\.kind) == ["run.created"])
    }

    @Test func probesMayAskWithHEAD() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        for path in ["/health", "/ready", "/v2/health/live", "/"] {
            let status = try runCommand(
                "/usr/bin/env", ["curl", "-s", "-I", "-o", "/dev/null", "-w", "%{http_code}", server.url + path])
            #expect(status.output == "200", "\(path)")
        }
    }
}
