import Foundation

/// An exclusive hold on a data directory, so that two servers never share one. The kernel lets go of it when the process
/// ends, however it ends.
public final class DirectoryLock: Sendable {
    private let descriptor: Int32

    /// Throws `conflict`, naming the holder's process id, when another process holds `directory`.
    public init(directory: String) throws {
        let path = directory + "/nestbox.lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DurableFile.failure("open", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder =
                (try? String(contentsOfFile: path, encoding: .utf8))?
                .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
            close(descriptor)
            throw NestboxError(
                .conflict, "the data directory \(directory) is in use by process \(holder)",
                hint: "stop that process (kill \(holder)) or choose another directory with --data")
        }
        ftruncate(descriptor, 0)
        try DurableFile.writeAll(Data("\(getpid())\n".utf8), to: descriptor, path: path)
    }

    /// Unlocks before it closes: the lock belongs to the open file, which a child process that is just being started
    /// shares until its program is loaded, and a close alone would leave the lock with it.
    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
