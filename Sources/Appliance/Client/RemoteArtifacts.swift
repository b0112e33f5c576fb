import Contracts
import Core
import Foundation
import NIOHTTP1

/// An `ArtifactStore` behind a server's MLflow artifact proxy: another Nestbox, or MLflow itself.
///
/// MLflow's listings have no digests; a Nestbox server adds them. Where there is one, whole reads are verified by the server.
package struct RemoteArtifacts: ArtifactStore {
    private static let root = "/api/2.0/mlflow-artifacts/artifacts"
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    package func put(_ path: String, _ body: ByteStream) async throws -> ArtifactEntry {
        let path = try ArtifactPath.normalize(path)
        try await client.send(.PUT, Self.url(path), body: body, contentType: "application/octet-stream")
        return try await entry(path)
    }

    /// Found in the listing of the folder above: the proxy has no other way to ask.
    package func entry(_ path: String) async throws -> ArtifactEntry {
        let path = try ArtifactPath.normalize(path)
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        guard let found = try await list(folder).first(where: { $0.path == path }) else {
            throw NestboxError(
                .notFound, "there is no artifact `\(path)`", hint: "list the folder above it to see what there is")
        }
        return found
    }

    package func open(_ path: String, range: Range<Int64>?) async throws -> (entry: ArtifactEntry, body: ByteStream) {
        let entry = try await entry(path)
        guard !entry.isDirectory else {
            throw NestboxError.invalid("`\(entry.path)` is a folder", hint: "list it, and open one of its files")
        }
        guard let range else { return (entry, try await client.stream(.GET, Self.url(entry.path))) }
        let size = entry.size ?? 0
        guard range.lowerBound >= 0, range.lowerBound <= size else {
            throw NestboxError.invalid("`\(entry.path)` has \(size) bytes; the range begins at \(range.lowerBound)")
        }
        let end = min(range.upperBound, size)
        // HTTP cannot ask for no bytes.
        guard range.lowerBound < end else { return (entry, ByteStream([UInt8]())) }
        let header = ("Range", "bytes=\(range.lowerBound)-\(end - 1)")
        return (entry, try await client.stream(.GET, Self.url(entry.path), headers: [header]))
    }

    package func list(_ directory: String) async throws -> [ArtifactEntry] {
        let folder = directory.isEmpty ? "" : try ArtifactPath.normalize(directory)
        let path = APIClient.path(Self.root, query: [("path", folder.isEmpty ? nil : folder)])
        let listing: Listing = try await client.get(path)
        return (listing.files ?? []).map { file in
            ArtifactEntry(
                path: folder.isEmpty ? file.path : "\(folder)/\(file.path)", isDirectory: file.is_dir,
                size: file.is_dir ? nil : file.file_size, digest: file.digest)
        }.sorted { $0.path < $1.path }
    }

    package func delete(_ path: String) async throws {
        try await client.send(.DELETE, Self.url(try ArtifactPath.normalize(path)))
    }

    /// Nestbox's own; other servers collect by themselves and answer `not_found`.
    package func collectGarbage() async throws -> ReclaimedSpace {
        try await client.call(.POST, "/api/v1/artifacts/collect-garbage")
    }

    private static func url(_ path: String) -> String {
        root + "/" + path.split(separator: "/").map { APIClient.escape(String($0)) }.joined(separator: "/")
    }

    private struct Listing: Decodable {
        struct File: Decodable {
            var path: String
            var is_dir: Bool
            var file_size: Int64?
            var digest: String?
        }

        var files: [File]?
    }
}
