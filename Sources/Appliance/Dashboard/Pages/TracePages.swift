import Contracts
import Core

enum TraceView {
    static func badge(_ state: TraceState) -> Badge {
        switch state {
        case .ok: Badge("ok", "good")
        case .error: Badge("error", "bad")
        case .inProgress: Badge("in progress", "live")
        case .unspecified: Badge("unknown")
        }
    }

    static func name(_ info: TraceInfo) -> String {
        info.name.flatMap { $0.isEmpty ? nil : $0 } ?? Format.short(info.id, 15)
    }

    static func duration(_ info: TraceInfo) -> String {
        info.duration.map { Format.duration(Double($0) / 1000) } ?? "–"
    }

    /// `input_tokens` and its siblings of a trace.
    static func tokens(_ info: TraceInfo) -> [String: Int64] {
        guard let text = info.metadata[TraceKey.tokenUsage], let usage = try? JSONReader.parse(text) else { return [:] }
        return (usage.objectValue ?? [:]).compactMapValues(\.intValue)
    }

    /// A value as people read it: a text as it is, JSON indented, also JSON inside a text.
    static func pretty(_ value: JSONValue) -> String {
        var value = value
        if let text = value.stringValue {
            guard let first = text.utf8.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "["),
                let inner = try? JSONReader.parse(text)
            else { return Format.short(text, 20_000) }
            value = inner
        }
        switch value {
        case .array, .object: return Format.short((try? JSON.string(value, pretty: true)) ?? "", 20_000)
        default: return Format.json(value)
        }
    }

    static func inOneLine(_ assessment: Assessment) -> String {
        assessment.error != nil || assessment.kind == .issue ? assessed(assessment) : Format.json(assessment.value)
    }

    static func assessed(_ assessment: Assessment) -> String {
        if let error = assessment.error { return "failed: \(error.message ?? error.code)" }
        if assessment.kind == .issue { return assessment.value["issue_name"]?.stringValue ?? "" }
        return pretty(assessment.value)
    }
}

/// `/traces`: the traces of one experiment, or of all.
package struct TracesPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var state: Badge
        var experiment: String
        var experimentHref: String
        var started: TimeText
        var duration: String
        var tokens: String
        var request: String
        var response: String
        var assessments: [String]
    }

    struct Option {
        var value: String
        var label: String
        var isChosen: Bool
    }

    package let template = "traces"
    package let title: String
    package let section = Section.traces
    package let path = "/traces"
    package let trail: [Crumb]
    package let events = ["trace", "traces"]

    let rows: [Row]
    let experiments: [Option]
    let filter: String
    let failure: String?
    let failureHint: String?
    let next: String?
    let empty: Empty

    /// - Parameters:
    ///   - experiments: those to choose from.
    ///   - chosen: the one whose traces are shown; nil shows all.
    ///   - failure: what is wrong with the filter; then there are no traces.
    ///   - next: the address of the next page, when there is one.
    package init(
        _ traces: [TraceInfo], experiments: [Experiment], chosen: String?, filter: String, failure: NestboxError?,
        next: String?, now: Timestamp
    ) {
        let names = Dictionary(experiments.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        let experiment = chosen.map { names[$0] ?? $0 }
        title = experiment.map { "Traces of \($0)" } ?? "Traces"
        trail =
            chosen.map {
                [Crumb("Experiments", "/experiments"), Crumb(experiment ?? $0, Format.link("experiments", $0))]
            } ?? []
        self.experiments =
            [Option(value: "", label: "all experiments", isChosen: chosen == nil)]
            + experiments.map { Option(value: $0.id, label: $0.name, isChosen: $0.id == chosen) }
        self.filter = filter
        self.failure = failure?.message
        failureHint = failure?.hint
        self.next = next
        rows = traces.map { info in
            Row(
                name: TraceView.name(info), href: Format.link("traces", info.id), state: TraceView.badge(info.state),
                experiment: names[info.experimentID] ?? info.experimentID,
                experimentHref: Format.link("experiments", info.experimentID),
                started: TimeText(info.requestTime, now: now), duration: TraceView.duration(info),
                tokens: TraceView.tokens(info)["total_tokens"].map(Format.count) ?? "–",
                request: Format.short(info.requestPreview ?? "", 200),
                response: Format.short(info.responsePreview ?? "", 200),
                assessments: info.assessments.filter(\.isValid).map {
                    "\($0.name): \(Format.short(TraceView.inOneLine($0), 24))"
                })
        }
        empty =
            filter.isEmpty
            ? Empty(
                "No trace yet",
                "Decorate a function with @mlflow.trace, or point an OpenTelemetry exporter at /v1/traces with the header x-mlflow-experiment-id."
            )
            : Empty("No trace matches", "Change the filter, or choose other experiments.")
    }
}

