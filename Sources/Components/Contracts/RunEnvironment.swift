import Core
import Foundation

/// What a run was made with, captured when it began. It is kept as `environment/environment.json` among the run's files,
/// with what is too long for it beside it.
package struct RunEnvironment: Codable, Sendable, Hashable {
    package enum Origin: String, Codable, Sendable, CaseIterable {
        /// By a worker or by `nestbox run`, when the run began.
        case captured
        /// From the tags and inputs that a client sent; not everything that matters is among them.
        case tags
    }

    /// A captured file, or one that says something about the environment.
    package struct File: Codable, Sendable, Hashable {
        /// What it was called where it was found: `uv.lock`.
        package var path: String
        /// Where it is now: `mlflow-artifacts:/1/<run>/artifacts/environment/files/uv.lock`; before it is stored, the path
        /// below `environment/`.
        package var uri: String
        /// Of the original.
        package var bytes: Int64
        /// SHA-256 of the original in hexadecimal; nil for files that a client stored.
        package var digest: String?

        package init(path: String, uri: String, bytes: Int64, digest: String? = nil) {
            self.path = path
            self.uri = uri
            self.bytes = bytes
            self.digest = digest
        }
    }

    /// The git checkout that the command was started in.
    package struct Code: Codable, Sendable, Hashable {
        package var commit: String
        package var branch: String?
        /// Without user and password.
        package var remote: String?
        /// The working directory inside the checkout: `src/train/`; empty for its root.
        package var directory: String
        /// Whether anything differed from the commit.
        package var isDirty: Bool
        /// What differed, new files included, as a patch for `git apply`.
        package var diff: File?
        /// False when the patch was cut off at its limit; then it cannot be applied.
        package var isDiffWhole: Bool
        /// Paths that differed and are not in the patch, each with the reason.
        package var leftOut: [String]

        package init(
            commit: String, branch: String? = nil, remote: String? = nil, directory: String = "", isDirty: Bool = false,
            diff: File? = nil, isDiffWhole: Bool = true, leftOut: [String] = []
        ) {
            self.commit = commit
            self.branch = branch
            self.remote = remote
            self.directory = directory
            self.isDirty = isDirty
            self.diff = diff
            self.isDiffWhole = isDiffWhole
            self.leftOut = leftOut
        }
    }

    package struct Machine: Codable, Sendable, Hashable {
        package var host: String
        package var system: String
        package var architecture: String
        package var cpu: String?
        package var cores: Int
        /// Bytes that a process may use.
        package var memory: Int64
        package var accelerators: [String]

        package init(
            host: String, system: String, architecture: String, cpu: String?, cores: Int, memory: Int64,
            accelerators: [String]
        ) {
            self.host = host
            self.system = system
            self.architecture = architecture
            self.cpu = cpu
            self.cores = cores
            self.memory = memory
            self.accelerators = accelerators
        }
    }

    /// The job that made the run, of a kind that the server can do again.
    package struct Job: Codable, Sendable, Hashable {
        package var id: String
        /// `train` or `study`.
        package var kind: String
        package var attempt: Int
        /// The recipe, with the dataset's version written out.
        package var recipe: JSONValue

        package init(id: String, kind: String, attempt: Int, recipe: JSONValue) {
            self.id = id
            self.kind = kind
            self.attempt = attempt
            self.recipe = recipe
        }
    }

    /// A dataset that the run read.
    package struct DataVersion: Codable, Sendable, Hashable {
        package var name: String
        /// Of a dataset of this server.
        package var version: Int?
        package var digest: String
        package var source: String?

        package init(name: String, version: Int? = nil, digest: String, source: String? = nil) {
            self.name = name
            self.version = version
            self.digest = digest
            self.source = source
        }
    }

    package var origin: Origin
    package var capturedAt: Timestamp?
    /// The version of the binary that captured.
    package var nestbox: String?
    package var user: String?
    /// Program and arguments; what looks like a secret is `<redacted>`.
    package var command: [String]
    package var directory: String?
    package var code: Code?
    package var python: String?
    /// What was installed, as `name==version` lines.
    package var packages: File?
    /// Lock files and the like.
    package var files: [File]
    /// Environment variables of the list that may be captured.
    package var variables: [String: String]
    package var seeds: [String: String]
    package var threads: Int?
    package var machine: Machine?
    package var data: [DataVersion]
    package var job: Job?
    /// What could not be captured or was cut off, and why.
    package var notes: [String]

    package init(origin: Origin) {
        self.origin = origin
        command = []
        files = []
        variables = [:]
        seeds = [:]
        data = []
        notes = []
    }

    /// What replaces a secret in a command line.
    package static let redacted = "<redacted>"
    /// The folder among a run's files.
    package static let folder = "environment"
    package static let fileName = "environment.json"
    /// Tags: where the environment lies, whether the checkout was dirty, and which run this one reproduces.
    package static let tag = "nestbox.environment"
    package static let dirtyTag = "nestbox.git.dirty"
    package static let reproducesTag = "nestbox.reproduces"
    package static let reproducedByTag = "nestbox.reproduced_by"

    /// What the tags and inputs of a run tell, as MLflow's clients send them.
    package init(of run: Run) {
        self.init(origin: .tags)
        user = run.user.isEmpty ? nil : run.user
        if let source = run.tags["mlflow.source.name"] { command = [source] }
        if let commit = run.tags["mlflow.source.git.commit"] {
            code = Code(
                commit: commit, branch: run.tags["mlflow.source.git.branch"],
                remote: run.tags["mlflow.source.git.repoURL"])
        }
        data = run.inputs.map { DataVersion(name: $0.name, digest: $0.digest, source: $0.source) }
        notes = [
            "only what the client sent is known: whether the checkout was dirty, what was installed and the machine are"
                + " not. `nestbox run -- …` captures them"
        ]
    }

    /// The tags that MLflow's own tools look at, and ours.
    package var tags: [String: String] {
        var tags = [Self.tag: "\(Self.folder)/\(Self.fileName)"]
        if let code {
            tags["mlflow.source.git.commit"] = code.commit
            tags["mlflow.source.git.branch"] = code.branch
            tags["mlflow.source.git.repoURL"] = code.remote
            tags[Self.dirtyTag] = String(code.isDirty)
        }
        return tags
    }
}

