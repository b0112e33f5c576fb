import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// The run table and the comparison as a browser gets them from a real server.
@Suite struct RunTablePageTests {
    private func page(_ server: ServerProcess, _ path: String) throws -> (status: Int, text: String) {
        let answer = try runCommand(
            "/usr/bin/env",
            [
                "curl", "-s", "--max-time", "60", "-H", "Accept: text/html", "-w", "\n%{http_code}", server.url + path,
            ]
        ).output
        let end = answer.lastIndex(of: "\n") ?? answer.startIndex
        return (Int(answer[end...].trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0, String(answer[..<end]))
    }

    private func names(_ html: String) -> [String] {
        html.matches(of: /name="run" value="[^"]*" aria-label="Select ([^"]*)"/).map { String($0.1) }
    }

    private func link(_ html: String, _ label: String) throws -> String {
        let pattern = try Regex<(Substring, Substring)>("<a [^>]*href=\"([^\"]*)\"[^>]*>\(label)</a>")
        let match = try #require(html.firstMatch(of: pattern), "no link `\(label)`")
        return String(match.output.1).replacing("&amp;", with: "&")
    }

    /// Runs with a score that falls, a parameter, and a name each.
    private func fill(_ server: ServerProcess, _ count: Int) async throws -> (experiment: String, runs: [Run]) {
        let tracking = server.remote.tracking
        let experiment = try await tracking.createExperiment(name: "table <b>", artifactLocation: nil, tags: [:])
        var runs: [Run] = []
        for index in 0..<count {
            var new = NewRun(experimentID: experiment.id)
            new.name = String(format: "run-%03d", index)
            new.startTime = Timestamp(milliseconds: 1_700_000_000_000 + Int64(index) * 1000)
            let run = try await tracking.createRun(new)
            try await tracking.log(
                runID: run.id,
                LogBatch(
                    metrics: [
                        MetricPoint(
                            key: "val/score", value: 1 - Double(index) / 100, timestamp: run.startTime, step: 1)
                    ], params: ["formula": "=\(index)+1", "lr": "0.\(index)"]))
            runs.append(run)
        }
        return (experiment.id, runs)
    }

    @Test func pagesOfASortedAndFilteredTableHoldEachRunOnce() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let (experiment, runs) = try await fill(server, 60)
        let filter = "metrics.%60val%2Fscore%60+%3E+0.455"
        var path = "/experiments/\(experiment)?rows=25&sort=metrics.val/score&order=asc&filter=\(filter)&col=params.lr"
        var found: [String] = [], pages = 0
        while true {
            let text = try page(server, path).text
            found += names(text)
            pages += 1
            #expect(text.contains("<option value=\"25\" selected") && text.contains("checked><span>lr</span>"))
            guard text.contains("rel=\"next\"") else { break }
            path = try link(text, "Next page")
        }
        // Scores above 0.455 are those of the first 55 runs, the lowest first.
        #expect(pages == 3 && found == runs.prefix(55).map(\.name).reversed())
        #expect(try page(server, "/experiments/\(experiment)").text.contains("table &lt;b&gt;"))
    }

    @Test func whatIsWrongWithAFilterIsShownOnThePage() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let (experiment, _) = try await fill(server, 2)
        for (filter, marked) in [
            ("metrics.auc >> 1", "<mark>"), ("params.a = 'open", "<mark>"), ("nonsense.x = 1", "<mark>nonsense</mark>"),
            ("metrics.auc > 'text'", "<mark>"), ("\u{E9} = \u{1F642}", "<mark>"), ("<script>", "&lt;"),
        ] {
            let encoded = filter.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            let answer = try page(server, "/experiments/\(experiment)?filter=\(encoded)&rows=50")
            #expect(answer.status == 200 && answer.text.contains("id=\"filter-fault\""), "\(filter)")
            #expect(answer.text.contains(marked), "\(filter)")
            #expect(answer.text.contains("<option value=\"50\" selected"), "\(filter)")
        }
        // A token or an order that is none is told in the same place.
        for query in ["page=garbage", "sort=metrics.%60%22"] {
            let answer = try page(server, "/experiments/\(experiment)?\(query)")
            #expect(answer.status == 200 && answer.text.contains("id=\"filter-fault\""), "\(query)")
        }
        #expect(try page(server, "/experiments/999").status == 404)
    }

    @Test func theFileHasEveryRunOfTheFilter() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let (experiment, runs) = try await fill(server, 30)
        let text = try page(
            server, "/experiments/\(experiment)?rows=25&col=metrics.val/score&col=params.formula&sort=name&order=asc"
        ).text
        let part = try page(server, try link(text, "CSV of this page")).text
        let all = try page(server, try link(text, "CSV of all")).text
        #expect(part.components(separatedBy: "\r\n").count == 27)
        let lines = all.components(separatedBy: "\r\n")
        #expect(lines.first == "run_id,run_name,metrics.val/score,params.formula")
        #expect(lines.count == 32 && lines[1] == "\(runs[0].id),run-000,1.0,'=0+1")
        #expect(lines[30].hasPrefix("\(runs[29].id),run-029,"))
    }

    @Test func comparisonDrawsLongCurvesFromBuckets() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let (_, runs) = try await fill(server, 3)
        let tracking = server.remote.tracking
        for run in runs.prefix(2) {
            for start in stride(from: 0, to: 20_000, by: 1000) {
                let points = (start..<(start + 1000)).map { (step: Int) -> MetricPoint in
                    let value: Double = step == 12_345 ? 900 : 1 / Double(step + 1)
                    let time = run.startTime.adding(seconds: Double(step) / 10)
                    return MetricPoint(key: "loss", value: value, timestamp: time, step: Int64(step))
                }
                try await tracking.log(runID: run.id, LogBatch(metrics: points))
            }
        }
        let ids = runs.map(\.id)
        let text = try page(server, "/compare?run=\(ids[0])&run=\(ids[1])&run=\(ids[2])&run=none").text
        #expect(text.contains("Compare 3 runs") && text.contains("There is no run with id `none`."))
        #expect(text.components(separatedBy: "class=\"band").count == 3)
        // The scale reaches to the one spike, and the page stays small.
        #expect(text.contains(">1000</text>") && text.utf8.count < 100_000)
        let zoomed = try page(server, "/compare?runs=\(ids.joined(separator: ","))&from=10&to=99&smooth=0.9").text
        #expect(!zoomed.contains("class=\"band") && zoomed.contains("line faint"))
        #expect(try page(server, "/compare").text.contains("Nothing to compare"))
        #expect(try page(server, "/compare?runs=%00,'%20OR%201=1,%3Cb%3E").status == 200)
    }
}
