import Contracts
import Core
import Hummingbird

/// Errors in MLflow's shape, `{"error_code", "message"}`, with the statuses that decide which branch its clients take.
///
/// Nestbox's own error goes along under `"error"`, which MLflow's clients ignore: MLflow has fewer codes, and no hints.
enum MLflowError {
    /// The answer for a thrown error. The hint becomes part of the message, which is all that MLflow's clients show.
    static func response(_ error: NestboxError) throws -> Response {
        if let fault = error.cause as? UpstreamFault {
            return response(fault.errorCode, fault.status, fault.message, error)
        }
        if let code = error.cause as? MLflowCode { return response(error, as: code.rawValue, code.status) }
        let (code, status) = wire(error.code)
        return response(error, as: code, status)
    }

    /// The same under another code than usual.
    static func response(_ error: NestboxError, as code: String, _ status: Int) -> Response {
        response(code, status, error.hint.map { "\(error.message) (\($0))" } ?? error.message, error)
    }

    /// MLflow has this endpoint and Nestbox does not, or nobody has it: clients fall back to what older servers offer.
    static func endpointNotFound(_ method: String, _ path: String) -> Response {
        response("ENDPOINT_NOT_FOUND", 404, "Nestbox does not answer \(method) \(path.prefix(200)) (yet)")
    }

    /// Multipart and presigned transfers: clients then stream through the server.
    static func notImplemented(_ what: String) -> Response {
        response("NOT_IMPLEMENTED", 501, what)
    }

    /// Source: `ERROR_CODE_TO_HTTP_STATUS` in mlflow/exceptions.py (3.17). Statuses that MLflow has no code for keep their
    /// own number under the nearest code; clients retry 429, 500, 502, 503 and 504 only.
    static func wire(_ code: NestboxError.Code) -> (code: String, status: Int) {
        switch code {
        case .invalidArgument: ("INVALID_PARAMETER_VALUE", 400)
        case .alreadyExists: ("RESOURCE_ALREADY_EXISTS", 400)
        case .unsupportedMediaType: ("BAD_REQUEST", 400)
        case .unauthenticated: ("UNAUTHENTICATED", 401)
        case .permissionDenied: ("PERMISSION_DENIED", 403)
        case .notFound: ("RESOURCE_DOES_NOT_EXIST", 404)
        case .methodNotAllowed: ("BAD_REQUEST", 405)
        case .conflict: ("RESOURCE_CONFLICT", 409)
        case .payloadTooLarge: ("INVALID_PARAMETER_VALUE", 413)
        case .rateLimited: ("REQUEST_LIMIT_EXCEEDED", 429)
        case .cancelled: ("CANCELLED", 499)
        case .internalError: ("INTERNAL_ERROR", 500)
        case .notImplemented: ("NOT_IMPLEMENTED", 501)
        case .unavailable: ("TEMPORARILY_UNAVAILABLE", 503)
        case .storageFull: ("RESOURCE_EXHAUSTED", 507)
        }
    }

    private static func response(
        _ code: String, _ status: Int, _ message: String, _ error: NestboxError? = nil
    ) -> Response {
        let body = MLflowJSONWriter.object {
            $0.field("error_code", code)
            $0.field("message", message)
            guard let error else { return }
            $0.object("error") {
                $0.field("code", error.code.rawValue)
                $0.field("message", error.message)
                $0.field("hint", error.hint)
            }
        }
        return .bytes(body, type: "application/json", status: .init(code: status))
    }
}
