import Contracts
import Core
@testable import Features
import Foundation
import Tables
import TestSupport
import Testing

/// One random world: a spine, and a view whose rows carry their own line number as the feature.
private struct RandomJoin {
    struct Row {
        var keys: [Cell]
        var time: Int64?
    }

    var generator: SeededGenerator
    let keyTypes: [ColumnType]
    let ttl: Int64?
    let isTimed: Bool
    var viewRows: [Row] = []
    var spineRows: [Row] = []

    init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let types: [ColumnType] = [.string, .int64, .float64, .bool]
        keyTypes = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
            types.randomElement(using: &generator) ?? .string
        }
        isTimed = Int.random(in: 0..<5, using: &generator) > 0
        ttl = isTimed && Bool.random(using: &generator) ? Int64.random(in: 0...20, using: &generator) * 1000 : nil
        let isSorted = Bool.random(using: &generator)
        let counts = (0..<2).map { _ in Int.random(in: 0...120, using: &generator) }
        self.generator = generator
        for _ in 0..<counts[0] { viewRows.append(row(nulls: 15)) }
        if isSorted { viewRows.sort { ($0.time ?? 0) < ($1.time ?? 0) } }
        for _ in 0..<counts[1] { spineRows.append(row(nulls: 10)) }
    }

    /// Few keys and few times, so that ties, hits and misses are all common; one in `nulls` is null.
    private mutating func row(nulls: Int) -> Row {
        let keys = keyTypes.map { type -> Cell in
            if Int.random(in: 0..<nulls, using: &generator) == 0 { return .null }
            let value = Int64.random(in: 0..<4, using: &generator)
            switch type {
            case .string: return .string(value == 3 ? "three" : "\(value)")
            case .float64: return .float64(Double(value) - (value == 3 ? 0.5 : 0))
            case .bool: return .bool(value % 2 == 0)
            default: return .int64(value)
            }
        }
        let time =
            Int.random(in: 0..<nulls, using: &generator) == 0
            ? nil : Int64.random(in: -30...30, using: &generator) * 1000
        return Row(keys: keys, time: time)
    }

    /// The line of the view that a reader with a pencil would choose for a spine row.
    func expected(_ spine: Row) -> Int? {
        var best: Int?
        for (line, candidate) in viewRows.enumerated() {
            guard !candidate.keys.contains(.null), candidate.keys == spine.keys else { continue }
            guard isTimed else {
                best = line
                continue
            }
            guard let time = candidate.time, let now = spine.time, time <= now else { continue }
            if let ttl, now - time > ttl { continue }
            if let known = best, let bestTime = viewRows[known].time, bestTime > time { continue }
            best = line
        }
        return best
    }

    static func table(_ rows: [Row], _ types: [ColumnType], extra: (String, Column)) throws -> Table {
        var columns: [(String, Column)] = []
        for (index, type) in types.enumerated() {
            let column: Column
            let cells = rows.map { $0.keys[index] }
            let valid = Validity(cells.map { $0 != .null })
            switch type {
            case .string: column = .string(cells.map { $0.text })
            case .float64: column = .float64(cells.map { if case .float64(let v) = $0 { v } else { 0 } }, valid)
            case .bool: column = .bool(cells.map { $0 == .bool(true) }, valid)
            default: column = .int64(cells.map { if case .int64(let v) = $0 { v } else { 0 } }, valid)
            }
            columns.append(("k\(index)", column))
        }
        columns.append(("at", .timestamp(rows.map { $0.time ?? 0 }, Validity(rows.map { $0.time != nil }))))
        columns.append(extra)
        return try Table(columns)
    }
}

@Test(arguments: 1...150 as ClosedRange<UInt64>)
func theJoinAgreesWithAReaderWithAPencil(seed: UInt64) throws {
    let world = RandomJoin(seed: seed)
    let lines = Column.int64(world.viewRows.indices.map { Int64($0) })
    let viewTable = try RandomJoin.table(world.viewRows, world.keyTypes, extra: ("line", lines))
    let spine = try RandomJoin.table(
        world.spineRows, world.keyTypes, extra: ("number", .int64(world.spineRows.indices.map { Int64($0) })))
    let keys = world.keyTypes.indices.map { "k\($0)" }
    let view = FeatureView(
        name: "v", entities: keys, dataset: DatasetReference(name: "d"), eventTime: world.isTimed ? "at" : nil,
        ttlSeconds: world.ttl.map { Double($0) / 1000 }, features: ["line"])
    let version = DatasetVersion(
        dataset: "d", version: 1, schema: viewTable.schema, rowCount: viewTable.rowCount, byteCount: 0, contentHash: "",
        source: "", createdAt: Timestamp(milliseconds: 0), createdBy: "")
    let join = TrainingSetJoin(
        spine: spine, spineName: "the spine", eventTime: "at",
        sources: [JoinSource(view: view, joinKeys: keys, features: ["line"], version: version, table: viewTable)])
    let joined = try join.table(references: ["v:line"])
    #expect(joined.rowCount == spine.rowCount, "seed \(seed)")
    for (row, spineRow) in world.spineRows.enumerated() {
        let expected: Cell = world.expected(spineRow).map { .int64(Int64($0)) } ?? .null
        #expect(try joined.cell(row, "v__line") == expected, "seed \(seed), spine row \(row)")
        #expect(try joined.cell(row, "number") == .int64(Int64(row)), "seed \(seed), spine row \(row)")
    }
}

