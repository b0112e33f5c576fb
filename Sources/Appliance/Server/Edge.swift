import Access
import Core
import HTTPTypes
import Hummingbird
import Logging

/// What every request passes before its route: who is calling, may they from there, how long did it take, and every thrown
/// error turned into an answer.
struct Edge: RouterMiddleware {
    typealias Context = ServerContext

    let authority: TokenAuthority
    let routes: RouteIndex
    let metrics: ServerMetrics

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var response: Response
        do {
            try CrossSite.refuse(request.head, isOpen: !authority.isRequired)
            let identity = try authority.identity(authorization: request.headers[.authorization])
            var context = context
            if case .job(let id) = identity { context.job = id }
            response = try await Caller.$name.withValue(identity.name) { [context] in try await next(request, context) }
        } catch let error as HTTPError where error.status == .notFound {
            response = unknown(request, context: context)
        } catch {
            let style = ErrorResponse.style(ofUnknownPath: request.uri.path, accept: request.headers[.accept])
            response = ErrorResponse.make(for: error, style: style, request: request, logger: context.logger)
        }
        response.headers[.init("X-Content-Type-Options")!] = "nosniff"
        let elapsed = start.duration(to: .now)
        metrics.count(
            method: request.method.rawValue, route: context.endpointPath ?? "none", status: response.status.code,
            seconds: Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
        return response
    }

    private func unknown(_ request: Request, context: ServerContext) -> Response {
        let path = request.uri.path
        let methods = routes.methods(at: path)
        let style = ErrorResponse.style(ofUnknownPath: path, accept: request.headers[.accept])
        // On this code, not on a missing resource, MLflow's clients fall back to what older servers offer.
        if case .mlflow = style, methods.isEmpty { return MLflowError.endpointNotFound(request.method.rawValue, path) }
        if methods.isEmpty {
            let error = NestboxError(
                .notFound, "there is nothing at \(path.prefix(200))", hint: "GET /api/openapi.json lists every route")
            return ErrorResponse.make(for: error, style: style, request: request, logger: context.logger)
        }
        let error = NestboxError(
            .methodNotAllowed, "\(path.prefix(200)) does not answer \(request.method.rawValue)",
            hint: "it answers \(methods.joined(separator: ", "))")
        var response = ErrorResponse.make(for: error, style: style, request: request, logger: context.logger)
        response.headers[.allow] = methods.joined(separator: ", ")
        return response
    }
}

/// Which methods a path answers, for 405. HEAD comes with GET.
package struct RouteIndex: Sendable {
    private let templates: [(parts: [Substring], method: String)]

    package init(_ routes: [Route]) {
        templates = routes.map { ($0.path.split(separator: "/"), $0.method.rawValue) }
    }

    package func methods(at path: String) -> [String] {
        let parts = path.split(separator: "/")
        var methods = Set(templates.filter { Self.matches($0.parts, parts) }.map(\.method))
        if methods.contains("GET") { methods.insert("HEAD") }
        return methods.sorted()
    }

    private static func matches(_ template: [Substring], _ parts: [Substring]) -> Bool {
        for (index, part) in template.enumerated() {
            if part == "**" { return parts.count >= index }
            guard index < parts.count, part.hasPrefix("{") || part == parts[index] else { return false }
        }
        return template.count == parts.count
    }
}
