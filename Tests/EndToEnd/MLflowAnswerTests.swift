import Core
import Foundation
import TestSupport
import Testing

/// Limits, wrong input and what is missing, on the routes of MLflow 3: status and error code as mlflow 3.17.2 answers,
/// taken from its server. `{run}`, `{model}`, `{other}` and `{experiment}` are made first.
@Suite struct MLflowAnswerTests {
    private struct Case {
        var method = "POST"
        var path: String
        var body: String?
        var status: Int
        /// MLflow's error code, or a part of the answer.
        var says = ""

        static func post(_ path: String, _ body: String, _ status: Int, _ says: String = "") -> Case {
            Case(path: "/api/2.0/mlflow/" + path, body: body, status: status, says: says)
        }
        static func get(_ path: String, _ status: Int, _ says: String = "") -> Case {
            Case(
                method: "GET", path: path.hasPrefix("/") ? path : "/api/2.0/mlflow/" + path, status: status, says: says)
        }
    }

    private static let invalid = "INVALID_PARAMETER_VALUE", missing = "RESOURCE_DOES_NOT_EXIST"
    private static func long(_ count: Int) -> String { String(repeating: "x", count: count) }

    private static let models: [Case] = [
        .post("logged-models", #"{"experiment_id": "{experiment}", "name": "a/b"}"#, 400, invalid),
        .post("logged-models", #"{"experiment_id": "{experiment}", "name": "a.b"}"#, 400, invalid),
        .post("logged-models", #"{"experiment_id": "{experiment}", "name": ""}"#, 200, "LOGGED_MODEL_PENDING"),
        .post("logged-models", #"{"experiment_id": "99999999"}"#, 404, missing),
        .post("logged-models", #"{"experiment_id": "abc"}"#, 400, invalid),
        .post("logged-models", #"{"name": "x"}"#, 400, "experiment_id"),
        .get("logged-models/m-00000000000000000000000000000000", 404, missing),
        .post("logged-models/{model}/params", #"{"params": []}"#, 400, "model_id"),
        .post("logged-models/search", "{}", 400, "experiment_ids"),
        .post("logged-models/search", #"{"experiment_ids": ["abc"]}"#, 400, invalid),
        .post("logged-models/search", #"{"experiment_ids": ["{experiment}"], "filter": "foo"}"#, 400, invalid),
        .post(
            "logged-models/search", #"{"experiment_ids": ["{experiment}"], "datasets": [{"dataset_digest": "a"}]}"#,
            400,
            "dataset_name"),
        .post(
            "logged-models/search", #"{"experiment_ids": ["{experiment}"], "order_by": [{"field_name": "params.a"}]}"#,
            400, invalid),
        .get("logged-models/{model}/artifacts/directories", 200, "root_uri"),
        .get("logged-models/{model}/artifacts/directories?artifact_directory_path=..", 400, invalid),
        .get("/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files", 400, "artifact_file_path"),
        .get("/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path=a", 404, missing),
        .get("/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path=%2e%2e/b", 400, invalid),
        .get("/ajax-api/2.0/mlflow/logged-models/{model}", 200, "{model}"),
        .get("logged-models/{other}", 404, missing),
        .get("logged-models/{other}?allow_deleted=true", 200, "{other}"),
        Case(method: "PATCH", path: "/api/2.0/mlflow/logged-models/{model}", body: "{}", status: 400, says: "model_id"),
        Case(
            method: "PATCH", path: "/api/2.0/mlflow/logged-models/{model}", body: #"{"model_id": "{model}"}"#,
            status: 400, says: "status"),
        Case(method: "DELETE", path: "/api/2.0/mlflow/logged-models/{model}/tags/none", status: 404, says: missing),
        .post("runs/outputs", #"{"run_id": "{run}"}"#, 400, "models"),
        .post("runs/outputs", #"{"run_id": "00000000000000000000000000000000", "models": []}"#, 404, missing),
        .post(
            "runs/log-metric", #"{"run_id": "{run}", "key": "k", "value": 1, "timestamp": 1, "model_id": "m-none"}"#,
            400, "m-none"),
        .post(
            "model-versions/create", #"{"name": "m", "source": "models:/{model}", "model_id": "{other}"}"#, 400, invalid
        ),
        .post("model-versions/create", #"{"name": "m", "source": "models:/m-none"}"#, 400, "model_id"),
        .post(
            "model-versions/create", #"{"name": "m", "source": "models:/m-none", "model_id": "m-none"}"#, 404, missing),
    ]

    private static let files: [Case] = [
        .get("/get-artifact?run_id={run}&path=none", 404, missing), .get("/get-artifact?run_id={run}", 400, "path"),
        .get("/model-versions/get-artifact?name=none&version=1&path=a", 404, missing),
        Case(path: "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=a/b.txt", body: "hey", status: 200),
        .get("/get-artifact?run_uuid={run}&path=a/b.txt", 200, "hey"),
        Case(path: "/ajax-api/2.0/mlflow/upload-artifact?path=a", body: "hey", status: 400, says: "run_uuid"),
        Case(path: "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}", body: "hey", status: 400, says: "path"),
        Case(path: "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=a", body: "", status: 400, says: "data"),
        Case(
            path: "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=../a", body: "hey", status: 400,
            says: invalid),
        .post("artifacts/presigned-upload-url", #"{"run_id": "{run}", "path": "x"}"#, 400, "mlflow-artifacts"),
        .post("artifacts/presigned-upload-url", #"{"model_id": "{model}", "path": "x"}"#, 400, "mlflow-artifacts"),
        .post("artifacts/presigned-upload-url", #"{"path": "x"}"#, 400, "Exactly one"),
        .post("artifacts/presigned-download-url", #"{"run_id": "{run}", "path": "x"}"#, 400, "mlflow-artifacts"),
        .post(
            "artifacts/presigned-download-url", #"{"run_id": "{run}", "path": "x", "expiration": 0}"#, 400, "604800"),
        .get("/api/2.0/mlflow-artifacts/presigned/x", 501, "NOT_IMPLEMENTED"),
    ]

    private static let runs: [Case] = [
        .get("metrics/get-history-bulk?run_id=000&metric_key=k", 200, #"{"metrics":[]}"#),
        .get("metrics/get-history-bulk?metric_key=k", 400, "run_id"),
        .get("metrics/get-history-bulk?run_id={run}", 400, "metric_key"),
        .get("metrics/get-history-bulk-interval?run_ids={run}&metric_key=k&max_results=2501", 400, "2500"),
        .get("metrics/get-history-bulk-interval?run_ids={run}&metric_key=k&start_step=2", 400, "both"),
        .get("metrics/get-history-bulk-interval?run_ids={run}&metric_key=k&start_step=2&end_step=1", 400, "end_step"),
        .get("metrics/get-history-bulk-interval?metric_key=k", 400, "run_ids"),
        .get("metrics/get-history-bulk-interval?run_ids=000&metric_key=k", 200, "{}"),
        .post("experiments/search-datasets", #"{"experiment_ids": []}"#, 400, "at least one"),
        .post("experiments/delete-experiment-tag", #"{"experiment_id": "{experiment}", "key": "none"}"#, 404, missing),
        .get("experiments/get?experiment_id=abc", 400, invalid),
        .post(
            "experiments/set-experiment-tag",
            #"{"experiment_id": "{experiment}", "key": "k", "value": "\#(long(20_001))"}"#, 400, "20000"),
        .post(
            "runs/log-inputs",
            #"{"run_id": "{run}", "datasets": [{"dataset": {"name": "d", "digest": "\#(long(37))", "source_type": "s", "source": "x"}}]}"#,
            400, "36"),
        .post(
            "runs/log-batch",
            #"{"run_id": "{run}", "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]}"#,
            400, "Duplicate"),
        .post(
            "runs/log-batch", #"{"run_id": "{run}", "tags": [{"key": "t", "value": "\#(long(60_000))"}]}"#, 200, "{}"),
    ]

    @Test func statusAndCodeAreMLflows() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let experiment = try await tracking.createExperiment(name: "e", artifactLocation: nil, tags: [:])
        let run = try await tracking.createRun(.init(experimentID: experiment.id))
        let model = try await tracking.createLoggedModel(.init(experimentID: experiment.id, name: "m"))
        let other = try await tracking.createLoggedModel(.init(experimentID: experiment.id, name: "n"))
        try await tracking.deleteLoggedModel(id: other.id)
        _ = try await server.remote.registry.createModel(name: "m", description: "", tags: [:])
        func fill(_ text: String) -> String {
            [("{run}", run.id), ("{model}", model.id), ("{other}", other.id), ("{experiment}", experiment.id)]
                .reduce(text) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
        }
        for item in Self.models + Self.files + Self.runs {
            var arguments = ["curl", "-s", "-w", "\n%{http_code}", "-X", item.method, server.url + fill(item.path)]
            if let body = item.body {
                let path = directory.file("body")
                try Data(fill(body).utf8).write(to: URL(fileURLWithPath: path))
                arguments += ["-H", "Content-Type: application/json", "--data-binary", "@" + path]
            }
            let answer = try runCommand("/usr/bin/env", arguments).output
            let place = "\(item.method) \(item.path) \(item.body?.prefix(200) ?? "")"
            #expect(answer.split(separator: "\n").last.flatMap { Int($0) } == item.status, "\(place): \(answer)")
            #expect(
                item.says.isEmpty || answer.contains(fill(item.says)), "\(place) does not say «\(item.says)»: \(answer)"
            )
        }
    }
}
