import Core
import Tables
import Testing

@testable import Statistics

// Golden numbers from numpy 2.4: a.mean(), a.std(ddof=1), np.quantile(a, [...]), np.histogram(a, 20)[0] of
// a = frac(np.arange(300) * 0.618033988749895) * 10.
@Test func profileOfNumbersAgreesWithNumpy() throws {
    let values = (0..<300).map { i in
        let x = Double(i) * 0.618033988749895
        return (x - x.rounded(.down)) * 10
    }
    let profile = ColumnProfile(.float64(values))
    #expect(abs(try #require(profile.mean) - 4.994146514426379) < 1e-12)
    #expect(abs(try #require(profile.standardDeviation) - 2.896656843204115) < 1e-12)
    let golden = [
        0.09999747493910932, 0.4942088103433786, 2.4844718999244098, 5.009596893627695, 7.48927034673823,
        9.463465697254474, 9.887948174292598,
    ]
    for (quantile, expected) in zip(profile.quantiles, golden) { #expect(abs(quantile.value - expected) < 1e-12) }
    #expect(
        profile.histogram?.counts == [16, 14, 15, 16, 14, 15, 15, 15, 14, 15, 15, 15, 15, 15, 16, 14, 15, 15, 16, 15])
    #expect(profile.histogram?.edges.count == 21)
    #expect(profile.distinctCount == 300)
    #expect(try JSON.decode(ColumnProfile.self, from: JSON.string(profile)) == profile)
}

@Test func nullsAndNonFiniteValuesAreCountedApart() {
    let column = Column.float64([1, .nan, 3, 0, .infinity, 3], Validity([true, true, true, false, true, true]))
    let profile = ColumnProfile(column)
    #expect(profile.count == 6)
    #expect(profile.nullCount == 1)
    #expect(profile.nonFiniteCount == 2)
    #expect(profile.distinctCount == 2)
    #expect(profile.minimum == 1 && profile.maximum == 3)
    #expect(profile.top == [.init(value: "3", count: 2), .init(value: "1", count: 1)])
}

@Test func stringsAreRankedByCountThenValue() {
    let profile = ColumnProfile(.string(["b", "a", nil, "c", "a", "b"]), top: 2)
    #expect(profile.top == [.init(value: "a", count: 2), .init(value: "b", count: 2)])
    #expect(profile.distinctCount == 3)
    #expect(profile.nullCount == 1)
    #expect(profile.mean == nil && profile.histogram == nil && profile.quantiles.isEmpty)
}

@Test func wholeNumbersBeyondDoublePrecisionStayDistinct() {
    let large: Int64 = 1 << 60
    let profile = ColumnProfile(.int64([large, large + 1, large]))
    #expect(profile.distinctCount == 2)
    #expect(profile.top.first?.value == String(large))
}

@Test func booleansTimestampsConstantsAndEmptyColumnsHaveProfiles() {
    let flags = ColumnProfile(.bool([true, false, true, true]))
    #expect(flags.mean == 0.75)
    #expect(flags.top.first == .init(value: "true", count: 3))
    #expect(ColumnProfile(.timestamp([0, 1000])).top.first?.value == Timestamp(milliseconds: 0).iso8601)
    let constant = ColumnProfile(.int64([7, 7, 7]))
    #expect(constant.histogram == .init(edges: [7, 7], counts: [3]))
    #expect(constant.standardDeviation == 0)
    let empty = ColumnProfile(.float64([]))
    #expect(empty.count == 0 && empty.mean == nil && empty.histogram == nil && empty.top.isEmpty)
    let extreme = ColumnProfile(.float64([-.greatestFiniteMagnitude, .greatestFiniteMagnitude]))
    #expect(extreme.histogram?.edges.allSatisfy(\.isFinite) == true)
}
