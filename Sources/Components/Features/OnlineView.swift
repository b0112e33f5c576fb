import Contracts
import Core
import Tables

/// The newest known row of one entity.
struct OnlineRow: Sendable, Hashable {
    /// In the order of `OnlineView.features`.
    var values: [JSONValue]
    var eventTime: Timestamp?
}

/// One feature view as predictions see it.
struct OnlineView: Sendable {
    var result: MaterializationResult
    var features: [String]
    /// By `EntityKey.text`.
    var rows: [String: OnlineRow]

    /// The newest row of every entity of `source`, at or before `until`. Blocks.
    init(_ source: JoinSource, until: Timestamp?) throws {
        let keys = try source.joinKeys.map { try source.table.column(source.view.column(ofKey: $0)) }
        let columns = try source.features.map { try source.table.column($0) }
        let times = try source.view.eventTime.flatMap { try source.table.column($0).times }
        let newest = try source.index().newest(until: until?.milliseconds)
        features = source.features
        rows = Dictionary(minimumCapacity: newest.count)
        var upTo: Int64?
        for row in newest.map({ Int($0) }) {
            let atoms = keys.compactMap { KeyAtom($0[row]) }
            let time = times?.values[row]
            rows[EntityKey.text(atoms)] = OnlineRow(
                values: columns.map { Self.stored($0[row]) }, eventTime: time.map { Timestamp(milliseconds: $0) })
            if let time { upTo = max(upTo ?? time, time) }
        }
        result = MaterializationResult(
            view: source.view.name, entityCount: rows.count, datasetVersion: source.version.version,
            upTo: upTo.map { Timestamp(milliseconds: $0) })
    }

    /// The value as it will read back from SQLite, so that an answer is the same before and after a restart.
    private static func stored(_ cell: Cell) -> JSONValue {
        guard case .float64(let value) = cell else { return cell.json }
        guard value.isFinite else { return .string(cell.text ?? "NaN") }
        return Int64(exactly: value).map { .int($0) } ?? .number(value)
    }

    init(result: MaterializationResult, features: [String], rows: [String: OnlineRow]) {
        self.result = result
        self.features = features
        self.rows = rows
    }
}

enum EntityKey {
    /// One text for an entity: its key, or its keys joined by unit separators. Equal exactly when the keys are.
    static func text(_ atoms: [KeyAtom]) -> String {
        guard atoms.count != 1 else { return atoms[0].text }
        return atoms.map { atom in
            atom.text.replacing("\\", with: "\\\\").replacing("\u{1F}", with: "\\u")
        }.joined(separator: "\u{1F}")
    }
}

/// Reads back the JSON arrays of single values that the online store writes. The general decoder takes some ten
/// microseconds a value, and a start reads them all.
enum StoredValues {
    static func decode(_ text: String) throws -> [JSONValue] {
        var copy = text
        if let values = copy.withUTF8({ plain($0) }) { return values }
        return try JSON.decode([JSONValue].self, from: text, what: "a stored feature row")
    }

    /// Nil when there is something that only the general decoder reads: escapes, nested values, damage.
    private static func plain(_ s: UnsafeBufferPointer<UInt8>) -> [JSONValue]? {
        guard s.count >= 2, s[0] == UInt8(ascii: "["), s[s.count - 1] == UInt8(ascii: "]") else { return nil }
        if s.count == 2 { return [] }
        var values: [JSONValue] = []
        var at = 1
        while at < s.count {
            let start = at
            if s[at] == UInt8(ascii: "\"") {
                at += 1
                while at < s.count, s[at] != UInt8(ascii: "\"") {
                    if s[at] == UInt8(ascii: "\\") { return nil }
                    at += 1
                }
                guard at + 1 < s.count else { return nil }
                values.append(.string(String(decoding: s[start + 1..<at], as: UTF8.self)))
                at += 1
            } else {
                while at < s.count - 1, s[at] != UInt8(ascii: ",") { at += 1 }
                guard let value = token(String(decoding: s[start..<at], as: UTF8.self)) else { return nil }
                values.append(value)
            }
            guard s[at] == UInt8(ascii: ",") || at == s.count - 1 else { return nil }
            at += 1
        }
        return values
    }

    private static func token(_ text: String) -> JSONValue? {
        switch text {
        case "null": .null
        case "true": .bool(true)
        case "false": .bool(false)
        default: Int64(text).map { .int($0) } ?? Double(text).map { .number($0) }
        }
    }
}
