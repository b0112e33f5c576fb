import Artifacts
import Contracts
import Core
import Foundation
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct DirectoryArtifactStoreTests {
    @Test func keepsTheContract() async throws {
        try await Fixture.with { try await checkArtifactStore($0.artifacts) }
    }

    @Test func equalContentsAreStoredOnce() async throws {
        try await Fixture.with { fixture in
            for index in 0..<5 { _ = try await fixture.artifacts.put("p/\(index)", Data("same".utf8)) }
            #expect(try fixture.objects().count == 1)
        }
    }

    @Test func pathsOutliveARestart() async throws {
        try await Fixture.with { fixture in
            _ = try await fixture.artifacts.put("a/b", Data("kept".utf8))
            try fixture.store.close()
            let again = try Fixture(directory: fixture.directory)
            #expect(try await again.artifacts.read("a/b") == Data("kept".utf8))
            try again.store.close()
        }
    }

    @Test func everyChangeIsAnEvent() async throws {
        try await Fixture.with { fixture in
            try await Caller.$name.withValue("ada") { _ = try await fixture.artifacts.put("a/b", Data("x".utf8)) }
            try await fixture.artifacts.delete("a")
            try await fixture.artifacts.delete("a")
            _ = try await fixture.artifacts.collectGarbage()
            let log = try await fixture.store.eventLog()
            #expect(log.map(\.kind) == ["artifact.stored", "artifact.deleted", "artifacts.collected"])
            #expect(log.map(\.subject) == ["artifact/a/b", "artifact/a", "artifacts/store"])
            #expect(log.first?.actor == "ada")
        }
    }

    @Test(arguments: [0, 300_000, 599_999]) func damagedContentsAreRefusedAtTheEndOfAWholeRead(at offset: Int)
        async throws
    {
        try await Fixture.with { fixture in
            let entry = try await fixture.artifacts.put("f", Data(repeating: 7, count: 600_000))
            let place = try fixture.place(of: entry)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: place))
            bytes[offset] ^= 1
            try bytes.write(to: URL(fileURLWithPath: place))
            var received = 0
            let error = await #expect(throws: NestboxError.self) {
                for try await chunk in try await fixture.artifacts.open("f", range: nil).body {
                    received += chunk.count
                }
            }
            #expect(error?.message == "the stored contents of `f` do not match their SHA-256")
            #expect(received < 600_000)
            // A new upload of the same contents replaces the damaged copy.
            _ = try await fixture.artifacts.put("g", Data(repeating: 7, count: 600_000))
            #expect(try await fixture.artifacts.read("f") == Data(repeating: 7, count: 600_000))
        }
    }

    @Test func shortenedAndMissingContentsAreNamed() async throws {
        try await Fixture.with { fixture in
            let entry = try await fixture.artifacts.put("f", Data("0123456789".utf8))
            let place = try fixture.place(of: entry)
            try Data("0123".utf8).write(to: URL(fileURLWithPath: place))
            let short = await #expect(throws: NestboxError.self) { try await fixture.artifacts.read("f") }
            #expect(short?.code == .internalError)
            try FileManager.default.removeItem(atPath: place)
            let missing = await #expect(throws: NestboxError.self) { try await fixture.artifacts.read("f") }
            #expect(missing?.code == .internalError)
            #expect(missing?.message == "the contents of `f` are missing from the artifact store")
        }
    }

    @Test func aFailedUploadLeavesNoTemporaryFile() async throws {
        struct Broken: Error {}
        try await Fixture.with { fixture in
            await #expect(throws: Broken.self) {
                try await fixture.artifacts.put("f", ByteStream { throw Broken() })
            }
            _ = try await fixture.artifacts.put("file", Data("x".utf8))
            await #expect(throws: NestboxError.self) { try await fixture.artifacts.put("file/below", Data("y".utf8)) }
            #expect(try fixture.temporaryFiles().isEmpty)
        }
    }

    @Test func aPlaceThatCannotBeWrittenIsAClearErrorAndTheStoreGoesOn() async throws {
        try await Fixture.with { fixture in
            let temporary = fixture.directory + "/tmp"
            _ = try await fixture.artifacts.put("before", Data("b".utf8))
            try FileManager.default.removeItem(atPath: temporary)
            let gone = await #expect(throws: NestboxError.self) { try await fixture.artifacts.put("f", Data("x".utf8)) }
            #expect(gone?.code == .unavailable)
            // A file where the contents' folder should be: the rename fails and the temporary file goes.
            try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
            let contents = fixture.directory + "/artifacts/sha256"
            try FileManager.default.moveItem(atPath: contents, toPath: contents + "-aside")
            try Data().write(to: URL(fileURLWithPath: contents))
            let blocked = await #expect(throws: NestboxError.self) {
                try await fixture.artifacts.put("f", Data("x".utf8))
            }
            #expect(blocked?.code == .unavailable)
            #expect(try fixture.temporaryFiles().isEmpty)
            try FileManager.default.removeItem(atPath: contents)
            try FileManager.default.moveItem(atPath: contents + "-aside", toPath: contents)
            _ = try await fixture.artifacts.put("f", Data("x".utf8))
            #expect(try await fixture.artifacts.read("f") == Data("x".utf8))
        }
    }

    @Test func aReadOnlyDirectoryIsUnavailable() async throws {
        // The kernel's own tree is read-only for root too.
        try await Fixture.with { fixture in
            let artifacts = DirectoryArtifactStore(
                directory: "/proc/1", temporary: fixture.directory + "/tmp", store: fixture.store, ambient: .live)
            let error = await #expect(throws: NestboxError.self) { try await artifacts.put("f", Data("x".utf8)) }
            #expect(error?.code == .unavailable)
            let temporaryFiles = try fixture.temporaryFiles()
            #expect(temporaryFiles.isEmpty)
            #expect(try await fixture.artifacts.list("").isEmpty)
        }
    }

    @Test func strayUploadsGoButLiveOnesAndStrangersStay() async throws {
        try await Fixture.with { fixture in
            let temporary = fixture.directory + "/tmp"
            try Data("stray".utf8).write(to: URL(fileURLWithPath: temporary + "/artifact-stray"))
            try Data("other".utf8).write(to: URL(fileURLWithPath: temporary + "/import-other"))
            let (gate, open) = AsyncStream.makeStream(of: Void.self)
            let first = Mutex<[UInt8]?>([UInt8](repeating: 3, count: 2 << 20))
            let body = ByteStream {
                if let chunk = first.withLock({ $0.take() }) { return chunk }
                for await _ in gate {}
                return nil
            }
            let live = Task { try await fixture.artifacts.put("live", body) }
            while try fixture.temporaryFiles().filter({ $0.hasPrefix("artifact-") }).count < 2 { await Task.yield() }
            _ = try await fixture.artifacts.collectGarbage()
            let left = try fixture.temporaryFiles()
            #expect(left.count == 2 && left.contains("import-other") && !left.contains("artifact-stray"))
            open.finish()
            let entry = try await live.value
            #expect(entry.size == 2 << 20)
            #expect(try await fixture.artifacts.read("live").count == 2 << 20)
        }
    }

    /// Uploads and deletions of the same few contents against an endless garbage collection: what was acknowledged is there.
    @Test func garbageCollectionNeverTakesWhatAnUploadHasJustStored() async throws {
        try await Fixture.with { fixture in
            let artifacts = fixture.artifacts
            try await withThrowingTaskGroup(of: Void.self) { group in
                let isDone = Atomic(false)
                async let collected: Void = {
                    while !isDone.load(ordering: .acquiring) { _ = try await artifacts.collectGarbage() }
                }()
                for writer in 0..<4 {
                    group.addTask {
                        for round in 0..<60 {
                            let data = Data("contents \(round % 3)".utf8)
                            _ = try await artifacts.put("w\(writer)", data)
                            #expect(try await artifacts.read("w\(writer)") == data)
                            try await artifacts.delete("w\(writer)")
                        }
                    }
                }
                do {
                    defer { isDone.store(true, ordering: .releasing) }
                    try await group.waitForAll()
                }
                try await collected
            }
            _ = try await artifacts.collectGarbage()
            #expect(try fixture.objects().isEmpty)
        }
    }

    @Test func manyUploadsOfTheSamePathLeaveOneWholeFile() async throws {
        try await Fixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<24 {
                    group.addTask {
                        _ = try await fixture.artifacts.put("p", Data(repeating: UInt8(index), count: 50_000))
                    }
                }
                try await group.waitForAll()
            }
            let data = try await fixture.artifacts.read("p")
            #expect(data.count == 50_000 && Set(data).count == 1)
            #expect(try await fixture.artifacts.list("").map(\.path) == ["p"])
        }
    }
}

private struct Fixture {
    let directory: String
    let store: Store
    let artifacts: DirectoryArtifactStore

    init(directory: String) throws {
        self.directory = directory
        store = try Store(
            path: directory + "/nestbox.db", durability: .full, migrations: DirectoryArtifactStore.migrations,
            events: EventHub(), ambient: .live)
        try FileManager.default.createDirectory(atPath: directory + "/tmp", withIntermediateDirectories: true)
        artifacts = DirectoryArtifactStore(
            directory: directory + "/artifacts", temporary: directory + "/tmp", store: store, ambient: .live)
    }

    static func with(_ body: (Fixture) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/nestbox-artifacts-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(try Fixture(directory: directory))
    }

    func place(of entry: ArtifactEntry) throws -> String {
        let digest = try #require(entry.digest)
        return "\(directory)/artifacts/sha256/\(digest.prefix(2))/\(digest)"
    }

    func objects() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: directory + "/artifacts/sha256").filter {
            $0.utf8.count > 60
        }
    }

    func temporaryFiles() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: directory + "/tmp") }
}
