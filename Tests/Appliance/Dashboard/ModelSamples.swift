import Contracts
import Core
import Dashboard

/// Logged models, versions and webhooks, with everything that their pages show.
extension Samples {
    var loggedModel: LoggedModel {
        func metric(_ key: String, _ value: Double, _ step: Int64, _ dataset: String?) -> LoggedModelMetric {
            LoggedModelMetric(
                modelID: "m-1", point: MetricPoint(key: dress(key), value: value, timestamp: now, step: step),
                runID: runs[1].id, datasetName: dataset.map(dress), datasetDigest: dataset.map { _ in dress("a1b2") })
        }
        return LoggedModel(
            id: "m-0123456789abcdef0123456789abcdef", experimentID: "1", name: dress("classifier"),
            modelType: dress("sklearn"), sourceRunID: runs[1].id, status: .ready, statusMessage: dress("all there"),
            artifactURI: "mlflow-artifacts:/1/models/m-1/artifacts", createdAt: ago(500), updatedAt: ago(400),
            params: [dress("depth"): dress("6")], tags: [dress("team"): dress("ops")],
            metrics: [
                metric("auc", 0.7, 1, "june"), metric("auc", 0.8, 2, "june"), metric("auc", 0.9, 1, "july"),
                metric("size", 4, 0, nil),
            ])
    }

    var webhook: Webhook {
        Webhook(
            id: "0123", name: "tell-deploy", description: dress("for the release board"),
            url: "https://example.org/" + dress("hook"),
            events: [
                .init(.modelVersion, .created), .init(.promptTag, .set), .init(.prompt, .created),
                .init(.promptTag, .deleted),
            ],
            status: .active, hasSecret: true, createdAt: ago(9000), updatedAt: ago(80))
    }

    var deliveries: [OutboxDelivery] {
        func delivery(_ state: OutboxDelivery.State, _ statuses: [Int?]) -> OutboxDelivery {
            OutboxDelivery(
                id: dress("d-1"), label: dress("model_version.created"), state: state, createdAt: ago(60),
                dueAt: state == .pending ? ago(-90) : nil, attemptCount: statuses.count + 2,
                attempts: statuses.map {
                    .init(at: ago(50), status: $0, error: $0 == 200 ? nil : dress("no"), milliseconds: 12)
                })
        }
        return [delivery(.pending, [503, nil]), delivery(.delivered, [200]), delivery(.failed, [410])]
    }

    var modelPages: [(name: String, page: any DashboardPage)] {
        var draft = WebhookDraft()
        (draft.name, draft.url, draft.description) = (dress("a b"), dress("ftp://x"), dress("why"))
        draft.events = ["prompt.created"]
        draft.failure = failure
        let result = WebhookTestResult(success: false, status: 500, body: dress("<html>broken"), error: dress("no"))
        return [
            (
                "logged-models",
                LoggedModelsPage(
                    [loggedModel], experiment: experiment, runs: [runs[1].id: runs[1].name],
                    filter: dress("name = 'x'"),
                    failure: nil, next: dress("token"), now: now)
            ),
            (
                "logged-models-failed",
                LoggedModelsPage(
                    [], experiment: experiment, runs: [:], filter: dress("x"), failure: failure, next: nil, now: now)
            ),
            (
                "logged-model",
                LoggedModelPage(
                    LoggedModelInputs(
                        model: loggedModel, experiment: experiment, run: runs[1], versions: [modelVersion(2)],
                        files: listing, hasFilesHere: true), now: now)
            ),
            (
                "model-version",
                ModelVersionPage(
                    ModelVersionInputs(
                        version: modelVersion(2), run: runs[1], loggedModel: loggedModel, deployments: [deployment],
                        transitions: transitions, files: listing, hasFilesHere: true), now: now)
            ),
            (
                "webhooks",
                WebhooksPage([webhook], last: [webhook.id: deliveries[0]], next: dress("token"), draft: draft, now: now)
            ),
            ("webhook", WebhookPage(webhook, deliveries: deliveries, hasMore: true, test: result, now: now)),
        ]
    }

    var emptyModelPages: [(name: String, page: any DashboardPage)] {
        var bare = loggedModel, quiet = webhook
        (bare.metrics, bare.params, bare.tags, bare.sourceRunID, bare.modelType) = ([], [:], [:], nil, nil)
        (quiet.status, quiet.hasSecret, quiet.description) = (.disabled, false, "")
        return [
            (
                "logged-models",
                LoggedModelsPage(
                    [], experiment: experiment, runs: [:], filter: "", failure: nil, next: nil, now: now)
            ),
            (
                "logged-model",
                LoggedModelPage(
                    LoggedModelInputs(
                        model: bare, experiment: experiment, run: nil, versions: [], files: .none, hasFilesHere: false),
                    now: now)
            ),
            (
                "model-version",
                ModelVersionPage(
                    ModelVersionInputs(
                        version: modelVersion(3), run: nil, loggedModel: nil, deployments: [], transitions: [],
                        files: .none, hasFilesHere: true), now: now)
            ),
            ("webhooks", WebhooksPage([], last: [:], next: nil, now: now)),
            ("webhook", WebhookPage(quiet, deliveries: [], hasMore: false, test: nil, now: now)),
        ]
    }
}
