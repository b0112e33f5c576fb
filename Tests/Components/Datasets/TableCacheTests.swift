import Core
import Datasets
import Tables
import Testing

private func table(_ value: Int64) throws -> Table { try Table([("x", .int64([value]))]) }

private actor Counter {
    private(set) var count = 0
    func add() { count += 1 }
}

@Test func aTableIsLoadedOnceForAllWhoWantIt() async throws {
    let cache = TableCache()
    let loads = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<20 {
            group.addTask {
                _ = try await cache.table(.init(dataset: "a", version: 1), bytes: 10) {
                    await loads.add()
                    try await Task.sleep(for: .milliseconds(20))
                    return try table(1)
                }
            }
        }
        try await group.waitForAll()
    }
    #expect(await loads.count == 1)
}

@Test func theLeastRecentlyUsedTableGoesFirst() async throws {
    let cache = TableCache(bytes: 100, entries: 3)
    func read(_ version: Int, bytes: Int64) async throws {
        _ = try await cache.table(.init(dataset: "a", version: version), bytes: bytes) { try table(1) }
    }
    for version in 1...3 { try await read(version, bytes: 10) }
    try await read(1, bytes: 10)
    try await read(4, bytes: 10)
    #expect(
        await cache.keys == [
            .init(dataset: "a", version: 1), .init(dataset: "a", version: 3), .init(dataset: "a", version: 4),
        ])
    // One that fills it all sends the others away; one that does not fit is not kept.
    try await read(5, bytes: 100)
    #expect(await cache.keys == [.init(dataset: "a", version: 5)])
    try await read(6, bytes: 101)
    #expect(await cache.keys == [.init(dataset: "a", version: 5)])
}

@Test func aFailedLoadIsTriedAgain() async throws {
    let cache = TableCache()
    let key = TableCache.Key(dataset: "a", version: 1)
    await #expect(throws: NestboxError.self) {
        try await cache.table(key, bytes: 1) { throw NestboxError.invalid("no") }
    }
    #expect(try await cache.table(key, bytes: 1) { try table(7) }.column("x") == .int64([7]))
}
