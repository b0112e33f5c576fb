import Contracts
import Core
import Foundation
import NIOHTTP1

/// An `ArtifactStore` behind a server's MLflow artifact proxy: another Nestbox, or MLflow itself.
///
/// MLflow's listings have no digests; a Nestbox server adds them. Where there is one, whole reads are verified by the server.
/// An MLflow server knows no ranges, so all of a file crosses the network for a part of it.
package struct RemoteArtifacts: ArtifactStore {
    private static let root = "/api/2.0/mlflow-artifacts/artifacts"
    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    package func put(_ path: String, _ body: ByteStream) async throws -> ArtifactEntry {
        try await upload(path, body)
        return try await entry(path)
    }

    /// Stores without asking what became of it, which would list the whole folder.
    func upload(_ path: String, _ body: ByteStream) async throws {
        let path = try ArtifactPath.normalize(path)
        do {
            let answer = try await client.exchange(
                .PUT, Self.url(path), body: body, contentType: "application/octet-stream", isTransfer: true)
            _ = try await answer.body.collect(upTo: 1 << 20)
        } catch let error as NestboxError where client.dialect != .nestbox {
            throw try await conflict(at: path) ?? error
        }
    }

    /// An MLflow server fails without a reason where a path would be a file and a folder at once.
    private func conflict(at path: String) async throws -> NestboxError? {
        var parts = path.split(separator: "/")
        while !parts.isEmpty {
            let whole = parts.joined(separator: "/")
            let found = try await find(whole)
            if let found, found.isDirectory == (whole == path) {
                return NestboxError(
                    .conflict,
                    "`\(whole)` is a \(found.isDirectory ? "folder" : "file"), so `\(path)` cannot be stored",
                    hint: "choose another path, or delete it first")
            }
            parts.removeLast()
        }
        return nil
    }

    /// Found in the listing of the folder above: the proxy has no other way to ask.
    package func entry(_ path: String) async throws -> ArtifactEntry {
        let path = try ArtifactPath.normalize(path)
        guard let found = try await find(path) else {
            throw NestboxError(
                .notFound, "there is no artifact `\(path)`", hint: "list the folder above it to see what there is")
        }
        return found
    }

    private func find(_ path: String) async throws -> ArtifactEntry? {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        return try await list(folder).first { $0.path == path }
    }

    package func open(_ path: String, range: Range<Int64>?) async throws -> (entry: ArtifactEntry, body: ByteStream) {
        let entry = try await entry(path)
        guard !entry.isDirectory else {
            throw NestboxError.invalid("`\(entry.path)` is a folder", hint: "list it, and open one of its files")
        }
        guard let range else {
            return (entry, try await client.exchange(.GET, Self.url(entry.path), isTransfer: true).body)
        }
        let size = entry.size ?? 0
        guard range.lowerBound >= 0, range.lowerBound <= size else {
            throw NestboxError.invalid("`\(entry.path)` has \(size) bytes; the range begins at \(range.lowerBound)")
        }
        let end = min(range.upperBound, size)
        // HTTP cannot ask for no bytes.
        guard range.lowerBound < end else { return (entry, ByteStream([UInt8]())) }
        let header = ("Range", "bytes=\(range.lowerBound)-\(end - 1)")
        let answer = try await client.exchange(.GET, Self.url(entry.path), headers: [header], isTransfer: true)
        return (entry, answer.status == 206 ? answer.body : answer.body.part(range.lowerBound..<end))
    }

    package func list(_ directory: String) async throws -> [ArtifactEntry] {
        let folder = directory.isEmpty ? "" : try ArtifactPath.normalize(directory)
        let path = APIClient.path(Self.root, query: [("path", folder.isEmpty ? nil : folder)])
        let listing: Listing = try await client.get(path)
        return (listing.files ?? []).map { file in
            ArtifactEntry(
                path: folder.isEmpty ? file.path : "\(folder)/\(file.path)", isDirectory: file.is_dir ?? false,
                // What is zero or false is left out by some servers, as proto3's JSON has it.
                size: file.is_dir ?? false ? nil : file.file_size ?? 0, digest: file.digest)
        }.sorted { $0.path < $1.path }
    }

    package func delete(_ path: String) async throws {
        try await client.send(.DELETE, Self.url(try ArtifactPath.normalize(path)))
    }

    /// Nestbox's own.
    package func collectGarbage() async throws -> ReclaimedSpace {
        try client.requireNestbox("collect garbage when asked over HTTP", hint: "run `mlflow gc` on its machine")
        return try await client.call(.POST, "/api/v1/artifacts/collect-garbage")
    }

    private static func url(_ path: String) -> String {
        root + "/" + path.split(separator: "/").map { APIClient.escape(String($0)) }.joined(separator: "/")
    }

    private struct Listing: Decodable {
        struct File: Decodable {
            var path: String
            var is_dir: Bool?
            var file_size: Int64?
            var digest: String?
        }

        var files: [File]?
    }
}

extension ByteStream {
    /// Only those bytes; what comes before them is read and dropped.
    fileprivate func part(_ range: Range<Int64>) -> ByteStream {
        let reader = PartReader(makeAsyncIterator(), range)
        return ByteStream(length: range.upperBound - range.lowerBound) { try await reader.next() }
    }
}

private final class PartReader: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var source: ByteStream.Iterator
    private var skip: Int64
    private var left: Int64

    init(_ source: ByteStream.Iterator, _ range: Range<Int64>) {
        self.source = source
        skip = range.lowerBound
        left = range.upperBound - range.lowerBound
    }

    func next() async throws -> [UInt8]? {
        while left > 0, let chunk = try await source.next() {
            let dropped = min(skip, Int64(chunk.count))
            skip -= dropped
            let part = chunk.dropFirst(Int(dropped)).prefix(Int(min(left, Int64(chunk.count))))
            guard !part.isEmpty else { continue }
            left -= Int64(part.count)
            return Array(part)
        }
        return nil
    }
}
