import Contracts
import Core
import Foundation
import Hummingbird
import NIOCore
import Storage

/// Health, readiness, metrics, the OpenAPI document, events, backup and garbage collection.
enum SystemRoutes {
    struct Health: Codable, Sendable {
        var status: String
        var version: String
        var uptimeSeconds: Double
        /// Jobs that this server runs at once; 0 leaves them to workers elsewhere.
        var jobSlots: Int
        /// The server that keeps runs, models and traces; nil when it is this one.
        var trackingURL: String?
        /// Whether that server answers; nil when it is this one.
        var trackingAnswers: Bool?
    }

    struct BackupResult: Codable, Sendable {
        var files: [String]
        var bytes: Int64
    }

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            .get("/health", "System", "Whether the process is alive", returns: Health.self) { _ in
                let uptime = Ambient.live.now().seconds(since: appliance.startedAt)
                return Health(
                    status: "ok", version: Appliance.version, uptimeSeconds: uptime,
                    jobSlots: appliance.options.jobSlots, trackingURL: appliance.options.external?.address,
                    trackingAnswers: await appliance.options.external?.answers())
            }.with { $0.isBrief = true },
            .get("/ready", "System", "Whether both database files answer", returns: Acknowledgement.self) { _ in
                try await appliance.decisions.ping()
                try await appliance.telemetry.ping()
                return Acknowledgement()
            },
            metrics(appliance),
            .get(
                "/api/v1/events", "System", "Recorded facts, newest first",
                query: [.limit(100, most: 1000)], returns: [Event].self
            ) { call in
                try await appliance.decisions.recentEvents(
                    limit: try call.queryInteger("limit", default: 100, in: 1...1000))
            },
            liveEvents(appliance),
            .action(
                .post, "/api/v1/backup", "System", "Copy both database files while they are in use",
                returns: BackupResult.self
            ) { _ in
                try await backup(appliance)
            },
            .action(
                .post, "/api/v1/artifacts/collect-garbage", "System", "Remove stored contents that nothing refers to",
                returns: ReclaimedSpace.self
            ) { _ in try await appliance.artifacts.collectGarbage() },
            .json(
                .post, "/api/v1/garbage-collection", "System",
                "Remove for good what was deleted or has outlived its experiment's rule, and free its space",
                takes: GarbageRequest.self, returns: GarbageReport.self
            ) { _, request in
                if let days = request.olderThanDays, !(days >= 0 && days <= 36_500) {
                    throw NestboxError.invalid("`olderThanDays` is \(days); expected 0 to 36500")
                }
                return try await appliance.garbage.collectOnDemand(
                    olderThan: request.olderThanDays ?? appliance.options.keptDeletedDays)
            },
        ]
    }

    private static func metrics(_ appliance: Appliance) -> Route {
        var route = Route(.get, "/metrics", "System", "Metrics in Prometheus' text format") { _ in
            // Prometheus 3 refuses a scrape without this exact content type.
            .text(
                appliance.metrics.exposition(gauges: try await appliance.gauges()),
                type: "text/plain; version=0.0.4; charset=utf-8")
        }
        route.response = .init(type: "text/plain", schema: ["type": "string"])
        return route
    }

    /// Server-sent events: every committed event from now on. After `Last-Event-ID` come first the decisions since then;
    /// what is measured in between (`metrics.logged`) is not told again. Comments keep the connection awake.
    private static func liveEvents(_ appliance: Appliance) -> Route {
        var route = Route(.get, "/api/v1/events/stream", "System", "Events as they happen (server-sent events)") {
            call in
            let kinds = call.query("kinds").map { Set($0.split(separator: ",").map(String.init)) }
            let lastID = call.header(.init("Last-Event-ID")!).flatMap { Int64($0) }
            // Before the log is read, so that nothing falls between the two.
            let stream = appliance.events.subscribe()
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
                body: .init { writer in
                    try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
                    var told = lastID
                    while let last = told {
                        let missed = try await appliance.decisions.eventLog(after: last, limit: 1000)
                        for event in missed where kinds?.contains(event.kind) ?? true {
                            try await writer.write(ByteBuffer(string: try message(event)))
                        }
                        guard let next = missed.last?.id else { break }
                        told = next
                    }
                    for await item in withHeartbeat(stream, every: .seconds(15)) {
                        guard let event = item else {
                            try await writer.write(ByteBuffer(string: ": alive\n\n"))
                            continue
                        }
                        guard kinds?.contains(event.kind) ?? true, !(hasID(event) && event.id <= told ?? 0) else {
                            continue
                        }
                        try await writer.write(ByteBuffer(string: try message(event)))
                    }
                    try await writer.finish(nil)
                })
        }
        route.query = [.init("kinds", "comma-separated event kinds; all when left out")]
        route.response = .init(type: "text/event-stream", schema: ["type": "string"])
        return route
    }

    /// Only positions in the log of decisions are told as ids: the two logs count separately.
    private static func hasID(_ event: Event) -> Bool { event.log == "nestbox" }

    private static func message(_ event: Event) throws -> String {
        (hasID(event) ? "id: \(event.id)\n" : "") + "event: \(event.kind)\ndata: \(try JSON.string(event))\n\n"
    }

    /// The events, with nil whenever nothing else came for a while. Ends with the stream or the consuming task.
    private static func withHeartbeat(_ stream: AsyncStream<Event>, every interval: Duration) -> AsyncStream<Event?> {
        let (merged, continuation) = AsyncStream.makeStream(of: Event?.self, bufferingPolicy: .bufferingNewest(256))
        let events = Task {
            for await event in stream { continuation.yield(event) }
            continuation.finish()
        }
        let heartbeat = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: interval)
                continuation.yield(nil)
            }
        }
        continuation.onTermination = { _ in
            events.cancel()
            heartbeat.cancel()
        }
        return merged
    }

    private static func backup(_ appliance: Appliance) async throws -> BackupResult {
        let stamp = Ambient.live.now().iso8601.filter { $0.isNumber || $0 == "T" }
        var result = BackupResult(files: [], bytes: 0)
        try await appliance.tracking.settle()
        for (store, name) in [(appliance.decisions, "nestbox"), (appliance.telemetry, "telemetry")] {
            let path = "\(appliance.directory.backups)/\(name)-\(stamp).db"
            try await store.backup(to: path)
            let size = (try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber)?.int64Value ?? 0
            result.files.append(path)
            result.bytes += size
        }
        return result
    }
}
