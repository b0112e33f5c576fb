import Contracts
import Core
import Foundation
import Tables
import Tabular

/// Turns a recipe into a run and, when its gate opens, a model version. One `Trainer` is one attempt of one job.
package struct Trainer: Sendable {
    static let jobTag = "nestbox.job_id"
    static let attemptTag = "nestbox.attempt"
    static let recipeTag = "nestbox.recipe"

    let seams: TrainingSeams
    let job: Job
    /// Tells how far the work is; throws `CancellationError` when it should stop.
    let report: TrainingReport

    package init(_ seams: TrainingSeams, job: Job, report: @escaping TrainingReport) {
        self.seams = seams
        self.job = job
        self.report = report
    }

    /// Trains, evaluates on the test rows and registers. The run ends FINISHED, FAILED, or KILLED when cancelled.
    ///
    /// Throws `invalid_argument` for a recipe that does not fit its dataset, before any run is made.
    package func train(_ recipe: TrainingRecipe) async throws -> TrainingOutcome {
        let (recipe, data, experiment) = try await prepare(recipe)
        if let done = try await outcomeOfEarlierAttempt(recipe) { return done }
        return try await inRun(newRun(recipe, experiment)) { run in
            let parameters = try recipe.learnerParameters()
            try await start(run, recipe, data, parameters)
            let fitted = try await fit(recipe, data, parameters, in: run) { iteration, total, sentence in
                try say(0.05 + 0.85 * Double(iteration) / Double(max(1, total)), sentence)
            }
            return try await complete(run, recipe, data, fitted)
        } then: { run, metrics in
            try await register(run, recipe, metrics: metrics)
        }
    }

    // MARK: Steps, shared with studies

    struct Fitted: Sendable {
        var model: TabularModel
        var parameters: LearnerParameters
        var lastStep: Int
        var train: [String: Double]
        var validation: [String: Double]?
    }

    func say(_ fraction: Double, _ message: String) throws {
        try report(JobProgress(fraction: min(1, max(0, fraction)), message: message))
    }

    func prepare(_ recipe: TrainingRecipe) async throws -> (TrainingRecipe, TrainingData, Experiment) {
        try say(0, "reading the dataset")
        let (recipe, version) = try await recipe.resolved(in: seams.datasets)
        let data = try await TrainingData.load(recipe, version, from: seams.datasets)
        for note in data.notes { try say(0.03, note) }
        let experiment = try await seams.tracking.ensureExperiment(named: recipe.experiment ?? recipe.name)
        try await AbandonedRuns.end(of: job, in: experiment.id, tracking: seams.tracking, ambient: seams.ambient)
        return (recipe, data, experiment)
    }

    func newRun(_ recipe: TrainingRecipe, _ experiment: Experiment, name: String? = nil, parent: Run? = nil) -> NewRun {
        var tags = [
            "mlflow.source.type": "JOB", "mlflow.source.name": "nestbox \(job.kind)", Self.jobTag: job.id,
            Self.attemptTag: String(job.attempt), Self.recipeTag: recipe.name,
        ]
        if let parent { tags["mlflow.parentRunId"] = parent.id }
        return NewRun(
            experimentID: experiment.id, name: name ?? recipe.name, user: job.createdBy, startTime: seams.ambient.now(),
            tags: tags)
    }

    /// Makes a run, works in it, ends it by how that went, and only then does what needs a finished run.
    func inRun<Work: Sendable, T: Sendable>(
        _ request: NewRun, _ work: (Run) async throws -> Work, then: (Run, Work) async throws -> T
    ) async throws -> T {
        let run = try await seams.tracking.createRun(request)
        let result: Work
        do {
            result = try await work(run)
            try await end(run, .finished)
        } catch {
            let isCancelled = error is CancellationError || (error as? NestboxError)?.code == .cancelled
            // Apart from this task, which may be cancelled. The first error is the one to tell; when the tracker cannot be
            // reached either, `AbandonedRuns` ends the run later.
            _ = await Task {
                let text = (error as? NestboxError)?.message ?? "\(error)"
                try await seams.tracking.log(
                    runID: run.id,
                    LogBatch(tags: ["nestbox.error": String((isCancelled ? "cancelled" : text).prefix(1000))]))
                try await end(run, isCancelled ? .killed : .failed)
            }.result
            throw error
        }
        return try await then(run, result)
    }

    private func end(_ run: Run, _ status: RunStatus) async throws {
        _ = try await seams.tracking.updateRun(id: run.id, RunUpdate(status: status, endTime: seams.ambient.now()))
    }

    func start(_ run: Run, _ recipe: TrainingRecipe, _ data: TrainingData, _ parameters: LearnerParameters?)
        async throws
    {
        var params = [
            "dataset": recipe.dataset.description, "target": recipe.target, "task": recipe.task.rawValue,
            "learner": recipe.learner.rawValue, "features": String(recipe.features.count),
            "split.by": recipe.split.by.rawValue,
            "rows.train": String(data.train.rowCount), "rows.validation": String(data.validation?.rowCount ?? 0),
            "rows.test": String(data.test.rowCount),
        ]
        for (name, value) in parameters?.values ?? [:] { params[name] = Self.text(value) }
        try await seams.tracking.log(runID: run.id, LogBatch(params: params))
        try await seams.tracking.logInputs(runID: run.id, [try data.version.runInput])
        try await storeEnvironment(of: run, recipe, data, parameters)
    }

    static func text(_ value: JSONValue) -> String {
        if let text = value.stringValue { return text }
        return (try? JSON.string(value)) ?? value.kind
    }

    /// Fits and evaluates on training and validation rows.
    func fit(
        _ recipe: TrainingRecipe, _ data: TrainingData, _ parameters: LearnerParameters, in run: Run,
        report: @escaping @Sendable (Int, Int, String) throws -> Void
    ) async throws -> Fitted {
        let logger = RunLogger(tracking: seams.tracking, runID: run.id, ambient: seams.ambient, report: report)
        let (model, lastStep) = try await logger.fit(data, recipe, parameters)
        let (train, validation) = try await ComputePool.shared.run {
            (try model.evaluate(data.train), try data.validation.map { try model.evaluate($0) })
        }
        let fitted = Fitted(
            model: model, parameters: parameters, lastStep: lastStep, train: train, validation: validation)
        try await log(fitted.train, "train", fitted, recipe, run)
        if let validation { try await log(validation, "validation", fitted, recipe, run) }
        return fitted
    }

    /// Evaluates the kept model on the test rows, uploads it, and returns the test metrics.
    func complete(
        _ run: Run, _ recipe: TrainingRecipe, _ data: TrainingData, _ fitted: Fitted
    ) async throws -> [String: Double] {
        try say(0.92, "evaluating on \(data.test.rowCount) test rows")
        let test = try await ComputePool.shared.run { try fitted.model.evaluate(data.test) }
        try await log(test, "test", fitted, recipe, run)
        let shown = try reported(test, recipe)
        let list = shown.sorted { $0.key < $1.key }.map { "\($0.key) \(RunLogger.rounded($0.value))" }
        try say(0.95, "test: " + list.joined(separator: ", "))
        let upload = ModelUpload(artifacts: seams.artifacts, run: run, recipe: recipe, ambient: seams.ambient)
        try await upload.upload(fitted.model, data)
        try say(0.97, "model stored")
        return shown
    }

    func log(_ values: [String: Double], _ part: String, _ fitted: Fitted, _ recipe: TrainingRecipe, _ run: Run)
        async throws
    {
        let now = seams.ambient.now()
        let points = try reported(values, recipe).map { name, value in
            MetricPoint(key: "\(part)_\(name)", value: value, timestamp: now, step: Int64(fitted.lastStep))
        }
        try await seams.tracking.log(runID: run.id, LogBatch(metrics: points))
    }

    /// The metrics that the recipe names or requires; one that is not defined on these rows is left out.
    func reported(_ values: [String: Double], _ recipe: TrainingRecipe) throws -> [String: Double] {
        let names = Set(try recipe.chosenMetrics.map(\.rawValue)).union((recipe.require ?? [:]).keys).union([
            "base_rate"
        ])
        return values.filter { names.contains($0.key) }
    }
}
