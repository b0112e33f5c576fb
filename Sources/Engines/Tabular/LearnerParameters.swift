import Core

/// What to train: a learner with its parameters.
public enum LearnerParameters: Sendable, Equatable {
    case boosting(BoostingParameters)
    case linear(LinearParameters)

    /// The learner's name: `boosting` or `linear`.
    public var learner: String {
        switch self {
        case .boosting: "gradient_boosting"
        case .linear: "linear"
        }
    }

    /// From a recipe. Learners: `gradient_boosting` and `linear`.
    ///
    /// Throws `invalid_argument` naming the unknown learner or parameter, or the value that is out of range.
    public init(learner: String, parameters: [String: JSONValue]) throws {
        switch learner {
        case "gradient_boosting": self = .boosting(try BoostingParameters(parameters))
        case "linear": self = .linear(try LinearParameters(parameters))
        default:
            throw NestboxError.invalid(
                "there is no learner named `\(learner)`", hint: "the learners are `gradient_boosting` and `linear`")
        }
    }

    /// Every parameter with its effective value under its name in a recipe.
    public var values: [String: JSONValue] {
        switch self {
        case .boosting(let parameters): parameters.values
        case .linear(let parameters): parameters.values
        }
    }

    func validate() throws {
        switch self {
        case .boosting(let parameters): try parameters.validate()
        case .linear(let parameters): try parameters.validate()
        }
    }
}

/// Parameters of gradient boosting, with LightGBM's names (in snake case) and defaults.
public struct BoostingParameters: Sendable, Codable, Equatable {
    public var numTrees = 100
    public var numLeaves = 31
    /// Depth limit; -1 is none.
    public var maxDepth = -1
    public var learningRate = 0.1
    /// For the log loss a leaf's rows are estimated from its hessian while splits are compared, as LightGBM does.
    public var minDataInLeaf = 20
    public var minSumHessianInLeaf = 1e-3
    public var lambdaL2 = 0.0
    public var minGainToSplit = 0.0
    /// The share of features that each tree may use.
    public var featureFraction = 1.0
    /// The share of rows that each tree is grown on.
    public var baggingFraction = 1.0
    /// Stop after this many trees without improvement on the validation table; 0 is off.
    public var earlyStoppingRounds = 0
    public var maxBin = 255
    public var seed: UInt64 = 0

    public init() {}

    static let names = [
        "num_trees", "num_leaves", "max_depth", "learning_rate", "min_data_in_leaf", "min_sum_hessian_in_leaf",
        "lambda_l2", "min_gain_to_split", "feature_fraction", "bagging_fraction", "early_stopping_rounds", "max_bin",
        "seed",
    ]

