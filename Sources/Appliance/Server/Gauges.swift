import Contracts
import Core
import Foundation

extension Appliance {
    /// What `/metrics` reads at the moment of a scrape.
    func gauges() async throws -> [Gauge] {
        var gauges = [
            Gauge(
                name: "nestbox_uptime_seconds", help: "Seconds since the start.",
                value: Ambient.live.now().seconds(since: startedAt)),
            Gauge(name: "nestbox_resident_memory_bytes", help: "Resident memory.", value: Double(Self.residentBytes())),
            Gauge(
                name: "nestbox_wal_bytes", help: "Write-ahead log size.", labels: [("file", "nestbox.db")],
                value: Double(decisions.walSize)),
            Gauge(
                name: "nestbox_wal_bytes", help: "", labels: [("file", "telemetry.db")],
                value: Double(telemetry.walSize)),
        ]
        for state in JobState.allCases {
            let count = try await jobs.jobs(state: state, limit: 1000).count
            gauges.append(
                Gauge(
                    name: "nestbox_jobs", help: "Jobs by state.", labels: [("state", state.rawValue)],
                    value: Double(count)))
        }
        var statistics: [ServingStatistics] = []
        for deployment in try await serving.deployments() {
            statistics.append(try await serving.statistics(deployment.name))
        }
        for item in statistics {
            gauges.append(
                Gauge(
                    name: "nestbox_prediction_rows_total", help: "Rows predicted since the start.", type: "counter",
                    labels: [("deployment", item.deployment)], value: Double(item.rows)))
        }
        for item in statistics {
            gauges.append(
                Gauge(
                    name: "nestbox_prediction_errors_total", help: "Requests refused or failed.", type: "counter",
                    labels: [("deployment", item.deployment)], value: Double(item.errors)))
        }
        for item in statistics {
            guard let p99 = item.latencyP99 else { continue }
            gauges.append(
                Gauge(
                    name: "nestbox_prediction_latency_p99_seconds", help: "Over the last thousand requests.",
                    labels: [("deployment", item.deployment)], value: p99 / 1000))
        }
        if let external = options.external {
            let answers = await external.answers()
            gauges.append(
                Gauge(
                    name: "nestbox_tracking_up", help: "Whether the MLflow server behind this one answers.",
                    value: answers ? 1 : 0))
        }
        let open = try await monitor.alerts(open: true, limit: 1000)
        gauges.append(Gauge(name: "nestbox_open_alerts", help: "Drift alerts now open.", value: Double(open.count)))
        return gauges
    }

    private static func residentBytes() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
