import Contracts
import Core
import Foundation

/// The commit of a checkout and a patch of what differs from it, new files included.
///
/// The patch is made through an index and an object store of its own, so that the checkout stays as it is.
struct GitCapture {
    /// Bytes of a patch; a longer one is cut off and cannot be applied.
    static let diffLimit = 4 << 20
    /// Bytes of a new file that still goes into the patch.
    static let newFileLimit = 1 << 20

    struct Found: Sendable {
        var code: RunEnvironment.Code
        var diff: Data?
        var notes: [String]
    }

    let directory: String
    var diffLimit = Self.diffLimit

    /// Nil outside a checkout. Throws when git is not there or refuses.
    func capture() async throws -> Found? {
        let top = try await git(["rev-parse", "--show-toplevel"])
        guard top.status == 0 else {
            if top.complaint.contains("not a git repository") { return nil }
            throw NestboxError(
                .unavailable, "git could not read the checkout: \(Secrets.withoutPasswords(top.complaint))")
        }
        let head = try await git(["rev-parse", "--verify", "HEAD"])
        guard head.status == 0 else { throw NestboxError(.unavailable, "the checkout has no commit yet") }
        let branch = try await git(["symbolic-ref", "--short", "-q", "HEAD"])
        let remote = try await git(["config", "--get", "remote.origin.url"])
        let prefix = try await git(["rev-parse", "--show-prefix"])
        var code = RunEnvironment.Code(
            commit: head.line, branch: branch.status == 0 ? branch.line : nil,
            remote: remote.status == 0 ? Secrets.withoutPasswords(remote.line) : nil, directory: prefix.line)
        let root = top.line
        let changes = try await changes(root)
        code.isDirty = !changes.isEmpty
        var chosen: [String] = []
        for change in changes {
            if let reason = reasonToLeaveOut(change, root) {
                code.leftOut.append("\(change.path): \(reason)")
            } else {
                chosen.append(change.path)
            }
        }
        guard !chosen.isEmpty else { return Found(code: code, diff: nil, notes: []) }
        var (diff, size) = try await diff(of: chosen, root)
        guard size > 0 else { return Found(code: code, diff: nil, notes: []) }
        var notes: [String] = []
        code.isDiffWhole = size <= Int64(diffLimit)
        if !code.isDiffWhole {
            diff = diff.prefix(diffLimit)
            notes.append(
                "the patch of uncommitted changes has \(size) bytes and was cut off after \(diffLimit): it cannot be applied"
            )
        }
        code.diff = RunEnvironment.File(
            path: "git diff HEAD", uri: "diff.patch", bytes: size, digest: EnvironmentCapture.digest(diff))
        return Found(code: code, diff: diff, notes: notes)
    }

    struct Change: Sendable, Equatable {
        var path: String
        var isNew: Bool
    }

    private func changes(_ root: String) async throws -> [Change] {
        let status = try await git(
            ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=dirty"], in: root)
        guard status.status == 0 else { throw NestboxError(.unavailable, "git status failed: \(status.complaint)") }
        return Self.changes(status.output)
    }

    /// Reads `XY path NUL`, and for renames `XY new NUL old NUL`.
    static func changes(_ bytes: [UInt8]) -> [Change] {
        var fields = bytes.split(separator: 0)[...].map { String(decoding: $0, as: UTF8.self) }[...]
        var found: [Change] = []
        while let field = fields.popFirst(), field.count > 3 {
            let mark = field.prefix(2), path = String(field.dropFirst(3))
            found.append(Change(path: path, isNew: mark == "??"))
            // A copy leaves its source as it was.
            if mark.contains("R") || mark.contains("C"), let old = fields.popFirst(), mark.contains("R") {
                found.append(Change(path: old, isNew: false))
            }
        }
        return found
    }

    private func reasonToLeaveOut(_ change: Change, _ root: String) -> String? {
        if Secrets.isSecretFile(change.path) { return "its name says that it may hold secrets" }
        if change.path.hasSuffix("/") { return "a checkout of its own" }
        let file = root + "/" + change.path
        let attributes = try? FileManager.default.attributesOfItem(atPath: file)
        let size = (attributes?[.size] as? NSNumber)?.intValue ?? 0
        if size <= Self.newFileLimit {
            let text = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) }
            return text.map(Secrets.holdsSecret) == true ? "it holds a key, a token or an address with a password" : nil
        }
        return change.isNew ? "a new file of \(size) bytes; \(Self.newFileLimit) are captured" : nil
    }

    private func diff(of paths: [String], _ root: String) async throws -> (Data, Int64) {
        let temporary = NSTemporaryDirectory() + "nestbox-capture-\(UUID().uuidString)"
        try DurableFile.makeDirectory(temporary + "/objects")
        defer { try? FileManager.default.removeItem(atPath: temporary) }
        let objects = try await git(["rev-parse", "--path-format=absolute", "--git-path", "objects"], in: root)
        let own = [
            "GIT_INDEX_FILE": temporary + "/index", "GIT_OBJECT_DIRECTORY": temporary + "/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects.line,
        ]
        let list = paths.reduce(into: [UInt8]()) { $0 += Array($1.utf8) + [0] }
        let steps: [([String], [UInt8])] = [
            (["read-tree", "HEAD"], []),
            (["update-index", "--add", "--remove", "--replace", "-z", "--stdin"], list),
            (
                [
                    "diff", "--cached", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv",
                    "--no-renames", "--ignore-submodules=dirty", "--output=\(temporary)/diff", "HEAD",
                ], []
            ),
        ]
        for (arguments, input) in steps {
            let answer = try await git(arguments, in: root, environment: own, input: input)
            guard answer.status == 0 else {
                throw NestboxError(.unavailable, "git \(arguments[0]) failed: \(answer.complaint)")
            }
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: temporary + "/diff")
        let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
        guard let handle = FileHandle(forReadingAtPath: temporary + "/diff") else {
            throw DurableFile.failure("read", temporary + "/diff")
        }
        defer { try? handle.close() }
        return (try handle.read(upToCount: diffLimit) ?? Data(), size)
    }

    private func git(
        _ arguments: [String], in place: String? = nil, environment: [String: String] = [:], input: [UInt8] = []
    ) async throws -> Tool.Answer {
        try await Git.run(arguments, in: place ?? directory, environment: environment, input: input)
    }
}

/// git without questions, hooks, locks and translations.
enum Git {
    static func run(
        _ arguments: [String], in directory: String, environment: [String: String] = [:], input: [UInt8] = []
    ) async throws -> Tool.Answer {
        let quiet = ["GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"]
        return try await Tool.run(
            "git",
            ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false"] + arguments,
            in: directory, environment: quiet.merging(environment) { $1 }, input: input)
    }
}
