import Client
import Contracts
import Core
import Foundation
import TestSupport

/// A training job that takes some seconds, for tests that do something to it meanwhile.
enum SlowTraining {
    static let recipe = """
        name: slow
        dataset: crash
        target: y
        task: binary
        features: [a, b, c, d, e, f]
        split: {by: seed, seed: 1, validation: 0.1, test: 0.1}
        learner: gradient_boosting
        parameters: {num_trees: 2500, num_leaves: 63, learning_rate: 0.02}
        register_as: slow
        """

    static func importTable(_ remote: Remote, rows: Int = 60_000) async throws {
        var generator = SeededGenerator(seed: 5)
        var text = "a,b,c,d,e,f,y\n"
        for _ in 0..<rows {
            let x = (0..<6).map { _ in generator.unit() }
            let y = x[0] * x[1] + x[2] > 0.7 + 0.3 * generator.unit() ? 1 : 0
            text += x.map { String(format: "%.5f", $0) }.joined(separator: ",") + ",\(y)\n"
        }
        _ = try await remote.datasets.importVersion(
            DatasetImport(name: "crash", format: .csv, source: "made by the test"), body: ByteStream(Data(text.utf8)))
    }

    /// Waits until the job's worker is in the middle of it.
    static func underWay(_ remote: Remote, _ job: String) async throws {
        _ = try await eventually("training under way") {
            let current = try await remote.jobs.job(id: job)
            return current.state == .running && current.progress.fraction > 0.06 ? current : nil
        }
    }

    static func end(_ remote: Remote, _ job: String) async throws -> Job {
        try await eventually("the job's end", within: 300) {
            let current = try await remote.jobs.job(id: job)
            return current.state.isFinal ? current : nil
        }
    }
}
