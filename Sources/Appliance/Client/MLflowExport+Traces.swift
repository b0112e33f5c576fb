import Contracts
import Core

extension MLflowExport {
    private static let tracesAtOnce = 50
    private static let linksAtOnce = 100
    /// Where its spans and files lie is each store's own to say.
    private static let own = [TraceKey.artifactLocation, TraceKey.spansLocation]

    /// Traces keep their identifiers.
    func bringTraces(_ pair: inout Pair, _ state: inout State) async throws {
        var token: String?
        repeat {
            let page = try await source.traces.search(
                TraceSearch(
                    experimentIDs: [pair.source.id], orderBy: ["timestamp_ms ASC"], maxResults: Self.tracesAtOnce,
                    pageToken: token))
            state.hasTraces = state.hasTraces || !page.items.isEmpty
            state.allSteps += page.items.count
            let ids = page.items.map(\.id)
            let whole = Dictionary(
                try await source.traces.traces(ids: ids).map { ($0.info.id, $0.spans) }, uniquingKeysWith: { $1 })
            let known = Dictionary(
                try await target.traces.infos(ids: ids).map { ($0.id, $0) }, uniquingKeysWith: { $1 })
            for info in page.items {
                try await attempt("traces", "trace `\(info.id)`", &state) { state in
                    try await bring(info, whole[info.id], known[info.id], &pair, &state)
                }
            }
            token = page.nextPageToken
        } while token != nil
    }

    private func bring(
        _ info: TraceInfo, _ whole: [TraceSpan]?, _ known: TraceInfo?, _ pair: inout Pair, _ state: inout State
    ) async throws {
        progress("trace \(info.id)", &state)
        if let known, known.experimentID != pair.target.id {
            throw NestboxError(.conflict, "a trace of that id is in another experiment there")
        }
        // Of one that is still running, those that have come.
        let spans: [TraceSpan]
        if let whole {
            spans = whole
        } else {
            spans = try await source.traces.trace(id: info.id, allowPartial: true).spans
        }
        let wanted = moved(info, pair, state)
        var isSame = false
        if let known, Self.holds(known, wanted) {
            isSame = try await target.traces.trace(id: info.id, allowPartial: true).spans.count >= spans.count
        }
        if !isSame {
            try await open(&pair.target)
            note("trace `\(info.id)`: tag", info.tags, over: Limit.traceEntry, &state)
            note("trace `\(info.id)`: metadata", info.metadata, over: Limit.traceEntry, &state)
            // The summary last: with it the trace counts as complete.
            try await target.traces.record(spans, resource: [:], experimentID: pair.target.id)
            _ = try await target.traces.put(wanted)
            try await override(wanted.assessments)
        }
        let after = isSame ? spans.count : try await target.traces.trace(id: info.id, allowPartial: true).spans.count
        let now = isSame ? known : try await target.traces.info(id: info.id)
        if let files = info.tags[TraceKey.artifactLocation], let place = now?.tags[TraceKey.artifactLocation] {
            try await bringFiles(from: files, to: place, "trace `\(info.id)`", &state)
        }
        state.report.add("traces", imported: isSame ? 0 : 1, skipped: isSame ? 1 : 0)
        let found = min(after, spans.count)
        state.report.add("spans", source: spans.count, imported: isSame ? 0 : found, skipped: isSame ? found : 0)
        count(
            "assessments", wanted.assessments.map(Said.init), known?.assessments.map(Said.init) ?? [],
            now?.assessments.map(Said.init) ?? [], &state)
    }

    /// A summary makes every assessment valid there. What overrides another makes that invalid only when it is added by itself.
    private func override(_ assessments: [Assessment]) async throws {
        for assessment in assessments.sorted(by: { $0.createdAt.milliseconds < $1.createdAt.milliseconds })
        where assessment.overrides != nil {
            try await target.traces.deleteAssessment(traceID: assessment.traceID, id: assessment.id)
            _ = try await target.traces.addAssessment(assessment)
        }
    }

