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
        // The last moment to cancel: from here on a version may exist, and then the job has done its work.
        try say(0.99, "registering \(name)")
        if let done = try await outcomeOfEarlierAttempt(recipe) { return done }
        _ = try await seams.registry.ensureModel(named: name)
        var tags = [Self.jobTag: job.id, Self.recipeTag: recipe.name, "dataset": recipe.dataset.description]
        for (metric, value) in metrics { tags["test_\(metric)"] = String(format: "%.6g", value) }
        let request = NewModelVersion(
            name: name, source: ArtifactPath.uri(ModelUpload.path(run)), runID: run.id,
            description: "Trained by recipe \(recipe.name) on \(recipe.dataset)", tags: tags)
        // Apart from this task, which may be cancelled while the registry already has the request.
        let version = try await Task { try await seams.registry.createVersion(request) }.value
        outcome.model = name
        outcome.version = version.version
        tell("registered \(name) version \(version.version)")
        return outcome
    }

    /// A last word; who asks the job to stop now comes too late.
    private func tell(_ message: String) {
        do { try say(1, message) } catch {}
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

    /// The outcome when an earlier attempt had registered its model and ended before it could say so: a job registers one
    /// version. The attempt's number says nothing here: a retry by hand counts from one again.
    func outcomeOfEarlierAttempt(_ recipe: TrainingRecipe) async throws -> TrainingOutcome? {
        guard let name = recipe.registerAs, let version = try await versionOfThisJob(name), let runID = version.runID
        else { return nil }
        let run = try await seams.tracking.run(id: runID)
        let metrics = run.metrics.filter { $0.key.hasPrefix("test_") }.map { (String($0.key.dropFirst(5)), $0.value) }
        tell("an earlier attempt had registered \(name) version \(version.version)")
        return TrainingOutcome(
            runID: run.id, experimentID: run.experimentID, metrics: Dictionary(metrics) { $1 }, model: name,
            version: version.version, rejected: nil)
    }

    private func versionOfThisJob(_ name: String) async throws -> ModelVersion? {
        // An hour covers clocks that differ between worker and server.
        let oldest = job.createdAt.adding(seconds: -3600)
        var token: String?
        do {
            repeat {
                let page = try await seams.registry.versions(of: name, maxResults: 100, pageToken: token)
                if let version = page.items.first(where: { $0.tags[Self.jobTag] == job.id }) { return version }
                token = page.items.last.map { $0.createdAt < oldest } ?? true ? nil : page.nextPageToken
            } while token != nil
        } catch let error as NestboxError where error.code == .notFound {
            // No such model yet.
        }
        return nil
    }
}
