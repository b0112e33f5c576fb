import Contracts
import Core
import Dashboard

extension Samples {
    /// A question to an assistant: retrieval, two model calls, a tool that failed.
    var trace: Trace {
        let id = "841dfb7589d8c4fc1ee08510a4459e95"
        let start = ago(95).milliseconds * 1_000_000
        func span(
            _ number: Int, _ parent: Int?, _ name: String, _ type: String, _ from: Int64, _ to: Int64?,
            _ attributes: [String: JSONValue] = [:], failed: String? = nil
        ) -> TraceSpan {
            func hex(_ number: Int) -> String { "00000000000000" + (number < 10 ? "0" : "") + String(number) }
            var span = TraceSpan(
                traceID: id, id: hex(number), parentID: parent.map(hex), name: dress(name),
                start: start + from * 1_000_000, end: to.map { start + $0 * 1_000_000 },
                status: failed == nil ? .ok : .error, statusMessage: failed.map(dress) ?? "",
                attributes: attributes.merging([TraceKey.spanType: .string(dress(type))]) { $1 })
            if let failed {
                span.events = [
                    TraceSpan.Event(
                        name: dress("exception"), time: span.start + 5_000_000,
                        attributes: [
                            "exception.stacktrace": .string(
                                dress(
                                    "Traceback (most recent call last):\n  File \"bot.py\", line 12\nTimeoutError: \(failed)"
                                ))
                        ])
                ]
            }
            return span
        }
        let question: JSONValue = .string(dress("Which carrier is late most often?"))
        let spans = [
            span(
                1, nil, "answer", "CHAIN", 0, 2460,
                [
                    TraceKey.spanInputs: ["question": question],
                    TraceKey.spanOutputs: .string(dress("EV, by a wide margin.")),
                ]),
            span(
                2, 1, "retrieve", "RETRIEVER", 12, 340,
                [
                    TraceKey.spanInputs: question,
                    TraceKey.spanOutputs: [["page_content": .string(dress("Delays by carrier")), "score": 0.83]],
                ]),
            span(3, 2, "embed", "EMBEDDING", 20, 160, ["mlflow.llm.model": "mini-embed"]),
            span(
                4, 1, "plan", "LLM", 350, 1220,
                [
                    "mlflow.llm.model": .string(dress("small-chat")), "temperature": 0.2,
                    "mlflow.chat.tokenUsage": ["input_tokens": 410, "output_tokens": 58],
                ]),
            span(
                5, 1, "query flights", "TOOL", 1230, 1650,
                [
                    TraceKey.spanInputs: [
                        "sql": .string(dress("SELECT carrier, avg(dep_delay) FROM flights GROUP BY 1"))
                    ]
                ], failed: "the warehouse did not answer"),
            span(6, 1, "query flights", "TOOL", 1655, 1660, [:]),
            span(
                7, 1, "summarise", "CHAT_MODEL", 1670, 2450,
                [TraceKey.spanOutputs: ["role": "assistant", "content": .string(dress("EV, by a wide margin."))]]),
            span(8, 99, "stray", "UNKNOWN", 2000, nil, [dress("key"): .string(dress("value"))]),
        ]
        let made = ago(60)
        func said(_ name: String, _ kind: Assessment.Kind, _ value: JSONValue, valid: Bool = true) -> Assessment {
            Assessment(
                id: "a-1", traceID: "tr-" + id, name: dress(name), kind: kind, value: value, sourceType: .judge,
                sourceID: dress("judge-1"), createdAt: made, updatedAt: made, rationale: dress("It names the carrier."),
                isValid: valid)
        }
        let info = TraceInfo(
            id: "tr-" + id, experimentID: "1", requestTime: ago(95), duration: 2460, state: .ok,
            clientRequestID: dress("request-17"),
            requestPreview: dress("{\"question\": \"Which carrier is late most often?\"}"),
            responsePreview: dress("EV, by a wide margin."),
            metadata: [
                TraceKey.tokenUsage: "{\"input_tokens\": 1210, \"output_tokens\": 143, \"total_tokens\": 1353}",
                TraceKey.cost: "{\"total_cost\": 0.0042}", TraceKey.session: dress("session 4"),
                TraceKey.sourceRun: "00000000000000000000000000000001", dress("a"): dress("b"),
            ], tags: [TraceKey.name: dress("answer"), dress("team"): dress("blue")],
            assessments: [
                said("correct", .feedback, true), said("expected", .expectation, ["carrier": "EV"]),
                said("tone", .feedback, .string(dress("friendly")), valid: false),
            ])
        return Trace(info: info, spans: spans)
    }
}
