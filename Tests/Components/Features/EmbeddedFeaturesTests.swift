import Contracts
import Core
import Datasets
import Features
import Foundation
import Storage
import Tables
import TestSupport
import Testing

private struct Fixture {
    let directory: TemporaryDirectory
    let store: Store
    let datasets: EmbeddedDatasets
    let features: EmbeddedFeatures

    init(_ directory: TemporaryDirectory? = nil) throws {
        self.directory = try directory ?? TemporaryDirectory()
        store = try Store(in: self.directory, EmbeddedDatasets.migrations + EmbeddedFeatures.migrations)
        for name in ["datasets", "tmp"] { try DurableFile.makeDirectory(self.directory.file(name)) }
        datasets = EmbeddedDatasets(
            directory: self.directory.file("datasets"), temporary: self.directory.file("tmp"), store: store,
            ambient: .live)
        features = EmbeddedFeatures(store: store, datasets: datasets, ambient: .live)
    }

    func load(_ name: String, _ columns: [(String, Column)]) async throws {
        _ = try await datasets.save(try Table(columns), as: DatasetImport(name: name, format: .csv, source: "test"))
    }

    /// One entity by two keys, and values of every type.
    func loadStock() async throws {
        try await load(
            "stock",
            [
                ("shop", .int64([1, 1, 2, 12])), ("item", .string(["a", "b", "a", "2a"])),
                ("at", .timestamp([1000, 2000, 3000, 4000])), ("count", .int64([5, 6, 7, 8])),
                ("price", .float64([0.5, 2, .nan, -0.0], Validity([true, true, true, true]))),
                ("open", .bool([true, false, true, false], Validity([true, true, false, true]))),
                ("note", .string(["plain", "a \"quote\", and [more]", nil, ""])), ("since", .timestamp([0, 1, 2, 3])),
            ])
        _ = try await features.apply(
            FeatureDefinitions(
                entities: [Entity(name: "shop", joinKey: "shop"), Entity(name: "item", joinKey: "item")],
                featureViews: [
                    FeatureView(
                        name: "stock", entities: ["shop", "item"], dataset: DatasetReference(name: "stock"),
                        eventTime: "at",
                        features: ["count", "price", "open", "note", "since"])
                ]))
    }
}

private let everything = OnlineFeatureRequest(
    features: ["stock:count", "stock:price", "stock:open", "stock:note", "stock:since"],
    entities: [
        ["shop": "1", "item": "a"], ["shop": 1, "item": "b"], ["shop": .number(2), "item": "a"],
        ["shop": 1, "item": "2a"],
        ["shop": 12, "item": "a"], ["shop": 12, "item": "2a"],
    ])

@Test func embeddedFeaturesKeepTheContract() async throws {
    let fixture = try Fixture()
    try await checkFeatureStore(fixture.features, datasets: fixture.datasets)
}

@Test func onlineValuesAreTheSameAfterARestart() async throws {
    let directory = try TemporaryDirectory()
    let first = try Fixture(directory)
    try await first.loadStock()
    let result = try await first.features.materialize(views: [], until: nil)
    let before = try await first.features.lookup(everything)
    #expect(before.rows.map { $0.values["stock__count"] } == [5, 6, 7, .null, .null, 8])
    #expect(before.rows.map { $0.values["stock__price"] } == [.number(0.5), 2, "NaN", .null, .null, 0])
    #expect(before.rows.map { $0.values["stock__open"] } == [true, false, .null, .null, .null, false])
    #expect(
        before.rows.map { $0.values["stock__note"] } == ["plain", "a \"quote\", and [more]", .null, .null, .null, ""])
    #expect(before.rows[1].values["stock__since"] == "1970-01-01T00:00:00.001Z")
    #expect(before.rows[1].eventTimes == ["stock": Timestamp(milliseconds: 2000)])
    let definitions = try await first.features.definitions()
    try first.store.close()

    let second = try Fixture(directory)
    #expect(try await second.features.lookup(everything) == before)
    #expect(try await second.features.definitions() == definitions)
    #expect(try await second.features.materializations() == result)
}

