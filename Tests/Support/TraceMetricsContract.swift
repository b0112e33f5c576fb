import Contracts
import Core
import Testing

/// What every `TraceStore` counts: four traces in the experiment of that name, `a` and `b` of one hour, `c` and `d` of the
/// next. `c` failed and has no session.
package func checkTraceMetrics(_ traces: any TraceStore, experiment: String) async throws {
    try await fill(traces, experiment)
    try await checkTraceCounts(traces, experiment)
    try await checkSpanAndAssessmentMetrics(traces, experiment)
    try await checkMetricRefusals(traces, experiment)
    try await checkCorrelation(traces, experiment)
}

private let hour: Int64 = 3_600_000

private func fill(_ traces: any TraceStore, _ experiment: String) async throws {
    for (index, name) in ["a", "b", "c", "d"].enumerated() {
        let trace = TraceSample.id(), at = Int64(index / 2) * hour
        var info = TraceSample.info(trace, experiment)
        info.requestTime = Timestamp(milliseconds: TraceSample.start + at)
        info.duration = Int64(100 * (index + 1))
        info.state = name == "c" ? .error : .ok
        info.tags[TraceKey.name] = index < 3 ? "ask" : "tell"
        info.metadata[TraceKey.session] = name == "c" ? nil : index < 2 ? "s-1" : "s-2"
        info.metadata[TraceKey.tokenUsage] =
            name == "d"
            ? nil
            : "{\"input_tokens\": \(index + 1), \"output_tokens\": 10, \"total_tokens\": \(index + 11)}"
        info = try await traces.put(info)
        let model = TraceSample.span(
            trace, "model", at: at, for: Int64(10 * (index + 1)), status: name == "c" ? .error : .ok,
            [
                TraceKey.spanType: "LLM", "mlflow.llm.model": .string(index < 2 ? "small" : "large"),
                "mlflow.llm.cost": ["input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75],
            ])
        let tool = TraceSample.span(trace, "tool", parent: model.id, at: at, [TraceKey.spanType: "TOOL"])
        try await traces.record([model, tool], resource: [:], experimentID: experiment)
        func say(_ name: String, _ value: JSONValue) async throws {
            let now = Timestamp(milliseconds: TraceSample.start)
            _ = try await traces.addAssessment(
                Assessment(
                    traceID: info.id, name: name, kind: .feedback, value: value, createdAt: now, updatedAt: now))
        }
        try await say("correct", .bool(index < 3))
        try await say("helpful", index == 0 ? " Yes" : "no")
        if index < 2 { try await say("score", .number(Double(index) + 0.5)) }
        if index == 2 { try await say("score", "a text") }
    }
}

private func points(
    _ traces: any TraceStore, _ experiment: String, _ view: TraceMetricQuery.View, _ metric: String,
    _ aggregations: [TraceMetricQuery.Aggregation], by dimensions: [String] = [], where filters: [String] = [],
    interval: Int64? = nil, range: ClosedRange<Int64>? = nil
) async throws -> [[String: String]] {
    let page = try await traces.metrics(
        TraceMetricQuery(
            experimentIDs: [experiment], view: view, metric: metric, aggregations: aggregations,
            dimensions: dimensions, filters: filters, interval: interval, start: range?.lowerBound,
            end: range?.upperBound))
    return page.items.map { $0.dimensions.merging($0.values.mapValues { "\($0)" }) { $1 } }
}

private func checkTraceCounts(_ traces: any TraceStore, _ experiment: String) async throws {
    func ask(
        _ metric: String, _ aggregations: [TraceMetricQuery.Aggregation], by dimensions: [String] = [],
        where filters: [String] = [], interval: Int64? = nil, range: ClosedRange<Int64>? = nil
    ) async throws -> [[String: String]] {
        try await points(
            traces, experiment, .traces, metric, aggregations, by: dimensions, where: filters, interval: interval,
            range: range)
    }
    let start = TraceSample.start
    #expect(try await ask("trace_count", [.init(.count)]) == [["COUNT": "4.0"]])
    #expect(try await ask("session_count", [.init(.count)]) == [["COUNT": "2.0"]])
    #expect(
        try await ask("trace_count", [.init(.count)], by: ["trace_name", "trace_status"]) == [
            ["trace_name": "ask", "trace_status": "ERROR", "COUNT": "1.0"],
            ["trace_name": "ask", "trace_status": "OK", "COUNT": "2.0"],
            ["trace_name": "tell", "trace_status": "OK", "COUNT": "1.0"],
        ])
    #expect(
        try await ask(
            "latency",
            [
                .init(.average), .init(.minimum), .init(.maximum), .init(.percentile, percentile: 50),
                .init(.percentile, percentile: 75), .init(.percentile, percentile: 0),
            ]) == [
                ["AVG": "250.0", "MIN": "100.0", "MAX": "400.0", "P50.0": "250.0", "P75.0": "325.0", "P0.0": "100.0"]
            ])
    #expect(
        try await ask("total_tokens", [.init(.sum), .init(.average)], by: ["trace_name"]) == [
            ["trace_name": "ask", "SUM": "36.0", "AVG": "12.0"]
        ])
    #expect(try await ask("cache_read_input_tokens", [.init(.sum)]).isEmpty)
    #expect(
        try await ask(
            "trace_count", [.init(.count)], interval: 3600, range: start - hour...start + 2 * hour) == [
                ["time_bucket": "2023-11-14T22:00:00+00:00", "COUNT": "2.0"],
                ["time_bucket": "2023-11-14T23:00:00+00:00", "COUNT": "2.0"],
            ])
    #expect(try await ask("trace_count", [.init(.count)], range: start...start) == [["COUNT": "2.0"]])
    #expect(
        try await ask(
            "trace_count", [.init(.count)],
            where: [
                "trace.status = 'OK'", "trace.metadata.`mlflow.trace.session` = 's-1'", "trace.tag.team = 'blue ü'",
            ])
            == [["COUNT": "2.0"]])
    #expect(try await ask("trace_count", [.init(.count)], where: ["trace.tag.none = 'x'"]) == [["COUNT": "0.0"]])

    var token: String?, names: [String] = []
    repeat {
        let page = try await traces.metrics(
            TraceMetricQuery(
                experimentIDs: [experiment], view: .traces, metric: "trace_count", aggregations: [.init(.count)],
                dimensions: ["trace_name"], maxResults: 1, pageToken: token))
        #expect(page.items.count <= 1)
        names += page.items.compactMap { $0.dimensions["trace_name"] }
        token = page.nextPageToken
    } while token != nil
    #expect(names == ["ask", "tell"])
}

