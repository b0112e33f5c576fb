import Core
import Foundation

/// The OpenAPI 3.1 document, made from the route table.
package enum OpenAPI {
    package static func document(of routes: [Route], version: String) -> JSONValue {
        var paths: [String: [String: JSONValue]] = [:]
        for route in routes where !route.isHidden {
            let path = route.path.replacingOccurrences(of: "**", with: "{path}")
            paths[path, default: [:]][route.method.rawValue.lowercased()] = operation(route, path: path)
        }
        let error = SchemaProbe.schema(of: ErrorBody.self)
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Nestbox", "version": .string(version),
                "description":
                    "One process from data to a monitored prediction. MLflow's and the Open Inference Protocol's own routes answer beside the native ones under /api/v1.",
            ],
            "paths": .object(paths.mapValues { .object($0) }),
            "components": [
                "schemas": ["Error": error, "MLflowError": mlflowError(error)],
                "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
            ],
            "security": [["token": []], [:]],
        ]
    }

    private static func mlflowError(_ native: JSONValue) -> JSONValue {
        [
            "type": "object", "required": ["error_code", "message"],
            "properties": [
                "error_code": ["type": "string"], "message": ["type": "string"],
                "error": native["properties"]?["error"] ?? [:],
            ],
        ]
    }

    private static func operation(_ route: Route, path: String) -> JSONValue {
        var parameters: [JSONValue] = path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
            [
                "name": .string(String($0.dropFirst().dropLast())), "in": "path", "required": true,
                "schema": ["type": "string"],
            ]
        }
        for item in route.query {
            parameters.append([
                "name": .string(item.name), "in": "query", "required": .bool(item.isRequired),
                "description": .string(item.summary), "schema": item.schema,
            ])
        }
        var operation: [String: JSONValue] = [
            "summary": .string(route.summary), "tags": [.string(route.tag)], "operationId": .string(identifier(route)),
            "responses": [
                String(route.status.code): success(route),
                "default": failure(route.errors),
            ],
        ]
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let request = route.request {
            operation["requestBody"] = [
                "required": true, "content": .object([request.type: ["schema": request.schema]]),
            ]
        }
        return .object(operation)
    }

    private static func failure(_ style: Route.ErrorStyle) -> JSONValue {
        switch style {
        case .native, .page:
            [
                "description": "an error: a machine code, a sentence and a hint",
                "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]],
            ]
        case .mlflow:
            [
                "description": "an error with MLflow's code, and ours beside it",
                "content": ["application/json": ["schema": ["$ref": "#/components/schemas/MLflowError"]]],
            ]
        case .otlp: ["description": "an error: a google.rpc.Status in the encoding of the request"]
        case .inferenceProtocol:
            [
                "description": "an error: a sentence",
                "content": [
                    "application/json": [
                        "schema": [
                            "type": "object", "properties": ["error": ["type": "string"]], "required": ["error"],
                        ]
                    ]
                ],
            ]
        }
    }

    private static func success(_ route: Route) -> JSONValue {
        guard let response = route.response else { return ["description": "success"] }
        return ["description": "success", "content": .object([response.type: ["schema": response.schema]])]
    }

    /// `get_api_v1_datasets_name`: unique because method and path are.
    private static func identifier(_ route: Route) -> String {
        let parts = route.path.split { !$0.isLetter && !$0.isNumber }.joined(separator: "_")
        return route.method.rawValue.lowercased() + "_" + parts + (route.path.hasSuffix("**") ? "_path" : "")
    }
}
