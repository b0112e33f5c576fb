import Core
import Crypto
import Foundation
import Tables

/// A version's file: canonical CSV, whose bytes together with the schema decide the content hash.
enum CanonicalFile {
    struct Written: Sendable {
        var contentHash: String
        var byteCount: Int64
    }

    /// Writes and syncs `path`, which must not exist; leaves nothing behind when it throws. Blocks.
    static func write(_ table: Table, to path: String) throws -> Written {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DurableFile.failure("create", path) }
        defer { close(descriptor) }
        do {
            var hash = try start(table.schema)
            var byteCount: Int64 = 0
            try CSVWriter.write(table) { chunk in
                hash.update(data: chunk)
                byteCount += Int64(chunk.count)
                try DurableFile.writeAll(chunk, to: descriptor, path: path)
            }
            guard fsync(descriptor) == 0 else { throw DurableFile.failure("sync", path) }
            return Written(contentHash: hex(hash.finalize()), byteCount: byteCount)
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Reads `path`, hashing on the way. Throws `internal` naming `what` when the bytes are not the ones that were written.
    /// Blocks.
    static func read(path: String, schema: Schema, contentHash: String, what: String) throws -> Table {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw damaged(what, path, cause: DurableFile.failure("open", path)) }
        defer { close(descriptor) }
        var hash = try start(schema)
        let parser = try CSVParser(options: CSVOptions(schema: schema))
        var parseError: (any Error)?
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw DurableFile.failure("read", path) }
            guard count > 0 else { break }
            buffer.withUnsafeBytes { bytes in
                let chunk = UnsafeRawBufferPointer(rebasing: bytes[..<count])
                hash.update(bufferPointer: chunk)
                guard parseError == nil else { return }
                do {
                    try chunk.withMemoryRebound(to: UInt8.self) { try parser.consume($0) }
                } catch {
                    parseError = error
                }
            }
        }
        // A damaged file usually fails to parse as well; that it is damaged is the news.
        guard hex(hash.finalize()) == contentHash else { throw damaged(what, path, cause: parseError) }
        if let parseError { throw parseError }
        return try parser.finish()
    }

    private static func start(_ schema: Schema) throws -> SHA256 {
        var hash = SHA256()
        hash.update(data: try JSON.encode(schema))
        hash.update(data: [0x0A])
        return hash
    }

    private static func hex(_ digest: SHA256.Digest) -> String {
        digest.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    private static func damaged(_ what: String, _ path: String, cause: (any Error)?) -> NestboxError {
        NestboxError(
            .internalError, "the file of \(what) is missing or damaged: its content is not what was imported",
            hint: "restore \(path) from a backup, or import the data again", cause: cause)
    }
}
