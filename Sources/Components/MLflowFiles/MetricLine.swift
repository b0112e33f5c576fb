import Contracts
import Core
import Foundation

/// A line of a metric's file in MLflow's file store: `timestamp value [step [dataset digest]]` of a run,
/// `timestamp value step run [dataset digest]` of a logged model. Source: mlflow/store/tracking/file_store.py (3.17).
struct MetricLine: Equatable {
    var timestamp: Timestamp
    var value: Double
    var step: Int64
    /// What follows the step.
    var rest: [Substring]
    private let words: Int

    static func == (a: MetricLine, b: MetricLine) -> Bool {
        a.timestamp == b.timestamp && (a.value == b.value || (a.value.isNaN && b.value.isNaN)) && a.step == b.step
            && a.rest == b.rest
    }

    /// Nil when it is no such line.
    init?(_ line: String) {
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count >= 2, let time = Int64(parts[0]), let value = Self.number(parts[1]) else { return nil }
        timestamp = Timestamp(milliseconds: time)
        self.value = value
        step = 0
        if parts.count > 2 {
            guard let whole = Int64(parts[2]) else { return nil }
            step = whole
        }
        rest = Array(parts.dropFirst(3))
        words = parts.count
    }

    /// As Python prints one. Swift would also take hexadecimal numbers.
    private static func number(_ text: Substring) -> Double? {
        switch text {
        case "nan": return .nan
        case "inf": return .infinity
        case "-inf": return -.infinity
        default:
            guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), text.last?.isNumber == true,
                let value = Double(text), value.isFinite
            else { return nil }
            return value
        }
    }

    /// The name of a dataset may hold spaces; its digest, the last word, does not.
    func dataset(from index: Int) -> (name: String, digest: String)? {
        guard rest.count >= index + 2 else { return nil }
        return (rest[index..<(rest.count - 1)].joined(separator: " "), String(rest[rest.count - 1]))
    }

    private static let mostNamed = 10

    /// The lines of a file, and those that are none, of which the first ten are named.
    static func lines(_ data: Data, path: String) -> (lines: [MetricLine], unreadable: [NestboxError]) {
        var lines: [MetricLine] = [], errors: [NestboxError] = [], more = 0
        data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            var start = 0, number = 1, words = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
                let last = end > start && bytes[end - 1] == 0x0D ? end - 1 : end
                let text = String(decoding: bytes[start..<last], as: UTF8.self)
                let line = MetricLine(text)
                // Every line ends; one that does not was cut off, which only a missing word tells.
                let isCut = end == bytes.count && words > 0 && line?.words != words
                if let line, !isCut {
                    lines.append(line)
                    words = line.words
                } else if errors.count < mostNamed {
                    errors.append(
                        unreadable(
                            "`\(path)`, line \(number): `\(text.prefix(80))` is no measurement",
                            hint: "expected `timestamp value step`"))
                } else {
                    more += 1
                }
                start = end + 1
                number += 1
            }
        }
        if data.isEmpty { errors.append(unreadable("`\(path)` is empty")) }
        if more > 0 { errors.append(unreadable("`\(path)`: \(more) more lines are no measurements")) }
        return (lines, errors)
    }
}
