import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTraceStore {
    package func record(_ spans: [TraceSpan], resource: [String: JSONValue], experimentID: String) async throws {
        guard !spans.isEmpty else { return }
        for span in spans { try TraceRules.check(span) }
        let experiment = try await tracking.experiment(id: experimentID)
        let translated = spans.map { span in
            var span = span
            // The identifier that clients read spans by; what a sender claims it to be does not count.
            span.attributes["mlflow.traceRequestId"] = .string("tr-" + span.traceID)
            SpanConventions.translate(&span)
            return span
        }
        let batches = Dictionary(grouping: translated, by: \.traceID).sorted { $0.key < $1.key }
        let tags = SpanSummary.tags(of: resource)
        try await store.write { context in
            for (_, spans) in batches { try Self.store(spans, resource: tags, experiment, context) }
        }
    }

    /// Spans of one trace.
    private static func store(
        _ spans: [TraceSpan], resource: [String: String], _ experiment: Experiment, _ context: WriteContext
    ) throws {
        let db = context.db
        let id = "tr-" + spans[0].traceID, summary = SpanSummary(spans)
        if try Row.fetchOne(db, sql: "SELECT 1 FROM tracing_traces WHERE id = ?", arguments: [id]) == nil {
            let start = Timestamp(milliseconds: summary.start)
            try insert(
                TraceInfo(
                    id: id, experimentID: experiment.id, requestTime: start,
                    duration: summary.end.map { $0 - summary.start }, state: .inProgress), in: db)
            try setTags([TraceKey.artifactLocation: artifactLocation(experiment, id)], of: id, in: db)
            try context.record("trace.recorded", "trace/\(id)", ["experiment": .string(experiment.id)])
        }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO tracing_spans
                    (trace_id, span_id, parent_id, name, type, status, start_ns, end_ns, usage, cost, content)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trace_id, span_id) DO UPDATE SET
                    parent_id = excluded.parent_id, name = excluded.name, type = excluded.type,
                    status = excluded.status, start_ns = excluded.start_ns, end_ns = excluded.end_ns,
                    usage = excluded.usage, cost = excluded.cost, content = excluded.content
                """)
        for span in spans {
            try statement.execute(arguments: [
                id, span.id, span.parentID, span.name, span.type, span.status.rawValue, span.start, span.end,
                sums(span.attributes[SpanConventions.usage]), sums(span.attributes[SpanConventions.cost]),
                SpanContent.encode(span),
            ])
        }
        try learn(summary, resource, of: id, in: db)
    }

    /// An object as text; anything else is no usage. Some libraries send the object as a JSON text.
    private static func sums(_ value: JSONValue?) -> String? {
        var value = value
        if let text = value?.stringValue { value = try? JSONReader.parse(text) }
        return value?.objectValue == nil ? nil : value.map(SpanContent.text)
    }

    private static func learn(
        _ summary: SpanSummary, _ resource: [String: String], of id: String, in db: GRDB.Database
    ) throws {
        let known = try metadata(
            [TraceKey.isFinal, TraceKey.tokenUsage, TraceKey.cost, TraceKey.session, TraceKey.user], of: id, in: db)
        let isFinal = known[TraceKey.isFinal] != nil
        if !isFinal {
            try db.execute(
                sql: """
                    UPDATE tracing_traces SET timestamp_ms = min(timestamp_ms, :start), execution_time_ms = CASE
                        WHEN :end IS NULL THEN execution_time_ms
                        ELSE max(timestamp_ms + coalesce(execution_time_ms, 0), :end) - min(timestamp_ms, :start) END
                    WHERE id = :id
                    """, arguments: ["start": summary.start, "end": summary.end, "id": id])
        }
        try db.execute(
            sql: """
                UPDATE tracing_traces SET
                    status = CASE WHEN status IN ('IN_PROGRESS', 'STATE_UNSPECIFIED') THEN coalesce(?, status)
                        ELSE status END,
                    request_preview = coalesce(request_preview, ?), response_preview = coalesce(response_preview, ?)
                WHERE id = ?
                """,
            arguments: [summary.state?.rawValue, summary.requestPreview, summary.responsePreview, id])
        var learned: [String: String] = [:]
        // Sums are made again from all spans: a parent with the sum may come in another batch than its children.
        if !isFinal || known[TraceKey.tokenUsage] == nil {
            learned[TraceKey.tokenUsage] = UsageTree.usage(try nodes("usage", of: id, in: db))
        }
        if !isFinal || known[TraceKey.cost] == nil {
            learned[TraceKey.cost] = UsageTree.cost(try nodes("cost", of: id, in: db))
        }
        if known[TraceKey.session] == nil { learned[TraceKey.session] = summary.session }
        if known[TraceKey.user] == nil { learned[TraceKey.user] = summary.user }
        try setMetadata(learned, of: id, in: db)
        // What the user said about the trace wins over what produced it.
        var tags = resource.merging(summary.tags) { $1 }
        tags[TraceKey.spansLocation] = "TRACKING_STORE"
        try setTags(tags, of: id, in: db)
    }

    private static func metadata(_ keys: [String], of id: String, in db: GRDB.Database) throws -> [String: String] {
        let sql = "SELECT key, value FROM tracing_metadata WHERE trace_id = ?"
        let rows = try Row.fetchAll(db, sql: sql, arguments: [id])
        // SQLite tells keys apart that are equal to Swift (é in one scalar or in two).
        return Dictionary(rows.map { ($0[0] as String, $0[1] as String) }, uniquingKeysWith: { first, _ in first })
            .filter { keys.contains($0.key) }
    }

    /// Empty when no span of the trace has any, which is the usual case and costs one look.
    private static func nodes(_ column: String, of id: String, in db: GRDB.Database) throws -> [UsageTree.Node] {
        let any = "SELECT EXISTS (SELECT 1 FROM tracing_spans WHERE trace_id = ? AND \(column) IS NOT NULL)"
        guard try Bool.fetchOne(db, sql: any, arguments: [id]) == true else { return [] }
        return try Row.fetchAll(
            db, sql: "SELECT span_id, parent_id, \(column) FROM tracing_spans WHERE trace_id = ?", arguments: [id]
        ).map { row in
            let text: String? = row[2]
            return UsageTree.Node(id: row[0], parent: row[1], data: try text.map { try JSONReader.parse($0) })
        }
    }
}
