import Contracts
import Core
import Foundation
import GRDB
import Storage

/// `monitoring_reports` and `monitoring_alerts` in `nestbox.db`.
enum MonitoringTable {
    static let migrations = [
        Migration("monitoring.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE monitoring_reports (
                        id INTEGER PRIMARY KEY, deployment TEXT NOT NULL, at INTEGER NOT NULL, report TEXT NOT NULL);
                    CREATE INDEX monitoring_reports_by_deployment ON monitoring_reports (deployment, id);
                    CREATE TABLE monitoring_alerts (
                        id TEXT PRIMARY KEY, deployment TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
                        feature TEXT NOT NULL, psi REAL NOT NULL, threshold REAL NOT NULL, opened_at INTEGER NOT NULL,
                        closed_at INTEGER, message TEXT NOT NULL) WITHOUT ROWID;
                    CREATE INDEX monitoring_alerts_by_opening ON monitoring_alerts (opened_at);
                    CREATE UNIQUE INDEX monitoring_alerts_open ON monitoring_alerts (deployment, model, version, feature)
                        WHERE closed_at IS NULL;
                    """)
        }
    ]

    /// What an alert is about, besides the feature.
    struct Target: Sendable, Hashable {
        let deployment: String
        let model: String
        let version: Int

        init(_ deployment: String, _ model: String, _ version: Int) {
            self.deployment = deployment
            self.model = model
            self.version = version
        }
    }

    /// Stores the report with the alerts that it opens and closes, and their events.
    /// - Parameter alertIDs: an identifier for each feature of the report, used where an alert opens.
    static func save(
        _ report: DriftReport, alertIDs: [String], settings: MonitoringSettings, in context: WriteContext
    ) throws {
        try context.db.execute(
            sql: "INSERT INTO monitoring_reports (deployment, at, report) VALUES (?, ?, ?)",
            arguments: [report.deployment, report.at.milliseconds, try JSON.string(report)])
        try context.db.execute(
            sql: """
                DELETE FROM monitoring_reports WHERE deployment = ?1 AND id <= (
                    SELECT id FROM monitoring_reports WHERE deployment = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
                """, arguments: [report.deployment, settings.keptReports])
        var summary: [String: JSONValue] = [
            "model": .string(report.model), "version": .int(Int64(report.version)), "rows": .int(Int64(report.rows)),
        ]
        if let worst = report.features.first {
            summary["feature"] = .string(worst.feature)
            summary["psi"] = .number(worst.psi)
        }
        try context.record("drift.checked", "deployment/\(report.deployment)", .object(summary))

        for target in try targetsWithOpenAlerts(of: report.deployment, in: context.db)
        where target.model != report.model || target.version != report.version {
            try closeAlerts(of: target, in: context)
        }
        let open = Dictionary(
            try Row.fetchAll(
                context.db, sql: "SELECT * FROM monitoring_alerts WHERE deployment = ? AND closed_at IS NULL",
                arguments: [report.deployment]
            ).map(alert).map { ($0.feature, $0) }, uniquingKeysWith: { first, _ in first })
        for (feature, id) in zip(report.features, alertIDs) {
            if let alert = open[feature.feature] {
                if feature.psi < settings.closeBelow { try close(alert, psi: feature.psi, in: context) }
            } else if feature.psi > settings.threshold {
                try self.open(feature, id: id, report: report, threshold: settings.threshold, in: context)
            }
        }
    }

    private static func open(
        _ feature: FeatureDriftReport, id: String, report: DriftReport, threshold: Double, in context: WriteContext
    ) throws {
        let psi = (feature.psi * 1000).rounded() / 1000
        let message =
            "`\(feature.feature)` of deployment `\(report.deployment)` (\(report.model) version \(report.version)) has drifted "
            + "from its training data: PSI \(psi) over \(report.rows) rows, threshold \(threshold)"
        try context.db.execute(
            sql: "INSERT INTO monitoring_alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
            arguments: [
                id, report.deployment, report.model, report.version, feature.feature, feature.psi, threshold,
                context.now.milliseconds, message,
            ])
        try context.record(
            "alert.opened", "alert/\(id)",
            [
                "deployment": .string(report.deployment), "feature": .string(feature.feature),
                "psi": .number(feature.psi),
                "threshold": .number(threshold), "message": .string(message),
            ])
    }

    /// - Parameter psi: what closed it, or nil when the version is no longer deployed.
    private static func close(_ alert: DriftAlert, psi: Double?, in context: WriteContext) throws {
        try context.db.execute(
            sql: "UPDATE monitoring_alerts SET closed_at = ? WHERE id = ?",
            arguments: [context.now.milliseconds, alert.id])
        try context.record(
            "alert.closed", "alert/\(alert.id)",
            [
                "deployment": .string(alert.deployment), "feature": .string(alert.feature),
                "psi": psi.map { .number($0) } ?? .null,
                "reason": psi == nil ? "another version is deployed" : "the feature is back near its training data",
            ])
    }

    static func closeAlerts(of target: Target, in context: WriteContext) throws {
        let alerts = try Row.fetchAll(
            context.db,
            sql:
                "SELECT * FROM monitoring_alerts WHERE deployment = ? AND model = ? AND version = ? AND closed_at IS NULL",
            arguments: [target.deployment, target.model, target.version]
        ).map(alert)
        for alert in alerts { try close(alert, psi: nil, in: context) }
    }

    // MARK: Reading

    static func targetsWithOpenAlerts(of deployment: String? = nil, in db: GRDB.Database) throws -> [Target] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT DISTINCT deployment, model, version FROM monitoring_alerts
                WHERE closed_at IS NULL AND deployment = IFNULL(?, deployment)
                """, arguments: [deployment]
        ).map { Target($0["deployment"], $0["model"], $0["version"]) }
    }

    static func reports(of deployment: String, limit: Int, in db: GRDB.Database) throws -> [DriftReport] {
        try String.fetchAll(
            db, sql: "SELECT report FROM monitoring_reports WHERE deployment = ? ORDER BY id DESC LIMIT ?",
            arguments: [deployment, limit]
        ).map { try JSON.decode(DriftReport.self, from: $0, what: "a stored report") }
    }

    static func alerts(open: Bool?, limit: Int, in db: GRDB.Database) throws -> [DriftAlert] {
        let condition = open.map { $0 ? "WHERE closed_at IS NULL" : "WHERE closed_at IS NOT NULL" } ?? ""
        return try Row.fetchAll(
            db, sql: "SELECT * FROM monitoring_alerts \(condition) ORDER BY opened_at DESC, id DESC LIMIT ?",
            arguments: [limit]
        ).map(alert)
    }

    private static func alert(_ row: Row) -> DriftAlert {
        DriftAlert(
            id: row["id"], deployment: row["deployment"], feature: row["feature"], psi: row["psi"],
            threshold: row["threshold"], openedAt: Timestamp(milliseconds: row["opened_at"]),
            closedAt: (row["closed_at"] as Int64?).map { Timestamp(milliseconds: $0) }, message: row["message"])
    }
}
