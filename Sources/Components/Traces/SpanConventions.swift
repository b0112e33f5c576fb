import Contracts
import Core

/// Attributes of other conventions in MLflow's names, so that previews, usage and filters work whoever made the span.
/// What is there in MLflow's own name stays. Source: mlflow/tracing/otel/translation (3.17); the three conventions that
/// are published as specifications: GenAI (OpenTelemetry), OpenInference, Traceloop.
struct SpanConventions {
    private struct Convention {
        var kind: (key: String, types: [String: String])
        var inputs: [String]
        var outputs: [String]
        var inputTokens: String
        var outputTokens: String
        var totalTokens: String?
        var cacheRead: String?
        var cacheCreation: [String] = []
        var models: [String] = []
        var provider: String
    }

    private static let conventions = [
        Convention(
            kind: (
                "openinference.span.kind",
                Dictionary(
                    uniqueKeysWithValues: [
                        "TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "UNKNOWN", "GUARDRAIL",
                        "EVALUATOR",
                    ].map { ($0, $0) })
            ),
            inputs: ["input.value"], outputs: ["output.value"], inputTokens: "llm.token_count.prompt",
            outputTokens: "llm.token_count.completion", totalTokens: "llm.token_count.total",
            cacheRead: "llm.token_count.prompt_details.cache_read",
            cacheCreation: ["llm.token_count.prompt_details.cache_write"],
            models: [
                "llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name",
            ], provider: "llm.provider"),
        Convention(
            kind: (
                "gen_ai.operation.name",
                [
                    "chat": "CHAT_MODEL", "create_agent": "AGENT", "embeddings": "EMBEDDING", "execute_tool": "TOOL",
                    "generate_content": "LLM", "invoke_agent": "AGENT", "text_completion": "LLM", "response": "LLM",
                ]
            ),
            inputs: ["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
            outputs: ["gen_ai.output.messages", "gen_ai.tool.call.result"], inputTokens: "gen_ai.usage.input_tokens",
            outputTokens: "gen_ai.usage.output_tokens", cacheRead: "gen_ai.usage.cache_read.input_tokens",
            cacheCreation: ["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"],
            models: ["gen_ai.response.model", "gen_ai.request.model"], provider: "gen_ai.provider.name"),
        Convention(
            kind: (
                "traceloop.span.kind",
                ["workflow": "WORKFLOW", "task": "TASK", "agent": "AGENT", "tool": "TOOL", "unknown": "UNKNOWN"]
            ),
            inputs: ["traceloop.entity.input"], outputs: ["traceloop.entity.output"],
            inputTokens: "gen_ai.usage.prompt_tokens", outputTokens: "gen_ai.usage.completion_tokens",
            totalTokens: "llm.usage.total_tokens", provider: "gen_ai.system"),
    ]

    static let usage = "mlflow.chat.tokenUsage"
    static let cost = "mlflow.llm.cost"
    static let model = "mlflow.llm.model"
    static let provider = "mlflow.llm.provider"

    static func translate(_ span: inout TraceSpan) {
        span.attributes = span.attributes.mapValues(unwrapped)
        let given = span.attributes
        func first(_ keys: (Convention) -> [String]) -> JSONValue? {
            conventions.lazy.flatMap(keys).compactMap { present(given[$0]) }.first
        }
        func fill(_ key: String, _ value: @autoclosure () -> JSONValue?) {
            if given[key] == nil, let value = value() { span.attributes[key] = value }
        }
        fill(
            TraceKey.spanInputs,
            first(\.inputs)
                ?? messages(span.events, ["gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message"]))
        fill(TraceKey.spanOutputs, first(\.outputs) ?? messages(span.events, ["gen_ai.choice"]))
        fill(usage, conventions.lazy.compactMap { tokens(given, $0) }.first)
        fill(model, first(\.models))
        fill(provider, first { [$0.provider] })
        if [nil, "UNKNOWN"].contains(given[TraceKey.spanType]?.stringValue),
            let type = conventions.lazy.compactMap({ $0.kind.types[given[$0.kind.key]?.stringValue ?? ""] }).first
        {
            span.attributes[TraceKey.spanType] = .string(type)
        }
    }

    /// What OpenTelemetry's attributes cannot hold, senders write as JSON inside a text. Numbers and flags stay text: "1" may
    /// well be a name.
    private static func unwrapped(_ value: JSONValue) -> JSONValue {
        guard let text = value.stringValue, let first = text.utf8.first(where: { $0 > 0x20 }),
            [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\"")].contains(first),
            let inner = try? JSONReader.parse(text), TraceRules.isShallow(inner)
        else { return value }
        return inner
    }

    /// Nothing empty: a convention's empty placeholder must not hide another's value.
    private static func present(_ value: JSONValue?) -> JSONValue? {
        switch value {
        case nil, .null?, .string("")?, .array([])?, .bool(false)?: nil
        case .object(let object)? where object.isEmpty: nil
        default: value
        }
    }

    private static func tokens(_ given: [String: JSONValue], _ convention: Convention) -> JSONValue? {
        func count(_ key: String?) -> Int64? {
            guard let value = key.flatMap({ given[$0] }) else { return nil }
            return value.intValue ?? value.stringValue.flatMap { Int64($0) }
        }
        let input = count(convention.inputTokens), output = count(convention.outputTokens)
        var total = count(convention.totalTokens)
        if total == nil, let input, let output { total = input &+ output }
        guard input != nil || output != nil || total != nil else { return nil }
        var usage: [String: JSONValue] = [:]
        usage["input_tokens"] = input.map(JSONValue.int)
        usage["output_tokens"] = output.map(JSONValue.int)
        usage["total_tokens"] = total.map(JSONValue.int)
        usage["cache_read_input_tokens"] = count(convention.cacheRead).map(JSONValue.int)
        usage["cache_creation_input_tokens"] =
            convention.cacheCreation.lazy.compactMap { count($0) }.first.map(JSONValue.int)
        return .object(usage)
    }

    /// Conversations that come as events of the span.
    private static func messages(_ events: [TraceSpan.Event], _ names: [String]) -> JSONValue? {
        let found: [JSONValue] = events.compactMap { event in
            guard names.contains(event.name), let content = present(event.attributes["content"]) else { return nil }
            let role = event.name.split(separator: ".").dropFirst().first.map(String.init) ?? "user"
            let said = role == "choice" ? event.attributes["role"] ?? "assistant" : .string(role)
            return ["role": said, "content": content]
        }
        return found.isEmpty ? nil : .array(found)
    }
}
