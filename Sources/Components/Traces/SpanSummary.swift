import Contracts
import Core

/// What a batch of spans says about the trace they belong to.
struct SpanSummary {
    /// Milliseconds since 1970.
    var start: Int64
    var end: Int64?
    /// Known once the root is there.
    var state: TraceState?
    var requestPreview: String?
    var responsePreview: String?
    var session: String?
    var user: String?
    var tags: [String: String] = [:]

    private static let tagPrefix = "mlflow.traceTag."

    /// - Parameter spans: of one trace, at least one, translated.
    init(_ spans: [TraceSpan]) {
        start = (spans.map(\.start).min() ?? 0) / 1_000_000
        end = spans.compactMap(\.end).max().map { $0 / 1_000_000 }
        for span in spans {
            session =
                session ?? Self.text(span.attributes["session.id"])
                ?? Self.text(span.attributes["gen_ai.conversation.id"])
            user = user ?? Self.text(span.attributes["user.id"])
            guard span.parentID == nil, state == nil else { continue }
            state = span.status == .error ? .error : .ok
            requestPreview = span.attributes[TraceKey.spanInputs].map { TracePreview.make($0, role: "user") }
            responsePreview = span.attributes[TraceKey.spanOutputs].map { TracePreview.make($0, role: "assistant") }
            for (key, value) in span.attributes where key.hasPrefix(Self.tagPrefix) {
                let name = String(key.dropFirst(Self.tagPrefix.count))
                // A tag that could not be set by hand is left out, as in the original; the attribute keeps it.
                if (try? TraceRules.checkTag(name)) != nil { tags[name] = TraceRules.cut(Self.plain(value)) }
            }
        }
    }

    private static func text(_ value: JSONValue?) -> String? {
        guard let value, value != .null, value != .string("") else { return nil }
        let text = plain(value)
        return text.unicodeScalars.count <= 250
            ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(250)))
    }

    static func plain(_ value: JSONValue) -> String { value.stringValue ?? SpanContent.text(value) }

    /// A resource's attributes as tags; what is MLflow's own, or about the SDK, may not be set this way.
    static func tags(of resource: [String: JSONValue]) -> [String: String] {
        var tags: [String: String] = [:]
        for (key, value) in resource where !key.hasPrefix("telemetry.sdk.") && !key.hasPrefix("mlflow.") {
            if (try? TraceRules.checkTag(key)) != nil { tags[key] = TraceRules.cut(plain(value)) }
        }
        return tags
    }
}
