import Contracts
import Core
import Hummingbird

/// Drift reports and alerts.
enum MonitoringRoutes {
    private static let tag = "Monitoring"

    static func routes(_ appliance: Appliance) -> [Route] {
        let monitor = appliance.monitor
        var latest = Route(
            .get, "/api/v1/deployments/{name}/drift", tag, "The newest drift report; null before the first"
        ) { call in try .json(try await monitor.latestReport(try call.parameter("name"))) }
        latest.response = .json(DriftReport.self)
        return [
            latest,
            .action(
                .post, "/api/v1/deployments/{name}/drift", tag, "Compare logged rows with the training data now",
                returns: DriftReport.self
            ) { call in try await monitor.check(try call.parameter("name")) },
            .get(
                "/api/v1/deployments/{name}/drift/history", tag, "Drift reports, newest first",
                query: [.limit(50, most: 500)], returns: [DriftReport].self
            ) { call in
                let limit = try call.queryInteger("limit", default: 50, in: 1...500)
                return try await monitor.reports(try call.parameter("name"), limit: limit)
            },
            .get(
                "/api/v1/alerts", tag, "Drift alerts, newest first",
                query: [.init("open", "true or false; both when left out"), .limit(100, most: 1000)],
                returns: [DriftAlert].self
            ) { call in
                let limit = try call.queryInteger("limit", default: 100, in: 1...1000)
                return try await monitor.alerts(open: try open(call), limit: limit)
            },
        ]
    }

    private static func open(_ call: Call) throws -> Bool? {
        guard let text = call.query("open") else { return nil }
        guard let open = Bool(text) else { throw NestboxError.invalid("`open` is `\(text)`; expected true or false") }
        return open
    }
}
