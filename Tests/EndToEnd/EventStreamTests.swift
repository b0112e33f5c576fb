import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Server-sent events as curl and load balancers see them.
@Suite struct EventStreamTests {
    /// What the stream tells as (id, kind): until `count` events are there, or for a second when none is expected.
    private func told(
        _ server: ServerProcess, query: String = "", after id: Int?, count: Int
    ) async throws -> [(id: Int?, kind: String)] {
        let path = NSTemporaryDirectory() + "nestbox-events-\(UUID().uuidString)"
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let curl = Process()
        curl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        curl.arguments = ["curl", "-sN", "--max-time", count == 0 ? "1" : "120"]
        if let id { curl.arguments! += ["-H", "Last-Event-ID: \(id)"] }
        curl.arguments!.append(server.url + "/api/v1/events/stream" + query)
        curl.standardOutput = FileHandle(forWritingAtPath: path)
        try curl.run()
        while true {
            let hasEnded = !curl.isRunning
            let events = try Self.events(in: String(contentsOfFile: path, encoding: .utf8))
            if hasEnded || count > 0 && events.count >= count {
                // Not SIGTERM: a test process started with signals blocked hands the block on.
                if curl.isRunning { kill(curl.processIdentifier, SIGKILL) }
                curl.waitUntilExit()
                return events
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Whole events only: the last block may be half-written.
    private static func events(in text: String) -> [(id: Int?, kind: String)] {
        text.components(separatedBy: "\n\n").dropLast().compactMap { block in
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
        #expect(try await told(server, after: 1, count: newest - 1).map(\.id) == (2...newest).map { $0 })
        #expect(try await told(server, after: newest, count: 0).isEmpty)
        #expect(try await told(server, after: nil, count: 0).isEmpty)
        let runs = try await told(server, query: "?kinds=run.created", after: 0, count: 1)
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
