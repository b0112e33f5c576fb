import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Pages of logged models, model versions and webhooks from a real server, and the forms on them.
@Suite struct ModelPageTests {
    private func curl(_ server: ServerProcess, _ path: String, _ arguments: String...) throws -> (
        status: Int, text: String
    ) {
        let answer = try runCommand(
            "/usr/bin/env",
            ["curl", "-s", "--max-time", "60", "-H", "Accept: text/html", "-w", "\n%{http_code}"] + arguments + [
                server.url + path
            ]
        ).output
        let end = answer.lastIndex(of: "\n") ?? answer.startIndex
        return (Int(answer[end...].trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0, String(answer[..<end]))
    }

    @Test func loggedModelsAreLinkedFromRunsAndVersions() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let run = try await tracking.createRun(NewRun(experimentID: "0", name: "the maker"))
        let model = try await tracking.createLoggedModel(
            NewLoggedModel(
                experimentID: "0", name: "clf", modelType: "sklearn", sourceRunID: run.id, params: ["depth": "<i>6"]))
        let point = MetricPoint(key: "auc", value: 0.75, timestamp: run.startTime, step: 3)
        try await tracking.log(
            runID: run.id,
            LogBatch(
                metrics: [point],
                modelMetrics: [
                    LoggedModelMetric(modelID: model.id, point: point, datasetName: "june", datasetDigest: "a1b2")
                ]))
        try await tracking.logModelOutputs(runID: run.id, [ModelOutput(modelID: model.id, step: 3)])
        let folder = try ArtifactPath.path(ofURI: model.artifactURI)
        _ = try await server.remote.artifacts.put("\(folder)/MLmodel", Data("flavors: {}\n<b>".utf8))
        _ = try await server.remote.registry.createModel(name: "m 1", description: "", tags: [:])
        _ = try await server.remote.registry.createVersion(
            NewModelVersion(
                name: "m 1", source: "models:/\(model.id)", runID: run.id, modelID: model.id,
                artifactURI: model.artifactURI))

        let here = "/logged-models/\(model.id)", version = "/models/m%201/versions/1"
        #expect(
            try curl(server, "/runs/\(run.id)").text.contains(
                "<a href=\"\(here)\">clf</a></dt><dd>pending, made, step 3"))
        let page = try curl(server, here).text
        #expect(page.contains("&lt;i&gt;6") && page.contains("june") && page.contains(">0.75<"))
        #expect(page.contains("href=\"\(version)\"") && page.contains(">the maker</a>"))
        let list = try curl(server, "/experiments/0/models?filter=name%20%3D%20'clf'").text
        #expect(list.contains("<a href=\"\(here)\">clf</a>") && list.contains("auc 0.75") && list.contains("the maker"))
        let wrong = try curl(server, "/experiments/0/models?filter=%3Cb%3E")
        #expect(wrong.status == 200 && wrong.text.contains("role=\"alert\"") && !wrong.text.contains("<b>\""))
        let registered = try curl(server, version).text
        #expect(
            registered.contains("<a href=\"\(here)\">clf</a>")
                && registered.contains("href=\"\(version)/files/MLmodel\""))
        #expect(try curl(server, "/models/m%201").text.contains("<a href=\"\(version)\">1</a>"))
        for base in [here, version] {
            #expect(try curl(server, "\(base)/files/MLmodel").text.contains("flavors: {}\n&lt;b&gt;"), "\(base)")
            #expect(try curl(server, "\(base)/artifacts/MLmodel").text == "flavors: {}\n<b>", "\(base)")
            #expect(try curl(server, "\(base)/files/..%2f..%2fx").status == 400, "\(base)")
        }
        try await tracking.deleteLoggedModel(id: model.id)
        #expect(try curl(server, here).text.contains("deleted"))
        #expect(try curl(server, "/logged-models/m-nothing").status == 404)
        #expect(try curl(server, "/models/m%201/versions/7").status == 404)
        #expect(try curl(server, "/models/m%201/versions/x").status == 400)
    }

    @Test func webhooksAreAddedTestedAndRemovedByForms() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let receiver = try Receiver(status: 500)
        #expect(try curl(server, "/webhooks").text.contains("No webhook yet"))
        let fields = [
            "--data-urlencode", "name=h", "--data-urlencode", "url=\(receiver.url)/hook", "--data-urlencode",
            "secret=s3cret", "-d", "event=registered_model.created&event=model_version.created",
        ]
        func post(_ path: String, _ arguments: [String]) throws -> (status: Int, text: String) {
            let answer = try runCommand(
                "/usr/bin/env",
                ["curl", "-s", "-L", "--max-time", "60", "-H", "Accept: text/html", "-w", "\n%{http_code}"] + arguments
                    + [server.url + path]
            ).output
            let end = answer.lastIndex(of: "\n") ?? answer.startIndex
            return (Int(answer[end...].trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0, String(answer[..<end]))
        }
        for origin in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
            #expect(try post("/webhooks", fields + ["-H", origin]).status == 403)
        }
        #expect(try await server.remote.webhooks.webhooks(maxResults: 10, pageToken: nil).items.isEmpty)
        let refused = try post(
            "/webhooks", ["--data-urlencode", "name=<b>x", "--data-urlencode", "url=ftp://x", "-d", "secret=s3cret"])
        #expect(
            refused.status == 400 && refused.text.contains("role=\"alert\"")
                && refused.text.contains("value=\"&lt;b&gt;x\""))
        #expect(!refused.text.contains("s3cret"))
        let added = try post("/webhooks", fields)
        #expect(added.status == 200 && added.text.contains("registered_model.created\nmodel_version.created"))
        #expect(added.text.contains("HMAC-SHA256") && !added.text.contains("s3cret"))
        let hook = try #require(try await server.remote.webhooks.webhooks(maxResults: 10, pageToken: nil).items.first)
        let tested = try post("/webhooks/\(hook.id)/test", ["-d", ""])
        #expect(tested.status == 200 && tested.text.contains("answered with 500"))
        _ = try await server.remote.registry.createModel(name: "m", description: "", tags: [:])
        let history = try await eventually("a first try") {
            let text = try curl(server, "/webhooks/\(hook.id)").text
            return text.contains("500 ") ? text : nil
        }
        #expect(history.contains("registered_model.created") && history.contains("next try"))
        #expect(try curl(server, "/webhooks").text.contains("registered_model.created, "))
        #expect(try post("/webhooks/\(hook.id)/status", ["-d", "status=DISABLED"]).text.contains("disabled"))
        #expect(try curl(server, "/webhooks/\(hook.id)/status", "-d", "status=OFF").status == 400)
        #expect(try post("/webhooks/\(hook.id)/delete", ["-d", ""]).text.contains("No webhook yet"))
        #expect(try curl(server, "/webhooks/\(hook.id)").status == 404)
    }
}
