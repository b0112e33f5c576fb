import Contracts
import Core
import Foundation
import TestSupport
import Testing

@testable import Lineage

private func ids(_ graph: LineageGraph) -> Set<String> { Set(graph.nodes.map(\.id)) }

private func arrows(_ graph: LineageGraph) -> Set<String> {
    Set(graph.edges.map { "\($0.from) \($0.kind.rawValue) \($0.to)" })
}

@Suite struct LineageWalkTests {
    private let fixture: LineageFixture

    init() throws { fixture = try LineageFixture() }

    /// The whole chain from one end to the other, and the same from each of its links.
    @Test func theChainIsFoundFromEachOfItsLinks() async throws {
        let data = try await fixture.dataset("flights")
        let run = try await fixture.run("training", reading: [try data.runInput, fixture.external("weather", "abc")])
        let model = try await fixture.model("late", by: run)
        let version = try await fixture.version("late", "models:/\(model.id)", run: run.id, model: model.id)
        try await fixture.registry.setAlias("late", alias: "champion", version: 1, reason: "")
        fixture.serving.say("late-api", "late", version.version)
        let names = [
            "dataset:flights/1", "external-dataset:weather/abc", "run:\(run.id)", "logged-model:\(model.id)",
            "model:late/1", "deployment:late-api",
        ]
        let expected: Set = [
            "dataset:flights/1 read run:\(run.id)", "external-dataset:weather/abc read run:\(run.id)",
            "run:\(run.id) made logged-model:\(model.id)", "logged-model:\(model.id) registered model:late/1",
            "model:late/1 deployed deployment:late-api",
        ]
        for name in names {
            let graph = try await fixture.graph(name)
            #expect(graph.root == name && graph.nodes[0].id == name && graph.nodes[0].distance == 0)
            #expect(graph.cuts.isEmpty)
            // A dataset's lineage does not hold what else its readers read.
            let other = name.hasPrefix("dataset:") ? names[1] : name.hasPrefix("external") ? names[0] : nil
            #expect(ids(graph) == Set(names).subtracting([other].compactMap { $0 }), "from \(name)")
            #expect(arrows(graph) == expected.filter { arrow in other.map { !arrow.hasPrefix($0) } ?? true })
            let up = try await fixture.graph(name, .upstream), down = try await fixture.graph(name, .downstream)
            #expect(ids(up).union(ids(down)) == ids(graph) && ids(up).intersection(ids(down)) == [name])
            #expect(up.nodes.allSatisfy { $0.distance <= 0 } && down.nodes.allSatisfy { $0.distance >= 0 })
        }
        let graph = try await fixture.graph("model:late@champion")
        #expect(graph.root == "model:late/1" && graph.node("model:late/1")?.detail == "@champion")
        #expect(graph.node("dataset:flights/1")?.distance == -3)
        #expect(graph.edges.first { $0.kind == .read }?.label == "training")
        for other in ["model:late", "model:late/latest", "model:late@1"] {
            #expect(try await fixture.graph(other).root == "model:late/1")
        }
        for other in ["dataset:flights", "dataset:flights@1", "dataset:flights/latest"] {
            #expect(try await fixture.graph(other).root == "dataset:flights/1")
        }
    }

