import Contracts
import Core
import Storage
import TestSupport
import Testing

@testable import Tracking

@Suite struct RetentionTests {
    let directory: TemporaryDirectory
    let decisions: Store
    let telemetry: Store
    let tracking: EmbeddedTracking

    init() throws {
        directory = try TemporaryDirectory()
        decisions = try Store(in: directory, EmbeddedTracking.decisionMigrations, name: "nestbox.db")
        telemetry = try Store(in: directory, EmbeddedTracking.telemetryMigrations, name: "telemetry.db")
        tracking = try EmbeddedTracking(decisions: decisions, telemetry: telemetry, ambient: .live)
    }

    private let later = Ambient.live.now().adding(seconds: 3600)

    private func points(_ key: String, _ count: Int, sameStep: Bool = false) -> [MetricPoint] {
        (0..<count).map {
            MetricPoint(
                key: key, value: Double($0), timestamp: Timestamp(milliseconds: Int64($0)),
                step: sameStep ? 0 : Int64($0))
        }
    }

    @Test func aLongHistoryGoesInSteps() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        let other = try await tracking.createRun(NewRun(experimentID: "0"))
        for (key, sameStep) in [("long", false), ("flat", true)] {
            try await tracking.storeMetrics(points(key, 50_001, sameStep: sameStep), run: run.id)
        }
        try await tracking.log(runID: other.id, LogBatch(metrics: points("long", 3)))
        try await tracking.deleteRun(id: run.id)
        #expect(try await tracking.purge(deletedBefore: later, limit: 10) == 1)
        let items = try await tracking.purgedItems(after: nil, limit: 10)
        #expect(items.map(\.id) == [run.id])
        #expect(try await tracking.removePoints(of: items[0]) == 100_002)
        #expect(try await tracking.removePoints(of: items[0]) == 0)
        try await tracking.forget(items[0])
        #expect(try await tracking.purgedItems(after: nil, limit: 10).isEmpty)
        let history = try await tracking.metricHistory(runID: other.id, key: "long", maxResults: 10, pageToken: nil)
        #expect(history.items.count == 3)
        try await telemetry.checkpoint()
        let size = telemetry.fileSize
        #expect(try await telemetry.reclaimFreePages() > 1 << 20)
        #expect(telemetry.fileSize < size)
    }

    @Test func onlyWhatWasDeletedLongAgoGoes() async throws {
        let before = Ambient.live.now().adding(seconds: -60)
        let deleted = try await tracking.createRun(NewRun(experimentID: "0"))
        let restored = try await tracking.createRun(NewRun(experimentID: "0"))
        for run in [deleted, restored] { try await tracking.deleteRun(id: run.id) }
        try await tracking.restoreRun(id: restored.id)
        #expect(try await tracking.purge(deletedBefore: before, limit: 10) == 0)
        #expect(try await tracking.purge(deletedBefore: later, limit: 10) == 1)
        #expect(try await tracking.run(id: restored.id).lifecycleStage == .active)
    }

    /// The rows are gone and the points are not, when the process dies in between.
    @Test func aCollectionCutOffGoesOn() async throws {
        for _ in 0..<5 {
            let run = try await tracking.createRun(NewRun(experimentID: "0"))
            try await tracking.log(runID: run.id, LogBatch(metrics: points("m", 10)))
            try await tracking.deleteRun(id: run.id)
        }
        #expect(try await tracking.purge(deletedBefore: later, limit: 3) == 3)
        let again = try EmbeddedTracking(
            decisions: try Store(in: directory, EmbeddedTracking.decisionMigrations, name: "nestbox.db"),
            telemetry: try Store(in: directory, EmbeddedTracking.telemetryMigrations, name: "telemetry.db"),
            ambient: .live)
        #expect(try await again.purge(deletedBefore: later, limit: 3) == 2)
        var seen: [PurgedItem] = []
        while true {
            let items = try await again.purgedItems(after: seen.last, limit: 2)
            if items.isEmpty { break }
            seen += items
        }
        #expect(Set(seen).count == 5 && seen.count == 5)
        var removed = 0
        for item in seen { removed += try await again.removePoints(of: item) }
        #expect(removed == 50)
    }
}
