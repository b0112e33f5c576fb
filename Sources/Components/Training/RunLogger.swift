import Contracts
import Core
import Synchronization
import Tables
import Tabular

/// Fits on a compute thread while its progress is logged from here: one metric point per iteration, ten iterations a call.
struct RunLogger: Sendable {
    static let batch = 10

    let tracking: any Tracking
    let runID: String
    let ambient: Ambient
    /// (iteration, total, sentence); throws when the work should stop.
    let report: @Sendable (Int, Int, String) throws -> Void

    /// Returns the model and the number of its last iteration. Throws what `report` throws, from inside the fit.
    func fit(_ data: TrainingData, _ recipe: TrainingRecipe, _ parameters: LearnerParameters) async throws
        -> (model: TabularModel, lastStep: Int)
    {
        let (stream, continuation) = AsyncStream.makeStream(of: FitProgress.self)
        let shared = Shared()
        let logging = Task {
            do {
                try await log(stream)
            } catch {
                shared.stop(error)
                throw error
            }
        }
        let report = report
        let fitted = await withTaskCancellationHandler {
            await Result {
                try await ComputePool.shared.run {
                    defer { continuation.finish() }
                    return try TabularModel.fit(
                        data.train, target: recipe.target, features: recipe.features, task: recipe.tabularTask,
                        parameters: parameters, validation: data.validation
                    ) { progress in
                        try shared.reach(progress.iteration)
                        continuation.yield(progress)
                        try report(progress.iteration, progress.total, Self.sentence(progress))
                    }
                }
            }
        } onCancel: {
            shared.stop(CancellationError())
        }
        // The last points first, so that a failed run still shows how far it came.
        let logged = await logging.result
        let model = try fitted.get()
        try logged.get()
        return (model, shared.lastStep)
    }

    /// What the fitting thread and the logging task share.
    private final class Shared: Sendable {
        private let state = Mutex<(step: Int, error: (any Error)?)>((0, nil))

        var lastStep: Int { state.withLock { $0.step } }

        func stop(_ error: any Error) { state.withLock { $0.error = $0.error ?? error } }

        func reach(_ step: Int) throws {
            try state.withLock { state in
                if let error = state.error { throw error }
                state.step = step
            }
        }
    }

    private static func sentence(_ progress: FitProgress) -> String {
        let training = "\(progress.metricName) \(rounded(progress.training))"
        let validation = progress.validation.map { ", validation \(rounded($0))" } ?? ""
        return "iteration \(progress.iteration) of \(progress.total): \(training)\(validation)"
    }

    static func rounded(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        return "\((value * 1e5).rounded() / 1e5)"
    }

    private func log(_ stream: AsyncStream<FitProgress>) async throws {
        var points: [MetricPoint] = []
        var iterations = 0
        for await progress in stream {
            let step = Int64(progress.iteration), now = ambient.now()
            points.append(
                MetricPoint(key: "train_\(progress.metricName)", value: progress.training, timestamp: now, step: step))
            if let value = progress.validation {
                points.append(
                    MetricPoint(key: "validation_\(progress.metricName)", value: value, timestamp: now, step: step))
            }
            iterations += 1
            if iterations % Self.batch == 0 {
                try await tracking.log(runID: runID, LogBatch(metrics: points))
                points = []
            }
        }
        if !points.isEmpty { try await tracking.log(runID: runID, LogBatch(metrics: points)) }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
