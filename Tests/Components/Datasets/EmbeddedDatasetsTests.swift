import Contracts
import Core
import Datasets
import Foundation
import GRDB
import Storage
import Synchronization
import Tables
import TestSupport
import Testing

/// Embedded datasets over a fresh directory.
private struct Fixture {
    let directory: TemporaryDirectory
    let store: Store
    let datasets: EmbeddedDatasets

    init(_ directory: TemporaryDirectory? = nil, importMemory: Int = 1 << 30) throws {
        self.directory = try directory ?? TemporaryDirectory()
        store = try Store(in: self.directory, EmbeddedDatasets.migrations)
        for name in ["datasets", "tmp"] { try DurableFile.makeDirectory(self.directory.file(name)) }
        datasets = EmbeddedDatasets(
            directory: self.directory.file("datasets"), temporary: self.directory.file("tmp"), store: store,
            ambient: .live, importMemory: importMemory)
    }

    func importing(_ csv: String, as name: String = "flights") async throws -> DatasetVersion {
        try await datasets.importVersion(
            DatasetImport(name: name, format: .csv, source: "test"), body: ByteStream(Data(csv.utf8)))
    }

    /// Everything below `datasets` and `tmp`.
    var files: [String] { directory.files.filter { $0.hasPrefix("datasets/") || $0.hasPrefix("tmp/") } }
}

@Test func embeddedDatasetsKeepTheContract() async throws {
    let fixture = try Fixture()
    try await checkDatasetStore(fixture.datasets)
    #expect(fixture.files.allSatisfy { !$0.hasPrefix("tmp/") })
}

/// 115 bytes of bzip2 that are 100 MiB of line ends, and text whose columns need more than they may.
@Test func whatExpandsBeyondTheLimitIsRefusedWhole() async throws {
    let fixture = try Fixture(importMemory: 4 << 20)
    let packed =
        "QlpoOTFBWSZTWVdbjnoFfjhBAIAQIAAACCAAUGYE1I3EVAS6kkgqrahUBLzFBWSZTWStxu3EBX45AAIAQAAggADCATUZCoCWpCoCXMUFZJlNZINLbuQBkBsQ"
        + "AgBAIAAAIIAAwzAUpppQCLYVAIvF3JFOFCQK1+UsgA=="
    let bomb = try #require(Data(base64Encoded: packed))
    let wide = Data((["a,b,c"] + Array(repeating: "1,2.5,true", count: 300_000)).joined(separator: "\n").utf8)
    for (body, says) in [(bomb, "expands to more than 16777216 bytes"), (wide, "the limit is 4,194,304")] {
        let error = await #expect(throws: NestboxError.self) {
            try await fixture.datasets.importVersion(
                DatasetImport(name: "bomb", format: .csv, source: "test"), body: ByteStream(body))
        }
        #expect(
            error?.code == .payloadTooLarge && error?.message.contains(says) == true, "\(String(describing: error))")
        #expect(error?.hint?.contains("--import-memory") == true)
    }
    #expect(fixture.files.isEmpty)
    #expect(try await fixture.datasets.datasets().isEmpty)
    #expect(try await fixture.importing("a\n1\n").rowCount == 1)
}

@Test func aFailedImportLeavesNoFileAndNoRow() async throws {
    let fixture = try Fixture()
    await #expect(throws: NestboxError.self) { try await fixture.importing("a,b\n1\n") }
    struct Broken: Error {}
    let calls = Mutex(0)
    let body = ByteStream {
        if calls.withLock({
            $0 += 1; return $0
        }) > 3 {
            throw Broken()
        }
        return [UInt8](repeating: UInt8(ascii: "a"), count: 800_000)
    }
    await #expect(throws: Broken.self) {
        try await fixture.datasets.importVersion(DatasetImport(name: "cut", format: .csv, source: "test"), body: body)
    }
    #expect(fixture.files.isEmpty)
    #expect(try await fixture.datasets.datasets().isEmpty)
    #expect(try await fixture.store.eventLog().isEmpty)
}

