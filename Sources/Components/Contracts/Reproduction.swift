import Core

/// The metrics of a run beside those of the run that was made in order to get them again.
package struct Reproduction: Codable, Sendable, Hashable {
    package struct Entry: Codable, Sendable, Hashable {
        package var metric: String
        /// The latest values; nil when the new run has none.
        package var original: Double
        package var reproduced: Double?
        /// Reproduced minus original.
        package var difference: Double?
        package var isWithin: Bool
    }

    package var original: String
    package var reproduced: String
    /// Relative to the larger of the two values.
    package var tolerance: Double
    package var entries: [Entry]
    /// Metrics that were not compared.
    package var ignored: [String]
    /// Metrics that only the new run has: a trial of a study that is made again on its own is tested, too.
    package var added: [String]
    /// How both ended; a run that failed is reproduced by one that fails.
    package var originalStatus: RunStatus
    package var reproducedStatus: RunStatus

    package var isEqual: Bool { originalStatus == reproducedStatus && entries.allSatisfy(\.isWithin) }

    /// - Parameter ignoring: metrics that say how long something took, say. What a client measures of its machine
    ///   (`system/…`) is never compared.
    package init(of original: Run, by reproduced: Run, tolerance: Double, ignoring: Set<String> = []) {
        self.original = original.id
        self.reproduced = reproduced.id
        self.tolerance = tolerance
        originalStatus = original.status
        reproducedStatus = reproduced.status
        let a = Dictionary(original.metrics.map { ($0.key, $0.value) }) { $1 }
        let b = Dictionary(reproduced.metrics.map { ($0.key, $0.value) }) { $1 }
        func isIgnored(_ key: String) -> Bool { ignoring.contains(key) || key.hasPrefix("system/") }
        ignored = a.keys.filter(isIgnored).sorted()
        added = b.keys.filter { a[$0] == nil && !isIgnored($0) }.sorted()
        entries = a.filter { !isIgnored($0.key) }.sorted { $0.key < $1.key }.map { key, value in
            Entry(
                metric: key, original: value, reproduced: b[key], difference: b[key].map { $0 - value },
                isWithin: b[key].map { Self.isWithin(value, $0, tolerance) } ?? false)
        }
    }

    private static func isWithin(_ a: Double, _ b: Double, _ tolerance: Double) -> Bool {
        // Infinities are equal only to themselves, and NaN is the same result as NaN.
        if a == b || (a.isNaN && b.isNaN) { return true }
        guard a.isFinite, b.isFinite else { return false }
        return abs(a - b) <= tolerance * max(abs(a), abs(b))
    }
}

extension RunEnvironment {
    /// What a run lacks to be made again, by what is recorded of it; empty when nothing.
    package var gaps: [String] {
        if job != nil { return [] }
        var gaps: [String] = []
        if origin == .tags { gaps.append("its environment was not captured: only what its client sent is known") }
        if command.isEmpty {
            gaps.append("no command is recorded")
        } else if origin == .captured, command.contains(where: { $0.contains(Self.redacted) }) {
            gaps.append("its command holds secrets, which were not recorded: \(command.joined(separator: " "))")
        }
        if let code {
            if !code.isDiffWhole {
                gaps.append("the patch of its uncommitted changes was cut off and cannot be applied")
            }
            if origin == .captured, code.isDirty, code.diff == nil, !code.leftOut.isEmpty {
                gaps.append("none of its uncommitted changes was captured: \(code.leftOut.joined(separator: "; "))")
            }
        } else {
            gaps.append("no commit is recorded: it was not started in a git checkout")
        }
        return gaps
    }
}
