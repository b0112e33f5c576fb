import Core
import Tables

extension TabularModel {
    /// Trains a model. It blocks for as long as training takes: call it on a compute thread.
    ///
    /// - `features` nil: every column but the target.
    /// - `task` nil: binary for a boolean target, for 0 and 1, and for two strings (of which `positiveClass` must name one);
    ///   regression for other numbers.
    /// - `validation`: rows on which the loss is measured after each tree, for early stopping.
    /// - `onProgress` is called on the calling thread after each tree or Newton step; what it throws ends the training.
    ///
    /// The same data and parameters give the same model, however many threads the pool has. Throws `invalid_argument` for
    /// an unknown column, a target without values in some row (see `rowsWithTarget`), or only one class.
    public static func fit(
        _ table: Table, target: String, features: [String]? = nil, task: TabularTask? = nil,
        positiveClass: String? = nil, parameters: LearnerParameters, validation: Table? = nil,
        pool: ComputePool = .shared, onProgress: ((FitProgress) throws -> Void)? = nil
    ) throws -> TabularModel {
        try parameters.validate()
        let column = try TargetColumn(table, name: target)
        guard table.rowCount > 0 else { throw NestboxError.invalid("the training table has no rows") }
        let features = features ?? table.schema.names.filter { $0 != target }
        try check(features, target: target)
        let task = try task ?? column.defaultTask()
        let classes = task == .binary ? try column.classPair(positive: positiveClass) : nil
        let labels = try column.labels(task: task, classes: classes)
        let preprocessor = try Preprocessor(fitting: table, features: features)
        let inputs = preprocessor.inputs
        let data = EncodedData(columns: try preprocessor.encode(table), labels: labels)
        let held = try validation.map { table in
            EncodedData(
                columns: try preprocessor.encode(table),
                labels: try TargetColumn(table, name: target).labels(task: task, classes: classes))
        }
        guard held?.rowCount != 0 else { throw NestboxError.invalid("the validation table has no rows") }
        let model: Learner
        switch parameters {
        case .boosting(let parameters):
            guard parameters.earlyStoppingRounds == 0 || held != nil else {
                throw NestboxError.invalid(
                    "`early_stopping_rounds` is \(parameters.earlyStoppingRounds) without validation rows",
                    hint: "give a validation share, or set it to 0")
            }
            let trainer = try BoostingTrainer(data, inputs: inputs, task: task, parameters: parameters, pool: pool)
            model = .boosting(try trainer.train(inputs: inputs, validation: held, onProgress: onProgress))
        case .linear(let parameters):
            let trainer = try LinearTrainer(data, inputs: inputs, task: task, parameters: parameters, pool: pool)
            model = .linear(try trainer.train(inputs: inputs, validation: held, onProgress: onProgress))
        }
        return TabularModel(
            task: task, target: target, positiveClass: classes?.positive, negativeClass: classes?.negative,
            trainingRows: table.rowCount, positiveRate: task == .binary ? try Metrics.baseRate(labels) : nil,
            preprocessor: preprocessor, model: model)
    }

    /// The rows whose target is not null, for `table.gather`.
    public static func rowsWithTarget(_ table: Table, target: String) throws -> [Int] {
        let column = try table.column(target)
        return (0..<table.rowCount).filter { column[$0] != .null }
    }

    private static func check(_ features: [String], target: String) throws {
        guard !features.isEmpty else { throw NestboxError.invalid("no features were named") }
        guard features.count <= maximumInputs else {
            throw NestboxError.invalid("\(features.count) features; expected at most \(maximumInputs)")
        }
        guard !features.contains(target) else {
            throw NestboxError.invalid(
                "the target `\(target)` is also a feature", hint: "a model that sees its target learns nothing else")
        }
        var seen: Set<String> = []
        for feature in features where !seen.insert(feature).inserted {
            throw NestboxError.invalid("the feature `\(feature)` is named twice")
        }
    }
}
