import Contracts
import Core
import GRDB
import Storage
import TestSupport
import Testing
import Tracking

@testable import Traces

@Suite struct EmbeddedTraceStoreTests {
    private let directory: TemporaryDirectory
    private let telemetry: Store
    private let tracking: EmbeddedTracking
    private let traces: EmbeddedTraceStore

    init() throws {
        directory = try TemporaryDirectory()
        let decisions = try Store(in: directory, EmbeddedTracking.decisionMigrations, name: "nestbox.db")
        telemetry = try Store(
            in: directory, EmbeddedTracking.telemetryMigrations + EmbeddedTraceStore.migrations, name: "telemetry.db")
        tracking = try EmbeddedTracking(decisions: decisions, telemetry: telemetry, ambient: .live)
        traces = EmbeddedTraceStore(store: telemetry, tracking: tracking, ambient: .live, attempts: 3)
    }

    private func experiment() async throws -> String {
        try await tracking.createExperiment(name: TraceSample.id(), artifactLocation: nil, tags: [:]).id
    }

    @Test func keepsTheContract() async throws {
        try await checkTraceStore(traces, experiment: try await experiment())
        try await checkTraceMetrics(traces, experiment: try await experiment())
    }

    @Test func aDeletedExperimentTakesNoMoreTraces() async throws {
        let id = try await experiment()
        try await tracking.deleteExperiment(id: id)
        await expectError(.invalidArgument, mentions: "deleted") {
            try await traces.put(TraceSample.info(TraceSample.id(), id))
        }
    }

    @Test func aTraceIsWaitedForUntilItsSpansAreThere() async throws {
        let id = try await experiment(), trace = TraceSample.id()
        _ = try await traces.put(TraceSample.info(trace, id, spans: 2))
        let root = TraceSample.span(trace, "root"), child = TraceSample.span(trace, "child", parent: root.id)
        try await traces.record([root], resource: [:], experimentID: id)
        #expect(try await traces.traces(ids: ["tr-" + trace]).isEmpty)
        await expectError(.notFound, mentions: "not fully exported") {
            try await traces.trace(id: "tr-" + trace, allowPartial: false)
        }
        let patient = EmbeddedTraceStore(store: telemetry, tracking: tracking, ambient: .live, attempts: 600)
        async let waiting = patient.trace(id: "tr-" + trace, allowPartial: false)
        try await traces.record([child], resource: [:], experimentID: id)
        #expect(try await waiting.spans.count == 2)
    }

    @Test func spansFromManyTasksMakeOneTrace() async throws {
        let id = try await experiment(), trace = TraceSample.id()
        let root = TraceSample.span(trace, "root", at: 0, for: 1000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask { [traces] in
                    let span =
                        index == 7
                        ? root
                        : TraceSample.span(
                            trace, "s\(index)", parent: root.id, at: Int64(index),
                            ["mlflow.chat.tokenUsage": ["input_tokens": 1, "output_tokens": 2, "total_tokens": 3]])
                    try await traces.record([span], resource: [:], experimentID: id)
                }
            }
            try await group.waitForAll()
        }
        let whole = try await traces.trace(id: "tr-" + trace, allowPartial: false)
        #expect(whole.spans.count == 40 && whole.info.duration == 1000 && whole.info.state == .ok)
        #expect(
            whole.info.metadata[TraceKey.tokenUsage]
                == "{\"input_tokens\": 39, \"output_tokens\": 78, \"total_tokens\": 117}")
    }

    @Test func nothingIsLeftOfADeletedTrace() async throws {
        let id = try await experiment(), trace = TraceSample.id()
        var info = TraceSample.info(trace, id)
        let now = Timestamp(milliseconds: 0)
        info.assessments = [
            Assessment(traceID: "", name: "a", kind: .feedback, value: 1, createdAt: now, updatedAt: now)
        ]
        #expect(try await traces.put(info).assessments.map(\.traceID) == [info.id])
        try await traces.record([TraceSample.span(trace, "root")], resource: [:], experimentID: id)
        try await traces.link(traceIDs: [info.id], toRun: "r")
        #expect(try await traces.delete(experimentID: id, .ids([info.id])) == [info.id])
        for table in EmbeddedTraceStore.dependents + ["tracing_traces"] {
            let rows = try await telemetry.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") }
            #expect(rows == 0, "\(table)")
        }
    }

    @Test func brokenSpansAreRefusedWhole() async throws {
        let id = try await experiment(), trace = TraceSample.id()
        let fine = TraceSample.span(trace, "fine")
        var bad: [TraceSpan] = []
        for change: (inout TraceSpan) -> Void in [
            { $0.traceID = "xyz" }, { $0.id = String(repeating: "0", count: 16) }, { $0.parentID = $0.id },
            { $0.start = -1 },
            { $0.attributes = ["deep": (0..<80).reduce(JSONValue.int(1)) { value, _ in .array([value]) }] },
        ] {
            var span = fine
            change(&span)
            bad.append(span)
        }
        for span in bad {
            await expectError(.invalidArgument, mentions: "fine") {
                try await traces.record([fine, span], resource: [:], experimentID: id)
            }
        }
        await expectError(.notFound) { try await traces.info(id: "tr-" + trace) }
    }

    @Test func nestedAsDeepAsAllowedIsReadAgain() async throws {
        let id = try await experiment(), trace = TraceSample.id()
        var span = TraceSample.span(trace, "deep")
        let deep = (0..<55).reduce(JSONValue.int(1)) { value, _ in .array([value]) }
        span.attributes = ["a": deep]
        span.events = [TraceSpan.Event(name: "e", time: 1, attributes: ["a": deep])]
        try await traces.record([span], resource: [:], experimentID: id)
        #expect(try await traces.trace(id: "tr-" + trace, allowPartial: false).spans[0].attributes["a"] == deep)
    }

    @Test func numbersThatJSONDoesNotHaveBecomeText() async throws {
        let id = try await experiment(), trace = TraceSample.id()
        let span = TraceSample.span(
            trace, "root", ["a": .number(.nan), "b": .number(-.infinity), "c": .number(1e300), "d": .int(.max)])
        try await traces.record([span], resource: [:], experimentID: id)
        let read = try await traces.trace(id: "tr-" + trace, allowPartial: false).spans[0].attributes
        #expect(read["a"] == "NaN" && read["b"] == "-Infinity" && read["c"] == 1e300 && read["d"] == .int(.max))
        let found = try await traces.search(
            TraceSearch(experimentIDs: [id], filter: "span.attributes.a = 'NaN'"))
        #expect(found.items.count == 1)
    }

    @Test func pageTokensOfOthersAreRefused() async throws {
        let id = try await experiment()
        for token in ["x", "eyJvZmZzZXQiOiAtMX0=", "e30="] {
            await expectError(.invalidArgument, mentions: "page token") {
                try await traces.search(TraceSearch(experimentIDs: [id], pageToken: token))
            }
        }
    }
}
