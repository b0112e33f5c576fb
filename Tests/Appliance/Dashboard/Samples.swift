import Contracts
import Core
import Dashboard
import Foundation
import Statistics
import Tables

/// Pages of a busy appliance, of an empty one, and of one whose users are hostile, all from the same makers.
struct Samples {
    /// What every name and text is wrapped in: the identity, or something that tries to leave its attribute.
    var dress: @Sendable (String) -> String = { $0 }
    let now = Timestamp(milliseconds: 1_780_000_000_000)

    func ago(_ seconds: Double) -> Timestamp { now.adding(seconds: -seconds) }

    func run(_ index: Int, parent: String? = nil, status: RunStatus = .finished) -> Run {
        let id = String(repeating: "0", count: 31) + String(index, radix: 16)
        var tags = ["mlflow.user": dress("ada"), dress("note"): dress("second try")]
        tags["mlflow.parentRunId"] = parent
        return Run(
            id: id, experimentID: "1", name: dress("merry-heron-\(index)"), user: dress("ada"), status: status,
            startTime: ago(Double(3600 + index * 60)),
            endTime: status == .running ? nil : ago(Double(3600 + index * 60) - 12.5), lifecycleStage: .active,
            artifactURI: "mlflow-artifacts:/1/\(id)/artifacts",
            params: [
                dress("num_leaves"): "\(15 + index * 8)", dress("learning_rate"): "0.06",
                dress("learner"): dress("gradient_boosting"),
            ],
            metrics: [
                MetricPoint(key: "test_auc", value: 0.69 + Double(index) * 0.003, timestamp: now),
                MetricPoint(key: "test_log_loss", value: 0.47 - Double(index) * 0.002, timestamp: now),
                MetricPoint(key: dress("broken"), value: .nan, timestamp: now),
            ],
            tags: tags,
            inputs: [
                RunInput(
                    name: dress("flights_training"), digest: "a1b2c3d4e5f6a7b8", sourceType: "nestbox",
                    source: dress("flights_training@1"))
            ])
    }

    var experiment: Experiment {
        Experiment(
            id: "1", name: dress("flights"), artifactLocation: "mlflow-artifacts:/1", lifecycleStage: .active,
            createdAt: ago(86_000), updatedAt: ago(300),
            tags: [dress("team"): dress("ops")])
    }

    var runs: [Run] {
        let parent = run(1)
        return [run(9, status: .running), parent] + (2..<6).map { run($0, parent: parent.id) } + [
            run(7, status: .failed)
        ]
    }

    func history(_ key: String, _ start: Double, _ end: Double, _ count: Int = 100) -> [MetricPoint] {
        (0..<count).map { step in
            let share = Double(step) / Double(count)
            return MetricPoint(
                key: key, value: end + (start - end) * exp(-4 * share) + 0.004 * sin(Double(step)), timestamp: now,
                step: Int64(step))
        }
    }

    var deployment: Deployment {
        Deployment(
            name: dress("flights-late"), model: dress("flights-late"), version: 2, lookup: ["weather:temp"],
            createdAt: ago(4000), updatedAt: ago(90),
            updatedBy: dress("demo"))
    }

    var statistics: ServingStatistics {
        ServingStatistics(
            deployment: dress("flights-late"), requests: 14_211, rows: 42_633, errors: 3, logDropped: 0,
            requestRate: 212.4, latencyP50: 0.42, latencyP99: 2.31,
            perSecond: (0..<60).map { (second: Int) -> Int in 180 + Int(60 * sin(Double(second) / 6)) + second % 7 * 6 }
        )
    }

    var signature: ModelSignature {
        ModelSignature(
            task: .binary, target: dress("late"),
            inputs: [
                .init(name: dress("carrier"), type: .string, categories: ["UA", "B6", "EV", dress("DL")]),
                .init(name: dress("distance"), type: .int64, range: [80, 4983]),
                .init(name: "hour", type: .int64, range: [5, 23]),
                .init(name: "weather__temp", type: .float64, range: [10.94, 100.04]),
                .init(name: "weather__visib", type: .float64, range: [0, 10]), .init(name: "is_holiday", type: .bool),
            ])
    }

