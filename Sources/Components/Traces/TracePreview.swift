import Core

/// The first thousand characters of what a request asked or got; of a conversation, its last message.
/// Source: mlflow/tracing/utils/truncation.py (3.17).
enum TracePreview {
    private static let limit = 1000

    /// - Parameter role: whose message is looked for: `user` asks, `assistant` answers.
    static func make(_ value: JSONValue, role: String) -> String {
        let text = lastMessage(in: value, role: role) ?? SpanContent.text(value)
        guard text.utf8.count > limit, text.unicodeScalars.count > limit else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit - 3))) + "..."
    }

    private static func lastMessage(in value: JSONValue, role: String) -> String? {
        guard let messages = messages(in: value, depth: 0), let last = messages.last else { return nil }
        let message = messages.last { $0["role"]?.stringValue == role } ?? last
        switch message["content"] {
        case .string(let text)?: return text.isEmpty ? nil : text
        case .array(let parts)?:
            for part in parts {
                if let text = part.stringValue { return text }
                if ["text", "output_text"].contains(part["type"]?.stringValue) { return part["text"]?.stringValue }
            }
            return nil
        default: return nil
        }
    }

    /// As OpenAI's chat and responses APIs have them, also inside `request`.
    private static func messages(in value: JSONValue, depth: Int) -> [JSONValue]? {
        guard value.objectValue != nil, depth < 4 else { return nil }
        func list(_ name: String) -> [JSONValue]? {
            guard let items = value[name]?.arrayValue, !items.isEmpty else { return nil }
            return items.filter { $0["role"] != nil && $0["content"] != nil }
        }
        if let found = list("messages") { return found }
        if let message = value["choices"]?.arrayValue?.first?["message"], message["role"] != nil,
            message["content"] != nil
        {
            return [message]
        }
        return list("input") ?? list("output") ?? value["request"].flatMap { messages(in: $0, depth: depth + 1) }
    }
}
