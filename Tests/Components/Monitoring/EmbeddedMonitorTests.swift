import Contracts
import Core
import Foundation
import Monitoring
import Statistics
import Storage
import Synchronization
import Tables
import TestSupport
import Testing

@Suite struct EmbeddedMonitorTests {
    @Test func keepsTheContract() async throws {
        let fixture = try Fixture { $0.windowRows = 300 }
        try await checkMonitor(
            fixture.monitor, serving: fixture.serving,
            .init(
                deployment: "d", usual: Fixture.rows(0..<300), unusual: Fixture.rows(0..<300, shift: 40),
                feature: "temp"))
    }

    @Test func alertsOpenAndCloseWithTheirEvents() async throws {
        let fixture = try Fixture { $0.windowRows = 300 }
        try await fixture.send(shift: 40)
        let bad = try await fixture.monitor.check("d")
        let alert = try #require(try await fixture.monitor.alerts(open: true, limit: 10).first { $0.feature == "temp" })
        #expect(alert.psi == bad.features.first { $0.feature == "temp" }?.psi && alert.threshold == 0.25)
        try await fixture.send()
        _ = try await fixture.monitor.check("d")
        #expect(try await fixture.monitor.alerts(open: true, limit: 10).isEmpty)
        let closed = try await fixture.monitor.alerts(open: false, limit: 10)
        #expect(closed.allSatisfy { $0.closedAt ?? $0.openedAt > $0.openedAt } && closed.contains { $0.id == alert.id })
        let events = try await fixture.store.eventLog(subject: "alert/\(alert.id)")
        #expect(events.map(\.kind) == ["alert.opened", "alert.closed"])
        #expect(events[0].data["feature"] == "temp" && events[0].data["deployment"] == "d")
    }

    @Test func betweenTheThresholdsAnAlertStaysAsItIs() async throws {
        // Everything above zero opens; nothing is below zero, so nothing closes.
        let eager = try Fixture { ($0.threshold, $0.closeBelow) = (0, 0) }
        try await eager.send(shift: 3)
        _ = try await eager.monitor.check("d")
        let open = try await eager.monitor.alerts(open: true, limit: 10)
        #expect(open.contains { $0.feature == "temp" })
        try await eager.send(shift: 3)
        _ = try await eager.monitor.check("d")
        #expect(try await eager.monitor.alerts(open: true, limit: 10) == open)

        // The same drift lies below a higher threshold, so nothing opens.
        let calm = try Fixture { $0.threshold = 100 }
        try await calm.send(shift: 40)
        _ = try await calm.monitor.check("d")
        #expect(try await calm.monitor.alerts(open: nil, limit: 10).isEmpty)
    }

    @Test func anotherVersionClosesTheAlertsOfTheOldOne() async throws {
        let fixture = try Fixture()
        try await fixture.send(shift: 40)
        _ = try await fixture.monitor.check("d")
        #expect(try await !fixture.monitor.alerts(open: true, limit: 10).isEmpty)
        fixture.serving.move(to: 2)
        try await fixture.monitor.closeStaleAlerts()
        #expect(try await fixture.monitor.alerts(open: true, limit: 10).isEmpty)
        #expect(try await fixture.store.eventLog().last?.data["reason"] == "another version is deployed")
        let error = await #expect(throws: NestboxError.self) { _ = try await fixture.monitor.check("d") }
        #expect(error?.message.contains("has 0 logged rows of version 2") == true)
    }

    @Test func aModelWithoutBaselineIsSaid() async throws {
        let fixture = try Fixture()
        fixture.serving.dropBaseline()
        try await fixture.send()
        let error = await #expect(throws: NestboxError.self) { _ = try await fixture.monitor.check("d") }
        #expect(
            error?.code == .conflict && error?.message.contains("has no `baseline.json`") == true && error?.hint != nil)
    }

    @Test func missingValuesAndCategoriesAreCompared() async throws {
        let fixture = try Fixture()
        let rows = Fixture.rows(0..<400).map { row in row.merging(["temp": .null, "origin": "XXX"]) { $1 } }
        _ = try await fixture.serving.predict("d", rows: rows)
        let report = try await fixture.monitor.check("d")
        let temp = try #require(report.features.first { $0.feature == "temp" })
        let origin = try #require(report.features.first { $0.feature == "origin" })
        #expect(temp.currentNullRate == 1 && temp.baselineNullRate == 0 && temp.psi > 0.25 && temp.ks == nil)
        #expect(origin.ks == nil && origin.psi > 0.25)
        #expect(origin.bins.first { $0.label == "other" }?.current == 1)
        let prediction = try #require(report.features.first { $0.feature == "prediction" })
        #expect(prediction.ks != nil && prediction.ksPValue != nil)
        // A feature that shares its name with something of the log's own.
        let named = try #require(report.features.first { $0.feature == "predicted_at" })
        #expect(named.psi < 0.01 && report.from != nil && report.to != nil)
    }

    @Test func reportsAreKeptUpToTheirLimit() async throws {
        let fixture = try Fixture { $0.keptReports = 3 }
        try await fixture.send()
        for _ in 0..<5 { _ = try await fixture.monitor.check("d") }
        let kept = try await fixture.monitor.reports("d", limit: 100)
        #expect(kept.count == 3 && kept == kept.sorted { $0.at > $1.at })
    }

    @Test func theScheduleChecksOnlyDeploymentsWithNewRows() async throws {
        let fixture = try Fixture()
        let schedule = MonitoringSchedule(monitor: fixture.monitor, serving: fixture.serving, interval: 3600)
        await schedule.round()
        #expect(try await fixture.monitor.latestReport("d") == nil)
        _ = try await fixture.serving.predict("d", rows: Fixture.rows(0..<50))
        await schedule.round()
        #expect(try await fixture.monitor.latestReport("d") == nil)
        try await fixture.send()
        await schedule.round()
        await schedule.round()
        #expect(try await fixture.monitor.reports("d", limit: 10).count == 1)
        try await fixture.send(shift: 40)
        await schedule.round()
        #expect(try await fixture.monitor.reports("d", limit: 10).count == 2)
        fixture.serving.move(to: 2)
        await schedule.round()
        #expect(try await fixture.monitor.alerts(open: true, limit: 10).isEmpty)
        #expect(try await fixture.monitor.reports("d", limit: 10).count == 2)
    }
}