    func logged(_ index: Int) -> LoggedPrediction {
        LoggedPrediction(
            id: "0197f2a4c1d3700\(index)", row: 0, at: ago(Double(index * 3)), deployment: dress("flights-late"),
            model: dress("flights-late"), version: 2,
            inputs: [
                dress("carrier"): .string(dress("UA")), "hour": .int(17), "weather__temp": .number(88.02),
                "weather__visib": .null,
            ], output: 0.2 + Double(index) * 0.05)
    }

    func job(_ state: JobState) -> Job {
        Job(
            id: "0197f2a0\(state.rawValue)", kind: "train", name: dress("flights-late"),
            payload: ["name": .string(dress("flights-late")), "target": "late"], state: state, attempt: 1,
            maxAttempts: 3, timeoutSeconds: nil, createdAt: ago(120), startedAt: state == .queued ? nil : ago(100),
            finishedAt: state.isFinal ? ago(60) : nil, notBefore: nil, leaseUntil: nil,
            progress: JobProgress(
                fraction: state == .running ? 0.62 : 0,
                message: dress(state == .running ? "tree 62 of 100, validation log loss 0.4712" : "")),
            error: state == .failed
                ? .init(
                    code: "invalid_argument", message: dress("there is no column named `lateness`"),
                    hint: dress("did you mean `late`?")) : nil,
            result: state == .succeeded
                ? [
                    "runID": "00000000000000000000000000000001", "experimentID": "1",
                    "model": .string(dress("flights-late")), "version": 2, "metrics": ["auc": 0.7031],
                ] : nil,
            cancelRequested: false, createdBy: dress("ada"))
    }

    func report(_ index: Int = 0) -> DriftReport {
        func bins(_ shift: Double) -> [FeatureDriftReport.Bin] {
            (0..<10).map { bin in
                .init(
                    label: dress("\(bin * 10)–\(bin * 10 + 10)"), baseline: 0.1,
                    current: max(0.005, 0.1 + shift * (Double(bin) - 4.5) / 50))
            } + [.init(label: "missing", baseline: 0.01, current: 0.03)]
        }
        let drift: [(String, Double, Double)] = [
            ("weather__temp", 1.8 - Double(index) * 0.2, 5), ("weather__dewp", 0.64, 3), ("weather__humid", 0.14, 1),
            ("hour", 0.02, 0.3), ("carrier", 0.004, 0.1),
            ("aircraft__year", 0.001, 0),
        ]
        return DriftReport(
            deployment: dress("flights-late"), model: dress("flights-late"), version: 2,
            at: ago(20 + Double(index) * 30), rows: 5000, from: ago(600), to: ago(20),
            features: drift.map { name, psi, shift in
                FeatureDriftReport(
                    feature: dress(name), psi: psi, ks: name == "carrier" ? nil : min(1, psi / 3),
                    ksPValue: name == "carrier" ? nil : psi > 0.1 ? 0 : 0.31,
                    baselineNullRate: 0.01, currentNullRate: 0.03, bins: bins(shift))
            })
    }

    func alert(_ id: String, isOpen: Bool) -> DriftAlert {
        DriftAlert(
            id: id, deployment: dress("flights-late"), feature: dress("weather__temp"), psi: 1.81, threshold: 0.25,
            openedAt: ago(240), closedAt: isOpen ? nil : ago(30),
            message: dress("PSI 1.81 is above 0.25"))
    }

    var dataset: Dataset {
        Dataset(
            name: dress("flights"), description: dress("departures from New York, 2013"), latestVersion: 2,
            createdAt: ago(90_000))
    }

    func version(_ number: Int) -> DatasetVersion {
        DatasetVersion(
            dataset: dress("flights"), version: number,
            schema: Schema([Field("carrier", .string), Field("dep_delay", .float64), Field("at", .timestamp)]),
            rowCount: 93_412, byteCount: 8_112_400, contentHash: String(repeating: "9f3a", count: 16),
            source: dress("flights.csv.gz"), createdAt: ago(80_000),
            createdBy: dress("ada"))
    }

