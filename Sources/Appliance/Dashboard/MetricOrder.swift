import Contracts

/// Metric names in the order in which they say most: of test rows first, of training rows last, and within those what
/// judges a model before what describes it.
enum MetricOrder {
    static func sorted(_ keys: some Sequence<String>) -> [String] {
        keys.map { (rank($0), $0) }.sorted { $0 < $1 }.map(\.1)
    }

    static func sorted(_ metrics: [MetricPoint]) -> [MetricPoint] {
        metrics.map { (rank($0.key), $0) }.sorted { ($0.0, $0.1.key) < ($1.0, $1.1.key) }.map(\.1)
    }

    /// Which end of a metric is good.
    enum Direction { case higher, lower }

    /// Nil when the name does not tell.
    static func direction(_ key: String) -> Direction? {
        let words = Set(key.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
        if !words.isDisjoint(with: lower) { return .lower }
        return words.isDisjoint(with: higher) ? nil : .higher
    }

    private static let lower: Set<String> = [
        "loss", "logloss", "rmse", "mae", "mse", "error", "mape", "perplexity", "brier", "latency", "wer", "cer",
    ]
    private static let higher: Set<String> = [
        "auc", "accuracy", "acc", "f1", "precision", "recall", "r2", "ap", "map", "ndcg", "bleu", "rouge", "score",
    ]

    /// The best finite value; nil where the name does not tell which end is good.
    static func best(_ key: String, _ values: some Sequence<Double?>) -> Double? {
        let finite = values.compactMap { $0 }.filter(\.isFinite)
        switch direction(key) {
        case .higher: return finite.max()
        case .lower: return finite.min()
        case nil: return nil
        }
    }

    private static func rank(_ key: String) -> Int {
        let parts = key.lowercased().split { $0 == "_" || $0 == "/" || $0 == "." || $0 == "-" }
        let rows =
            switch parts.first {
            case "test": 0
            case "validation", "valid", "val", "eval": 1
            case "train", "training": 3
            default: 2
            }
        let name = parts.last ?? ""
        let quality = ["auc", "rmse", "f1"].contains(name) ? 0 : key.hasSuffix("base_rate") ? 2 : 1
        return rows * 3 + quality
    }
}
