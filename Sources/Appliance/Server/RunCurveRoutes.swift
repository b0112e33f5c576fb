import Contracts
import Core

/// What charts of runs are drawn from.
enum RunCurveRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        [
            .get(
                "/api/v1/runs/{id}/curve", "Runs", "A metric's course in buckets with their smallest and largest point",
                query: [
                    .init("key", "the metric", isRequired: true),
                    .init("buckets", "how many at the most, 1 to \(MetricCurve.mostBuckets); 1000 without it"),
                    .init("from", "the first step"), .init("to", "the last step"),
                ], returns: MetricCurve.self
            ) { call in
                guard let key = call.query("key"), !key.isEmpty else {
                    throw NestboxError.invalid("the query has no `key`", hint: "name a metric of the run: ?key=loss")
                }
                let from = try step(call, "from") ?? .min, to = try step(call, "to") ?? .max
                guard from <= to else { throw NestboxError.invalid("`from` is \(from), which is after `to`, \(to)") }
                return try await appliance.tracking.metricCurve(
                    runID: try call.parameter("id"), key: key, steps: from...to,
                    buckets: try call.queryInteger("buckets", default: 1000, in: 1...MetricCurve.mostBuckets))
            }
        ]
    }

    private static func step(_ call: Call, _ name: String) throws -> Int64? {
        guard let text = call.query(name), !text.isEmpty else { return nil }
        guard let step = Int64(text) else {
            throw NestboxError.invalid("`\(name)` is `\(text.prefix(80))`; expected a step, a whole number")
        }
        return step
    }
}
