import Contracts
import Core

/// What went into a thing and what came of it.
enum LineageRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        [
            .get(
                "/api/v1/lineage", "Lineage",
                "What went into a dataset version, run, logged model, model version or deployment, and what came of it",
                query: query, returns: LineageGraph.self
            ) { call in try await appliance.lineage.graph(try request(call)) }
        ]
    }

    private static let query: [Route.QueryParameter] = {
        var direction = Route.QueryParameter("direction", "which way to go from the node")
        direction.schema = [
            "type": "string", "default": "both",
            "enum": .array(LineageRequest.Direction.allCases.map { .string($0.rawValue) }),
        ]
        let standard = LineageRequest(node: "")
        func number(_ name: String, _ summary: String, _ value: Int, _ range: ClosedRange<Int>) -> Route.QueryParameter
        {
            var parameter = Route.QueryParameter(name, summary)
            parameter.schema = [
                "type": "integer", "minimum": .int(Int64(range.lowerBound)), "maximum": .int(Int64(range.upperBound)),
                "default": .int(Int64(value)),
            ]
            return parameter
        }
        return [
            Route.QueryParameter(
                "node",
                "run:ID, dataset:NAME/VERSION, logged-model:ID, model:NAME/VERSION (or an alias), deployment:NAME, external-dataset:NAME/DIGEST",
                isRequired: true),
            direction, number("depth", "steps from the node", standard.depth, LineageRequest.depths),
            number("limit", "nodes in all", standard.limit, LineageRequest.limits),
            number("breadth", "neighbours of one kind of each node", standard.breadth, LineageRequest.breadths),
        ]
    }()

    static func request(_ call: Call) throws -> LineageRequest {
        guard let node = call.query("node"), !node.isEmpty else {
            throw NestboxError.invalid("the query has no `node`", hint: "?node=run:ID")
        }
        var request = LineageRequest(node: node)
        if let text = call.query("direction") {
            guard let direction = LineageRequest.Direction(rawValue: text) else {
                throw NestboxError.invalid(
                    "`direction` is `\(text.prefix(40))`", hint: "both, upstream or downstream")
            }
            request.direction = direction
        }
        request.depth = try call.queryInteger("depth", default: request.depth, in: LineageRequest.depths)
        request.limit = try call.queryInteger("limit", default: request.limit, in: LineageRequest.limits)
        request.breadth = try call.queryInteger("breadth", default: request.breadth, in: LineageRequest.breadths)
        return request
    }
}
