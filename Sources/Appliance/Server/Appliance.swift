import Access
import Artifacts
import Contracts
import Core
import Dashboard
import Datasets
import Features
import Foundation
import Hummingbird
import HummingbirdCore
import Jobs
import Lineage
import Logging
import Monitoring
import Registry
import ServiceLifecycle
import Serving
import Storage
import Traces
import Tracking
import Training
import Webhooks

/// The composition root: the one place that knows every real part and wires them together.
package final class Appliance: Sendable {
    package static let version = "0.1.0"

    /// How to start.
    package struct Options: Sendable {
        package var data = "nestbox-data"
        package var host = "127.0.0.1"
        /// 0 takes any free port.
        package var port = 8080
        /// Asked for on every route when set; required for a host that is not loopback.
        package var token: String?
        /// Jobs that run at once.
        package var jobSlots = 1
        /// Bytes that a table may take up in memory while it is imported.
        package var importMemory = MachineMemory.bytes / 4
        /// Seconds between drift checks.
        package var monitorInterval = 30.0
        /// Seconds that events of high rate are kept; nil for ever.
        package var keptEventSeconds: Double? = 90 * 86_400
        /// Whether webhooks may name private addresses and plain HTTP; nil: where every client is on this machine, that is
        /// on loopback without a token.
        package var webhooksReachPrivate: Bool?
        /// Days for which deleted runs, experiments and logged models can be restored; nil for ever.
        package var keptDeletedDays: Double? = 30
        /// Whether telemetry, too, is on the disk before it is acknowledged, and not only in the system's memory.
        package var syncsMeasurements = false
        /// A checkout's `web` folder, read at every request instead of what is compiled in.
        package var webDirectory: String?
        /// The program that workers run; nil is this one.
        package var workerExecutable: String?
        /// Who is told of lineage; nil: nobody.
        package var openLineage: OpenLineageAddress?
        /// Who keeps runs, models and traces instead of this process.
        package var external: ExternalTracking?

        package init() {}
    }

    package let options: Options
    package let directory: DataDirectory
    package let decisions: Store
    package let telemetry: Store
    package let events: EventHub
    package let authority: TokenAuthority
    package let metrics = ServerMetrics()
    package let startedAt: Timestamp
    private let ambient: Ambient

    package let artifacts: any ArtifactStore
    package let datasets: any DatasetStore
    package let features: any FeatureStore
    package let tracking: any Tracking & LoggedModelStore
    package let traces: any TraceStore
    package let registry: any ModelRegistry
    package let webhooks: any WebhookStore
    package let serving: any ModelServer & PredictionLog
    package let monitor: any Monitor
    package let jobs: any JobQueue
    package let lineage: LineageWalk
    private let reporter: OpenLineageReporter?
    package let semantics: SemanticReview
    let garbage: GarbageCollector
    let dashboard: Dashboard

    /// Nil when files are kept elsewhere.
    let embeddedArtifacts: DirectoryArtifactStore?
    private let embeddedDatasets: EmbeddedDatasets
    private let embeddedFeatures: EmbeddedFeatures
    private let embeddedServing: EmbeddedModelServer
    private let embeddedJobs: EmbeddedJobQueue
    private let embeddedMonitor: EmbeddedMonitor
    private let embeddedWebhooks: EmbeddedWebhooks

    /// Opens the data directory and every part. Throws before anything listens when the directory is in use or the address
    /// would be reachable without a token.
    package init(_ options: Options, ambient: Ambient = .live) async throws {
        self.options = options
        startedAt = ambient.now()
        self.ambient = ambient
        authority = try TokenAuthority(token: options.token)
        guard authority.isRequired || Self.isLoopback(options.host) else {
            throw NestboxError.invalid(
                "refusing to listen on \(options.host) without an access token",
                hint: "set NESTBOX_TOKEN (openssl rand -hex 32), or use --host 127.0.0.1")
        }
        directory = try DataDirectory(path: options.data)
        events = EventHub()
        decisions = try Store(
            path: directory.decisions, durability: .full,
            migrations: DirectoryArtifactStore.migrations + EmbeddedDatasets.migrations + EmbeddedFeatures.migrations
                + EmbeddedTracking.decisionMigrations + EmbeddedRegistry.migrations + RecordedRegistry.migrations
                + EmbeddedJobQueue.migrations + EmbeddedModelServer.decisionMigrations + EmbeddedMonitor.migrations
                + EmbeddedWebhooks.migrations,
            events: events, ambient: ambient, backupDirectory: directory.backups)
        telemetry = try Store(
            path: directory.telemetry, durability: options.syncsMeasurements ? .full : .checkpoint,
            migrations: EmbeddedTracking.telemetryMigrations + EmbeddedModelServer.telemetryMigrations
                + EmbeddedTraceStore.migrations,
            events: events, ambient: ambient, backupDirectory: directory.backups)

        let external = options.external, decisions = decisions, telemetry = telemetry
        let artifacts: any ArtifactStore =
            external?.artifacts
            ?? DirectoryArtifactStore(
                directory: directory.artifacts, temporary: directory.temporary, store: decisions, ambient: ambient)
        let datasets = EmbeddedDatasets(
            directory: directory.datasets, temporary: directory.temporary, store: decisions, ambient: ambient,
            importMemory: options.importMemory)
        let features = EmbeddedFeatures(store: decisions, datasets: datasets, ambient: ambient)
        let embeddedTracking =
            try external == nil ? EmbeddedTracking(decisions: decisions, telemetry: telemetry, ambient: ambient) : nil
        let tracking: any Tracking & LoggedModelStore =
            external.map { RecordedTracking($0.tracking, decisions: decisions, telemetry: telemetry) }
            ?? embeddedTracking!
        let proposer = VersionProposer(tracking: tracking, artifacts: artifacts)
        let registry: any ModelRegistry =
            external.map { RecordedRegistry($0.registry, store: decisions, proposer: proposer) }
            ?? EmbeddedRegistry(store: decisions, ambient: ambient, proposer: proposer)
        semantics = SemanticReview(registry: registry, proposer: proposer, events: events)
        embeddedServing = EmbeddedModelServer(
            decisions: decisions, telemetry: telemetry, registry: registry, artifacts: artifacts, features: features,
            ambient: ambient)
        embeddedMonitor = EmbeddedMonitor(store: decisions, serving: embeddedServing, ambient: ambient)
        embeddedJobs = EmbeddedJobQueue(
            store: decisions, directory: directory.jobs, ambient: ambient, limits: .init(slots: options.jobSlots))
        let isOpenOnLoopback = Self.isLoopback(options.host) && !authority.isRequired
        embeddedWebhooks = EmbeddedWebhooks(
            store: decisions, ambient: ambient, vault: SecretVault(path: directory.secretsKey),
            destination: WebhookDestination(allowsPrivate: options.webhooksReachPrivate ?? isOpenOnLoopback),
            poster: OutboundHTTP())
        webhooks = embeddedWebhooks
        embeddedDatasets = datasets
        embeddedFeatures = features
        self.artifacts = artifacts
        embeddedArtifacts = artifacts as? DirectoryArtifactStore
        self.datasets = datasets
        self.features = features
        self.registry = registry
        self.tracking = tracking
        traces =
            external.map { RecordedTraces($0.traces, store: telemetry) }
            ?? EmbeddedTraceStore(store: telemetry, tracking: tracking, ambient: ambient)
        garbage = GarbageCollector(
            tracking: tracking, deleted: embeddedTracking, traces: traces, registry: registry,
            artifacts: external?.artifacts == nil ? artifacts : nil, stores: [decisions, telemetry], ambient: ambient)
        let sources = LineageSources(
            datasets: datasets, tracking: tracking, registry: registry, serving: embeddedServing)
        lineage = LineageWalk(sources)
        reporter = options.openLineage.map {
            OpenLineageReporter(sources, .init(namespace: $0.namespace, version: Self.version))
        }
        serving = embeddedServing
        monitor = embeddedMonitor
        jobs = embeddedJobs
        dashboard = try Dashboard(webDirectory: options.webDirectory)
    }

    /// Serves until the process is told to stop. `onReady` hears the address once every route answers.
    package func run(logger: Logger, onReady: @escaping @Sendable (String) async -> Void) async throws {
        try await embeddedDatasets.recover()
        try await embeddedFeatures.recover()
        try await embeddedServing.loadDeployments()
        let address = AddressBox()
        let routes = Routes.all(self)
        let immediate = ImmediateAnswers.Table(routes, authority: authority, metrics: metrics)
        let application = Application(
            router: Routes.router(routes, self),
            server: HTTPServerBuilder { responder in
                LoopBoundHTTP(
                    HTTP1Channel(
                        responder: responder,
                        configuration: .init(
                            additionalChannelHandlers: [CloseAfterGrace(.seconds(5)), ImmediateAnswers(immediate)],
                            idleTimeout: .seconds(120))))
            },
            configuration: .init(
                address: .hostname(options.host, port: options.port), serverName: ImmediateAnswers.serverName,
                // Slow uploads hold a socket and a file each; the databases need some, too. Who comes later waits.
                availableConnectionsDelegate: MaximumAvailableConnections(max(64, OpenFiles.limit / 2 - 128))),
            onServerRunning: { [host = options.host] channel in
                let port = channel.localAddress?.port ?? 0
                let shown = host.contains(":") ? "[\(host)]" : host
                let url = "http://\(shown == "0.0.0.0" ? "127.0.0.1" : shown):\(port)"
                address.set(url)
                await onReady(url)
            },
            logger: logger)
        let runner = JobRunner(
            queue: embeddedJobs, slots: options.jobSlots, serverURL: { try await address.value() },
            executable: options.workerExecutable,
            mintToken: { [authority] in authority.mint(job: $0) },
            revokeToken: { [authority] in authority.revoke(job: $0) },
            attemptEnded: { [tracking, ambient] in
                try await AbandonedRuns.end(of: $0, tracking: tracking, ambient: ambient)
            },
            mayStart: { [external = options.external] in await external?.isBack() ?? true },
            logger: logger)
        let lineageSender = reporter.map {
            OpenLineageSender(store: decisions, outbox: embeddedWebhooks.outbox, reporter: $0, logger: logger)
        }
        try await lineageSender?.prepare()
        let schedule = MonitoringSchedule(
            monitor: embeddedMonitor, serving: embeddedServing, interval: options.monitorInterval)
        // Stopped from the last to the first, each when the one behind it has ended: workers while they can still reach
        // the server, live pages, then HTTP, and only after its last answer the log of what was answered.
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    ServiceGroupConfiguration.ServiceConfiguration(service: embeddedServing.logWriter),
                    .init(
                        service: Housekeeping(
                            stores: [decisions, telemetry], retention: eventRetention,
                            collect: { [garbage, days = options.keptDeletedDays] in
                                try await garbage.collect(olderThan: days)
                            }, retryDeployments: { [embeddedServing] in try await embeddedServing.retryUnavailable() },
                            logger: logger)),
                    .init(service: schedule), .init(service: semantics),
                    .init(
                        service: DeliveryService(
                            webhooks: embeddedWebhooks, targets: options.openLineage?.targets ?? [:], logger: logger)),
                ] + (lineageSender.map { [.init(service: $0)] } ?? []) + [
                    .init(service: application, successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: CloseSubscriptions(events: events)),
                    .init(service: runner),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        do {
            try await group.run()
        } catch {
            throw ListenFault.explain(error, host: options.host, port: options.port)
        }
        // What a disk refuses now waits in files for the next start.
        try? await tracking.settle()
        try decisions.close()
        try telemetry.close()
    }

    /// Decisions stay for ever: a client of the event stream that comes back is told every one. What tells of progress and of
    /// measurements in between goes after a while.
    private var eventRetention: [EventRetention] {
        guard let seconds = options.keptEventSeconds else { return [] }
        return [
            EventRetention(
                store: decisions, seconds: seconds,
                kinds: ["job.progressed", "run.logged", "drift.checked"]),
            EventRetention(store: telemetry, seconds: seconds, kinds: nil),
        ]
    }

    /// `localhost`, `::1`, or an IPv4 address of 127/8 in full; no name that merely looks like one.
    package static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "localhost" || host == "::1"
            || parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
