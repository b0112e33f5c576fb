import Contracts
import Core
import Testing

package func checkMetricSamples(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "sample")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let points = (0..<1000).map { (index: Int) -> MetricPoint in point("m", Double(index), step: Int64(index)) }
    try await tracking.log(runID: run.id, LogBatch(metrics: points.reversed()))
    func steps(_ most: Int, in range: ClosedRange<Int64>? = nil) async throws -> [Int64] {
        try await tracking.metricSample(runID: run.id, key: "m", steps: range, maxResults: most).map(\.step)
    }
    #expect(try await steps(2000) == Array(0..<1000))
    #expect(try await steps(10) == [0, 100, 200, 300, 400, 500, 600, 700, 800, 999])
    #expect(try await steps(3) == [0, 334, 999])
    #expect(try await steps(1) == [999])
    #expect(try await steps(100, in: 5...8) == [5, 6, 7, 8])
    #expect(try await steps(2, in: 100...199) == [100, 199])
    #expect(try await tracking.metricSample(runID: run.id, key: "none", steps: nil, maxResults: 10).isEmpty)
}

package func checkDatasetSummaries(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "datasets")
    func input(_ name: String, context: String?) -> RunInput {
        RunInput(
            name: name, digest: "d", sourceType: "local", source: "{}",
            tags: context.map { ["mlflow.data.context": $0] } ?? [:])
    }
    for _ in 0..<2 {
        let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
        try await tracking.logInputs(runID: run.id, [input("a", context: "training"), input("b", context: nil)])
    }
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    try await tracking.logInputs(runID: run.id, [input("a", context: "test")])
    let found = try await tracking.datasetSummaries(experimentIDs: [experiment.id])
    #expect(
        Set(found) == [
            DatasetSummary(experimentID: experiment.id, name: "a", digest: "d", context: "training"),
            DatasetSummary(experimentID: experiment.id, name: "b", digest: "d", context: nil),
            DatasetSummary(experimentID: experiment.id, name: "a", digest: "d", context: "test"),
        ])
    #expect(found.count == 3)
}

package func checkLoggedModels(_ tracking: any Tracking & LoggedModelStore) async throws {
    let experiment = try await newExperiment(tracking, "models")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let made = try await tracking.createLoggedModel(
        NewLoggedModel(
            experimentID: experiment.id, name: "classifier", modelType: "Classifier", sourceRunID: run.id,
            params: ["depth": "6", "odd*key": ""], tags: ["team": "ops"]))
    #expect(made.id.hasPrefix("m-") && made.id.count == 34 && made.id.dropFirst(2).allSatisfy(\.isHexDigit))
    #expect(made.experimentID == experiment.id && made.name == "classifier" && made.modelType == "Classifier")
    #expect(made.sourceRunID == run.id && made.status == .pending && made.lifecycleStage == .active)
    #expect(made.artifactURI == "mlflow-artifacts:/\(experiment.id)/models/\(made.id)/artifacts")
    #expect(made.params == ["depth": "6", "odd*key": ""] && made.tags == ["team": "ops"] && made.metrics.isEmpty)
    #expect(try await tracking.loggedModel(id: made.id, includingDeleted: false) == made)

    let unnamed = try await tracking.createLoggedModel(NewLoggedModel(experimentID: experiment.id))
    #expect(!unnamed.name.isEmpty && unnamed.sourceRunID == nil && unnamed.modelType == nil)

    let ready = try await tracking.finalizeLoggedModel(id: made.id, status: .ready)
    #expect(ready.status == .ready && ready.updatedAt >= made.updatedAt)
    try await tracking.setLoggedModelTags(id: made.id, ["team": "data", "note": "ü"])
    try await tracking.logLoggedModelParams(id: made.id, ["rounds": "100"])
    try await tracking.deleteLoggedModelTag(id: made.id, key: "note")
    let changed = try await tracking.loggedModel(id: made.id, includingDeleted: false)
    #expect(changed.tags == ["team": "data"])
    #expect(changed.params == ["depth": "6", "odd*key": "", "rounds": "100"])
    for value in ["6", "7"] {
        await expectError(.invalidArgument) { try await tracking.logLoggedModelParams(id: made.id, ["depth": value]) }
    }
    await expectError(.notFound, mentions: "note") { try await tracking.deleteLoggedModelTag(id: made.id, key: "note") }

    try await tracking.deleteLoggedModel(id: made.id)
    await expectError(.notFound, mentions: made.id) {
        try await tracking.loggedModel(id: made.id, includingDeleted: false)
    }
    #expect(try await tracking.loggedModel(id: made.id, includingDeleted: true).name == "classifier")
    let left = try await tracking.loggedModels(LoggedModelSearch(experimentIDs: [experiment.id]))
    #expect(left.items.map(\.id) == [unnamed.id])

    for name in ["", "a/b", "a:b", "a.b", "a%b", "a'b", "a\"b"] {
        await expectError(.invalidArgument) {
            try await tracking.createLoggedModel(NewLoggedModel(experimentID: experiment.id, name: name))
        }
    }
    await expectError(.notFound) { try await tracking.createLoggedModel(NewLoggedModel(experimentID: "999999999")) }
    await expectError(.invalidArgument) { try await tracking.createLoggedModel(NewLoggedModel(experimentID: "abc")) }
    await expectError(.notFound) { try await tracking.loggedModel(id: "m-none", includingDeleted: true) }
    await expectError(.notFound) { try await tracking.finalizeLoggedModel(id: "m-none", status: .ready) }
    await expectError(.notFound) { try await tracking.deleteLoggedModel(id: "m-none") }
    await expectError(.notFound) { try await tracking.setLoggedModelTags(id: "m-none", ["a": "b"]) }
    await expectError(.notFound) { try await tracking.logLoggedModelParams(id: "m-none", ["a": "b"]) }
    try await tracking.deleteExperiment(id: experiment.id)
    await expectError(.invalidArgument) {
        try await tracking.createLoggedModel(NewLoggedModel(experimentID: experiment.id))
    }
    #expect(try await tracking.loggedModel(id: unnamed.id, includingDeleted: false).id == unnamed.id)
}

