import Contracts
import Core
import Dashboard

extension Samples {
    /// Every page, full of data, by the name of its template.
    var pages: [(name: String, page: any DashboardPage)] {
        let traffic = TrafficView(deployment, statistics: statistics, predictions: (0..<8).map(logged), now: now)
        let prediction = Prediction(
            id: "0197f2a4c1d37001", deployment: dress("flights-late"), model: dress("flights-late"), version: 2,
            outputs: [0.2314])
        let view = definitions.featureViews[0]
        let row = OnlineFeatureResponse.Row(
            values: [
                FeatureName.column(view: view.name, feature: dress("temp")): .string(dress("39.02")),
                FeatureName.column(view: view.name, feature: "humid"): .null,
            ],
            eventTimes: [view.name: ago(900)])
        return [
            ("overview", OverviewPage(overview, now: now)), ("storage", StoragePage(storage, now: now)),
            ("experiments", ExperimentsPage([experiment], next: "/experiments?page=x", now: now)),
            (
                "experiment",
                ExperimentPage(
                    experiment, runs: runs, query: RunTableQuery(PageQuery([("sort", "metrics.test_auc")])), next: nil,
                    now: now)
            ),
            (
                "experiment-columns",
                ExperimentPage(
                    experiment, runs: runs,
                    query: RunTableQuery(
                        PageQuery([
                            ("filter", dress("metrics.test_auc > 0.5")), ("col", dress("params.num_leaves")),
                            ("col", dress("tags.note")), ("col", "datasets"), ("col", "models"), ("col", "end"),
                            ("sort", dress("params.num_leaves")), ("page", dress("x")), ("from", "101"),
                        ])), next: dress("token"), now: now)
            ),
            (
                "experiment-fault",
                ExperimentPage(
                    experiment, runs: [], query: RunTableQuery(PageQuery([("filter", dress("metrics.auc >> 3"))])),
                    next: nil, failure: filterFailure, now: now)
            ),
            ("compare", ComparePage(comparison, query: CompareQuery(compareQuery), now: now)),
            ("run", RunPage(runInputs, query: RunChartQuery { _ in nil }, now: now)),
            ("run-smooth", RunPage(runInputs, query: narrowed, now: now)),
            ("run-diff", RunDiffPage(runDiff, experiment: experiment, others: runs, now: now)),
            ("trace", TracePage(trace, experiment: experiment, now: now)),
            (
                "traces",
                TracesPage(
                    [trace.info, trace.info], experiments: [experiment], chosen: experiment.id,
                    filter: dress("status = 'OK'"), failure: nil, next: "/traces?page=x", now: now)
            ),
            (
                "traces-failed",
                TracesPage(
                    [], experiments: [experiment], chosen: nil, filter: dress("x"), failure: failure, next: nil,
                    now: now)
            ), ("datasets", DatasetsPage([dataset], now: now)),
            (
                "dataset",
                DatasetPage(
                    dataset, shown: version(2), versions: [version(2), version(1)], profile: profile,
                    preview: RowPreview(
                        columns: [dress("carrier"), "dep_delay"], rows: [[dress("UA"), "2"], [nil, "-4"]]), now: now)
            ),
            ("lineage", LineagePage(lineage, LineageRequest(node: "x"), now: now)),
            ("lineage-large", LineagePage(largeLineage, LineageRequest(node: "x"), now: now)),
            ("features", FeaturesPage(definitions, materializations: materializations)),
            (
                "feature-view",
                FeatureViewPage(
                    view, entities: definitions.entities, materialization: materializations[0],
                    keys: [dress("origin"): dress("JFK")], outcome: .found(row))
            ),
            (
                "feature-view-failed",
                FeatureViewPage(
                    view, entities: definitions.entities, materialization: nil, keys: [dress("origin"): dress("JFK")],
                    outcome: .failed(failure))
            ),
            ("models", ModelsPage([model], next: nil, now: now)),
            (
                "model",
                ModelPage(
                    model, versions: Page(items: [modelVersion(2), modelVersion(1)], nextPageToken: dress("v")),
                    history: Page(items: transitions, nextPageToken: dress("h")), deployments: [deployment], now: now)
            ),
            (
                "deployments",
                DeploymentsPage([(deployment, statistics)], openAlerts: [alert("a", isOpen: true)], now: now)
            ),
            (
                "deployment",
                DeploymentPage(
                    deployment, signature: signature, traffic: traffic, keys: [dress("tailnum")],
                    entered: [dress("carrier"): "UA", "hour": "17", dress("distance"): dress("1400")],
                    outcome: .answered(prediction),
                    now: now)
            ),
            (
                "deployment-failed",
                DeploymentPage(
                    deployment, signature: nil, signatureFailure: dress("model.json is damaged"), traffic: traffic,
                    entered: [:], outcome: .failed(failure), now: now)
            ),
            ("jobs", JobsPage(JobState.allCases.map(job), state: nil, limit: 5, now: now)),
            (
                "job",
                JobPage(
                    job(.running),
                    log: JobLogChunk(
                        text: dress("10:02:11 reading flights_training@1: 81,204 rows\n10:02:13 tree 1 of 100\n"),
                        nextOffset: 90), logIsCut: true, now: now)
            ),
            (
                "job-succeeded",
                JobPage(job(.succeeded), log: JobLogChunk(text: "", nextOffset: 0), logIsCut: false, now: now)
            ),
            ("job-failed", JobPage(job(.failed), log: JobLogChunk(text: "", nextOffset: 0), logIsCut: false, now: now)),
            (
                "monitoring",
                MonitoringPage(
                    [(deployment, report())], open: [alert("a", isOpen: true)], closed: [alert("b", isOpen: false)],
                    now: now)
            ),
            (
                "drift",
                DriftPage(
                    deployment, reports: (0..<8).map(report), alerts: [alert("a", isOpen: true)], failure: nil, now: now
                )
            ),
            ("error", ErrorPageView(failure, status: 404)),
        ] + filePages + modelPages
    }

