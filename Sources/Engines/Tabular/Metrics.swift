import Core
import Foundation

/// How good predictions are. Raw values are the names under which runs log them.
public enum Metric: String, Sendable, Codable, CaseIterable {
    case auc
    case logLoss = "log_loss"
    case accuracy
    case rmse
    case mae

    public var higherIsBetter: Bool { self == .auc || self == .accuracy }

    public static func defaults(for task: TabularTask) -> [Metric] {
        switch task {
        case .binary: [.auc, .logLoss, .accuracy]
        case .regression: [.rmse, .mae]
        }
    }

    /// Throws `invalid_argument` where the metric is not defined: no rows, lengths that differ, labels other than 0 and 1
    /// for the first three, or AUC with only one class.
    public func callAsFunction(_ predictions: [Double], labels: [Double]) throws -> Double {
        switch self {
        case .auc: try Metrics.auc(predictions, labels: labels)
        case .logLoss: try Metrics.logLoss(predictions, labels: labels)
        case .accuracy: try Metrics.accuracy(predictions, labels: labels)
        case .rmse: try Metrics.rmse(predictions, labels: labels)
        case .mae: try Metrics.mae(predictions, labels: labels)
        }
    }
}

/// The functions behind `Metric`.
public enum Metrics {
    /// The share of pairs of one positive and one negative row that are ranked rightly; ties count half.
    public static func auc(_ scores: [Double], labels: [Double]) throws -> Double {
        try check(scores, labels, binary: true, name: "auc")
        let positives = labels.reduce(0, +), negatives = Double(labels.count) - positives
        guard positives > 0, negatives > 0 else {
            throw NestboxError.invalid(
                "auc needs both classes; all \(labels.count) labels are \(positives > 0 ? 1 : 0)")
        }
        let order = scores.indices.sorted { scores[$0] < scores[$1] }
        // The sum of the positives' ranks (Mann-Whitney), where tied scores share their mean rank.
        var rankSum = 0.0, start = 0
        while start < order.count {
            var end = start + 1, tiedPositives = labels[order[start]]
            while end < order.count, scores[order[end]] == scores[order[start]] {
                tiedPositives += labels[order[end]]
                end += 1
            }
            rankSum += tiedPositives * (Double(start + end + 1) / 2)
            start = end
        }
        return (rankSum - positives * (positives + 1) / 2) / (positives * negatives)
    }

    /// The mean negative log likelihood, in nats. Probabilities are kept 2^-52 away from 0 and 1, as scikit-learn does.
    public static func logLoss(_ probabilities: [Double], labels: [Double]) throws -> Double {
        try check(probabilities, labels, binary: true, name: "log_loss")
        guard let wrong = probabilities.first(where: { !(0...1).contains($0) }) else {
            let epsilon = Double.ulpOfOne
            return mean(probabilities.indices) { row in
                let p = min(max(probabilities[row], epsilon), 1 - epsilon)
                return labels[row] == 1 ? -log(p) : -log(1 - p)
            }
        }
        throw NestboxError.invalid("log_loss: \(wrong) is not a probability")
    }

    /// The share of rows whose probability lies on the right side of `threshold`.
    public static func accuracy(_ probabilities: [Double], labels: [Double], threshold: Double = 0.5) throws -> Double {
        try check(probabilities, labels, binary: true, name: "accuracy")
        return mean(labels.indices) { (probabilities[$0] >= threshold) == (labels[$0] == 1) ? 1 : 0 }
    }

    /// The root of the mean squared error.
    public static func rmse(_ predictions: [Double], labels: [Double]) throws -> Double {
        try check(predictions, labels, binary: false, name: "rmse")
        return mean(labels.indices) { (predictions[$0] - labels[$0]) * (predictions[$0] - labels[$0]) }.squareRoot()
    }

    /// The mean absolute error.
    public static func mae(_ predictions: [Double], labels: [Double]) throws -> Double {
        try check(predictions, labels, binary: false, name: "mae")
        return mean(labels.indices) { abs(predictions[$0] - labels[$0]) }
    }

    /// The share of positive labels.
    public static func baseRate(_ labels: [Double]) throws -> Double {
        try check(labels, labels, binary: true, name: "base_rate")
        return labels.reduce(0, +) / Double(labels.count)
    }

    private static func mean(_ rows: Range<Int>, _ value: (Int) -> Double) -> Double {
        rows.reduce(0) { $0 + value($1) } / Double(rows.count)
    }

    private static func check(_ predictions: [Double], _ labels: [Double], binary: Bool, name: String) throws {
        guard predictions.count == labels.count else {
            throw NestboxError.invalid("\(name): \(predictions.count) predictions for \(labels.count) labels")
        }
        guard !labels.isEmpty else { throw NestboxError.invalid("\(name) of no rows is not defined") }
        if let row = predictions.firstIndex(where: { !$0.isFinite }) {
            throw NestboxError.invalid("\(name): prediction \(row) is \(predictions[row]); expected a finite number")
        }
        if let row = labels.firstIndex(where: { binary ? $0 != 0 && $0 != 1 : !$0.isFinite }) {
            throw NestboxError.invalid(
                "\(name): label \(row) is \(labels[row]); expected \(binary ? "0 or 1" : "a finite number")")
        }
    }
}
