import Contracts
import Core
import Testing

/// What the suite is given: a deployment without traffic whose model has a baseline, rows like its training rows, and rows
/// that are far from them in `feature`. At least 300 rows each; the monitor's window must not exceed `unusual.count`.
package struct MonitorSample: Sendable {
    package var deployment: String
    package var usual: [[String: JSONValue]]
    package var unusual: [[String: JSONValue]]
    package var feature: String

    package init(deployment: String, usual: [[String: JSONValue]], unusual: [[String: JSONValue]], feature: String) {
        self.deployment = deployment
        self.usual = usual
        self.unusual = unusual
        self.feature = feature
    }
}

/// What every `Monitor` keeps to: traffic goes through `serving`, the seam whose log is watched.
package func checkMonitor(_ monitor: any Monitor, serving: any ModelServer, _ sample: MonitorSample) async throws {
    let name = sample.deployment
    func code(_ body: () async throws -> Void) async -> NestboxError.Code? {
        do {
            try await body()
            return nil
        } catch { return (error as? NestboxError)?.code }
    }
    #expect(await code { _ = try await monitor.check(name) } == .conflict)
    #expect(await code { _ = try await monitor.check("no-such-deployment") } == .notFound)
    #expect(await code { _ = try await monitor.latestReport("no-such-deployment") } == .notFound)
    #expect(try await monitor.latestReport(name) == nil)
    #expect(try await monitor.reports(name, limit: 10).isEmpty)

    _ = try await serving.predict(name, rows: sample.usual)
    let calm = try await monitor.check(name)
    #expect(calm.deployment == name && calm.rows == sample.usual.count)
    #expect(calm.features.first { $0.feature == sample.feature }.map { $0.psi < 0.2 } == true)
    #expect(zip(calm.features, calm.features.dropFirst()).allSatisfy { $0.psi >= $1.psi })
    for bins in calm.features.map(\.bins) {
        #expect(
            abs(bins.reduce(0) { $0 + $1.baseline } - 1) < 1e-9 && abs(bins.reduce(0) { $0 + $1.current } - 1) < 1e-9)
    }
    #expect(calm.from != nil && calm.to != nil)
    #expect(try await monitor.latestReport(name) == calm)
    let before = try await monitor.alerts(open: true, limit: 100)
    #expect(!before.contains { $0.deployment == name && $0.feature == sample.feature })

    _ = try await serving.predict(name, rows: sample.unusual)
    let moved = try await monitor.check(name)
    let drift = try #require(moved.features.first { $0.feature == sample.feature })
    #expect(drift.psi > 0.25)
    let opened = try #require(
        try await monitor.alerts(open: true, limit: 100).first { $0.deployment == name && $0.feature == sample.feature }
    )
    #expect(opened.closedAt == nil && opened.psi == drift.psi && opened.message.contains(sample.feature))
    _ = try await monitor.check(name)
    let stillOpen = try await monitor.alerts(open: true, limit: 100)
    #expect(stillOpen.filter { $0.deployment == name && $0.feature == sample.feature } == [opened])
    #expect(try await monitor.reports(name, limit: 2).count == 2)
    #expect(try await monitor.reports(name, limit: 100).last == calm)
}
