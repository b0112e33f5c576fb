import Contracts
import Core
import Foundation
import Logging
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Lineage

/// Keeps what it is given, or refuses it.
private final class MemoryOutbox: Outbox {
    private let state = Mutex<(messages: [OutboxMessage], position: Int64?, isFull: Bool)>(([], nil, false))

    var messages: [OutboxMessage] { state.withLock { $0.messages } }
    var position: Int64? { state.withLock { $0.position } }
    func refuse(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }

    func position(of sender: String) async throws -> Int64? { position }

    func enqueue(_ messages: [OutboxMessage], from sender: String, upTo position: Int64) async throws {
        try state.withLock { state in
            if state.isFull { throw NestboxError(.storageFull, "the disk is full") }
            state.messages += messages
            state.position = position
        }
    }

    func deliveries(to target: String, limit: Int) async throws -> [OutboxDelivery] { [] }
}

@Suite struct OpenLineageTests {
    private let fixture: LineageFixture
    private let outbox = MemoryOutbox()
    private let sender: OpenLineageSender

    init() async throws {
        fixture = try LineageFixture()
        sender = OpenLineageSender(
            store: fixture.store, outbox: outbox,
            reporter: OpenLineageReporter(fixture.sources, .init(namespace: "box", version: "9")),
            logger: Logger(label: "test"))
        try await sender.prepare()
    }

    private func events() async throws -> [JSONValue] {
        try await sender.drain()
        return try outbox.messages.map { try JSON.decode(JSONValue.self, from: $0.body) }
    }

    private func names(_ list: JSONValue?) -> [String] {
        (list?.arrayValue ?? []).map { item in
            "\(item["name"]?.stringValue ?? "?")#\(item["facets"]?["version"]?["datasetVersion"]?.stringValue ?? "")"
        }
    }

    private func end(_ run: Run, _ status: RunStatus) async throws {
        _ = try await fixture.tracking.updateRun(
            id: run.id, RunUpdate(status: status, endTime: Timestamp(milliseconds: 9_000)))
    }

