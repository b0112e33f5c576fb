import Core
import Foundation

/// Where everything of one appliance lies. Held exclusively by one process.
public final class DataDirectory: Sendable {
    public let path: String
    private let lock: DirectoryLock

    /// Creates what is missing, takes the lock and clears temporary files that a killed process left behind.
    ///
    /// Throws `conflict` with the holder's process id when another server runs here.
    public init(path: String) throws {
        self.path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        try DurableFile.makeDirectory(self.path)
        lock = try DirectoryLock(directory: self.path)
        for name in ["artifacts", "datasets", "jobs", "backups", "tmp"] {
            try DurableFile.makeDirectory("\(self.path)/\(name)")
        }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: temporary)) ?? [] {
            try? FileManager.default.removeItem(atPath: "\(temporary)/\(name)")
        }
    }

    public var decisions: String { path + "/nestbox.db" }
    public var telemetry: String { path + "/telemetry.db" }
    public var artifacts: String { path + "/artifacts" }
    public var datasets: String { path + "/datasets" }
    public var jobs: String { path + "/jobs" }
    public var backups: String { path + "/backups" }
    /// For files being written: emptied at every start.
    public var temporary: String { path + "/tmp" }
}
