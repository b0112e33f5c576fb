import Core

/// How long an experiment keeps what it holds, as its tags say. Nil keeps it for ever.
package struct RetentionRule: Codable, Sendable, Hashable {
    /// Tags of an experiment; whole days as text.
    package static let runsTag = "nestbox.keep_runs_days"
    package static let tracesTag = "nestbox.keep_traces_days"
    package static let days = 1...36_500

    package var runDays: Int?
    package var traceDays: Int?

    package init(runDays: Int? = nil, traceDays: Int? = nil) {
        self.runDays = runDays
        self.traceDays = traceDays
    }

    /// Throws `invalid_argument` for what is no number of days.
    package init(tags: [String: String]) throws {
        runDays = try Self.days(Self.runsTag, tags[Self.runsTag])
        traceDays = try Self.days(Self.tracesTag, tags[Self.tracesTag])
    }

    package static func check(tag key: String, _ value: String) throws {
        if key == runsTag || key == tracesTag { _ = try days(key, value) }
    }

    private static func days(_ key: String, _ value: String?) throws -> Int? {
        guard let value else { return nil }
        guard let number = Int(value), days.contains(number) else {
            throw NestboxError.invalid(
                "the experiment's tag \(key) is `\(value.prefix(80))`; expected days, \(days.lowerBound) to \(days.upperBound)",
                hint: "remove the tag to keep everything")
        }
        return number
    }
}

/// A run, logged model or experiment whose rows are gone for good, while its files and points may still be there.
package struct PurgedItem: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable { case run, loggedModel = "logged_model", experiment }

    package var kind: Kind
    package var id: String
    package var experimentID: String
    /// Where its files lie, as a URI.
    package var artifactURI: String

    package init(kind: Kind, id: String, experimentID: String, artifactURI: String) {
        self.kind = kind
        self.id = id
        self.experimentID = experimentID
        self.artifactURI = artifactURI
    }
}

/// A tracking store that can let go of what it was told to delete.
package protocol RetentionStore: Sendable {
    /// Marks runs of an experiment as deleted that ended before `time`. Returns how many.
    func deleteRuns(ofExperiment id: String, endedBefore time: Timestamp) async throws -> Int
    /// Removes the rows of what was marked as deleted before `time`, at most `limit` of them, in a transaction that also keeps
    /// what is left to remove: a crash in between loses nothing. Returns how many.
    func purge(deletedBefore time: Timestamp, limit: Int) async throws -> Int
    /// What `purge` has left to remove, oldest first, after `last`.
    func purgedItems(after last: PurgedItem?, limit: Int) async throws -> [PurgedItem]
    /// Removes the metric points of a purged item. Returns how many.
    func removePoints(of item: PurgedItem) async throws -> Int
    /// Nothing is left of it.
    func forget(_ item: PurgedItem) async throws
}

/// What a collection removed and gave back.
package struct GarbageReport: Codable, Sendable, Hashable {
    /// Marked as deleted because their experiments keep runs for so many days only.
    package var expiredRuns = 0
    package var runs = 0
    package var loggedModels = 0
    package var experiments = 0
    package var traces = 0
    package var points = 0
    /// Purged, with files that a registered version still needs.
    package var keptForVersions = 0
    /// Contents of artifacts that nothing referred to any more, in bytes.
    package var artifacts = ReclaimedSpace(objects: 0, bytes: 0)
    /// Bytes by which the database files became shorter.
    package var databaseBytes: Int64 = 0

    package init() {}

    package var bytes: Int64 { artifacts.bytes + databaseBytes }
    package var isEmpty: Bool { self == GarbageReport() }
}

package struct GarbageRequest: Codable, Sendable {
    /// Only what was deleted at least so many days ago goes for good; the server's `--keep-deleted` without it.
    package var olderThanDays: Double?

    package init(olderThanDays: Double? = nil) { self.olderThanDays = olderThanDays }
}
