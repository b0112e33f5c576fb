import Core
import Tables

/// A trained model with everything that serving needs: raw columns in, one number per row out.
public struct TabularModel: Sendable, Equatable {
    enum Learner: Sendable, Equatable {
        case boosting(BoostedTrees)
        case linear(LinearModel)
    }

    public let task: TabularTask
    /// The name of the column that is predicted.
    public let target: String
    /// For binary tasks, the class whose probability is predicted, and the other: "true", "1", "late".
    public let positiveClass: String?
    public let negativeClass: String?
    public let trainingRows: Int
    /// For binary tasks, the share of the positive class in training.
    public let positiveRate: Double?

    let preprocessor: Preprocessor
    let model: Learner

    /// The raw inputs, in feature order.
    public var inputs: [ModelInput] { preprocessor.inputs }

    /// `boosting` or `linear`.
    public var learner: String {
        switch model {
        case .boosting: "gradient_boosting"
        case .linear: "linear"
        }
    }

    /// One number per row: the probability of the positive class, or the value. Extra columns are ignored.
    ///
    /// Throws `invalid_argument` naming a column that is missing or of the wrong type, and what was expected.
    public func predict(_ table: Table, pool: ComputePool = .shared) throws -> [Double] {
        predictions(try preprocessor.encode(table), rowCount: table.rowCount, pool: pool)
    }

    /// One row. Every input's name must be there; `.null` is a missing value, and an unknown category is not an error.
    public func predict(row: [String: Cell]) throws -> Double {
        prediction(try preprocessor.encode(row: row))
    }

    /// One row, as cells in the order of `inputs`.
    public func predict(cells: [Cell]) throws -> Double {
        prediction(try preprocessor.encode(cells: cells))
    }

    /// Each input's share of what the model learned, summing to 1 (all 0 when it learned nothing), in feature order: by
    /// total gain of its splits, or by the absolute weights of its standardised columns.
    public var importance: [(feature: String, share: Double)] {
        let strengths =
            switch model {
            case .boosting(let trees): trees.gains(inputs: inputs.count)
            case .linear(let linear): linear.strengths()
            }
        let total = strengths.reduce(0, +)
        return zip(inputs, strengths).map { ($0.name, total > 0 ? $1 / total : 0) }
    }

    /// The target as numbers: 1 for the positive and 0 for the negative class, or the value.
    ///
    /// Throws when a row has no target, or one that is neither class.
    public func labels(_ table: Table) throws -> [Double] {
        let classes = negativeClass.flatMap { negative in positiveClass.map { (negative, $0) } }
        return try TargetColumn(table, name: target).labels(task: task, classes: classes)
    }

    /// How well the model predicts a table with its target: `auc` (left out where only one class occurs), `log_loss`,
    /// `accuracy` and `base_rate`, or `rmse` and `mae`.
    public func evaluate(_ table: Table, pool: ComputePool = .shared) throws -> [String: Double] {
        let labels = try labels(table), predictions = try predict(table, pool: pool)
        var values: [String: Double] = [:]
        if task == .binary { values["base_rate"] = try Metrics.baseRate(labels) }
        for metric in Metric.defaults(for: task) {
            if metric == .auc, Set(labels).count < 2 { continue }
            values[metric.rawValue] = try metric(predictions, labels: labels)
        }
        return values
    }

    func prediction(_ row: [Double]) -> Double {
        switch model {
        case .boosting(let trees): task.prediction(score: trees.score(row))
        case .linear(let linear): task.prediction(score: linear.score(row))
        }
    }

    func predictions(_ columns: [[Double]], rowCount: Int, pool: ComputePool) -> [Double] {
        let scores =
            switch model {
            case .boosting(let trees): trees.scores(columns, rowCount: rowCount, pool: pool)
            case .linear(let linear): linear.scores(columns, rowCount: rowCount)
            }
        return scores.map(task.prediction(score:))
    }
}
