import Contracts
import Core
import Foundation

/// A commit, and a patch on top of it, laid out in a directory of its own.
package enum GitWorktree {
    /// `git diff --stat` between two commits. Throws `not_found` when the checkout does not have both.
    package static func summary(from a: String, to b: String, in directory: String) async throws -> String {
        for commit in [a, b] { try await require(commit, in: directory) }
        let answer = try await Git.run(
            ["diff", "--stat=100", "--no-color", "--no-ext-diff", a, b, "--"], in: directory)
        guard answer.status == 0 else { throw NestboxError(.unavailable, "git diff failed: \(answer.complaint)") }
        return answer.line
    }

    /// Lays `commit` out in the new `directory`, taken from the checkout or the address `repository`, with `patch` on top as
    /// uncommitted changes. The checkout it is taken from stays as it is.
    package static func lay(
        out commit: String, from repository: String, remote: String?, patch: Data?, in directory: String
    ) async throws {
        let parent = (directory as NSString).deletingLastPathComponent
        try DurableFile.makeDirectory(parent)
        func git(_ arguments: [String], in place: String, input: [UInt8] = []) async throws {
            let answer = try await Git.run(arguments, in: place, input: input)
            guard answer.status == 0 else {
                throw NestboxError(
                    .unavailable, "git \(arguments[0]) failed: \(Secrets.withoutPasswords(answer.complaint))")
            }
        }
        let isLocal = FileManager.default.fileExists(atPath: repository)
        try await git(
            ["clone", "--quiet", "--no-checkout"] + (isLocal ? ["--shared"] : []) + ["--", repository, directory],
            in: parent)
        // For the new capture it comes from where the old one came from.
        try await git(
            remote.map { ["remote", "set-url", "origin", $0] } ?? ["remote", "remove", "origin"], in: directory)
        try await require(commit, in: directory)
        try await git(["checkout", "--quiet", "--detach", commit], in: directory)
        if let patch, !patch.isEmpty {
            try await git(["apply", "--binary", "--whitespace=nowarn", "-"], in: directory, input: Array(patch))
        }
    }

    /// The root of the first of `directories` that is in a checkout which has the commit.
    package static func repository(with commit: String, among directories: [String]) async throws -> String? {
        for directory in directories where FileManager.default.fileExists(atPath: directory) {
            do {
                try await require(commit, in: directory)
            } catch let error as NestboxError where error.code == .notFound {
                continue
            }
            let top = try await Git.run(["rev-parse", "--show-toplevel"], in: directory)
            if top.status == 0 { return top.line }
        }
        return nil
    }

    /// Throws `not_found` when the checkout does not have the commit, `invalid_argument` for what is no commit's name.
    static func require(_ commit: String, in directory: String) async throws {
        guard commit.wholeMatch(of: #/[0-9a-f]{7,64}/#) != nil else {
            throw NestboxError.invalid("`\(commit.prefix(80))` is not a commit", hint: "expected hexadecimal digits")
        }
        let answer = try await Git.run(["cat-file", "-e", commit + "^{commit}"], in: directory)
        guard answer.status == 0 else {
            throw NestboxError(
                .notFound, "the checkout at \(directory) has no commit \(commit)",
                hint: "fetch it, or call this in the checkout that the run was started in")
        }
    }
}