package func checkLoggedModelMetrics(_ tracking: any Tracking & LoggedModelStore) async throws {
    let experiment = try await newExperiment(tracking, "model-metrics")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let model = try await tracking.createLoggedModel(NewLoggedModel(experimentID: experiment.id, name: "m"))
    let points = [point("auc", 0.5, step: 1), point("auc", 0.6, step: 2)]
    let first = LoggedModelMetric(
        modelID: model.id, point: points[0], runID: run.id, datasetName: "flights", datasetDigest: "abc")
    let second = LoggedModelMetric(modelID: model.id, point: points[1], runID: run.id)
    let batch = LogBatch(metrics: points + [point("loss", 1)], modelMetrics: [first, second])
    try await tracking.log(runID: run.id, batch)
    #expect(try await tracking.loggedModel(id: model.id, includingDeleted: false).metrics == [first, second])
    // They are the run's metrics too.
    let logged = try await tracking.run(id: run.id)
    #expect(logged.metric("auc") == 0.6 && logged.metric("loss") == 1)
    // The same once more is no mistake; something else at the same step and time is one.
    try await tracking.log(runID: run.id, batch)
    for changed in [
        LoggedModelMetric(modelID: model.id, point: point("auc", 0.7, step: 2), runID: run.id),
        LoggedModelMetric(
            modelID: model.id, point: points[1], runID: run.id, datasetName: "flights", datasetDigest: "abc"),
    ] {
        await expectError(.invalidArgument) {
            try await tracking.log(runID: run.id, LogBatch(metrics: [changed.point], modelMetrics: [changed]))
        }
    }
    #expect(try await tracking.loggedModel(id: model.id, includingDeleted: false).metrics.count == 2)

    let other = try await tracking.createRun(NewRun(experimentID: experiment.id))
    try await tracking.log(
        runID: other.id,
        LogBatch(metrics: [points[0]], modelMetrics: [LoggedModelMetric(modelID: model.id, point: points[0])]))
    #expect(try await tracking.loggedModel(id: model.id, includingDeleted: false).metrics.map(\.runID).last == other.id)

    await expectError(.invalidArgument, mentions: "m-none") {
        try await tracking.log(
            runID: run.id,
            LogBatch(
                metrics: [point("x", 1)], modelMetrics: [LoggedModelMetric(modelID: "m-none", point: point("x", 1))]))
    }
    #expect(try await tracking.run(id: run.id).metric("x") == (ContractProfile.lacks(.wholeBatches) ? 1 : nil))
    // A dataset has a name and a digest.
    let half = LoggedModelMetric(modelID: model.id, point: point("y", 1), datasetName: "flights")
    await expectError(.invalidArgument, mentions: "dataset_digest") {
        try await tracking.log(runID: run.id, LogBatch(metrics: [half.point], modelMetrics: [half]))
    }
}