    /// The same pages with nothing to show.
    private var storage: StorageInput {
        var input = StorageInput(), report = GarbageReport()
        (report.runs, report.points, report.traces) = (3, 120_000, 14)
        (report.artifacts, report.databaseBytes) = (ReclaimedSpace(objects: 12, bytes: 48_000_000), 7_200_000)
        input.files = [("Decisions", 4_100_000), ("Telemetry", 91_000_000)]
        input.artifacts = ReclaimedSpace(objects: 230, bytes: 910_000_000)
        input.collections = [(ago(3600), dress("ada"), report), (ago(90_000), "server", GarbageReport())]
        input.rules = [(experiment, RetentionRule(runDays: 90, traceDays: 1))]
        input.keptDeletedDays = 30
        return input
    }

    var emptyPages: [(name: String, page: any DashboardPage)] {
        var bare = run(1)
        (bare.params, bare.metrics, bare.tags, bare.inputs) = ([:], [], [:], [])
        let idle = ServingStatistics(
            deployment: "flights-late", requests: 0, rows: 0, errors: 0, logDropped: 0, requestRate: 0, latencyP50: nil,
            latencyP99: nil, perSecond: [])
        let traffic = TrafficView(deployment, statistics: idle, predictions: [], now: now)
        var fresh = model
        (fresh.latestVersion, fresh.aliases, fresh.tags, fresh.description) = (nil, [:], [:], "")
        return [
            ("overview", OverviewPage(OverviewInput(), now: now)),
            ("storage", StoragePage(StorageInput(), now: now)),
            ("experiments", ExperimentsPage([], next: nil, now: now)),
            (
                "experiment",
                ExperimentPage(experiment, runs: [], query: RunTableQuery(PageQuery()), next: nil, now: now)
            ),
            (
                "compare",
                ComparePage(CompareInputs(runs: [], experiments: [:]), query: CompareQuery(PageQuery()), now: now)
            ),
            (
                "run",
                RunPage(
                    RunInputs(
                        run: bare, experiment: experiment,
                        curves: RunCurves(families: [], curves: [:], next: nil, total: 0),
                        environment: RunEnvironment(of: bare), files: .none, importance: [], children: [],
                        parent: nil, versions: []), query: RunChartQuery { _ in nil }, now: now)
            ),
            (
                "run-diff",
                RunDiffPage(
                    RunDiff(
                        RunFacts(run: bare, environment: RunEnvironment(origin: .captured)),
                        RunFacts(run: bare, environment: RunEnvironment(origin: .captured))),
                    experiment: experiment, others: [], now: now)
            ),
            (
                "trace",
                TracePage(
                    Trace(
                        info: TraceInfo(id: "tr-0", experimentID: "1", requestTime: now, state: .unspecified), spans: []
                    ),
                    experiment: experiment, now: now)
            ),
            (
                "traces",
                TracesPage([], experiments: [], chosen: nil, filter: "", failure: nil, next: nil, now: now)
            ),
            ("datasets", DatasetsPage([], now: now)),
            (
                "dataset",
                DatasetPage(
                    dataset, shown: version(1), versions: [], profile: DatasetProfile(columns: []),
                    preview: RowPreview(columns: [], rows: []), now: now)
            ),
            ("lineage", LineagePage(nil, LineageRequest(node: ""), now: now)),
            (
                "lineage-alone",
                LineagePage(
                    LineageGraph(root: "run:x", direction: .both, nodes: [lineage.nodes[0]], edges: []),
                    LineageRequest(node: "run:x"), now: now)
            ),
            ("features", FeaturesPage(FeatureDefinitions(entities: [], featureViews: []), materializations: [])),
            (
                "feature-view",
                FeatureViewPage(
                    definitions.featureViews[0], entities: [], materialization: nil, keys: [:], outcome: .notAsked)
            ),
            ("models", ModelsPage([], next: nil, now: now)),
            (
                "model",
                ModelPage(fresh, versions: Page(items: []), history: Page(items: []), deployments: [], now: now)
            ),
            ("deployments", DeploymentsPage([], openAlerts: [], now: now)),
            (
                "deployment",
                DeploymentPage(
                    deployment, signature: ModelSignature(task: .regression, target: "delay", inputs: []),
                    traffic: traffic, entered: [:], outcome: .notTried, now: now)
            ),
            ("jobs", JobsPage([], state: nil, limit: 10, now: now)),
            ("job", JobPage(job(.queued), log: JobLogChunk(text: "", nextOffset: 0), logIsCut: false, now: now)),
            ("monitoring", MonitoringPage([(deployment, nil)], open: [], closed: [], now: now)),
            ("drift", DriftPage(deployment, reports: [], alerts: [], failure: failure, now: now)),
        ] + emptyModelPages
    }

