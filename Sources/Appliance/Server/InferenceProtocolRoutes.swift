import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird

/// The Open Inference Protocol v2 over REST with JSON tensors, as Triton's and KServe's clients speak it. A deployment is
/// a model there; the version is the registered model's version that it answers with.
enum InferenceProtocolRoutes {
    private static let tag = "Open Inference Protocol"

    static func routes(_ appliance: Appliance) -> [Route] {
        let serving = appliance.serving
        var routes = [
            route(.get, "/v2", "The server") { _ in
                ["name": "nestbox", "version": .string(Appliance.version), "extensions": ["model_repository"]]
            },
            route(.get, "/v2/health/live", "Whether the server is alive") { _ in ["live": true] },
            route(.get, "/v2/health/ready", "Whether every model answers") { _ in
                for deployment in try await serving.deployments() { _ = try await serving.signature(deployment.name) }
                return ["ready": true]
            },
            route(.post, "/v2/repository/index", "The models and their states") { call in
                try await repositoryIndex(serving, call)
            }.with { $0.response?.schema = ["type": "array", "items": ["type": "object"]] },
        ]
        for prefix in ["/v2/models/{name}", "/v2/models/{name}/versions/{version}"] {
            routes += [
                route(.get, prefix, "A model's inputs and outputs") { call in
                    let deployment = try await deployment(serving, call)
                    return metadata(deployment, try await serving.signature(deployment.name))
                },
                route(.get, prefix + "/ready", "Whether a model answers") { call in
                    let deployment = try await deployment(serving, call)
                    _ = try await serving.signature(deployment.name)
                    return ["name": .string(deployment.name), "ready": true]
                },
                route(.post, prefix + "/infer", "Predict") { call in try await infer(serving, call) },
            ]
        }
        return routes
    }

    private static func route(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String,
        _ body: @escaping @Sendable (Call) async throws -> JSONValue
    ) -> Route {
        var route = Route(method, path, tag, summary) { call in try .json(try await body(call)) }
        route.response = .init(type: "application/json", schema: ["type": "object"])
        if method == .post { route.request = .init(type: "application/json", schema: ["type": "object"]) }
        route.errors = .inferenceProtocol
        route.bodyLimit = DeploymentRoutes.bodyLimit
        return route
    }

    /// The deployment of the path. Throws `not_found` when the path asks for a version that it does not serve.
    private static func deployment(_ serving: any ModelServer, _ call: Call) async throws -> Deployment {
        let deployment = try await serving.deployment(try call.parameter("name"))
        if call.context.parameters.get("version") != nil {
            let version = try call.parameter("version")
            guard version == String(deployment.version) else {
                throw NestboxError(
                    .notFound, "`\(deployment.name)` has no version `\(version)`",
                    hint: "it serves version \(deployment.version)")
            }
        }
        return deployment
    }

    private static func metadata(_ deployment: Deployment, _ signature: ModelSignature) -> JSONValue {
        func tensor(_ name: String, _ datatype: String) -> JSONValue {
            ["name": .string(name), "datatype": .string(datatype), "shape": [-1]]
        }
        return [
            "name": .string(deployment.name), "versions": [.string(String(deployment.version))],
            "platform": "nestbox_tabular",
            "inputs": .array(signature.inputs.map { tensor($0.name, InferenceTensors.datatype($0.type)) }),
            "outputs": [tensor(InferenceTensors.outputName, "FP64")],
        ]
    }

    private static func infer(_ serving: any ModelServer, _ call: Call) async throws -> JSONValue {
        // Triton's binary extension puts raw tensors behind the JSON and says how long the JSON is.
        if let name = HTTPField.Name("Inference-Header-Content-Length"), call.header(name) != nil {
            throw InferenceTensors.binaryRefused(nil)
        }
        let deployment = try await deployment(serving, call)
        let signature = try await serving.signature(deployment.name)
        let (request, rows) = try await call.json(acceptsNonFinite: true) { request in
            let rows = try InferenceTensors.rows(request, signature: signature)
            return (request, rows)
        }
        let eventTime = try DeploymentRoutes.eventTime(request["parameters"]?["at"], in: "`parameters.at`")
        return try InferenceTensors.response(
            try await serving.predict(deployment.name, rows: rows, at: eventTime), to: request)
    }

    private static func repositoryIndex(_ serving: any ModelServer, _ call: Call) async throws -> JSONValue {
        let readyOnly = try await call.read { body in
            body.isEmpty ? false : try JSONReader.parse(body, what: "the request body")["ready"]?.boolValue ?? false
        }
        var models: [JSONValue] = []
        for deployment in try await serving.deployments() {
            var reason = ""
            do {
                _ = try await serving.signature(deployment.name)
            } catch let error as NestboxError {
                reason = error.message
            }
            if readyOnly, !reason.isEmpty { continue }
            models.append([
                "name": .string(deployment.name), "version": .string(String(deployment.version)),
                "state": reason.isEmpty ? "READY" : "UNAVAILABLE", "reason": .string(reason),
            ])
        }
        return .array(models)
    }
}
