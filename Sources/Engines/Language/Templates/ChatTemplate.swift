import Core
import Foundation

/// A model's chat template: the Jinja program that turns messages and tools into the prompt that the model was trained on.
///
/// It renders as transformers does (`apply_chat_template`, https://huggingface.co/docs/transformers/chat_templating): with
/// `trim_blocks`, `lstrip_blocks` and loop controls, in an immutable sandbox. Templates come with models, from strangers:
/// parsing and rendering have limits, and whatever goes wrong is an error with its line and column. Of Jinja it leaves out
/// what needs other templates and what only makes sense for HTML.
public struct ChatTemplate: Sendable {
    /// The longest template, prompt and intermediate text, in bytes.
    public static let mostBytes = 8 << 20

    /// The template as it was given.
    public let source: String
    private let body: [TemplateStatement]
    private let names: TemplateNames

    /// Parses a template. Throws `invalid_argument` with line, column and what was expected.
    public init(_ source: String) throws {
        guard source.utf8.count <= 1 << 20 else {
            throw NestboxError.invalid("the chat template has \(source.utf8.count) bytes; the most is 1 MiB")
        }
        self.source = source
        do {
            (body, names) = try TemplateParser.parse(source)
        } catch let failure as TemplateFailure {
            throw Self.error(failure)
        }
    }

    /// The prompt for a conversation.
    ///
    /// As in transformers, entries of messages that are null are left out, `reasoning_content` and its older names
    /// (`thinking`, `reasoning`) stand for each other, and `tools` and `documents` are none unless given.
    ///
    /// - Parameters:
    ///   - messages: a list of messages.
    ///   - tools: a list of tools as the OpenAI API describes them, or nil.
    ///   - addGenerationPrompt: whether the prompt ends where the assistant begins to speak.
    ///   - tokens: the model's special tokens by name (`bos_token`, `eos_token`, …), as text.
    ///   - extra: further variables, such as `enable_thinking`.
    ///   - now: the time that `strftime_now` tells.
    /// - Throws: `invalid_argument` when the template refuses the conversation, when it fails on it, and when it takes too
    ///   long or makes too much.
    public func render(
        messages: TemplateValue, tools: TemplateValue? = nil, addGenerationPrompt: Bool = true,
        tokens: [String: String] = [:], extra: [String: TemplateValue] = [:], now: Date = Date()
    ) throws -> String {
        var variables: [String: TemplateValue] = [:]
        for (name, token) in tokens { variables[name] = .string(token) }
        variables["tools"] = tools ?? .null
        variables["documents"] = TemplateValue.null
        variables["add_generation_prompt"] = .bool(addGenerationPrompt)
        for (name, value) in extra { variables[name] = value }
        variables["messages"] = try Self.normalized(messages)
        return try render(variables: variables, now: now)
    }

    /// What the template makes of these variables and no others.
    public func render(variables: [String: TemplateValue], now: Date = Date()) throws -> String {
        let renderer = TemplateRenderer(names: names, clock: TemplateClock(now: now))
        do {
            let bytes = try renderer.render(body, variables: variables.mapValues { try PythonValue($0) })
            return String(decoding: bytes, as: UTF8.self)
        } catch var failure as TemplateFailure {
            failure.position = failure.position ?? renderer.position
            throw Self.error(failure)
        }
    }

    private static func normalized(_ messages: TemplateValue) throws -> TemplateValue {
        guard case .list(let messages) = messages else {
            throw NestboxError.invalid("the messages of a chat must be a list")
        }
        return .list(
            try messages.enumerated().map { index, message in
                guard case .dict(let entries) = message else {
                    throw NestboxError.invalid("message \(index) of the chat must be an object with a role and content")
                }
                var kept = entries.filter { $0.value != TemplateValue.null }
                let names = ["reasoning_content", "thinking", "reasoning"]
                guard let reasoning = names.lazy.compactMap({ name in kept.first { $0.key == name } }).first?.value
                else {
                    return .dict(kept)
                }
                if !kept.contains(where: { $0.key == "thinking" }) { kept.insert(.init("thinking", reasoning), at: 0) }
                if let place = kept.firstIndex(where: { $0.key == "reasoning_content" }) {
                    kept[place].value = reasoning
                } else {
                    kept.append(.init("reasoning_content", reasoning))
                }
                return .dict(kept)
            })
    }

    private static func error(_ failure: TemplateFailure) -> NestboxError {
        let place = failure.position.map { ", line \($0.line), column \($0.column)" } ?? ""
        return switch failure.kind {
        case .syntax: .invalid("the chat template\(place): \(failure.message)")
        case .runtime:
            .invalid("the chat template failed on this conversation\(place): \(failure.message)")
        case .raised: .invalid("the chat template refuses this conversation: \(failure.message)")
        case .limit:
            .invalid(
                "the chat template\(place): \(failure.message)", hint: "use another template, or a shorter conversation"
            )
        }
    }
}

extension PythonValue {
    init(_ value: TemplateValue) throws {
        switch value {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .double(let value): self = .double(value)
        case .string(let value): self = .text(value)
        case .list(let items): self = try .list(try items.map { try PythonValue($0) })
        case .dict(let entries):
            self = .dict(try PythonDict(try entries.map { (.text($0.key), try PythonValue($0.value)) }))
        }
    }
}

/// What `strftime_now` tells.
struct TemplateClock {
    let now: Date

    /// The local time by C's `strftime`.
    func formatted(_ format: String) -> String {
        guard !format.isEmpty, format.utf8.count <= 1000 else { return "" }
        var seconds = time_t(now.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        localtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 16_384)
        let count = strftime(&buffer, buffer.count, format, &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
