import Core
import Foundation

/// Which Python a command uses, and what is installed for it. Not by `pip freeze`: environments made by uv have no pip,
/// and pip writes down addresses with their passwords.
enum PythonPackages {
    struct Found: Sendable {
        var version: String
        /// `name==version` lines, sorted.
        var lines: [String]
    }

    private static let script = """
        import sys, importlib.metadata as m
        print(sys.version.split()[0])
        seen = {}
        for d in m.distributions():
            name = d.metadata["Name"]
            if name: seen.setdefault(name.lower().replace("_", "-"), name + "==" + str(d.version))
        print("\\n".join(seen[k] for k in sorted(seen)))
        """

    /// Nil when the command is not Python's as far as can be seen.
    static func find(
        for command: [String], in directory: String, environment: [String: String]
    ) async throws -> Found? {
        guard let interpreter = interpreter(for: command, in: directory, environment: environment) else { return nil }
        let answer = try await Tool.run(interpreter, ["-c", script], in: directory)
        guard answer.status == 0 else {
            throw NestboxError(.unavailable, "\(interpreter) could not list its packages: \(answer.complaint)")
        }
        let lines = answer.text.split(separator: "\n").map(String.init)
        return Found(version: lines.first ?? "", lines: Array(lines.dropFirst()))
    }

    /// `python3 train.py`, a script that begins with `#!…python`, or an active virtual environment.
    static func interpreter(for command: [String], in directory: String, environment: [String: String]) -> String? {
        guard let program = command.first else { return nil }
        let name = (program as NSString).lastPathComponent
        if name.wholeMatch(of: #/python[0-9.]*/#) != nil { return program }
        if let path = file(program, in: directory, environment), let handle = FileHandle(forReadingAtPath: path) {
            defer { try? handle.close() }
            let beginning = (try? handle.read(upToCount: 256)) ?? Data()
            let line = String(decoding: beginning, as: UTF8.self).prefix { $0 != "\n" }
            let words = line.dropFirst(2).split(separator: " ").map(String.init)
            if line.hasPrefix("#!"), let last = words.last, last.contains("python") { return last }
        }
        for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
            if let root = environment[variable], FileManager.default.isExecutableFile(atPath: root + "/bin/python") {
                return root + "/bin/python"
            }
        }
        return nil
    }

    private static func file(_ program: String, in directory: String, _ environment: [String: String]) -> String? {
        if program.contains("/") { return program.hasPrefix("/") ? program : directory + "/" + program }
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
