import Contracts
import Core
import Dashboard
import Foundation
import Testing

@Suite struct ComparePageTests {
    private let samples = Samples()
    private let dashboard: Dashboard

    init() throws { dashboard = try Dashboard(webDirectory: nil) }

    private func run(_ index: Int, metrics: [String: Double] = [:], params: [String: String] = [:]) -> Run {
        var run = samples.run(index)
        run.params = params
        run.metrics = metrics.map { MetricPoint(key: $0.key, value: $0.value, timestamp: samples.now, step: 9) }
        return run
    }

    private func html(
        _ runs: [Run], _ query: [(String, String)] = [], curves: [String: [String: MetricCurve]] = [:],
        missing: [String] = []
    ) throws -> String {
        try dashboard.html(
            ComparePage(
                CompareInputs(runs: runs, experiments: ["1": "flights"], missing: missing, curves: curves),
                query: CompareQuery(PageQuery(query)), now: samples.now))
    }

    private func section(_ html: String, _ name: String) -> String {
        html.components(separatedBy: "data-live=\"\(name)\"").dropFirst().first?.components(separatedBy: "</section>")
            .first ?? ""
    }

    @Test func runsAreNamedOnceAndUpToALimit() {
        let both = CompareQuery(PageQuery([("runs", "a,b,,a"), ("run", "c"), ("run", "b"), ("smooth", "0.5")]))
        #expect(both.runIDs == ["a", "b", "c"] && both.left == 0)
        #expect(both.query.address("/compare") == "/compare?smooth=0.5&runs=a%2Cb%2Cc")
        let many = CompareQuery(PageQuery([("runs", (0..<130).map { "r\($0)" }.joined(separator: ","))]))
        #expect(many.runIDs.count == ComparePage.mostRuns && many.left == 130 - ComparePage.mostRuns)
    }

    @Test func curvesAreThoseChosenOrThoseThatMoved() {
        let runs = [run(1, metrics: ["test_auc": 1, "loss": 2, "a": 1, "b": 1, "c": 1, "d": 1])]
        #expect(CompareQuery(PageQuery([])).curves(runs).count == 4)
        #expect(CompareQuery(PageQuery([])).curves(runs).first == "test_auc")
        #expect(CompareQuery(PageQuery([("metric", "d"), ("metric", "gone")])).curves(runs) == ["d"])
    }

