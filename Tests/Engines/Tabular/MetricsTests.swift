import Core
import Tabular
import Testing

@Test func metricsAgreeWithHandComputedValues() throws {
    // Pairs (positive, negative): 0.8>0.3, 0.8>0.5, 0.5>0.3, 0.5=0.5 -> 3.5 of 4.
    #expect(try Metric.auc([0.8, 0.5, 0.5, 0.3], labels: [1, 1, 0, 0]) == 0.875)
    #expect(try Metric.accuracy([0.8, 0.4, 0.5, 0.3], labels: [1, 1, 0, 0]) == 0.5)
    #expect(try Metric.rmse([1, 2, 3], labels: [1, 4, 7]) == (20.0 / 3).squareRoot())
    #expect(try Metric.mae([1, 2, 3], labels: [1, 4, 7]) == 2)
    #expect(try Metrics.baseRate([1, 0, 0, 1]) == 0.5)
}

// scikit-learn 1.9: roc_auc_score(y, s), log_loss(y, s), accuracy_score(y, s >= 0.5), rmse and mae with
// s = np.round(frac(np.arange(60) * 0.618033988749895), 1) * 0.9 + 0.05; y = frac(np.arange(60) * 0.755) + s > 1
@Test func metricsAgreeWithScikitLearn() throws {
    func fraction(_ x: Double) -> Double { x - x.rounded(.down) }
    let s = (0..<60).map { (fraction(Double($0) * 0.618033988749895) * 10).rounded(.toNearestOrEven) / 10 * 0.9 + 0.05 }
    let y = (0..<60).map { fraction(Double($0) * 0.755) + s[$0] > 1 ? 1.0 : 0 }
    #expect(y.reduce(0, +) == 30)
    let golden: [(Metric, Double)] = [
        (.auc, 0.7977777777777778), (.logLoss, 0.534009779444323), (.accuracy, 0.7666666666666667),
        (.rmse, 0.42556433121209775), (.mae, 0.3605),
    ]
    for (metric, expected) in golden { #expect(abs(try metric(s, labels: y) - expected) < 1e-12) }
}

@Test func undefinedMetricsThrowInsteadOfInventingANumber() {
    #expect(throws: NestboxError.self) { try Metric.auc([0.1, 0.2], labels: [1, 1]) }
    #expect(throws: NestboxError.self) { try Metric.rmse([], labels: []) }
    #expect(throws: NestboxError.self) { try Metric.mae([1], labels: [1, 2]) }
    #expect(throws: NestboxError.self) { try Metric.logLoss([1.5], labels: [1]) }
    #expect(throws: NestboxError.self) { try Metric.accuracy([0.5], labels: [2]) }
    #expect(throws: NestboxError.self) { try Metric.rmse([.nan], labels: [2]) }
}

@Test func metricNamesAreThoseThatRunsLog() {
    #expect(Metric.allCases.map(\.rawValue) == ["auc", "log_loss", "accuracy", "rmse", "mae"])
    #expect(Metric.allCases.filter(\.higherIsBetter) == [.auc, .accuracy])
}
