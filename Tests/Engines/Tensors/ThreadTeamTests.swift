import Synchronization
import Tensors
import Testing

@Suite struct ThreadTeamTests {
    @Test(arguments: [1, 2, 3, 8]) func everyThreadRunsOnce(_ width: Int) throws {
        let team = try ThreadTeam(width: width)
        for _ in 0..<200 {
            let seen = Mutex([Int]())
            team.run { index, count in
                #expect(count == width)
                seen.withLock { $0.append(index) }
            }
            #expect(seen.withLock { $0.sorted() } == Array(0..<width))
        }
    }

    final class Tally: Sendable {
        let inside = Mutex(0)
        let total = Mutex(0)
    }

    @Test func callersTakeTurns() async throws {
        let team = try ThreadTeam(width: 2)
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<50 {
                        team.run { index, _ in
                            if index == 0 {
                                tally.inside.withLock { $0 += 1 }
                                #expect(tally.inside.withLock { $0 } == 1)
                                tally.inside.withLock { $0 -= 1 }
                            }
                            tally.total.withLock { $0 += 1 }
                        }
                    }
                }
            }
        }
        #expect(tally.total.withLock { $0 } == 400)
    }

    @Test func widthMustBeSensible() {
        #expect(throws: (any Error).self) { try ThreadTeam(width: 0) }
        #expect(throws: (any Error).self) { try ThreadTeam(width: -3) }
        #expect(throws: (any Error).self) { try ThreadTeam(width: 100_000) }
    }
}
