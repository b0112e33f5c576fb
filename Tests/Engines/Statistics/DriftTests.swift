import Core
import Foundation
import Tables
import Testing

@testable import Statistics

// Golden numbers from scipy 1.17 and numpy 2.4:
//
//   frac = lambda x: x - np.floor(x)
//   i = np.arange(300); a = frac(i * 0.618033988749895) * 10; b = frac(i[:200] * 0.414213562373095) ** 1.3 * 10 + 0.4
//   r = stats.ks_2samp(x, y, method="asymp"); n, m = len(x), len(y)
//   print(r.statistic, stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * r.statistic))
//   edges = np.quantile(a, np.arange(1, 10) / 10)
//   e = np.r_[np.bincount(np.searchsorted(edges, a, side="left"), minlength=10), 0]
//   c = np.r_[np.bincount(np.searchsorted(edges, b, side="left"), minlength=10), 20]
//   p, q = np.maximum(e / e.sum(), 1e-4), np.maximum(c / c.sum(), 1e-4); print(((q - p) * np.log(q / p)).sum())
private func fraction(_ x: Double) -> Double { x - x.rounded(.down) }
private let a = (0..<300).map { fraction(Double($0) * 0.618033988749895) * 10 }
private let b = (0..<200).map { pow(fraction(Double($0) * 0.414213562373095), 1.3) * 10 + 0.4 }

private func close(_ x: Double?, _ y: Double, _ tolerance: Double = 1e-9) -> Bool {
    x.map { abs($0 - y) <= tolerance * max(1, abs(y)) } ?? false
}

@Test func kolmogorovSmirnovAgreesWithScipy() throws {
    let cases: [([Double], [Double], Double, Double)] = [
        (a, b, 0.07, 0.5989533150910253),
        (a, a.prefix(150).map { $0 + 3 }, 0.3033333333333334, 2.0372598665720937e-08),
        (a, b.map { $0.rounded(.toNearestOrEven) }, 0.10999999999999999, 0.10958909236542869),
        (Array(a.prefix(40)), Array(b.prefix(25)), 0.075, 0.9999945154392633),
    ]
    for (x, y, statistic, pValue) in cases {
        let result = try #require(Drift.kolmogorovSmirnov(x.reversed(), y))
        #expect(close(result.statistic, statistic, 1e-12))
        #expect(abs(result.pValue - pValue) < 1e-6 * pValue)
    }
}

