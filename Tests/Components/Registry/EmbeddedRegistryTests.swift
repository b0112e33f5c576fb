import Contracts
import Core
import Registry
import Storage
import TestSupport
import Testing

struct EmbeddedRegistryTests {
    private let directory: TemporaryDirectory
    private let store: Store
    private let registry: EmbeddedRegistry

    init() throws {
        directory = try TemporaryDirectory()
        store = try Store(in: directory, EmbeddedRegistry.migrations)
        registry = EmbeddedRegistry(store: store, ambient: .live)
    }

    @Test func keepsTheContract() async throws { try await checkRegistry(registry) }

    @Test func aVersionKnowsItsLoggedModelAndWhereItsFilesLie() async throws {
        _ = try await registry.createModel(name: "m", description: "", tags: [:])
        let made = try await registry.createVersion(
            NewModelVersion(
                name: "m", source: "models:/m-1", runID: "r", modelID: "m-1",
                artifactURI: "mlflow-artifacts:/1/models/m-1"))
        #expect(made.source == "models:/m-1" && made.modelID == "m-1")
        #expect(made.artifactURI == "mlflow-artifacts:/1/models/m-1")
        #expect(try await registry.version("m", 1) == made)
        let plain = try await registry.createVersion(NewModelVersion(name: "m", source: "s3://b/x", runID: nil))
        #expect(plain.artifactURI == "s3://b/x" && plain.modelID == nil)
    }

    @Test func hundredVersionsMadeAtOnceGetHundredNumbers() async throws {
        _ = try await registry.createModel(name: "m", description: "", tags: [:])
        let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await registry.createVersion(NewModelVersion(name: "m", source: "s", runID: nil)).version
                }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(numbers == Set(1...100))
    }

    @Test func aliasMovedByManyAtOnceHasAnUnbrokenHistory() async throws {
        _ = try await registry.createModel(name: "m", description: "", tags: [:])
        for _ in 0..<5 { _ = try await registry.createVersion(NewModelVersion(name: "m", source: "s", runID: nil)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<50 {
                group.addTask {
                    try await registry.setAlias("m", alias: "champion", version: index % 5 + 1, reason: "")
                }
            }
            try await group.waitForAll()
        }
        let history = try await registry.history(of: "m", .init()).items.reversed()
        var at: Int?
        for move in history {
            #expect(move.fromVersion == at)
            at = move.toVersion
        }
        #expect(try await registry.model("m").aliases["champion"] == at)
    }

    @Test func everyChangeIsAnEventOfItsActor() async throws {
        try await Caller.$name.withValue("ada") {
            _ = try await registry.createModel(name: "m", description: "", tags: [:])
            _ = try await registry.createVersion(NewModelVersion(name: "m", source: "s", runID: nil))
            try await registry.setAlias("m", alias: "champion", version: 1, reason: "best")
            _ = try await registry.transition("m", 1, to: .staging, archiveExisting: false)
            try await registry.deleteVersion("m", 1)
            try await registry.deleteModel("m")
        }
        let events = try await store.eventLog()
        #expect(
            events.map(\.kind) == [
                "model.created", "model_version.created", "alias.moved", "stage.changed", "alias.removed",
                "model_version.deleted", "model.deleted",
            ])
        #expect(events.allSatisfy { $0.actor == "ada" && $0.subject == "model/m" })
        #expect(events[2].data == ["alias": "champion", "from": .null, "to": 1, "reason": "best"])
    }

    @Test func refusedChangesRecordNothing() async throws {
        await expectError(.notFound) { try await registry.setAlias("m", alias: "champion", version: 1, reason: "") }
        _ = try await registry.createModel(name: "m", description: "", tags: [:])
        await expectError(.alreadyExists) { try await registry.createModel(name: "m", description: "", tags: [:]) }
        await expectError(.notFound) { try await registry.setAlias("m", alias: "champion", version: 1, reason: "") }
        #expect(try await store.eventLog().map(\.kind) == ["model.created"])
        #expect(try await registry.history(of: "m", .init()).items.isEmpty)
    }

    /// As a database from before there were histories by name and semantic versions.
    @Test func versionsAndMovesFromBeforeAreTakenOver() async throws {
        let directory = try TemporaryDirectory()
        let before = Array(EmbeddedRegistry.migrations.prefix { $0.id != "registry.history.1" })
        let old = try Store(in: directory, before)
        try await old.write { context in
            try context.db.execute(
                sql: """
                    INSERT INTO registry_models VALUES (1, 'm', '', 5, 0, 0), (2, 'p', '', 1, 0, 0);
                    INSERT INTO registry_model_tags VALUES (2, 'mlflow.prompt.is_prompt', 'true');
                    INSERT INTO registry_versions
                        (id, model_id, version, source, stage, description, created_at, updated_at, created_by)
                        VALUES (1, 1, 2, 's', 'None', '', 0, 0, 'ada'), (2, 2, 1, 's', 'None', '', 0, 0, 'ada'),
                            (3, 1, 5, 's', 'None', '', 0, 0, 'ada');
                    INSERT INTO registry_transitions VALUES
                        (1, 1, 7, 'ada', 'alias', 'champion', NULL, 2, NULL, 'first');
                    """)
        }
        try old.close()
        let registry = EmbeddedRegistry(store: try Store(in: directory, EmbeddedRegistry.migrations), ambient: .live)
        #expect(try await registry.version("m", 2).semantic?.description == "1.0.0")
        #expect(try await registry.version("m", 5).semantic?.description == "1.1.0")
        #expect(try await registry.version("p", 1).tags.isEmpty)
        let moves = try await registry.history(of: "m", .init()).items
        #expect(moves.map(\.reason) == ["first"] && moves.map(\.toVersion) == [2] && moves.map(\.actor) == ["ada"])
        let next = try await registry.createVersion(NewModelVersion(name: "m", source: "s", runID: nil))
        #expect(next.semantic?.description == "1.2.0")
        // What a deleted version promised is not promised again.
        try await registry.deleteVersion("m", 6)
        #expect(
            try await registry.createVersion(NewModelVersion(name: "m", source: "s", runID: nil)).semantic?.description
                == "1.3.0")
    }

    @Test func everythingIsThereAfterReopening() async throws {
        _ = try await registry.createModel(name: "m", description: "d", tags: ["t": "v"])
        let version = try await registry.createVersion(
            NewModelVersion(name: "m", source: "s", runID: "r", tags: ["k": "v"]))
        try await registry.setAlias("m", alias: "champion", version: 1, reason: "best")
        let model = try await registry.model("m"), history = try await registry.history(of: "m", .init()).items
        try store.close()
        let again = EmbeddedRegistry(store: try Store(in: directory, EmbeddedRegistry.migrations), ambient: .live)
        #expect(try await again.model("m") == model)
        #expect(try await again.history(of: "m", .init()).items == history)
        #expect(try await again.version("m", 1).tags == version.tags)
    }
}
