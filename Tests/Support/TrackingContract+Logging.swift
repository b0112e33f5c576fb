import Contracts
import Core
import Foundation
import Testing

package func checkLogging(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "logging")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id, name: "r"))
    try await tracking.log(
        runID: run.id,
        LogBatch(
            metrics: [point("auc", 0.7, step: 0), point("auc", 0.8, step: 1), point("loss/train", 0.3)],
            params: ["depth": "6", "größe": "XL", "empty": ""], tags: ["note": "ok: ünïcode 🚀"]))
    let logged = try await tracking.run(id: run.id)
    #expect(logged.params == ["depth": "6", "größe": "XL", "empty": ""])
    #expect(logged.metrics == [point("auc", 0.8, step: 1), point("loss/train", 0.3)])
    #expect(logged.tags == ["mlflow.runName": "r", "note": "ok: ünïcode 🚀"])

    // Repeating a batch changes nothing.
    try await tracking.log(runID: run.id, LogBatch(metrics: [point("auc", 0.8, step: 1)], params: ["depth": "6"]))
    #expect(try await tracking.run(id: run.id) == logged)
    let history = try await tracking.metricHistory(runID: run.id, key: "auc", maxResults: 10, pageToken: nil)
    #expect(history.items == [point("auc", 0.7, step: 0), point("auc", 0.8, step: 1)])

    await expectError(.invalidArgument, mentions: "depth", "6", "7") {
        try await tracking.log(runID: run.id, LogBatch(params: ["depth": "7"]))
    }
    await expectError(.notFound, mentions: "no-such-run") {
        try await tracking.log(runID: "no-such-run", LogBatch(metrics: [point("m", 1)]))
    }
    await expectError(.notFound) { try await tracking.log(runID: "no-such-run", LogBatch(params: ["p": "1"])) }
}

/// The latest is the highest step, then the latest time, then the highest value, in whatever order they arrive.
package func checkLatestMetric(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "latest")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let steps: [(MetricPoint, Double)] = [
        (point("m", 5, step: 3, at: 100), 5), (point("m", 9, step: 2, at: 900), 5),
        (point("m", 4, step: 3, at: 200), 4),
        (point("m", 7, step: 3, at: 150), 4), (point("m", 6, step: 3, at: 200), 6),
        (point("m", 1, step: -1, at: 999), 6),
        (point("m", -2, step: 4, at: 0), -2),
    ]
    for (added, latest) in steps {
        try await tracking.log(runID: run.id, LogBatch(metrics: [added]))
        #expect(try await tracking.run(id: run.id).metric("m") == latest, "after \(added)")
    }
    // The same within one batch.
    try await tracking.log(
        runID: run.id,
        LogBatch(metrics: steps.map { point("n", $0.0.value, step: $0.0.step, at: $0.0.timestamp.milliseconds) }))
    #expect(try await tracking.run(id: run.id).metric("n") == -2)
}

package func checkNonFiniteMetrics(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "nan")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let values: [Double] = [.nan, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0.1]
    func kept(_ value: Double) -> Double {
        guard ContractProfile.lacks(.infinities), value.isInfinite else { return value }
        return value < 0 ? -.greatestFiniteMagnitude : .greatestFiniteMagnitude
    }
    for (step, value) in values.enumerated() {
        let key = "v\(step)"
        try await tracking.log(
            runID: run.id, LogBatch(metrics: [point(key, value), point("all", value, step: Int64(step))]))
        let latest = try await tracking.run(id: run.id).metric(key)
        #expect(latest?.bitPattern == kept(value).bitPattern || (value.isNaN && latest?.isNaN == true), "\(value)")
    }
    // A NaN logged twice is one point, and is not the zero at the same step.
    try await tracking.log(runID: run.id, LogBatch(metrics: [point("all", .nan), point("all", 0), point("all", .nan)]))
    let all = try await tracking.metricHistory(runID: run.id, key: "all", maxResults: 100, pageToken: nil).items
    #expect(all.count == values.count + 1)
    #expect(all.filter { $0.value.isNaN }.count == 1)
    #expect(all.contains { $0.value == kept(.infinity) } && all.contains { $0.value == kept(-.infinity) })
}