package func checkModelsOfRuns(_ tracking: any Tracking & LoggedModelStore) async throws {
    let experiment = try await newExperiment(tracking, "outputs")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    var ids: [String] = []
    for index in 0..<3 {
        ids.append(
            try await tracking.createLoggedModel(
                NewLoggedModel(experimentID: experiment.id, name: "m\(index)", sourceRunID: run.id)
            ).id)
    }
    #expect(run.modelInputs.isEmpty && run.modelOutputs.isEmpty)
    try await tracking.logModelInputs(runID: run.id, modelIDs: [ids[0]])
    try await tracking.logModelInputs(runID: run.id, modelIDs: [ids[0]])
    try await tracking.logModelOutputs(
        runID: run.id, [ModelOutput(modelID: ids[1], step: 3), ModelOutput(modelID: ids[2])])
    await expectError(.invalidArgument) {
        try await tracking.logModelOutputs(runID: run.id, [ModelOutput(modelID: ids[1], step: 4)])
    }
    let found = try await tracking.run(id: run.id)
    #expect(found.modelInputs == [ids[0]])
    #expect(Set(found.modelOutputs) == [ModelOutput(modelID: ids[1], step: 3), ModelOutput(modelID: ids[2])])
    let searched = try await tracking.runs(RunSearch(experimentIDs: [experiment.id])).items
    var expected = found
    if ContractProfile.lacks(.modelInputsInSearch) { expected.modelInputs = [] }
    #expect(searched == [expected])
    await expectError(.notFound) {
        try await tracking.logModelOutputs(runID: "no-such-run", [ModelOutput(modelID: ids[0])])
    }
    await expectError(.notFound) { try await tracking.logModelInputs(runID: "no-such-run", modelIDs: [ids[0]]) }
    try await tracking.deleteRun(id: run.id)
    await expectError(.invalidArgument) {
        try await tracking.logModelOutputs(runID: run.id, [ModelOutput(modelID: ids[0])])
    }
}

