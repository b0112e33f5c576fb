import Contracts
import Core
import GRDB
import Storage
import Synchronization

/// `Tracking` on SQLite: what was decided in one file, metric points in the other.
///
/// A batch that touches both files is decided by its commit in `nestbox.db`: that transaction also keeps the batch's metric
/// points until they are in `telemetry.db`, so that a crash in between is made good at the next use.
package final class EmbeddedTracking: Tracking {
    let decisions: Store
    let telemetry: Store
    /// Both files in one statement, for searches.
    let joined: JoinedReader
    let ambient: Ambient
    let activeRuns = ActiveRuns()
    let points: PointLog
    private let recovery = Mutex(Recovery.needed)

    private enum Recovery {
        case needed
        case running(Task<Void, any Error>)
        case done
    }

    /// - Parameters:
    ///   - decisions: `nestbox.db`, opened with `decisionMigrations`.
    ///   - telemetry: `telemetry.db`, opened with `telemetryMigrations`.
    ///
    /// Throws when the files of waiting points beside `telemetry.db` cannot be opened or read.
    package init(decisions: Store, telemetry: Store, ambient: Ambient) throws {
        self.decisions = decisions
        self.telemetry = telemetry
        points = try PointLog(telemetry)
        joined = JoinedReader(decisions, attaching: telemetry, as: "telemetry")
        self.ambient = ambient
    }

    /// Moves points that a crash left waiting in `nestbox.db` to where they belong. Storing a point twice stores it once,
    /// so it does not matter how far the batch had come.
    func completePendingBatches() async throws {
        let task = recovery.withLock { state -> Task<Void, any Error>? in
            switch state {
            case .done: return nil
            case .running(let task): return task
            case .needed:
                let task = Task { try await self.movePendingPoints() }
                state = .running(task)
                return task
            }
        }
        guard let task else { return }
        do {
            try await task.value
            recovery.withLock { if case .running = $0 { $0 = .done } }
        } catch {
            recovery.withLock { $0 = .needed }
            throw error
        }
    }

    /// For reading: a disk that refuses the move must not make runs unreadable. The points stay where they are, and the
    /// next `log` reports the error.
    func completePendingBatchesIfPossible() async {
        do { try await completePendingBatches() } catch {}
        do { try await points.moveAll() } catch {}
    }

    package func settle() async throws {
        try await completePendingBatches()
        try await points.moveAll()
    }

    var hasNoPendingBatches: Bool {
        recovery.withLock { if case .done = $0 { true } else { false } }
    }

    func pendingBatchesAreLeft() { recovery.withLock { $0 = .needed } }

    private func movePendingPoints() async throws {
        let pending = try await decisions.read { db in
            try Row.fetchAll(db, sql: "SELECT id, run_id, points FROM tracking_pending_metrics ORDER BY id").map {
                (id: $0[0] as Int64, run: $0[1] as String, points: $0[2] as String)
            }
        }
        for batch in pending {
            let points = try JSON.decode([MetricPoint].self, from: batch.points, what: "a waiting batch of metrics")
            try await movePoints(points, run: batch.run, pending: batch.id)
        }
    }

    func movePoints(_ points: [MetricPoint], run: String, pending: Int64) async throws {
        try await storeMetrics(points, run: run)
        try await decisions.write { context in
            let statement = try context.db.cachedStatement(sql: "DELETE FROM tracking_pending_metrics WHERE id = ?")
            try statement.execute(arguments: [pending])
        }
    }
}
