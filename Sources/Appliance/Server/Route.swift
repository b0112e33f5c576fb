import Core
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// One HTTP route as a value. The same table mounts the routes and makes the OpenAPI document, so neither can lie about the
/// other. `Routes.swift` lists every group.
///
///     Route.get("/api/v1/datasets/{name}", "Datasets", "One dataset", returns: Dataset.self) { call in
///         try await datasets.dataset(try call.parameter("name"))
///     }
package struct Route: Sendable {
    /// In which shape errors of this route are answered.
    package enum ErrorStyle: Sendable {
        /// `{"error": {"code", "message", "hint"}}`
        case native
        /// `{"error_code", "message"}` with MLflow's codes and statuses.
        case mlflow
        /// `{"error": "sentence"}`, the Open Inference Protocol's.
        case inferenceProtocol
        /// A `google.rpc.Status` in the request's encoding, OpenTelemetry's.
        case otlp
        /// An HTML page.
        case page
    }

    /// A query parameter, for the document.
    package struct QueryParameter: Sendable {
        package var name: String
        package var summary: String
        package var isRequired: Bool
        package var schema: JSONValue = ["type": "string"]

        package init(_ name: String, _ summary: String, isRequired: Bool = false) {
            self.name = name
            self.summary = summary
            self.isRequired = isRequired
        }

        /// How many to return, 1 to `most`; read with `Call.queryInteger`.
        package static func limit(_ standard: Int, most: Int) -> QueryParameter {
            var parameter = QueryParameter("limit", "how many at the most")
            parameter.schema = [
                "type": "integer", "minimum": 1, "maximum": .int(Int64(most)), "default": .int(Int64(standard)),
            ]
            return parameter
        }
    }

    /// What a request or response carries, for the document.
    package struct Content: Sendable {
        package var type: String
        package var schema: JSONValue

        package init(type: String, schema: JSONValue = ["type": "string", "format": "binary"]) {
            self.type = type
            self.schema = schema
        }

        package static func json(_ value: any Decodable.Type) -> Content {
            Content(type: "application/json", schema: SchemaProbe.schema(of: value))
        }
    }

    package typealias Handler = @Sendable (Call) async throws -> Response

    package static let standardBodyLimit = 4 << 20

    package var method: HTTPRequest.Method
    /// `{name}` for one part; a final `**` for the rest, read with `Call.rest`.
    package var path: String
    /// The group in the document.
    package var tag: String
    package var summary: String
    package var query: [QueryParameter] = []
    package var request: Content?
    package var response: Content?
    /// Status of the answer when all went well.
    package var status: HTTPResponse.Status = .ok
    package var errors: ErrorStyle = .native
    /// Bytes; a larger body is refused with `payload_too_large` wherever it is read.
    package var bodyLimit = Route.standardBodyLimit
    /// Left out of the document: pages and aliases.
    package var isHidden = false
    /// Answered on the event loop that reads the connection, without a switch of threads: for handlers that compute for
    /// well under a millisecond and never block. Others run on Swift's cooperative threads.
    package var isBrief = false
    /// The answer on the spot, for the few calls that programs make thousands of times a second; nil and every error leave the
    /// request to `handler`. See `ImmediateAnswers`.
    package var immediate: (@Sendable (_ query: String, _ body: ByteBuffer) throws -> [UInt8]?)?
    package var handler: Handler

    package init(
        _ method: HTTPRequest.Method, _ path: String, _ tag: String, _ summary: String, handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.tag = tag
        self.summary = summary
        self.handler = handler
    }

    /// A GET that returns a value as JSON.
    package static func get<Output: Codable & Sendable>(
        _ path: String, _ tag: String, _ summary: String, query: [QueryParameter] = [], returns: Output.Type,
        _ body: @escaping @Sendable (Call) async throws -> Output
    ) -> Route {
        var route = Route(.get, path, tag, summary) { call in try .json(try await body(call)) }
        route.query = query
        route.response = .json(Output.self)
        return route
    }

    /// A route that takes JSON and returns JSON.
    package static func json<Input: Codable & Sendable, Output: Codable & Sendable>(
        _ method: HTTPRequest.Method, _ path: String, _ tag: String, _ summary: String, query: [QueryParameter] = [],
        takes: Input.Type, returns: Output.Type, status: HTTPResponse.Status = .ok,
        _ body: @escaping @Sendable (Call, Input) async throws -> Output
    ) -> Route {
        var route = Route(method, path, tag, summary) { call in
            try .json(try await body(call, try await call.json(Input.self)), status: status)
        }
        route.query = query
        route.request = .json(Input.self)
        route.response = .json(Output.self)
        route.status = status
        return route
    }

    /// A route without a request body that returns JSON.
    package static func action<Output: Codable & Sendable>(
        _ method: HTTPRequest.Method, _ path: String, _ tag: String, _ summary: String, query: [QueryParameter] = [],
        returns: Output.Type, _ body: @escaping @Sendable (Call) async throws -> Output
    ) -> Route {
        var route = Route(method, path, tag, summary) { call in try .json(try await body(call)) }
        route.query = query
        route.response = .json(Output.self)
        return route
    }

    /// The route with some of its properties changed.
    package func with(_ change: (inout Route) -> Void) -> Route {
        var copy = self
        change(&copy)
        return copy
    }
}

/// What a route without an answer of its own returns.
package struct Acknowledgement: Codable, Sendable {
    package var ok: Bool

    package init(ok: Bool = true) { self.ok = ok }
}
