import Contracts
import Core
import Testing

@testable import Traces

@Suite struct UsageTreeTests {
    private func node(_ id: String, _ parent: String? = nil, _ input: Int64? = nil) -> UsageTree.Node {
        UsageTree.Node(
            id: id, parent: parent,
            data: input.map { ["input_tokens": .int($0), "output_tokens": 1, "total_tokens": .int($0 + 1)] })
    }

    @Test func leavesAreAdded() {
        #expect(
            UsageTree.usage([node("a"), node("b", "a", 2), node("c", "a", 3)])
                == "{\"input_tokens\": 5, \"output_tokens\": 2, \"total_tokens\": 7}")
        #expect(UsageTree.usage([node("a"), node("b", "a")]) == nil)
        #expect(UsageTree.usage([]) == nil)
    }

    @Test func whatAParentHasCountedIsNotCountedAgain() {
        let nodes = [node("a", nil, 5), node("b", "a", 2), node("x", "b"), node("c", "x", 3)]
        #expect(UsageTree.usage(nodes) == "{\"input_tokens\": 5, \"output_tokens\": 1, \"total_tokens\": 6}")
        // A span whose parent was not sent is a root.
        #expect(UsageTree.usage([node("b", "gone", 2)])?.contains("\"input_tokens\": 2") == true)
    }

    @Test func cacheTokensAppearOnlyWhenThereAreAny() {
        let cached = UsageTree.Node(
            id: "a", parent: nil, data: ["input_tokens": 1, "cache_read_input_tokens": 9, "output_tokens": "x"])
        #expect(
            UsageTree.usage([cached])
                == "{\"input_tokens\": 1, \"output_tokens\": 0, \"total_tokens\": 0, \"cache_read_input_tokens\": 9}")
    }

    @Test func costsAreNumbers() {
        let a = UsageTree.Node(id: "a", parent: nil, data: ["input_cost": 0.5, "output_cost": 1, "total_cost": 1.5])
        #expect(UsageTree.cost([a, node("b")]) == "{\"input_cost\": 0.5, \"output_cost\": 1.0, \"total_cost\": 1.5}")
    }

    @Test func circlesEnd() {
        #expect(UsageTree.usage([node("a", "b", 1), node("b", "a", 1), node("c", "c", 4)])?.contains("4") == true)
    }

    @Test func previewsShowTheLastMessage() {
        #expect(TracePreview.make(["x": 1], role: "user") == "{\"x\": 1}")
        #expect(TracePreview.make("hello", role: "user") == "\"hello\"")
        let chat: JSONValue = [
            "messages": [
                ["role": "user", "content": "first"], ["role": "user", "content": [["type": "text", "text": "last"]]],
                ["role": "assistant", "content": "answer"],
            ]
        ]
        #expect(TracePreview.make(chat, role: "user") == "last")
        #expect(TracePreview.make(["request": chat], role: "user") == "last")
        #expect(
            TracePreview.make(["choices": [["message": ["role": "assistant", "content": "yes"]]]], role: "assistant")
                == "yes")
        let long = TracePreview.make(.string(String(repeating: "ü", count: 5000)), role: "user")
        #expect(long.unicodeScalars.count == 1000 && long.hasSuffix("..."))
    }

    @Test func conventionsOfOthersAreUnderstood() {
        func translated(_ attributes: [String: JSONValue], _ events: [TraceSpan.Event] = []) -> TraceSpan {
            var span = TraceSpan(
                traceID: "", id: "", name: "x", start: 0, end: 1, attributes: attributes, events: events)
            SpanConventions.translate(&span)
            return span
        }
        let openInference = translated([
            "openinference.span.kind": "RETRIEVER", "input.value": "q", "output.value": ["a": 1],
            "llm.token_count.prompt": "5", "llm.token_count.total": 9, "llm.model_name": "m",
        ])
        #expect(openInference.type == "RETRIEVER" && openInference.attributes[TraceKey.spanInputs] == "q")
        #expect(openInference.attributes[TraceKey.spanOutputs] == ["a": 1])
        #expect(openInference.attributes[SpanConventions.usage] == ["input_tokens": 5, "total_tokens": 9])
        #expect(openInference.attributes["mlflow.llm.model"] == "m")
        let packed = translated(["gen_ai.input.messages": "[{\"role\": \"user\"}]", "a": "\"b\"", "n": "1", "c": "{no"])
        #expect(packed.attributes[TraceKey.spanInputs] == [["role": "user"]])
        #expect(packed.attributes["a"] == "b" && packed.attributes["n"] == "1" && packed.attributes["c"] == "{no")
        // What is there in MLflow's own name stays.
        let own = translated([
            TraceKey.spanType: "TOOL", TraceKey.spanInputs: .null, "gen_ai.operation.name": "chat", "input.value": "q",
        ])
        #expect(own.type == "TOOL" && own.attributes[TraceKey.spanInputs] == .null)
        let spoken = translated(
            [:],
            [
                TraceSpan.Event(name: "gen_ai.user.message", time: 1, attributes: ["content": "hi"]),
                TraceSpan.Event(name: "gen_ai.choice", time: 2, attributes: ["content": "ho"]),
            ])
        #expect(spoken.attributes[TraceKey.spanInputs] == [["role": "user", "content": "hi"]])
        #expect(spoken.attributes[TraceKey.spanOutputs] == [["role": "assistant", "content": "ho"]])
    }
}
