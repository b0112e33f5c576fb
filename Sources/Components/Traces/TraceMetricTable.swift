import Contracts

/// Which metrics there are of traces, spans and assessments, how each can be aggregated, and by what it can be grouped.
/// Source: `mlflow/store/tracking/utils/sql_trace_metrics_utils.py`, 3.17.
///
/// In SQL a trace is `t`, a span `s`, an assessment `a`; the joins add its name `n`, session `i` and token usage `u`.
struct TraceMetricTable {
    struct Metric {
        /// What is aggregated; rows for which it is NULL do not count.
        var expression: String
        var aggregations: [TraceMetricQuery.Aggregation.Kind]
        var dimensions: [String] = []
        /// What else the rows must be joined with.
        var joins: [String] = []
    }

    var source: String
    var metrics: [String: Metric]
    var dimensions: [String: (expression: String, join: String?)]
    /// The moment that a row belongs to, and how many of its units make a millisecond.
    var time: (expression: String, perMillisecond: Int64)

    static func of(_ view: TraceMetricQuery.View) -> TraceMetricTable {
        switch view {
        case .traces: traces
        case .spans: spans
        case .assessments: assessments
        }
    }

    private static let measures: [TraceMetricQuery.Aggregation.Kind] = [.average, .minimum, .maximum, .percentile]

    private static func metadata(_ alias: String, _ key: String) -> String {
        "LEFT JOIN tracing_metadata \(alias) ON \(alias).trace_id = t.id AND \(alias).key = '\(key)'"
    }

    private static let traces: TraceMetricTable = {
        let session = metadata("i", TraceKey.session), usage = metadata("u", TraceKey.tokenUsage)
        let name = "LEFT JOIN tracing_tags n ON n.trace_id = t.id AND n.key = '\(TraceKey.name)'"
        var metrics = [
            "trace_count": Metric(
                expression: "t.id", aggregations: [.count], dimensions: ["trace_name", "trace_status"]),
            "session_count": Metric(expression: "DISTINCT i.value", aggregations: [.count], joins: [session]),
            "latency": Metric(expression: "t.execution_time_ms", aggregations: measures, dimensions: ["trace_name"]),
        ]
        for key in [
            "input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        ] {
            // Clients may have written anything there.
            let count = """
                (CASE WHEN json_valid(u.value) THEN CASE WHEN json_type(u.value, '$.\(key)') IN ('integer', 'real')
                THEN json_extract(u.value, '$.\(key)') END END)
                """
            metrics[key] = Metric(
                expression: count, aggregations: [.sum] + measures, dimensions: ["trace_name"], joins: [usage])
        }
        return TraceMetricTable(
            source: "tracing_traces t", metrics: metrics,
            dimensions: ["trace_name": ("n.value", name), "trace_status": ("t.status", nil)],
            time: ("t.timestamp_ms", 1))
    }()

    private static let spans: TraceMetricTable = {
        var metrics = [
            "span_count": Metric(
                expression: "s.span_id", aggregations: [.count],
                dimensions: ["span_name", "span_type", "span_status", "span_model_name", "span_model_provider"]),
            "latency": Metric(
                expression: "((s.end_ns - s.start_ns) / 1000000)", aggregations: measures,
                dimensions: ["span_name", "span_status"]),
        ]
        for key in ["input_cost", "output_cost", "total_cost"] {
            metrics[key] = Metric(
                expression: """
                    (CASE WHEN json_type(s.cost, '$.\(key)') IN ('integer', 'real')
                    THEN json_extract(s.cost, '$.\(key)') END)
                    """, aggregations: [.sum] + measures, dimensions: ["span_model_name", "span_model_provider"])
        }
        func attribute(_ key: String) -> (String, String?) {
            let path = "s.content, '$.attributes.\"\(key)\"'"
            return ("(CASE json_type(\(path)) WHEN 'text' THEN substr(json_extract(\(path)), 1, 500) END)", nil)
        }
        return TraceMetricTable(
            source: "tracing_traces t JOIN tracing_spans s ON s.trace_id = t.id", metrics: metrics,
            dimensions: [
                "span_name": ("s.name", nil), "span_type": ("s.type", nil), "span_status": ("s.status", nil),
                "span_model_name": attribute(SpanConventions.model),
                "span_model_provider": attribute(SpanConventions.provider),
            ], time: ("s.start_ns", 1_000_000))
    }()

    private static let assessments: TraceMetricTable = {
        // What was overridden does not count. Flags and yes or no are 1 and 0.
        let text = "lower(trim(json_extract(a.value, '$'), ' ' || char(9, 10, 11, 12, 13)))"
        let value = """
            (CASE json_type(a.value) WHEN 'true' THEN 1 WHEN 'false' THEN 0
            WHEN 'integer' THEN json_extract(a.value, '$') WHEN 'real' THEN json_extract(a.value, '$')
            WHEN 'text' THEN CASE \(text) WHEN 'yes' THEN 1 WHEN 'no' THEN 0 END END)
            """
        return TraceMetricTable(
            source: "tracing_traces t JOIN tracing_assessments a ON a.trace_id = t.id AND a.valid",
            metrics: [
                "assessment_count": Metric(
                    expression: "a.id", aggregations: [.count], dimensions: ["assessment_name", "assessment_value"]),
                "assessment_value": Metric(
                    expression: value, aggregations: measures, dimensions: ["assessment_name"]),
            ],
            dimensions: ["assessment_name": ("a.name", nil), "assessment_value": ("a.value", nil)],
            time: ("t.timestamp_ms", 1))
    }()
}

extension SearchVocabulary {
    /// What the filters of trace metrics can say: one comparison each. Source: `SearchTraceMetricsUtils`, 3.17.
    static let traceMetrics: SearchVocabulary = {
        let text = Rule(.text, [.equal])
        return SearchVocabulary(
            "trace metrics",
            [
                Family(.trace, ["trace"], keys: ["status": text]), Family(.tag, ["trace.tag"], anyKey: text),
                Family(.metadata, ["trace.metadata"], anyKey: text),
                Family(.span, ["span"], keys: ["name": text, "status": text, "type": text]),
                Family(.assessment, ["assessment"], keys: ["name": text, "type": text]),
            ], orders: [])
    }()
}

extension SearchField.Entity {
    static let trace = Self(rawValue: "trace field")
    static let assessment = Self(rawValue: "assessment")
}
