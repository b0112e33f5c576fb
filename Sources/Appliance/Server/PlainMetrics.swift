import Contracts
import Core
import Foundation

/// The points of a `log-metric` or `log-batch` body that holds nothing else, read in one pass without the values in between: a batch of
/// a hundred is otherwise half of what logging it costs.
///
/// Nil for whatever is not plain (other fields, escapes, numbers as text, anything wrong): `MLflowRequest` reads that and finds the
/// words. What is read here is what it would have read.
package struct PlainMetrics: Equatable {
    package var run: String
    package var points: [MetricPoint]

    package init(run: String, points: [MetricPoint]) {
        self.run = run
        self.points = points
    }

    private static let mostPoints = 1000

    /// `{"run_id", "metrics": [{"key", "value", "timestamp", "step"}], "params": [], "tags": []}`
    package static func batch(_ body: some Collection<UInt8>) -> PlainMetrics? {
        read(body) { reader in
            var run: String?
            var points: [MetricPoint]?
            let isRead = reader.object { reader, field in
                if field.isEqual("run_id") {
                    run = reader.text()
                    return run != nil
                }
                if field.isEqual("metrics") {
                    points = reader.metrics(most: mostPoints)
                    return points != nil
                }
                return (field.isEqual("params") || field.isEqual("tags")) && reader.take("[") && reader.take("]")
            }
            guard isRead, let run, !run.isEmpty, let points, !points.isEmpty else { return nil }
            return PlainMetrics(run: run, points: points)
        }
    }

    /// `{"run_id", "run_uuid", "key", "value", "timestamp", "step"}`; the two names of the run must agree.
    package static func single(_ body: some Collection<UInt8>) -> PlainMetrics? {
        read(body) { reader in
            var run: String?
            var metric = Metric()
            let isRead = reader.object { reader, field in
                guard field.isEqual("run_id") || field.isEqual("run_uuid") else { return metric.read(field, &reader) }
                guard let text = reader.text(), run == nil || run == text else { return false }
                run = text
                return true
            }
            guard isRead, let run, !run.isEmpty, let point = metric.point else { return nil }
            return PlainMetrics(run: run, points: [point])
        }
    }

    private static func read(_ body: some Collection<UInt8>, _ read: (inout Reader) -> PlainMetrics?) -> PlainMetrics? {
        body.withContiguousStorageIfAvailable { bytes in
            var reader = Reader(bytes)
            guard let found = read(&reader), reader.isAtEnd() else { return nil }
            return found
        } ?? nil
    }

    fileprivate struct Metric {
        var key: String?
        var value: Double?
        var timestamp: Int64?
        var step: Int64?

        mutating func read(_ field: UnsafeBufferPointer<UInt8>, _ reader: inout Reader) -> Bool {
            if field.isEqual("key") {
                key = reader.text()
                return key != nil
            }
            if field.isEqual("value") {
                value = reader.number()
                return value != nil
            }
            if field.isEqual("timestamp") {
                timestamp = reader.whole()
                return timestamp != nil
            }
            guard field.isEqual("step") else { return false }
            step = reader.whole()
            return step != nil
        }

        var point: MetricPoint? {
            guard let key, !key.isEmpty, let value, let timestamp, timestamp >= 0 else { return nil }
            return MetricPoint(key: key, value: value, timestamp: Timestamp(milliseconds: timestamp), step: step ?? 0)
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    fileprivate func isEqual(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && memcmp(baseAddress!, text.utf8Start, count) == 0
    }
}

/// A cursor over JSON of a known shape. Each method skips blanks first, and answers nil or false at anything else than it was asked for.
private struct Reader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private mutating func next() -> UInt8? {
        while at < bytes.count {
            let byte = bytes[at]
            if byte > 0x20 || (byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09) { return byte }
            at += 1
        }
        return nil
    }

    mutating func isAtEnd() -> Bool { next() == nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next() == UInt8(ascii: scalar) else { return false }
        at += 1
        return true
    }

    /// `field` reads the value behind each name.
    mutating func object(_ field: (inout Reader, UnsafeBufferPointer<UInt8>) -> Bool) -> Bool {
        guard take("{") else { return false }
        repeat {
            guard let name = string(), !name.isEmpty, take(":"), field(&self, name) else { return false }
        } while take(",")
        return take("}")
    }

    mutating func metrics(most: Int) -> [MetricPoint]? {
        guard take("[") else { return nil }
        var points: [MetricPoint] = []
        points.reserveCapacity(min(most, (bytes.count - at) / 60))
        repeat {
            var metric = PlainMetrics.Metric()
            guard object({ metric.read($1, &$0) }), let point = metric.point, points.count < most else { return nil }
            points.append(point)
        } while take(",")
        return take("]") ? points : nil
    }

    /// Between the quotes; none with an escape.
    private mutating func string() -> UnsafeBufferPointer<UInt8>? {
        guard take("\"") else { return nil }
        let start = at
        while at < bytes.count, bytes[at] >= 0x20, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\") {
            at += 1
        }
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return nil }
        defer { at += 1 }
        return UnsafeBufferPointer(rebasing: bytes[start..<at])
    }

    mutating func text() -> String? { string().flatMap { String(validating: $0, as: UTF8.self) } }

    private mutating func digits() -> Int {
        let start = at
        while at < bytes.count, bytes[at] &- 0x30 < 10 { at += 1 }
        return at - start
    }

    private func peek(_ scalar: Unicode.Scalar) -> Bool { at < bytes.count && bytes[at] == UInt8(ascii: scalar) }

    /// At most 18 digits.
    mutating func whole() -> Int64? {
        guard let first = next() else { return nil }
        let isNegative = first == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let start = at, count = digits()
        guard count > 0, count <= 18, count == 1 || bytes[start] != 0x30, !peek("."), !peek("e"), !peek("E") else {
            return nil
        }
        let value = bytes[start..<at].reduce(Int64(0)) { $0 * 10 + Int64($1 &- 0x30) }
        return isNegative ? -value : value
    }

    private static let powers: [Double] = (0...22).map { pow(10, Double($0)) }

    /// Finite ones.
    mutating func number() -> Double? {
        guard let first = next() else { return nil }
        let start = at
        let isNegative = first == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let whole = at, wholeDigits = digits()
        guard wholeDigits > 0, wholeDigits == 1 || bytes[whole] != 0x30 else { return nil }
        var mantissa = UInt64(0), fraction = 0
        if wholeDigits <= 18 { for byte in bytes[whole..<at] { mantissa = mantissa * 10 + UInt64(byte &- 0x30) } }
        if peek(".") {
            at += 1
            fraction = digits()
            guard fraction > 0 else { return nil }
            if wholeDigits + fraction <= 18 {
                for byte in bytes[at - fraction..<at] { mantissa = mantissa * 10 + UInt64(byte &- 0x30) }
            }
        }
        let hasExponent = peek("e") || peek("E")
        if hasExponent {
            at += 1
            if peek("-") || peek("+") { at += 1 }
            guard digits() > 0 else { return nil }
        }
        // Both are exact then, and one division rounds once.
        if !hasExponent, wholeDigits + fraction <= 18, mantissa < 1 << 53, fraction <= 22 {
            let value = Double(mantissa) / Self.powers[fraction]
            return isNegative ? -value : value
        }
        // A body does not end with a number, so that `strtod` stops within it.
        guard at < bytes.count else { return nil }
        let value = UnsafeRawPointer(bytes.baseAddress! + start).withMemoryRebound(to: CChar.self, capacity: at - start)
        { strtod($0, nil) }
        return value.isFinite ? value : nil
    }
}
