import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird

/// Uploads of large files in parts, `mlflow-artifacts/mpu/…`: clients send several parts at once and repeat those that fail.
///
/// The parts are artifacts of their own below `.multipart/UPLOAD/` until `complete` puts them together under the file's
/// path, so any artifact store can keep them and a killed server loses none. An upload that nobody ends is removed when
/// another one begins a week later.
enum MLflowMultipartRoutes {
    /// Not shown in listings.
    static let folder = ".multipart"
    /// As in S3.
    private static let mostParts = 10_000
    private static let partLimit = 5 << 30
    private static let lifetime: Int64 = 7 * 24 * 3600 * 1000
    private static let root = "/api/2.0/mlflow-artifacts/mpu"

    /// - Parameter artifacts: nil refuses as MLflow does; clients then send the file as a whole.
    static func routes(_ artifacts: (any ArtifactStore)?, ambient: Ambient = .live) -> [Route] {
        guard let artifacts else { return refusals }
        return routes(artifacts, ambient)
    }

    private static var refusals: [Route] {
        ["create", "complete", "abort"].flatMap { name in
            let route = Route(.post, "\(root)/\(name)/**", "MLflow artifacts", "Uploads in parts, not supported") { _ in
                MLflowError.notImplemented("Multipart upload is not supported for the current artifact repository")
            }.with {
                $0.errors = .mlflow
                $0.isHidden = true
            }
            return [route, MLflowRoutes.alias(route, at: "/ajax-api" + route.path.dropFirst(4))]
        }
    }

    private static func routes(_ artifacts: any ArtifactStore, _ ambient: Ambient) -> [Route] {
        let create = action("create", "Begin an upload in parts") { call, request in
            let target = try target(call, request)
            let count = try request.integer("num_parts", default: 1, in: 1...mostParts)
            try await removeAbandoned(artifacts, now: ambient.now())
            // The time it began is part of its name; a listing has no times.
            let id = "\(ambient.now().milliseconds)-\(ambient.newID())"
            _ = try await artifacts.put("\(folder)/\(id)/target", Data(target.utf8))
            return answer(id, parts: count, call)
        }
        let complete = action("complete", "Make one file of the parts") { call, request in
            let id = try await upload(call, request, artifacts)
            let parts = try await parts(request.objects("parts"), of: id, artifacts)
            _ = try await artifacts.put(try target(call, request), joined(parts, artifacts))
            try await artifacts.delete("\(folder)/\(id)")
            return MLflowRoutes.nothing
        }
        let abort = action("abort", "Forget an upload in parts") { call, request in
            try await artifacts.delete("\(folder)/\(try await upload(call, request, artifacts))")
            return MLflowRoutes.nothing
        }
        return [create, complete, abort, part(artifacts)].flatMap {
            [$0, MLflowRoutes.alias($0, at: $0.path.replacingOccurrences(of: "/api/", with: "/ajax-api/"))]
        }
    }

    private static func action(
        _ name: String, _ summary: String,
        _ body: @escaping @Sendable (Call, MLflowRequest) async throws -> [UInt8]
    ) -> Route {
        Route(.post, "\(root)/\(name)/**", "MLflow artifacts", summary) { call in
            .bytes(try await body(call, try await MLflowRequest(call)), type: "application/json")
        }.with {
            $0.errors = .mlflow
            $0.request = MLflowRoutes.anyObject
            $0.response = MLflowRoutes.anyObject
        }
    }

    private static func part(_ artifacts: any ArtifactStore) -> Route {
        Route(.put, "\(root)/part/{upload_id}/{number}", "MLflow artifacts", "One part of an upload") { call in
            let id = try await known(try call.parameter("upload_id"), artifacts).id
            let number = try call.integerParameter("number")
            guard number <= mostParts else { throw NestboxError.invalid("an upload has at most \(mostParts) parts") }
            let entry = try await artifacts.put(path(of: number, in: id), try call.stream())
            var response = Response.bytes(MLflowRoutes.nothing, type: "application/json")
            response.headers[.eTag] = MLflowArtifactRoutes.tag(entry)
            return response
        }.with {
            $0.errors = .mlflow
            $0.bodyLimit = partLimit
            $0.request = .init(type: "application/octet-stream")
            $0.response = MLflowRoutes.anyObject
        }
    }

    private static func path(of part: Int, in id: String) -> String { "\(folder)/\(id)/\(part)" }

    /// Where the file goes: the folder in the address, and the last part of the path it has on the client's disk.
    private static func target(_ call: Call, _ request: MLflowRequest) throws -> String {
        let path = try request.required("path")
        let name = path.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? path
        let folder = try call.rest
        return try ArtifactPath.normalize(folder.isEmpty ? name : "\(folder)/\(name)")
    }