package func checkBatchIsAllOrNothing(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "atomic")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    try await tracking.log(runID: run.id, LogBatch(params: ["p": "1"]))
    let before = try await tracking.run(id: run.id)
    var bad = [
        LogBatch(metrics: [point("m", 1)], params: ["p": "2", "q": "3"], tags: ["t": "v"]),
        LogBatch(metrics: [point("m", 1), point("bad*key", 1)], params: ["q": "3"]),
        LogBatch(metrics: [point("m", 1)], tags: ["t": "v", "../t": "v"]),
    ]
    if !ContractProfile.lacks(.longValues) {
        bad.append(LogBatch(metrics: [point("m", 1)], params: ["q": String(repeating: "x", count: 1_048_577)]))
    }
    for batch in bad { await expectError(.invalidArgument) { try await tracking.log(runID: run.id, batch) } }
    #expect(try await tracking.run(id: run.id) == before)
    let history = try await tracking.metricHistory(runID: run.id, key: "m", maxResults: 10, pageToken: nil)
    #expect(history.items.isEmpty && history.nextPageToken == nil)
}

package func checkLoggingRules(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "rules")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    func numbered(_ count: Int) -> [String: String] {
        Dictionary(uniqueKeysWithValues: (0..<count).map { ("k\($0)", "v") })
    }
    func text(_ count: Int) -> String { String(repeating: "ü", count: count) }
    func metrics(_ count: Int) -> [MetricPoint] {
        (0..<count).map { (index: Int) -> MetricPoint in point("m", Double(index), step: Int64(index)) }
    }
    try await tracking.log(runID: run.id, LogBatch(params: numbered(100)))
    try await tracking.log(runID: run.id, LogBatch(tags: numbered(100)))
    try await tracking.log(runID: run.id, LogBatch(metrics: metrics(1000)))
    try await tracking.log(
        runID: run.id,
        LogBatch(params: ["long": text(65_536), String(repeating: "k", count: 250): ""], tags: ["long": text(65_536)]))
    await expectError(.invalidArgument, mentions: "101", "100") {
        try await tracking.log(runID: run.id, LogBatch(params: numbered(101)))
    }
    await expectError(.invalidArgument, mentions: "101") {
        try await tracking.log(runID: run.id, LogBatch(tags: numbered(101)))
    }
    await expectError(.invalidArgument, mentions: "1001") {
        try await tracking.log(runID: run.id, LogBatch(metrics: metrics(1001)))
    }
    await expectError(.invalidArgument) {
        try await tracking.log(runID: run.id, LogBatch(metrics: metrics(950), params: numbered(51)))
    }
    if ContractProfile.lacks(.longValues) {
        let logged = try await tracking.run(id: run.id)
        #expect(logged.params["long"] == text(6000) && logged.tags["long"] == text(8000))
    } else {
        await expectError(.invalidArgument, mentions: "long2", "1048576") {
            try await tracking.log(runID: run.id, LogBatch(params: ["long2": text(1_048_577)]))
        }
        await expectError(.invalidArgument, mentions: "long2", "1048576") {
            try await tracking.log(runID: run.id, LogBatch(tags: ["long2": text(1_048_577)]))
        }
    }
    for key in ["", "a*b", "/a", "a/", "a//b", "..", "a/../b", ".", "a\nb", String(repeating: "k", count: 251)] {
        await expectError(.invalidArgument) {
            try await tracking.log(runID: run.id, LogBatch(metrics: [point(key, 1)]))
        }
        await expectError(.invalidArgument) { try await tracking.log(runID: run.id, LogBatch(params: [key: "1"])) }
    }
    await expectError(.invalidArgument) {
        try await tracking.log(runID: run.id, LogBatch(metrics: [point("late", 1, at: -1)]))
    }
}

