import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// Turns whatever was thrown into an answer in the caller's protocol. The one place where errors are logged.
enum ErrorResponse {
    static func make(for thrown: any Error, style: Route.ErrorStyle, request: Request, logger: Logger) -> Response {
        let error = normalize(thrown)
        if error.code == .internalError || error.cause != nil && !(error.cause is UpstreamFault) {
            logger.error("\(request.method.rawValue) \(request.uri.path): \(error)")
        }
        var response = (try? body(error, style: style, request)) ?? Response(status: .internalServerError)
        if error.code == .unauthenticated {
            response.headers[.wwwAuthenticate] = "Basic realm=\"Nestbox\", charset=\"UTF-8\""
        }
        if error.code == .rateLimited || error.code == .unavailable { response.headers[.retryAfter] = "1" }
        return response
    }

    /// Any error as one of ours. What was not meant for a client becomes «something went wrong», with the cause logged.
    static func normalize(_ thrown: any Error) -> NestboxError {
        switch thrown {
        case let error as NestboxError: return error
        case let error as DecodingError: return JSON.explain(error, what: "the request")
        case is CancellationError: return NestboxError(.cancelled, "the request was cancelled")
        case let error as HTTPError:
            let code = NestboxError.Code.allCases.first { $0.httpStatus == error.status.code } ?? .invalidArgument
            return NestboxError(code, error.body ?? error.status.reasonPhrase)
        default:
            return NestboxError(
                .internalError, "something went wrong in the server", hint: "see the server's log", cause: thrown)
        }
    }

    private static func body(_ error: NestboxError, style: Route.ErrorStyle, _ request: Request) throws -> Response {
        let status = HTTPResponse.Status(code: error.code.httpStatus)
        switch style {
        case .native: return try .json(ErrorBody(hinted(error, request)), status: status)
        case .mlflow: return try MLflowError.response(error)
        case .inferenceProtocol:
            let sentence = error.hint.map { "\(error.message) (\($0))" } ?? error.message
            return try .json(["error": sentence], status: status)
        case .otlp: return OTLPAnswer.failure(error, request)
        case .page: return ErrorPage.response(error, status: status)
        }
    }

    /// The error with something to do about it, also where who threw it knew nothing better than its code.
    private static func hinted(_ error: NestboxError, _ request: Request) -> NestboxError {
        guard error.hint == nil else { return error }
        var error = error
        error.hint =
            switch error.code {
            case .invalidArgument, .methodNotAllowed, .unsupportedMediaType:
                "GET /api/openapi.json describes what \(request.method.rawValue) \(request.uri.path.prefix(200)) takes"
            case .notFound: "list what there is, and check the spelling"
            case .alreadyExists: "choose another name, or change what is there"
            case .conflict: "look at what is stored now, and try again"
            case .payloadTooLarge: "send less at a time"
            case .unauthenticated: "send the access token: Authorization: Bearer TOKEN"
            case .permissionDenied: "use an access token that may do this"
            case .storageFull: "free some space on the server's disk"
            case .rateLimited, .unavailable: "try again in a moment"
            case .cancelled: "send the request again"
            case .internalError: "see the server's log"
            case .notImplemented: "ask a server that can do it"
            }
        return error
    }

    /// The shape for paths that no route answers: their prefix tells whose client is asking.
    static func style(ofUnknownPath path: String, accept: String?) -> Route.ErrorStyle {
        if path.hasPrefix("/api/2.0/") || path.hasPrefix("/api/3.0/") || path.hasPrefix("/ajax-api/") { return .mlflow }
        if path.hasPrefix("/v2") { return .inferenceProtocol }
        return !path.hasPrefix("/api/") && accept?.contains("text/html") == true ? .page : .native
    }
}
