import Contracts
import Core
import Foundation
import Testing

/// What every `TraceStore` keeps to. Needs an experiment of its own; makes traces with identifiers of their own.
package func checkTraceStore(_ traces: any TraceStore, experiment: String) async throws {
    try await checkTraceSummaries(traces, experiment)
    try await checkSpans(traces, experiment)
    try await checkBothOrders(traces, experiment)
    try await checkTraceTags(traces, experiment)
    try await checkAssessments(traces, experiment)
    try await checkLegacyTraces(traces, experiment)
    try await checkTraceSearch(traces, experiment)
    try await checkTraceLinks(traces, experiment)
    try await checkTraceDeletion(traces, experiment)
}

package enum TraceSample {
    package static func id() -> String { UUID().uuidString.lowercased().replacing("-", with: "") }

    /// 10:00:00 and milliseconds after it.
    package static let start: Int64 = 1_700_000_000_000

    package static func span(
        _ trace: String, _ name: String, id: String? = nil, parent: String? = nil, at: Int64 = 0,
        for length: Int64 = 10,
        status: TraceSpan.Status = .ok, _ attributes: [String: JSONValue] = [:]
    ) -> TraceSpan {
        TraceSpan(
            traceID: trace, id: id ?? String(self.id().prefix(16)), parentID: parent, name: name,
            start: (start + at) * 1_000_000, end: (start + at + length) * 1_000_000, status: status,
            attributes: attributes)
    }

    package static func info(_ trace: String, _ experiment: String, spans: Int? = nil) -> TraceInfo {
        var metadata = ["mlflow.source.name": "test"]
        metadata[TraceKey.sizeStats] = spans.map { "{\"num_spans\": \($0)}" }
        return TraceInfo(
            id: "tr-" + trace, experimentID: experiment, requestTime: Timestamp(milliseconds: start), duration: 1500,
            state: .ok, clientRequestID: "request-1", requestPreview: "{\"x\": 1}", responsePreview: "2",
            metadata: metadata, tags: [TraceKey.name: "outer", "team": "blue ü"])
    }
}

private func checkTraceSummaries(_ traces: any TraceStore, _ experiment: String) async throws {
    let trace = TraceSample.id()
    let stored = try await traces.put(TraceSample.info(trace, experiment))
    #expect(stored.id == "tr-" + trace && stored.experimentID == experiment)
    #expect(stored.duration == 1500 && stored.state == .ok && stored.clientRequestID == "request-1")
    #expect(stored.requestTime.milliseconds == TraceSample.start)
    #expect(stored.requestPreview == "{\"x\": 1}" && stored.responsePreview == "2")
    #expect(stored.tags["team"] == "blue ü" && stored.name == "outer")
    #expect(stored.tags[TraceKey.artifactLocation]?.hasSuffix("/traces/tr-\(trace)/artifacts") == true)
    #expect(stored.tags[TraceKey.spansLocation] == nil)
    #expect(stored.metadata["mlflow.source.name"] == "test" && stored.metadata[TraceKey.isFinal] == "true")
    #expect(try await traces.info(id: stored.id) == stored)
    let other = try await traces.put(TraceSample.info(TraceSample.id(), experiment))
    #expect(try await traces.infos(ids: [other.id, "tr-0", stored.id]).map(\.id) == [other.id, stored.id])
    #expect(try await traces.trace(id: stored.id, allowPartial: true).spans.isEmpty)
    #expect(try await traces.traces(ids: [stored.id]).isEmpty)
    await expectError(.notFound, mentions: "tr-0") { try await traces.info(id: "tr-0") }
    await expectError(.notFound, mentions: "tr-0") { try await traces.trace(id: "tr-0", allowPartial: true) }
    await expectError(.notFound) { try await traces.put(TraceSample.info(TraceSample.id(), "987654")) }
    var bad = TraceSample.info(trace, experiment)
    bad.id = "../x"
    await expectError(.invalidArgument, mentions: "../x") { [bad] in try await traces.put(bad) }

    // One letter written in two ways: two keys to a database that compares bytes, one to Swift.
    for key in ["\u{e9}", "e\u{301}"] {
        var info = TraceSample.info(trace, experiment)
        info.metadata[key] = key
        _ = try await traces.put(info)
    }
    try await traces.record([TraceSample.span(trace, "root")], resource: [:], experimentID: experiment)
    #expect(try await traces.info(id: stored.id).metadata["\u{e9}"] != nil)
}

