import Contracts
import Core
import Dashboard
import Foundation
import Testing

@Suite struct PageTests {
    let dashboard: Dashboard

    init() throws { dashboard = try Dashboard(webDirectory: nil) }

    /// Set `NESTBOX_PAGES` to a folder to look at the pages in a browser: styles and script are found beside them.
    private func keep(_ html: String, _ name: String) throws {
        guard let folder = ProcessInfo.processInfo.environment["NESTBOX_PAGES"] else { return }
        try FileManager.default.createDirectory(atPath: "\(folder)/assets", withIntermediateDirectories: true)
        for file in ["nestbox.css", "nestbox.js", "mark.svg"] {
            try Data(try #require(try dashboard.asset(file)).bytes).write(
                to: URL(fileURLWithPath: "\(folder)/assets/\(file)"))
        }
        let local = html.replacingOccurrences(of: "\"/assets/", with: "\"assets/")
        try local.write(toFile: "\(folder)/\(name).html", atomically: true, encoding: .utf8)
    }

    @Test func everyPageRendersItsData() throws {
        for (name, page) in Samples().pages {
            let html = try dashboard.html(page)
            try keep(html, name)
            try expectSound(html, name)
            #expect(html.contains("<h1>"), "\(name)")
        }
    }

    @Test func everyPageRendersWithoutData() throws {
        for (name, page) in Samples().emptyPages {
            let html = try dashboard.html(page)
            try keep(html, "\(name)-empty")
            try expectSound(html, "\(name), empty")
        }
    }

    @Test func emptyPagesSayWhichCommandComesNext() throws {
        for (name, page) in Samples().emptyPages
        where ["overview", "datasets", "features", "models", "deployments", "jobs", "drift"].contains(name) {
            let html = try dashboard.html(page)
            #expect(html.contains("<code class=\"command\" tabindex=\"0\">nestbox "), "\(name)")
        }
    }

