// Traces: traces of requests and their spans, in `telemetry.db`. Contents, in order:
//
//   EmbeddedTraceStore          the seam on SQLite: a trace's summary, begun, put, ended
//   EmbeddedTraceStore+Spans    spans of many traces in one transaction, and what their traces learn from them
//   EmbeddedTraceStore+Reading  summaries and whole traces; search; waiting for spans that are still on their way
//   EmbeddedTraceStore+Changes  tags, assessments, links, removal
//   SpanSummary                 what a batch of spans says about its trace: times, state, previews, session, user
//   SpanConventions             GenAI, OpenInference and Traceloop attributes in MLflow's names
//   UsageTree                   token usage and cost of a tree in which parents may already hold the sum
//   TracePreview                the first thousand characters of what a request asked and got
//   SpanContent                 a span's attributes, events and links as JSON that SQLite can search
//   TraceRows                   rows -> values, in bulk
//   TraceVocabulary             what the shared filter language can say of traces
//   TraceQuery                  a filter and an order as SQL
//   EmbeddedTraceStore+Metrics  counts, sums and percentiles over many traces; how two filters go together
//   TraceMetricTable, …Statement  which metrics there are; a query of them as SQL
//   TracePatterns               RLIKE, within a time limit
//   RecordedTraces              somebody else's traces, with the events of what changes through this Nestbox
//   TraceRules                  limits, as sentences
//   TraceMigrations             the tables, prefixed `tracing_` (a dependency has a module Tracing already)
//
// A client sends a trace twice: its summary (`put`) and its spans (`record`), in any order and from several processes.
// Either makes the trace; the summary wins once it is there. It refuses to know HTTP, OTLP's encodings and files.
