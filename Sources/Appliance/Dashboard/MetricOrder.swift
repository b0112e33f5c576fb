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