@Test func materializingAgainReplacesAddsAndRemoves() async throws {
    let directory = try TemporaryDirectory()
    let fixture = try Fixture(directory)
    try await fixture.loadStock()
    _ = try await fixture.features.materialize(views: ["stock"], until: nil)
    try await fixture.load(
        "stock",
        [
            ("shop", .int64([1, 3])), ("item", .string(["a", "c"])), ("at", .timestamp([9000, 9000])),
            ("count", .int64([50, 60])),
            ("price", .float64([1, 1])), ("open", .bool([true, true])), ("note", .string(["new", "new"])),
            ("since", .timestamp([0, 0])),
        ])
    let request = OnlineFeatureRequest(
        features: ["stock:count"],
        entities: [["shop": 1, "item": "a"], ["shop": 1, "item": "b"], ["shop": 3, "item": "c"]])
    let results = try await fixture.features.materialize(views: ["stock"], until: nil)
    #expect(
        results == [
            MaterializationResult(view: "stock", entityCount: 2, datasetVersion: 2, upTo: Timestamp(milliseconds: 9000))
        ])
    let expected: [JSONValue?] = [50, .null, 60]
    #expect(try await fixture.features.lookup(request).rows.map { $0.values["stock__count"] } == expected)
    try fixture.store.close()
    let restarted = try Fixture(directory)
    #expect(try await restarted.features.lookup(request).rows.map { $0.values["stock__count"] } == expected)
}

@Test func aRedefinedViewMustBeMaterializedAgain() async throws {
    let fixture = try Fixture()
    try await fixture.loadStock()
    _ = try await fixture.features.materialize(views: ["stock"], until: nil)
    // The same definitions change nothing.
    let definitions = try await fixture.features.definitions()
    _ = try await fixture.features.apply(definitions)
    #expect(try await fixture.features.lookup(everything).rows.count == 6)

    var changed = definitions
    changed.featureViews[0].features = ["price"]
    _ = try await fixture.features.apply(changed)
    #expect(try await fixture.features.materializations().isEmpty)
    let request = OnlineFeatureRequest(features: ["stock:price"], entities: [["shop": 1, "item": "a"]])
    let error = await #expect(throws: NestboxError.self) { try await fixture.features.lookup(request) }
    #expect(error?.code == .conflict)
    _ = try await fixture.features.materialize(views: ["stock"], until: nil)
    #expect(try await fixture.features.lookup(request).rows[0].values == ["stock__price": .number(0.5)])
}

@Test func everyChangeOfFeaturesIsAnEvent() async throws {
    let fixture = try Fixture()
    try await fixture.loadStock()
    _ = try await fixture.features.apply(try await fixture.features.definitions())
    _ = try await fixture.features.materialize(views: [], until: nil)
    let events = try await fixture.store.eventLog().filter { !$0.kind.hasPrefix("dataset") }
    #expect(events.map(\.kind) == ["features.applied", "feature_view.materialized"])
    #expect(events.last?.subject == "feature_view/stock" && events.last?.data["entities"] == 4)
}

@Test func changesAtTheSameTimeLeaveMemoryAndDiskInAgreement() async throws {
    let directory = try TemporaryDirectory()
    let fixture = try Fixture(directory)
    try await fixture.loadStock()
    let definitions = try await fixture.features.definitions()
    try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<12 {
            group.addTask {
                switch index % 3 {
                case 0:
                    _ = try await fixture.features.materialize(
                        views: [], until: Timestamp(milliseconds: Int64(index) * 400))
                case 1: _ = try await fixture.features.materialize(views: ["stock"], until: nil)
                default:
                    var other = definitions
                    other.featureViews[0].description = "number \(index)"
                    _ = try await fixture.features.apply(other)
                }
            }
        }
        try await group.waitForAll()
    }
    let results = try await fixture.features.materialize(views: [], until: nil)
    let answer = try await fixture.features.lookup(everything)
    #expect(results[0].entityCount == 4)
    try fixture.store.close()
    let restarted = try Fixture(directory)
    #expect(try await restarted.features.lookup(everything) == answer)
}
