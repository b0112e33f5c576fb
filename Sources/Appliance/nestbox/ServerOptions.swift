import ArgumentParser
import Client
import Contracts
import Core
import Foundation
import Logging
import Server

let versionText = Appliance.version

/// Options of `serve` and `demo`; each can also stand in the environment or in nestbox.yaml.
struct ServerOptions: ParsableArguments {
    @Option(help: "The data directory (NESTBOX_DATA; default nestbox-data).")
    var data: String?
    @Option(help: "The address to listen on (NESTBOX_HOST; default 127.0.0.1). Another than loopback needs a token.")
    var host: String?
    @Option(help: "The port, 0 for any free one (NESTBOX_PORT; default 8080).")
    var port: String?
    @Option(help: "Access token asked for on every route (better as NESTBOX_TOKEN: flags show in process lists).")
    var token: String?
    @Option(help: "Jobs that run at once (NESTBOX_JOB_SLOTS; default 1).")
    var jobSlots: String?
    @Option(
        help:
            "Megabytes of memory that a table may take up while it is imported (NESTBOX_IMPORT_MEMORY; default a quarter of the machine's)."
    )
    var importMemory: String?
    @Option(help: "Seconds between drift checks (NESTBOX_MONITOR_INTERVAL; default 30).")
    var monitorInterval: String?
    @Option(
        help: "Days that events of high rate are kept; decisions stay. 0 keeps all (NESTBOX_KEEP_EVENTS; default 90).")
    var keepEvents: String?
    @Option(
        help:
            "Where webhooks may point: `public` is HTTPS on the internet, `any` also private addresses and plain HTTP (NESTBOX_WEBHOOK_TARGETS; default any on loopback without a token, public otherwise)."
    )
    var webhookTargets: String?
    @Option(
        help:
            "An MLflow server that keeps runs, models and traces instead (NESTBOX_TRACKING_URL); credentials in NESTBOX_TRACKING_TOKEN, or NESTBOX_TRACKING_USERNAME and NESTBOX_TRACKING_PASSWORD, or the same of MLFLOW_."
    )
    var trackingUrl: String?
    @Option(help: "Seconds to wait at the start for that server to answer (NESTBOX_TRACKING_WAIT; default 60).")
    var trackingWait: String?
    @Option(
        help:
            "Who is told of lineage by OpenLineage events (NESTBOX_OPENLINEAGE_URL): the address of a receiver, or of a server like Marquez, whose /api/v1/lineage it then is. Its key in OPENLINEAGE_API_KEY."
    )
    var openlineageUrl: String?
    @Option(
        help: "The namespace of this server's jobs and things there (NESTBOX_OPENLINEAGE_NAMESPACE; default nestbox).")
    var openlineageNamespace: String?
    @Option(
        help:
            "Days for which deleted runs, experiments and logged models can be restored. 0 keeps all (NESTBOX_KEEP_DELETED; default 30)."
    )
    var keepDeleted: String?
    @Option(
        help:
            "When measurements and traces are safe from a power cut: `checkpoint`, some moments later, or `commit`, before they are answered, which is slower. Decisions always are at once, and a killed process loses nothing (NESTBOX_SYNC; default checkpoint)."
    )
    var sync: String?
    @Option(help: "Serve pages from this folder instead of what is compiled in, for editing them live.")
    var webDir: String?
    @Option(help: "trace, debug, info, notice, warning or error (NESTBOX_LOG_LEVEL; default notice).")
    var logLevel: String?
    @Option(help: "The configuration file (default nestbox.yaml, when there is one).")
    var config: String?

