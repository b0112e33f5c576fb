import Contracts
import Core
import Tabular
import Tuning

extension Trainer {
    /// A seeded random search: every trial is a child run, compared on the validation rows by the first metric. The best
    /// model is evaluated on the test rows, which no trial saw, and registered from the parent run.
    package func study(_ recipe: TrainingRecipe) async throws -> TrainingOutcome {
        guard let study = recipe.study else {
            throw NestboxError.invalid("the recipe has no `study`", hint: "submit it as a training job")
        }
        let (recipe, data, experiment) = try await prepare(recipe)
        if let done = try await outcomeOfEarlierAttempt(recipe) { return done }
        guard let deciding = try recipe.chosenMetrics.first else {
            throw NestboxError.invalid("the recipe names no metric")
        }
        let space = try recipe.searchSpace(study)
        return try await inRun(newRun(recipe, experiment)) { parent in
            try await start(parent, recipe, data, nil)
            var best: (trial: Int, score: Double, fitted: Fitted, run: Run)?
            for trial in 0..<study.trials {
                let sample = space.sample(seed: study.seed, trial: trial)
                let (run, fitted) = try await runTrial(
                    trial, of: study.trials, sample, recipe, data, experiment, parent)
                guard let score = fitted.validation?[deciding.rawValue] else {
                    throw NestboxError.invalid(
                        "`\(deciding.rawValue)` is not defined on the validation rows",
                        hint: "do they hold only one class?")
                }
                let point = MetricPoint(
                    key: "trial_validation_\(deciding.rawValue)", value: score, timestamp: seams.ambient.now(),
                    step: Int64(trial + 1))
                try await seams.tracking.log(runID: parent.id, LogBatch(metrics: [point]))
                // On a tie the earlier trial stays, so that a longer study changes nothing without being better.
                if best.map({ deciding.higherIsBetter ? score > $0.score : score < $0.score }) ?? true {
                    best = (trial, score, fitted, run)
                }
            }
            guard let best else { throw NestboxError.invalid("the study ran no trial") }
            try say(
                0.91,
                "best is trial \(best.trial + 1): validation \(deciding.rawValue) \(RunLogger.rounded(best.score))")
            var params = ["trials": String(study.trials), "study.seed": String(study.seed)]
            for (name, value) in best.fitted.parameters.values { params[name] = Self.text(value) }
            try await seams.tracking.log(
                runID: parent.id, LogBatch(params: params, tags: ["nestbox.best_run_id": best.run.id]))
            try await log(best.fitted.train, "train", best.fitted, recipe, parent)
            if let validation = best.fitted.validation {
                try await log(validation, "validation", best.fitted, recipe, parent)
            }
            var chosen = recipe
            chosen.parameters = best.fitted.parameters.values
            return try await complete(parent, chosen, data, best.fitted)
        } then: { run, metrics in
            try await register(run, recipe, metrics: metrics)
        }
    }

    private func runTrial(
        _ trial: Int, of trials: Int, _ sample: [String: JSONValue], _ recipe: TrainingRecipe, _ data: TrainingData,
        _ experiment: Experiment, _ parent: Run
    ) async throws -> (Run, Fitted) {
        let parameters = try recipe.learnerParameters(overriding: sample)
        let name = "\(recipe.name)-trial-\(trial + 1)"
        return try await inRun(newRun(recipe, experiment, name: name, parent: parent)) { run in
            try await start(run, recipe, data, parameters)
            return try await fit(recipe, data, parameters, in: run) { iteration, total, sentence in
                let within = Double(iteration) / Double(max(1, total))
                try say(
                    0.05 + 0.85 * (Double(trial) + within) / Double(trials),
                    "trial \(trial + 1) of \(trials), \(sentence)")
            }
        } then: {
            ($0, $1)
        }
    }
}
