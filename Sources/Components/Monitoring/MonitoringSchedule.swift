import Contracts
import Core
import Logging
import ServiceLifecycle
import Storage
import Synchronization

/// Checks every deployment that has new logged rows, every so many seconds, and closes the alerts of replaced versions as
/// soon as they are replaced.
package final class MonitoringSchedule: Service {
    private let monitor: EmbeddedMonitor
    private let serving: any ModelServer & PredictionLog
    private let interval: Double
    private let logger = Logger(label: "nestbox.monitoring")
    /// What was last complained about, by deployment: a lasting problem is logged once.
    private let complaints = Mutex<[String: String]>([:])

    /// - Parameter interval: seconds between rounds.
    package init(monitor: EmbeddedMonitor, serving: any ModelServer & PredictionLog, interval: Double = 30) {
        self.monitor = monitor
        self.serving = serving
        self.interval = max(0.05, interval)
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.followDeployments() }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: .seconds(self.interval))
                        if !Task.isCancelled { await self.round() }
                    }
                }
            }
        }
    }

    private func followDeployments() async {
        let kinds: Set = ["deployment.updated", "deployment.deleted"]
        for await event in monitor.store.events.subscribe(where: { kinds.contains($0.kind) }) {
            await reporting(event.subject) { try await self.monitor.closeStaleAlerts() }
        }
    }

    /// One round over all deployments. A deployment that cannot be checked does not keep the others from it.
    package func round() async {
        await reporting("alerts") { try await self.monitor.closeStaleAlerts() }
        do {
            for deployment in try await serving.deployments() where !Task.isCancelled {
                await reporting(deployment.name) { try await self.checkIfNew(deployment) }
            }
        } catch {
            logger.warning("deployments could not be listed: \(error)")
        }
    }

    private func checkIfNew(_ deployment: Deployment) async throws {
        guard let newest = try await serving.predictions(deployment.name, limit: 1).first,
            newest.model == deployment.model,
            newest.version == deployment.version
        else { return }
        if let last = try await monitor.latestReport(deployment.name), last.model == deployment.model,
            last.version == deployment.version, let upTo = last.to, upTo >= newest.at
        {
            return
        }
        _ = try await monitor.check(deployment.name)
    }

    private func reporting(_ name: String, _ body: @Sendable () async throws -> Void) async {
        do {
            try await body()
            complaints.withLock { _ = $0.removeValue(forKey: name) }
        } catch is CancellationError {
            return
        } catch let error as NestboxError where error.code == .conflict || error.code == .notFound {
            // Too few rows yet, no baseline, or removed meanwhile: an ordinary state that the caller of `check` hears of.
            logger.debug("\(name): \(error.message)")
        } catch {
            let isNew = complaints.withLock { $0.updateValue("\(error)", forKey: name) != "\(error)" }
            if isNew { logger.warning("drift of \(name) could not be checked: \(error)") }
        }
    }
}
