import Contracts
import Core
import GRDB

/// Rows of traces and spans as values, many traces with a handful of queries.
enum TraceRows {
    static func missing(_ id: String) -> NestboxError {
        NestboxError(.notFound, "Trace with ID '\(id.prefix(80))' not found.")
    }

    static func info(_ id: String, in db: GRDB.Database) throws -> TraceInfo {
        guard let info = try infos([id], in: db).first else { throw missing(id) }
        return info
    }

    /// Those that exist, in the order given, each once.
    static func infos(_ ids: [String], in db: GRDB.Database) throws -> [TraceInfo] {
        let list = SpanContent.text(.array(ids.map(JSONValue.string)))
        let few = "IN (SELECT value FROM json_each(?))"
        var found: [String: TraceInfo] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT * FROM tracing_traces WHERE id \(few)", arguments: [list]) {
            let info = make(row)
            found[info.id] = info
        }
        for row in try Row.fetchAll(db, sql: "SELECT * FROM tracing_tags WHERE trace_id \(few)", arguments: [list]) {
            found[row["trace_id"]]?.tags[row["key"]] = row["value"]
        }
        for row in try Row.fetchAll(db, sql: "SELECT * FROM tracing_metadata WHERE trace_id \(few)", arguments: [list])
        {
            found[row["trace_id"]]?.metadata[row["key"]] = row["value"]
        }
        let assessments = try Row.fetchAll(
            db, sql: "SELECT * FROM tracing_assessments WHERE trace_id \(few) ORDER BY created_at, rowid",
            arguments: [list])
        for row in assessments {
            let assessment = try AssessmentRows.make(row)
            found[assessment.traceID]?.assessments.append(assessment)
        }
        return ids.compactMap { found.removeValue(forKey: $0) }
    }

    private static func make(_ row: Row) -> TraceInfo {
        TraceInfo(
            id: row["id"], experimentID: row["experiment_id"],
            requestTime: Timestamp(milliseconds: row["timestamp_ms"]), duration: row["execution_time_ms"],
            state: TraceState(rawValue: row["status"]) ?? .unspecified, clientRequestID: row["client_request_id"],
            requestPreview: row["request_preview"], responsePreview: row["response_preview"])
    }

    /// The root first, then by start.
    static func spans(of id: String, in db: GRDB.Database) throws -> [TraceSpan] {
        let sql = "SELECT * FROM tracing_spans WHERE trace_id = ? ORDER BY parent_id IS NOT NULL, start_ns, row"
        return try Row.fetchAll(db, sql: sql, arguments: [id]).map { row in
            let trace: String = row["trace_id"]
            var span = TraceSpan(
                traceID: String(trace.dropFirst(3)), id: row["span_id"], parentID: row["parent_id"], name: row["name"],
                start: row["start_ns"], end: row["end_ns"], status: TraceSpan.Status(rawValue: row["status"]) ?? .unset)
            try SpanContent.decode(row["content"], into: &span)
            return span
        }
    }
}

/// Rows of assessments.
enum AssessmentRows {
    static func missing(_ id: String, trace: String) -> NestboxError {
        NestboxError(.notFound, "Assessment with ID '\(id.prefix(80))' not found for trace '\(trace.prefix(80))'")
    }

    static func make(_ row: Row) throws -> Assessment {
        let error: String? = row["error"]
        return Assessment(
            id: row["id"], traceID: row["trace_id"], name: row["name"],
            kind: Assessment.Kind(rawValue: row["kind"]) ?? .feedback,
            value: try JSONReader.parse(row["value"] as String, what: "the value of an assessment"),
            error: try error.map { try JSON.decode(Assessment.Failure.self, from: $0) },
            sourceType: Assessment.SourceType(rawValue: row["source_type"]) ?? .unspecified,
            sourceID: row["source_id"], createdAt: Timestamp(milliseconds: row["created_at"]),
            updatedAt: Timestamp(milliseconds: row["updated_at"]), spanID: row["span_id"], rationale: row["rationale"],
            metadata: try JSON.decode([String: String].self, from: row["metadata"] as String),
            overrides: row["overrides"], isValid: row["valid"])
    }

    static func find(_ id: String, trace: String, in db: GRDB.Database) throws -> Assessment {
        let sql = "SELECT * FROM tracing_assessments WHERE id = ? AND trace_id = ?"
        guard let row = try Row.fetchOne(db, sql: sql, arguments: [id, trace]) else {
            try EmbeddedTraceStore.require(trace, in: db)
            throw missing(id, trace: trace)
        }
        return try make(row)
    }

    /// Replaces one of the same identifier, but not of another trace.
    static func put(_ assessment: Assessment, in db: GRDB.Database) throws {
        var number: Double?
        switch assessment.value {
        case .int, .number: number = assessment.value.doubleValue.flatMap { $0.isFinite ? $0 : nil }
        default: break
        }
        try db.execute(
            sql: """
                INSERT INTO tracing_assessments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, value = excluded.value,
                    number = excluded.number, error = excluded.error, updated_at = excluded.updated_at,
                    rationale = excluded.rationale, metadata = excluded.metadata, valid = excluded.valid
                WHERE trace_id = excluded.trace_id
                """,
            arguments: [
                assessment.id, assessment.traceID, assessment.kind.rawValue, assessment.name,
                SpanContent.text(assessment.value), number, try assessment.error.map { try JSON.string($0) },
                assessment.sourceType.rawValue, assessment.sourceID, assessment.createdAt.milliseconds,
                assessment.updatedAt.milliseconds, assessment.spanID, assessment.rationale,
                try JSON.string(assessment.metadata), assessment.overrides, assessment.isValid,
            ])
        guard db.changesCount == 1 else {
            throw NestboxError(.alreadyExists, "there is an assessment `\(assessment.id)` of another trace")
        }
    }
}