package func checkTagsAndInputs(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "tags")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    try await tracking.log(runID: run.id, LogBatch(tags: ["a": "1", "b": "2"]))
    try await tracking.log(runID: run.id, LogBatch(tags: ["a": "3"]))
    #expect(try await tracking.run(id: run.id).tags["a"] == "3")
    try await tracking.deleteTag(runID: run.id, key: "a")
    let tags = try await tracking.run(id: run.id).tags
    #expect(tags["a"] == nil && tags["b"] == "2")
    await expectError(.notFound, mentions: "`a`") { try await tracking.deleteTag(runID: run.id, key: "a") }
    await expectError(.notFound) { try await tracking.deleteTag(runID: "no-such-run", key: "b") }

    let first = RunInput(
        name: "flights", digest: "abc", sourceType: "local", source: "{\"uri\":\"x\"}", schema: "{}",
        profile: "{\"rows\":3}",
        tags: ["mlflow.data.context": "training"])
    let second = RunInput(name: "weather", digest: "def", sourceType: "code", source: "{}")
    try await tracking.logInputs(runID: run.id, [first, second])
    #expect(try await tracking.run(id: run.id).inputs == [first, second])
    // The same dataset again changes nothing.
    var again = first
    again.tags = ["role": "x"]
    try await tracking.logInputs(runID: run.id, [again])
    let inputs = try await tracking.run(id: run.id).inputs
    #expect(inputs.map(\.name) == ["flights", "weather"])
    #expect(inputs.first?.tags == ["mlflow.data.context": "training"])
    await expectError(.notFound) { try await tracking.logInputs(runID: "no-such-run", [first]) }
    let nameless = RunInput(name: "", digest: "a", sourceType: "x", source: "y")
    try await tracking.logInputs(runID: run.id, [nameless])
}

package func checkMetricHistory(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "history")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let points = (0..<25).map { (index: Int) -> MetricPoint in
        point("m", Double(index % 4), step: Int64(index / 3), at: Int64(1000 + index))
    }
    try await tracking.log(runID: run.id, LogBatch(metrics: points.reversed()))
    try await tracking.log(runID: run.id, LogBatch(metrics: [point("m", .nan, step: 100), point("m", 0, step: 100)]))
    for size in [1, 7, 26, 27, 100] {
        var found: [MetricPoint] = [], token: String?
        repeat {
            let page = try await tracking.metricHistory(runID: run.id, key: "m", maxResults: size, pageToken: token)
            #expect(page.items.count <= size)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        #expect(Array(found.prefix(25)) == points, "pages of \(size)")
        #expect(found.count == 27, "pages of \(size)")
    }
    let none = try await tracking.metricHistory(runID: run.id, key: "unknown", maxResults: 10, pageToken: nil)
    #expect(none.items.isEmpty)
    let missing = try await tracking.metricHistory(runID: "no-such-run", key: "m", maxResults: 10, pageToken: nil)
    #expect(missing.items.isEmpty)
    await expectError(.invalidArgument) {
        try await tracking.metricHistory(runID: run.id, key: "m", maxResults: 10, pageToken: "not a token")
    }
    await expectError(.invalidArgument) {
        try await tracking.metricHistory(runID: run.id, key: "m", maxResults: 0, pageToken: nil)
    }
}

