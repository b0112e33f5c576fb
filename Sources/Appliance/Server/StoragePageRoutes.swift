import Contracts
import Core
import Dashboard

/// What the data directory holds, and what collections gave back.
enum StoragePageRoutes {
    private static let listedCollections = 50

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/storage", "Storage") { _ in try await page(appliance) }(appliance),
            PageRoutes.form("/storage/collect", "Remove what was deleted long enough ago") { _ in
                _ = try await appliance.garbage.collectOnDemand(olderThan: appliance.options.keptDeletedDays)
                return .redirect(to: "/storage")
            },
        ]
    }

    private static func page(_ appliance: Appliance) async throws -> StoragePage {
        var input = StorageInput()
        input.files = [
            ("Decisions", appliance.decisions.fileSize + appliance.decisions.walSize),
            ("Telemetry", appliance.telemetry.fileSize + appliance.telemetry.walSize),
        ]
        if let artifacts = appliance.embeddedArtifacts { input.artifacts = try await artifacts.usage() }
        input.keptDeletedDays = appliance.options.keptDeletedDays
        input.collections = try await appliance.decisions.recentEvents(
            kind: "garbage.collected", limit: listedCollections
        ).map { event in
            (
                event.at, event.actor,
                try JSON.decode(GarbageReport.self, value: event.data, what: "a collection's event")
            )
        }
        var token: String?
        repeat {
            let page = try await appliance.tracking.experiments(view: .activeOnly, maxResults: 1000, pageToken: token)
            for experiment in page.items {
                let rule = try RetentionRule(tags: experiment.tags)
                if rule != RetentionRule() { input.rules.append((experiment, rule)) }
            }
            token = page.nextPageToken
        } while token != nil
        return StoragePage(input, now: PageRoutes.now)
    }
}