private struct Fixture {
    let directory: TemporaryDirectory
    let store: Store
    let serving: LoggingServer
    let monitor: EmbeddedMonitor

    init(_ change: (inout MonitoringSettings) -> Void = { _ in }) throws {
        directory = try TemporaryDirectory()
        let ambient = Ambient.fixed()
        store = try Store(in: directory, EmbeddedMonitor.migrations, ambient: ambient)
        serving = try LoggingServer(ambient: ambient)
        var settings = MonitoringSettings()
        change(&settings)
        monitor = EmbeddedMonitor(store: store, serving: serving, ambient: ambient, settings: settings)
    }

    func send(shift: Double = 0) async throws {
        _ = try await serving.predict("d", rows: Self.rows(0..<300, shift: shift))
    }

    static func rows(_ range: Range<Int>, shift: Double = 0) -> [[String: JSONValue]] {
        range.map {
            [
                "temp": .number(Double($0 * 37 % 100) + shift), "origin": .string(["EWR", "JFK", "LGA"][$0 % 3]),
                "predicted_at": .int(Int64($0 % 2)),
            ]
        }
    }
}

/// One deployment `d` that answers half the temperature and keeps what it was asked.
private final class LoggingServer: ModelServer, PredictionLog {
    private struct State {
        var version = 1
        var updatedAt: Timestamp
        var baseline: [UInt8]?
        var log: [LoggedPrediction] = []
    }

    private let ambient: Ambient
    private let state: Mutex<State>

    init(ambient: Ambient) throws {
        self.ambient = ambient
        let rows = Fixture.rows(0..<3000)
        let temps = rows.compactMap { $0["temp"]?.doubleValue }
        let table = try Table([
            ("temp", .float64(temps)), ("origin", .string(rows.map { $0["origin"]?.stringValue })),
            ("predicted_at", .int64(rows.compactMap { $0["predicted_at"]?.intValue })),
            ("prediction", .float64(temps.map { $0 / 2 })),
        ])
        let baseline = try Baseline(table, features: ["temp", "origin", "predicted_at", "prediction"])
        state = Mutex(State(updatedAt: ambient.now(), baseline: [UInt8](try JSON.encode(baseline))))
    }

    func move(to version: Int) {
        let now = ambient.now()
        state.withLock { ($0.version, $0.updatedAt) = (version, now) }
    }

    func dropBaseline() { state.withLock { $0.baseline = nil } }

    func deployment(_ name: String) async throws -> Deployment {
        guard name == "d" else { throw NestboxError.notFound("deployment", name) }
        return state.withLock {
            Deployment(
                name: "d", model: "m", version: $0.version, lookup: [], createdAt: $0.updatedAt,
                updatedAt: $0.updatedAt,
                updatedBy: "test")
        }
    }

    func deployments() async throws -> [Deployment] { [try await deployment("d")] }

    func predict(_ name: String, rows: [[String: JSONValue]], at eventTime: Timestamp?) async throws -> Prediction {
        let (id, at) = (ambient.newID(), ambient.now())
        let outputs = rows.map { ($0["temp"]?.doubleValue ?? 0) / 2 }
        return state.withLock { state in
            for (row, inputs) in rows.enumerated() {
                state.log.append(
                    .init(
                        id: id, row: row, at: at, deployment: name, model: "m", version: state.version, inputs: inputs,
                        output: outputs[row]))
            }
            return Prediction(id: id, deployment: name, model: "m", version: state.version, outputs: outputs)
        }
    }

    func predictions(_ name: String, limit: Int) async throws -> [LoggedPrediction] {
        Array(state.withLock { $0.log }.reversed().prefix(limit))
    }

    func loggedColumns(_ deployment: String, since: Timestamp, limit: Int) async throws -> LoggedColumns {
        let log = state.withLock { state in
            Array(state.log.filter { $0.version == state.version && $0.at >= since }.suffix(limit))
        }
        let temps = log.map { $0.inputs["temp"]?.doubleValue }
        let inputs = try Table([
            ("temp", .float64(temps.map { $0 ?? 0 }, Validity(temps.map { $0 != nil }))),
            ("origin", .string(log.map { $0.inputs["origin"]?.stringValue })),
            ("predicted_at", .int64(log.compactMap { $0.inputs["predicted_at"]?.intValue })),
        ])
        return LoggedColumns(inputs: inputs, outputs: log.map(\.output), times: log.map(\.at))
    }

    func baseline(_ deployment: String) async throws -> [UInt8]? { state.withLock { $0.baseline } }

    private var unused: NestboxError { NestboxError(.internalError, "monitoring has no business here") }
    func deploy(_ request: DeploymentRequest) async throws -> Deployment { throw unused }
    func undeploy(_ name: String) async throws { throw unused }
    func signature(_ name: String) async throws -> ModelSignature { throw unused }
    func statistics(_ name: String) async throws -> ServingStatistics { throw unused }
    func prediction(id: String) async throws -> [LoggedPrediction] { throw unused }
}
