import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird

/// `mlflow/artifacts/list`, and the proxy `mlflow-artifacts/artifacts/…` that files go through.
enum MLflowArtifactRoutes {
    /// Bytes of one upload.
    private static let uploadLimit = 64 << 30

    static func routes(_ artifacts: any ArtifactStore, tracking: any Tracking) -> [Route] {
        let proxy = [download(artifacts), upload(artifacts), remove(artifacts), list(artifacts)]
            .map { $0.with { $0.errors = .mlflow } }
        let aliases = proxy.map {
            MLflowRoutes.alias($0, at: $0.path.replacingOccurrences(of: "/api/2.0", with: "/ajax-api/2.0"))
        }
        return proxy + aliases + unsupported + byRun(artifacts, tracking: tracking)
    }

    private static func byRun(_ artifacts: any ArtifactStore, tracking: any Tracking) -> [Route] {
        MLflowRoutes.endpoint(
            .get, "artifacts/list", "Files and folders of a run",
            query: [.init("run_id", "the run", isRequired: true), .init("path", "a folder below its artifacts")]
        ) { request in
            let run = try await tracking.run(id: try request.runID())
            return try await listing(of: run.artifactURI, folder: try request.nonempty("path"), artifacts)
        }
    }

    /// Files and folders directly in a folder below `uri`, named from `uri` on.
    static func listing(of uri: String, folder: String?, _ artifacts: any ArtifactStore) async throws -> [UInt8] {
        let root = try ArtifactPath.path(ofURI: uri)
        let below = try MLflowPath.below(folder ?? "")
        let files = try await artifacts.list(below.isEmpty ? root : "\(root)/\(below)")
        return MLflowJSONWriter.object {
            $0.field("root_uri", uri)
            $0.list("files", files) { $0.file($1, relativeTo: root + "/") }
        }
    }

    private static func list(_ artifacts: any ArtifactStore) -> Route {
        Route(.get, "/api/2.0/mlflow-artifacts/artifacts", "MLflow artifacts", "Files and folders directly in a folder")
        { call in
            try await answer(listing: try await MLflowRequest(call).string("path") ?? "", artifacts)
        }.with {
            $0.query = [.init("path", "a folder; the root without it")]
            $0.response = MLflowRoutes.anyObject
        }
    }

    /// Names without the folder: clients put them together again.
    private static func answer(listing path: String, _ artifacts: any ArtifactStore) async throws -> Response {
        let folder = try MLflowPath.below(path)
        let files = try await artifacts.list(folder).filter { $0.path != MLflowMultipartRoutes.folder }
        return .bytes(
            MLflowJSONWriter.object {
                $0.list("files", files) { $0.file($1, relativeTo: folder.isEmpty ? "" : folder + "/") }
            }, type: "application/json")
    }

    private static func upload(_ artifacts: any ArtifactStore) -> Route {
        Route(.put, "/api/2.0/mlflow-artifacts/artifacts/**", "MLflow artifacts", "Upload a file") { call in
            let entry = try await artifacts.put(try MLflowPath.file(try path(call)), try call.stream())
            var response = Response.bytes(MLflowRoutes.nothing, type: "application/json")
            response.headers[.eTag] = tag(entry)
            return response
        }.with {
            $0.bodyLimit = uploadLimit
            $0.request = .init(type: "application/octet-stream")
            $0.response = MLflowRoutes.anyObject
        }
    }

    private static func path(_ call: Call) throws -> String { try call.path(after: "/mlflow-artifacts/artifacts/") }

    private static func remove(_ artifacts: any ArtifactStore) -> Route {
        Route(
            .delete, "/api/2.0/mlflow-artifacts/artifacts/**", "MLflow artifacts",
            "Remove a file, or a folder with everything below"
        ) { call in
            let path = try MLflowPath.below(try path(call))
            // The root is no folder that anybody made.
            if !path.isEmpty { try await artifacts.delete(path) }
            return .bytes(MLflowRoutes.nothing, type: "application/json")
        }.with { $0.response = MLflowRoutes.anyObject }
    }

    private static func download(_ artifacts: any ArtifactStore) -> Route {
        Route(
            .get, "/api/2.0/mlflow-artifacts/artifacts/**", "MLflow artifacts",
            "Download a file, or a range of its bytes"
        ) { call in
            let asked = try path(call)
            guard !asked.isEmpty else { return try await answer(listing: "", artifacts) }
            let path = try MLflowPath.below(asked)
            guard !path.isEmpty else { throw NestboxError.notFound("file", asked) }
            return try await send(path, call, artifacts)
        }.with { $0.response = .init(type: "application/octet-stream") }
    }