    /// Flags before environment before file. Also settles what is the whole process's: the log, and the rights of files.
    func resolve() async throws -> (options: Appliance.Options, logger: Logger) {
        // SQLite's files, artifacts, logs and backups, here and in the workers, are for this user alone.
        umask(0o077)
        OpenFiles.raiseLimit()
        let known: Set = [
            "data", "host", "port", "token", "job-slots", "import-memory", "monitor-interval", "keep-events",
            "webhook-targets", "web-dir", "log-level", "tracking-url", "tracking-wait",
            "tracking-token", "tracking-username", "tracking-password",
            "keep-deleted", "sync", "openlineage-url", "openlineage-namespace", "openlineage-api-key", "threads", "url",
            "samples",
        ]
        let path = config ?? "nestbox.yaml"
        var file: (text: String, path: String)?
        if FileManager.default.fileExists(atPath: path) || config != nil {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw NestboxError(
                    .notFound, "cannot read the configuration file \(path)", hint: "check the path given with --config")
            }
            file = (text, path)
        }
        let settings = try Settings(
            flags: [
                "data": data, "host": host, "port": port, "token": token, "job-slots": jobSlots,
                "import-memory": importMemory, "monitor-interval": monitorInterval, "keep-events": keepEvents,
                "webhook-targets": webhookTargets, "web-dir": webDir, "log-level": logLevel,
                "tracking-url": trackingUrl, "tracking-wait": trackingWait,
                "keep-deleted": keepDeleted, "sync": sync, "openlineage-url": openlineageUrl,
                "openlineage-namespace": openlineageNamespace,
            ],
            environment: ProcessInfo.processInfo.environment, file: file, known: known)
        var options = Appliance.Options()
        options.data = settings.string("data") ?? options.data
        options.host = settings.string("host") ?? options.host
        options.port = try settings.integer("port", in: 0...65535) ?? options.port
        options.token = settings.string("token")
        options.jobSlots = try settings.integer("job-slots", in: 0...64) ?? options.jobSlots
        if let megabytes = try settings.integer("import-memory", in: 1...1 << 30) {
            options.importMemory = megabytes << 20
        }
        options.monitorInterval = try settings.seconds("monitor-interval") ?? options.monitorInterval
        if let days = try settings.integer("keep-events", in: 0...36_500) {
            options.keptEventSeconds = days == 0 ? nil : Double(days) * 86_400
        }
        if let targets = settings.string("webhook-targets") {
            guard ["any", "public"].contains(targets) else {
                throw NestboxError.invalid("`\(targets)` is no choice of webhook targets", hint: "any or public")
            }
            options.webhooksReachPrivate = targets == "any"
        }
        if let days = try settings.integer("keep-deleted", in: 0...36_500) {
            options.keptDeletedDays = days == 0 ? nil : Double(days)
        }
        if let sync = settings.string("sync") {
            guard ["checkpoint", "commit"].contains(sync) else {
                throw NestboxError.invalid("`\(sync)` is no choice of when to sync", hint: "checkpoint or commit")
            }
            options.syncsMeasurements = sync == "commit"
        }
        if let url = settings.string("openlineage-url"), !url.isEmpty {
            options.openLineage = try OpenLineageAddress(
                url: url,
                key: settings.string("openlineage-api-key")
                    ?? ProcessInfo.processInfo.environment["OPENLINEAGE_API_KEY"],
                namespace: settings.string("openlineage-namespace") ?? "nestbox")
        }
        options.webDirectory = settings.string("web-dir")
        let levelName = settings.string("log-level") ?? "notice"
        guard let level = Logger.Level(rawValue: levelName) else {
            throw NestboxError.invalid(
                "`\(levelName)` is not a log level", hint: "trace, debug, info, notice, warning or error")
        }
        LoggingSystem.bootstrap { label in StreamLogHandler.standardError(label: label) }
        var logger = Logger(label: "nestbox")
        logger.logLevel = level
        options.external = try await external(settings)
        return (options, logger)
    }

    private func external(_ settings: Settings) async throws -> ExternalTracking? {
        guard let url = settings.string("tracking-url"), !url.isEmpty else { return nil }
        let patience = try settings.integer("tracking-wait", in: 0...86_400) ?? 60
        let server = try await MLflowServer.connect(url, credentials(settings), patience: Double(patience)) { error in
            Terminal.say("tracking: \(error.message); waiting up to \(patience) s for it")
        }
        let files = server.artifacts == nil ? "this server, because that one serves none" : "that server"
        Terminal.say("tracking: MLflow \(server.version) at \(server.address); files are kept by \(files)")
        return ExternalTracking(
            tracking: server.tracking, registry: server.registry, traces: server.traces, artifacts: server.artifacts,
            address: server.address, answers: server.answers, isBack: server.isBack)
    }

    /// Nestbox's own variables, or else all those of MLflow's clients: never a user of one with a password of the other.
    private func credentials(_ settings: Settings) -> MLflowServer.Credentials {
        let own = MLflowServer.Credentials(
            token: settings.string("tracking-token"), username: settings.string("tracking-username"),
            password: settings.string("tracking-password"))
        guard own.token == nil, own.username == nil, own.password == nil else { return own }
        let environment = ProcessInfo.processInfo.environment
        let username = environment["MLFLOW_TRACKING_USERNAME"]
        return MLflowServer.Credentials(
            // Where both are set, MLflow's clients send the name.
            token: username == nil ? environment["MLFLOW_TRACKING_TOKEN"] : nil, username: username,
            password: environment["MLFLOW_TRACKING_PASSWORD"])
    }
}

/// Options of every client command.
struct ClientOptions: ParsableArguments {
    @Option(help: "The server (NESTBOX_URL; default http://127.0.0.1:8080).")
    var url: String?
    @Option(help: "Its access token (NESTBOX_TOKEN).")
    var token: String?
    @Flag(help: "Print JSON.")
    var json = false

    var accessToken: String? { token ?? ProcessInfo.processInfo.environment["NESTBOX_TOKEN"] }

    /// - Parameter patience: seconds for which a server that refuses connections is waited for.
    func connect(patience: Double = 0) throws -> Remote {
        let environment = ProcessInfo.processInfo.environment
        let client = try APIClient(
            baseURL: url ?? environment["NESTBOX_URL"] ?? "http://127.0.0.1:8080",
            token: accessToken, patience: patience)
        return Remote(client)
    }
}
