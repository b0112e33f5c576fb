import Core
import Hummingbird

/// Every route group, one line each. The OpenAPI document and the router are both made from this list.
enum Routes {
    static func all(_ appliance: Appliance) -> [Route] {
        var routes: [Route] = []
        routes += SystemRoutes.routes(appliance)
        routes += DatasetRoutes.routes(appliance)
        routes += FeatureRoutes.routes(appliance)
        routes += JobRoutes.routes(appliance)
        routes += TrainingRoutes.routes(appliance)
        routes += DeploymentRoutes.routes(appliance)
        routes += MonitoringRoutes.routes(appliance)
        routes += ModelRoutes.routes(appliance)
        routes += RunCurveRoutes.routes(appliance)
        routes += ProvenanceRoutes.routes(appliance)
        routes += LineageRoutes.routes(appliance)
        routes += ExchangeRoutes.routes(appliance)
        routes += MLflowRoutes.routes(appliance)
        routes += MLflowWebhookRoutes.routes(appliance.webhooks)
        routes += MLflowTraceRoutes.routes(appliance)
        routes += OTLPRoutes.routes(appliance)
        routes += InferenceProtocolRoutes.routes(appliance)
        routes += InvocationRoutes.routes(appliance)
        routes += PageRoutes.routes(appliance)
        let document = OpenAPI.document(of: routes, version: Appliance.version)
        routes.append(
            .get("/api/openapi.json", "System", "This document", returns: JSONValue.self) { _ in document }
                .with { $0.isHidden = true })
        return routes
    }

    /// The router with every route mounted behind the edge.
    static func router(_ routes: [Route], _ appliance: Appliance) -> Router<ServerContext> {
        let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
        router.add(
            middleware: Edge(authority: appliance.authority, routes: RouteIndex(routes), metrics: appliance.metrics))
        for route in routes {
            router.on(RouterPath(route.path), method: route.method) { request, context in
                let call = Call(request: request, context: context, bodyLimit: route.bodyLimit)
                do {
                    try WorkerAccess.check(route, call)
                    if route.isBrief { return try await route.handler(call) }
                    return try await withTaskExecutorPreference(globalConcurrentExecutor) {
                        try await route.handler(call)
                    }
                } catch {
                    return ErrorResponse.make(for: error, style: route.errors, request: request, logger: context.logger)
                }
            }
        }
        return router
    }
}