private func checkSpans(_ traces: any TraceStore, _ experiment: String) async throws {
    let trace = TraceSample.id()
    var root = TraceSample.span(
        trace, "root", at: 0, for: 100,
        [
            TraceKey.spanInputs: ["x": 1, "y": 1.0, "z": [true, .null, "ü\n\"", 2.5]], TraceKey.spanOutputs: "done",
            TraceKey.spanType: "CHAIN", "session.id": "session-1", "user.id": "ada", "mlflow.traceTag.color": "green",
        ])
    root.events = [TraceSpan.Event(name: "said", time: root.start + 5, attributes: ["n": 3])]
    root.links = [TraceSpan.Link(traceID: TraceSample.id(), spanID: "00000000000000aa", attributes: ["why": "copy"])]
    let model = TraceSample.span(
        trace, "model", parent: root.id, at: 10, for: 50,
        ["gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 4])
    let resource: [String: JSONValue] = ["service.name": "shop", "telemetry.sdk.name": "x", "mlflow.a": "no"]
    try await traces.record([model], resource: resource, experimentID: experiment)
    let partial = try await traces.trace(id: "tr-" + trace, allowPartial: true)
    #expect(partial.info.state == .inProgress && partial.info.requestTime.milliseconds == TraceSample.start + 10)
    #expect(partial.info.duration == 50)
    try await traces.record([root], resource: resource, experimentID: experiment)
    // A span that is sent again is there once.
    try await traces.record([model], resource: resource, experimentID: experiment)

    let whole = try await traces.trace(id: "tr-" + trace, allowPartial: false)
    let info = whole.info
    #expect(info.state == .ok && info.requestTime.milliseconds == TraceSample.start && info.duration == 100)
    #expect(info.metadata[TraceKey.session] == "session-1" && info.metadata[TraceKey.user] == "ada")
    #expect(info.metadata[TraceKey.tokenUsage] == "{\"input_tokens\": 3, \"output_tokens\": 4, \"total_tokens\": 7}")
    #expect(info.tags["service.name"] == "shop" && info.tags["telemetry.sdk.name"] == nil)
    #expect(info.tags["mlflow.a"] == nil && info.tags["color"] == "green")
    #expect(info.tags[TraceKey.spansLocation] == "TRACKING_STORE")
    #expect(info.responsePreview == "\"done\"")
    #expect(whole.spans.map(\.name) == ["root", "model"])
    let read = whole.spans[0]
    #expect(read.attributes[TraceKey.spanInputs] == root.attributes[TraceKey.spanInputs])
    // 1 and 1.0 are not the same to Python.
    #expect(read.attributes[TraceKey.spanInputs]?["x"] == .int(1))
    #expect(read.attributes[TraceKey.spanInputs]?["y"] == .number(1))
    #expect(read.attributes["mlflow.traceRequestId"] == .string("tr-" + trace))
    #expect(read.events == root.events && read.start == root.start && read.end == root.end && read.status == .ok)
    #expect(read.links == root.links)
    #expect(whole.spans[1].parentID == root.id && whole.spans[1].type == "CHAT_MODEL")
    #expect(try await traces.traces(ids: ["tr-" + trace]).map(\.spans.count) == [2])
    let stray = TraceSample.span(TraceSample.id(), "stray")
    await expectError(.notFound) { try await traces.record([stray], resource: [:], experimentID: "987654") }
}

/// A client's summary wins over what spans say, whichever comes first.
private func checkBothOrders(_ traces: any TraceStore, _ experiment: String) async throws {
    for summaryFirst in [true, false] {
        let trace = TraceSample.id()
        let spans = [
            TraceSample.span(trace, "root", at: 7, for: 3, status: .error, [TraceKey.spanInputs: "from the span"])
        ]
        if summaryFirst { _ = try await traces.put(TraceSample.info(trace, experiment, spans: 1)) }
        try await traces.record(spans, resource: [:], experimentID: experiment)
        if !summaryFirst { _ = try await traces.put(TraceSample.info(trace, experiment, spans: 1)) }
        let read = try await traces.trace(id: "tr-" + trace, allowPartial: false)
        #expect(read.info.state == .ok && read.info.duration == 1500, "summary first: \(summaryFirst)")
        #expect(read.info.requestTime.milliseconds == TraceSample.start)
        #expect(read.info.requestPreview == "{\"x\": 1}")
        #expect(read.info.tags[TraceKey.spansLocation] == "TRACKING_STORE" && read.info.name == "outer")
        #expect(read.spans.count == 1)
    }
}

private func checkTraceTags(_ traces: any TraceStore, _ experiment: String) async throws {
    let info = try await traces.put(TraceSample.info(TraceSample.id(), experiment))
    try await traces.setTag(id: info.id, key: "note", value: "one")
    try await traces.setTag(id: info.id, key: "note", value: "two")
    #expect(try await traces.info(id: info.id).tags["note"] == "two")
    try await traces.setTag(id: info.id, key: "note", value: nil)
    #expect(try await traces.info(id: info.id).tags["note"] == nil)
    await expectError(.notFound, mentions: "note") { try await traces.setTag(id: info.id, key: "note", value: nil) }
    await expectError(ContractProfile.lacks(.mistakes) ? .invalidArgument : .notFound, mentions: "tr-0") {
        try await traces.setTag(id: "tr-0", key: "a", value: "b")
    }
    await expectError(.invalidArgument, mentions: "a/../b") {
        try await traces.setTag(id: info.id, key: "a/../b", value: "b")
    }
}

private func checkAssessments(_ traces: any TraceStore, _ experiment: String) async throws {
    let trace = try await traces.put(TraceSample.info(TraceSample.id(), experiment)).id
    let at = Timestamp(milliseconds: TraceSample.start)
    func made(_ name: String, _ value: JSONValue, _ kind: Assessment.Kind = .feedback) -> Assessment {
        Assessment(
            traceID: trace, name: name, kind: kind, value: value, sourceType: .human, sourceID: "ada", createdAt: at,
            updatedAt: at, rationale: kind == .feedback ? "because" : nil, metadata: ["k": "v"])
    }
    let good = try await traces.addAssessment(made("good", true))
    #expect(good.id.hasPrefix("a-") && good.isValid && good.value == true && good.rationale == "because")
    #expect(good.sourceType == .human && good.sourceID == "ada" && good.metadata == ["k": "v"])
    let want = try await traces.addAssessment(made("want", ["a": [1, "b"]], .expectation))
    #expect(try await traces.assessment(traceID: trace, id: want.id) == want)
    #expect(want.value == ["a": [1, "b"]])

    var better = made("good", 0.25)
    better.overrides = good.id
    let second = try await traces.addAssessment(better)
    #expect(try await traces.assessment(traceID: trace, id: good.id).isValid == false)
    #expect(try await traces.info(id: trace).assessments.map(\.name).sorted() == ["good", "good", "want"])

    let changed = try await traces.updateAssessment(
        traceID: trace, id: second.id,
        AssessmentUpdate(kind: .feedback, value: 0.75, rationale: "again", metadata: ["m": "n"]))
    #expect(changed.value.doubleValue == 0.75 && changed.rationale == "again")
    #expect(changed.metadata == ["k": "v", "m": "n"] && changed.overrides == good.id && changed.updatedAt > at)
    await expectError(.invalidArgument, mentions: "xpectation") {
        try await traces.updateAssessment(
            traceID: trace, id: second.id, AssessmentUpdate(kind: .expectation, value: "x"))
    }
    try await traces.deleteAssessment(traceID: trace, id: second.id)
    #expect(try await traces.assessment(traceID: trace, id: good.id).isValid)
    try await traces.deleteAssessment(traceID: trace, id: second.id)
    await expectError(.notFound, mentions: second.id) { try await traces.assessment(traceID: trace, id: second.id) }
    better.overrides = "a-0"
    await expectError(.notFound, mentions: "a-0") { [better] in try await traces.addAssessment(better) }
    better.traceID = "tr-0"
    await expectError(.notFound, mentions: "tr-0") { [better] in try await traces.addAssessment(better) }
}

private func checkLegacyTraces(_ traces: any TraceStore, _ experiment: String) async throws {
    let begun = try await traces.begin(
        experimentID: experiment, at: Timestamp(milliseconds: TraceSample.start), metadata: ["m": "1"],
        tags: ["t": "1"])
    #expect(begun.state == .inProgress && begun.tags["t"] == "1" && begun.metadata["m"] == "1")
    let ended = try await traces.end(
        id: begun.id, at: Timestamp(milliseconds: TraceSample.start + 250), state: .error, metadata: ["m": "2"],
        tags: ["u": "1"])
    #expect(ended.state == .error && ended.duration == 250 && ended.metadata["m"] == "2")
    #expect(ended.tags["t"] == "1" && ended.tags["u"] == "1")
}

private func checkTraceSearch(_ traces: any TraceStore, _ experiment: String) async throws {
    let mark = TraceSample.id()
    var ids: [String] = []
    for index in 0..<5 {
        var info = TraceSample.info(TraceSample.id(), experiment)
        info.requestTime = Timestamp(milliseconds: TraceSample.start + Int64(index))
        info.duration = Int64(100 - index)
        info.state = index == 3 ? .error : .ok
        info.tags["mark"] = mark
        info.tags["index"] = "\(index)"
        ids.append(try await traces.put(info).id)
    }
    func found(_ filter: String, _ order: [String] = []) async throws -> [Int] {
        let page = try await traces.search(
            TraceSearch(
                experimentIDs: [experiment], filter: "tags.mark = '\(mark)'" + (filter.isEmpty ? "" : " AND " + filter),
                orderBy: order))
        return page.items.compactMap { ids.firstIndex(of: $0.id) }
    }
    #expect(try await found("") == [4, 3, 2, 1, 0])
    #expect(try await found("", ["timestamp_ms ASC"]) == [0, 1, 2, 3, 4])
    #expect(try await found("", ["execution_time ASC"]) == [4, 3, 2, 1, 0])
    #expect(try await found("", ["tags.index"]) == [0, 1, 2, 3, 4])
    #expect(try await found("status = 'ERROR'") == [3])
    #expect(try await found("tags.index != '2' and timestamp > \(TraceSample.start)") == [4, 3, 1])
    #expect(try await traces.search(TraceSearch(experimentIDs: [])).items.isEmpty)
    await expectError(.invalidArgument, mentions: "foo") { try await found("foo = 3") }

    var token: String?, paged: [String] = []
    repeat {
        let page = try await traces.search(
            TraceSearch(
                experimentIDs: [experiment], filter: "tags.mark = '\(mark)'", maxResults: 2, pageToken: token))
        #expect(page.items.count <= 2)
        paged += page.items.map(\.id)
        token = page.nextPageToken
    } while token != nil
    #expect(paged == ids.reversed())
}

private func checkTraceLinks(_ traces: any TraceStore, _ experiment: String) async throws {
    let linked = try await traces.put(TraceSample.info(TraceSample.id(), experiment)).id
    var made = TraceSample.info(TraceSample.id(), experiment)
    let run = TraceSample.id(), prompt = "greet-\(run.prefix(6))/2"
    made.metadata[TraceKey.sourceRun] = run
    let own = try await traces.put(made).id
    try await traces.link(traceIDs: [linked], toRun: run)
    try await traces.link(traceIDs: [linked], toRun: run)
    try await traces.link(traceID: linked, toPrompts: [prompt, "other/1"])
    func found(_ filter: String) async throws -> Set<String> {
        Set(try await traces.search(TraceSearch(experimentIDs: [experiment], filter: filter)).items.map(\.id))
    }
    #expect(try await found("run_id = '\(run)'") == [linked, own])
    #expect(try await found("prompt = '\(prompt)'") == [linked])
    await expectError(.notFound) { try await traces.link(traceID: "tr-0", toPrompts: [prompt]) }
    await expectError(.invalidArgument, mentions: "101") {
        try await traces.link(traceIDs: (0...100).map { "tr-\($0)" }, toRun: run)
    }
}

private func checkTraceDeletion(_ traces: any TraceStore, _ experiment: String) async throws {
    let trace = TraceSample.id()
    let one = try await traces.put(TraceSample.info(trace, experiment)).id
    try await traces.record([TraceSample.span(trace, "root")], resource: [:], experimentID: experiment)
    #expect(try await traces.delete(experimentID: "987654", .ids([one])).isEmpty)
    #expect(try await traces.delete(experimentID: experiment, .ids([one, "tr-0"])) == [one])
    await expectError(.notFound) { try await traces.info(id: one) }
    // Made again, it has nothing of what it was.
    let again = try await traces.put(TraceSample.info(trace, experiment))
    #expect(again.tags[TraceKey.spansLocation] == nil)

    var old = TraceSample.info(TraceSample.id(), experiment), older = TraceSample.info(TraceSample.id(), experiment)
    old.requestTime = Timestamp(milliseconds: 2000)
    older.requestTime = Timestamp(milliseconds: 1000)
    _ = try await traces.put(old)
    _ = try await traces.put(older)
    #expect(
        try await traces.delete(experimentID: experiment, .until(Timestamp(milliseconds: 5000), limit: 1)) == [older.id]
    )
    #expect(try await traces.infos(ids: [old.id, older.id]).map(\.id) == [old.id])
    #expect(
        try await traces.delete(experimentID: experiment, .until(Timestamp(milliseconds: 2000), limit: nil)) == [old.id]
    )
    #expect(try await traces.infos(ids: [old.id, again.id]).map(\.id) == [again.id])
}
