import Contracts
import Core
import Foundation
import Statistics
import Synchronization
import Tables
import Tabular
import TestSupport
import Testing
import Training

@Test func aRecipeBecomesARunAModelFolderAndAVersion() async throws {
    let bench = try TestBench()
    let outcome = try await bench.trainer().train(try TrainingRecipe(yaml: recipeYAML))
    let run = try #require(bench.tracking.runs.first)
    #expect(bench.tracking.runs.count == 1 && run.status == .finished && run.endTime != nil && run.user == "ada")
    #expect(outcome.runID == run.id && outcome.model == "late" && outcome.version == 1 && outcome.rejected == nil)
    #expect(Set(outcome.metrics.keys) == ["auc", "log_loss", "base_rate"])
    #expect(try #require(outcome.metrics["auc"]) > 0.85)
    #expect(
        run.params["num_trees"] == "25" && run.params["learning_rate"] == "0.1" && run.params["dataset"] == "flights@2")
    #expect(run.tags["mlflow.source.type"] == "JOB" && run.tags["nestbox.job_id"] == "job1")
    #expect(run.inputs.map(\.name) == ["flights"])
    for part in ["train", "validation"] {
        #expect(Set(bench.tracking.points(run.id, "\(part)_log_loss").map(\.step)) == Set(1...25))
    }
    #expect(run.metric("test_auc") == outcome.metrics["auc"])
    // Batches, not a call for each of 25 trees.
    #expect(bench.tracking.state.withLock { $0.logCalls } < 12)
    #expect(bench.said.progress.withLock { $0.contains { $0.message.contains("8 rows have no `late`") } })
    let fractions = bench.said.progress.withLock { $0.map(\.fraction) }
    #expect(fractions == fractions.sorted() && fractions.last == 1)

    let folder = "1/\(run.id)/artifacts/model"
    let model = try TabularModel.decode(try bench.file("\(folder)/model.json"))
    let kept = bench.table.gather(try TabularModel.rowsWithTarget(bench.table, target: "late"))
    #expect(try #require(try model.evaluate(kept)["auc"]) > 0.85)
    let baseline = try JSON.decode(Baseline.self, from: try bench.file("\(folder)/baseline.json"))
    #expect(baseline.features.map(\.name) == ["delay", "carrier", "prediction"])
    #expect(baseline["prediction"]?.count == model.trainingRows)
    let stored = try JSON.decode(TrainingRecipe.self, from: try bench.file("\(folder)/recipe.json"))
    #expect(stored.dataset.version == 2)
    let descriptor = String(decoding: try bench.file("\(folder)/MLmodel"), as: UTF8.self)
    #expect(descriptor.contains("run_id: \(run.id)") && descriptor.contains("\"name\":\"delay\""))
    let importance = try JSON.decode(
        [[String: JSONValue]].self, from: try bench.file("1/\(run.id)/artifacts/feature_importance.json"))
    #expect(importance.first?["feature"] == "delay")
    let version = try #require(bench.registry.made.withLock { $0.first })
    #expect(version.source == "mlflow-artifacts:/\(folder)" && version.runID == run.id)
    #expect(version.tags["nestbox.job_id"] == "job1" && version.tags["dataset"] == "flights@2")
}

@Test func theSameRecipeGivesTheSameModel() async throws {
    let benches = [try TestBench(), try TestBench()]
    for bench in benches { _ = try await bench.trainer().train(try TrainingRecipe(yaml: recipeYAML)) }
    let path = "1/run0/artifacts/model/model.json"
    #expect(try benches[0].file(path) == (try benches[1].file(path)))
}

@Test func regressionAndLinearModelsTrainToo() async throws {
    let bench = try TestBench()
    let recipe = try TrainingRecipe(
        yaml: """
            {"name": "r", "dataset": "flights", "target": "delay", "task": "regression", "features": ["carrier", "at"],
             "split": {"by": "time", "column": "at", "test_from": "2013-06-01"}, "learner": "linear"}
            """)
    let outcome = try await bench.trainer().train(recipe)
    #expect(Set(outcome.metrics.keys) == ["rmse", "mae"] && outcome.model == nil && outcome.rejected == nil)
    #expect(try await bench.tracking.experiment(named: "r").id == outcome.experimentID)
}

@Test(
    arguments: [
        ("auc: 0.8", nil), ("auc: 0.9999", "auc is"), ("log_loss: 0.0001", "at most"), ("log_loss: 10", nil),
        ("{auc: 0.5, accuracy: 1}", "accuracy is"),
    ] as [(String, String?)])
