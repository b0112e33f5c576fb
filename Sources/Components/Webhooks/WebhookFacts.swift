import Contracts
import Core
import Storage

/// An event of the registry as MLflow's webhooks tell it. Source: `mlflow/webhooks/types.py` and `mlflow/server/handlers.py`,
/// MLflow 3.17.
enum WebhookFacts {
    /// The kinds of events that become something; see the registry's `record` calls.
    static let kinds = [
        "model.created", "model.tagged", "model_version.created", "model_version.tagged", "alias.moved",
        "alias.removed",
    ]

    /// The tags by which MLflow tells prompts from models; its payloads leave them out.
    private static let isPromptTag = "mlflow.prompt.is_prompt"
    private static let promptTypeTag = "_mlflow_prompt_type"
    private static let promptTextTag = "mlflow.prompt.text"

    /// Nil for what no webhook can be told of.
    static func webhookEvent(of event: Event) -> WebhookEvent? {
        let isPrompt = event.data["prompt"]?.boolValue ?? false
        let isRemoval = event.data["value"] == .null
        switch event.kind {
        case "model.created": return WebhookEvent(isPrompt ? .prompt : .registeredModel, .created)
        // MLflow tells of tags of prompts, and of those of versions, but not of those of models.
        case "model.tagged": return isPrompt ? WebhookEvent(.promptTag, isRemoval ? .deleted : .set) : nil
        case "model_version.created": return WebhookEvent(isPrompt ? .promptVersion : .modelVersion, .created)
        case "model_version.tagged":
            return WebhookEvent(isPrompt ? .promptVersionTag : .modelVersionTag, isRemoval ? .deleted : .set)
        case "alias.moved": return WebhookEvent(isPrompt ? .promptAlias : .modelVersionAlias, .created)
        case "alias.removed": return WebhookEvent(isPrompt ? .promptAlias : .modelVersionAlias, .deleted)
        default: return nil
        }
    }

    /// The whole body of a post.
    static func body(_ told: WebhookEvent, at: Timestamp, data: JSONValue) throws -> String {
        try JSON.string([
            "entity": .string(told.entity.rawValue), "action": .string(told.action.rawValue),
            "timestamp": .string(moment(at)), "data": data,
        ])
    }

    /// What of the event the payload holds.
    static func payload(_ told: WebhookEvent, of event: Event) -> JSONValue {
        let data = event.data
        var payload: [String: JSONValue] = ["name": .string(String(event.subject.dropFirst("model/".count)))]
        switch told.entity {
        case .registeredModel, .prompt:
            payload["tags"] = tags(of: data, hidden: told.entity == .prompt ? [isPromptTag, promptTypeTag] : [])
            payload["description"] = data["description"] ?? ""
        case .modelVersion:
            payload["version"] = number(data["version"])
            payload["source"] = data["source"] ?? ""
            payload["run_id"] = data["run"] ?? .null
            payload["tags"] = tags(of: data, hidden: [])
            payload["description"] = nonempty(data["description"])
        case .promptVersion:
            payload["version"] = number(data["version"])
            payload["template"] = data["tags"]?[promptTextTag] ?? .null
            payload["tags"] = tags(of: data, hidden: [isPromptTag, promptTypeTag, promptTextTag])
            payload["description"] = nonempty(data["description"])
        case .modelVersionTag, .promptVersionTag, .promptTag:
            if told.entity != .promptTag { payload["version"] = number(data["version"]) }
            payload["key"] = data["key"] ?? ""
            if told.action == .set { payload["value"] = data["value"] ?? "" }
        case .modelVersionAlias, .promptAlias:
            payload["alias"] = data["alias"] ?? ""
            if told.action == .created { payload["version"] = number(data["to"]) }
        case .budgetPolicy: break
        }
        return .object(payload)
    }

    /// What a test call sends.
    static func example(_ event: WebhookEvent) -> JSONValue {
        let tags: JSONValue = ["example_key": "example_value"]
        let name: JSONValue = event.entity.rawValue.hasPrefix("prompt") ? "example_prompt" : "example_model"
        var payload: [String: JSONValue] = ["name": name]
        switch event.entity {
        case .registeredModel, .prompt:
            payload["tags"] = tags
            payload["description"] = event.entity == .prompt ? "An example prompt" : "An example registered model"
        case .modelVersion:
            payload.merge(
                [
                    "version": "1", "source": "models:/123", "run_id": "abcd1234abcd5678", "tags": tags,
                    "description": "An example model version",
                ], uniquingKeysWith: { $1 })
        case .promptVersion:
            payload.merge(
                [
                    "version": "1", "template": "Hello {{name}}!", "tags": tags,
                    "description": "An example prompt version",
                ], uniquingKeysWith: { $1 })
        case .modelVersionTag, .promptVersionTag, .promptTag:
            if event.entity != .promptTag { payload["version"] = "1" }
            payload["key"] = "example_key"
            if event.action == .set { payload["value"] = "example_value" }
        case .modelVersionAlias, .promptAlias:
            payload["alias"] = "example_alias"
            if event.action == .created { payload["version"] = "1" }
        case .budgetPolicy:
            payload = [
                "budget_policy_id": "bp-abc123", "budget_unit": "USD", "budget_amount": 100.0, "current_spend": 105.5,
                "duration_unit": "MONTHS", "duration_value": 1, "target_scope": "ENDPOINT", "workspace": "default",
                "target_value": "ep-abc123", "window_start": 1_704_067_200_000,
            ]
        }
        return .object(payload)
    }

    /// As Python's `isoformat` writes a moment in UTC.
    private static func moment(_ at: Timestamp) -> String { at.iso8601.dropLast() + "+00:00" }

    /// MLflow writes version numbers as text.
    private static func number(_ value: JSONValue?) -> JSONValue { .string(value?.intValue.map { "\($0)" } ?? "") }

    private static func nonempty(_ value: JSONValue?) -> JSONValue { value == "" ? .null : value ?? .null }

    private static func tags(of data: JSONValue, hidden: Set<String>) -> JSONValue {
        .object((data["tags"]?.objectValue ?? [:]).filter { !hidden.contains($0.key) })
    }
}
