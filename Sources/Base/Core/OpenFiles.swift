import Foundation

/// How many files and sockets this process may have open. The usual 1,024 is low for the sake of programs that use `select`.
public enum OpenFiles {
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    /// The limit now.
    public static var limit: Int {
        var limits = rlimit()
        return getrlimit(resource, &limits) == 0 ? Int(clamping: limits.rlim_cur) : 1024
    }

    /// Raises the limit to what this user may have, at most 65,536. Where that is refused, the limit stays.
    public static func raiseLimit() {
        var limits = rlimit()
        guard getrlimit(resource, &limits) == 0 else { return }
        limits.rlim_cur = max(limits.rlim_cur, min(limits.rlim_max, 65_536))
        setrlimit(resource, &limits)
    }
}