private func checkSpanAndAssessmentMetrics(_ traces: any TraceStore, _ experiment: String) async throws {
    #expect(
        try await points(traces, experiment, .spans, "span_count", [.init(.count)], by: ["span_type", "span_status"])
            == [
                ["span_type": "LLM", "span_status": "ERROR", "COUNT": "1.0"],
                ["span_type": "LLM", "span_status": "OK", "COUNT": "3.0"],
                ["span_type": "TOOL", "span_status": "OK", "COUNT": "4.0"],
            ])
    #expect(
        try await points(
            traces, experiment, .spans, "latency", [.init(.maximum)], by: ["span_name"],
            where: ["span.type = 'LLM'", "trace.status = 'OK'"]) == [["span_name": "model", "MAX": "40.0"]])
    #expect(
        try await points(
            traces, experiment, .spans, "total_cost", [.init(.sum)], by: ["span_model_name"], interval: 7200,
            range: TraceSample.start...TraceSample.start + hour) == [
                ["time_bucket": "2023-11-14T22:00:00+00:00", "span_model_name": "large", "SUM": "1.5"],
                ["time_bucket": "2023-11-14T22:00:00+00:00", "span_model_name": "small", "SUM": "1.5"],
            ])
    #expect(
        try await points(
            traces, experiment, .assessments, "assessment_value", [.init(.average)], by: ["assessment_name"])
            == [
                ["assessment_name": "correct", "AVG": "0.75"], ["assessment_name": "helpful", "AVG": "0.25"],
                ["assessment_name": "score", "AVG": "1.0"],
            ])
    #expect(
        try await points(
            traces, experiment, .assessments, "assessment_count", [.init(.count)], by: ["assessment_value"],
            where: ["assessment.name = 'correct'", "assessment.type = 'feedback'"]) == [
                ["assessment_value": "false", "COUNT": "1.0"], ["assessment_value": "true", "COUNT": "3.0"],
            ])
}

private func checkMetricRefusals(_ traces: any TraceStore, _ experiment: String) async throws {
    func refuse(
        _ mention: String, _ view: TraceMetricQuery.View, _ metric: String,
        _ aggregations: [TraceMetricQuery.Aggregation] = [.init(.count)], by dimensions: [String] = [],
        where filters: [String] = [], interval: Int64? = nil
    ) async {
        await expectError(.invalidArgument, mentions: mention) {
            try await points(
                traces, experiment, view, metric, aggregations, by: dimensions, where: filters, interval: interval)
        }
    }
    await refuse("metric_name", .traces, "span_count")
    await refuse("aggregation_type", .traces, "latency")
    await refuse("dimension", .traces, "trace_count", by: ["span_name"])
    await refuse("start_time_ms", .traces, "trace_count", interval: 60)
    await refuse("SPANS", .traces, "trace_count", where: ["span.name = 'x'"])
    await refuse("ASSESSMENTS", .spans, "span_count", where: ["assessment.name = 'x'"])
    let filters = [
        ("status = 'OK'", "trace.status"), ("trace.status != 'OK'", "position 14"), ("trace.tag = 'x'", "tag"),
        ("trace.status = 'a' AND trace.status = 'b'", "one filter clause"),
    ]
    for (filter, mention) in filters { await refuse(mention, .traces, "trace_count", where: [filter]) }
}

private func checkCorrelation(_ traces: any TraceStore, _ experiment: String) async throws {
    func ask(_ first: String, _ second: String, base: String? = nil) async throws -> TraceCorrelation {
        try await traces.correlation(experimentIDs: [experiment], first, second, base: base)
    }
    let sessions = try await ask("status = 'OK'", "metadata.`mlflow.trace.session` = 's-1'")
    #expect(sessions == TraceCorrelation(first: 3, second: 2, joint: 2, total: 4))
    #expect(try await ask("span.name = 'tool'", "feedback.correct = 'false'", base: "name = 'ask'").total == 3)
    let never = try await ask("status = 'ERROR'", "name = 'tell'")
    #expect(never == TraceCorrelation(first: 1, second: 1, joint: 0, total: 4) && never.npmi == -1)
    let nothing = try await ask("status = 'ERROR'", "name RLIKE '^x'")
    #expect(nothing.second == 0 && nothing.npmi == nil && nothing.smoothedNPMI == nil)
    await expectError(.invalidArgument) { try await ask("status =", "name = 'x'") }
}
