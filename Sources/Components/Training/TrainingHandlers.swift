import Contracts
import Core

/// Tells how far the work is; throws `CancellationError` when it should stop. With nil it only asks.
package typealias TrainingReport = @Sendable (JobProgress?) throws -> Void
/// The same shape as the handlers of Jobs, which this module does not see.
package typealias TrainingHandler = @Sendable (Job, @escaping TrainingReport) async throws -> JSONValue

/// What the worker does for each kind of training job.
package enum TrainingHandlers {
    package static let train = "train"
    package static let study = "study"
    package static let kinds = [train, study]

    package static func make(
        datasets: any DatasetStore, tracking: any Tracking, registry: any ModelRegistry, artifacts: any ArtifactStore,
        ambient: Ambient = .live, environment: (@Sendable () async -> CapturedEnvironment)? = nil
    ) -> [String: TrainingHandler] {
        let seams = TrainingSeams(
            datasets: datasets, tracking: tracking, registry: registry, artifacts: artifacts, ambient: ambient,
            environment: environment)
        return [
            train: { job, report in
                let trainer = Trainer(seams, job: job, report: report)
                return try value(try await trainer.train(try TrainingRecipe(value: job.payload)))
            },
            study: { job, report in
                let trainer = Trainer(seams, job: job, report: report)
                return try value(try await trainer.study(try TrainingRecipe(value: job.payload)))
            },
        ]
    }

    private static func value(_ outcome: TrainingOutcome) throws -> JSONValue {
        try JSON.decode(JSONValue.self, from: try JSON.encode(outcome))
    }
}

extension TrainingRecipe {
    /// The job that runs this recipe. Throws for a recipe that is wrong in itself.
    package func jobRequest() throws -> JobRequest {
        try check()
        let payload = try JSON.decode(JSONValue.self, from: try JSON.encode(self))
        return JobRequest(kind: jobKind, name: name, payload: payload)
    }
}
