import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Names with the characters that queries, lists and CSV are written with, all the way from a file to a prediction.
@Suite struct ColumnNameTests {
    @Test func columnsWithPunctuationAreTrainedOnAndPredictedWith() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"), arguments: ["--monitor-interval", "3600"])
        let remote = server.remote
        let names = ["x, in metres", "a \"b\" & c=%2C+?", "où: [1]"]
        let target = "y, late"
        var generator = SeededGenerator(seed: 5)
        func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\"\"") + "\"" }
        var text = (names + [target]).map(quoted).joined(separator: ",") + "\n"
        for _ in 0..<2000 {
            let values = names.map { _ in generator.unit() }
            text += values.map { "\($0)," }.joined() + (values[0] > 0.6 || values[1] > 0.9 ? "1\n" : "0\n")
        }
        _ = try await remote.datasets.importVersion(
            DatasetImport(name: "named", format: .csv, source: "made by the test"), body: ByteStream(Data(text.utf8)))
        let recipe: JSONValue = [
            "name": "named", "dataset": "named", "target": .string(target), "task": "binary",
            "features": .array(names.map { .string($0) }), "learner": "gradient_boosting",
            "split": ["by": "seed", "seed": 1, "validation": 0.2, "test": 0.2], "parameters": ["num_trees": 20],
            "register_as": "named",
        ]
        let submitted = try await remote.jobs.train(recipe: try JSON.string(recipe))
        let job = try await eventually("the training to end") {
            let job = try await remote.jobs.job(id: submitted.id)
            return job.state.isFinal ? job : nil
        }
        #expect(job.state == .succeeded, "\(String(describing: job.error))")
        _ = try await remote.serving.deploy(DeploymentRequest(name: "named", model: "named", version: "1"))
        #expect(try await remote.serving.signature("named").inputs.map(\.name) == names)
        let rows: [[String: JSONValue]] = [0.9, 0.1].map { [names[0]: .number($0), names[1]: 0.1, names[2]: 0.5] }
        let outputs = try await remote.serving.predict("named", rows: rows).outputs
        #expect(outputs.count == 2 && outputs[0] > 0.5 && outputs[1] < 0.5)
        let page = try runCommand(
            "/usr/bin/env", ["curl", "-s", "-w", "%{http_code}", server.url + "/deployments/named"])
        #expect(page.output.contains("x, in metres") && page.output.hasSuffix("200"))
    }
}
