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
