import Core
import Foundation

/// One run with all that it can be compared by.
package struct RunFacts: Sendable {
    package var run: Run
    package var environment: RunEnvironment
    /// The `name==version` lines of what was installed; empty when that is not known.
    package var packages: String
    /// The patch of what differed from the commit; empty when nothing did.
    package var patch: String

    package init(run: Run, environment: RunEnvironment, packages: String = "", patch: String = "") {
        self.run = run
        self.environment = environment
        self.packages = packages
        self.patch = patch
    }
}

/// What tells two runs apart. Only what differs is listed; nil is what one of the two does not have.
package struct RunDiff: Codable, Sendable, Hashable {
    package struct Side: Codable, Sendable, Hashable {
        package var id: String
        package var name: String
        package var experimentID: String
        package var status: RunStatus
        package var origin: RunEnvironment.Origin
    }

    package struct Entry: Codable, Sendable, Hashable {
        package var key: String
        package var a: String?
        package var b: String?

        package init(key: String, a: String?, b: String?) {
            self.key = key
            self.a = a
            self.b = b
        }
    }

    package struct MetricEntry: Codable, Sendable, Hashable {
        package var key: String
        /// The latest values.
        package var a: Double?
        package var b: Double?
    }

    /// How many entries of each kind are the same in both.
    package struct Same: Codable, Sendable, Hashable {
        package var params = 0
        package var metrics = 0
        package var packages = 0
        package var data = 0
    }

    package var a: Side
    package var b: Side
    package var params: [Entry]
    package var metrics: [MetricEntry]
    /// Command, machine, variables, seeds, …
    package var environment: [Entry]
    package var packages: [Entry]
    /// Commit, branch, and for each file that a patch changes, its added and removed lines.
    package var code: [Entry]
    /// Datasets: version and digest.
    package var data: [Entry]
    package var same: Same

    package var isEmpty: Bool {
        params.isEmpty && metrics.isEmpty && environment.isEmpty && packages.isEmpty && code.isEmpty && data.isEmpty
    }

    package init(_ a: RunFacts, _ b: RunFacts) {
        self.a = Self.side(a)
        self.b = Self.side(b)
        same = Same()
        params = Self.differing(a.run.params, b.run.params, same: &same.params)
        let left = Dictionary(a.run.metrics.map { ($0.key, $0.value) }) { $1 }
        let right = Dictionary(b.run.metrics.map { ($0.key, $0.value) }) { $1 }
        metrics = []
        for key in Set(left.keys).union(right.keys).sorted() {
            // Bits, so that NaN equals NaN.
            if let x = left[key], let y = right[key], x == y || (x.isNaN && y.isNaN) {
                same.metrics += 1
            } else {
                metrics.append(MetricEntry(key: key, a: left[key], b: right[key]))
            }
        }
        var ignored = 0
        environment = Self.differing(Self.fields(a.environment), Self.fields(b.environment), same: &ignored)
        packages = Self.differing(Self.packages(a.packages), Self.packages(b.packages), same: &same.packages)
        code = Self.differing(Self.code(a), Self.code(b), same: &ignored)
        data = Self.differing(Self.data(a.environment), Self.data(b.environment), same: &same.data)
    }

    private static func side(_ facts: RunFacts) -> Side {
        Side(
            id: facts.run.id, name: facts.run.name, experimentID: facts.run.experimentID, status: facts.run.status,
            origin: facts.environment.origin)
    }

    private static func differing(_ a: [String: String], _ b: [String: String], same: inout Int) -> [Entry] {
        var entries: [Entry] = []
        for key in Set(a.keys).union(b.keys).sorted() {
            if a[key] == b[key] { same += 1 } else { entries.append(Entry(key: key, a: a[key], b: b[key])) }
        }
        return entries
    }

    private static func fields(_ environment: RunEnvironment) -> [String: String] {
        var fields: [String: String] = [:]
        if !environment.command.isEmpty { fields["command"] = environment.command.joined(separator: " ") }
        fields["nestbox"] = environment.nestbox
        fields["user"] = environment.user
        fields["directory"] = environment.directory
        fields["python"] = environment.python
        fields["threads"] = environment.threads.map { String($0) }
        for (name, value) in environment.variables { fields["variable \(name)"] = value }
        for (name, value) in environment.seeds { fields["seed \(name)"] = value }
        for file in environment.files { fields["file \(file.path)"] = file.digest ?? file.uri }
        if let machine = environment.machine {
            fields["machine.host"] = machine.host
            fields["machine.system"] = machine.system
            fields["machine.architecture"] = machine.architecture
            fields["machine.cpu"] = machine.cpu
            fields["machine.cores"] = String(machine.cores)
            fields["machine.memory"] = String(machine.memory)
            if !machine.accelerators.isEmpty {
                fields["machine.accelerators"] = machine.accelerators.joined(separator: ", ")
            }
        }
        if let recipe = environment.job?.recipe { flatten(recipe, "recipe", into: &fields) }
        return fields
    }

    private static func flatten(_ value: JSONValue, _ path: String, into fields: inout [String: String]) {
        if case .object(let members) = value {
            for (key, member) in members { flatten(member, "\(path).\(key)", into: &fields) }
        } else {
            fields[path] = value.stringValue ?? value.excerpt(400)
        }
    }

    private static func packages(_ lines: String) -> [String: String] {
        var found: [String: String] = [:]
        for line in lines.split(separator: "\n") {
            guard let mark = line.firstRange(of: "==") else { continue }
            found[line[..<mark.lowerBound].lowercased()] = String(line[mark.upperBound...])
        }
        return found
    }

    private static func data(_ environment: RunEnvironment) -> [String: String] {
        var found: [String: String] = [:]
        for item in environment.data {
            found[item.name] = (item.version.map { "version \($0), " } ?? "") + item.digest
        }
        return found
    }

    private static func code(_ facts: RunFacts) -> [String: String] {
        guard let code = facts.environment.code else { return [:] }
        var found = ["commit": code.commit]
        found["branch"] = code.branch
        found["remote"] = code.remote
        if !code.directory.isEmpty { found["directory"] = code.directory }
        if !code.isDiffWhole { found["patch"] = "cut off" }
        for (path, lines) in PatchSummary.files(facts.patch) { found["patch \(path)"] = lines }
        for path in code.leftOut { found["not captured \(path)"] = "yes" }
        return found
    }
}