func aModelThatMissesARequirementIsNotRegistered(require: String, reason: String?) async throws {
    let bench = try TestBench()
    let wanted = require.hasPrefix("{") ? require : "{\(require)}"
    let text = recipeYAML.replacingOccurrences(of: "require: {auc: 0.8}", with: "require: \(wanted)")
    let outcome = try await bench.trainer().train(try TrainingRecipe(yaml: text))
    #expect((outcome.version == nil) == (reason != nil))
    if let reason { #expect(outcome.rejected?.contains(reason) == true) } else { #expect(outcome.rejected == nil) }
    #expect(bench.registry.made.withLock { $0.count } == (reason == nil ? 1 : 0))
    #expect(bench.tracking.runs.map(\.status) == [.finished])
}

@Test func cancellingEndsTheRunKilledInTheMiddleOfTheFit() async throws {
    let bench = try TestBench()
    bench.said.limit.withLock { $0 = 10 }
    await #expect(throws: CancellationError.self) {
        try await bench.trainer().train(try TrainingRecipe(yaml: recipeYAML))
    }
    let run = try #require(bench.tracking.runs.first)
    #expect(run.status == .killed && run.endTime != nil)
    let steps = bench.tracking.points(run.id, "train_log_loss").count
    #expect(steps > 0 && steps < 25)
    #expect(bench.registry.made.withLock { $0.isEmpty })
}

@Test func aFailureEndsTheRunFailedWithItsReason() async throws {
    let bench = try TestBench()
    bench.artifacts.isFull.withLock { $0 = true }
    await expectCode(.storageFull) { _ = try await bench.trainer().train(try TrainingRecipe(yaml: recipeYAML)) }
    #expect(bench.tracking.runs.map(\.status) == [.failed])
    #expect(bench.tracking.runs.first?.tags["nestbox.error"] == "the disk is full")
}

@Test func aRetryEndsTheRunThatAKilledAttemptLeftOpen() async throws {
    let bench = try TestBench()
    let experiment = try await bench.tracking.createExperiment(name: "flights", artifactLocation: nil, tags: [:])
    for job in ["job1", "other", "job1", "other"] {
        _ = try await bench.tracking.createRun(
            NewRun(experimentID: experiment.id, startTime: TestBench.start, tags: ["nestbox.job_id": job]))
    }
    let outcome = try await bench.trainer(attempt: 2).train(try TrainingRecipe(yaml: recipeYAML))
    #expect(bench.tracking.runs.map(\.status) == [.failed, .running, .failed, .running, .finished])
    #expect(outcome.runID == "run4")
}

@Test func anAttemptAfterARegistrationRegistersNothingTwice() async throws {
    let bench = try TestBench()
    let first = try await bench.trainer().train(try TrainingRecipe(yaml: recipeYAML))
    let second = try await bench.trainer(attempt: 2).train(try TrainingRecipe(yaml: recipeYAML))
    #expect(second == first)
    let other = try await bench.trainer(id: "job2", attempt: 2).train(try TrainingRecipe(yaml: recipeYAML))
    #expect(other.version == 2)
}

@Test func aJobCancelledWhileItRegistersHasRegisteredAndItsRetryFindsThat() async throws {
    let bench = try TestBench()
    let recipe = try TrainingRecipe(yaml: recipeYAML)
    let task = Mutex<Task<TrainingOutcome, any Error>?>(nil)
    let said = bench.said
    bench.registry.whileCreating.withLock {
        $0 = {
            said.limit.withLock { $0 = 0 }
            task.withLock { $0 }?.cancel()
        }
    }
    let trainer = bench.trainer()
    task.withLock { $0 = Task { try await trainer.train(recipe) } }
    let first = try await task.withLock { $0 }?.value
    #expect(first?.version == 1)
    bench.said.limit.withLock { $0 = .max }
    // Retried by hand, attempts are counted from one again.
    #expect(try await bench.trainer().train(recipe) == first)
    #expect(bench.registry.made.withLock { $0.count } == 1)
}

@Test func aJobCancelledBeforeItRegistersRegistersNothing() async throws {
    let whole = try TestBench(), stopped = try TestBench()
    let recipe = try TrainingRecipe(yaml: recipeYAML)
    _ = try await whole.trainer().train(recipe)
    let messages = whole.said.progress.withLock { $0.map(\.message) }
    let last = try #require(messages.firstIndex(of: "registering late"))
    stopped.said.limit.withLock { $0 = last }
    await #expect(throws: CancellationError.self) { try await stopped.trainer().train(recipe) }
    #expect(stopped.registry.made.withLock { $0.isEmpty })
}

