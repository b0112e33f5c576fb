import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Pages of runs as a browser gets them from a real server.
@Suite struct RunPageTests {
    /// The page's text and status; `--path-as-is` so that dots reach the server.
    private func page(_ server: ServerProcess, _ path: String) throws -> (status: Int, text: String) {
        let answer = try runCommand(
            "/usr/bin/env",
            [
                "curl", "-s", "--path-as-is", "--max-time", "60", "-H", "Accept: text/html", "-w", "\n%{http_code}",
                server.url + path,
            ]
        ).output
        let end = answer.lastIndex(of: "\n") ?? answer.startIndex
        return (Int(answer[end...].trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0, String(answer[..<end]))
    }

    @Test func chartsOfManyPointsAndManyMetrics() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let run = try await tracking.createRun(NewRun(experimentID: "0"))
        let points = (0..<20_000).map { index in
            let value: Double = index == 12_345 ? 900 : sin(Double(index) / 500)
            let at = Timestamp(milliseconds: run.startTime.milliseconds + Int64(index) * 100)
            return MetricPoint(key: "train/loss", value: value, timestamp: at, step: Int64(index))
        }
        for start in stride(from: 0, to: points.count, by: 1000) {
            try await tracking.log(runID: run.id, LogBatch(metrics: Array(points[start..<(start + 1000)])))
        }
        for step in 0..<2 {
            try await tracking.log(
                runID: run.id,
                LogBatch(
                    metrics: (0..<60).map {
                        MetricPoint(
                            key: "layer \($0)/norm", value: Double($0), timestamp: run.startTime, step: Int64(step))
                    }))
        }
        let first = try page(server, "/runs/\(run.id)?x=time")
        #expect(first.status == 200 && first.text.contains("Charts of metrics 1 to 24 of 61."))
        #expect(first.text.contains("layer 0/norm") && !first.text.contains("layer 30/norm</h3>"))
        #expect(first.text.components(separatedBy: "<figure").count == 25)
        #expect(first.text.contains("href=\"/runs/\(run.id)?x=time&amp;charts=24#charts\""))
        // The scale of the one chart reaches to the one spike.
        let loss = try page(server, "/runs/\(run.id)?find=LOSS&smooth=0.9").text
        #expect(loss.contains("20,000 points") && loss.contains(">1000</text>") && loss.contains("class=\"band"))
        let zoomed = try page(server, "/runs/\(run.id)?find=loss&from=10&to=99").text
        #expect(!zoomed.contains("class=\"band") && !zoomed.contains(">1000</text>") && zoomed.contains(">80</text>"))
        let last = try page(server, "/runs/\(run.id)?charts=48").text
        #expect(last.contains("Charts of metrics 49 to 61 of 61.") && !last.contains("Next charts"))
        for odd in ["find=nothing", "charts=99999999", "charts=-3", "smooth=inf&x=%00&from=x&to=9e9"] {
            #expect(try page(server, "/runs/\(run.id)?\(odd)").status == 200, "\(odd)")
        }
    }

    @Test func familyAndWhatDiffers() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let tracking = server.remote.tracking
        let parent = try await tracking.createRun(
            NewRun(experimentID: "0", name: "the parent", startTime: Timestamp(milliseconds: 1_780_000_000_000)))
        let child = try await tracking.createRun(
            NewRun(
                experimentID: "0", name: "the <i>child</i>", startTime: Timestamp(milliseconds: 1_780_000_001_000),
                tags: ["mlflow.parentRunId": parent.id, "mlflow.source.git.commit": "1f2e3d4c"]))
        try await tracking.log(runID: parent.id, LogBatch(params: ["depth": "3", "same": "1"]))
        try await tracking.log(runID: child.id, LogBatch(params: ["depth": "<b>4", "same": "1"]))
        _ = try await server.remote.registry.createModel(name: "m", description: "", tags: [:])
        _ = try await server.remote.registry.createVersion(
            NewModelVersion(name: "m", source: child.artifactURI + "/model", runID: child.id))
        let above = try page(server, "/runs/\(parent.id)").text
        #expect(above.contains("the &lt;i&gt;child&lt;/i&gt;") && !above.contains("Registered as"))
        let below = try page(server, "/runs/\(child.id)").text
        #expect(below.contains("href=\"/runs/\(child.id)/diff/\(parent.id)\""))
        #expect(below.contains("Registered as") && below.contains("1f2e3d4c"))
        let diff = try page(server, "/runs/\(child.id)/diff/\(parent.id)").text
        #expect(diff.contains("&lt;b&gt;4") && diff.contains("1f2e3d4c") && diff.contains("1 other is the same"))
        let asked = try runCommand(
            "/usr/bin/env",
            [
                "curl", "-s", "-o", "/dev/null", "-w", "%{redirect_url}",
                "\(server.url)/runs/\(child.id)/diff?other=\(parent.id)",
            ])
        #expect(asked.output == "\(server.url)/runs/\(child.id)/diff/\(parent.id)")
        #expect(try page(server, "/runs/\(child.id)/diff").status == 400)
        #expect(try page(server, "/runs/\(child.id)/diff/nothing").status == 404)
    }
}
