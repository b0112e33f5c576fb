import Contracts
import Core
import Dashboard
import Foundation
import Testing

@Suite struct RunTableTests {
    private let samples = Samples()
    private let dashboard: Dashboard

    init() throws { dashboard = try Dashboard(webDirectory: nil) }

    private func html(
        _ query: [(String, String)], _ runs: [Run]? = nil, next: String? = nil, failure: NestboxError? = nil
    ) throws -> String {
        try dashboard.html(
            ExperimentPage(
                samples.experiment, runs: runs ?? samples.runs, query: RunTableQuery(PageQuery(query)), next: next,
                failure: failure, now: samples.now))
    }

    /// The addresses that a page leads to.
    private func links(_ html: String) -> [String] {
        html.matches(of: /href="([^"]*)"/).map { String($0.1).replacing("&amp;", with: "&") }
    }

    /// Names of the table's runs from top to bottom.
    private func names(_ html: String) -> [String] {
        html.matches(of: /name="run" value="[^"]*" aria-label="Select ([^"]*)"/).map { String($0.1) }
    }

    private func heads(_ html: String) -> [String] {
        html.matches(of: /<th scope="col"[^>]*>(?:<a [^>]*>)?([^<]*)/).map { String($0.1) }
    }

    private func run(
        _ name: String, metrics: [String: Double] = [:], params: [String: String] = [:], tags: [String: String] = [:]
    ) -> Run {
        var run = samples.run(1)
        (run.id, run.name, run.params, run.tags) = (name, name, params, tags)
        run.metrics = metrics.map { MetricPoint(key: $0.key, value: $0.value, timestamp: samples.now) }
        return run
    }

    // MARK: Columns

    @Test func usualColumnsAreMetricsAndWhatDiffers() throws {
        let text = try html([])
        #expect(
            heads(text) == [
                "Run", "Status", "Started", "Duration", "test_auc", "test_log_loss", "broken", "num_leaves",
            ])
        // Two parameters are the same in every run.
        #expect(text.contains("Not shown: 2 parameters equal in all runs."))
    }

    @Test func chosenColumnsStayInEveryLink() throws {
        let text = try html(
            [
                ("col", "params.learner"), ("col", "metrics.test_auc"), ("col", "nonsense"), ("col", "metrics."),
                ("filter", "metrics.test_auc > 0"),
            ], next: "TOKEN")
        #expect(heads(text) == ["Run", "learner", "test_auc"])
        let kept = "filter=metrics.test_auc%20%3E%200"
        let all = links(text)
        let sorting = try #require(all.first { $0.contains("sort=metrics.test_auc") })
        let next = try #require(all.first { $0.contains("page=TOKEN") })
        for link in [sorting, next] {
            #expect(link.contains("col=params.learner") && link.contains("col=metrics.test_auc") && link.contains(kept))
        }
        #expect(!sorting.contains("page=") && next.contains("from=8"))
        let files = all.filter { $0.contains("/runs.csv?") }
        #expect(files.count == 2 && files.allSatisfy { $0.contains("col=params.learner") && $0.contains(kept) })
        #expect(text.contains("<input type=\"hidden\" name=\"col\" value=\"params.learner\">"))
    }

    @Test func aColumnThatNoRunHasIsEmptyAndStaysChosen() throws {
        let text = try html([("col", "metrics.val/auc"), ("col", "tags.a.b")])
        #expect(heads(text) == ["Run", "val/auc", "a.b"])
        #expect(text.contains("value=\"metrics.val/auc\" checked") && text.contains("value=\"tags.a.b\" checked"))
    }

    // MARK: Sorting and paging

    @Test func headsTurnTheOrderAround() throws {
        func order(_ query: [(String, String)], _ key: String) throws -> String {
            try #require(links(html(query)).first { $0.contains("sort=\(key)") && !$0.contains("runs.csv") })
        }
        #expect(try order([], "metrics.test_auc").hasSuffix("order=desc"))
        #expect(try order([("sort", "metrics.test_auc")], "metrics.test_auc").hasSuffix("order=asc"))
        #expect(try order([], "name").hasSuffix("order=asc"))
        #expect(try html([("sort", "metrics.test_auc")]).contains("aria-sort=\"descending\""))
    }

    @Test func runsWithoutTheValueComeLastBothWays() throws {
        let runs = [
            run("none"), run("nan", metrics: ["m": .nan]), run("low", metrics: ["m": 1]),
            run("high", metrics: ["m": .infinity]),
        ]
        #expect(try names(html([("sort", "metrics.m"), ("order", "asc")], runs)).prefix(2) == ["low", "high"])
        #expect(try names(html([("sort", "metrics.m"), ("order", "desc")], runs)).prefix(2) == ["high", "low"])
    }

    @Test func numbersInParametersSortAsNumbers() throws {
        let runs = ["9", "10", "abc", "1e-3"].map { run($0, params: ["p": $0]) }
        #expect(try names(html([("sort", "params.p"), ("order", "asc")], runs)) == ["1e-3", "9", "10", "abc"])
    }

    @Test func aPageOfALongListKeepsTheListsOrder() throws {
        let runs = ["b", "a", "c"].map { run($0) }
        #expect(try names(html([("sort", "name")], runs, next: "more")) == ["b", "a", "c"])
        let text = try html([("sort", "name"), ("page", "T1"), ("from", "101")], runs, next: "T2")
        #expect(text.contains("Runs 101 to 103, more follow"))
        #expect(links(text).contains { $0.contains("page=T2") && $0.contains("from=104") && $0.contains("sort=name") })
        #expect(links(text).contains("/experiments/1?sort=name"))
    }

    @Test func childrenFollowTheirParents() throws {
        let text = try html([("sort", "name")])
        let order = names(text)
        let parent = try #require(order.firstIndex(of: "merry-heron-1"))
        #expect(Set(order[(parent + 1)...(parent + 4)]) == Set((2...5).map { "merry-heron-\($0)" }))
        #expect(text.components(separatedBy: "<tr class=\"child\">").count == 5)
        #expect(try !html([("tree", "0")]).contains("<tr class=\"child\">"))
        // Runs that name each other as parents still have a row each.
        var one = samples.run(1, parent: samples.run(2).id)
        let two = samples.run(2, parent: one.id)
        one.name = "one"
        #expect(try names(html([], [one, two])).count == 2)
    }

    @Test func clausesAskTheStoreForTheSameOrder() {
        func clauses(_ key: String, _ ascending: Bool = false) -> [String] {
            RunOrdering(key: key, ascending: ascending).clauses
        }
        #expect(clauses("metrics.val/auc") == ["metrics.`val/auc` DESC"])
        #expect(clauses("tags.a`b", true) == ["tags.\"a`b\" ASC"])
        #expect(clauses("duration") == ["attributes.duration DESC"])
        #expect(clauses("anything else") == ["attributes.start_time DESC"])
    }

    // MARK: Filter

    @Test func aFaultIsShownWhereItIs() throws {
        let filter = "metrics.auc >> 3 and params.a = 'x'"
        let text = try html(
            [("filter", filter)], [],
            failure: .invalid("Invalid filter, at position 14: expected a value", hint: "write one"))
        #expect(text.contains("<code>metrics.auc &gt;<mark>&gt;</mark> 3 and params.a = &#39;x&#39;</code>"))
        #expect(text.contains("value=\"metrics.auc &gt;&gt; 3 and params.a = &#39;x&#39;\""))
        #expect(text.contains("aria-invalid=\"true\"") && text.contains("expected a value"))
        #expect(text.contains("write one") && !text.contains("No run matches"))
    }

    @Test func faultsAtTheEndOrWithoutAPlaceStillRead() throws {
        let end = try html(
            [("filter", "metrics.auc >")], [], failure: .invalid("Invalid filter, at position 14: it ends early"))
        #expect(end.contains("metrics.auc &gt;<mark> </mark></code>"))
        let far = try html([("filter", "é")], [], failure: .invalid("Invalid filter, at position 99999999999: odd"))
        #expect(far.contains("é<mark> </mark>"))
        // What is wrong with the order has its place in the order.
        let order = try html(
            [("filter", "a = 1")], [], failure: .invalid("Invalid order_by clause `x`, at position 1: odd"))
        #expect(!order.contains("<mark>") && order.contains("Invalid order_by clause"))
    }

    // MARK: CSV

    private func csv(_ runs: [Run], _ columns: [String]) -> [String] {
        let table = RunTable(RunTableQuery(PageQuery(columns.map { ("col", $0) })), runs: runs)
        return (table.csvHeader + table.csv(runs)).components(separatedBy: "\r\n").dropLast()
    }

    @Test func csvHasExactValues() {
        let run = run("a", metrics: ["m": 0.1 + 0.2, "n": .nan, "i": -.infinity], params: ["p": "12"])
        #expect(
            csv([run], ["metrics.m", "metrics.n", "metrics.i", "params.p", "params.none", "status"])
                == [
                    "run_id,run_name,metrics.m,metrics.n,metrics.i,params.p,params.none,status",
                    "a,a,0.30000000000000004,nan,-inf,12,,FINISHED",
                ])
    }

    @Test func csvIsQuotedAndRunsNoFormula() {
        let cases = [
            ("a \"b\", c", "\"a \"\"b\"\", c\""), ("two\nlines", "\"two\nlines\""), ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"),
            ("\t=1", "'\t=1"), ("=A1,B1", "\"'=A1,B1\""), ("-2", "-2"), ("+1e5", "+1e5"), ("-0.5", "-0.5"),
            ("plain", "plain"), ("", ""),
        ]
        for (value, written) in cases {
            let lines = csv([run("r", params: ["p": value])], ["params.p"])
            #expect(lines == ["run_id,run_name,params.p", "r,r,\(written)"], "\(value)")
        }
        // Names of columns come from users as well.
        #expect(csv([], ["params.=x"]).first == "run_id,run_name,params.=x")
        #expect(csv([run("=1")], ["status"]).last == "'=1,'=1,FINISHED")
    }
}
