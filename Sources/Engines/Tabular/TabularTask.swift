import Foundation

/// What a model predicts.
public enum TabularTask: String, Sendable, Codable, CaseIterable {
    /// The probability of one of two classes.
    case binary
    /// A number.
    case regression

    /// From a learner's score to a prediction.
    func prediction(score: Double) -> Double {
        switch self {
        case .binary: score >= 0 ? 1 / (1 + exp(-score)) : exp(score) / (1 + exp(score))
        case .regression: score
        }
    }

    /// One row's log loss or squared error.
    func loss(score: Double, label: Double) -> Double {
        switch self {
        case .binary: log1p(exp(-abs(score))) + max(label == 1 ? -score : score, 0)
        case .regression: (score - label) * (score - label)
        }
    }

    /// Log loss, or the root of the mean squared error.
    func meanLoss(sum: Double, rows: Int) -> Double {
        let mean = sum / Double(max(1, rows))
        return self == .binary ? mean : mean.squareRoot()
    }
}

/// How far training has come.
public struct FitProgress: Sendable {
    /// The tree or Newton step just done, from 1.
    public let iteration: Int
    /// The most there can be.
    public let total: Int
    /// `log_loss` or `rmse`.
    public let metricName: String
    /// On the training rows.
    public let training: Double
    /// On the validation rows, when there are any.
    public let validation: Double?
}
