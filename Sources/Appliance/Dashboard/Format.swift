import Core
import Foundation

/// Values as people read them.
package enum Format {
    /// Up to `digits` significant digits, without trailing zeros: 0.7312, 12,480, 3.1e-9.
    package static func number(_ value: Double, digits: Int = 4) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "−∞" : "∞" }
        if value == 0 { return "0" }
        let size = abs(value)
        if size >= 1e15 || size < 1e-4 { return scientific(value, digits: digits) }
        let decimals = max(0, digits - 1 - Int(log10(size).rounded(.down)))
        if decimals == 0 { return grouped(value) }
        var text = fixed(size, decimals)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        if size >= 10_000, let dot = text.firstIndex(of: ".") { text = grouped(size.rounded(.down)) + text[dot...] }
        return value < 0 ? "−" + text : text
    }

    /// Numbers with as many digits, four at least, as tell them apart: the ticks of an axis.
    package static func apart(_ values: [Double]) -> [String] {
        let different = Set(values).count
        for digits in 4...15 {
            let texts = values.map { number($0, digits: digits) }
            if digits == 15 || Set(texts).count == different { return texts }
        }
        return []
    }

    package static func number(_ value: Double?, digits: Int = 4) -> String {
        value.map { number($0, digits: digits) } ?? "–"
    }

    /// 12480 → 12,480
    package static func count(_ value: Int) -> String { group(String(value.magnitude), negative: value < 0) }
    static func count(_ value: Int64) -> String { group(String(value.magnitude), negative: value < 0) }

    /// `1 run`, `3 runs`
    static func counted(_ value: Int, _ singular: String, _ plural: String? = nil) -> String {
        "\(count(value)) \(value == 1 ? singular : plural ?? singular + "s")"
    }

    package static func percent(_ share: Double) -> String {
        guard share.isFinite else { return "–" }
        let value = share * 100
        if value == 0 { return "0 %" }
        if abs(value) < 0.1 { return value < 0 ? "> −0.1 %" : "< 0.1 %" }
        return "\(number(value, digits: abs(value) >= 100 ? 4 : abs(value) >= 10 ? 3 : 2)) %"
    }

    package static func bytes(_ count: Int64) -> String {
        var value = Double(count)
        for unit in ["B", "KB", "MB", "GB"] {
            if value < 1000 { return unit == "B" ? "\(count) B" : "\(number(value, digits: 3)) \(unit)" }
            value /= 1000
        }
        return "\(number(value, digits: 3)) TB"
    }

    /// Seconds: `840 ms`, `12.3 s`, `4 min 05 s`, `2 h 13 min`.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "–" }
        let seconds = max(0, seconds)
        if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 60 { return "\(number(seconds, digits: 3)) s" }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return "\(whole / 60) min \(padded(whole % 60)) s" }
        if whole < 172_800 { return "\(whole / 3600) h \(padded(whole / 60 % 60)) min" }
        return "\(whole / 86_400) d \(whole / 3600 % 24) h"
    }

    /// Milliseconds.
    package static func latency(_ milliseconds: Double?) -> String {
        guard let milliseconds, milliseconds.isFinite else { return "–" }
        return milliseconds < 0.1
            ? "\(number(milliseconds * 1000, digits: 2)) µs" : "\(number(milliseconds, digits: 3)) ms"
    }

    package static func ago(_ moment: Timestamp, now: Timestamp) -> String {
        let age = now.seconds(since: moment)
        if age < -5 { return date(moment) }
        if age < 5 { return "just now" }
        if age < 60 { return "\(Int(age)) s ago" }
        if age < 3600 { return "\(Int(age / 60)) min ago" }
        if age < 86_400 { return "\(Int(age / 3600)) h ago" }
        let days = age / 86_400
        if days < 2 { return "yesterday" }
        return days < 60 ? "\(Int(days)) days ago" : date(moment)
    }

    /// Clients choose some times freely; what no calendar holds is shown as the nearest that one does (±270,000 years).
    static func iso(_ moment: Timestamp) -> String {
        Timestamp(milliseconds: min(max(moment.milliseconds, -8_640_000_000_000_000), 8_640_000_000_000_000)).iso8601
    }

    /// `2013-06-01 05:00 UTC`
    static func date(_ moment: Timestamp) -> String {
        let text = iso(moment)
        return text.count >= 16 ? "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC" : text
    }

    /// `local`, `job 01a20d6b…`
    static func actor(_ actor: String) -> String {
        actor.hasPrefix("job/") ? "job \(short(String(actor.dropFirst(4)), 9))" : actor
    }

    /// At most `limit` characters, with an ellipsis for the rest.
    package static func short(_ text: String, _ limit: Int) -> String {
        text.count <= limit ? text : text.prefix(max(1, limit - 1)) + "…"
    }

    /// A JSON value in one line.
    static func json(_ value: JSONValue) -> String {
        switch value {
        case .null: return "missing"
        case .bool(let flag): return flag ? "true" : "false"
        case .int(let number): return String(number)
        case .number(let number): return Format.number(number, digits: 6)
        case .string(let text): return text
        case .array, .object: return (try? JSON.string(value)) ?? "…"
        }
    }

    /// `/models/flights%20late/3` from its parts.
    package static func link(_ parts: String...) -> String { "/" + parts.map(encoded).joined(separator: "/") }

    /// One part of a path or query, percent-encoded down to RFC 3986's unreserved characters.
    package static func encoded(_ part: String) -> String {
        part.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
    }

    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

    // Written by hand: Foundation's formatters cost microseconds each, and a run table has thousands of cells.
    static func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

    private static func grouped(_ value: Double) -> String {
        let digits = fixed(abs(value), 0)
        // Four digits are read at a glance, and may be a year.
        return digits.count < 5 ? (value < 0 ? "−" : "") + digits : group(digits, negative: value < 0)
    }

    private static func group(_ digits: String, negative: Bool) -> String {
        var out = "", left = digits.count
        for digit in digits {
            out.append(digit)
            left -= 1
            if left > 0, left % 3 == 0 { out.append(",") }
        }
        return negative ? "−" + out : out
    }

    private static func scientific(_ value: Double, digits: Int) -> String {
        String(format: "%.\(max(0, digits - 2))e", value).replacingOccurrences(of: "-", with: "−")
            .replacingOccurrences(of: "e+0", with: "e").replacingOccurrences(of: "e−0", with: "e−")
            .replacingOccurrences(of: "e+", with: "e")
    }

    private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
