import Core
import Crypto
import Foundation

/// A body on its way to disk: hashed while it is written, synced, renamed into place. Every call blocks.
final class UploadFile: @unchecked Sendable {
    // Unchecked: used by one upload, one call at a time.
    private var path: String?
    private var descriptor: Int32 = -1
    private var hasher = SHA256()
    private var size: Int64 = 0

    /// The file is created with the first bytes, or at `finish` when there are none.
    init(path: String) { self.path = path }

    deinit { discard() }

    func append(_ bytes: [UInt8]) throws {
        guard let path else { preconditionFailure("an upload ends with finish and move, or with discard") }
        if descriptor < 0 {
            descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw Self.fault("create", path) }
        }
        try DurableFile.writeAll(bytes, to: descriptor, path: path)
        hasher.update(data: bytes)
        size += Int64(bytes.count)
    }

    /// Everything is on disk once this returns the SHA-256 in hexadecimal and the size in bytes.
    func finish() throws -> (digest: String, size: Int64) {
        guard let path else { preconditionFailure("an upload ends with finish and move, or with discard") }
        guard fsync(descriptor) == 0 else { throw Self.fault("sync", path) }
        close(descriptor)
        descriptor = -1
        return (hexadecimal(hasher.finalize()), size)
    }

    func move(to place: String) throws {
        guard let path else { preconditionFailure("an upload ends with finish and move, or with discard") }
        guard rename(path, place) == 0 else { throw Self.fault("rename", path) }
        self.path = nil
        try DurableFile.syncDirectory((place as NSString).deletingLastPathComponent)
    }

    /// Leaves nothing behind. Does nothing after `move`.
    func discard() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        if let path { unlink(path) }
        path = nil
    }

    /// A place for uploads that is gone is the server's trouble, not a name the client got wrong.
    private static func fault(_ verb: String, _ path: String) -> NestboxError {
        var error = DurableFile.failure(verb, path)
        if error.code == .notFound {
            error.code = .unavailable
            error.hint = "the data directory was changed under the running server; restart it"
        }
        return error
    }
}

func hexadecimal(_ digest: SHA256.Digest) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(64)
    for byte in digest {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
