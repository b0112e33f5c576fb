import Contracts
import Core
import Tables

/// Answers, for a key and a time, with the newest row of a feature view that was known then.
///
/// Rows are grouped by key and sorted by event time inside a group, ties in file order, so that an answer is one binary
/// search. A row with a null key or a null event time is never known.
struct PointInTimeIndex: Sendable {
    private let keys: KeyDictionary
    /// The rows of key k are `rows[starts[k] ..< starts[k + 1]]`.
    private let starts: [Int]
    private let rows: [Int32]
    /// Event times in the order of `rows`; nil for a view without event times.
    private let times: [Int64]?
    private let ttl: TimeToLive

    /// - Parameters:
    ///   - keys: the view's key columns, at least one.
    ///   - times: its event times, in milliseconds; nil when the last row of a key is the one that counts.
    ///   - ttlSeconds: the age beyond which a row no longer counts.
    init(keys: [Column], times: (values: [Int64], validity: Validity)?, ttlSeconds: Double?) {
        let keys = KeyDictionary(keys)
        var order: [Int32] = []
        order.reserveCapacity(keys.codes.count)
        for row in keys.codes.indices where keys.codes[row] >= 0 && times?.validity[row] != false {
            order.append(Int32(row))
        }
        if let values = times?.values {
            let isSorted = zip(order, order.dropFirst()).allSatisfy { values[Int($0)] <= values[Int($1)] }
            if !isSorted {
                order.sort { a, b in
                    let (x, y) = (values[Int(a)], values[Int(b)])
                    return x != y ? x < y : a < b
                }
            }
        }
        // Counting sort by key: stable, so each group stays in order of time.
        var starts = [Int](repeating: 0, count: keys.count + 1)
        for row in order { starts[Int(keys.codes[Int(row)]) + 1] += 1 }
        for key in 0..<keys.count { starts[key + 1] += starts[key] }
        var next = starts
        var rows = [Int32](repeating: 0, count: order.count)
        for row in order {
            let key = Int(keys.codes[Int(row)])
            rows[next[key]] = row
            next[key] += 1
        }
        self.keys = keys
        self.starts = starts
        self.rows = rows
        self.times = times.map { times in rows.map { times.values[Int($0)] } }
        ttl = TimeToLive(seconds: ttlSeconds)
    }

    /// The row of the view for each row of `range` of a spine, -1 where none was known.
    ///
    /// - Parameters:
    ///   - spineKeys: columns of the same meaning and order as the view's keys.
    ///   - spineTimes: needed when the view has event times; a null time knows nothing.
    func matches(
        _ spineKeys: [Column], times spineTimes: (values: [Int64], validity: Validity)?, rows range: Range<Int>
    ) -> [Int32] {
        let codes = keys.codes(spineKeys, rows: range)
        guard let times else {
            return codes.map { code in
                guard code >= 0 else { return -1 }
                let end = starts[Int(code) + 1]
                return end > starts[Int(code)] ? rows[end - 1] : -1
            }
        }
        guard let spineTimes else { return [Int32](repeating: -1, count: range.count) }
        return zip(range, codes).map { row, code in
            guard code >= 0, spineTimes.validity[row] else { return -1 }
            let time = spineTimes.values[row]
            // The first position whose time is after `time`.
            var low = starts[Int(code)], high = starts[Int(code) + 1]
            let first = low
            while low < high {
                let middle = (low + high) / 2
                if times[middle] <= time { low = middle + 1 } else { high = middle }
            }
            guard low > first, ttl.covers(eventTime: times[low - 1], at: time) else { return -1 }
            return rows[low - 1]
        }
    }

    /// The newest row of every key at or before `until` (milliseconds), in order of the keys' first appearance.
    func newest(until: Int64?) -> [Int32] {
        (0..<keys.count).compactMap { key in
            var end = starts[key + 1]
            if let times, let until { while end > starts[key], times[end - 1] > until { end -= 1 } }
            return end > starts[key] ? rows[end - 1] : nil
        }
    }
}
