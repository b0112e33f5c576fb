import Foundation

/// Files that are either whole and on disk or not there: temporary name, sync, rename, sync of the directory.
public enum DurableFile {
    /// Writes `data` to `path`, replacing what is there. Throws `storage_full` or `unavailable` and leaves no part behind.
    public static func write(_ data: Data, to path: String) throws {
        let temporary = path + ".tmp-\(UInt64.random(in: 0 ... .max))"
        do {
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw failure("create", temporary) }
            do {
                try writeAll(data, to: descriptor, path: temporary)
                guard fsync(descriptor) == 0 else { throw failure("sync", temporary) }
                close(descriptor)
            } catch {
                close(descriptor)
                throw error
            }
            try commit(temporary, as: path)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Gives an already written and synced temporary file its final name, durably.
    public static func commit(_ temporary: String, as path: String) throws {
        guard rename(temporary, path) == 0 else { throw failure("rename", path) }
        try syncDirectory((path as NSString).deletingLastPathComponent)
    }

    /// Writes every byte, however many calls that takes.
    public static func writeAll(_ bytes: some ContiguousBytes, to descriptor: Int32, path: String) throws {
        try bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let written = unistd_write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
                if written < 0 {
                    if errno == EINTR { continue }
                    throw failure("write", path)
                }
                offset += written
            }
        }
    }

    public static func syncDirectory(_ path: String) throws {
        let descriptor = open(path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync", path) }
    }

    /// Creates the directory, and those above it, for this user alone; leaves one that is there as it is.
    public static func makeDirectory(_ path: String) throws {
        guard !FileManager.default.fileExists(atPath: path + "/.") else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw NestboxError(
                .unavailable, "cannot create the directory \(path): \(String(cString: strerror(errno)))",
                hint: "check that the parent directory exists and is writable", cause: error)
        }
    }

    /// The error for a failed system call, read from `errno`: a full disk and a read-only place get their own words.
    public static func failure(_ verb: String, _ path: String) -> NestboxError {
        let number = errno
        let reason = String(cString: strerror(number))
        switch number {
        case ENOSPC, EDQUOT:
            return NestboxError(
                .storageFull, "cannot \(verb) \(path): the disk is full",
                hint: "free some space, or delete runs and run garbage collection; nothing was half-written")
        case EROFS, EACCES, EPERM:
            return NestboxError(
                .unavailable, "cannot \(verb) \(path): \(reason)", hint: "make the data directory writable")
        case ENOENT:
            return NestboxError(.notFound, "cannot \(verb) \(path): \(reason)")
        default:
            return NestboxError(.unavailable, "cannot \(verb) \(path): \(reason)")
        }
    }
}

private func unistd_write(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, base, count)
}
