import Core
import Foundation

/// A stored file or a folder above files.
package struct ArtifactEntry: Codable, Sendable, Hashable {
    /// Relative to the store's root, without a leading slash: `1/<run>/artifacts/model/model.json`.
    package var path: String
    package var isDirectory: Bool
    /// Bytes; nil for folders.
    package var size: Int64?
    /// SHA-256 in hexadecimal; nil for folders.
    package var digest: String?

    package init(path: String, isDirectory: Bool, size: Int64? = nil, digest: String? = nil) {
        self.path = path
        self.isDirectory = isDirectory
        self.size = size
        self.digest = digest
    }
}

/// What garbage collection gave back.
package struct ReclaimedSpace: Codable, Sendable, Hashable {
    package var objects: Int
    package var bytes: Int64

    package init(objects: Int, bytes: Int64) {
        self.objects = objects
        self.bytes = bytes
    }
}

/// Files by path. Equal contents are stored once; what is read is checked against its SHA-256.
package protocol ArtifactStore: Sendable {
    /// Stores `body` under `path`, replacing what was there. Nothing is visible until all of it is on disk.
    func put(_ path: String, _ body: ByteStream) async throws -> ArtifactEntry
    /// Throws `not_found` when there is neither a file nor a folder.
    func entry(_ path: String) async throws -> ArtifactEntry
    /// The contents, or `range` of them in bytes. A whole read fails at its end when the bytes do not match the digest.
    func open(_ path: String, range: Range<Int64>?) async throws -> (entry: ArtifactEntry, body: ByteStream)
    /// The immediate children of a folder by name; empty for a folder that does not exist.
    func list(_ directory: String) async throws -> [ArtifactEntry]
    /// Removes a file, or a folder with everything below. Removing what is not there is not an error.
    func delete(_ path: String) async throws
    /// Removes contents that no path refers to.
    func collectGarbage() async throws -> ReclaimedSpace
}

extension ArtifactStore {
    package func put(_ path: String, _ data: Data) async throws -> ArtifactEntry {
        try await put(path, ByteStream(data))
    }

    /// The whole file in memory; throws `payload_too_large` beyond `limit` bytes.
    package func read(_ path: String, limit: Int = 1 << 30) async throws -> Data {
        Data(try await open(path, range: nil).body.collect(upTo: limit))
    }
}

package enum ArtifactPath {
    /// The normal form of a path from outside. Throws `invalid_argument` for empty parts, `.`/`..` (also between
    /// backslashes, which other systems split at), control characters or more than 2,000 bytes.
    package static func normalize(_ path: String) throws -> String {
        let trimmed = path.hasSuffix("/") ? String(path.dropLast()) : path
        let parts = trimmed.split(separator: "/", omittingEmptySubsequences: false)
        let isFine =
            !trimmed.isEmpty && trimmed.utf8.count <= 2000
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
            && trimmed.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
            && !(trimmed.utf8.contains(UInt8(ascii: "\\"))
                && trimmed.split(whereSeparator: { $0 == "/" || $0 == "\\" }).contains(".."))
        guard isFine else {
            throw NestboxError.invalid(
                "`\(path.prefix(120))` is not an artifact path",
                hint: "use relative paths like `model/model.json`, without `..`")
        }
        return trimmed
    }

    /// The store path behind an artifact URI of runs and model versions: `mlflow-artifacts:/1/abc/artifacts` → `1/abc/artifacts`.
    package static func path(ofURI uri: String) throws -> String {
        for prefix in ["mlflow-artifacts:///", "mlflow-artifacts:/"] where uri.hasPrefix(prefix) {
            return try normalize(String(uri.dropFirst(prefix.count)))
        }
        throw NestboxError.invalid("`\(uri)` is not in this artifact store", hint: "expected mlflow-artifacts:/…")
    }

    /// The scheme of a URI that names the host to connect to, which no caller may choose for others; nil for any other.
    /// Source: `rejected_host_addressed_scheme` in mlflow/store/artifact/host_policy.py (3.17).
    package static func schemeNamingHost(_ uri: String) -> String? {
        guard let colon = uri.firstIndex(of: ":") else { return nil }
        let scheme = uri[..<colon].lowercased(), rest = uri[colon...].dropFirst()
        // Without a host it is the server's own store; of the others none is.
        if scheme == "mlflow-artifacts", !rest.hasPrefix("//") || rest.hasPrefix("///") { return nil }
        return hostSchemes.contains(scheme) ? scheme : nil
    }

    private static let hostSchemes: Set = [
        "ftp", "sftp", "hdfs", "viewfs", "http", "https", "mlflow-artifacts", "r2", "b2", "abfss",
    ]

    package static func uri(_ path: String) -> String { "mlflow-artifacts:/" + path }
}
