import Foundation

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. It is an integer in SQLite and in JSON.
public struct Timestamp: Sendable, Hashable, Comparable, Codable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    public init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

    /// Seconds from `other` to this moment; negative when `other` is later.
    public func seconds(since other: Timestamp) -> Double { Double(milliseconds &- other.milliseconds) / 1000 }

    public func adding(seconds: Double) -> Timestamp {
        Timestamp(milliseconds: milliseconds &+ Int64((seconds * 1000).rounded()))
    }

    /// ISO 8601 in UTC: `2013-01-01T05:00:00Z`, with milliseconds only when they are not zero.
    ///
    /// Written by hand because Foundation's formatters cost microseconds on hot routes.
    public var iso8601: String {
        let day = milliseconds.dividedFloor(by: 86_400_000)
        var rest = milliseconds &- day &* 86_400_000
        let (year, month, dayOfMonth) = Self.civil(fromDays: day)
        let millis = rest % 1000
        rest /= 1000
        var out = Self.pad(year, 4)
        out += "-" + Self.pad(month, 2) + "-" + Self.pad(dayOfMonth, 2)
        out += "T" + Self.pad(rest / 3600, 2) + ":" + Self.pad(rest / 60 % 60, 2) + ":" + Self.pad(rest % 60, 2)
        if millis != 0 { out += "." + Self.pad(millis, 3) }
        return out + "Z"
    }

    /// Reads `2013-01-01`, `2013-01-01 05:00:00`, `2013-01-01T05:00[:00[.123]][Z|±hh[:mm]]`; nil for anything else.
    /// A text without an offset is taken as UTC.
    public init?(iso8601 text: some StringProtocol) {
        var copy = String(text)
        guard let value = copy.withUTF8({ Self.parse($0) }) else { return nil }
        milliseconds = value
    }

    /// The milliseconds named by ISO 8601 bytes; nil when they name no moment. See `init(iso8601:)`.
    public static func parse(_ s: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard s.count >= 10, let year = digits(s, 0, 4), s[4] == 0x2D, let month = digits(s, 5, 2), s[7] == 0x2D,
            let day = digits(s, 8, 2), (1...12).contains(month), day >= 1, day <= daysIn(month, of: year)
        else { return nil }
        var total = days(fromCivil: year, month, day) * 86_400_000
        var at = 10
        if at == s.count { return total }
        guard s[at] == 0x54 || s[at] == 0x20 || s[at] == 0x74, s.count >= at + 6, let hour = digits(s, at + 1, 2),
            s[at + 3] == 0x3A, let minute = digits(s, at + 4, 2), hour < 24, minute < 60
        else { return nil }
        total += (hour * 3600 + minute * 60) * 1000
        at += 6
        if at < s.count, s[at] == 0x3A {
            guard let second = digits(s, at + 1, 2), second < 60 else { return nil }
            total += second * 1000
            at += 3
            if at < s.count, s[at] == 0x2E {
                at += 1
                var scale: Int64 = 100
                let first = at
                while at < s.count, s[at] >= 0x30, s[at] <= 0x39 {
                    total += Int64(s[at] - 0x30) * scale
                    scale /= 10
                    at += 1
                }
                if at == first { return nil }
            }
        }
        if at == s.count { return total }
        if s[at] == 0x5A || s[at] == 0x7A { return at + 1 == s.count ? total : nil }
        guard s[at] == 0x2B || s[at] == 0x2D, let hours = digits(s, at + 1, 2), hours < 24 else { return nil }
        let sign: Int64 = s[at] == 0x2B ? -1 : 1
        at += 3
        var minutes: Int64 = 0
        if at < s.count {
            if s[at] == 0x3A { at += 1 }
            guard let value = digits(s, at, 2), value < 60 else { return nil }
            minutes = value
            at += 2
        }
        return at == s.count ? total + sign * (hours * 60 + minutes) * 60_000 : nil
    }

    private static func digits(_ s: UnsafeBufferPointer<UInt8>, _ start: Int, _ count: Int) -> Int64? {
        guard start + count <= s.count else { return nil }
        var value: Int64 = 0
        for i in start..<start + count {
            guard s[i] >= 0x30, s[i] <= 0x39 else { return nil }
            value = value * 10 + Int64(s[i] - 0x30)
        }
        return value
    }

    private static func daysIn(_ month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // Days and civil dates: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func days(fromCivil y: Int64, _ m: Int64, _ d: Int64) -> Int64 {
        let y = m <= 2 ? y - 1 : y
        let era = y.dividedFloor(by: 400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(fromDays z: Int64) -> (Int64, Int64, Int64) {
        let z = z + 719_468
        let era = z.dividedFloor(by: 146_097)
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let mp = (5 * dayOfYear + 2) / 153
        let month = mp < 10 ? mp + 3 : mp - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * mp + 2) / 5 + 1)
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return text.utf8.count >= width ? text : String(repeating: "0", count: width - text.utf8.count) + text
    }
}

extension Int64 {
    fileprivate func dividedFloor(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
