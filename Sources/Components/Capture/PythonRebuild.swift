import Core
import Foundation

/// A Python with the packages that a run had.
package enum PythonRebuild {
    /// Makes a virtual environment in the new `directory` with `lines`, which are `name==version`. Throws, with what pip
    /// complained, when it cannot be made: a version that is gone, a package that was no package of an index.
    package static func make(in directory: String, version: String?, lines: [String]) async throws {
        let parent = (directory as NSString).deletingLastPathComponent
        try DurableFile.makeDirectory(parent)
        let program = try await interpreter(version, in: parent)
        try await step(program, ["-m", "venv", directory], in: parent, "make a virtual environment")
        let list = directory + "/packages.txt"
        try lines.joined(separator: "\n").write(toFile: list, atomically: false, encoding: .utf8)
        guard !lines.isEmpty else { return }
        try await step(
            directory + "/bin/python",
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", list], in: parent,
            "install the \(lines.count) packages of the run")
    }

    /// `python3.12` for 3.12.4 where there is one.
    private static func interpreter(_ version: String?, in place: String) async throws -> String {
        let parts = (version ?? "").split(separator: ".").prefix(2)
        let names = (parts.count == 2 ? ["python" + parts.joined(separator: ".")] : []) + ["python3"]
        for name in names {
            do {
                if try await Tool.run(name, ["--version"], in: place).status == 0 { return name }
            } catch let error as NestboxError where error.code == .notFound {
                continue
            }
        }
        throw NestboxError(
            .notFound, "there is no Python to rebuild the environment with",
            hint: "install Python \(version ?? "3"), or leave out --rebuild-environment")
    }

    private static func step(
        _ program: String, _ arguments: [String], in place: String, _ what: String
    ) async throws {
        let answer = try await Tool.run(program, arguments, in: place)
        guard answer.status == 0 else {
            throw NestboxError(
                .unavailable, "Python could not \(what): \(answer.complaint.suffix(600))",
                hint: "leave out --rebuild-environment to use what is installed here")
        }
    }
}