    init(_ values: [String: JSONValue]) throws {
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            let reader = ParameterReader(learner: "gradient_boosting", name: name, value: value, known: Self.names)
            switch name {
            case "num_trees", "n_estimators", "num_iterations", "num_boost_round": numTrees = try reader.int()
            case "num_leaves": numLeaves = try reader.int()
            case "max_depth": maxDepth = try reader.int()
            case "learning_rate", "eta": learningRate = try reader.double()
            case "min_data_in_leaf", "min_child_samples": minDataInLeaf = try reader.int()
            case "min_sum_hessian_in_leaf", "min_child_weight": minSumHessianInLeaf = try reader.double()
            case "lambda_l2", "reg_lambda": lambdaL2 = try reader.double()
            case "min_gain_to_split", "min_split_gain": minGainToSplit = try reader.double()
            case "feature_fraction", "colsample_bytree": featureFraction = try reader.double()
            case "bagging_fraction", "subsample": baggingFraction = try reader.double()
            case "early_stopping_rounds", "early_stopping_round": earlyStoppingRounds = try reader.int()
            case "max_bin": maxBin = try reader.int()
            case "seed", "random_state":
                guard let number = UInt64(exactly: try reader.int()) else { throw reader.wrong("0 or more") }
                seed = number
            default: throw reader.unknown()
            }
        }
        try validate()
    }

    var values: [String: JSONValue] {
        [
            "num_trees": .int(Int64(numTrees)), "num_leaves": .int(Int64(numLeaves)),
            "max_depth": .int(Int64(maxDepth)),
            "learning_rate": .number(learningRate), "min_data_in_leaf": .int(Int64(minDataInLeaf)),
            "min_sum_hessian_in_leaf": .number(minSumHessianInLeaf), "lambda_l2": .number(lambdaL2),
            "min_gain_to_split": .number(minGainToSplit), "feature_fraction": .number(featureFraction),
            "bagging_fraction": .number(baggingFraction), "early_stopping_rounds": .int(Int64(earlyStoppingRounds)),
            "max_bin": .int(Int64(maxBin)), "seed": .int(Int64(clamping: seed)),
        ]
    }

    func validate() throws {
        try check("num_trees", numTrees, 1...100_000)
        try check("num_leaves", numLeaves, 2...16_384)
        if maxDepth != -1 { try check("max_depth", maxDepth, 1...1000, or: "-1 for any depth") }
        try check("learning_rate", learningRate, 1e-9...1e3)
        try check("min_data_in_leaf", minDataInLeaf, 1...1_000_000_000)
        try check("min_sum_hessian_in_leaf", minSumHessianInLeaf, 0...1e12)
        try check("lambda_l2", lambdaL2, 0...1e12)
        try check("min_gain_to_split", minGainToSplit, 0...1e12)
        try check("feature_fraction", featureFraction, 1e-6...1)
        try check("bagging_fraction", baggingFraction, 1e-6...1)
        try check("early_stopping_rounds", earlyStoppingRounds, 0...100_000)
        try check("max_bin", maxBin, 2...255)
    }
}

/// Parameters of logistic and ridge regression.
public struct LinearParameters: Sendable, Codable, Equatable {
    /// The penalty is l2 / 2 * |w|² beside the sum of losses (halved squares for ridge); the intercept is free.
    /// scikit-learn's `C` is 1 / l2, its Ridge `alpha` is l2.
    public var l2 = 1.0
    /// The most Newton steps.
    public var maxIterations = 100
    /// Stop when the largest entry of the gradient, divided by the number of rows, is below this.
    public var tolerance = 1e-8

    public init() {}

    init(_ values: [String: JSONValue]) throws {
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            let reader = ParameterReader(
                learner: "linear", name: name, value: value, known: ["l2", "max_iterations", "tolerance"])
            switch name {
            case "l2", "alpha", "lambda_l2": l2 = try reader.double()
            case "max_iterations", "max_iter": maxIterations = try reader.int()
            case "tolerance", "tol": tolerance = try reader.double()
            default: throw reader.unknown()
            }
        }
        try validate()
    }

    var values: [String: JSONValue] {
        ["l2": .number(l2), "max_iterations": .int(Int64(maxIterations)), "tolerance": .number(tolerance)]
    }

    func validate() throws {
        try check("l2", l2, 0...1e12)
        try check("max_iterations", maxIterations, 1...100_000)
        try check("tolerance", tolerance, 1e-15...1)
    }
}

private func check<T: Comparable>(_ name: String, _ value: T, _ range: ClosedRange<T>, or other: String? = nil) throws {
    guard range.contains(value) else {
        throw NestboxError.invalid(
            "parameter `\(name)` is \(value); expected a value from \(range.lowerBound) to "
                + "\(range.upperBound)\(other.map { ", or \($0)" } ?? "")")
    }
}

/// Reads one parameter of a recipe.
private struct ParameterReader {
    let learner: String
    let name: String
    let value: JSONValue
    let known: [String]

    func int() throws -> Int {
        guard let number = value.intValue else { throw wrong("a whole number") }
        return Int(number)
    }

    func double() throws -> Double {
        guard let number = value.doubleValue, number.isFinite else { throw wrong("a number") }
        return number
    }

    func wrong(_ expected: String) -> NestboxError {
        .invalid("parameter `\(name)` is \(value.excerpt(80)); expected \(expected)")
    }

    func unknown() -> NestboxError {
        let near = NestboxError.notFound("parameter", name, among: known).hint
        return .invalid(
            "the learner `\(learner)` has no parameter `\(name)`",
            hint: near ?? "its parameters are \(known.joined(separator: ", "))")
    }
}