    @Test func curvesOfAllRunsShareAChart() throws {
        let runs = (1...8).map { run($0, metrics: ["loss": 1]) }
        let curves = Dictionary(
            uniqueKeysWithValues: runs.map { run in
                let points = samples.history("loss", 2, 0.5).map { point in
                    var point = point
                    point.timestamp = run.startTime.adding(seconds: Double(point.step))
                    return point
                }
                return (run.id, MetricCurve(points, atMost: 20))
            })
        for query in [
            [], [("smooth", "0.9")], [("x", "time")], [("x", "wall")], [("log", "1")], [("x", "%"), ("smooth", "nan")],
            [("from", "9"), ("to", "-9")], [("smooth", "17"), ("from", "x")],
        ] {
            let text = try section(html(runs, query, curves: ["loss": curves]), "curves")
            #expect(text.components(separatedBy: "class=\"line s").count == 9, "\(query)")
            // The seventh run has the first one's colour, and dashes.
            #expect(text.contains("class=\"line s0 d1\""), "\(query)")
        }
        // All runs begin at zero when the axis is the time since each one's start.
        #expect(try section(html(runs, [("x", "time")], curves: ["loss": curves]), "curves").contains(">80 s</text>"))
        #expect(
            try section(html(runs, [], curves: ["loss": curves]), "curves").contains("<title>merry-heron-3</title>"))
    }

    @Test func metricsOfOnePointAreNamedNotDrawn() throws {
        let runs = [run(1, metrics: ["auc": 0.5]), run(2, metrics: ["auc": 0.6])]
        let one = MetricCurve(
            [MetricPoint(key: "auc", value: 0.5, timestamp: samples.now)], atMost: 9)
        let text = try html(runs, curves: ["auc": [runs[0].id: one, runs[1].id: one]])
        #expect(text.contains("No curve, because there is no more than one point: auc."))
    }

    @Test func onlyWhatDiffersCanBeShown() throws {
        let runs = [
            run(1, metrics: ["auc": 0.1234567891, "same": 1], params: ["lr": "1", "layers": "6"]),
            run(2, metrics: ["auc": 0.1234567892, "same": 1], params: ["lr": "1", "layers": "6", "extra": ""]),
        ]
        func rows(_ html: String) -> [String] {
            section(html, "table").matches(of: /<th scope="row"[^>]*>([^<]*)/).map { String($0.1) }
        }
        let all = try rows(html(runs)), some = try rows(html(runs, [("diff", "1")]))
        #expect(Set(["auc", "same", "lr", "layers", "extra", "status"]).isSubset(of: all))
        // Values that differ behind the digits shown differ; so does an empty text from none.
        #expect(some.contains("auc") && some.contains("extra"))
        #expect(!some.contains("same") && !some.contains("lr") && !some.contains("status"))
        #expect(try html([runs[0], runs[0]], [("diff", "1")]).contains("Nothing differs."))
    }

    @Test func theBestOfAMetricIsMarkedWhereItsNameTellsWhichEndIsGood() throws {
        let runs = [
            run(1, metrics: ["auc": 0.5, "loss": 3, "n": 1]), run(2, metrics: ["auc": 0.75, "loss": 4, "n": 2]),
            run(3, metrics: ["auc": .nan]),
        ]
        let text = try section(html(runs), "table")
        let best = text.matches(of: /class="best"[^>]*>([^<]*)/).map { String($0.1) }
        #expect(best.sorted() == ["0.75", "3"])
    }

    @Test func parallelCoordinatesTakeAnyValues() throws {
        let runs = [
            run(1, metrics: ["auc": 0.5], params: ["lr": "0.0001", "kind": "<b>", "n": "1"]),
            run(2, metrics: ["auc": .nan], params: ["lr": "0.1", "kind": "", "n": "inf"]),
            run(3, metrics: [:], params: ["kind": "x"]),
            run(4, metrics: ["auc": 0.9], params: ["lr": "0.01", "kind": "y", "n": "-5"]),
        ]
        let text = try html(runs)
        #expect(text.contains("Parallel coordinates of 4 runs") && text.contains("&lt;b&gt;"))
        #expect(section(text, "parallel").components(separatedBy: "class=\"strand\"").count >= 5)
        #expect(text.contains("without</text>"))
        let drawn = section(text, "parallel").replacing(/<title>[^<]*<\/title>|<text[^>]*>[^<]*<\/text>/, with: "")
        #expect(!drawn.lowercased().contains("nan") && !drawn.contains("\"inf"))
        // The chosen axes, in their order, and colours by the chosen metric.
        let chosen = try html(
            runs, [("axis", "params.n"), ("axis", "params.kind"), ("axis", "no"), ("colour", "metrics.auc")])
        let names = section(chosen, "parallel").matches(of: /class="name"[^>]*>([^<]*)/).map { String($0.1) }
        #expect(names == ["n", "kind"])
    }

    @Test func scatterHasADotPerRunWithBothValues() throws {
        let runs = [
            run(1, metrics: ["auc": 0.5], params: ["lr": "0.1"]), run(2, metrics: ["auc": 0.6], params: ["lr": "0.2"]),
            run(3, metrics: ["auc": .infinity], params: ["lr": "0.3"]), run(4, params: ["lr": "word"]),
        ]
        let text = try section(html(runs, [("sx", "params.lr"), ("sy", "metrics.auc")]), "scatter")
        #expect(text.components(separatedBy: "class=\"dot\"").count == 3)
        #expect(text.contains("href=\"/runs/\(runs[0].id)\""))
    }

    @Test func whatIsMissingIsSaid() throws {
        let text = try html([run(1)], [("runs", "gone")], missing: ["gone <b>"])
        #expect(text.contains("There is no run with id `gone &lt;b&gt;`."))
        #expect(try html([]).contains("Nothing to compare"))
        let many = (0..<130).map { "r\($0)" }.joined(separator: ",")
        #expect(
            try html([run(1)], [("runs", many)]).contains("A page compares at most 100 runs; 30 further ones left out.")
        )
    }
}