@Test func aVersionWhoseRowCannotBeWrittenLeavesNoFolder() async throws {
    let fixture = try Fixture()
    _ = try await fixture.importing("a\n1\n")
    let before = fixture.files
    try await fixture.store.write { context in
        try context.db.execute(
            sql: "CREATE TRIGGER refuse BEFORE INSERT ON datasets_versions BEGIN SELECT RAISE(ABORT, 'full'); END")
    }
    await #expect(throws: NestboxError.self) { try await fixture.importing("a\n2\n") }
    await #expect(throws: NestboxError.self) { try await fixture.importing("a\n2\n", as: "other") }
    #expect(fixture.files == before)
    try await fixture.store.write { try $0.db.execute(sql: "DROP TRIGGER refuse") }
    #expect(try await fixture.importing("a\n2\n").version == 2)
}

@Test func recoveryRemovesWhatAKilledImportLeftAndNothingElse() async throws {
    let fixture = try Fixture()
    _ = try await fixture.importing("a\n1\n")
    let before = fixture.files
    for folder in ["flights/2", "never/1"] {
        try DurableFile.makeDirectory(fixture.directory.file("datasets/\(folder)"))
        try DurableFile.write(Data("a\n".utf8), to: fixture.directory.file("datasets/\(folder)/data.csv"))
    }
    try await fixture.datasets.recover()
    #expect(fixture.files == before)
    #expect(try await fixture.importing("a\n2\n").version == 2)
}

@Test func aLeftoverFolderDoesNotStopTheNextImport() async throws {
    let fixture = try Fixture()
    try DurableFile.makeDirectory(fixture.directory.file("datasets/flights/1"))
    try DurableFile.write(Data("old".utf8), to: fixture.directory.file("datasets/flights/1/data.csv"))
    #expect(try await fixture.importing("a\n1\n").version == 1)
    #expect(
        try await fixture.datasets.table(DatasetReference(name: "flights"), columns: nil).column("a") == .int64([1]))
}

@Test func aDamagedFileIsNotReadAsData() async throws {
    let directory = try TemporaryDirectory()
    let reference = DatasetReference(name: "flights")
    for damage in ["a\n1\n3\n", "a\n1\n", "a\n1\nx\n", ""] {
        let fixture = try Fixture(directory)
        _ = try await fixture.importing("a\n1\n2\n")
        let path = directory.file("datasets/flights/1/data.csv")
        let whole = try Data(contentsOf: URL(filePath: path))
        try Data(damage.utf8).write(to: URL(filePath: path))
        let error = await #expect(throws: NestboxError.self) {
            try await fixture.datasets.table(reference, columns: nil)
        }
        #expect(error?.code == .internalError && error?.message.contains("`flights@1`") == true)
        // What was damaged is not remembered.
        try whole.write(to: URL(filePath: path))
        #expect(try await fixture.datasets.table(reference, columns: nil).rowCount == 2)
        try fixture.store.close()
    }
}

@Test func everyVersionIsOneEventOfItsCaller() async throws {
    let fixture = try Fixture()
    let version = try await Caller.$name.withValue("ada") { try await fixture.importing("a\n1\n") }
    _ = try await fixture.importing("a\n1\n")
    #expect(version.createdBy == "ada")
    let events = try await fixture.store.eventLog()
    #expect(events.map(\.kind) == ["dataset.imported"])
    #expect(events.first?.subject == "dataset/flights" && events.first?.actor == "ada")
    #expect(events.first?.data["version"] == 1)
}

@Test func versionsSurviveARestart() async throws {
    let directory = try TemporaryDirectory()
    let first = try Fixture(directory)
    let version = try await first.importing("a,b\n1,x\n,y\n")
    let profile = try await first.datasets.profile(DatasetReference(name: "flights"))
    try first.store.close()
    let second = try Fixture(directory)
    try await second.datasets.recover()
    #expect(try await second.datasets.version(DatasetReference(name: "flights")) == version)
    #expect(
        try await second.datasets.profile(DatasetReference(name: "flights")).columns.map(\.profile)
            == profile.columns.map(\.profile))
    #expect(
        try await second.datasets.table(DatasetReference(name: "flights"), columns: ["b"]).column("b")
            == .string(["x", "y"]))
    #expect(try await second.importing("a,b\n1,x\n,y\n") == version)
}
