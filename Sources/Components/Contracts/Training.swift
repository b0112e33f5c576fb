import Core

/// What a training job is given: `recipe.yaml`, or the same as JSON.
///
///     name: flights-late
///     experiment: flights            # default: the name
///     dataset: flights_training      # or flights_training@2
///     target: late
///     task: binary                   # binary | regression
///     features: [carrier, distance, weather__temp]
///     split: {by: time, column: sched_dep_at, validation_from: 2013-04-01, test_from: 2013-05-01}
///     # or   {by: seed, seed: 1, validation: 0.2, test: 0.2}
///     learner: gradient_boosting     # gradient_boosting | linear
///     parameters: {num_trees: 100, num_leaves: 31, learning_rate: 0.1}
///     metrics: [auc, log_loss]       # the first decides; default by task
///     require: {auc: 0.65}           # not met: the run ends, nothing is registered
///     register_as: flights-late      # optional
///     study: {trials: 8, seed: 1, space: {learning_rate: {type: float, low: 0.02, high: 0.3, log: true}, num_leaves: {type: int, low: 8, high: 64}}}
package struct TrainingRecipe: Codable, Sendable, Hashable {
    package enum Task: String, Codable, Sendable, CaseIterable { case binary, regression }
    package enum Learner: String, Codable, Sendable, CaseIterable {
        case gradientBoosting = "gradient_boosting"
        case linear
    }

    package struct Split: Codable, Sendable, Hashable {
        package enum Kind: String, Codable, Sendable, CaseIterable { case time, seed }
        package var by: Kind
        /// By time: the timestamp column, and where validation and test begin (ISO 8601). Later rows than `testUntil` are left out.
        package var column: String?
        package var validationFrom: String?
        package var testFrom: String?
        package var testUntil: String?
        /// By seed: fractions of the rows.
        package var seed: UInt64?
        package var validation: Double?
        package var test: Double?

        enum CodingKeys: String, CodingKey {
            case by, column, seed, validation, test
            case validationFrom = "validation_from"
            case testFrom = "test_from"
            case testUntil = "test_until"
        }

        package init(
            by: Kind, column: String? = nil, validationFrom: String? = nil, testFrom: String? = nil,
            testUntil: String? = nil,
            seed: UInt64? = nil, validation: Double? = nil, test: Double? = nil
        ) {
            self.by = by
            self.column = column
            self.validationFrom = validationFrom
            self.testFrom = testFrom
            self.testUntil = testUntil
            self.seed = seed
            self.validation = validation
            self.test = test
        }
    }

    package struct Study: Codable, Sendable, Hashable {
        package var trials: Int
        package var seed: UInt64
        /// Parameter → its range, read by the Tuning engine.
        package var space: [String: JSONValue]

        package init(trials: Int, seed: UInt64, space: [String: JSONValue]) {
            self.trials = trials
            self.seed = seed
            self.space = space
        }
    }

    package var name: String
    package var experiment: String?
    package var dataset: DatasetReference
    package var target: String
    package var task: Task
    package var features: [String]
    package var split: Split
    package var learner: Learner
    package var parameters: [String: JSONValue]?
    package var metrics: [String]?
    package var require: [String: Double]?
    package var registerAs: String?
    package var study: Study?

    enum CodingKeys: String, CodingKey {
        case name, experiment, dataset, target, task, features, split, learner, parameters, metrics, require, study
        case registerAs = "register_as"
    }

    package init(
        name: String, experiment: String? = nil, dataset: DatasetReference, target: String, task: Task,
        features: [String],
        split: Split, learner: Learner, parameters: [String: JSONValue]? = nil, metrics: [String]? = nil,
        require: [String: Double]? = nil, registerAs: String? = nil, study: Study? = nil
    ) {
        self.name = name
        self.experiment = experiment
        self.dataset = dataset
        self.target = target
        self.task = task
        self.features = features
        self.split = split
        self.learner = learner
        self.parameters = parameters
        self.metrics = metrics
        self.require = require
        self.registerAs = registerAs
        self.study = study
    }
}

/// What a finished training job reports.
package struct TrainingOutcome: Codable, Sendable, Hashable {
    package var runID: String
    package var experimentID: String
    /// On the test rows: metric → value.
    package var metrics: [String: Double]
    package var model: String?
    package var version: Int?
    /// Why nothing was registered, when `require` was not met.
    package var rejected: String?

    package init(
        runID: String, experimentID: String, metrics: [String: Double], model: String?, version: Int?, rejected: String?
    ) {
        self.runID = runID
        self.experimentID = experimentID
        self.metrics = metrics
        self.model = model
        self.version = version
        self.rejected = rejected
    }
}

/// The files of a model folder.
package enum ModelFolder {
    /// The fitted model with its preprocessing: `TabularModel`.
    package static let model = "model.json"
    /// What the training rows looked like: `Baseline` per feature, by name.
    package static let baseline = "baseline.json"
    /// The model's output among the baseline's columns; recipes refuse a feature of this name.
    package static let outputName = "prediction"
    /// The recipe it was made from.
    package static let recipe = "recipe.json"
    /// MLflow's descriptor, so that its tools recognise the folder.
    package static let descriptor = "MLmodel"
}
