import Contracts
import Core

/// Paths of artifacts as clients of MLflow give them. What leaves the folder is refused in every encoding, as
/// `validate_path_is_safe` in mlflow/utils/uri.py (3.17) does; what stays in it is written in the store's own way.
enum MLflowPath {
    /// The path below some folder; empty for the folder itself. Throws `invalid_argument` for what leads out of it.
    static func below(_ path: String) throws -> String {
        try check(path)
        let parts = escaped(path).split(separator: "/").filter { $0 != "." }
        return parts.isEmpty ? "" : try ArtifactPath.normalize(parts.joined(separator: "/"))
    }

    /// The path of a file to be, which is no folder, in a folder that goes by one name only.
    static func file(_ path: String) throws -> String {
        let below = try below(path)
        var folder = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
        while folder.hasSuffix("/") { folder.removeLast() }
        let names = folder.split(separator: "/", omittingEmptySubsequences: false)
        guard !below.isEmpty, !path.hasSuffix("/"), !path.hasSuffix("/."), !folder.hasPrefix(".."),
            folder.isEmpty || names.allSatisfy({ !$0.isEmpty && $0 != "." })
        else { throw refusal(path) }
        return below
    }

    private static func check(_ path: String) throws {
        guard let text = PercentDecoding.decodeFully(path) else { throw refusal(path) }
        let isDrive = text.dropFirst().hasPrefix(":\\") || text.dropFirst().hasPrefix(":/")
        let leadsOut =
            text.contains("#") || text.hasPrefix("/") || text.hasPrefix("\\\\") || isDrive
            || text.lowercased().hasPrefix("file:/")
            // A backslash too: who fetches the file may have another system.
            || text.split(whereSeparator: { $0 == "/" || $0 == "\\" }).contains("..")
        guard !leadsOut else { throw refusal(path) }
    }

    /// Control characters as MLflow stores them.
    private static func escaped(_ path: String) -> String {
        guard path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return path }
        var out = ""
        for scalar in path.unicodeScalars {
            if scalar.value < 0x20 || scalar.value == 0x7F {
                out += "%" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    private static func refusal(_ path: String) -> NestboxError {
        .invalid(
            "Invalid path: `\(path.prefix(120))`",
            hint: "use relative paths like `model/model.json`, without `..` and `#`")
    }
}

extension Call {
    /// What follows the first `marker` in the path as it came, decoded: unlike `rest`, with the slashes that it has.
    func path(after marker: String) throws -> String {
        guard let range = request.uri.path.range(of: marker) else { return "" }
        return PercentDecoding.decode(request.uri.path[range.upperBound...])
    }
}