@Test func theServerEndsRunsOfALostJobButNotOfALiveOne() async throws {
    let bench = try TestBench()
    let payload = try JSON.decode(JSONValue.self, from: try JSON.encode(try TrainingRecipe(yaml: recipeYAML)))
    let experiment = try await bench.tracking.createExperiment(name: "flights", artifactLocation: nil, tags: [:])
    _ = try await bench.tracking.createRun(
        NewRun(experimentID: experiment.id, startTime: TestBench.start, tags: ["nestbox.job_id": "job1"]))
    for (state, status) in [(JobState.running, RunStatus.running), (.cancelled, .killed)] {
        let job = TestBench.job(id: "job1", attempt: 1, kind: "train", payload: payload, state: state)
        try await AbandonedRuns.end(of: job, tracking: bench.tracking, ambient: .live)
        #expect(bench.tracking.runs.map(\.status) == [status])
    }
}

private let study =
    recipeYAML + """

        study: {trials: 6, seed: 4, space: {learning_rate: {type: float, low: 0.001, high: 0.5, log: true}, num_leaves: {type: int, low: 2, high: 16}}}
        """

@Test func aStudyKeepsTheTrialThatValidatesBest() async throws {
    let bench = try TestBench()
    let outcome = try await bench.trainer(kind: "study").study(try TrainingRecipe(yaml: study))
    let runs = bench.tracking.runs
    let parent = try #require(runs.first)
    let children = runs.dropFirst()
    #expect(children.count == 6 && runs.allSatisfy { $0.status == .finished && $0.tags["nestbox.job_id"] == "job1" })
    #expect(children.allSatisfy { $0.parentID == parent.id && $0.metric("test_auc") == nil })
    #expect(Set(children.compactMap { $0.params["learning_rate"] }).count == 6)
    let best = try #require(children.max { ($0.metric("validation_auc") ?? 0) < ($1.metric("validation_auc") ?? 0) })
    #expect(parent.tags["nestbox.best_run_id"] == best.id)
    #expect(
        parent.params["learning_rate"] == best.params["learning_rate"]
            && parent.params["num_leaves"] == best.params["num_leaves"])
    #expect(parent.metric("validation_auc") == best.metric("validation_auc"))
    #expect(bench.tracking.points(parent.id, "trial_validation_auc").map(\.step) == Array(1...6))
    #expect(outcome.runID == parent.id && outcome.version == 1 && parent.metric("test_auc") == outcome.metrics["auc"])
    let stored = try JSON.decode(
        TrainingRecipe.self, from: try bench.file("1/\(parent.id)/artifacts/model/recipe.json"))
    #expect(stored.parameters?["learning_rate"].map { "\($0.doubleValue ?? 0)" } == best.params["learning_rate"])
    let fractions = bench.said.progress.withLock { $0.map(\.fraction) }
    #expect(fractions == fractions.sorted())
}

@Test func aCancelledStudyLeavesNoRunOpen() async throws {
    let bench = try TestBench()
    bench.said.limit.withLock { $0 = 40 }
    await #expect(throws: CancellationError.self) { try await bench.trainer().study(try TrainingRecipe(yaml: study)) }
    #expect(bench.tracking.runs.count > 1 && bench.tracking.runs.allSatisfy { $0.status != .running })
    #expect(bench.tracking.runs.first?.status == .killed)
}

@Test func theHandlersReturnTheOutcomeAsJSON() async throws {
    let bench = try TestBench()
    let handlers = TrainingHandlers.make(
        datasets: FakeDatasets(content: bench.table), tracking: bench.tracking, registry: bench.registry,
        artifacts: bench.artifacts)
    #expect(Set(handlers.keys) == ["train", "study"])
    for (text, kind) in [(recipeYAML, "train"), (study, "study")] {
        let request = try TrainingRecipe(yaml: text).jobRequest()
        #expect(request.kind == kind)
        let handler = try #require(handlers[kind])
        let result = try await handler(TestBench.job(id: kind, attempt: 1, kind: kind, payload: request.payload)) { _ in
        }
        #expect(try JSON.decode(TrainingOutcome.self, from: try JSON.encode(result)).model == "late")
    }
}
