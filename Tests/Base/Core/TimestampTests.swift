import Core
import Foundation
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("2013-01-01T05:00:00Z", 1_357_016_400_000), ("1970-01-01", 0), ("1969-12-31T23:59:59.999Z", -1),
        ("2000-02-29T12:30:00+02:00", 951_820_200_000), ("2024-12-31 23:59", 1_735_689_540_000),
        ("2013-07-01T00:00:00.5Z", 1_372_636_800_500), ("2013-07-01T02:30:00+0230", 1_372_636_800_000),
    ])
    func readsISO8601(text: String, milliseconds: Int64) {
        #expect(Timestamp(iso8601: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2013", "2013-13-01", "2013-02-29", "2013-00-10", "2013-01-01T25:00", "2013-01-01T05",
        "2013-01-01T05:00:00Zx",
        "2013-01-01T05:00:00.Z", "2013-1-01", "20130101T050000", "2013-01-01T05:61:00", "2013-01-01T05:00:00+",
    ])
    func refusesWhatIsNoMoment(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test func writesWhatFoundationReads() throws {
        var generator = SeededGenerator(seed: 42)
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for _ in 0..<2000 {
            let moment = Timestamp(
                milliseconds: Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &generator))
            #expect(Timestamp(iso8601: moment.iso8601) == moment)
            guard moment.milliseconds % 1000 != 0, moment.milliseconds > -10_000_000_000_000 else { continue }
            let date = try #require(formatter.date(from: moment.iso8601))
            #expect((date.timeIntervalSince1970 * 1000).rounded() == Double(moment.milliseconds))
        }
    }
}
