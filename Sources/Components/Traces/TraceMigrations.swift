import GRDB
import Storage

extension EmbeddedTraceStore {
    /// The tables in `telemetry.db`. Usage and cost lie beside a span's content so that a trace's sums can be made again
    /// without reading the contents.
    package static let migrations: [Migration] = [
        Migration("tracing.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE tracing_traces (
                        id TEXT PRIMARY KEY, experiment_id TEXT NOT NULL, timestamp_ms INTEGER NOT NULL,
                        execution_time_ms INTEGER, status TEXT NOT NULL, client_request_id TEXT, request_preview TEXT,
                        response_preview TEXT);
                    CREATE INDEX tracing_traces_by_time ON tracing_traces (experiment_id, timestamp_ms DESC, id);
                    CREATE TABLE tracing_tags (
                        trace_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                        PRIMARY KEY (trace_id, key)) WITHOUT ROWID;
                    CREATE INDEX tracing_tags_by_key ON tracing_tags (key, trace_id);
                    CREATE TABLE tracing_metadata (
                        trace_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                        PRIMARY KEY (trace_id, key)) WITHOUT ROWID;
                    CREATE INDEX tracing_metadata_by_key ON tracing_metadata (key, trace_id);
                    CREATE TABLE tracing_spans (
                        row INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT,
                        name TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL, start_ns INTEGER NOT NULL,
                        end_ns INTEGER, usage TEXT, cost TEXT, content TEXT NOT NULL, UNIQUE (trace_id, span_id));
                    CREATE TABLE tracing_assessments (
                        id TEXT PRIMARY KEY, trace_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
                        value TEXT NOT NULL, number REAL, error TEXT, source_type TEXT NOT NULL, source_id TEXT NOT NULL,
                        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, span_id TEXT, rationale TEXT,
                        metadata TEXT NOT NULL, overrides TEXT, valid INTEGER NOT NULL);
                    CREATE INDEX tracing_assessments_by_trace ON tracing_assessments (trace_id, created_at, id);
                    CREATE INDEX tracing_assessments_by_name ON tracing_assessments (name, kind);
                    CREATE TABLE tracing_links (
                        trace_id TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL,
                        PRIMARY KEY (kind, target, trace_id)) WITHOUT ROWID;
                    CREATE INDEX tracing_links_by_trace ON tracing_links (trace_id);
                    """)
        }
    ]

    /// Every table with a trace's rows, besides `tracing_traces` itself.
    static let dependents = [
        "tracing_tags", "tracing_metadata", "tracing_spans", "tracing_assessments", "tracing_links",
    ]
}
