import Contracts
import Core

/// Numbers over many traces: `traces/metrics` and `traces/calculate-filter-correlation` of the 3.0 API.
enum MLflowTraceMetricRoutes {
    static func routes(_ traces: any TraceStore) -> [Route] {
        MLflowRoutes.endpoint(.post, "traces/metrics", "Counts, sums and percentiles of traces", version: "3.0") {
            request in
            let query = try query(request)
            let page = try await traces.metrics(query)
            return MLflowJSONWriter.object {
                $0.list("data_points", page.items) { writer, point in
                    writer.field("metric_name", query.metric)
                    writer.map("dimensions", point.dimensions)
                    writer.value("values", .object(point.values.mapValues(JSONValue.number)))
                }
                $0.field("next_page_token", page.nextPageToken)
            }
        }
            + MLflowRoutes.endpoint(
                .post, "traces/calculate-filter-correlation", "How two filters of traces go together", version: "3.0"
            ) { request in
                guard request.has("experiment_ids") else { throw request.missing("experiment_ids") }
                let found = try await traces.correlation(
                    experimentIDs: try request.strings("experiment_ids"), try request.required("filter_string1"),
                    try request.required("filter_string2"), base: try request.string("base_filter"))
                return MLflowJSONWriter.object {
                    if let npmi = found.npmi { $0.field("npmi", npmi) }
                    if let smoothed = found.smoothedNPMI { $0.field("npmi_smoothed", smoothed) }
                    $0.field("filter1_count", Int64(found.first))
                    $0.field("filter2_count", Int64(found.second))
                    $0.field("joint_count", Int64(found.joint))
                    $0.field("total_count", Int64(found.total))
                }
            }
    }

    private static func query(_ request: MLflowRequest) throws -> TraceMetricQuery {
        typealias View = TraceMetricQuery.View
        typealias Aggregation = TraceMetricQuery.Aggregation
        guard request.has("experiment_ids") else { throw request.missing("experiment_ids") }
        guard let view = try request.choice("view_type", numbered: View.allCases) else {
            throw request.missing("view_type")
        }
        let aggregations = try request.objects("aggregations").map { item in
            guard let kind = try item.choice("aggregation_type", numbered: Aggregation.Kind.allCases) else {
                throw item.missing("aggregation_type")
            }
            return Aggregation(kind, percentile: try item.number("percentile_value"))
        }
        guard !aggregations.isEmpty else {
            throw NestboxError(
                .invalidArgument, "Missing value for required parameter 'aggregations'.", cause: MLflowCode.badRequest)
        }
        // The original takes an interval of 0 for none.
        let interval = try request.integer("time_interval_seconds").flatMap { $0 == 0 ? nil : $0 }
        return TraceMetricQuery(
            experimentIDs: try request.strings("experiment_ids"), view: view,
            metric: try request.required("metric_name"), aggregations: aggregations,
            dimensions: try request.strings("dimensions"), filters: try request.strings("filters"),
            interval: interval, start: try request.integer("start_time_ms"), end: try request.integer("end_time_ms"),
            maxResults: try request.integer("max_results", default: 1000, in: 1...TraceMetricQuery.mostResults),
            pageToken: try request.filled("page_token"))
    }
}
