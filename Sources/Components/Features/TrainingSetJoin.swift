import Contracts
import Core
import Synchronization
import Tables

/// One feature view's part in a join: its table, and where its keys are in the spine.
struct JoinSource: Sendable {
    var view: FeatureView
    /// The spine's columns that hold the join keys, in the order of the view's entities.
    var joinKeys: [String]
    var features: [String]
    var version: DatasetVersion
    var table: Table

    func index() throws -> PointInTimeIndex {
        guard table.rowCount <= Int32.max else {
            throw NestboxError(
                .payloadTooLarge, "\(version.dataset)@\(version.version) has more rows than a join can take")
        }
        let keys = try joinKeys.map { try table.column(view.column(ofKey: $0)) }
        let times = try view.eventTime.map { try table.column($0) }
        return PointInTimeIndex(keys: keys, times: times.flatMap(\.times), ttlSeconds: view.ttlSeconds)
    }
}

/// The point-in-time join: a spine and the features that were known at each of its rows' event time.
struct TrainingSetJoin: Sendable {
    var spine: Table
    /// What the spine is called in errors.
    var spineName: String
    var eventTime: String?
    var sources: [JoinSource]

    private static let rowsPerChunk = 1 << 16

    /// The spine's columns, then `view__feature` in the order of `references`. Blocks; uses all compute threads.
    func table(references: [String], pool: ComputePool = .shared) throws -> Table {
        let times = try spineTimes()
        var keys: [[Column]] = []
        for source in sources { keys.append(try source.joinKeys.map { try spineColumn($0, for: source.view) }) }

        let indexes = try collect(sources.count, pool) { try sources[$0].index() }
        let chunks = stride(from: 0, to: spine.rowCount, by: Self.rowsPerChunk).map { start in
            start..<min(start + Self.rowsPerChunk, spine.rowCount)
        }
        let parts = try collect(sources.count * chunks.count, pool) { [keys] task in
            let (source, chunk) = task.quotientAndRemainder(dividingBy: chunks.count)
            return indexes[source].matches(keys[source], times: times, rows: chunks[chunk])
        }
        let matches = sources.indices.map { source in
            Array(parts[source * chunks.count..<(source + 1) * chunks.count].joined())
        }

        let wanted = try references.map { reference in
            let (view, feature) = try FeatureName.parse(reference)
            guard let source = sources.firstIndex(where: { $0.view.name == view }) else {
                throw NestboxError.notFound("feature view", view)
            }
            let column = try sources[source].table.column(feature)
            return (name: FeatureName.column(view: view, feature: feature), source: source, column: column)
        }
        let joined = try collect(wanted.count, pool) { wanted[$0].column.gather(matches: matches[wanted[$0].source]) }
        var columns = zip(spine.schema.names, spine.columns).map { ($0, $1) }
        for (feature, column) in zip(wanted, joined) {
            guard !columns.contains(where: { $0.0 == feature.name }) else {
                throw NestboxError.invalid(
                    "the training set would have two columns named `\(feature.name)`",
                    hint: "\(spineName) has one already; use a spine without it")
            }
            columns.append((feature.name, column))
        }
        return try Table(columns)
    }

    private func spineTimes() throws -> (values: [Int64], validity: Validity)? {
        let timed = sources.filter { $0.view.eventTime != nil }.map { "`\($0.view.name)`" }
        guard let eventTime else {
            guard timed.isEmpty else {
                throw NestboxError.invalid(
                    "the request names no `event_time`, which the feature views with one need: \(timed.joined(separator: ", "))",
                    hint: "name the column of \(spineName) that says when each row's prediction is made")
            }
            return nil
        }
        guard let field = spine.schema[eventTime] else {
            throw NestboxError(
                .invalidArgument, "\(spineName) has no column `\(eventTime)` (event_time)",
                hint: NestboxError.notFound("column", eventTime, among: spine.schema.names).hint)
        }
        guard let times = try spine.column(eventTime).times else {
            throw NestboxError.invalid(
                "`event_time` column `\(eventTime)` of \(spineName) is \(field.type.rawValue); expected timestamp",
                hint: "write it as ISO 8601, for example 2013-01-01T05:00:00Z")
        }
        return times
    }

    private func spineColumn(_ name: String, for view: FeatureView) throws -> Column {
        guard spine.schema[name] != nil else {
            throw NestboxError(
                .invalidArgument, "\(spineName) has no column `\(name)`, the join key of feature view `\(view.name)`",
                hint: NestboxError.notFound("column", name, among: spine.schema.names).hint)
        }
        return try spine.column(name)
    }

    /// The results of `body` for every index below `count`, computed on all threads; the first error is thrown.
    private func collect<T: Sendable>(
        _ count: Int, _ pool: ComputePool, _ body: @escaping @Sendable (Int) throws -> T
    ) throws -> [T] {
        let results = Mutex<[Result<T, any Error>?]>(Array(repeating: nil, count: count))
        pool.parallelFor(count) { index in
            let result = Result { try body(index) }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { $0 }.compactMap { try $0?.get() }
    }
}
