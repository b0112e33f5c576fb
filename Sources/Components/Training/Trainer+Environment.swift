import Contracts
import Core
import Tabular

extension Trainer {
    /// Stores what the run is made with, so that it can be compared and made again.
    func storeEnvironment(
        of run: Run, _ recipe: TrainingRecipe, _ data: TrainingData, _ parameters: LearnerParameters?
    ) async throws {
        guard let capture = seams.environment else { return }
        var captured = await capture()
        var own = recipe
        // A trial of a study is reproduced as a training of its own.
        if run.parentID != nil, let parameters {
            own.study = nil
            own.registerAs = nil
            own.parameters = parameters.values
        }
        captured.environment.job = RunEnvironment.Job(
            id: job.id, kind: own.jobKind, attempt: job.attempt,
            recipe: try JSON.decode(JSONValue.self, from: try JSON.encode(own)))
        captured.environment.data = [
            RunEnvironment.DataVersion(
                name: data.version.dataset, version: data.version.version, digest: data.version.contentHash,
                source: data.version.source)
        ]
        captured.environment.seeds.merge(Self.seeds(own)) { $1 }
        captured.environment.threads = ComputePool.shared.width
        let stored = try await captured.store(in: seams.artifacts, of: run)
        var tags = stored.tags
        tags["nestbox.version"] = stored.nestbox
        try await seams.tracking.log(runID: run.id, LogBatch(tags: tags))
    }

    private static func seeds(_ recipe: TrainingRecipe) -> [String: String] {
        var seeds: [String: String] = [:]
        seeds["split.seed"] = recipe.split.seed.map { String($0) }
        seeds["study.seed"] = recipe.study.map { String($0.seed) }
        for name in ["seed", "random_state"] {
            seeds["parameters.\(name)"] = recipe.parameters?[name].map(Self.text)
        }
        return seeds
    }
}
