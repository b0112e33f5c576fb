import Core
import Crypto
import Foundation

/// A whole file in chunks, hashed while it is read. The last chunk is held back until the digest is right, so that damaged
/// contents never arrive complete. Every call blocks.
final class VerifiedReader: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private static let chunk = 256 << 10
    private let descriptor: Int32
    private let path: String
    private let digest: String
    private var remaining: Int64
    private var hasher = SHA256()

    /// - Parameters:
    ///   - file: where the contents lie.
    ///   - path: the artifact's own path, for messages.
    init(file: String, path: String, digest: String, size: Int64) throws {
        descriptor = Foundation.open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DurableFile.failure("open", file) }
        self.path = path
        self.digest = digest
        remaining = size
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int64(status.st_size) == size else {
            close(descriptor)
            throw Self.damaged(path)
        }
    }

    deinit { close(descriptor) }

    func next() throws -> [UInt8]? {
        guard remaining > 0 else { return nil }
        let wanted = Int(min(Int64(Self.chunk), remaining))
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            var got = read(descriptor, buffer.baseAddress, wanted)
            while got < 0, errno == EINTR { got = read(descriptor, buffer.baseAddress, wanted) }
            failed = got < 0
            count = max(0, got)
        }
        if failed { throw DurableFile.failure("read", path) }
        guard !bytes.isEmpty else { throw Self.damaged(path) }
        hasher.update(data: bytes)
        remaining -= Int64(bytes.count)
        if remaining == 0, hexadecimal(hasher.finalize()) != digest { throw Self.damaged(path) }
        return bytes
    }

    private static func damaged(_ path: String) -> NestboxError {
        NestboxError(
            .internalError, "the stored contents of `\(path)` do not match their SHA-256",
            hint: "the disk has damaged them: upload the file again, or restore the artifacts folder from a backup")
    }
}
