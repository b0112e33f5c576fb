import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird
import Tables

/// OpenTelemetry's protocol over HTTP, traces only: what an OTLP exporter sends to `/v1/traces`.
/// Source: opentelemetry-proto, docs/specification.md; MLflow's headers from mlflow/server/otel_api.py (3.17).
enum OTLPRoutes {
    /// Bytes of a body, also once it is expanded.
    private static let limit = 32 << 20

    static func routes(_ appliance: Appliance) -> [Route] { [export(appliance.traces)] }

    private static func export(_ traces: any TraceStore) -> Route {
        Route(.post, "/v1/traces", "OpenTelemetry", "Spans, as an OTLP exporter sends them") { call in
            let isJSON = try OTLPAnswer.isJSON(call.request)
            guard let experiment = call.header(.init("x-mlflow-experiment-id")!), !experiment.isEmpty else {
                throw NestboxError.invalid(
                    "the header x-mlflow-experiment-id is required: it names the experiment that the traces belong to",
                    hint: "set OTEL_EXPORTER_OTLP_TRACES_HEADERS=x-mlflow-experiment-id=0")
            }
            let body = try await call.body(accepting: ["gzip"])
            let isGzip = call.header(.contentEncoding)?.lowercased() == "gzip"
            let read = try await ComputePool.shared.run { () -> OTLPTraces in
                let bytes = isGzip ? try expand([UInt8](body)) : [UInt8](body)
                return isJSON ? try OTLPTraces(json: bytes) : try OTLPTraces(protobuf: bytes)
            }
            guard !read.isEmpty else {
                throw NestboxError.invalid("Invalid OpenTelemetry format - no spans found")
            }
            if read.spanCount == 0, let rejected = read.rejected { throw NestboxError.invalid(rejected.reason) }
            for group in read.groups {
                try await traces.record(group.spans, resource: group.resource, experimentID: experiment)
            }
            if let run = call.header(.init("x-mlflow-run-id")!), !run.isEmpty {
                let ended = Set(read.groups.flatMap(\.spans).filter { $0.parentID == nil }.map { "tr-" + $0.traceID })
                for start in stride(from: 0, to: ended.count, by: 100) {
                    try await traces.link(traceIDs: Array(ended.sorted()[start...].prefix(100)), toRun: run)
                }
            }
            return OTLPAnswer.success(isJSON: isJSON, rejected: read.rejected)
        }.with {
            $0.errors = .otlp
            $0.bodyLimit = limit
            $0.request = .init(type: "application/x-protobuf")
            $0.response = .init(type: "application/x-protobuf")
        }
    }

    private static func expand(_ body: [UInt8]) throws -> [UInt8] {
        guard body.starts(with: [0x1F, 0x8B]) else { throw NestboxError.invalid("the body is not in gzip's format") }
        var bytes: [UInt8] = []
        var limits = TableLimits()
        limits.expandedBytes = Int64(limit)
        limits.hint = "send fewer spans at a time"
        try ExpandedInput.forEachChunk(bytes: body, limits: limits) { bytes.append(contentsOf: $0) }
        return bytes
    }
}

/// OTLP's answers: in the encoding of the request, errors as a `google.rpc.Status`.
enum OTLPAnswer {
    /// Throws for another type than the two of OTLP.
    static func isJSON(_ request: Request) throws -> Bool {
        let type = request.headers[.contentType] ?? ""
        switch type.split(separator: ";").first?.trimmingCharacters(in: .whitespaces).lowercased() {
        case "application/json": return true
        case "application/x-protobuf": return false
        default:
            throw NestboxError.invalid(
                "Invalid Content-Type: \(type.prefix(80)). Expected: application/x-protobuf or application/json")
        }
    }

    /// - Parameter rejected: spans that were left out, and why; the others are stored.
    static func success(isJSON: Bool, rejected: (count: Int, reason: String)?) -> Response {
        guard isJSON else {
            let partial = rejected.map { field(1, varint: UInt64($0.count)) + field(2, bytes: Array($0.reason.utf8)) }
            return .bytes(partial.map { field(1, bytes: $0) } ?? [], type: "application/x-protobuf")
        }
        return .bytes(
            MLflowJSONWriter.object {
                guard let rejected else { return }
                $0.object("partialSuccess") {
                    $0.field("rejectedSpans", String(rejected.count))
                    $0.field("errorMessage", rejected.reason)
                }
            }, type: "application/json")
    }

    static func failure(_ error: NestboxError, _ request: Request) -> Response {
        let message = error.hint.map { "\(error.message) (\($0))" } ?? error.message
        let status = HTTPResponse.Status(code: error.code.httpStatus)
        if (try? isJSON(request)) == false {
            let body = field(1, varint: UInt64(code(error.code))) + field(2, bytes: Array(message.utf8))
            return .bytes(body, type: "application/x-protobuf", status: status)
        }
        let body = MLflowJSONWriter.object {
            $0.field("code", Int64(code(error.code)))
            $0.field("message", message)
        }
        return .bytes(body, type: "application/json", status: status)
    }

    /// google.rpc.Code
    private static func code(_ code: NestboxError.Code) -> Int {
        switch code {
        case .cancelled: 1
        case .invalidArgument, .unsupportedMediaType: 3
        case .notFound: 5
        case .alreadyExists: 6
        case .permissionDenied: 7
        case .payloadTooLarge, .rateLimited, .storageFull: 8
        case .conflict: 10
        case .methodNotAllowed, .notImplemented: 12
        case .internalError: 13
        case .unavailable: 14
        case .unauthenticated: 16
        }
    }

    private static func field(_ number: UInt8, varint value: UInt64) -> [UInt8] { [number << 3] + varint(value) }

    private static func field(_ number: UInt8, bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var value = value, out: [UInt8] = []
        while value >= 0x80 {
            out.append(UInt8(value & 0x7F) | 0x80)
            value >>= 7
        }
        return out + [UInt8(value)]
    }
}
