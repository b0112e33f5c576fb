import Contracts
import Core
import Foundation
import GRDB
import Storage
import TestSupport
import Testing

@testable import Tracking

/// Searches over so many runs that a metric's index is walked, and the plans that SQLite makes.
struct RunQueryTests {
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

    /// Runs of experiment 0 with a metric of few different values, some NaN, some missing; written in bulk.
    private func fill(_ count: Int, experiment: Int64 = 0, prefix: String = "r") async throws {
        try await decisions.write { context in
            for index in 0..<count {
                let id = prefix + String(10_000 + index)
                try context.db.execute(
                    sql: "INSERT INTO tracking_runs VALUES (?, ?, ?, 'u', 'RUNNING', ?, NULL, 'active', '', NULL)",
                    arguments: [id, experiment, id, index % 300])
                try context.db.execute(
                    sql: "INSERT INTO tracking_params VALUES (?, 'n', ?)", arguments: [id, String(index % 7)])
            }
        }
        try await telemetry.write { context in
            for index in 0..<count where index % 5 != 0 {
                let isNaN = index % 11 == 0
                try context.db.execute(
                    sql:
                        "INSERT INTO tracking_series (run_id, key, step, timestamp, value, is_nan) VALUES (?, 'm', 0, 0, ?, ?)",
                    arguments: [prefix + String(10_000 + index), isNaN ? 0 : Double(index * 7919 % 40), isNaN])
            }
        }
    }

    private func ids(_ search: RunSearch) async throws -> [String] {
        var search = search, found: [String] = []
        repeat {
            let page = try await tracking.runs(search)
            found += page.items.map(\.id)
            search.pageToken = page.nextPageToken
        } while search.pageToken != nil
        return found
    }

    /// 1500 of 1500 runs are searched along the metric's index; 1500 of 9000 are sorted.
    @Test(arguments: [0, 7500]) func ordersByAMetricInEitherWay(others: Int) async throws {
        let experiment = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
        try await fill(1500, experiment: try #require(Int64(experiment.id)))
        try await fill(others, prefix: "s")
        let plan = try await plan(RunSearch(experimentIDs: [experiment.id], orderBy: ["metrics.m"]))
        #expect(plan.contains("o0 USING INDEX tracking_series_by_value") == (others == 0), "\(plan)")
        for order in [
            ["metrics.m DESC"], ["metrics.m"], ["metrics.m DESC", "params.n", "start_time"], ["metrics.m", "run_id"],
        ] {
            for filter in ["", "params.n = '3'", "metrics.m > 20", "metrics.m != 3 and params.n != '2'"] {
                var search = RunSearch(experimentIDs: [experiment.id], filter: filter, maxResults: 2000, orderBy: order)
                let whole = try await ids(search)
                search.maxResults = 97
                #expect(try await ids(search) == whole, "\(order) \(filter), in pages")
                #expect(Set(whole).count == whole.count)
                #expect(try await sortedIDs(search) == whole, "\(order) \(filter)")
            }
        }
    }

    /// What the order is, worked out here.
    private func sortedIDs(_ search: RunSearch) async throws -> [String] {
        let runs = try await tracking.runs(
            RunSearch(experimentIDs: search.experimentIDs, filter: search.filter, maxResults: 2000, orderBy: ["run_id"])
        ).items
        let isDescending = search.orderBy[0].hasSuffix("DESC")
        func rank(_ run: Run) -> Int { run.metric("m").map { $0.isNaN ? 1 : 0 } ?? 2 }
        return runs.sorted { a, b in
            if rank(a) != rank(b) { return rank(a) < rank(b) }
            if rank(a) == 0, let x = a.metric("m"), let y = b.metric("m"), x != y { return (x < y) != isDescending }
            if search.orderBy.contains("params.n"), a.params["n"] != b.params["n"] {
                return a.params["n"]! < b.params["n"]!
            }
            if a.startTime != b.startTime, !search.orderBy.contains("run_id") {
                return (a.startTime < b.startTime) == search.orderBy.contains("start_time")
            }
            return a.id < b.id
        }.map(\.id)
    }

    private func plan(_ search: RunSearch) async throws -> String {
        // The first search by a metric brings it into the index.
        _ = try await tracking.runs(search)
        let query = try RunQuery(search)
        return try await tracking.joined.read { db in
            try query.statements(in: db).map { statement in
                let (sql, arguments) = try statement.build(db)
                return try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments)
                    .map { $0["detail"] as String }.joined(separator: "\n")
            }.joined(separator: "\n--\n")
        }
    }

    @Test func searchesUseIndexes() async throws {
        try await fill(1200)
        let newest = try await plan(RunSearch(experimentIDs: ["0"]))
        #expect(newest.contains("tracking_runs_by_start") && !newest.contains("TEMP B-TREE"), "\(newest)")
        let walked = try await plan(RunSearch(experimentIDs: ["0"], orderBy: ["metrics.m DESC"]))
        #expect(walked.contains("o0 USING INDEX tracking_series_by_value (key=? AND is_nan=?)"), "\(walked)")
        // Numbers come in the index's order, and only equal ones are sorted.
        let numbers = walked.components(separatedBy: "\n--\n").first ?? ""
        #expect(numbers.contains("SEARCH r USING") && !numbers.contains("B-TREE FOR ORDER BY"), "\(walked)")
        for (filter, index) in [
            ("params.n = '3'", "tracking_params_by_value (key=? AND value=?)"),
            ("tags.none = 'x'", "tracking_tags_by_value (key=? AND value=?)"),
            ("metrics.m > 38", "tracking_series_by_value (key=? AND is_nan=? AND value>?)"),
            ("datasets.name = 'x'", "tracking_inputs_by_name (name=?)"),
            ("params.n LIKE '%3'", "PRIMARY KEY (run_id=? AND key=?)"),
        ] {
            let plan = try await plan(RunSearch(experimentIDs: ["0"], filter: filter))
            #expect(plan.contains(index), "\(filter): \(plan)")
            #expect(!plan.contains("SCAN tracking") && !plan.contains("SCAN s"), "\(filter): \(plan)")
        }
    }

    /// Points that are logged after the metric came into the index, new series and changed ones.
    @Test func indexedMetricsFollowWhatIsLogged() async throws {
        try await fill(1200)
        let search = RunSearch(experimentIDs: ["0"], maxResults: 3, orderBy: ["metrics.m DESC"])
        _ = try await tracking.runs(search)
        for (run, value) in [("r10000", 100.0), ("r10001", 200), ("r10011", 300)] {
            let point = MetricPoint(key: "m", value: value, timestamp: Timestamp(milliseconds: 1), step: 1)
            try await tracking.log(runID: run, LogBatch(metrics: [point]))
        }
        #expect(try await plan(search).contains("o0 USING INDEX tracking_series_by_value"))
        #expect(try await tracking.runs(search).items.map(\.id) == ["r10011", "r10001", "r10000"])
        let above = RunSearch(experimentIDs: ["0"], filter: "metrics.m > 150", orderBy: ["run_id"])
        #expect(try await tracking.runs(above).items.map(\.id) == ["r10001", "r10011"])
    }

    @Test func valuesTooLongForTheIndexAreFoundToo() async throws {
        let long = String(repeating: "x", count: 251)
        for value in [long, String(long.dropLast())] {
            let run = try await tracking.createRun(NewRun(experimentID: "0"))
            try await tracking.log(runID: run.id, LogBatch(params: ["p": value]))
            let found = try await tracking.runs(RunSearch(experimentIDs: ["0"], filter: "params.p = '\(value)'"))
            #expect(found.items.map(\.id) == [run.id])
        }
    }
}
