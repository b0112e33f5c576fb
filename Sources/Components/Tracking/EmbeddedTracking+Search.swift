import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func runs(_ search: RunSearch) async throws -> Page<Run> {
        try TrackingRules.checkPageSize(search.maxResults)
        let query = try RunQuery(search)
        await completePendingBatchesIfPossible()
        await rankIfPossible(try await joined.read { db in try query.unrankedKeys(in: db) })
        let (ids, next) = try await joined.read { db in try query.page(in: db) }
        return Page(items: try await runs(withIDs: ids), nextPageToken: next)
    }

    /// A disk that refuses the write must not make runs unsearchable: without the index they are sorted.
    private func rankIfPossible(_ keys: [String]) async {
        for key in keys {
            do { try await telemetry.write { try MetricTable.rank(key, in: $0.db) } } catch {}
        }
    }

    private struct HistoryCursor: Codable {
        var key: String
        var last: StoredPoint
    }

    /// Of a run that is not there, as of a key that was never logged, there is nothing.
    package func metricHistory(
        runID: String, key: String, maxResults: Int, pageToken: String?
    ) async throws -> Page<MetricPoint> {
        try TrackingRules.checkPageSize(maxResults, in: TrackingRules.historyPageSize)
        let cursor = try PageToken.decode(HistoryCursor.self, pageToken)
        if let cursor, cursor.key != key { throw PageToken.invalid(pageToken ?? "") }
        await completePendingBatchesIfPossible()
        let points = try await telemetry.read { db in
            try MetricTable.history(key, run: runID, after: cursor?.last, limit: maxResults + 1, in: db)
        }
        let shown = points.prefix(maxResults)
        var next: String?
        if points.count > maxResults, let last = shown.last {
            next = try PageToken.encode(HistoryCursor(key: key, last: last))
        }
        return Page(items: shown.map { $0.point(key) }, nextPageToken: next)
    }
}
