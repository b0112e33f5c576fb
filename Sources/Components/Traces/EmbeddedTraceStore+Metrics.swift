import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTraceStore {
    package func metrics(_ query: TraceMetricQuery) async throws -> Page<TraceMetricPoint> {
        let offset = try Self.offset(query.pageToken)
        let statement = try TraceMetricStatement(query, offset: offset)
        return try await store.read { db in
            db.add(function: Percentile.function)
            let rows = try Row.fetchAll(db, sql: statement.sql, arguments: statement.arguments)
            let points = rows.prefix(query.maxResults).compactMap { Self.point($0, statement.dimensions, query) }
            return Page(
                items: points,
                nextPageToken: rows.count > query.maxResults ? Self.token(offset + query.maxResults) : nil)
        }
    }

    /// Nil when no aggregation has a value.
    private static func point(
        _ row: Row, _ dimensions: [String], _ query: TraceMetricQuery
    ) -> TraceMetricPoint? {
        var point = TraceMetricPoint(dimensions: [:], values: [:])
        for (index, dimension) in dimensions.enumerated() {
            if dimension == TraceMetricStatement.bucket {
                let begin = Timestamp(milliseconds: row[index])
                point.dimensions[dimension] = begin.iso8601.prefix(19) + "+00:00"
            } else {
                point.dimensions[dimension] = row[index]
            }
        }
        for (index, aggregation) in query.aggregations.enumerated() {
            let value: Double? = row[dimensions.count + index]
            point.values[aggregation.name] = value
        }
        return point.values.isEmpty ? nil : point
    }

    package func correlation(
        experimentIDs: [String], _ first: String, _ second: String, base: String?
    ) async throws -> TraceCorrelation {
        let base = base.flatMap { $0.isEmpty ? nil : $0 }
        // Read as one filter, so that what both say about spans is said of one span.
        let sides = try [first, second].map { filter in
            try TraceQuery(condition: base.map { "\($0) and \(filter)" } ?? filter)
        }
        let whole = try TraceQuery(condition: base ?? ""), scope = TraceQuery.scope(experimentIDs)
        let sql = """
            SELECT count(*), total(a), total(b), total(a AND b)
            FROM (SELECT \(sides[0].sql) AS a, \(sides[1].sql) AS b FROM tracing_traces t
                WHERE \(scope.sql) AND \(whole.sql))
            """
        let arguments = sides[0].arguments + sides[1].arguments + scope.arguments + whole.arguments
        let patterns = TracePatterns()
        do {
            return try await store.read { db in
                if (sides + [whole]).contains(where: \.hasPatterns) { db.add(function: patterns.function) }
                guard let row = try Row.fetchOne(db, sql: sql, arguments: arguments) else {
                    throw NestboxError(.internalError, "the traces could not be counted")
                }
                func count(_ index: Int) -> Int { Int(row[index] as Double) }
                return TraceCorrelation(first: count(1), second: count(2), joint: count(3), total: count(0))
            }
        } catch  where patterns.isExhausted {
            throw patterns.tooSlow
        }
    }
}
