import Contracts
import Core
import Tables
import Tabular

/// The stores that training talks to, embedded or across the network, and the clock.
package struct TrainingSeams: Sendable {
    package var datasets: any DatasetStore
    package var tracking: any Tracking
    package var registry: any ModelRegistry
    package var artifacts: any ArtifactStore
    package var ambient: Ambient
    /// What the worker's machine and checkout are; nil captures nothing.
    package var environment: (@Sendable () async -> CapturedEnvironment)?

    package init(
        datasets: any DatasetStore, tracking: any Tracking, registry: any ModelRegistry, artifacts: any ArtifactStore,
        ambient: Ambient = .live, environment: (@Sendable () async -> CapturedEnvironment)? = nil
    ) {
        self.datasets = datasets
        self.tracking = tracking
        self.registry = registry
        self.artifacts = artifacts
        self.ambient = ambient
        self.environment = environment
    }
}

/// The recipe's columns, without rows that have no target, split.
struct TrainingData: Sendable {
    let version: DatasetVersion
    let train: Table
    let validation: Table?
    let test: Table
    /// Sentences for the log.
    let notes: [String]

    static func load(_ recipe: TrainingRecipe, _ version: DatasetVersion, from datasets: any DatasetStore) async throws
        -> TrainingData
    {
        var columns = recipe.features + [recipe.target]
        if let column = recipe.split.column, !columns.contains(column) { columns.append(column) }
        let reference = DatasetReference(name: version.dataset, version: version.version)
        let table = try await datasets.table(reference, columns: columns)
        return try await ComputePool.shared.run {
            var notes = ["dataset \(reference): \(table.rowCount) rows, \(recipe.features.count) features"]
            let kept = try TabularModel.rowsWithTarget(table, target: recipe.target)
            let whole = kept.count == table.rowCount ? table : table.gather(kept)
            if kept.count < table.rowCount {
                notes.append("\(table.rowCount - kept.count) rows have no `\(recipe.target)` and are dropped")
            }
            let split = try RowSplit(recipe.split, whole)
            notes.append(
                "split by \(recipe.split.by.rawValue): \(split.train.count) rows train, \(split.validation.count) validate,"
                    + " \(split.test.count) test" + (split.leftOut > 0 ? ", \(split.leftOut) left out" : ""))
            return TrainingData(
                version: version, train: whole.gather(split.train),
                validation: split.validation.isEmpty ? nil : whole.gather(split.validation),
                test: whole.gather(split.test), notes: notes)
        }
    }
}
