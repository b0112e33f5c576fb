import Contracts
import Core
import Foundation
import Tabular

extension Trainer {
    /// Checks `require` on the test metrics and registers the run's model.
    func register(_ run: Run, _ recipe: TrainingRecipe, metrics: [String: Double]) async throws -> TrainingOutcome {
        var outcome = TrainingOutcome(
            runID: run.id, experimentID: run.experimentID, metrics: metrics, model: nil, version: nil, rejected: nil)
        if let reason = Self.rejection(recipe.require ?? [:], metrics) {
            outcome.rejected = reason
            try await seams.tracking.log(runID: run.id, LogBatch(tags: ["nestbox.rejected": reason]))
            try say(1, "not registered: \(reason)")
            return outcome
        }
        guard let name = recipe.registerAs else {
            try say(1, "done; the recipe registers no model")
            return outcome
        }
        _ = try await seams.registry.ensureModel(named: name)
        var tags = [Self.jobTag: job.id, Self.recipeTag: recipe.name, "dataset": recipe.dataset.description]
        for (metric, value) in metrics { tags["test_\(metric)"] = String(format: "%.6g", value) }
        let version = try await seams.registry.createVersion(
            NewModelVersion(
                name: name, source: ArtifactPath.uri(ModelUpload.path(run)), runID: run.id,
                description: "Trained by recipe \(recipe.name) on \(recipe.dataset)", tags: tags))
        outcome.model = name
        outcome.version = version.version
        try say(1, "registered \(name) version \(version.version)")
        return outcome
    }

    /// Why the model may not be registered; nil when every requirement is met.
    static func rejection(_ require: [String: Double], _ metrics: [String: Double]) -> String? {
        let unmet = require.sorted { $0.key < $1.key }.compactMap { name, bound -> String? in
            guard let value = metrics[name] else { return "\(name) is not defined on the test rows" }
            let isHigherBetter = Metric(rawValue: name)?.higherIsBetter ?? true
            if isHigherBetter ? value >= bound : value <= bound { return nil }
            return
                "\(name) is \(RunLogger.rounded(value)); required is at \(isHigherBetter ? "least" : "most") \(bound)"
        }
        return unmet.isEmpty ? nil : unmet.joined(separator: "; ")
    }

    /// The outcome when an earlier attempt had registered its model and died before it could say so: a version is not
    /// registered twice.
    func outcomeOfEarlierAttempt(_ recipe: TrainingRecipe) async throws -> TrainingOutcome? {
        guard job.attempt > 1, let name = recipe.registerAs else { return nil }
        let versions: [ModelVersion]
        do {
            versions = try await seams.registry.versions(of: name, maxResults: 100, pageToken: nil).items
        } catch let error as NestboxError where error.code == .notFound {
            return nil
        }
        guard let version = versions.first(where: { $0.tags[Self.jobTag] == job.id }), let runID = version.runID else {
            return nil
        }
        let run = try await seams.tracking.run(id: runID)
        let metrics = run.metrics.filter { $0.key.hasPrefix("test_") }.map { (String($0.key.dropFirst(5)), $0.value) }
        try say(1, "an earlier attempt had registered \(name) version \(version.version)")
        return TrainingOutcome(
            runID: run.id, experimentID: run.experimentID, metrics: Dictionary(metrics) { $1 }, model: name,
            version: version.version, rejected: nil)
    }
}
