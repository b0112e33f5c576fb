import Core
import Foundation
import GRDB
import Storage
import TestSupport
import Testing

@Suite struct StoreTests {
    private static let notes = Migration("notes.1") { db in
        try db.execute(sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)")
    }

    private func insert(_ store: Store, _ text: String) async throws {
        try await store.write { context in
            try context.db.execute(sql: "INSERT INTO notes (text) VALUES (?)", arguments: [text])
            try context.record("note.added", "note/\(text)", ["length": .int(Int64(text.count))])
        }
    }

    private func texts(_ store: Store) async throws -> [String] {
        try await store.read { try String.fetchAll($0, sql: "SELECT text FROM notes ORDER BY text") }
    }

    @Test func concurrentWritesAllCommitWithTheirEvents() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<500 { group.addTask { try await insert(store, "n\(index)") } }
            try await group.waitForAll()
        }
        #expect(try await texts(store).count == 500)
        let log = try await store.eventLog(limit: 1000)
        #expect(log.count == 500)
        #expect(Set(log.map(\.subject)).count == 500)
        #expect(log.map(\.id) == Array(1...500))
    }

    @Test func aFailingWriteIsUndoneAndItsNeighboursStay() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        try await insert(store, "taken")
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<40 {
                group.addTask {
                    do {
                        try await insert(store, index % 4 == 0 ? "taken" : "free\(index)")
                        return true
                    } catch {
                        return (error as? NestboxError)?.code == .conflict ? false : true
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 }.count == 30)
        #expect(try await texts(store).count == 31)
        #expect(try await store.eventLog(limit: 100).count == 31)
    }

    @Test func writeOfACancelledTaskStillCompletes() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await insert(store, "after cancellation")
        }
        task.cancel()
        try await task.value
        #expect(try await texts(store) == ["after cancellation"])
    }

    @Test func eventsCarryTheCaller() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        let live = store.events.subscribe()
        try await Caller.$name.withValue("ada") { try await insert(store, "x") }
        var iterator = live.makeAsyncIterator()
        let event = try #require(await iterator.next())
        #expect(event.actor == "ada" && event.kind == "note.added" && event.data["length"] == .int(1))
        #expect(try await store.recentEvents().map(\.actor) == ["ada"])
    }

    @Test func reopeningFindsEverything() async throws {
        let directory = try TemporaryDirectory()
        var store: Store? = try Store(in: directory, [Self.notes])
        try await insert(store!, "kept")
        try store!.close()
        store = nil
        #expect(try await texts(Store(in: directory, [Self.notes])) == ["kept"])
    }

    @Test func upgradeBacksUpFirst() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        try await insert(store, "old")
        try store.close()
        let next = Migration("notes.2") { try $0.execute(sql: "ALTER TABLE notes ADD COLUMN colour TEXT") }
        let upgraded = try Store(
            path: directory.file("test.db"), durability: .full, migrations: [Self.notes, next], events: EventHub(),
            ambient: .live, backupDirectory: directory.path)
        #expect(try await texts(upgraded) == ["old"])
        let backup = try #require(directory.files.first { $0.contains("before-upgrade") })
        let copy = try DatabaseQueue(path: directory.file(backup))
        let columns = try await copy.read { try $0.columns(in: "notes").map(\.name) }
        #expect(columns == ["id", "text"])
    }

    @Test func aNewerFileIsRefusedByName() async throws {
        let directory = try TemporaryDirectory()
        let future = Migration("notes.9") { try $0.execute(sql: "CREATE TABLE later (x)") }
        try Store(in: directory, [Self.notes, future]).close()
        #expect {
            try Store(in: directory, [Self.notes])
        } throws: { error in
            let error = error as? NestboxError
            return error?.code == .conflict && error?.message.contains("notes.9") == true
        }
    }

    @Test func aFileThatIsNoDatabaseIsRefused() async throws {
        let directory = try TemporaryDirectory()
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: directory.file("test.db")))
        #expect {
            try Store(in: directory, [Self.notes])
        } throws: { ($0 as? NestboxError)?.message.contains("damaged") == true }
    }

    @Test func backupOfAStoreInUseIsWhole() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        for index in 0..<50 { try await insert(store, "n\(index)") }
        async let more: Void = insert(store, "while copying")
        try await store.backup(to: directory.file("copy.db"))
        try await more
        let copy = try DatabaseQueue(path: directory.file("copy.db"))
        let (check, count) = try await copy.read { db in
            (
                try String.fetchOne(db, sql: "PRAGMA integrity_check"),
                try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM notes")
            )
        }
        #expect(check == "ok")
        #expect([50, 51].contains(count))
    }

    @Test func subscriptionsEndWhenTheHubIsClosedAlsoLaterOnes() async throws {
        let hub = EventHub()
        let before = hub.subscribe()
        hub.close()
        for await _ in before {}
        for await _ in hub.subscribe() {}
    }

    @Test func writesAfterClosingAreRefused() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        try store.close()
        await #expect {
            try await insert(store, "late")
        } throws: { ($0 as? NestboxError)?.code == .unavailable }
    }

    @Test func dataDirectoryClearsTemporaryFilesAndIsExclusive() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("data")
        var data: DataDirectory? = try DataDirectory(path: path)
        _ = FileManager.default.createFile(atPath: data!.temporary + "/upload-1", contents: Data("half".utf8))
        #expect(throws: NestboxError.self) { try DataDirectory(path: path) }
        data = nil
        data = try DataDirectory(path: path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: data!.temporary).isEmpty)
    }
}