/// The files of a patch, with what tells one change of a file from another.
package enum PatchSummary {
    /// Path → `+3 −1 #1f2e3d4c`, the last a check of the changed lines.
    package static func files(_ patch: String) -> [String: String] {
        var found: [String: String] = [:]
        var path: String?
        var added = 0, removed = 0
        var check: UInt64 = 0
        var isInHunk = false
        func close() {
            guard let path else { return }
            let digits = String(check & 0xFFFF_FFFF, radix: 16)
            found[path] = "+\(added) −\(removed) #" + String(repeating: "0", count: 8 - digits.count) + digits
        }
        for line in patch.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("diff --git ") {
                close()
                // Without renames both names are one, so the second half is the path behind `b/`.
                let names = line.dropFirst("diff --git ".count)
                path = String(names.suffix(max(0, (names.count - 1) / 2)).dropFirst(2))
                (added, removed, check, isInHunk) = (0, 0, 0xCBF2_9CE4_8422_2325, false)
                continue
            }
            if line.hasPrefix("@@") || line.hasPrefix("GIT binary patch") { isInHunk = true }
            guard isInHunk else { continue }
            if line.hasPrefix("+") { added += 1 } else if line.hasPrefix("-") { removed += 1 }
            guard !line.hasPrefix("@@") else { continue }
            // FNV-1a, of 64 bits.
            for byte in line.utf8 { check = (check ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        close()
        return found
    }
}
