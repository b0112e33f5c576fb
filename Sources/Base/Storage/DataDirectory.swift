import Core
import Foundation

/// Where everything of one appliance lies. Held exclusively by one process.
public final class DataDirectory: Sendable {
    public let path: String
    private let lock: DirectoryLock

    /// What a server makes here.
    private static let folders = ["artifacts", "datasets", "jobs", "backups", "tmp"]
    private static let files = [
        "nestbox.lock", "nestbox.db", "nestbox.db-wal", "nestbox.db-shm", "telemetry.db", "telemetry.db-wal",
        "telemetry.db-shm", "telemetry.db-points0", "telemetry.db-points1", "secrets.key",
    ]

    /// Creates what is missing, takes the lock, keeps other users out and clears temporary files that a killed process left
    /// behind.
    ///
    /// Throws `conflict` with the holder's process id when another server runs here.
    public init(path: String) throws {
        self.path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        try DurableFile.makeDirectory(self.path)
        lock = try DirectoryLock(directory: self.path)
        // Without a database the folder below was never ours, and its content is somebody's.
        let found = (try? FileManager.default.contentsOfDirectory(atPath: self.path + "/tmp")) ?? []
        guard found.isEmpty || FileManager.default.fileExists(atPath: self.path + "/nestbox.db") else {
            throw NestboxError(
                .conflict, "\(self.path)/tmp holds files that no Nestbox server made, and a server empties that folder",
                hint: "choose a directory of its own with --data")
        }
        for name in Self.folders { try DurableFile.makeDirectory("\(self.path)/\(name)") }
        Self.keepOthersOut(of: self.path)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: temporary)) ?? [] {
            try? FileManager.default.removeItem(atPath: "\(temporary)/\(name)")
        }
    }

    /// Takes everybody else's rights to what a server made here. The directory itself keeps its own while it holds something
    /// else besides: `--data /tmp`, started by root, must not close `/tmp`. What belongs to another user or lies on a file
    /// system without rights stays as it is, and `openToOthers` says so.
    private static func keepOthersOut(of path: String) {
        for name in folders + files where openMode(of: "\(path)/\(name)") != nil {
            chmod("\(path)/\(name)", folders.contains(name) ? 0o700 : 0o600)
        }
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let isOurs = entries.allSatisfy { folders.contains($0) || files.contains($0) || $0 == "lost+found" }
        if isOurs, openMode(of: path) != nil { chmod(path, 0o700) }
    }

    /// What of a data directory other users of the machine may reach, with its mode; nil when they are kept out.
    public static func openToOthers(_ path: String) -> (path: String, mode: String)? {
        // Behind a closed directory the modes below do not matter.
        guard openMode(of: path) != nil else { return nil }
        for place in (folders + files).map({ "\(path)/\($0)" }) {
            if let mode = openMode(of: place) { return (place, mode) }
        }
        // Closed files can still be replaced in a directory that others write to.
        guard FileManager.default.fileExists(atPath: path + "/nestbox.db") else { return nil }
        return openMode(of: path, rights: 0o022).map { (path, $0) }
    }

    /// The mode as octal digits when group or others have any of these rights; nil for what is not there.
    private static func openMode(of path: String, rights: mode_t = 0o077) -> String? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & rights != 0 else { return nil }
        return String(status.st_mode & 0o7777, radix: 8)
    }

    public var decisions: String { path + "/nestbox.db" }
    public var telemetry: String { path + "/telemetry.db" }
    /// Encrypts what must not be readable in a copy of the databases.
    public var secretsKey: String { path + "/secrets.key" }
    public var artifacts: String { path + "/artifacts" }
    public var datasets: String { path + "/datasets" }
    public var jobs: String { path + "/jobs" }
    public var backups: String { path + "/backups" }
    /// For files being written: emptied at every start.
    public var temporary: String { path + "/tmp" }
}