private func join(_ view: [(String, Column)], key: String = "k", spine: [(String, Column)], ttl: Double? = nil) throws
    -> Table
{
    let table = try Table(view)
    let timed = table.schema["at"] != nil
    let version = DatasetVersion(
        dataset: "d", version: 1, schema: table.schema, rowCount: table.rowCount, byteCount: 0, contentHash: "",
        source: "",
        createdAt: Timestamp(milliseconds: 0), createdBy: "")
    let view = FeatureView(
        name: "v", entities: ["e"], dataset: DatasetReference(name: "d"), eventTime: timed ? "at" : nil,
        ttlSeconds: ttl,
        features: ["f"])
    return try TrainingSetJoin(
        spine: Table(spine), spineName: "the spine", eventTime: timed ? "at" : nil,
        sources: [JoinSource(view: view, joinKeys: [key], features: ["f"], version: version, table: table)]
    ).table(references: ["v:f"])
}

extension Table {
    /// Unlike a comparison of columns, blind to words of a dictionary that no row uses.
    fileprivate func texts(_ column: String) throws -> [String?] {
        try (0..<rowCount).map { try cell($0, column).text }
    }
}

@Test func keysOfDifferentTypesMeet() throws {
    let feature = Column.string(["twelve", "minus", "padded", "word", "half"])
    let texts = Column.string(["12", "-3", "007", "true", "0.5"])
    let view: [(String, Column)] = [("k", texts), ("f", feature)]
    #expect(try join(view, spine: [("k", .int64([12, -3, 7]))]).texts("v__f") == ["twelve", "minus", nil])
    #expect(try join(view, spine: [("k", .float64([12, 0.5, .nan]))]).texts("v__f") == ["twelve", "half", nil])
    #expect(try join(view, spine: [("k", .bool([true, false]))]).texts("v__f") == ["word", nil])
    let numbers: [(String, Column)] = [("k", .int64([12, 7])), ("f", .int64([1, 2]))]
    let joined = try join(numbers, spine: [("k", .string(["12", "007", "7", "+7", nil]))]).column("v__f")
    #expect(joined == .int64([1, 0, 2, 0, 0], Validity([true, false, true, false, false])))
}

@Test func theFarthestTimesDoNotOverflow() throws {
    let view: [(String, Column)] = [("k", .int64([1])), ("at", .timestamp([.min])), ("f", .int64([5]))]
    let spine: [(String, Column)] = [("k", .int64([1, 1])), ("at", .timestamp([.max, .min]))]
    let isOld = try join(view, spine: spine, ttl: 1e300).column("v__f")
    #expect(isOld == .int64([0, 5], Validity([false, true])))
    #expect(try join(view, spine: spine).column("v__f") == .int64([5, 5]))
}

@Test func aSpineThatHasTheColumnAlreadyIsRefused() throws {
    let error = #expect(throws: NestboxError.self) {
        try join([("k", .int64([1])), ("f", .int64([5]))], spine: [("k", .int64([1])), ("v__f", .int64([1]))])
    }
    #expect(error?.code == .invalidArgument && error?.message.contains("`v__f`") == true)
}

@Test func aLargeJoinIsTheSameAcrossItsChunks() throws {
    // 200,000 rows are several chunks; each entity has a row at every tenth second, whose feature is that second.
    let rows = 20_000
    let view: [(String, Column)] = [
        ("k", .int64((0..<rows).map { Int64($0 % 7) })), ("at", .timestamp((0..<rows).map { Int64($0 / 7) * 10_000 })),
        ("f", .int64((0..<rows).map { Int64($0 / 7) * 10 })),
    ]
    let times = (0..<200_000).map { Int64($0) * 130 % 28_000_000 }
    let spine: [(String, Column)] = [("k", .int64((0..<200_000).map { Int64($0 % 7) })), ("at", .timestamp(times))]
    let joined = try join(view, spine: spine)
    #expect(try joined.column("v__f") == .int64(times.map { $0 / 10_000 * 10 }))
}
