import Core
import Foundation
import TestSupport
import Testing

/// A value of the wrong type is named with its place, what was found and what was expected, on every endpoint alike.
@Suite struct WrongTypeTests {
    private static let point = #"{"key": "a", "value": 1, "timestamp": 1, "step": 0}"#

    /// Path, body, place, value found, what was expected.
    private static let cases: [(String, String, String, String, String)] = [
        (
            "runs/log-batch",
            #"{"run_id": "{run}", "metrics": [\#(point), \#(point), \#(point), {"key": "a", "value": "abc", "timestamp": 1}]}"#,
            "metrics[3].value", #""abc""#, "a number"
        ),
        (
            "runs/log-batch", #"{"run_id": "{run}", "metrics": [{"key": "a", "value": 1, "timestamp": 1.5}]}"#,
            "metrics[0].timestamp", "1.5", "a whole number"
        ),
        (
            "runs/log-batch", #"{"run_id": "{run}", "metrics": [\#(point), 7]}"#, "metrics[1]", "7", "an object"
        ),
        (
            "runs/log-batch",
            #"{"run_id": "{run}", "params": [{"key": "a", "value": "1"}, {"key": "b", "value": [2]}]}"#,
            "params[1].value", "[2]", "a string"
        ),
        ("runs/log-batch", #"{"run_id": "{run}", "tags": {"a": "b"}}"#, "tags", #"{"a":"b"}"#, "a list of objects"),
        (
            "runs/log-metric", #"{"run_id": "{run}", "key": "a", "value": 1, "timestamp": 1, "step": "x"}"#, "step",
            #""x""#, "a whole number"
        ),
        ("runs/create", #"{"experiment_id": "0", "tags": [{"key": 5, "value": "b"}]}"#, "tags[0].key", "5", "a string"),
        ("runs/update", #"{"run_id": "{run}", "status": "DONE"}"#, "status", #""DONE""#, "one of RUNNING"),
        ("runs/search", #"{"experiment_ids": ["0", 1.5]}"#, "experiment_ids[1]", "1.5", "a string"),
        (
            "runs/log-inputs",
            #"{"run_id": "{run}", "datasets": [{"dataset": {"name": true, "digest": "1", "source_type": "s", "source": "x"}}]}"#,
            "datasets[0].dataset.name", "true", "a string"
        ),
        (
            "logged-models/search",
            #"{"experiment_ids": ["0"], "order_by": [{"field_name": "name", "ascending": "x"}]}"#,
            "order_by[0].ascending", #""x""#, "true or false"
        ),
        (
            "registered-models/create", #"{"name": "m", "description": {"a": 1}}"#, "description", #"{"a":1}"#,
            "a string"
        ),
        (
            "webhooks", #"{"name": "h", "url": "https://h/x", "events": [{"entity": "MODEL", "action": "CREATED"}]}"#,
            "events[0].entity", #""MODEL""#, "one of REGISTERED_MODEL"
        ),
        (
            "/api/3.0/mlflow/traces",
            #"{"trace": {"trace_info": {"trace_id": "t", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}, "tags": {"a": 5}}}}"#,
            "trace.trace_info.tags.a", "5", "a string"
        ),
        (
            "/api/3.0/mlflow/traces/t/assessments",
            #"{"assessment": {"assessment_name": "a", "source": {"source_type": "ROBOT", "source_id": "x"}, "feedback": {"value": 1}}}"#,
            "assessment.source.source_type", #""ROBOT""#, "one of HUMAN"
        ),
    ]

    @Test func aValueOfTheWrongTypeIsNamedWithItsPlace() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let http = try RawHTTP(server.url)
        let api = "/api/2.0/mlflow/"
        let made = try http.send("POST", api + "runs/create", Data(#"{"experiment_id": "0"}"#.utf8))
        let run = try #require(made.json?["run"]?["info"]?["run_id"]?.stringValue)
        for (path, body, place, found, expected) in Self.cases {
            let answer = try http.send(
                "POST", path.hasPrefix("/") ? path : api + path,
                Data(body.replacingOccurrences(of: "{run}", with: run).utf8))
            let message = answer.json?["message"]?.stringValue ?? ""
            #expect(answer.status == 400 && answer.errorCode == "INVALID_PARAMETER_VALUE", "\(path): \(answer.status)")
            #expect(
                message.hasPrefix("Invalid value \(found) for parameter '\(place)' supplied: expected \(expected)"),
                "\(path): \(message)")
        }
        // Nothing of a refused request stays.
        let read = try http.send("GET", api + "runs/get?run_id=\(run)", nil).json?["run"]
        #expect(read?["info"]?["status"] == "RUNNING")
        #expect(read?["data"]?["metrics"] == nil && read?["data"]?["params"] == nil)
        let models = try http.send("GET", api + "registered-models/search", nil).json
        #expect(models?["registered_models"] == nil)
    }
}