package func checkLoggedModelSearch(_ tracking: any Tracking & LoggedModelStore) async throws {
    let experiment = try await newExperiment(tracking, "model-search")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    for (name, auc, dataset, depth) in [("a", 0.5, "x", "4"), ("b", 0.7, "y", "6"), ("c", 0.9, "x", "6")] {
        let model = try await tracking.createLoggedModel(
            NewLoggedModel(
                experimentID: experiment.id, name: name, sourceRunID: run.id, params: ["depth": depth],
                tags: ["a.b": "T-\(name)"]))
        let measured = point("auc", auc, step: 1)
        try await tracking.log(
            runID: run.id,
            LogBatch(
                metrics: [measured],
                modelMetrics: [
                    LoggedModelMetric(
                        modelID: model.id, point: measured, datasetName: dataset, datasetDigest: "1")
                ]))
        if name != "a" { _ = try await tracking.finalizeLoggedModel(id: model.id, status: .ready) }
    }
    func names(_ filter: String, _ datasets: [LoggedModelSearch.Dataset] = []) async throws -> String {
        try await tracking.loggedModels(
            LoggedModelSearch(
                experimentIDs: [experiment.id], filter: filter, datasets: datasets, orderBy: [.init("name")])
        ).items.map(\.name).joined()
    }
    let cases: [(filter: String, names: String)] = [
        ("", "abc"), ("metrics.auc > 0.6", "bc"), ("metrics.auc <= 0.5", "a"), ("metrics.auc != 0.5", "bc"),
        ("params.depth = '6' AND metrics.auc < 0.8", "b"), ("params.depth IN ('4', '9')", "a"),
        ("params.depth NOT IN ('4',)", "bc"), ("tags.`a.b` LIKE 'T-%'", "abc"), ("tags.`a.b` LIKE 't-%'", ""),
        ("tags.a.b ILIKE 't-_'", "abc"), ("name = 'b' and attributes.name != 'c'", "b"),
        ("source_run_id = '\(run.id)'", "abc"), ("creation_timestamp > 5", "abc"), ("params.none = 'x'", ""),
        ("last_updated_timestamp < 5", ""),
    ]
    for (filter, expected) in cases { #expect(try await names(filter) == expected, "\(filter)") }
    #expect(try await names("", [.init(name: "x", digest: "1")]) == "ac")
    #expect(try await names("metrics.auc > 0.6", [.init(name: "x", digest: "1")]) == "c")
    #expect(try await names("", [.init(name: "x")]) == (ContractProfile.lacks(.datasetsByName) ? "" : "ac"))
    #expect(try await names("", [.init(name: "x", digest: "none")]) == "")
    for filter in ["nonsense", "name = ", "metrics.auc LIKE 'x'", "foo.bar = 'x'", "name = 'a' OR name = 'b'"] {
        await expectError(.invalidArgument) { try await names(filter) }
    }
    await expectError(.invalidArgument) { try await names("", [.init(name: "")]) }
    #expect(try await tracking.loggedModels(LoggedModelSearch(experimentIDs: [])).items.isEmpty)
    await expectError(.invalidArgument) { try await tracking.loggedModels(LoggedModelSearch(experimentIDs: ["abc"])) }
}

package func checkLoggedModelOrder(_ tracking: any Tracking & LoggedModelStore) async throws {
    let experiment = try await newExperiment(tracking, "model-order")
    let run = try await tracking.createRun(NewRun(experimentID: experiment.id))
    let rows: [(name: String, values: [Double])] = [("a", [0.9, 0.2]), ("b", [0.1, 0.8]), ("c", [])]
    for (name, values) in rows {
        let model = try await tracking.createLoggedModel(NewLoggedModel(experimentID: experiment.id, name: name))
        for (step, value) in values.enumerated() {
            let measured = point("auc", value, step: Int64(step), at: Int64(1000 + step))
            try await tracking.log(
                runID: run.id,
                LogBatch(
                    metrics: [measured],
                    modelMetrics: [
                        LoggedModelMetric(
                            modelID: model.id, point: measured, datasetName: step == 0 ? "x" : "y",
                            datasetDigest: "1")
                    ]))
        }
    }
    func names(_ order: [LoggedModelSearch.Order], pages size: Int) async throws -> String {
        var found = "", token: String?
        repeat {
            let page = try await tracking.loggedModels(
                LoggedModelSearch(
                    experimentIDs: [experiment.id], orderBy: order, maxResults: size, pageToken: token))
            #expect(page.items.count <= size)
            found += page.items.map(\.name).joined()
            token = page.nextPageToken
        } while token != nil
        return found
    }
    let cases: [(order: [LoggedModelSearch.Order], names: String)] = [
        ([.init("name")], "abc"), ([.init("name", isAscending: false)], "cba"),
        ([.init("metrics.auc")], "abc"), ([.init("metrics.auc", isAscending: false)], "bac"),
        ([.init("metrics.auc", isAscending: false, datasetName: "x")], "abc"),
        ([.init("creation_timestamp"), .init("name")], "abc"), ([.init("metrics.none"), .init("name")], "abc"),
    ]
    for (order, expected) in cases {
        for size in [1, 2, 100] { #expect(try await names(order, pages: size) == expected, "\(order), \(size)") }
    }
    for field in ["nonsense", "params.a"] {
        await expectError(.invalidArgument) { try await names([.init(field)], pages: 10) }
    }
    let first = try await tracking.loggedModels(LoggedModelSearch(experimentIDs: [experiment.id], maxResults: 1))
    await expectError(.invalidArgument) {
        try await tracking.loggedModels(
            LoggedModelSearch(experimentIDs: ["0"], maxResults: 1, pageToken: first.nextPageToken))
    }
}