    @Test func versionsOfADatasetAreToldApartByTheirContent() async throws {
        let first = try await fixture.dataset("d", "a\n1\n"), second = try await fixture.dataset("d", "a\n2\n")
        let again = try await fixture.dataset("d", "a\n1\n")
        try #require(again.version == 3 && again.contentHash == first.contentHash)
        let a = try await fixture.run("a", reading: [try first.runInput])
        let b = try await fixture.run("b", reading: [try second.runInput])
        let c = try await fixture.run("c", reading: [try again.runInput])
        // A client that names no version, only the content.
        var bare = try second.runInput
        bare.source = "{}"
        let d = try await fixture.run("d", reading: [bare])
        // Of the same name, from elsewhere.
        let e = try await fixture.run("e", reading: [fixture.external("d", "12345678")])
        #expect(try await ids(fixture.graph("dataset:d/1")) == ["dataset:d/1", "run:\(a.id)"])
        #expect(try await ids(fixture.graph("dataset:d/2")) == ["dataset:d/2", "run:\(b.id)", "run:\(d.id)"])
        #expect(try await ids(fixture.graph("dataset:d/3")) == ["dataset:d/3", "run:\(c.id)"])
        #expect(
            try await ids(fixture.graph("external-dataset:d/12345678")) == [
                "external-dataset:d/12345678", "run:\(e.id)",
            ])
    }

    @Test func evaluationsChildrenAndCopiesHangTogether() async throws {
        let parent = try await fixture.run("study")
        let child = try await fixture.run("trial", reading: [fixture.external("x", "d1")], parent: parent.id)
        let model = try await fixture.model("m", by: child)
        // It measures its own model, which is no source of it.
        try await fixture.tracking.logModelInputs(runID: child.id, modelIDs: [model.id])
        let evaluation = try await fixture.run("evaluation", reading: [fixture.external("test", "d2")])
        try await fixture.tracking.logModelInputs(runID: evaluation.id, modelIDs: [model.id])
        _ = try await fixture.version("m", "models:/\(model.id)", run: child.id, model: model.id)
        _ = try await fixture.version("prod", "models:/m/1", run: child.id, model: model.id)

        let graph = try await fixture.graph("logged-model:\(model.id)")
        #expect(
            arrows(graph) == [
                "external-dataset:x/d1 read run:\(child.id)", "run:\(child.id) made logged-model:\(model.id)",
                "logged-model:\(model.id) used run:\(evaluation.id)",
                "logged-model:\(model.id) registered model:m/1", "model:m/1 copied model:prod/1",
            ])
        let up = try await fixture.graph("run:\(parent.id)", .upstream)
        #expect(
            arrows(up) == [
                "run:\(child.id) child run:\(parent.id)", "external-dataset:x/d1 read run:\(child.id)",
            ])
        #expect(try await ids(fixture.graph("external-dataset:test/d2", .downstream)).contains("run:\(evaluation.id)"))
        #expect(try await ids(fixture.graph("external-dataset:x/d1", .downstream)).contains("run:\(parent.id)"))
    }

    /// What was registered without ids, by the address of its files.
    @Test func addressesTellWhereAVersionIsFrom() async throws {
        let run = try await fixture.run("r")
        let model = try await fixture.model("m", by: run)
        _ = try await fixture.version("by-run", "\(run.artifactURI)/model")
        _ = try await fixture.version("by-runs", "runs:/\(run.id)/model")
        _ = try await fixture.version("by-model", model.artifactURI)
        _ = try await fixture.version("foreign", "s3://b/1/0123456789abcdef0123456789abcdef/artifacts/model")
        for name in ["by-run", "by-runs"] {
            #expect(
                try await arrows(fixture.graph("model:\(name)/1", .upstream)) == [
                    "run:\(run.id) registered model:\(name)/1"
                ])
        }
        #expect(
            try await ids(fixture.graph("run:\(run.id)", .downstream)) == [
                "run:\(run.id)", "logged-model:\(model.id)", "model:by-run/1", "model:by-runs/1", "model:by-model/1",
            ])
        #expect(try await ids(fixture.graph("model:foreign/1")) == ["model:foreign/1"])
    }

    @Test func whatIsGoneIsShownAsGone() async throws {
        let run = try await fixture.run("r")
        let model = try await fixture.model("m", by: run)
        let gone = String(repeating: "0", count: 32)
        _ = try await fixture.version("m", "s3://b/x", run: gone)
        fixture.serving.say("api", "removed", 7)
        try await fixture.tracking.deleteRun(id: run.id)
        try await fixture.tracking.deleteLoggedModel(id: model.id)
        let first = try await fixture.graph("logged-model:\(model.id)")
        #expect(first.nodes.map(\.state) == [.deleted, .deleted])
        #expect(try await fixture.graph("model:m/1").node("run:\(gone)")?.state == .missing)
        #expect(try await fixture.graph("deployment:api").node("model:removed/7")?.state == .missing)
    }

    /// What points in a circle is walked once.
    @Test(arguments: [1, 8]) func circlesEnd(depth: Int) async throws {
        let a = try await fixture.run("a"), b = try await fixture.run("b", parent: a.id)
        let model = try await fixture.model("m", by: a)
        try await fixture.tracking.logModelInputs(runID: b.id, modelIDs: [model.id])
        try await fixture.tracking.log(runID: a.id, LogBatch(tags: ["mlflow.parentRunId": a.id]))
        let graph = try await fixture.graph("run:\(a.id)", depth: depth)
        #expect(ids(graph) == ["run:\(a.id)", "run:\(b.id)", "logged-model:\(model.id)"])
        #expect(
            arrows(graph) == [
                "run:\(b.id) child run:\(a.id)", "run:\(a.id) made logged-model:\(model.id)",
                "logged-model:\(model.id) used run:\(b.id)",
            ])
        #expect(graph.cuts.isEmpty)
    }

    @Test func whatIsLeftOutIsSaid() async throws {
        let data = try await fixture.dataset("d")
        var newest = ""
        for index in 0..<12 {
            let run = try await fixture.run("r\(index)", reading: [try data.runInput], at: Int64(index))
            newest = run.id
            _ = try await fixture.model("m\(index)", by: run)
        }
        let whole = try await fixture.graph("dataset:d/1", breadth: 12)
        #expect(whole.nodes.count == 25 && whole.cuts.isEmpty)
        let narrow = try await fixture.graph("dataset:d/1", breadth: 5)
        #expect(narrow.nodes.count == 11 && narrow.node("run:\(newest)") != nil)
        #expect(narrow.cuts == [.init(node: "dataset:d/1", direction: .downstream, reason: .breadth)])
        let small = try await fixture.graph("dataset:d/1", limit: 4)
        #expect(small.nodes.count == 4)
        #expect(small.cuts.contains(.init(node: "dataset:d/1", direction: .downstream, reason: .limit)))
        let shallow = try await fixture.graph("dataset:d/1", depth: 1)
        #expect(shallow.nodes.count == 13 && shallow.cuts.count == 12)
        #expect(shallow.cuts.allSatisfy { $0.reason == .depth && $0.direction == .downstream })
        #expect(try await fixture.graph("dataset:d/1", depth: 2).cuts.isEmpty)
        for bad in [
            LineageRequest(node: "run:x", depth: 0), .init(node: "run:x", limit: 5000),
            .init(node: "run:x", breadth: 0),
        ] {
            await expectError(.invalidArgument) { try await LineageWalk(fixture.sources).graph(bad) }
        }
    }

    @Test func namesThatAreNoneAndThingsThatAreNotThere() async throws {
        for bad in ["", "x", "run", "run:", "table:x", "external-dataset:x", "dataset:x/abc", ":x"] {
            await expectError(.invalidArgument) { try await fixture.graph(bad) }
        }
        for missing in [
            "run:abc", "dataset:none/1", "dataset:none", "model:none/1", "model:none@champion", "logged-model:m-none",
            "deployment:none", "external-dataset:none/d",
        ] { await expectError(.notFound) { try await fixture.graph(missing) } }
        _ = try await fixture.dataset("d")
        await expectError(.notFound, mentions: "2") { try await fixture.graph("dataset:d/2") }
    }

    @Test func namesWithSlashesAndSigns() async throws {
        let input = fixture.external("s3://b/a b.csv", "50%/x")
        let run = try await fixture.run("r", reading: [input])
        let up = try await fixture.graph("run:\(run.id)", .upstream)
        let id = try #require(up.nodes.last?.id)
        #expect(id == "external-dataset:s3://b/a b.csv/50%25%2Fx")
        #expect(try await ids(fixture.graph(id)) == [id, "run:\(run.id)"])
    }
}
