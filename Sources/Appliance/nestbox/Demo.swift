import Client
import Contracts
import Core
import Foundation
import Tables
import Tabular

/// The demo's story, one method per step, all through the public HTTP API:
/// data → features → training → validation → registry → deployment → prediction → drift alert.
struct Demo {
    let remote: Remote
    /// The folder with flights/ in it.
    let samples: String

    private var folder: String { samples + "/flights" }
    private let deployment = "flights-late"
    private let features = [
        "weather:temp", "weather:dewp", "weather:humid", "weather:wind_dir", "weather:wind_speed", "weather:precip",
        "weather:pressure", "weather:visib", "traffic:departures", "traffic:mean_dep_delay", "aircraft:year",
        "aircraft:seats",
        "destination:lat", "destination:lon",
    ]

    func run() async throws {
        let start = ContinuousClock.now
        try await importData()
        try await defineFeatures()
        try await joinTrainingSet()
        let outcome = try await train()
        try await searchParameters()
        let version = try await promote(outcome)
        try await deploy(version)
        try await lookUpOnline()
        try await replay(month: "May", from: "2013-05-01", until: "2013-06-01")
        try await replay(month: "June and July", from: "2013-06-01", until: "2013-08-01")
        try await checkDrift()
        Terminal.line("whole loop in \(seconds(since: start)) s")
    }

    // MARK: Steps

    private func importData() async throws {
        for name in ["flights", "weather", "traffic", "planes", "airports"] {
            try await step("data", page: "/datasets/\(name)") {
                let path = try sampleFile(name)
                let version = try await remote.importFile(path, name: name, format: .csv)
                return "\(name)@\(version.version): \(version.rowCount) rows, \(version.schema.fields.count) columns"
            }
        }
    }

    private func defineFeatures() async throws {
        try await step("features", page: "/features") {
            let definitions = try await remote.features.apply(yaml: try readText(folder + "/features.yaml"))
            return "\(definitions.featureViews.count) feature views over \(definitions.entities.count) entities"
        }
    }

    private func joinTrainingSet() async throws {
        try await step("join", page: "/datasets/flights_training") {
            let version = try await remote.features.trainingSet(
                TrainingSetRequest(
                    spine: DatasetReference(name: "flights"), eventTime: "predict_at", features: features,
                    saveAs: "flights_training"))
            return
                "\(version.dataset)@\(version.version): \(version.rowCount) rows, each with what was known one hour before departure"
        }
    }

    private func train() async throws -> TrainingOutcome {
        var outcome: TrainingOutcome?
        try await step("train", page: { "/experiments/\(outcome?.experimentID ?? "")/runs/\(outcome?.runID ?? "")" }) {
            let result = try await runJob(recipe: try readText(folder + "/recipe.yaml"))
            outcome = result
            return "gradient boosting on January–April, tested on May: \(summary(result.metrics))"
        }
        guard let outcome else { throw NestboxError(.internalError, "the training step ended without an outcome") }
        if let rejected = outcome.rejected {
            throw NestboxError(.conflict, "the model was not good enough: \(rejected)")
        }
        return outcome
    }

    private func searchParameters() async throws {
        var outcome: TrainingOutcome?
        try await step("search", page: { "/experiments/\(outcome?.experimentID ?? "")" }) {
            let recipe = try readText(folder + "/recipe.yaml")
            let result = try await runJob(recipe: recipe + "\n" + Self.study)
            outcome = result
            return "6 trials by random search, best tested on May: \(summary(result.metrics))"
        }
    }

    private static let study = """
        study:
          trials: 6
          seed: 7
          space:
            learning_rate: {type: float, low: 0.03, high: 0.2, log: true}
            num_leaves: {type: int, low: 6, high: 40}
            lambda_l2: {type: float, low: 0.1, high: 30, log: true}
        """

    private func promote(_ outcome: TrainingOutcome) async throws -> ModelVersion {
        guard let model = outcome.model else { throw NestboxError(.internalError, "training registered no model") }
        var best: ModelVersion?
        try await step("registry", page: "/models/\(model)") {
            // The version whose run did best on May becomes champion, whichever way it was found.
            let versions = try await remote.registry.versions(of: model, maxResults: 100, pageToken: nil).items
            var score = -Double.infinity
            for version in versions {
                guard let runID = version.runID else { continue }
                let auc = try await remote.tracking.run(id: runID).metric("test_auc") ?? -.infinity
                if auc > score { (best, score) = (version, auc) }
            }
            guard let best else { throw NestboxError(.notFound, "no version of \(model) has a test AUC") }
            try await remote.registry.setAlias(
                model, alias: "champion", version: best.version, reason: String(format: "best AUC on May: %.3f", score))
            return "\(model) version \(best.version) of \(versions.count) is champion"
        }
        guard let best else { throw NestboxError(.internalError, "no champion") }
        return best
    }

    private func deploy(_ version: ModelVersion) async throws {
        try await step("deploy", page: "/deployments/\(deployment)") {
            let result = try await remote.serving.deploy(
                DeploymentRequest(name: deployment, model: version.name, version: "@champion", lookup: features))
            return "\(result.name) answers with version \(result.version)"
        }
    }

