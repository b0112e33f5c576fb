import Foundation

/// How much memory this process may use.
public enum MachineMemory {
    /// Bytes: the machine's, or less when a container or service manager sets a limit.
    public static let bytes: Int = {
        let physical = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        return limits().filter { $0 > 0 }.reduce(physical, min)
    }()

    /// The limits of Linux control groups, version 2 and 1; none elsewhere. Inside a container its own group looks like the
    /// root; a service sees its path. Source: docs.kernel.org/admin-guide/cgroup-v2.html, `memory.max`.
    private static func limits() -> [Int] {
        var files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        if let own = text("/proc/self/cgroup")?.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) {
            var group = String(own.dropFirst(4))
            while !group.isEmpty {
                files.append("/sys/fs/cgroup/\(group)/memory.max")
                group = (group as NSString).deletingLastPathComponent
            }
        }
        // "max", and a file that is not there, are no limit.
        return files.compactMap { text($0).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } }
    }

    private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
