import Contracts
import Core
import Foundation
import GRDB

extension MLflowDatabase {
    private static let tracesAtOnce = 50

    /// What MLflow 3.13 moved from the metadata into columns. Source: mlflow/store/tracking/utils/trace_analytics.py.
    private static let promoted: [(key: String, columns: [String])] = [
        (
            TraceKey.tokenUsage,
            [
                "input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens",
                "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr",
            ]
        ), (TraceKey.cost, ["input_cost", "output_cost", "total_cost"]),
    ]

    func traces(of experiment: Experiment, page: String?) async throws -> MLflowPage<MLflowTrace> {
        guard tables.isSuperset(of: ["trace_info", "trace_tags", "trace_request_metadata"]) else {
            return MLflowPage(items: [])
        }
        let hasSpans = tables.contains("spans"), hasAssessments = tables.contains("assessments")
        let (rows, next) = try await database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT * FROM trace_info WHERE experiment_id = ? AND request_id > ? ORDER BY request_id LIMIT ?",
                arguments: [Int64(experiment.id), page ?? "", Self.tracesAtOnce])
            let ids = rows.map { $0["request_id"] as String? ?? "" }
            let list = try JSON.string(ids)
            func of(_ table: String) throws -> [String: [String: String]] {
                try Self.pairs(
                    db,
                    """
                    SELECT request_id AS owner, key, value FROM \(table)
                    WHERE request_id IN (SELECT value FROM json_each(?))
                    """, [list])
            }
            func grouped(_ sql: String) throws -> [String: [Row]] {
                Dictionary(grouping: try Row.fetchAll(db, sql: sql, arguments: [list])) {
                    $0["trace_id"] as String? ?? ""
                }
            }
            let within = "WHERE trace_id IN (SELECT value FROM json_each(?))"
            let tags = try of("trace_tags"), metadata = try of("trace_request_metadata")
            let spans =
                hasSpans
                ? try grouped("SELECT trace_id, span_id, content FROM spans \(within) ORDER BY start_time_unix_nano")
                : [:]
            let assessments =
                hasAssessments
                ? try grouped("SELECT * FROM assessments \(within) ORDER BY created_timestamp, rowid") : [:]
            let items = zip(ids, rows).map { id, row in
                Self.found { () -> MLflowTrace in
                    let info = try Self.info(
                        id, Record(row, "trace `\(id)`"), tags[id] ?? [:], metadata[id] ?? [:], assessments[id] ?? [])
                    return MLflowTrace(info: info, spans: Self.found { try Self.spans(id, spans[id] ?? []) })
                }
            }
            return (items, rows.count == Self.tracesAtOnce ? ids.last : nil)
        }
        return MLflowPage(
            items: rows.map { found in
                found.map { trace in
                    guard case .success(let spans) = trace.spans, spans.isEmpty else { return trace }
                    let file = Self.found { try artifacts.spans(of: trace.info) }
                    return MLflowTrace(info: trace.info, spans: file)
                }
            }, next: next)
    }

    private static func info(
        _ id: String, _ record: Record, _ tags: [String: String], _ metadata: [String: String], _ assessments: [Row]
    ) throws -> TraceInfo {
        var tags = tags, metadata = metadata
        if let name = try record.optionalText("trace_name") { tags[TraceKey.name] = name }
        if let session = try record.optionalText("session_id") { metadata[TraceKey.session] = session }
        for (key, columns) in promoted {
            var values: [String: JSONValue] = [:]
            for column in columns {
                guard let number = try record.optionalNumber(column) else { continue }
                values[column] = key == TraceKey.cost ? .number(number) : .int(Int64(number))
            }
            if !values.isEmpty { metadata[key] = try JSON.string(JSONValue.object(values)) }
        }
        return TraceInfo(
            id: id, experimentID: try record.text("experiment_id"),
            requestTime: Timestamp(milliseconds: try record.whole("timestamp_ms")),
            duration: try record.optionalWhole("execution_time_ms"),
            state: TraceState(mlflow: try record.text("status")),
            clientRequestID: try record.optionalText("client_request_id"),
            requestPreview: try record.optionalText("request_preview"),
            responsePreview: try record.optionalText("response_preview"), metadata: metadata, tags: tags,
            assessments: try assessments.map { try assessment(Record($0, "an assessment of trace `\(id)`"), of: id) })
    }

    private static func spans(_ trace: String, _ rows: [Row]) throws -> [TraceSpan] {
        try rows.compactMap { row in
            let record = Record(row, "a span of trace `\(trace)`")
            let what = "span `\(try record.text("span_id"))`"
            // What MLflow moved to its archive leaves rows without content.
            guard let content = try record.optionalText("content"), !content.isEmpty else { return nil }
            return try SpanRecord.span(try SpanRecord.parse(content.utf8, what: what), what: what)
        }
    }

    private static func assessment(_ record: Record, of trace: String) throws -> Assessment {
        func json(_ column: String) throws -> JSONValue? {
            try record.optionalText(column).map {
                try SpanRecord.parse($0.utf8, what: "the \(column) of an assessment")
            }
        }
        let type = try record.text("assessment_type")
        guard let kind = Assessment.Kind(rawValue: type) else {
            throw unreadable("trace `\(trace)`: there is no assessment of type `\(type.prefix(40))`")
        }
        return Assessment(
            id: try record.text("assessment_id"), traceID: trace, name: try record.text("name"), kind: kind,
            value: try json("value") ?? .null, error: try json("error").flatMap(Assessment.Failure.init(mlflow:)),
            sourceType: Assessment.SourceType(rawValue: try record.text("source_type")) ?? .unspecified,
            sourceID: try record.optionalText("source_id") ?? "",
            createdAt: Timestamp(milliseconds: try record.whole("created_timestamp")),
            updatedAt: Timestamp(milliseconds: try record.whole("last_updated_timestamp")),
            spanID: try record.optionalText("span_id"), rationale: try record.optionalText("rationale"),
            metadata: (try json("assessment_metadata")?.objectValue ?? [:]).compactMapValues(\.stringValue),
            overrides: try record.optionalText("overrides"), isValid: try record.optionalWhole("valid") != 0)
    }
}

extension TraceState {
    /// Older clients called what is unknown otherwise.
    init(mlflow name: String) { self = TraceState(rawValue: name) ?? .unspecified }
}

extension ArtifactFolders {
    /// Spans that a client wrote into a file: those of MLflow before 3.4, and of every file store.
    func spans(of trace: TraceInfo, own: String? = nil) throws -> [TraceSpan] {
        guard let location = trace.tags[TraceKey.artifactLocation] ?? own else {
            throw NestboxError(.notFound, "its spans are nowhere")
        }
        guard !MLflowLocation.isElsewhere(location) else {
            throw NestboxError(.notFound, "its spans lie in a file at `\(location)`, which is not read")
        }
        guard let folder = try folder(location, of: trace.id, own: own),
            let file = files(in: folder).compactMap({ try? $0.get() }).first(where: { $0.path == "traces.json" })
        else {
            throw NestboxError(.notFound, "its spans are neither in the store nor in a file at `\(location)`")
        }
        guard file.size <= SpanRecord.largestFile, let data = FileManager.default.contents(atPath: file.place) else {
            throw unreadable("`\(file.place)` cannot be read")
        }
        return try SpanRecord.spans(file: data, path: file.place)
    }
}