@Test func kolmogorovSurvivalAgreesWithScipyOnBothSidesOfTheSwitch() {
    let golden = [
        (0.3, 0.9999906941986655), (0.5, 0.9639452436648751), (0.8, 0.5441424115741981), (0.9, 0.3927307079406543),
        (1.36, 0.049485876755377876), (2.0, 0.0006709252557796953),
    ]
    for (x, q) in golden { #expect(close(Drift.kolmogorovSurvival(x), q, 1e-12)) }
    #expect(abs(Drift.kolmogorovSurvival(0.8199999) - Drift.kolmogorovSurvival(0.8200001)) < 1e-6)
}

@Test func stabilityIndexOverDecilesAgreesWithNumpy() throws {
    let baseline = FeatureBaseline(name: "x", column: .float64(a))
    let current = Column.float64(b + [Double](repeating: 0, count: 20), Validity((0..<220).map { $0 < 200 }))
    let drift = try baseline.drift(current)
    #expect(close(drift.psi, 0.6488172829828963))
    #expect(close(drift.ks, 0.07, 1e-12))
    #expect(close(drift.ksPValue, 0.5989533150910253, 1e-6))
    #expect(drift.currentNullShare == 20.0 / 220)
    #expect(drift.bins.count == 11)
    #expect(close(drift.bins.reduce(0) { $0 + $1.actual }, 1))
}

@Test func sampleAgainstItselfHasNotDrifted() throws {
    let column = Column.float64(a)
    let drift = try FeatureBaseline(name: "x", column: column).drift(column)
    #expect(drift.psi == 0)
    #expect(drift.ks == 0)
    #expect(drift.ksPValue == 1)
}

@Test func longColumnsAreThinnedWithoutMovingTheStatisticMuch() throws {
    let long = (0..<50_000).map { fraction(Double($0) * 0.618033988749895) * 10 }
    let baseline = FeatureBaseline(name: "x", column: .float64(long))
    #expect(baseline.sample.count == FeatureBaseline.maximumSample)
    let exact = try #require(Drift.kolmogorovSmirnov(long, b))
    let drift = try baseline.drift(.float64(b))
    #expect(abs(try #require(drift.ks) - exact.statistic) < 1.0 / 2000)
}

@Test func categoriesNullsAndUnseenValuesHaveBins() throws {
    let baseline = FeatureBaseline(name: "c", column: .string(["a", "a", "b", nil, "a", "b", "c", "a"]))
    let drift = try baseline.drift(.string(["a", "new", nil, "b"]))
    #expect(drift.bins.map(\.label) == ["a", "b", "c", "other", "missing"])
    #expect(drift.bins.map(\.expected) == [0.5, 0.25, 0.125, 0, 0.125])
    #expect(drift.bins.map(\.actual) == [0.25, 0.25, 0, 0.25, 0.25])
    #expect(drift.ks == nil)
    // Σ (a - e) ln(a / e) by hand, empty shares floored at 1e-4.
    let expected =
        -0.25 * log(0.5) + (1e-4 - 0.125) * log(1e-4 / 0.125) + (0.25 - 1e-4) * log(0.25 / 1e-4) + 0.125 * log(2.0)
    #expect(close(drift.psi, expected, 1e-12))
}

@Test func loggedValuesGiveTheSameDriftAsAColumn() throws {
    let numeric = FeatureBaseline(name: "n", column: .int64([1, 2, 3, 4, 5, 6]))
    let logged = try numeric.drift(values: [2, 2.5, .null, 9, "NaN"])
    let column = try numeric.drift(.float64([2, 2.5, 0, 9, .nan], Validity([true, true, false, true, true])))
    #expect(logged == column)
    let flag = FeatureBaseline(name: "f", column: .bool([true, false, true]))
    #expect(try flag.drift(values: [true, .null]) == flag.drift(.bool([true, false], Validity([true, false]))))
    #expect(throws: NestboxError.self) { try numeric.drift(values: ["many"]) }
    #expect(throws: NestboxError.self) { try flag.drift(values: [1]) }
}

@Test func wrongTypeIsRefusedAndEmptySidesGiveNoNumber() throws {
    let baseline = FeatureBaseline(name: "x", column: .float64(a))
    let error = #expect(throws: NestboxError.self) { try baseline.drift(.string(["1"])) }
    #expect(error?.message.contains("`x`") == true)
    let none = try baseline.drift(.float64([]))
    #expect(none.psi == nil && none.ks == nil)
    let nulls = try baseline.drift(.string([nil, nil]))
    #expect(nulls.currentNullShare == 1 && nulls.ks == nil && nulls.psi != nil)
    #expect(try FeatureBaseline(name: "e", column: .float64([])).drift(.float64([1])).psi == nil)
}

@Test func baselineSurvivesJSONAndRefusesPartsThatDoNotFit() throws {
    let table = try Table([
        ("x", .float64(a)), ("s", .string(a.map { $0 > 5 ? "high" : nil })),
        ("t", .timestamp(a.map { Int64($0 * 1e9) })),
        ("b", .bool(a.map { $0 > 7 })),
    ])
    let baseline = try Baseline(table, features: ["x", "s", "t", "b"])
    let text = try JSON.string(baseline)
    #expect(try JSON.decode(Baseline.self, from: text) == baseline)
    #expect(baseline["s"]?.nullCount == a.filter { $0 <= 5 }.count)
    let broken = text.replacingOccurrences(of: "\"nullCount\":0", with: "\"nullCount\":7")
    #expect(throws: NestboxError.self) { try JSON.decode(Baseline.self, from: broken) }
    #expect(throws: NestboxError.self) { try Baseline(table, features: ["y"]) }
}

@Test(arguments: [
    Column.float64(Array(repeating: 5, count: 400)), .int64(Array(repeating: 0, count: 400)),
    .timestamp(Array(repeating: 1_370_000_000_000, count: 400)), .float64(Array(repeating: 0, count: 400)),
])
func aConstantThatMovesHasDrifted(column: Column) throws {
    let baseline = FeatureBaseline(name: "x", column: column)
    let values = try #require(column.doubles)
    let same = try baseline.drift(column)
    #expect(same.psi == 0 && same.bins.count == 2 && same.bins[0].expected == 1)
    for shift in [1.0, -1.0] {
        let moved = try baseline.drift(.int64(values.map { Int64($0 + shift) }))
        #expect(try #require(moved.psi) > 10)
        #expect(moved.bins.map(\.expected) == (shift > 0 ? [1, 0, 0] : [0, 1, 0]))
    }
    // One row in twenty is enough for an alert.
    let few = try baseline.drift(
        .int64(values.indices.map { Int64(values[$0]) + ($0 % 20 == 0 ? 7 : 0) }))
    #expect(try #require(few.psi) > 0.25)
    #expect(try JSON.decode(FeatureBaseline.self, from: JSON.string(baseline)) == baseline)
}

@Test func aNearlyConstantColumnThatMovesHasDrifted() throws {
    // 95 of 100 rows hold the largest value there is.
    let column = Column.float64((0..<1000).map { $0 % 20 == 0 ? Double($0 % 7) / 10 : 10 })
    let baseline = FeatureBaseline(name: "visibility", column: column)
    #expect(try baseline.drift(column).psi == 0)
    for other in [9.5, 10.5, 0.2] {
        let half = try baseline.drift(.float64((0..<1000).map { $0 % 2 == 0 ? other : 10 }))
        #expect(try #require(half.psi) > 0.25, "\(other)")
    }
    #expect(baseline.bins.map(\.label) == ["< 10", "10", "missing"])
    let flags = FeatureBaseline(name: "flag", column: .int64((0..<1000).map { $0 % 2 }))
    #expect(flags.bins.map(\.label) == ["0", "1", "missing"])
    #expect(try flags.drift(.int64([0, 1, 2, -1])).bins.map(\.label) == ["< 0", "0", "1", "> 1", "missing"])
}

@Test(arguments: [
    (Column.string(Array(repeating: "a", count: 300)), Column.string(Array(repeating: "b", count: 300))),
    (.bool(Array(repeating: true, count: 300)), .bool(Array(repeating: false, count: 300))),
    (.string(Array(repeating: nil, count: 300)), .string(Array(repeating: "now known", count: 300))),
    (
        .float64(Array(repeating: 0, count: 300), Validity(Array(repeating: false, count: 300))),
        .float64(Array(repeating: 3, count: 300))
    ),
])
func aConstantCategoryOrAMissingColumnThatChangesHasDrifted(before: Column, after: Column) throws {
    let baseline = FeatureBaseline(name: "c", column: before)
    #expect(try baseline.drift(before).psi == 0)
    #expect(try #require(try baseline.drift(after).psi) > 10)
}

@Test func quantilesOfEqualValuesAreThatValue() {
    // 0.1 * 0.7 + 0.1 * 0.3 is not 0.1, and a bound beside the value would see it move on one side only.
    let baseline = FeatureBaseline(name: "x", column: .float64(Array(repeating: 0.1, count: 997)))
    #expect(baseline.edges == [(0.1).nextDown, 0.1])
}
