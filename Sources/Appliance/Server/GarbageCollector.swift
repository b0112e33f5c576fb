import Contracts
import Core
import Storage

/// Removes for good what was deleted long enough ago, in every component, and gives the disk its space back.
///
/// By reference: files that a registered version still needs stay until the version goes. Every step can be cut off and
/// repeated; what is left to remove is in the database.
actor GarbageCollector {
    private let tracking: any Tracking
    private let deleted: (any RetentionStore)?
    private let traces: any TraceStore
    private let registry: any ModelRegistry
    private let artifacts: (any ArtifactStore)?
    private let stores: [Store]
    private let ambient: Ambient
    private var isCollecting = false

    private static let batch = 200
    private static let day = 86_400.0

    /// - Parameters:
    ///   - deleted: nil when runs are kept elsewhere, where they are collected, too.
    ///   - artifacts: nil when files are kept elsewhere.
    init(
        tracking: any Tracking, deleted: (any RetentionStore)?, traces: any TraceStore, registry: any ModelRegistry,
        artifacts: (any ArtifactStore)?, stores: [Store], ambient: Ambient
    ) {
        self.tracking = tracking
        self.deleted = deleted
        self.traces = traces
        self.registry = registry
        self.artifacts = artifacts
        self.stores = stores
        self.ambient = ambient
    }

    /// The same for who asks for it, and counts on it. Throws `not_implemented` when runs are kept elsewhere.
    func collectOnDemand(olderThan days: Double?) async throws -> GarbageReport {
        guard deleted != nil else {
            throw NestboxError(
                .notImplemented,
                "runs and their files are kept by an MLflow server, which collects no garbage over HTTP",
                hint: "run `mlflow gc` on its machine; what is kept here is collected every hour")
        }
        return try await collect(olderThan: days)
    }

    /// - Parameter days: what was deleted at least so long ago can no longer be restored afterwards; nil keeps it.
    func collect(olderThan days: Double?) async throws -> GarbageReport {
        guard !isCollecting else {
            throw NestboxError(.conflict, "a collection is under way already", hint: "wait for its end and try again")
        }
        isCollecting = true
        defer { isCollecting = false }
        var report = GarbageReport()
        if let deleted {
            try await applyRules(deleted, &report)
            if let days {
                let bound = ambient.now().adding(seconds: -days * Self.day)
                // The bound itself is included when everything may go.
                let before = days == 0 ? Timestamp(milliseconds: bound.milliseconds + 1) : bound
                while try await deleted.purge(deletedBefore: before, limit: Self.batch) > 0 {
                    try Task.checkCancellation()
                }
            }
            try await removeLeftovers(deleted, &report)
        }
        if let artifacts { report.artifacts = try await artifacts.collectGarbage() }
        for store in stores { report.databaseBytes += try await store.reclaimFreePages() }
        if !report.isEmpty {
            let facts = try JSON.decode(JSONValue.self, from: try JSON.encode(report))
            try await stores[0].write { context in
                try context.record("garbage.collected", "storage/data", facts)
            }
        }
        return report
    }

    private func applyRules(_ deleted: any RetentionStore, _ report: inout GarbageReport) async throws {
        var token: String?
        let now = ambient.now()
        repeat {
            let page = try await tracking.experiments(view: .activeOnly, maxResults: 1000, pageToken: token)
            for experiment in page.items {
                // A rule that cannot be read keeps everything; setting one is refused.
                guard let rule = try? RetentionRule(tags: experiment.tags) else { continue }
                if let days = rule.runDays {
                    report.expiredRuns += try await deleted.deleteRuns(
                        ofExperiment: experiment.id, endedBefore: now.adding(seconds: -Double(days) * Self.day))
                }
                if let days = rule.traceDays {
                    report.traces += try await traces.delete(
                        experimentID: experiment.id,
                        .until(now.adding(seconds: -Double(days) * Self.day), limit: nil)
                    ).count
                }
            }
            token = page.nextPageToken
        } while token != nil
    }

    private func removeLeftovers(_ deleted: any RetentionStore, _ report: inout GarbageReport) async throws {
        var last: PurgedItem?
        while true {
            let items = try await deleted.purgedItems(after: last, limit: Self.batch)
            guard !items.isEmpty else { return }
            let needed = try await neededPaths(), homes = try await experimentPaths()
            for item in items {
                try Task.checkCancellation()
                report.points += try await deleted.removePoints(of: item)
                if item.kind == .experiment {
                    report.traces += try await traces.delete(
                        experimentID: item.experimentID, .until(.init(milliseconds: .max), limit: nil)
                    ).count
                }
                guard try await removeFiles(of: item, unlessIn: item.kind == .experiment ? needed + homes : needed)
                else {
                    report.keptForVersions += 1
                    continue
                }
                try await deleted.forget(item)
                switch item.kind {
                case .run: report.runs += 1
                case .loggedModel: report.loggedModels += 1
                case .experiment: report.experiments += 1
                }
            }
            last = items.last
        }
    }

    /// False when a version still needs some of them. Files in a place that is not this server's are left alone.
    private func removeFiles(of item: PurgedItem, unlessIn needed: [String]) async throws -> Bool {
        guard let path = try? ArtifactPath.path(ofURI: item.artifactURI) else { return true }
        if needed.contains(where: { $0 == path || $0.hasPrefix(path + "/") || path.hasPrefix($0 + "/") }) {
            return false
        }
        try await artifacts?.delete(path)
        return true
    }

    /// Where experiments keep their files: two may share a place.
    private func experimentPaths() async throws -> [String] {
        var paths: [String] = [], token: String?
        repeat {
            let page = try await tracking.experiments(view: .all, maxResults: 1000, pageToken: token)
            paths += page.items.compactMap { try? ArtifactPath.path(ofURI: $0.artifactLocation) }
            token = page.nextPageToken
        } while token != nil
        return paths
    }

    /// Where the files of all registered versions lie.
    private func neededPaths() async throws -> [String] {
        var paths: [String] = [], token: String?
        repeat {
            let page = try await registry.versions(of: nil, maxResults: 1000, pageToken: token)
            paths += page.items.compactMap { try? ArtifactPath.path(ofURI: $0.artifactURI) }
            token = page.nextPageToken
        } while token != nil
        return paths
    }
}
