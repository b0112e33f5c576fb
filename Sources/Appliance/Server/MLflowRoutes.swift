import Contracts
import Core
import Hummingbird
import NIOCore

// MLflow's REST protocol, as its Python client speaks it. Contents, in order:
//
//   MLflowRoutes            every endpoint under its prefixes; version and capabilities
//   MLflowExperimentRoutes  experiments
//   MLflowRunRoutes         runs: create, get, update, delete, restore, search
//   MLflowLoggingRoutes     metrics, parameters, tags, batches, inputs; metric history
//   MLflowMetricRoutes      metrics of many runs at once; the datasets of experiments
//   MLflowLoggedModelRoutes logged models, and which runs make them
//   MLflowArtifactRoutes    listing by run, and the proxy that files are uploaded and downloaded through
//   MLflowMultipartRoutes   large uploads in parts
//   MLflowFileRoutes        files by run, version and logged model; presigned addresses, refused
//   MLflowModelRoutes       registered models and aliases
//   MLflowVersionRoutes     model versions, stages
//   MLflowWebhookRoutes     webhooks
//   MLflowTraceRoutes       traces (3.0), their tags and links; MLflowAssessmentRoutes, MLflowTraceMetricRoutes,
//                           MLflowLegacyTraceRoutes (2.0)
//   MLflowRequest, …Shapes  fields of a request; values in MLflow's JSON
//   MLflowJSONWriter, MLflowError
//
// It talks to the seams only, and refuses what it does not know: an endpoint that is not listed here answers
// ENDPOINT_NOT_FOUND, on which clients fall back to what older servers offer.

enum MLflowRoutes {
    /// The release whose protocol this is; clients choose between old and new calls by it.
    static let protocolVersion = "3.17.0"

    static func routes(_ appliance: Appliance) -> [Route] {
        routes(
            tracking: appliance.tracking, registry: appliance.registry, artifacts: appliance.artifacts,
            takesParts: appliance.options.external?.artifacts == nil)
    }

    /// - Parameter takesParts: whether large files may be sent in parts. Not to files that lie elsewhere: each part would
    ///   cross the network three times.
    static func routes(
        tracking: any Tracking & LoggedModelStore, registry: any ModelRegistry, artifacts: any ArtifactStore,
        takesParts: Bool
    ) -> [Route] {
        MLflowExperimentRoutes.routes(tracking) + MLflowRunRoutes.routes(tracking)
            + MLflowLoggingRoutes.routes(tracking)
            + MLflowArtifactRoutes.routes(artifacts, tracking: tracking) + MLflowModelRoutes.routes(registry)
            + MLflowVersionRoutes.routes(registry, tracking: tracking) + MLflowMetricRoutes.routes(tracking)
            + MLflowLoggedModelRoutes.routes(tracking, artifacts: artifacts)
            + MLflowMultipartRoutes.routes(takesParts ? artifacts : nil)
            + MLflowFileRoutes.routes(artifacts, tracking: tracking, registry: registry)
            + system(takesParts: takesParts)
    }

    /// One endpoint under both prefixes: `/api/2.0`, documented, and `/ajax-api/2.0`. For `isBrief` and `immediate`, see `Route`.
    static func endpoint(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, query: [Route.QueryParameter] = [],
        version: String = "2.0", isBrief: Bool = false,
        immediate: (@Sendable (_ query: String, _ body: ByteBuffer) throws -> [UInt8]?)? = nil,
        _ body: @escaping @Sendable (MLflowRequest) async throws -> [UInt8]
    ) -> [Route] {
        let route = Route(method, "/api/\(version)/mlflow/" + path, "MLflow", summary) { call in
            .bytes(try await body(try await MLflowRequest(call)), type: "application/json")
        }.with {
            $0.errors = .mlflow
            $0.isBrief = isBrief
            $0.immediate = immediate
            $0.query = query
            $0.request = method == .get ? nil : anyObject
            $0.response = anyObject
            // MLflow's own limit of a batch is 1 MB; model descriptions and dataset profiles may be longer.
            $0.bodyLimit = 20 << 20
        }
        return [route, alias(route, at: "/ajax-api/\(version)/mlflow/" + path)]
    }

    /// The same route at another path, left out of the document.
    static func alias(_ route: Route, at path: String) -> Route {
        route.with {
            $0.path = path
            $0.isHidden = true
        }
    }

    /// The answer of an endpoint that has nothing to say.
    static let nothing = Array("{}".utf8)

    static let anyObject = Route.Content(
        type: "application/json",
        schema: [
            "type": "object", "description": "as in MLflow's REST API, https://mlflow.org/docs/latest/rest-api.html",
        ])

    private static func system(takesParts: Bool) -> [Route] {
        let version = Route(.get, "/version", "MLflow", "The MLflow release whose protocol the server speaks") { _ in
            .text(protocolVersion)
        }.with { $0.response = .init(type: "text/plain", schema: ["type": "string"]) }
        let information = Route(
            .get, "/api/3.0/mlflow/server-info", "MLflow", "What the server can do beyond the basics"
        ) { _ in
            .bytes(
                MLflowJSONWriter.object {
                    $0.field("store_type", "SqlStore")
                    $0.field("workspaces_enabled", false)
                    $0.field("trace_archival_enabled", false)
                    $0.field("multipart_uploads_enabled", takesParts)
                    $0.field("multipart_downloads_enabled", false)
                    // What the endpoint can be asked for, not whether it then gives an address.
                    $0.field("presigned_upload_run_id_supported", true)
                    $0.field("presigned_upload_model_id_supported", true)
                    $0.object("features_enabled") { $0.field("gateway", false) }
                }, type: "application/json")
        }.with {
            $0.errors = .mlflow
            $0.response = anyObject
        }
        return [version, information]
            + ["/ajax-api/3.0/mlflow/server-info", "/api/2.0/mlflow/server-info", "/ajax-api/2.0/mlflow/server-info"]
            .map {
                alias(information, at: $0)
            }
    }
}
