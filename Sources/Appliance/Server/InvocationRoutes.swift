import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird
import Tables

/// MLflow's scoring protocol: `POST /invocations` with JSON (`dataframe_split`, `dataframe_records`, `instances`, `inputs`)
/// or CSV, and `GET /ping`.
enum InvocationRoutes {
    private static let tag = "MLflow scoring"

    static func routes(_ appliance: Appliance) -> [Route] {
        let serving = appliance.serving
        let ping = Route(.get, "/ping", tag, "Whether the scoring server is alive") { _ in .text("\n") }
        var score = Route(.post, "/invocations", tag, "Predict with a deployment, in MLflow's scoring protocol") {
            call in
            try await answer(serving, call, deployment: try await chosen(serving, call))
        }
        score.query = [.init("deployment", "which one; default: the only one, or the one named `default`")]
        let named = Route(.post, "/deployments/{name}/invocations", tag, "Predict, in MLflow's scoring protocol") {
            call in
            try await answer(serving, call, deployment: try call.parameter("name"))
        }
        return [ping, documented(score), documented(named)]
    }

    private static func documented(_ route: Route) -> Route {
        route.with {
            $0.request = .init(type: "application/json", schema: ["type": "object"])
            $0.response = .init(
                type: "application/json",
                schema: [
                    "type": "object", "properties": ["predictions": ["type": "array", "items": ["type": "number"]]],
                ])
            $0.errors = .mlflow
            $0.bodyLimit = DeploymentRoutes.bodyLimit
        }
    }

    private static func chosen(_ serving: any ModelServer, _ call: Call) async throws -> String {
        if let name = call.query("deployment") { return name }
        if let field = HTTPField.Name("X-Nestbox-Deployment"), let name = call.header(field) { return name }
        let names = try await serving.deployments().map(\.name)
        if names.count == 1 { return names[0] }
        if names.contains("default") { return "default" }
        if names.isEmpty {
            throw NestboxError(
                .notFound, "nothing is deployed", hint: "deploy a model version first: nestbox deploy MODEL@VERSION")
        }
        throw NestboxError.invalid(
            "there are \(names.count) deployments and none is named `default`",
            hint: "say which with ?deployment=NAME: \(names.prefix(10).joined(separator: ", "))")
    }

    private static func answer(_ serving: any ModelServer, _ call: Call, deployment: String) async throws -> Response {
        let rows: [[String: JSONValue]]
        var eventTime: Timestamp?
        let type = (call.header(.contentType) ?? "application/json").split(separator: ";").first.map(String.init) ?? ""
        switch type.trimmingCharacters(in: .whitespaces).lowercased() {
        case "application/json":
            let signature = try await serving.signature(deployment)
            (rows, eventTime) = try await call.json(acceptsNonFinite: true) { body in
                (
                    try ScoringInput.rows(body, signature: signature),
                    try DeploymentRoutes.eventTime(body["params"]?["at"], in: "`params.at`")
                )
            }
        case "text/csv":
            let signature = try await serving.signature(deployment)
            let body = try await call.body()
            // Whatever its size: a small one may be compressed.
            rows = try await ComputePool.shared.run { try ScoringInput.rows(csv: body, signature: signature) }
        default:
            throw NestboxError(
                .unsupportedMediaType, "`\(type.prefix(60))` is not a content type that predictions are made from",
                hint: "send application/json or text/csv")
        }
        let prediction = try await serving.predict(deployment, rows: rows, at: eventTime)
        var response = try Response.json(["predictions": prediction.outputs])
        if let name = HTTPField.Name("X-Prediction-Id") { response.headers[name] = prediction.id }
        return response
    }
}