/// `/traces/{id}`: the waterfall of its spans, with what went in and came out.
package struct TracePage: DashboardPage {
    struct Said {
        var name: String
        var kind: String
        var value: String
        var source: String
        var rationale: String?
        var rowStyle: String
    }

    package let template = "trace"
    package let title: String
    package let section = Section.traces
    package let path: String
    package let trail: [Crumb]
    package let events = ["trace"]

    let id: String
    let state: Badge
    let stats: [Stat]
    let request: String?
    let response: String?
    let hasPreviews: Bool
    let waterfall: TraceWaterfall
    let hasSpans: Bool
    let spansNote: String?
    let assessments: [Said]
    let facts: [Pair]
    let tags: [Pair]
    let empty = Empty(
        "No span yet", "The trace's summary is here; its spans are still on their way, or were never sent.")

    package init(_ trace: Trace, experiment: Experiment, now: Timestamp) {
        let info = trace.info
        id = info.id
        title = TraceView.name(info)
        path = Format.link("traces", info.id)
        trail = [
            Crumb("Traces", "/traces"), Crumb(experiment.name, "/traces?experiment=\(Format.encoded(experiment.id))"),
        ]
        state = TraceView.badge(info.state)
        waterfall = TraceWaterfall(trace.spans)
        hasSpans = !trace.spans.isEmpty
        let left = trace.spans.count - waterfall.rows.count
        spansNote = left > 0 ? "\(Format.counted(left, "more span")) not shown." : nil
        request = info.requestPreview.map { TraceView.pretty(.string($0)) }
        response = info.responsePreview.map { TraceView.pretty(.string($0)) }
        hasPreviews = request != nil || response != nil
        stats = Self.stats(trace, now: now)
        assessments = info.assessments.map {
            Said(
                name: $0.name, kind: $0.kind.rawValue, value: TraceView.assessed($0),
                source: "\($0.sourceType.rawValue.lowercased().replacing("_", with: " ")) \($0.sourceID)",
                rationale: $0.rationale, rowStyle: $0.isValid ? "" : "overridden")
        }
        facts = Self.facts(info)
        tags = info.tags.sorted { $0.key < $1.key }.map { Pair($0.key, Format.short($0.value, 2000)) }
    }

    private static func stats(_ trace: Trace, now: Timestamp) -> [Stat] {
        let info = trace.info, tokens = TraceView.tokens(info)
        let failed = trace.spans.filter { $0.status == .error }.count
        var stats = [
            Stat("Duration", TraceView.duration(info)),
            Stat("Started", Format.ago(info.requestTime, now: now), Format.date(info.requestTime)),
            Stat("Spans", Format.count(trace.spans.count), failed > 0 ? "\(failed) failed" : nil),
        ]
        if let total = tokens["total_tokens"] {
            let parts = [("in", tokens["input_tokens"]), ("out", tokens["output_tokens"])]
                .compactMap { name, count in count.map { "\(Format.count($0)) \(name)" } }
            stats.append(Stat("Tokens", Format.count(total), parts.joined(separator: ", ")))
        }
        if let text = info.metadata[TraceKey.cost], let cost = try? JSONReader.parse(text),
            let total = cost["total_cost"]?.doubleValue
        {
            stats.append(Stat("Cost", "$\(Format.number(total))"))
        }
        return stats
    }

    /// Metadata, with links to the run and to the session's other traces.
    private static func facts(_ info: TraceInfo) -> [Pair] {
        var pairs = info.clientRequestID.map { [Pair("client request id", $0)] } ?? []
        for (key, value) in info.metadata.sorted(by: { $0.key < $1.key }) where !value.isEmpty {
            var href: String?
            if key == TraceKey.sourceRun { href = Format.link("runs", value) }
            if key == TraceKey.session || key == TraceKey.user {
                let quoted = value.replacing("'", with: "''")
                href =
                    "/traces?experiment=\(Format.encoded(info.experimentID))&filter="
                    + Format.encoded("metadata.`\(key)` = '\(quoted)'")
            }
            pairs.append(Pair(key, Format.short(value, 2000), href: href))
        }
        return pairs
    }
}
