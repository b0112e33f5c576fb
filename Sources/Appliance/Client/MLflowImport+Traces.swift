import Contracts
import Core

extension MLflowImport {
    func bringTraces(of experiment: Experiment, into here: Experiment, _ state: inout State) async throws {
        var here = here
        var token: String?
        repeat {
            let page = try await source.traces(of: experiment, page: token)
            let ids = page.items.compactMap { try? $0.get().info.id }
            let known = Dictionary(
                try await target.traces.infos(ids: ids).map { ($0.id, $0) }, uniquingKeysWith: { $1 })
            for found in page.items {
                try await attempt("traces", Self.name(of: found, "trace", \.info.id), &state) { state in
                    let trace = try found.get()
                    try await bring(trace, known[trace.info.id], into: &here, &state)
                }
            }
            token = page.next
        } while token != nil
    }

    private func bring(
        _ trace: MLflowTrace, _ known: TraceInfo?, into experiment: inout Experiment, _ state: inout State
    ) async throws {
        let info = trace.info
        if known != nil, known?.experimentID != experiment.id {
            throw NestboxError(.conflict, "a trace of that id is in another experiment here")
        }
        let spans = try trace.spans.get()
        var wanted = info
        wanted.experimentID = experiment.id
        var isSame = false
        if let known, Self.holds(known, wanted) {
            isSame = try await target.traces.trace(id: info.id, allowPartial: true).spans.count >= spans.count
        }
        if !isSame {
            try await open(&experiment)
            // The summary last: with it the trace counts as complete.
            try await target.traces.record(spans, resource: [:], experimentID: experiment.id)
            _ = try await target.traces.put(wanted)
        }
        let after = isSame ? spans.count : try await target.traces.trace(id: info.id, allowPartial: true).spans.count
        state.report.add("traces", imported: isSame ? 0 : 1, skipped: isSame ? 1 : 0)
        let found = min(after, spans.count), count = info.assessments.count
        state.report.add("spans", source: spans.count, imported: isSame ? 0 : found, skipped: isSame ? found : 0)
        let assessed =
            isSame ? count : min(count, try await target.traces.info(id: info.id).assessments.count)
        state.report.add("assessments", source: count, imported: isSame ? 0 : assessed, skipped: isSame ? assessed : 0)
    }

    private static func holds(_ here: TraceInfo, _ wanted: TraceInfo) -> Bool {
        // Where its spans and files lie is each store's own to say.
        let own = [TraceKey.artifactLocation, TraceKey.spansLocation]
        return here.state == wanted.state && here.requestTime == wanted.requestTime && here.duration == wanted.duration
            && wanted.tags.allSatisfy { own.contains($0.key) || here.tags[$0.key] == $0.value }
            && Set(here.assessments.map(\.id)).isSuperset(of: wanted.assessments.map(\.id))
    }
}