    static func send(_ path: String, _ call: Call, _ artifacts: any ArtifactStore) async throws -> Response {
        guard let header = call.header(.range), let asked = HTTPRange(header) else {
            let (entry, body) = try await artifacts.open(path, range: nil)
            return headers(of: entry, on: .stream(body, type: contentType(path)))
        }
        let size = try await artifacts.entry(path).size ?? 0
        guard let range = asked.resolve(size: size) else {
            var response = Response(status: .rangeNotSatisfiable)
            response.headers[.contentRange] = "bytes */\(size)"
            return response
        }
        let (entry, body) = try await artifacts.open(path, range: range)
        var response = headers(of: entry, on: .stream(body, type: contentType(path), status: .partialContent))
        response.headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
        return response
    }

    /// Always as an attachment: an uploaded page must not run with the dashboard's rights.
    private static func headers(of entry: ArtifactEntry, on response: Response) -> Response {
        var response = response
        let name = entry.path.split(separator: "/").last.map(String.init) ?? "file"
        let ascii = String(name.unicodeScalars.map { $0.isASCII && $0 != "\"" ? Character($0) : "_" })
        var disposition = "attachment; filename=\"\(ascii)\""
        if ascii != name, let encoded = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) {
            disposition += "; filename*=UTF-8''\(encoded)"
        }
        response.headers[.contentDisposition] = disposition
        response.headers[.acceptRanges] = "bytes"
        response.headers[.eTag] = tag(entry)
        return response
    }

    /// The digest in quotes.
    static func tag(_ entry: ArtifactEntry) -> String? { entry.digest.map { "\"\($0)\"" } }

    private static func contentType(_ path: String) -> String {
        switch (path as NSString).pathExtension.lowercased() {
        case "json": "application/json"
        case "png": "image/png"
        case "jpg", "jpeg": "image/jpeg"
        case "svg": "image/svg+xml"
        case "html", "htm": "text/html; charset=utf-8"
        case "csv": "text/csv; charset=utf-8"
        case "txt", "log", "md", "yaml", "yml", "py", "cfg", "ini", "toml": "text/plain; charset=utf-8"
        default:
            (path as NSString).lastPathComponent == "MLmodel" ? "text/plain; charset=utf-8" : "application/octet-stream"
        }
    }

    /// Presigned downloads are for storage that clients reach by themselves: they read ranges of the file here instead.
    private static var unsupported: [Route] {
        let route = Route(
            .get, "/api/2.0/mlflow-artifacts/presigned/**", "MLflow artifacts", "Presigned download, not supported"
        ) { _ in
            MLflowError.notImplemented("Multipart download is not supported for the current artifact repository")
        }.with {
            $0.errors = .mlflow
            $0.isHidden = true
        }
        return [route, MLflowRoutes.alias(route, at: "/ajax-api/2.0/mlflow-artifacts/presigned/**")]
    }
}

/// One range of a `Range` header: `bytes=0-99`, `bytes=100-`, `bytes=-100`. Several ranges, and what is not well-formed,
/// count as no range at all, as RFC 9110 §14.2 allows.
package struct HTTPRange: Sendable, Equatable {
    private enum Form: Equatable {
        case from(Int64, through: Int64?)
        case last(Int64)
    }

    private let form: Form

    package init?(_ header: String) {
        guard header.hasPrefix("bytes=") else { return nil }
        let parts = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) }
        guard parts.count == 2, parts.allSatisfy({ $0.allSatisfy { $0.isASCII && $0.isNumber } }) else { return nil }
        switch (Int64(parts[0]), Int64(parts[1])) {
        case (let first?, let last?) where first <= last: form = .from(first, through: last)
        case (let first?, nil) where parts[1].isEmpty: form = .from(first, through: nil)
        case (nil, let count?) where parts[0].isEmpty: form = .last(count)
        default: return nil
        }
    }

    /// The bytes of a file of that size; nil when there are none (status 416).
    package func resolve(size: Int64) -> Range<Int64>? {
        switch form {
        case .from(let first, let last):
            guard first < size else { return nil }
            // Compared before one is added: the header may hold the largest integer there is.
            return first..<min(last ?? size, size - 1) + 1
        case .last(let count):
            return count > 0 && size > 0 ? max(0, size - count)..<size : nil
        }
    }
}