/// An environment with the files that belong to it, on their way into the artifact store.
package struct CapturedEnvironment: Sendable {
    package var environment: RunEnvironment
    /// By path below `environment/`.
    package var contents: [String: Data]

    package init(_ environment: RunEnvironment, contents: [String: Data] = [:]) {
        self.environment = environment
        self.contents = contents
    }

    /// Stores everything among the files of `run`. The description comes last: where it is, all of it is.
    package func store(in artifacts: any ArtifactStore, of run: Run) async throws -> RunEnvironment {
        let folder = run.environmentPath
        for (name, content) in contents.sorted(by: { $0.key < $1.key }) {
            _ = try await artifacts.put("\(folder)/\(name)", content)
        }
        var stored = environment
        func place(_ file: inout RunEnvironment.File) { file.uri = ArtifactPath.uri("\(folder)/\(file.uri)") }
        for index in stored.files.indices { place(&stored.files[index]) }
        if var packages = stored.packages {
            place(&packages)
            stored.packages = packages
        }
        if var diff = stored.code?.diff {
            place(&diff)
            stored.code?.diff = diff
        }
        _ = try await artifacts.put("\(folder)/\(RunEnvironment.fileName)", try JSON.encode(stored, pretty: true))
        return stored
    }
}

extension Run {
    /// Where the environment's files lie in the artifact store, also when the run's own files are elsewhere.
    package var environmentPath: String {
        ((try? ArtifactPath.path(ofURI: artifactURI)) ?? artifactPath) + "/" + RunEnvironment.folder
    }
}
