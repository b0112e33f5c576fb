import Contracts
import Core
import Foundation
import Statistics
import Storage
import Tables

package struct MonitoringSettings: Sendable {
    /// An alert opens above `threshold` PSI and closes below `closeBelow`: in between it stays as it is.
    package var threshold = 0.25
    package var closeBelow = 0.2
    /// Fewer logged rows are not judged: PSI of small samples is mostly noise.
    package var minimumRows = 200
    /// The newest logged rows that are compared.
    package var windowRows = 5000
    /// Reports kept per deployment.
    package var keptReports = 500

    package init() {}
}

/// Compares the logged rows of a deployment with its training baseline. Reports and alerts are rows of `nestbox.db`.
package final class EmbeddedMonitor: Monitor {
    /// For `nestbox.db`.
    package static let migrations = MonitoringTable.migrations

    let store: Store
    let settings: MonitoringSettings
    private let serving: any ModelServer & PredictionLog
    private let ambient: Ambient

    package init(
        store: Store, serving: any ModelServer & PredictionLog, ambient: Ambient, settings: MonitoringSettings = .init()
    ) {
        self.store = store
        self.serving = serving
        self.ambient = ambient
        self.settings = settings
    }

    /// Compares the rows logged since the deployment's last change, at most the window's. Throws `conflict` when they are
    /// too few, or when the model has no baseline.
    package func check(_ name: String) async throws -> DriftReport {
        let (deployment, baseline, rows) = try await sample(name)
        guard rows.outputs.count >= settings.minimumRows else {
            throw NestboxError(
                .conflict,
                "deployment `\(name)` has \(rows.outputs.count) logged rows of version \(deployment.version); drift is judged from "
                    + "\(settings.minimumRows) on",
                hint: "send it more predictions and check again")
        }
        let now = ambient.now()
        let report = try await ComputePool.shared.run { try Self.compare(rows, with: baseline, deployment, at: now) }
        let (settings, ids) = (settings, report.features.map { _ in ambient.newID() })
        try await store.write { context in
            try MonitoringTable.save(report, alertIDs: ids, settings: settings, in: context)
        }
        return report
    }

    /// The deployment, its baseline and its logged rows, all of one version.
    private func sample(_ name: String) async throws -> (Deployment, Baseline, LoggedColumns) {
        for _ in 0..<3 {
            let deployment = try await serving.deployment(name)
            guard let bytes = try await serving.baseline(name) else {
                throw NestboxError(
                    .conflict,
                    "model `\(deployment.model)` version \(deployment.version), behind deployment `\(name)`, has no "
                        + "`\(ModelFolder.baseline)` to compare with",
                    hint: "deploy a version that a training job made: it stores the baseline beside the model")
            }
            let rows = try await serving.loggedColumns(name, since: deployment.updatedAt, limit: settings.windowRows)
            // A deployment that was moved in between would be compared with another version's baseline.
            if try await serving.deployment(name) == deployment {
                let baseline = try await ComputePool.shared.run {
                    try JSON.decode(Baseline.self, from: Data(bytes), what: "the baseline of deployment `\(name)`")
                }
                return (deployment, baseline, rows)
            }
        }
        throw NestboxError(.conflict, "deployment `\(name)` keeps being moved to other versions", hint: "check again")
    }

    private static func compare(
        _ rows: LoggedColumns, with baseline: Baseline, _ deployment: Deployment, at: Timestamp
    ) throws -> DriftReport {
        var features: [FeatureDriftReport] = []
        for expected in baseline.features {
            let column: Column
            if expected.name == ModelFolder.outputName {
                column = .float64(rows.outputs)
            } else if rows.inputs.schema[expected.name] != nil {
                column = try rows.inputs.column(expected.name)
            } else {
                // Not every column of training is one that a request carries.
                continue
            }
            let drift = try expected.drift(column)
            // Nothing can be said about a column of an empty training table.
            guard let psi = drift.psi else { continue }
            features.append(
                FeatureDriftReport(
                    feature: drift.feature, psi: psi, ks: drift.ks, ksPValue: drift.ksPValue,
                    baselineNullRate: drift.baselineNullShare, currentNullRate: drift.currentNullShare,
                    bins: drift.bins.map { .init(label: $0.label, baseline: $0.expected, current: $0.actual) }))
        }
        features.sort { ($0.psi, $1.feature) > ($1.psi, $0.feature) }
        return DriftReport(
            deployment: deployment.name, model: deployment.model, version: deployment.version, at: at,
            rows: rows.outputs.count, from: rows.times.min(), to: rows.times.max(), features: features)
    }

    package func latestReport(_ deployment: String) async throws -> DriftReport? {
        try await reports(deployment, limit: 1).first
    }

    package func reports(_ deployment: String, limit: Int) async throws -> [DriftReport] {
        let limit = max(0, min(limit, settings.keptReports))
        let reports = try await store.read { try MonitoringTable.reports(of: deployment, limit: limit, in: $0) }
        // An empty answer for a name that does not exist would hide a misspelling.
        if reports.isEmpty { _ = try await serving.deployment(deployment) }
        return reports
    }

    package func alerts(open: Bool?, limit: Int) async throws -> [DriftAlert] {
        let limit = max(0, min(limit, 10_000))
        return try await store.read { try MonitoringTable.alerts(open: open, limit: limit, in: $0) }
    }

    /// Closes the alerts of versions that are no longer deployed.
    package func closeStaleAlerts() async throws {
        let open = try await store.read { try MonitoringTable.targetsWithOpenAlerts(in: $0) }
        guard !open.isEmpty else { return }
        let deployed = Set(
            try await serving.deployments().map { MonitoringTable.Target($0.name, $0.model, $0.version) })
        let stale = open.filter { !deployed.contains($0) }
        guard !stale.isEmpty else { return }
        try await store.write { context in
            for target in stale { try MonitoringTable.closeAlerts(of: target, in: context) }
        }
    }
}