    private static func known(_ id: String, _ artifacts: any ArtifactStore) async throws -> (id: String, target: String)
    {
        let unknown = NestboxError(
            .notFound, "there is no upload `\(id.prefix(80))`", hint: "begin one: POST \(root)/create/FOLDER")
        guard id.allSatisfy({ $0.isASCII && ($0.isHexDigit || $0 == "-") }), !id.isEmpty else { throw unknown }
        do {
            let target = try await artifacts.read("\(folder)/\(id)/target", limit: 4096)
            return (id, String(decoding: target, as: UTF8.self))
        } catch let error as NestboxError where error.code == .notFound {
            throw unknown
        }
    }

    /// The upload that the request names. Throws unless it is one of the same file.
    private static func upload(
        _ call: Call, _ request: MLflowRequest, _ artifacts: any ArtifactStore
    ) async throws -> String {
        let upload = try await known(try request.required("upload_id"), artifacts)
        let target = try target(call, request)
        guard upload.target == target else {
            throw NestboxError.invalid("the upload `\(upload.id)` is one of `\(upload.target)`, not of `\(target)`")
        }
        return upload.id
    }

    /// The parts in order. Throws for one that is missing, or is not what the client sent last.
    private static func parts(
        _ listed: [MLflowRequest], of id: String, _ artifacts: any ArtifactStore
    ) async throws -> [ArtifactEntry] {
        guard !listed.isEmpty else { throw NestboxError.invalid("Missing value for required parameter 'parts'.") }
        var found: [ArtifactEntry] = [], last = 0
        for part in listed {
            let number = try part.integer("part_number", default: 0, in: 1...mostParts)
            guard number > last else {
                throw NestboxError.invalid("the parts are not in order: \(number) after \(last)")
            }
            last = number
            let entry: ArtifactEntry
            do {
                entry = try await artifacts.entry(path(of: number, in: id))
            } catch let error as NestboxError where error.code == .notFound {
                throw NestboxError.invalid("part \(number) of the upload `\(id)` was not sent")
            }
            let tag = try part.string("etag") ?? ""
            guard tag.isEmpty || tag == MLflowArtifactRoutes.tag(entry) else {
                throw NestboxError.invalid(
                    "part \(number) of the upload `\(id)` is not the one with ETag \(tag.prefix(80))",
                    hint: "send it again")
            }
            found.append(entry)
        }
        return found
    }

    private static func joined(_ parts: [ArtifactEntry], _ artifacts: any ArtifactStore) -> ByteStream {
        let reader = PartReader(parts, artifacts)
        return ByteStream(length: parts.reduce(0) { $0 + ($1.size ?? 0) }) { try await reader.next() }
    }

    /// Addresses on this server, under the name that the client knows it by, with the client's own credentials.
    private static func answer(_ id: String, parts: Int, _ call: Call) -> [UInt8] {
        let scheme = call.header(.init("X-Forwarded-Proto")!) == "https" ? "https" : "http"
        let base = call.request.head.authority.map { "\(scheme)://\($0)" } ?? ""
        let authorization = call.header(.authorization)
        return MLflowJSONWriter.object {
            $0.field("upload_id", id)
            $0.list("credentials", 1...parts) { writer, number in
                writer.field("url", "\(base)\(root)/part/\(id)/\(number)")
                writer.field("part_number", Int64(number))
                writer.object("headers") { if let authorization { $0.field("Authorization", authorization) } }
            }
        }
    }

    private static func removeAbandoned(_ artifacts: any ArtifactStore, now: Timestamp) async throws {
        for upload in try await artifacts.list(folder) {
            let name = upload.path.dropFirst(folder.count + 1)
            guard let began = Int64(name.prefix { $0 != "-" }), now.milliseconds - began > lifetime else { continue }
            try await artifacts.delete(upload.path)
        }
    }
}

private final class PartReader: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var rest: ArraySlice<ArtifactEntry>
    private var current: ByteStream.Iterator?
    private let artifacts: any ArtifactStore

    init(_ parts: [ArtifactEntry], _ artifacts: any ArtifactStore) {
        rest = parts[...]
        self.artifacts = artifacts
    }

    func next() async throws -> [UInt8]? {
        while true {
            if let chunk = try await current?.next() { return chunk }
            guard let part = rest.popFirst() else { return nil }
            current = try await artifacts.open(part.path, range: nil).body.makeAsyncIterator()
        }
    }
}
