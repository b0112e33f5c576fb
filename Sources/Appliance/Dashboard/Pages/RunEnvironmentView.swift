import Contracts
import Core

/// The part of a run's page that tells what the run was made with.
struct RunEnvironmentView {
    struct Group {
        var title: String
        var pairs: [Pair]
    }

    /// Where the knowledge comes from.
    let origin: String
    let command: String?
    let groups: [Group]
    let notes: [String]

    /// Longer lists are cut, with a line that says so: what was installed has a file of its own.
    private static let listed = 60

    /// Nil when nothing is known that the run's other parts do not say.
    init?(_ environment: RunEnvironment, of run: Run, files owner: FileOwner) {
        guard environment.origin == .captured || environment.code != nil || !environment.files.isEmpty else {
            return nil
        }
        origin =
            environment.origin == .captured
            ? "captured" + (environment.capturedAt.map { " \(Format.date($0))" } ?? "")
                + (environment.nestbox.map { " by Nestbox \($0)" } ?? "") : "from what the client sent"
        command = environment.command.isEmpty ? nil : environment.command.map(Self.quoted).joined(separator: " ")
        groups = [
            Group(title: "Code", pairs: Self.code(environment, run, owner)),
            Group(title: "Software", pairs: Self.software(environment, run, owner)),
            Group(title: "Machine", pairs: Self.machine(environment)),
            Group(title: "Seeds and variables", pairs: Self.settings(environment)),
            Group(title: "Data", pairs: Self.data(environment)),
        ].filter { !$0.pairs.isEmpty }
        notes = environment.notes
    }

    private static func code(_ environment: RunEnvironment, _ run: Run, _ owner: FileOwner) -> [Pair] {
        guard let code = environment.code else { return [] }
        var pairs = [Pair("Commit", code.commit)]
        if let branch = code.branch { pairs.append(Pair("Branch", branch)) }
        if let remote = code.remote { pairs.append(Pair("Remote", remote)) }
        if environment.origin == .captured {
            let cut = code.isDiffWhole ? "" : ", cut off at the limit"
            pairs.append(
                code.diff.map { file in
                    Pair(
                        "Changes", "uncommitted, \(Format.bytes(file.bytes)) of patch\(cut)",
                        href: href(file, run, owner))
                } ?? Pair("Changes", code.isDirty ? "uncommitted" : "none: clean checkout"))
        }
        if !code.leftOut.isEmpty {
            let rest = code.leftOut.count - listed
            pairs.append(
                Pair(
                    "Not captured",
                    code.leftOut.prefix(listed).joined(separator: "\n") + (rest > 0 ? "\nand \(rest) more" : "")))
        }
        if let directory = environment.directory {
            pairs.append(Pair("Directory", directory))
        } else if !code.directory.isEmpty {
            pairs.append(Pair("Directory", code.directory))
        }
        return pairs
    }

    private static func software(_ environment: RunEnvironment, _ run: Run, _ owner: FileOwner) -> [Pair] {
        var pairs: [Pair] = []
        if let python = environment.python { pairs.append(Pair("Python", python)) }
        if let packages = environment.packages {
            pairs.append(
                Pair("Packages", "\(packages.path), \(Format.bytes(packages.bytes))", href: href(packages, run, owner)))
        }
        for file in environment.files.prefix(listed) {
            pairs.append(Pair(file.path, Format.bytes(file.bytes), href: href(file, run, owner)))
        }
        if environment.files.count > listed {
            pairs.append(Pair("", "and \(environment.files.count - listed) more files"))
        }
        return pairs
    }

    private static func machine(_ environment: RunEnvironment) -> [Pair] {
        guard let machine = environment.machine else { return [] }
        var pairs = [
            Pair("Host", machine.host), Pair("System", "\(machine.system), \(machine.architecture)"),
            Pair(
                "Processor",
                (machine.cpu.map { "\($0), " } ?? "") + Format.counted(machine.cores, "core")
                    + (environment.threads.map { ", \(Format.counted($0, "thread")) used" } ?? "")),
            Pair("Memory", Format.bytes(machine.memory)),
        ]
        if !machine.accelerators.isEmpty {
            pairs.append(Pair("Accelerators", machine.accelerators.joined(separator: "\n")))
        }
        return pairs
    }

    private static func settings(_ environment: RunEnvironment) -> [Pair] {
        var pairs = environment.seeds.sorted { $0.key < $1.key }.map { Pair("Seed \($0.key)", $0.value) }
        pairs += environment.variables.sorted { $0.key < $1.key }.map { Pair($0.key, Format.short($0.value, 400)) }
        if let job = environment.job {
            pairs.append(
                Pair("Job", "\(job.kind), attempt \(job.attempt)", href: Format.link("jobs", job.id)))
        }
        return pairs
    }

    private static func data(_ environment: RunEnvironment) -> [Pair] {
        environment.data.map { item in
            guard let version = item.version else {
                return Pair(item.name, "digest \(Format.short(item.digest, 16))")
            }
            return Pair(
                item.name, "version \(version), digest \(Format.short(item.digest, 16))",
                href: "\(Format.link("datasets", item.name))?version=\(version)")
        }
    }

    /// A captured file lies among the run's own; what a client stored elsewhere has no link.
    private static func href(_ file: RunEnvironment.File, _ run: Run, _ owner: FileOwner) -> String? {
        guard let path = try? ArtifactPath.path(ofURI: file.uri), path.hasPrefix(run.artifactPath + "/") else {
            return nil
        }
        return owner.page(String(path.dropFirst(run.artifactPath.count + 1)))
    }

    /// As a shell would read it.
    private static func quoted(_ word: String) -> String {
        let plain = word.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || "0123456789_@%+=:,./<>-".unicodeScalars.contains($0)
        }
        return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }
}
