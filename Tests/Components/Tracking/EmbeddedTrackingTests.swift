import Contracts
import Core
import GRDB
import Storage
import TestSupport
import Testing
import Tracking

struct EmbeddedTrackingTests {
    private let directory: TemporaryDirectory
    private let decisions: Store
    private let telemetry: Store
    private let tracking: EmbeddedTracking

    init() throws {
        directory = try TemporaryDirectory()
        decisions = try Store(in: directory, EmbeddedTracking.decisionMigrations, name: "nestbox.db")
        telemetry = try Store(in: directory, EmbeddedTracking.telemetryMigrations, name: "telemetry.db")
        tracking = try EmbeddedTracking(decisions: decisions, telemetry: telemetry, ambient: .live)
    }

    private func point(_ key: String, _ value: Double, step: Int64 = 0) -> MetricPoint {
        MetricPoint(key: key, value: value, timestamp: Timestamp(milliseconds: 1_700_000_000_000), step: step)
    }

    @Test func keepsTheContract() async throws { try await checkTracking(tracking) }

    @Test func curvesKeepTheContract() async throws { try await checkMetricCurves(tracking) }

    @Test func hundredConcurrentLogCallsLoseNothing() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask {
                    try await tracking.log(
                        runID: run.id,
                        LogBatch(
                            metrics: [point("m", Double(index), step: Int64(index)), point("own-\(index)", 1)],
                            params: index % 2 == 0 ? ["p\(index)": "\(index)"] : [:]))
                }
            }
            try await group.waitForAll()
        }
        let logged = try await tracking.run(id: run.id)
        #expect(logged.metrics.count == 101)
        #expect(logged.metric("m") == 99)
        #expect(logged.params.count == 50)
        let history = try await tracking.metricHistory(runID: run.id, key: "m", maxResults: 1000, pageToken: nil)
        #expect(history.items.map(\.value) == (0..<100).map(Double.init))
        #expect(try await waiting() == 0)
    }

    @Test func twoValuesForOneParamAtOnceLeaveOne() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        let refused = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<20 {
                group.addTask {
                    do {
                        try await tracking.log(
                            runID: run.id, LogBatch(metrics: [point("m\(index)", 1)], params: ["p": "\(index)"]))
                        return false
                    } catch { return true }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(refused == 19)
        let logged = try await tracking.run(id: run.id)
        #expect(logged.metrics.map(\.key) == ["m\(logged.params["p"] ?? "none")"])
    }

    @Test func everythingIsThereAfterReopening() async throws {
        let experiment = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: ["t": "v"])
        let run = try await tracking.createRun(NewRun(experimentID: experiment.id, name: "r"))
        try await tracking.log(
            runID: run.id,
            LogBatch(metrics: [point("m", .infinity), point("n", 2)], params: ["p": "1"], tags: ["a": "b"]))
        try await tracking.logInputs(runID: run.id, [RunInput(name: "d", digest: "1", sourceType: "s", source: "x")])
        let before = try await tracking.run(id: run.id)
        try decisions.close()
        try telemetry.close()
        let again = try reopened()
        #expect(try await again.run(id: run.id) == before)
        #expect(try await again.experiment(named: "e") == experiment)
        #expect(try await again.experiment(id: "0").name == "Default")
    }

    /// A crash after the batch was decided and before its points reached the other file.
    @Test func batchInterruptedBetweenTheFilesIsCompletedAtTheNextStart() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 1, step: 1)], params: ["p": "1"]))
        let points = try JSON.string([point("m", 1, step: 1), point("m", .nan, step: 2), point("n", 3)])
        try await decisions.write { context in
            try context.db.execute(
                sql: "INSERT INTO tracking_pending_metrics (run_id, points) VALUES (?, ?)", arguments: [run.id, points])
        }
        try decisions.close()
        try telemetry.close()
        let again = try reopened()
        let page = try await again.runs(RunSearch(experimentIDs: ["0"], orderBy: ["metrics.n DESC"]))
        #expect(page.items.first?.metric("n") == 3)
        #expect(page.items.first?.metric("m")?.isNaN == true)
        let history = try await again.metricHistory(runID: run.id, key: "m", maxResults: 10, pageToken: nil)
        #expect(history.items.map(\.step) == [1, 2])
    }

    @Test func thousandsOfRunsAreSearchedInOrder() async throws {
        let experiment = try await tracking.createExperiment(name: "many", artifactLocation: nil, tags: [:])
        let newestFirst = try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    for index in stride(from: worker, to: 2000, by: 8) {
                        let run = try await tracking.createRun(
                            NewRun(experimentID: experiment.id, startTime: Timestamp(milliseconds: Int64(index))))
                        try await tracking.log(
                            runID: run.id, LogBatch(metrics: [point("m", Double(index * 7919 % 2000))]))
                    }
                }
            }
            try await group.waitForAll()
            return try await tracking.runs(RunSearch(experimentIDs: [experiment.id], maxResults: 2000)).items
        }
        #expect(newestFirst.map(\.startTime.milliseconds) == (0..<2000).reversed().map(Int64.init))
        let best = try await tracking.runs(
            RunSearch(experimentIDs: [experiment.id], maxResults: 10, orderBy: ["metrics.m DESC"]))
        #expect(best.items.map { $0.metric("m") } == (1990..<2000).reversed().map(Double.init))
    }

    @Test func metricsOfAThousandPointsInOneBatchAreOnePage() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        for part in 0..<5 {
            let points = (0..<1000).map { (index: Int) -> MetricPoint in
                point("m", Double(index), step: Int64(part * 1000 + index))
            }
            try await tracking.log(runID: run.id, LogBatch(metrics: points))
        }
        let history = try await tracking.metricHistory(runID: run.id, key: "m", maxResults: 25_000, pageToken: nil)
        #expect(history.items.map(\.step) == (0..<5000).map(Int64.init))
        #expect(history.nextPageToken == nil)
    }

    @Test func changesAreEventsOfTheirActor() async throws {
        try await Caller.$name.withValue("ada") {
            let experiment = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
            let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
            #expect(run.user == "ada")
            try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 1)], params: ["p": "1"]))
            _ = try await tracking.updateRun(id: run.id, RunUpdate(status: .finished))
            try await tracking.deleteRun(id: run.id)
            try await tracking.restoreRun(id: run.id)
            try await tracking.renameExperiment(id: experiment.id, to: "f")
            try await tracking.deleteExperiment(id: experiment.id)
            try await tracking.restoreExperiment(id: experiment.id)
        }
        let events = try await decisions.eventLog()
        #expect(
            events.map(\.kind) == [
                "experiment.created", "run.created", "run.logged", "run.finished", "run.deleted", "run.restored",
                "experiment.renamed", "experiment.deleted", "experiment.restored",
            ])
        #expect(events.allSatisfy { $0.actor == "ada" })
    }

    @Test func pointsAreAnnouncedAndNotRecordedTwice() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        var heard = telemetry.events.subscribe { $0.kind == "metrics.logged" }.makeAsyncIterator()
        try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", 1)]))
        let event = await heard.next()
        #expect(event?.subject == "run/\(run.id)")
        #expect(event?.data == ["points": 1, "keys": ["m"]])
        #expect(try await telemetry.eventLog().isEmpty)
    }

    @Test func finishingWithoutAnEndTimeTakesTheClock() async throws {
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        let finished = try await tracking.updateRun(id: run.id, RunUpdate(status: .failed))
        #expect(finished.endTime.map { $0 >= run.startTime } == true)
    }

    @Test func defaultExperimentCannotBeDeleted() async throws {
        await expectError(.invalidArgument, mentions: "Default") { try await tracking.deleteExperiment(id: "0") }
    }

    private func reopened() throws -> EmbeddedTracking {
        try EmbeddedTracking(
            decisions: try Store(in: directory, EmbeddedTracking.decisionMigrations, name: "nestbox.db"),
            telemetry: try Store(in: directory, EmbeddedTracking.telemetryMigrations, name: "telemetry.db"),
            ambient: .live)
    }

    private func waiting() async throws -> Int? {
        try await decisions.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM tracking_pending_metrics") }
    }
}