    private func moved(_ info: TraceInfo, _ pair: Pair, _ state: State) -> TraceInfo {
        var moved = info
        moved.experimentID = pair.target.id
        moved.tags = Self.mapped(info.tags.filter { !Self.own.contains($0.key) }, Limit.traceEntry, state)
        moved.metadata = Self.mapped(info.metadata, Limit.traceEntry, state)
        moved.requestPreview = info.requestPreview.map { Self.fit($0, Limit.preview) }
        moved.responsePreview = info.responsePreview.map { Self.fit($0, Limit.preview) }
        moved.assessments = info.assessments.map {
            var assessment = $0
            assessment.metadata = $0.metadata.mapValues { Self.mapped($0, state) }
            return assessment
        }
        return moved
    }

    /// What of an assessment may change.
    private struct Said: Hashable {
        let id: String, name: String, value: JSONValue, rationale: String?, isValid: Bool

        init(_ assessment: Assessment) {
            id = assessment.id
            name = assessment.name
            value = assessment.value
            rationale = assessment.rationale.flatMap { $0.isEmpty ? nil : $0 }
            isValid = assessment.isValid
        }
    }

    private static func holds(_ here: TraceInfo, _ wanted: TraceInfo) -> Bool {
        here.state == wanted.state && here.requestTime == wanted.requestTime && here.duration == wanted.duration
            && wanted.tags.allSatisfy { here.tags[$0.key] == $0.value }
            && wanted.metadata.allSatisfy { here.metadata[$0.key] == $0.value }
            && Set(here.assessments.map(Said.init)).isSuperset(of: wanted.assessments.map(Said.init))
    }

    // MARK: Links

    /// Traces that were linked to a run afterwards, and to prompts: no server lists links, but both search by them.
    func linkTraces(_ pairs: [Pair], _ state: inout State) async throws {
        let here = pairs.map(\.source.id), there = pairs.map(\.target.id)
        for (run, id) in state.runs.sorted(by: { $0.key < $1.key }) {
            let old = try await target(
                there, "attributes.run_id = '\(id)'", unless: here, "attributes.run_id = '\(run)'")
            guard let old else { continue }
            try await attempt("trace links", "the traces of run `\(run)`", &state) { state in
                for start in stride(from: 0, to: old.missing.count, by: Self.linksAtOnce) {
                    try await target.traces.link(
                        traceIDs: Array(old.missing[start...].prefix(Self.linksAtOnce)), toRun: id)
                }
                try await count(old, there, "attributes.run_id = '\(id)'", &state)
            }
        }
        guard chosen == nil else { return }
        let prompts = try await Page.all { token in
            try await source.registry.searchVersions(
                ModelSearch(filter: MLflowServer.prompts, maxResults: 100, pageToken: token))
        }
        for prompt in prompts {
            let filter = "prompt = '\(prompt.name)/\(prompt.version)'"
            guard let old = try await target(there, filter, unless: here, filter) else { continue }
            try await attempt("trace links", "the traces of prompt `\(prompt.name)`", &state) { state in
                for trace in old.missing {
                    try await target.traces.link(traceID: trace, toPrompts: ["\(prompt.name)/\(prompt.version)"])
                }
                try await count(old, there, filter, &state)
            }
        }
    }

    private struct Links {
        let wanted: [String], there: [String]

        var missing: [String] { wanted.filter { !Set(there).contains($0) } }
    }

    /// Nil when nothing is linked here.
    private func target(
        _ there: [String], _ filter: String, unless here: [String], _ sourceFilter: String
    ) async throws -> Links? {
        let wanted = try await traces(source.traces, here, sourceFilter)
        return wanted.isEmpty ? nil : Links(wanted: wanted, there: try await traces(target.traces, there, filter))
    }

    private func count(_ links: Links, _ there: [String], _ filter: String, _ state: inout State) async throws {
        let after = links.missing.isEmpty ? links.there : try await traces(target.traces, there, filter)
        count("trace links", links.wanted, links.there, after, &state)
    }

    private func traces(_ store: RemoteTraces, _ experiments: [String], _ filter: String) async throws -> [String] {
        try await Page.all { token in
            try await store.search(
                TraceSearch(experimentIDs: experiments, filter: filter, maxResults: 500, pageToken: token))
        }.map(\.id)
    }
}
