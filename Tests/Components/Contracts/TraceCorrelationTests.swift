import Contracts
import Testing

@Suite struct TraceCorrelationTests {
    /// Values of `calculate_npmi_from_counts`, mlflow 3.17.2.
    @Test(arguments: [
        ((10, 20, 15, 100), 0.5228787452803378, 0.5098689991831412), ((0, 3, 4, 10), -1, -0.3788396511188485),
        ((5, 5, 5, 5), 1, 1), ((5, 5, 5, 10), 1, 0.7769392487011186),
        ((1, 2, 3, 4), -0.2924812503605781, -0.20751874963942213),
    ])
    func isMLflows(_ counts: (Int, Int, Int, Int), _ npmi: Double, _ smoothed: Double) throws {
        let found = TraceCorrelation(first: counts.1, second: counts.2, joint: counts.0, total: counts.3)
        #expect(abs(try #require(found.npmi) - npmi) < 1e-12)
        #expect(abs(try #require(found.smoothedNPMI) - smoothed) < 1e-12)
    }

    @Test func hasNoValueWithoutSupport() {
        for (first, second, joint, total) in [(0, 3, 0, 5), (5, 5, 3, 5), (0, 0, 0, 0)] {
            let found = TraceCorrelation(first: first, second: second, joint: joint, total: total)
            #expect(found.npmi == nil && found.smoothedNPMI == nil)
        }
    }
}