package func checkRunOrder(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "order")
    let rows: [(name: String, auc: Double?, depth: String?, start: Int64)] = [
        ("a", 0.5, "2", 300), ("b", 0.9, nil, 100), ("c", nil, "10", 200), ("d", .nan, "3", 400), ("e", 0.5, "2", 500),
    ]
    for row in rows {
        let run = try await tracking.createRun(
            NewRun(experimentID: experiment.id, name: row.name, startTime: Timestamp(milliseconds: row.start)))
        try await tracking.log(
            runID: run.id,
            LogBatch(
                metrics: row.auc.map { [point("val auc", $0)] } ?? [], params: row.depth.map { ["depth": $0] } ?? [:],
                tags: ["letter": row.name]))
        if row.name != "a" {
            _ = try await tracking.updateRun(
                id: run.id, RunUpdate(status: .finished, endTime: Timestamp(milliseconds: 1000 - row.start)))
        }
    }
    let cases: [(order: [String], names: String)] = [
        ([], "edacb"), (["start_time ASC"], "bcade"), (["attributes.start_time"], "bcade"),
        (["metrics.`val auc` DESC"], "beadc"), (["metrics.`val auc` ASC"], "eabdc"),
        (["metric.\"val auc\" asc"], "eabdc"),
        (["params.depth ASC"], "ceadb"), (["params.depth DESC"], "deacb"), (["tags.letter DESC"], "edcba"),
        (["attributes.end_time ASC"], "edcba"), (["end_time DESC"], "bcdea"), (["run_name"], "abcde"),
        (["params.depth", "start_time ASC"], "caedb"), (["status DESC", "run_name"], "abcde"),
        (["metrics.none"], "edacb"),
    ]
    for (order, names) in cases {
        let whole = try await tracking.runs(RunSearch(experimentIDs: [experiment.id], orderBy: order))
        #expect(whole.items.map(\.name).joined() == names, "\(order)")
        #expect(whole.nextPageToken == nil)
        var paged = "", token: String?
        repeat {
            let page = try await tracking.runs(
                RunSearch(experimentIDs: [experiment.id], maxResults: 2, orderBy: order, pageToken: token))
            paged += page.items.map(\.name).joined()
            token = page.nextPageToken
        } while token != nil
        #expect(paged == names, "\(order), in pages")
    }
    var bad = [" ", "nonsense", "attributes.nonsense", "auc SIDEWAYS"]
    if !ContractProfile.lacks(.emptyNames) { bad.append("metrics.") }
    for clause in bad {
        await expectError(.invalidArgument, mentions: clause) {
            try await tracking.runs(RunSearch(experimentIDs: [experiment.id], orderBy: [clause]))
        }
    }
}

package func checkRunPages(_ tracking: any Tracking) async throws {
    let one = try await newExperiment(tracking, "pages"), two = try await newExperiment(tracking, "pages")
    var expected: Set<String> = []
    for index in 0..<7 {
        // Every start time twice, so that the id decides.
        let start = Timestamp(milliseconds: Int64(index / 2))
        let run = try await tracking.createRun(NewRun(experimentID: (index % 2 == 0 ? one : two).id, startTime: start))
        try await tracking.log(
            runID: run.id, LogBatch(metrics: [point("m", Double(index))], params: ["index": "\(index)"]))
        expected.insert(run.id)
    }
    var found: [Run] = [], token: String?
    repeat {
        let page = try await tracking.runs(RunSearch(experimentIDs: [one.id, two.id], maxResults: 3, pageToken: token))
        found += page.items
        token = page.nextPageToken
        // A run that comes in between moves no other run to another page.
        if found.count == 3, !ContractProfile.lacks(.keysetPages) {
            _ = try await tracking.createRun(NewRun(experimentID: one.id))
        }
    } while token != nil
    #expect(found.count == 7 && Set(found.map(\.id)) == expected)
    #expect(found.allSatisfy { $0.params["index"].flatMap(Double.init) == $0.metric("m") })
    #expect(found.map(\.startTime) == found.map(\.startTime).sorted(by: >))

    #expect(try await tracking.runs(RunSearch(experimentIDs: [])).items.isEmpty)
    #expect(try await tracking.runs(RunSearch(experimentIDs: ["999999999"])).items.isEmpty)
    await expectError(.invalidArgument, mentions: "abc") { try await tracking.runs(RunSearch(experimentIDs: ["abc"])) }
    await expectError(.invalidArgument) { try await tracking.runs(RunSearch(experimentIDs: [one.id], maxResults: 0)) }
    await expectError(.invalidArgument) { try await tracking.runs(RunSearch(experimentIDs: [one.id], pageToken: "x")) }
    let first = try await tracking.runs(RunSearch(experimentIDs: [one.id], maxResults: 1))
    await expectForeignToken {
        try await tracking.runs(
            RunSearch(experimentIDs: [one.id], maxResults: 1, orderBy: ["run_name"], pageToken: first.nextPageToken))
    }
}

/// The token of another search is refused, or is a mere number of items to leave out.
func expectForeignToken<T>(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async {
    if ContractProfile.lacks(.keysetPages) {
        await #expect(throws: Never.self, sourceLocation: sourceLocation) { _ = try await body() }
    } else {
        await expectError(.invalidArgument, mentions: "token", sourceLocation: sourceLocation, body)
    }
}