    var profile: DatasetProfile {
        let delays = (0..<900).map { (row: Int) -> Double in row % 50 == 0 ? .nan : 14 * log(Double(1 + row % 97)) - 10
        }
        let times = (0..<900).map { (row: Int) -> Int64 in 1_357_000_000_000 + Int64(row) * 3_600_000 }
        let names = ["UA", "B6", "EV", "DL", "AA"].map(dress)
        let carriers = (0..<900).map { (row: Int) -> String? in row % 11 == 0 ? nil : names[row % 5] }
        return DatasetProfile(columns: [
            .init(name: dress("carrier"), profile: ColumnProfile(.string(carriers))),
            .init(name: "dep_delay", profile: ColumnProfile(.float64(delays))),
            .init(name: "at", profile: ColumnProfile(.timestamp(times))),
            .init(name: "late", profile: ColumnProfile(.bool(delays.map { $0 > 15 }))),
            .init(name: "nothing", profile: ColumnProfile(.string([String?](repeating: nil, count: 900)))),
        ])
    }

    var model: RegisteredModel {
        RegisteredModel(
            name: dress("flights-late"), description: dress("arrival more than 15 minutes late"),
            tags: [dress("task"): dress("binary")], aliases: [dress("champion"): 2],
            latestVersion: 2, createdAt: ago(3600), updatedAt: ago(60))
    }

    func modelVersion(_ number: Int) -> ModelVersion {
        ModelVersion(
            name: dress("flights-late"), version: number, source: "mlflow-artifacts:/1/x/artifacts/model",
            runID: run(1).id, stage: number == 1 ? .archived : .none,
            description: number == 1 ? dress("a first try") : "",
            tags: number == 2
                ? [
                    dress("auc"): "0.703", SemanticVersion.tag: "1.1.0",
                    SemanticVersion.reasonTag: dress(
                        "proposed minor: against version 1: `test_auc` 0.691 → 0.703 (better)"),
                ] : [SemanticVersion.tag: "1.0.0"],
            aliases: number == 2 ? [dress("champion")] : [],
            createdAt: ago(2000), updatedAt: ago(60), createdBy: dress("job/0197"))
    }

    var transitions: [ModelTransition] {
        func move(
            _ kind: ModelTransition.Kind, _ label: String, _ from: Int?, _ to: Int?, _ stage: ModelStage?,
            _ reason: String
        ) -> ModelTransition {
            ModelTransition(
                at: ago(70), actor: dress("demo"), kind: kind, label: dress(label), model: dress("flights-late"),
                fromVersion: from, toVersion: to, fromStage: stage,
                reason: reason.isEmpty ? "" : dress(reason))
        }
        return [
            move(.alias, "champion", 1, 2, nil, "test AUC 0.703 against 0.691"),
            move(.stage, "Archived", 1, 1, .some(.none), ""),
            move(.alias, "champion", nil, 1, nil, "first version"),
            move(.version, "deleted", 7, nil, .production, "trained on the wrong rows"),
            move(.model, "deleted", nil, nil, nil, ""),
        ]
    }

    var definitions: FeatureDefinitions {
        FeatureDefinitions(
            entities: [
                Entity(name: dress("origin_airport"), joinKey: dress("origin"), description: dress("EWR, JFK or LGA"))
            ],
            featureViews: [
                FeatureView(
                    name: dress("weather"), entities: [dress("origin_airport")],
                    dataset: DatasetReference(name: "weather", version: 1),
                    keyColumns: [dress("origin"): dress("station")],
                    eventTime: dress("observed_at"), ttlSeconds: 21_600, features: [dress("temp"), "humid"],
                    description: dress("hourly observations"))
            ])
    }

    var materializations: [MaterializationResult] {
        [MaterializationResult(view: dress("weather"), entityCount: 3, datasetVersion: 1, upTo: ago(900))]
    }
}
