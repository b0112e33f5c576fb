import Contracts
import Core
import Foundation
import Tables
import Tabular
import Tuning

extension TrainingRecipe {
    static let mostTrials = 1000

    /// The recipe checked against its dataset, with the dataset's version pinned: a retry reads the same rows.
    package func resolved(in datasets: any DatasetStore) async throws -> (
        recipe: TrainingRecipe, version: DatasetVersion
    ) {
        try check()
        let version = try await datasets.version(dataset)
        try check(version.schema)
        var pinned = self
        pinned.dataset.version = version.version
        return (pinned, version)
    }

    /// The kind of job that this recipe makes.
    package var jobKind: String { study == nil ? TrainingHandlers.train : TrainingHandlers.study }

    /// What can be checked without the dataset.
    package func check() throws {
        try Name.check(name, what: "recipe")
        if let experiment { try Name.check(experiment, what: "experiment") }
        if let registerAs { try Name.check(registerAs, what: "model") }
        guard !features.isEmpty else { throw Self.wrong("features", "is empty", "name at least one column") }
        var seen: Set<String> = []
        for feature in features {
            guard seen.insert(feature).inserted else { throw Self.wrong("features", "names `\(feature)` twice") }
            guard feature != target else {
                throw Self.wrong(
                    "features", "names the target `\(target)`", "a model that sees its answer learns nothing")
            }
            guard feature != ModelFolder.outputName else {
                throw Self.wrong("features", "names `prediction`", "that is the model's output; rename the column")
            }
        }
        try checkSplit()
        try checkMetrics()
        _ = try learnerParameters()
        try checkStudy()
    }

    /// The parameters as the learner takes them, with `overrides` on top.
    func learnerParameters(overriding overrides: [String: JSONValue] = [:]) throws -> LearnerParameters {
        try LearnerParameters(
            learner: learner.rawValue, parameters: (parameters ?? [:]).merging(overrides) { $1 })
    }

    var tabularTask: TabularTask { task == .binary ? .binary : .regression }

    /// The metrics to report; the first decides.
    var chosenMetrics: [Metric] {
        get throws {
            guard let metrics else { return Metric.defaults(for: tabularTask) }
            return try metrics.map { try metric($0, key: "metrics") }
        }
    }

    private static func wrong(_ key: String, _ complaint: String, _ hint: String? = nil) -> NestboxError {
        .invalid("the recipe: `\(key)` \(complaint)", hint: hint)
    }

    private func metric(_ name: String, key: String) throws -> Metric {
        let known: [Metric] = task == .binary ? [.auc, .logLoss, .accuracy] : [.rmse, .mae]
        guard let metric = known.first(where: { $0.rawValue == name }) else {
            throw Self.wrong(
                key, "names `\(name.prefix(80))`, which a \(task.rawValue) task does not have",
                "the metrics are " + known.map { "`\($0.rawValue)`" }.joined(separator: ", "))
        }
        return metric
    }

    private func checkMetrics() throws {
        if let metrics {
            guard !metrics.isEmpty else { throw Self.wrong("metrics", "is empty", "leave it out for the task's own") }
            guard Set(metrics).count == metrics.count else { throw Self.wrong("metrics", "names a metric twice") }
            _ = try chosenMetrics
        }
        for (name, value) in (require ?? [:]).sorted(by: { $0.key < $1.key }) {
            _ = try metric(name, key: "require")
            guard value.isFinite else { throw Self.wrong("require.\(name)", "is \(value); expected a finite number") }
        }
    }

