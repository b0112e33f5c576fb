import Contracts
import Core
import Crypto
import Foundation

/// Finds out what a run is made with: code, packages, machine, seeds.
package struct EnvironmentCapture: Sendable {
    /// Bytes of a lock file that is copied; of a longer one only the digest is kept.
    static let fileLimit = 4 << 20

    private static let lockFiles: Set<String> = [
        "uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "pixi.lock", "conda-lock.yml", "environment.yml",
        "environment.yaml", "conda.yaml", "pyproject.toml", "Package.resolved", "package-lock.json", "yarn.lock",
        "pnpm-lock.yaml", "Cargo.lock", "go.sum", "renv.lock", "Manifest.toml",
    ]
    private static let seedVariables: Set<String> = ["PYTHONHASHSEED", "PL_GLOBAL_SEED", "SEED", "RANDOM_SEED"]

    package var command: [String]
    package var directory: String
    /// The version of this binary.
    package var version: String
    /// Names of environment variables to capture besides the usual ones.
    package var variables: [String]
    /// Whether the command's Python and the directory's lock files matter; not for this binary's own work.
    package var includesPackages: Bool
    package var environment: [String: String]

    package init(
        command: [String], directory: String = FileManager.default.currentDirectoryPath, version: String,
        variables: [String] = [], includesPackages: Bool = true,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        self.command = command
        self.directory = directory
        self.version = version
        self.variables = variables
        self.includesPackages = includesPackages
        self.environment = environment
    }

    /// Never fails: what could not be found out is told in the notes.
    package func capture() async -> CapturedEnvironment {
        var found = RunEnvironment(origin: .captured)
        var contents: [String: Data] = [:]
        found.capturedAt = Ambient.live.now()
        found.nestbox = version
        found.user = NSUserName()
        found.command = Secrets.redact(command)
        found.directory = directory
        found.machine = MachineFacts.machine()
        captureVariables(&found)
        var folders = [directory]
        do {
            if let git = try await GitCapture(directory: directory).capture() {
                found.code = git.code
                contents["diff.patch"] = git.diff
                found.notes += git.notes
                if !git.code.directory.isEmpty, directory.hasSuffix("/" + git.code.directory.dropLast()) {
                    folders.append(String(directory.dropLast(git.code.directory.count)))
                }
            } else {
                found.notes.append("\(directory) is not in a git checkout: the code is not captured")
            }
        } catch {
            found.notes.append("the code is not captured: \(Self.sentence(error))")
        }
        if includesPackages {
            captureFiles(in: folders, &found, &contents)
            await capturePackages(&found, &contents)
        }
        return CapturedEnvironment(found, contents: contents)
    }

    private func captureVariables(_ found: inout RunEnvironment) {
        for name in variables where Secrets.isSecret(name) {
            found.notes.append("the variable \(name) is not captured: its name says that it may be a secret")
        }
        for name in Secrets.variables.union(variables.filter { !Secrets.isSecret($0) }) {
            if let value = environment[name] {
                found.variables[name] = Secrets.withoutPasswords(String(value.prefix(2000)))
            }
        }
        for name in Self.seedVariables {
            if let value = environment[name] { found.seeds[name] = String(value.prefix(100)) }
        }
    }

    private func captureFiles(
        in folders: [String], _ found: inout RunEnvironment, _ contents: inout [String: Data]
    ) {
        for folder in folders {
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            for name in names where Self.lockFiles.contains(name) || Self.isRequirements(name) {
                guard contents["files/" + name] == nil,
                    let data = FileManager.default.contents(atPath: folder + "/" + name)
                else { continue }
                let digest = Self.digest(data)
                guard data.count <= Self.fileLimit else {
                    found.notes.append(
                        "\(name) has \(data.count) bytes and is not copied; its SHA-256 is \(digest)")
                    continue
                }
                contents["files/" + name] = Data(Secrets.withoutPasswords(String(decoding: data, as: UTF8.self)).utf8)
                found.files.append(
                    RunEnvironment.File(
                        path: name, uri: "files/" + name, bytes: Int64(data.count), digest: digest))
            }
        }
    }

    private static func isRequirements(_ name: String) -> Bool {
        name.wholeMatch(of: #/(?:requirements|constraints)[\w.-]*\.(?:txt|in)/#) != nil
    }

    private func capturePackages(_ found: inout RunEnvironment, _ contents: inout [String: Data]) async {
        do {
            guard let python = try await PythonPackages.find(for: command, in: directory, environment: environment)
            else {
                return
            }
            found.python = python.version
            let data = Data((python.lines.joined(separator: "\n") + "\n").utf8)
            contents["packages.txt"] = data
            found.packages = RunEnvironment.File(
                path: "packages.txt", uri: "packages.txt", bytes: Int64(data.count), digest: Self.digest(data))
        } catch {
            found.notes.append("the installed packages are not captured: \(Self.sentence(error))")
        }
    }

    static func digest(_ data: Data) -> String {
        SHA256.hash(data: data).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    private static func sentence(_ error: any Error) -> String { (error as? NestboxError)?.message ?? "\(error)" }
}