    /// One flight of 1 June by its own columns; weather, traffic, plane and destination come from the online store.
    private func lookUpOnline() async throws {
        try await step("predict", page: "/deployments/\(deployment)") {
            // When the features must have been known, as `predict_at` in training: an hour before departure.
            let predictAt = Timestamp(iso8601: "2013-06-01T12:00:00Z")
            _ = try await remote.features.materialize(views: [], until: predictAt)
            let prediction = try await remote.serving.predict(
                deployment,
                rows: [
                    [
                        "carrier": "UA", "origin": "EWR", "dest": "SFO", "tailnum": "N76515", "distance": 2565,
                        "day_of_week": 6, "hour": 9,
                    ]
                ], at: predictAt)
            let percent = Int(((prediction.outputs.first ?? 0) * 100).rounded())
            return
                "one flight, its features looked up online: late with \(percent) %, prediction \(prediction.id.prefix(12))…"
        }
    }

    /// Later months as live traffic, in the order in which they were flown, with the features as they were known then.
    private func replay(month: String, from: String, until: String) async throws {
        try await step("replay", page: "/deployments/\(deployment)") {
            let names = try await remote.serving.signature(deployment).inputs.map(\.name)
            let table = try await remote.datasets.table(
                DatasetReference(name: "flights_training"), columns: names + ["sched_dep_at", "late"])
            guard let first = Timestamp(iso8601: from), let last = Timestamp(iso8601: until),
                case .timestamp(let departures, _) = try table.column("sched_dep_at")
            else { throw NestboxError(.internalError, "sched_dep_at is not a timestamp") }
            let rows = departures.indices.filter {
                departures[$0] >= first.milliseconds && departures[$0] < last.milliseconds
            }
            .sorted { departures[$0] < departures[$1] }
            let traffic = table.gather(rows)
            let outputs = try await send(try traffic.select(names))
            let labels = try traffic.column("late").doubles ?? []
            // Cancelled and diverted flights have no label.
            let known = labels.indices.filter { !labels[$0].isNaN }
            let auc = try Metric.auc(known.map { outputs[$0] }, labels: known.map { labels[$0] })
            return
                "\(rows.count) flights of \(month) through the HTTP API, AUC as it turned out \(String(format: "%.3f", auc))"
        }
    }

    private func send(_ traffic: Table) async throws -> [Double] {
        let batch = 64
        var outputs: [Double] = []
        outputs.reserveCapacity(traffic.rowCount)
        for start in stride(from: 0, to: traffic.rowCount, by: batch) {
            let rows = (start..<min(start + batch, traffic.rowCount)).map { row in
                Dictionary(uniqueKeysWithValues: zip(traffic.schema.names, traffic.columns.map { $0[row].json }))
            }
            outputs += try await remote.serving.predict(deployment, rows: rows).outputs
            Terminal.progress(Double(outputs.count) / Double(traffic.rowCount), "replaying flights")
        }
        Terminal.endProgress()
        return outputs
    }

    private func checkDrift() async throws {
        try await step("drift", page: "/monitoring/\(deployment)") {
            let report = try await remote.monitoring.check(deployment)
            let alerts = try await remote.monitoring.alerts(open: true, limit: 100)
            let worst = report.features.prefix(3).map { "\($0.feature) \(String(format: "%.2f", $0.psi))" }.joined(
                separator: ", ")
            return "\(alerts.count) alerts open, highest PSI: \(worst) — the model learned winter, and it is summer"
        }
    }

    // MARK: Telling it

    private func step(_ name: String, page: @autoclosure () -> String, _ body: () async throws -> String) async throws {
        try await step(name, page: page, body)
    }

    private func step(_ name: String, page: () -> String, _ body: () async throws -> String) async throws {
        let start = ContinuousClock.now
        let text = try await body()
        Terminal.endProgress()
        Terminal.line(
            "\(name.padding(toLength: 9, withPad: " ", startingAt: 0)) \(seconds(since: start)) s  \(text)\n                  \(remote.client.baseURL)\(page())"
        )
    }

    private func seconds(since start: ContinuousClock.Instant) -> String {
        let elapsed = start.duration(to: .now).components
        let value = String(format: "%.2f", Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
        return String(repeating: " ", count: max(0, 6 - value.count)) + value
    }

    private func summary(_ metrics: [String: Double]) -> String {
        metrics.sorted { $0.key < $1.key }.map { "\($0.key) \(String(format: "%.3f", $0.value))" }.joined(
            separator: ", ")
    }

    private func sampleFile(_ name: String) throws -> String {
        for path in ["\(folder)/\(name).csv.gz", "\(folder)/\(name).csv"]
        where FileManager.default.fileExists(atPath: path) { return path }
        throw NestboxError(
            .notFound, "\(folder) has no \(name).csv or \(name).csv.gz", hint: "give the right folder with --samples")
    }

    private func runJob(recipe: String) async throws -> TrainingOutcome {
        let job = try await remote.follow(job: try await remote.jobs.train(recipe: recipe).id)
        guard job.state == .succeeded, let result = job.result else {
            throw NestboxError(
                .internalError, "job \(job.id) \(job.state.rawValue): \(job.error?.message ?? "no reason given")",
                hint: job.error?.hint ?? "its log: nestbox jobs \(job.id) --log")
        }
        return try JSON.decode(TrainingOutcome.self, from: try JSON.encode(result), what: "the job's result")
    }
}
