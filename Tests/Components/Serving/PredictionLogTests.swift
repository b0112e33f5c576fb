import Contracts
import Core
import Foundation
import GRDB
import Serving
import ServiceLifecycle
import TestSupport
import Testing

@Suite struct PredictionLogTests {
    @Test func whatTheBufferCannotHoldIsCountedAsDropped() async throws {
        let fixture = try await ServingFixture(limits: .init(bufferedRows: 5))
        try await fixture.deploy()
        let kept = try await fixture.server.predict("d", rows: ServingFixture.rows)
        let cut = try await fixture.server.predict("d", rows: ServingFixture.rows)
        let lost = try await fixture.server.predict("d", rows: ServingFixture.rows)
        #expect(try await fixture.server.prediction(id: kept.id).count == 3)
        #expect(try await fixture.server.prediction(id: cut.id).map(\.row) == [0, 1])
        await #expect(throws: NestboxError.self) { _ = try await fixture.server.prediction(id: lost.id) }
        let statistics = try await fixture.server.statistics("d")
        #expect(statistics.logDropped == 4 && statistics.rows == 9)
        // There is room again after the flush.
        _ = try await fixture.server.predict("d", rows: ServingFixture.rows)
        #expect(try await fixture.server.statistics("d").logDropped == 4)
    }

    @Test func aLogThatCannotBeWrittenDoesNotStopAnswers() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy()
        try fixture.telemetry.close()
        let answer = try await fixture.server.predict("d", rows: ServingFixture.rows)
        await fixture.server.logWriter.flush()
        #expect(answer.outputs.count == 3)
        #expect(try await fixture.server.statistics("d").logDropped == 3)
    }

    @Test func oldestRowsGoFirstByNumberAndByAge() async throws {
        // The clock moves a second at each reading.
        let fixture = try await ServingFixture(
            ambient: .fixed(step: 1000), limits: .init(keptRows: 40, keptSeconds: 3600))
        try await fixture.deploy()
        var ids: [String] = []
        for _ in 0..<20 { ids.append(try await fixture.server.predict("d", rows: ServingFixture.rows).id) }
        await fixture.server.logWriter.flush()
        #expect(try await fixture.server.logWriter.prune() == 20)
        let rows = try await fixture.server.predictions("d", limit: 100)
        #expect(rows.count == 40 && rows.first?.id == ids.last)
        await #expect(throws: NestboxError.self) { _ = try await fixture.server.prediction(id: ids[0]) }
        #expect(try await fixture.server.logWriter.prune() == 0)

        let aged = try await ServingFixture(ambient: .fixed(step: 1000), limits: .init(keptSeconds: 30))
        try await aged.deploy()
        for _ in 0..<40 { _ = try await aged.server.predict("d", rows: ServingFixture.rows) }
        await aged.server.logWriter.flush()
        #expect(try await aged.server.logWriter.prune() > 0)
        let now = aged.decisions.ambient.now()
        let left = try await aged.server.predictions("d", limit: 1000)
        #expect(!left.isEmpty && left.count < 120 && left.allSatisfy { now.seconds(since: $0.at) < 40 })
    }

    @Test func theServiceWritesWhatIsLeftWhenItStops() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy()
        let group = ServiceGroup(
            configuration: .init(services: [.init(service: fixture.server.logWriter)], logger: .init(label: "test")))
        let running = Task { try await group.run() }
        let rows = Array(repeating: ServingFixture.rows, count: 1500).flatMap { $0 }
        let answer = try await fixture.server.predict("d", rows: rows)
        await group.triggerGracefulShutdown()
        try await running.value
        let logged = try await fixture.telemetry.read { db in
            try String.fetchAll(db, sql: "SELECT id FROM serving_predictions")
        }
        #expect(logged.count == 4500 && Set(logged) == [answer.id])
    }
}
