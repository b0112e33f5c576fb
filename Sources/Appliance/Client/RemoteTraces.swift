import Contracts
import Core
import Foundation
import NIOHTTP1

/// `TraceStore` over MLflow REST and OTLP: another Nestbox, or an MLflow server.
package struct RemoteTraces: TraceStore {
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    /// A request to the 3.0 API; the answer keeps whole numbers apart from others.
    @discardableResult
    private func ask(
        _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil, version: String = "3.0",
        query: [(String, String?)] = []
    ) async throws -> JSONValue {
        let address = APIClient.path("/api/\(version)/mlflow/traces\(path)", query: query)
        let stream = try body.map { ByteStream(try JSON.encode($0)) }
        let answer = try await client.send(
            method, address, body: stream, contentType: body == nil ? nil : "application/json")
        return answer.isEmpty ? .null : try JSONReader.parse(answer, what: "the answer of \(path)")
    }

    private static func one(_ id: String) -> String { "/" + APIClient.escape(id) }

    package func put(_ info: TraceInfo) async throws -> TraceInfo {
        // An MLflow server takes any, also one that leads out of the folder of the trace's files.
        guard (try? ArtifactPath.normalize(info.id)) == info.id, !info.id.contains("/") else {
            throw NestboxError.invalid("`\(info.id.prefix(80))` cannot be the id of a trace")
        }
        let answer = try await ask(.POST, "", ["trace": ["trace_info": TraceWire.json(info)]])
        return try TraceWire.info(answer["trace"]?["trace_info"] ?? .null)
    }

    package func begin(
        experimentID: String, at time: Timestamp, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo {
        let answer = try await ask(
            .POST, "",
            [
                "experiment_id": .string(experimentID), "timestamp_ms": .int(time.milliseconds),
                "request_metadata": Self.pairs(metadata), "tags": Self.pairs(tags),
            ], version: "2.0")
        return try await info(id: answer["trace_info"]?["request_id"]?.stringValue ?? "")
    }

    package func end(
        id: String, at time: Timestamp, state: TraceState, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo {
        try await ask(
            .PATCH, Self.one(id),
            [
                "timestamp_ms": .int(time.milliseconds), "status": .string(state.rawValue),
                "request_metadata": Self.pairs(metadata), "tags": Self.pairs(tags),
            ], version: "2.0")
        return try await info(id: id)
    }

    private static func pairs(_ map: [String: String]) -> JSONValue {
        .array(map.map { ["key": .string($0.key), "value": .string($0.value)] })
    }

    package func record(_ spans: [TraceSpan], resource: [String: JSONValue], experimentID: String) async throws {
        guard !spans.isEmpty else { return }
        let body = try JSON.encode(TraceWire.export(spans, resource: resource, isForMLflow: client.dialect != .nestbox))
        let answer = try await client.stream(
            .POST, "/v1/traces", body: ByteStream(body), contentType: "application/json",
            headers: [("x-mlflow-experiment-id", experimentID)]
        ).collect(upTo: 1 << 20)
        // MLflow's own server answers in protocol buffers, whatever it was sent, and never in part.
        guard let partial = try? JSONReader.parse(answer)["partialSuccess"] else { return }
        throw NestboxError.invalid(partial["errorMessage"]?.stringValue ?? "some spans were refused")
    }

    package func info(id: String) async throws -> TraceInfo {
        try TraceWire.info(try await ask(.GET, Self.one(id))["trace"]?["trace_info"] ?? .null)
    }

    package func infos(ids: [String]) async throws -> [TraceInfo] {
        guard !ids.isEmpty else { return [] }
        let answer = try await ask(.POST, "/batchGetInfos", ["trace_ids": .array(ids.map(JSONValue.string))])
        return try (answer["trace_infos"]?.arrayValue ?? []).map(TraceWire.info)
    }

    /// An MLflow server keeps the spans of some clients in a file beside the runs' artifacts, and then answers with an error.
    package func trace(id: String, allowPartial: Bool) async throws -> Trace {
        if client.dialect != .nestbox {
            let info = try await info(id: id)
            if info.tags[TraceKey.spansLocation] == nil {
                guard !allowPartial else { return Trace(info: info, spans: []) }
                throw NestboxError(
                    .notFound, "the spans of trace `\(id)` are not in the server's database",
                    hint: "they may be on their way, or in the file traces.json among the trace's artifacts")
            }
        }
        let answer = try await ask(
            .GET, "/get", query: [("trace_id", id), ("allow_partial", allowPartial ? "true" : "false")])
        return try TraceWire.trace(answer["trace"] ?? .null)
    }

    package func traces(ids: [String]) async throws -> [Trace] {
        var ids = ids
        if client.dialect != .nestbox {
            // One trace whose spans lie in a file would fail them all.
            let stored = try await infos(ids: ids).filter { $0.tags[TraceKey.spansLocation] != nil }
            ids = stored.map(\.id)
        }
        guard !ids.isEmpty else { return [] }
        let answer = try await ask(.GET, "/batchGet", query: ids.map { ("trace_ids", $0) })
        return try (answer["traces"]?.arrayValue ?? []).map(TraceWire.trace)
    }

    package func search(_ search: TraceSearch) async throws -> Page<TraceInfo> {
        var body: [String: JSONValue] = [
            "locations": .array(
                search.experimentIDs.map {
                    ["type": "MLFLOW_EXPERIMENT", "mlflow_experiment": ["experiment_id": .string($0)]]
                }), "filter": .string(search.filter), "order_by": .array(search.orderBy.map(JSONValue.string)),
            "max_results": .int(Int64(search.maxResults)),
        ]
        body["page_token"] = search.pageToken.map(JSONValue.string)
        let answer = try await ask(.POST, "/search", .object(body))
        return Page(
            items: try (answer["traces"]?.arrayValue ?? []).map(TraceWire.info),
            nextPageToken: answer["next_page_token"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 })
    }

    package func metrics(_ query: TraceMetricQuery) async throws -> Page<TraceMetricPoint> {
        func strings(_ list: [String]) -> JSONValue { .array(list.map(JSONValue.string)) }
        var body: [String: JSONValue] = [
            "experiment_ids": strings(query.experimentIDs), "view_type": .string(query.view.rawValue),
            "metric_name": .string(query.metric), "dimensions": strings(query.dimensions),
            "filters": strings(query.filters), "max_results": .int(Int64(query.maxResults)),
            "aggregations": .array(
                query.aggregations.map {
                    var fields: [String: JSONValue] = ["aggregation_type": .string($0.kind.rawValue)]
                    fields["percentile_value"] = $0.percentile.map(JSONValue.number)
                    return .object(fields)
                }),
        ]
        body["time_interval_seconds"] = query.interval.map(JSONValue.int)
        body["start_time_ms"] = query.start.map(JSONValue.int)
        body["end_time_ms"] = query.end.map(JSONValue.int)
        body["page_token"] = query.pageToken.map(JSONValue.string)
        let answer = try await ask(.POST, "/metrics", .object(body))
        let points = (answer["data_points"]?.arrayValue ?? []).map { point in
            TraceMetricPoint(
                dimensions: (point["dimensions"]?.objectValue ?? [:]).compactMapValues(\.stringValue),
                values: (point["values"]?.objectValue ?? [:]).compactMapValues(\.doubleValue))
        }
        return Page(
            items: points, nextPageToken: answer["next_page_token"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 })
    }

    package func correlation(
        experimentIDs: [String], _ first: String, _ second: String, base: String?
    ) async throws -> TraceCorrelation {
        var body: [String: JSONValue] = [
            "experiment_ids": .array(experimentIDs.map(JSONValue.string)), "filter_string1": .string(first),
            "filter_string2": .string(second),
        ]
        body["base_filter"] = base.map(JSONValue.string)
        let answer = try await ask(.POST, "/calculate-filter-correlation", .object(body))
        func count(_ name: String) -> Int { Int(answer[name]?.intValue ?? 0) }
        return TraceCorrelation(
            first: count("filter1_count"), second: count("filter2_count"), joint: count("joint_count"),
            total: count("total_count"))
    }

    private static let largestPage = 500

    /// The protocol tells only how many were removed. So those to remove are looked up before, and removed by name.
    package func delete(experimentID: String, _ selection: TraceSelection) async throws -> [String] {
        let ids: [String]
        switch selection {
        case .ids(let chosen):
            ids = try await infos(ids: chosen).filter { $0.experimentID == experimentID }.map(\.id)
        case .until(let moment, let limit):
            ids = try await oldest(limit ?? .max, in: experimentID, until: moment)
        }
        for start in stride(from: 0, to: ids.count, by: Self.largestPage) {
            let some = ids[start..<min(start + Self.largestPage, ids.count)]
            try await ask(
                .POST, "/delete-traces",
                ["experiment_id": .string(experimentID), "request_ids": .array(some.map(JSONValue.string))])
        }
        return ids
    }

    private func oldest(_ limit: Int, in experimentID: String, until moment: Timestamp) async throws -> [String] {
        guard moment.milliseconds >= 0 else { return [] }
        var ids: [String] = [], token: String?
        repeat {
            let page = try await search(
                TraceSearch(
                    experimentIDs: [experimentID], filter: "attributes.timestamp_ms <= \(moment.milliseconds)",
                    orderBy: ["timestamp_ms ASC"], maxResults: min(Self.largestPage, limit - ids.count),
                    pageToken: token))
            ids += page.items.map(\.id)
            token = page.nextPageToken
        } while token != nil && ids.count < limit
        return ids
    }

    package func setTag(id: String, key: String, value: String?) async throws {
        let body: JSONValue = value.map { ["key": .string(key), "value": .string($0)] } ?? ["key": .string(key)]
        try await ask(value == nil ? .DELETE : .PATCH, Self.one(id) + "/tags", body)
    }

    package func addAssessment(_ assessment: Assessment) async throws -> Assessment {
        let answer = try await ask(
            .POST, Self.one(assessment.traceID) + "/assessments", ["assessment": TraceWire.json(assessment)])
        return try TraceWire.assessment(answer["assessment"] ?? .null)
    }

    private static func one(_ trace: String, _ assessment: String) -> String {
        one(trace) + "/assessments" + one(assessment)
    }

    package func assessment(traceID: String, id: String) async throws -> Assessment {
        try TraceWire.assessment(try await ask(.GET, Self.one(traceID, id))["assessment"] ?? .null)
    }

    package func updateAssessment(traceID: String, id: String, _ update: AssessmentUpdate) async throws -> Assessment {
        var fields: [String: JSONValue] = [:], mask: [String] = []
        if let name = update.name {
            fields["assessment_name"] = .string(name)
            mask.append("assessmentName")
        }
        if let kind = update.kind {
            fields.merge(TraceWire.value(kind, update.value ?? .null, update.error)) { $1 }
            mask.append(kind.rawValue)
        }
        if let rationale = update.rationale {
            fields["rationale"] = .string(rationale)
            mask.append("rationale")
        }
        if !update.metadata.isEmpty {
            fields["metadata"] = .object(update.metadata.mapValues(JSONValue.string))
            mask.append("metadata")
        }
        let answer = try await ask(
            .PATCH, Self.one(traceID, id),
            ["assessment": .object(fields), "update_mask": .string(mask.joined(separator: ","))])
        return try TraceWire.assessment(answer["assessment"] ?? .null)
    }

    package func deleteAssessment(traceID: String, id: String) async throws {
        try await ask(.DELETE, Self.one(traceID, id))
    }

    package func link(traceIDs: [String], toRun run: String) async throws {
        guard !traceIDs.isEmpty else { return }
        try await ask(
            .POST, "/link-to-run", ["trace_ids": .array(traceIDs.map(JSONValue.string)), "run_id": .string(run)],
            version: "2.0")
    }

    package func link(traceID: String, toPrompts prompts: [String]) async throws {
        let versions: [JSONValue] = try prompts.map { prompt in
            guard let slash = prompt.lastIndex(of: "/") else {
                throw NestboxError.invalid("`\(prompt)` is not a prompt version; expected name/version")
            }
            return [
                "name": .string(String(prompt[..<slash])), "version": .string(String(prompt[slash...].dropFirst())),
            ]
        }
        guard !versions.isEmpty else { return }
        try await ask(
            .POST, "/link-prompts", ["trace_id": .string(traceID), "prompt_versions": .array(versions)],
            version: "2.0")
    }
}
