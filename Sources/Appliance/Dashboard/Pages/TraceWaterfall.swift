import Contracts
import Core

/// Spans as rows under each other, each with a bar from its start to its end. Made of HTML and percentages: it folds open
/// without script, fits a phone, and follows the colours of the page.
struct TraceWaterfall {
    struct Moment {
        var name: String
        var at: String
        var text: String
    }

    struct Row {
        var name: String
        var type: String
        /// A class: what kind of work the span is, or that it failed.
        var tone: String
        var indent: String
        var left: String
        var width: String
        var duration: String
        var offset: String
        var failure: String?
        var isOpen: Bool
        var inputs: String?
        var outputs: String?
        var attributes: [Pair]
        var moments: [Moment]
        var id: String
        var label: String
    }

    private static let mostRows = 1000
    private static let deepestIndent = 12

    let rows: [Row]
    /// Five moments from the first start to the last end.
    let ticks: [String]

    init(_ spans: [TraceSpan]) {
        let start = spans.map(\.start).min() ?? 0
        let end = max(spans.map { $0.end ?? $0.start }.max() ?? 0, start)
        let length = max(Double(end - start), 1)
        ticks = (0...4).map { $0 == 0 ? "0" : Self.time(length * Double($0) / 4) }
        let aboveFailures = Set(spans.lazy.filter { $0.status == .error }.compactMap(\.parentID))
        let firstFailure = spans.first { $0.status == .error && !aboveFailures.contains($0.id) }?.id
        rows = Self.nested(spans).prefix(Self.mostRows).map { span, depth in
            let left = Double(span.start - start) / length
            // What takes no time is still seen, and what still runs reaches the end.
            let width = min(max(Double((span.end ?? end) - span.start) / length, 0.004), 1 - min(left, 0.996))
            let duration = span.end.map { Self.time(Double($0 - span.start)) } ?? "running"
            return Row(
                name: span.name, type: span.type == "UNKNOWN" ? "" : span.type, tone: Self.tone(span),
                indent: "\(Double(min(depth, Self.deepestIndent)) * 0.9)rem", left: Self.percent(min(left, 0.996)),
                width: Self.percent(width), duration: duration, offset: Self.time(Double(span.start - start)),
                failure: span.status == .error ? (span.statusMessage.isEmpty ? "failed" : span.statusMessage) : nil,
                isOpen: span.id == firstFailure,
                inputs: span.attributes[TraceKey.spanInputs].map(TraceView.pretty),
                outputs: span.attributes[TraceKey.spanOutputs].map(TraceView.pretty),
                attributes: Self.attributes(span),
                moments: span.events.prefix(100).map {
                    Moment(
                        name: $0.name, at: Self.time(Double($0.time &- span.start)),
                        text: $0.attributes["exception.stacktrace"]?.stringValue
                            ?? ($0.attributes.isEmpty ? "" : TraceView.pretty(.object($0.attributes))))
                }, id: span.id,
                label: "\(span.name), \(duration)\(span.status == .error ? ", failed" : "")")
        }
    }

    private static let hidden: Set<String> = [
        TraceKey.spanInputs, TraceKey.spanOutputs, TraceKey.spanType, "mlflow.traceRequestId",
    ]

    private static func attributes(_ span: TraceSpan) -> [Pair] {
        span.attributes.filter { !hidden.contains($0.key) }.sorted { $0.key < $1.key }
            .map { Pair($0.key, Format.short(TraceView.pretty($0.value), 4000)) }
    }

    /// Children under their parents, in the order in which they began.
    static func nested(_ spans: [TraceSpan]) -> [(span: TraceSpan, depth: Int)] {
        let ids = Set(spans.map(\.id))
        let sorted = spans.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
        let children = Dictionary(grouping: sorted.filter { $0.parentID.map(ids.contains) ?? false }) {
            $0.parentID ?? ""
        }
        var rows: [(TraceSpan, Int)] = [], placed: Set<String> = []
        func place(_ root: TraceSpan) {
            var stack = [(root, 0)]
            while let (span, depth) = stack.popLast() {
                guard placed.insert(span.id).inserted else { continue }
                rows.append((span, depth))
                for child in (children[span.id] ?? []).reversed() { stack.append((child, depth + 1)) }
            }
        }
        for span in sorted where !(span.parentID.map(ids.contains) ?? false) { place(span) }
        // Spans that name each other as parents still have a row.
        for span in sorted { place(span) }
        return rows
    }

    private static func tone(_ span: TraceSpan) -> String {
        if span.status == .error { return "failed" }
        return switch span.type {
        case "LLM", "CHAT_MODEL": "model"
        case "TOOL", "TASK": "tool"
        case "RETRIEVER", "EMBEDDING", "RERANKER": "retrieval"
        case "AGENT": "agent"
        default: "work"
        }
    }

    /// Nanoseconds.
    private static func time(_ nanoseconds: Double) -> String {
        nanoseconds.magnitude < 1e9 ? Format.latency(nanoseconds / 1e6) : Format.duration(nanoseconds / 1e9)
    }

    private static func percent(_ share: Double) -> String { Format.fixed(share * 100, 2) + "%" }
}