    @Test func aRunIsToldFromItsStartToItsEnd() async throws {
        let data = try await fixture.dataset("flights", "a,b\n1,x\n2,y\n")
        let run = try await fixture.run("r", reading: [try data.runInput], at: 5000)
        let model = try await fixture.model("late", by: run)
        try await end(run, .finished)
        let told = try await events().filter { $0["run"] != nil }
        #expect(told.map { $0["eventType"] } == ["START", "COMPLETE"])
        let digits = Array(run.id)
        let uuid = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
        #expect(told.allSatisfy { $0["run"]?["runId"] == .string(uuid) && UUID(uuidString: uuid) != nil })
        #expect(
            told[0]["eventTime"] == "1970-01-01T00:00:05Z" && told[1]["eventTime"] == "1970-01-01T00:00:09Z")
        #expect(told[1]["job"]?["namespace"] == "box" && told[1]["job"]?["name"] == "Default")
        #expect(told[1]["producer"] == "urn:nestbox:9")
        #expect(names(told[1]["inputs"]) == ["datasets/flights#1"])
        #expect(names(told[1]["outputs"]) == ["logged-models/Default/late#\(model.id)"])
        let input = try #require(told[1]["inputs"]?.arrayValue?.first)
        #expect(
            input["facets"]?["schema"]?["fields"] == [
                ["name": "a", "type": "int64"], ["name": "b", "type": "string"],
            ])
        #expect(input["inputFacets"]?["inputStatistics"]?["rowCount"] == 2)
        #expect(input["facets"]?["dataSource"]?["uri"] == "nestbox://datasets/flights/1")
        #expect(told[1]["run"]?["facets"]?["errorMessage"] == nil)
    }

    @Test func failuresChildrenAndLateFacts() async throws {
        let parent = try await fixture.run("study")
        let child = try await fixture.run("trial", parent: parent.id)
        try await fixture.tracking.log(
            runID: child.id, LogBatch(tags: ["nestbox.error": "out of memory", "mlflow.source.name": "train.py"]))
        try await end(child, .failed)
        try await end(parent, .killed)
        try await fixture.tracking.logInputs(runID: child.id, [fixture.external("late", "d1")])
        // A new name says nothing of lineage; an ended run that is taken up again does.
        _ = try await fixture.tracking.updateRun(id: parent.id, RunUpdate(name: "other"))
        _ = try await fixture.tracking.updateRun(id: parent.id, RunUpdate(status: .running))
        let told = try await events()
        func states(_ run: Run) -> [String?] {
            told.filter { $0["run"]?["runId"] == .string(OpenLineageEvent.uuid(run.id)) }.map {
                $0["eventType"]?.stringValue
            }
        }
        #expect(states(child) == ["START", "FAIL", "OTHER"] && states(parent) == ["START", "ABORT", "RUNNING"])
        let failed = try #require(told.first { $0["eventType"] == "FAIL" })
        #expect(failed["run"]?["facets"]?["errorMessage"]?["message"] == "out of memory")
        #expect(failed["run"]?["facets"]?["errorMessage"]?["programmingLanguage"] == "PYTHON")
        #expect(failed["job"]?["name"] == "Default.child")
        let said = failed["run"]?["facets"]?["parent"]
        #expect(said?["run"]?["runId"] == .string(OpenLineageEvent.uuid(parent.id)))
        #expect(said?["job"] == ["namespace": "box", "name": "Default"])
        #expect(names(told.first { $0["eventType"] == "OTHER" }?["inputs"]) == ["/data/x.csv#d1"])
    }

    /// Everything that a run gathers before its end is told with the end, once.
    @Test func factsBeforeTheEndAreToldWithIt() async throws {
        let run = try await fixture.run("r", reading: [fixture.external("x", "d")])
        _ = try await fixture.model("m", by: run)
        try await end(run, .finished)
        #expect(try await events().map { $0["eventType"] } == ["START", "COMPLETE"])
        #expect(try await events().count == 2, "and nothing twice")
    }

    @Test func registrationsAndDeployments() async throws {
        let run = try await fixture.run("r")
        let model = try await fixture.model("m", by: run)
        try await end(run, .finished)
        _ = try await fixture.version("late", "models:/\(model.id)", run: run.id, model: model.id)
        _ = try await fixture.version("late", "\(run.artifactURI)/model", run: run.id)
        _ = try await fixture.version("prod", "models:/late/2", run: run.id)
        try await fixture.store.write { context in
            try context.record("deployment.created", "deployment/api", ["model": "late", "version": 2])
            try context.record("deployment.deleted", "deployment/api", ["model": "late", "version": 2])
        }
        let told = Array(try await events().dropFirst(2))
        #expect(
            told.map { "\($0["job"]?["name"]?.stringValue ?? "-") \($0["eventType"]?.stringValue ?? "-")" } == [
                "register.late START", "register.late COMPLETE", "Default OTHER", "register.prod START",
                "register.prod COMPLETE", "deploy.api START", "deploy.api COMPLETE", "- -",
            ])
        #expect(names(told[1]["inputs"]) == ["logged-models/Default/m#\(model.id)"])
        #expect(names(told[1]["outputs"]) == ["models/late#1"])
        #expect(told[1]["run"]?["facets"]?["parent"]?["run"]?["runId"] == .string(OpenLineageEvent.uuid(run.id)))
        #expect(told[0]["run"]?["runId"] == told[1]["run"]?["runId"])
        #expect(names(told[2]["outputs"]).contains("models/late#2"))
        #expect(names(told[4]["inputs"]) == ["models/late#2"] && names(told[4]["outputs"]) == ["models/prod#1"])
        #expect(
            names(told[6]["inputs"]) == ["models/late#2"] && names(told[6]["outputs"]) == ["deployments/api#late@2"])
        #expect(told[7]["dataset"]?["facets"]?["lifecycleStateChange"]?["lifecycleStateChange"] == "DROP")
    }

    @Test func whatHappenedBeforeTheFirstStartIsNotTold() async throws {
        let other = MemoryOutbox()
        _ = try await fixture.run("before")
        let late = OpenLineageSender(
            store: fixture.store, outbox: other,
            reporter: OpenLineageReporter(fixture.sources, .init(namespace: "box", version: "9")),
            logger: Logger(label: "test"))
        try await late.prepare()
        try await late.drain()
        #expect(other.messages.isEmpty)
        let run = try await fixture.run("after")
        try await late.prepare()
        try await late.drain()
        #expect(other.messages.count == 1 && other.messages[0].body.contains(OpenLineageEvent.uuid(run.id)))
    }

    @Test func whatCouldNotBeKeptIsToldLater() async throws {
        _ = try await fixture.run("a")
        let before = outbox.position
        outbox.refuse(true)
        await expectError(.storageFull) { try await sender.drain() }
        #expect(outbox.position == before && outbox.messages.isEmpty)
        _ = try await fixture.run("b")
        outbox.refuse(false)
        #expect(try await events().count == 2)
    }

    /// Hundreds of events that say nothing of lineage, and a run that is gone before it was told of.
    @Test func theLogIsReadToItsEnd() async throws {
        let run = try await fixture.run("r")
        for index in 0..<450 {
            try await fixture.tracking.log(runID: run.id, LogBatch(tags: ["t": "\(index)"]))
        }
        try await fixture.store.write { context in
            try context.record("run.created", "run/gone", ["experiment": "0", "name": "gone"])
        }
        let last = try await fixture.run("last")
        let told = try await events()
        #expect(told.map { $0["run"]?["runId"]?.stringValue } == [run.id, last.id].map(OpenLineageEvent.uuid))
        #expect(outbox.position ?? 0 > 450)
    }

    @Test func itListensUntilItIsStopped() async throws {
        let loop = Task { try await sender.run() }
        let run = try await fixture.run("r")
        for _ in 0..<1000 where outbox.messages.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        #expect(outbox.messages.first?.body.contains(OpenLineageEvent.uuid(run.id)) == true)
        loop.cancel()
        try await loop.value
    }

    @Test(arguments: [
        (#"{"uri": "s3://bucket/a/b.csv"}"#, "s3://bucket", "a/b.csv"),
        (#"{"uri": "s3a://bucket/a/b.csv"}"#, "s3://bucket", "a/b.csv"),
        (#"{"url": "https://user:pw@host:8443/d/x.csv?token=secret#f"}"#, "https://host:8443", "/d/x.csv"),
        (#"{"uri": "/data/x y.csv"}"#, "file", "/data/x y.csv"),
        (#"{"uri": "relative.csv"}"#, "box", "external/n"), (#"{"path": "org/name"}"#, "box", "external/n"),
        ("not json", "box", "external/n"), (#"{"tags": {"mlflow.user": "a"}}"#, "box", "external/n"),
    ])
    func datasetsFromElsewhereAreNamedByTheirPlace(source: String, namespace: String, name: String) throws {
        let datasets = OpenLineageDatasets(event: OpenLineageEvent(producer: "urn:nestbox:9"), namespace: "box")
        let input = RunInput(
            name: "n", digest: "d", sourceType: "t", source: source,
            schema: #"{"mlflow_colspec": [{"name": "x", "type": "double"}, {"type": "long"}]}"#,
            profile: #"{"num_rows": 7}"#)
        let told = datasets.dataset(input, .input)
        #expect(told["namespace"] == .string(namespace) && told["name"] == .string(name))
        #expect(told["facets"]?["schema"]?["fields"] == [["name": "x", "type": "double"]])
        #expect(told["inputFacets"]?["inputStatistics"]?["rowCount"] == 7)
        let text = try JSON.string(told)
        #expect(!text.contains("secret") && !text.contains("pw"))
    }

    @Test func repositoriesAndIDs() {
        #expect(OpenLineageReporter.address(ofRepository: "git@github.com:org/r.git") == "https://github.com/org/r.git")
        #expect(OpenLineageReporter.address(ofRepository: "https://u:p@h/r.git") == "https://h/r.git")
        #expect(OpenLineageReporter.address(ofRepository: "/srv/r") == nil)
        #expect(OpenLineageReporter.address(ofRepository: nil) == nil)
        let made = OpenLineageEvent.uuid("register/x/1")
        #expect(UUID(uuidString: made) != nil && made == OpenLineageEvent.uuid("register/x/1"))
        #expect(made != OpenLineageEvent.uuid("register/x/2"))
    }
}