    var filterFailure: NestboxError {
        .invalid(
            "Invalid filter, at position 13: expected one of =, !=, found `\(dress(">>"))`", hint: dress("write `>`"))
    }

    var compareQuery: PageQuery {
        PageQuery([
            ("run", runs[0].id), ("run", runs[1].id), ("smooth", "0.6"), ("log", "1"), ("x", "wall"),
            ("metric", "test_auc"), ("metric", dress("broken")), ("colour", dress("metrics.broken")), ("diff", "1"),
            ("axis", dress("params.num_leaves")), ("axis", dress("params.learner")), ("axis", "metrics.test_auc"),
        ])
    }

    var comparison: CompareInputs {
        CompareInputs(
            runs: runs, experiments: ["1": dress("flights")], missing: [dress("feed")],
            curves: [
                "test_auc": Dictionary(
                    uniqueKeysWithValues: runs.map {
                        ($0.id, MetricCurve(history("test_auc", 0.5, $0.metric("test_auc") ?? 0), atMost: 9))
                    })
            ])
    }

    var failure: NestboxError {
        NestboxError(.notFound, dress("there is no dataset named `flight`"), hint: dress("did you mean `flights`?"))
    }

    private var overview: OverviewInput {
        var input = OverviewInput()
        input.datasets = [dataset]
        input.views = definitions.featureViews
        input.materializations = materializations
        input.experiments = [experiment]
        input.runs = runs
        input.models = [model]
        input.deployments = [(deployment, statistics)]
        input.openAlerts = [alert("a", isOpen: true)]
        input.activeJobs = [job(.running), job(.queued)]
        let facts: [(String, String)] = [
            ("alert.opened", "alert/0197"), ("deployment.updated", "deployment/flights-late"),
            ("alias.moved", "model/flights-late"),
            ("model_version.created", "model/flights-late"), ("artifact.stored", "artifact/1/a/model.json"),
            ("artifact.stored", "artifact/1/a/x.json"), ("run.created", "run/00000000000000000000000000000001"),
            ("feature_view.materialized", "feature_view/weather"), ("dataset.imported", "dataset/flights"),
        ]
        input.facts = facts.enumerated().map {
            Fact(
                at: ago(Double($0.offset * 40)), kind: $0.element.0, subject: dress($0.element.1), actor: dress("demo"),
                name: $0.offset == 0 ? dress("weather__temp of flights-late") : nil)
        }
        return input
    }
}
