import Core

/// The part of tracking that takes what was made elsewhere, with its identifiers and times. Everything can be repeated.
package protocol TrackingImport: Sendable {
    /// Stores or completes a run: everything but its metrics. Throws `conflict` when a run of that id belongs to another
    /// experiment.
    func importRun(_ run: Run) async throws
    /// Stores or replaces a logged model with its params, tags and metrics.
    func importLoggedModel(_ model: LoggedModel) async throws
}

/// A registered model with all its versions.
package struct ModelWithVersions: Codable, Sendable, Hashable {
    package var model: RegisteredModel
    package var versions: [ModelVersion]

    package init(model: RegisteredModel, versions: [ModelVersion]) {
        self.model = model
        self.versions = versions
    }
}

package protocol RegistryImport: Sendable {
    /// Stores or completes a model with its versions' numbers, stages and aliases. Throws `conflict` when a version of that
    /// number is another one here.
    func importModel(_ model: ModelWithVersions) async throws
}

/// One line of what an import says at its end.
package struct ExchangeCount: Codable, Sendable, Hashable {
    package var kind: String
    package var source: Int = 0
    /// Written by this call.
    package var imported: Int = 0
    /// Was there already, the same.
    package var skipped: Int = 0

    package init(kind: String) { self.kind = kind }

    package var missing: Int { source - imported - skipped }
}

package struct ExchangeReport: Codable, Sendable {
    package var counts: [ExchangeCount]
    /// What could not be brought, each with its place and reason.
    package var failures: [String]
    /// What was done by a rule that one may want to know of.
    package var notes: [String]

    package init(counts: [ExchangeCount] = [], failures: [String] = [], notes: [String] = []) {
        self.counts = counts
        self.failures = failures
        self.notes = notes
    }

    package var isComplete: Bool { failures.isEmpty && counts.allSatisfy { $0.missing == 0 } }

    /// `imported` and `skipped` are what was found in the target afterwards.
    package mutating func add(_ kind: String, source: Int = 1, imported: Int = 0, skipped: Int = 0) {
        let index = counts.firstIndex { $0.kind == kind } ?? counts.count
        if index == counts.count { counts.append(ExchangeCount(kind: kind)) }
        counts[index].source += source
        counts[index].imported += imported
        counts[index].skipped += skipped
    }
}
