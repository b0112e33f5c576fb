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
        // Not a server's directory as long as there is no database: what lies in its tmp may be anybody's.
        #expect(throws: NestboxError.self) { try DataDirectory(path: path) }
        _ = FileManager.default.createFile(atPath: path + "/nestbox.db", contents: nil)
        data = try DataDirectory(path: path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: data!.temporary).isEmpty)
    }

    @Test func otherUsersAreKeptOut() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("new/data")
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        var data: DataDirectory? = try DataDirectory(path: path)
        #expect(try mode(path) == 0o700 && mode(path + "/backups") == 0o700 && mode(path + "/nestbox.lock") == 0o600)
        #expect(DataDirectory.openToOthers(path) == nil)
        data = nil

        // As an earlier release left it.
        _ = FileManager.default.createFile(atPath: path + "/nestbox.db", contents: nil)
        for (name, mode) in [("", 0o755), ("/artifacts", 0o755), ("/nestbox.db", 0o644)] {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path + name)
        }
        #expect(DataDirectory.openToOthers(path)?.path == path + "/artifacts")
        data = try DataDirectory(path: path)
        #expect(try mode(path) == 0o700 && mode(path + "/artifacts") == 0o700 && mode(path + "/nestbox.db") == 0o600)
        #expect(DataDirectory.openToOthers(path) == nil)
        withExtendedLifetime(data) {}
    }

    @Test func aDirectoryWithOtherThingsKeepsItsOwnRights() throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: directory.path)
        _ = FileManager.default.createFile(atPath: directory.file("somebody's.txt"), contents: nil)
        let data = try DataDirectory(path: directory.path)
        let attributes = try FileManager.default.attributesOfItem(atPath: directory.path)
        #expect(attributes[.posixPermissions] as? Int == 0o755)
        #expect(DataDirectory.openToOthers(directory.path) == nil)
        withExtendedLifetime(data) {}
    }

    @Test func oldEventsOfGivenKindsGoAndTheOthersStayInOrder() async throws {
        let directory = try TemporaryDirectory()
        // A second at each reading, and one reading for each write.
        let store = try Store(in: directory, [Self.notes], ambient: .fixed(step: 1000))
        for index in 0..<60 {
            try await store.write { context in
                try context.record(index % 3 == 0 ? "note.decided" : "note.measured", "note/\(index)")
            }
        }
        let before = try await store.eventLog(limit: 100)
        let retention = EventRetention(store: store, seconds: 30, kinds: ["note.measured"])
        #expect(try await retention.prune() > 10)
        let after = try await store.eventLog(limit: 100)
        #expect(after.filter { $0.kind == "note.decided" } == before.filter { $0.kind == "note.decided" })
        #expect(after.map(\.id) == after.map(\.id).sorted() && after.suffix(15) == before.suffix(15))
        #expect(try await store.eventLog(after: 5, limit: 100).first?.id == 7)
        // What came of age since then goes as well, and nothing is given out twice.
        for _ in 0..<40 { _ = store.ambient.now() }
        #expect(try await retention.prune() > 0)
        #expect(try await store.eventLog(limit: 100).count == 20)
        #expect(try await EventRetention(store: store, seconds: 1, kinds: nil).prune() > 0)
        try await store.write { context in try context.record("note.decided", "note/last") }
        #expect(try await store.eventLog(limit: 100).last?.id == 61)
    }

    @Test func retentionGoesThroughALongLogInSteps() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(in: directory, [Self.notes])
        let count = EventRetention.step * 2 + 7
        try await store.write { context in
            for index in 0..<count {
                try context.record(index == 3 ? "note.decided" : "note.measured", "note/\(index)")
            }
        }
        // Everything is older than a moment in the future.
        let retention = EventRetention(store: store, seconds: -3600, kinds: ["note.measured"])
        #expect(try await retention.prune() == count - 1)
        #expect(try await retention.prune() == 0)
        #expect(try await store.eventLog(limit: 10).map(\.id) == [4])
    }
}