    private func checkSplit() throws {
        switch split.by {
        case .time:
            guard split.seed == nil, split.validation == nil, split.test == nil else {
                throw Self.wrong(
                    "split", "by time takes no `seed`, `validation` or `test`", "use `validation_from` and `test_from`")
            }
            guard split.column != nil else { throw Self.wrong("split.column", "is required to split by time") }
            let boundaries = try split.boundaries()
            guard let test = boundaries.test else {
                throw Self.wrong("split.test_from", "is required to split by time")
            }
            if let validation = boundaries.validation, validation >= test {
                throw Self.wrong(
                    "split.validation_from", "(\(validation.iso8601)) must be before `test_from` (\(test.iso8601))")
            }
            if let until = boundaries.until, until <= test {
                throw Self.wrong("split.test_until", "(\(until.iso8601)) must be after `test_from` (\(test.iso8601))")
            }
        case .seed:
            guard split.column == nil, split.validationFrom == nil, split.testFrom == nil, split.testUntil == nil else {
                throw Self.wrong("split", "by seed takes no column or dates", "use `seed`, `validation` and `test`")
            }
            guard let test = split.test else {
                throw Self.wrong("split.test", "is required to split by seed", "0.2, say")
            }
            let validation = split.validation ?? 0
            guard test > 0, test < 1 else {
                throw Self.wrong("split.test", "is \(test); expected more than 0 and less than 1")
            }
            guard validation >= 0, validation + test < 1 else {
                throw Self.wrong("split.validation", "is \(validation); with `test` it must leave rows to train on")
            }
        }
    }

    private func checkStudy() throws {
        guard let study else { return }
        guard (1...Self.mostTrials).contains(study.trials) else {
            throw Self.wrong("study.trials", "is \(study.trials); expected 1 to \(Self.mostTrials)")
        }
        guard split.by == .time ? split.validationFrom != nil : (split.validation ?? 0) > 0 else {
            throw Self.wrong(
                "study", "needs validation rows to compare trials on",
                split.by == .time ? "give `split.validation_from`" : "give `split.validation`, 0.2 say")
        }
        let space = try searchSpace(study)
        // Every trial is known beforehand, so none can turn out wrong after an hour.
        for trial in 0..<study.trials {
            _ = try learnerParameters(overriding: space.sample(seed: study.seed, trial: trial))
        }
    }

    func searchSpace(_ study: Study) throws -> SearchSpace {
        try JSON.decode(SearchSpace.self, from: try JSON.encode(study.space), what: "the recipe's `study.space`")
    }

    /// What the dataset's columns must offer.
    package func check(_ schema: Schema) throws {
        for name in features + [target] + (split.column.map { [$0] } ?? []) where schema[name] == nil {
            let key = features.contains(name) ? "features" : name == target ? "target" : "split.column"
            throw Self.wrong(
                key, "names the column `\(name)`, which dataset `\(dataset)` does not have",
                NestboxError.notFound("column", name, among: schema.names).hint)
        }
        if let type = schema[target]?.type {
            switch task {
            case .binary where type != .bool && !type.isNumeric:
                throw Self.wrong("target", "`\(target)` is \(type.rawValue); a binary task needs true/false or 0/1")
            case .regression where !type.isNumeric:
                throw Self.wrong("target", "`\(target)` is \(type.rawValue); a regression task needs numbers")
            default: break
            }
        }
        if let column = split.column, let type = schema[column]?.type, type != .timestamp {
            throw Self.wrong("split.column", "`\(column)` is \(type.rawValue); expected a timestamp column")
        }
    }
}

extension TrainingRecipe.Split {
    /// The moments of a split by time. Throws `invalid_argument` for a text that names none.
    func boundaries() throws -> (validation: Timestamp?, test: Timestamp?, until: Timestamp?) {
        func moment(_ key: String, _ text: String?) throws -> Timestamp? {
            guard let text else { return nil }
            guard let moment = Timestamp(iso8601: text) else {
                throw NestboxError.invalid(
                    "the recipe: `split.\(key)` is `\(text.prefix(80))`; expected a date",
                    hint: "write 2013-04-01 or 2013-04-01T06:00:00Z")
            }
            return moment
        }
        return (
            try moment("validation_from", validationFrom), try moment("test_from", testFrom),
            try moment("test_until", testUntil)
        )
    }
}
