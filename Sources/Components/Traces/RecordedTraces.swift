import Contracts
import Core
import Storage

/// Traces that somebody else keeps, and here the events of what changes through this Nestbox, as the embedded store has them.
package struct RecordedTraces: TraceStore {
    private let base: any TraceStore
    private let store: Store

    /// - Parameter store: `telemetry.db`
    package init(_ base: any TraceStore, store: Store) {
        self.base = base
        self.store = store
    }

    private func record(_ kind: String, _ subject: String, _ data: JSONValue) async throws {
        try await store.write { context in try context.record(kind, subject, data) }
    }

    package func put(_ info: TraceInfo) async throws -> TraceInfo {
        let stored = try await base.put(info)
        try await record("trace.recorded", "trace/\(stored.id)", ["experiment": .string(stored.experimentID)])
        return stored
    }

    package func begin(
        experimentID: String, at time: Timestamp, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo {
        let begun = try await base.begin(experimentID: experimentID, at: time, metadata: metadata, tags: tags)
        try await record("trace.recorded", "trace/\(begun.id)", ["experiment": .string(experimentID)])
        return begun
    }

    package func end(
        id: String, at time: Timestamp, state: TraceState, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo {
        let ended = try await base.end(id: id, at: time, state: state, metadata: metadata, tags: tags)
        try await record("trace.ended", "trace/\(id)", ["state": .string(state.rawValue)])
        return ended
    }

    package func record(_ spans: [TraceSpan], resource: [String: JSONValue], experimentID: String) async throws {
        try await base.record(spans, resource: resource, experimentID: experimentID)
        let traces = Set(spans.map(\.traceID)).sorted()
        try await store.write { context in
            for trace in traces {
                try context.record("trace.recorded", "trace/tr-\(trace)", ["experiment": .string(experimentID)])
            }
        }
    }

    package func info(id: String) async throws -> TraceInfo { try await base.info(id: id) }

    package func infos(ids: [String]) async throws -> [TraceInfo] { try await base.infos(ids: ids) }

    package func trace(id: String, allowPartial: Bool) async throws -> Trace {
        try await base.trace(id: id, allowPartial: allowPartial)
    }

    package func traces(ids: [String]) async throws -> [Trace] { try await base.traces(ids: ids) }

    package func search(_ search: TraceSearch) async throws -> Page<TraceInfo> { try await base.search(search) }

    package func metrics(_ query: TraceMetricQuery) async throws -> Page<TraceMetricPoint> {
        try await base.metrics(query)
    }

    package func correlation(
        experimentIDs: [String], _ first: String, _ second: String, base filter: String?
    ) async throws -> TraceCorrelation {
        try await base.correlation(experimentIDs: experimentIDs, first, second, base: filter)
    }

    package func delete(experimentID: String, _ selection: TraceSelection) async throws -> [String] {
        let gone = try await base.delete(experimentID: experimentID, selection)
        try await record("traces.deleted", "experiment/\(experimentID)", ["count": .int(Int64(gone.count))])
        return gone
    }

    package func setTag(id: String, key: String, value: String?) async throws {
        try await base.setTag(id: id, key: key, value: value)
        try await record("trace.tagged", "trace/\(id)", ["key": .string(key)])
    }

    package func addAssessment(_ assessment: Assessment) async throws -> Assessment {
        let added = try await base.addAssessment(assessment)
        try await record("trace.assessed", "trace/\(added.traceID)", ["name": .string(added.name)])
        return added
    }

    package func assessment(traceID: String, id: String) async throws -> Assessment {
        try await base.assessment(traceID: traceID, id: id)
    }

    package func updateAssessment(traceID: String, id: String, _ update: AssessmentUpdate) async throws -> Assessment {
        let changed = try await base.updateAssessment(traceID: traceID, id: id, update)
        try await record("trace.assessed", "trace/\(traceID)", ["name": .string(changed.name)])
        return changed
    }

    package func deleteAssessment(traceID: String, id: String) async throws {
        try await base.deleteAssessment(traceID: traceID, id: id)
        try await record("trace.assessed", "trace/\(traceID)", ["removed": .string(id)])
    }

    package func link(traceIDs: [String], toRun run: String) async throws {
        try await base.link(traceIDs: traceIDs, toRun: run)
        try await store.write { context in
            for id in traceIDs { try context.record("trace.linked", "trace/\(id)", ["to": .string("run/\(run)")]) }
        }
    }

    package func link(traceID: String, toPrompts prompts: [String]) async throws {
        try await base.link(traceID: traceID, toPrompts: prompts)
        try await store.write { context in
            for prompt in prompts {
                try context.record("trace.linked", "trace/\(traceID)", ["to": .string("prompt/\(prompt)")])
            }
        }
    }
}
