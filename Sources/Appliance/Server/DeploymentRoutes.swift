import Contracts
import Core
import Foundation
import Hummingbird
import Serving

/// Deployments, their predictions and the prediction log.
enum DeploymentRoutes {
    struct PredictRequest: Codable, Sendable {
        var rows: [[String: JSONValue]]
        /// The rows' event time, milliseconds or ISO 8601: looked-up features are those that were known then. Now without it.
        var at: Timestamp?
    }

    /// Bytes of a request with many rows.
    static let bodyLimit = 64 << 20

    private static let tag = "Serving"

    static func routes(_ appliance: Appliance) -> [Route] {
        let serving = appliance.serving
        return [
            .get("/api/v1/deployments", tag, "All deployments", returns: [Deployment].self) { _ in
                try await serving.deployments()
            },
            .json(
                .post, "/api/v1/deployments", tag, "Deploy a model version, or move a deployment to it",
                takes: DeploymentRequest.self, returns: Deployment.self
            ) { _, request in try await serving.deploy(request) },
            .get("/api/v1/deployments/{name}", tag, "One deployment", returns: Deployment.self) { call in
                try await serving.deployment(try call.parameter("name"))
            },
            .action(.delete, "/api/v1/deployments/{name}", tag, "Stop answering", returns: Acknowledgement.self) {
                call in
                try await serving.undeploy(try call.parameter("name"))
                return Acknowledgement()
            },
            predict(serving),
            .get(
                "/api/v1/deployments/{name}/signature", tag, "What a deployment takes and gives",
                returns: ModelSignature.self
            ) { call in try await serving.signature(try call.parameter("name")) },
            .get(
                "/api/v1/deployments/{name}/statistics", tag, "Counts, rate and latency",
                returns: ServingStatistics.self
            ) { call in try await serving.statistics(try call.parameter("name")) },
            .get(
                "/api/v1/deployments/{name}/predictions", tag, "Logged rows, newest first",
                query: [.limit(100, most: 10_000)], returns: [LoggedPrediction].self
            ) { call in
                let limit = try call.queryInteger("limit", default: 100, in: 1...10_000)
                return try await serving.predictions(try call.parameter("name"), limit: limit)
            },
            .get(
                "/api/v1/predictions/{id}", tag, "The logged rows of one prediction", returns: [LoggedPrediction].self
            ) { call in try await serving.prediction(id: try call.parameter("id")) },
        ]
    }

    /// Not `Route.json`: a request's rows are read by hand, because a decoder would take longer than the model.
    private static func predict(_ serving: any ModelServer) -> Route {
        var route = Route(.post, "/api/v1/deployments/{name}/predict", tag, "Predict: one output per row") { call in
            let (rows, time) = try await call.json { body in
                guard let items = body["rows"]?.arrayValue else {
                    throw NestboxError.invalid(
                        "the request body: `rows` must be an array of objects",
                        hint: #"send {"rows": [{"column": value, …}]}"#)
                }
                return (try objects(items, in: "rows"), try eventTime(body["at"], in: "the request body's `at`"))
            }
            let prediction = try await serving.predict(try call.parameter("name"), rows: rows, at: time)
            return try .json(prediction)
        }
        route.request = .json(PredictRequest.self)
        route.response = .json(Prediction.self)
        route.bodyLimit = bodyLimit
        return route
    }

    /// A moment as milliseconds since 1970 or as ISO 8601 text; nil for null and for nothing.
    static func eventTime(_ value: JSONValue?, in place: String) throws -> Timestamp? {
        switch value {
        case nil, .null?: return nil
        case .int(let milliseconds)?: return Timestamp(milliseconds: milliseconds)
        case .string(let text)?: if let time = Timestamp(iso8601: text) { return time }
        default: break
        }
        throw NestboxError.invalid(
            "\(place) is not a time", hint: "write ISO 8601 like 2013-06-01T12:00:00Z, or milliseconds since 1970")
    }

    static func objects(_ items: [JSONValue], in place: String) throws -> [[String: JSONValue]] {
        try items.enumerated().map { index, item in
            guard case .object(let row) = item else {
                throw NestboxError.invalid("the request body: `\(place)[\(index)]` must be an object, not \(item.kind)")
            }
            return row
        }
    }
}