    @Test func hostileTextNeverBecomesMarkup() throws {
        let attacks = [
            "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)", "{{{title}}}",
            "</title><script>x()</script>",
            // A quote with a combining mark is one grapheme cluster, which the template engine would not escape.
            "\"\u{301} onfocus=alert(1) autofocus x=\"\u{301}", "\u{600}\"\u{600}<b>", "a\u{0}b\u{1B}[31m",
            "javascript:alert(1)", "</textarea></pre><script>",
        ]
        for attack in attacks {
            var samples = Samples()
            samples.dress = { $0 + attack }
            for (name, page) in samples.pages {
                let html = try dashboard.html(page)
                try expectSound(html, "\(name) with \(attack)")
                // Only the layout's own script and mark may be there.
                #expect(html.components(separatedBy: "<script").count == 2, "\(name) with \(attack)")
                #expect(!html.contains("<img"), "\(name) with \(attack)")
                for (tag, attributes) in tags(html) {
                    let names = attributeNames(attributes)
                    #expect(
                        names.allSatisfy { !$0.hasPrefix("on") && $0 != "autofocus" }, "\(name): <\(tag) \(attributes)>"
                    )
                    #expect(!attributes.lowercased().contains("=\"javascript:"), "\(name): <\(tag) \(attributes)>")
                }
            }
        }
    }

    @Test func onlyMarkupMadeHereIsPrintedUnescaped() throws {
        let allowed: Set<String> = [
            "contentMarkup", "rate", "chart", "importance", "histogram", "bars", "history", "preview",
            "rowsMarkup", "tableMarkup", "parallel", "scatter",
        ]
        for path in try Dashboard.embeddedPaths() where path.hasSuffix(".mustache") {
            let text = try String(contentsOf: web.appendingPathComponent(path), encoding: .utf8)
            for piece in text.components(separatedBy: "{{{").dropFirst() {
                let name = String(piece.prefix { $0 != "}" })
                #expect(allowed.contains(name), "\(path) prints \(name) unescaped")
            }
            #expect(!text.contains("{{&"), "\(path)")
        }
    }

    @Test func runTablesSortAndNestChildren() throws {
        let samples = Samples()
        let order = RunOrdering(key: "metrics.test_auc", ascending: false).nested(samples.runs)
        #expect(order.map(\.run.name) == [9, 7, 1, 5, 4, 3, 2].map { "merry-heron-\($0)" })
        #expect(order.map(\.isChild) == [false, false, false, true, true, true, true])
        let names = RunOrdering(key: "name", ascending: true).nested(samples.runs).map(\.run.name)
        #expect(names == [1, 2, 3, 4, 5, 7, 9].map { "merry-heron-\($0)" })
        var missing = samples.run(8)
        missing.metrics = []
        for ascending in [true, false] {
            #expect(
                RunOrdering(key: "metrics.test_auc", ascending: ascending).nested([missing] + samples.runs).last?.run.id
                    == missing.id)
        }
        #expect(RunOrdering(key: "metrics.broken", ascending: true).nested(samples.runs).count == samples.runs.count)
    }

    @Test func runsThatAreEachOthersParentsStillShow() {
        let samples = Samples()
        let a = samples.run(1, parent: samples.run(2).id), b = samples.run(2, parent: samples.run(1).id),
            c = samples.run(3, parent: samples.run(3).id)
        #expect(Set(RunOrdering(key: "start", ascending: true).nested([a, b, c]).map(\.run.id)) == [a.id, b.id, c.id])
    }

    @Test func metricsOfOneFamilyShareAChart() throws {
        #expect(MetricFamily.name(of: "train_log_loss") == "log_loss")
        #expect(MetricFamily.name(of: "validation_log_loss") == "log_loss")
        #expect(MetricFamily.name(of: "val/auc") == "auc")
        #expect(MetricFamily.name(of: "auc.test") == "auc")
        #expect(MetricFamily.name(of: "test") == "test")
        #expect(MetricFamily.name(of: "latency") == "latency")
        let html = try rendered("run")
        #expect(html.contains("key k0") && html.contains("key k1"))
        #expect(html.contains("aria-label=\"log_loss by step\""))
    }

    @Test func aWaterfallNestsSpansByTheirParents() throws {
        let html = try rendered("trace")
        let order = ["answer", "retrieve", "embed", "plan", "query flights", "query flights", "summarise", "stray"]
        let names = html.components(separatedBy: "<b>").dropFirst().map { String($0.prefix { $0 != "<" }) }
        #expect(names == order)
        // The root fills the width; its child begins within it, and what failed is open and says why.
        #expect(html.contains("style=\"left:0.00%;width:100.00%\""))
        #expect(html.contains("padding-left:0.9rem\"><b>retrieve") && html.contains("padding-left:1.8rem\"><b>embed"))
        #expect(html.contains("class=\"failed\" open") && html.contains("the warehouse did not answer"))
        #expect(html.contains("aria-label=\"stray, running\""))
    }

    @Test func spansThatAreEachOthersParentsStillShow() throws {
        var trace = Samples().trace
        trace.spans[0].parentID = trace.spans[1].id
        let html = try dashboard.html(TracePage(trace, experiment: Samples().experiment, now: Samples().now))
        #expect(html.components(separatedBy: "<details").count == trace.spans.count + 1)
    }

    @Test func repeatedEventsAreOneLine() throws {
        var input = OverviewInput()
        func fact(_ kind: String, _ subject: String) -> Fact {
            Fact(at: Samples().now, kind: kind, subject: subject, actor: "ada")
        }
        input.facts = [
            fact("alert.opened", "alert/a"), fact("alert.opened", "alert/b"), fact("alias.moved", "model/m"),
            fact("alias.moved", "model/m"),
            fact("run.created", "run/00112233445566778899aabbccddeeff"),
        ]
        let html = try dashboard.html(OverviewPage(input, now: Samples().now))
        #expect(html.contains("<a href=\"/monitoring\">2 alerts</a> opened"))
        #expect(html.contains("<a href=\"/models/m\">m</a> alias moved <span class=\"soft\">×2</span>"))
        #expect(html.contains("<a href=\"/runs/00112233445566778899aabbccddeeff\">00112233</a> created"))
    }

    @Test func aPageMarksItsSectionAndItself() throws {
        let html = try dashboard.html(DatasetsPage([], now: Samples().now))
        #expect(html.contains("href=\"/datasets\" aria-current=\"page\""))
        let inner = try rendered("dataset")
        #expect(inner.contains("href=\"/datasets\" aria-current=\"true\""))
    }

    @Test func aLoggedModelShowsItsLatestMetricOfEachDataset() throws {
        let html = try rendered("logged-model")
        let rows = html.components(separatedBy: "<tr>").dropFirst(2).map { row in
            row.components(separatedBy: "<td").dropFirst().map {
                $0.drop { $0 != ">" }.dropFirst().prefix { $0 != "<" }
            }
        }
        #expect(rows.map { $0[0].trimmingCharacters(in: .whitespaces) } == ["no dataset named", "july", "june"])
        #expect(rows.map { $0[1] } == ["size", "auc", "auc"] && rows.map { $0[2] } == ["4", "0.9", "0.8"])
        #expect(html.contains("href=\"/models/flights-late/versions/2\""))
    }

    // MARK: helpers

    private func rendered(_ name: String) throws -> String {
        let page = try #require(Samples().pages.first { $0.name == name }).page
        return try dashboard.html(page)
    }

    private var web: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../web")
            .standardizedFileURL
    }

    /// No template syntax left, every tag closed in order, no value of Swift's own printing.
    private func expectSound(_ html: String, _ what: String) throws {
        #expect(!html.contains("Optional("), "\(what)")
        #expect(html.hasPrefix("<!doctype html>") && html.contains("</html>"), "\(what)")
        let alone: Set<String> = ["meta", "link", "input", "br", "!doctype", "line", "rect", "circle", "path"]
        var open: [String] = []
        for (tag, attributes) in tags(html) {
            if tag.hasPrefix("/") {
                let name = String(tag.dropFirst())
                if alone.contains(name) { continue }
                #expect(open.last == name, "\(what): </\(name)> closes <\(open.last ?? "nothing")>")
                if open.last == name { open.removeLast() } else { return }
            } else if !alone.contains(tag), !attributes.hasSuffix("/") {
                open.append(tag)
            }
        }
        #expect(open.isEmpty, "\(what): \(open) left open")
    }

    /// Tags as a browser's tokenizer sees them: from `<` and a letter, slash or exclamation mark to the next `>` outside quotes.
    private func tags(_ html: String) -> [(name: String, attributes: String)] {
        var found: [(String, String)] = []
        let scalars = Array(html.unicodeScalars)
        var at = 0
        while at < scalars.count {
            guard scalars[at] == "<", at + 1 < scalars.count,
                scalars[at + 1].properties.isAlphabetic || "/!".unicodeScalars.contains(scalars[at + 1])
            else {
                at += 1
                continue
            }
            var end = at + 1, quote: Unicode.Scalar?
            while end < scalars.count, quote != nil || scalars[end] != ">" {
                if let current = quote {
                    if scalars[end] == current { quote = nil }
                } else if scalars[end] == "\"" || scalars[end] == "'" {
                    quote = scalars[end]
                }
                end += 1
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars[(at + 1)..<end])
            let inner = String(text), name = inner.prefix { $0 != " " && $0 != "\n" }
            found.append((name.lowercased(), String(inner.dropFirst(name.count))))
            at = end + 1
        }
        return found
    }

    private func attributeNames(_ attributes: String) -> [String] {
        var names: [String] = [], name = "", quote: Unicode.Scalar?
        for scalar in attributes.unicodeScalars {
            if let current = quote {
                if scalar == current { quote = nil }
            } else if scalar == "\"" || scalar == "'" {
                quote = scalar
            } else if scalar == " " || scalar == "\n" || scalar == "/" {
                if !name.isEmpty { names.append(name) }
                name = ""
            } else {
                name.unicodeScalars.append(scalar)
            }
        }
        return (names + [name]).map { String($0.prefix { $0 != "=" }).lowercased() }
    }
}
