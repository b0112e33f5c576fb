import Contracts
import Core
import Foundation
import GRDB
import Storage
import TestSupport
import Testing

@testable import Tracking

@Suite struct PointLogTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func store() throws -> Store {
        try Store(in: directory, EmbeddedTracking.telemetryMigrations, name: "telemetry.db")
    }

    private func count(_ store: Store) async throws -> Int {
        try await store.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM tracking_points") ?? 0 }
    }

    private static func point(_ key: String, _ step: Int64, _ value: Double = 1) -> MetricPoint {
        MetricPoint(key: key, value: value, timestamp: Timestamp(milliseconds: step), step: step)
    }

    @Test func recordsAreReadAsTheyWereWritten() throws {
        let points = [
            Self.point("loss", 3, .infinity), Self.point("", -5, -0.0), Self.point("µ\u{0}/é", .max, 1e-320),
            MetricPoint(key: "nan", value: .nan, timestamp: Timestamp(milliseconds: .min), step: .min),
        ]
        let bytes = PointRecord.encode(points, run: "run")
        let read = try PointRecord.decode(bytes[...])
        #expect(read.run == "run")
        #expect(read.points.map(\.key) == points.map(\.key))
        #expect(read.points.map(\.value.bitPattern) == points.map(\.value.bitPattern))
        #expect(read.points.map(\.step) == points.map(\.step))
        for length in 0..<bytes.count {
            #expect(throws: NestboxError.self) { try PointRecord.decode(bytes[..<length]) }
        }
    }

    /// As after `kill -9`: the files are there, and nobody moved their points.
    @Test func whatAKilledProcessLeftIsStoredOnce() async throws {
        let store = try store()
        do {
            let log = try PointLog(store)
            for step in 0..<10 { #expect(try log.append([Self.point("a", Int64(step))], run: "r")) }
            try await log.moveAll()
            for step in 5..<20 { #expect(try log.append([Self.point("a", Int64(step))], run: "r")) }
        }
        let before =
            try Data(contentsOf: URL(fileURLWithPath: PointLog.files(store.path)[0])).count
            + Data(contentsOf: URL(fileURLWithPath: PointLog.files(store.path)[1])).count
        #expect(before > 15 * 8)
        let log = try PointLog(store)
        #expect(log.waiting(ofRun: "r").count >= 15)
        try await log.moveAll()
        #expect(try await count(store) == 20)
        #expect(log.waiting(ofRun: "r").isEmpty)
        // And once more from the same files: both now void or stored.
        let again = try PointLog(store)
        try await again.moveAll()
        #expect(try await count(store) == 20)
    }

    /// Or deleted points would come back with the next start.
    @Test func whatIsInTheDatabaseIsNotKeptInTheFiles() async throws {
        let store = try store()
        let log = try PointLog(store)
        for step in 0..<10 {
            #expect(try log.append([Self.point("a", Int64(step))], run: "r"))
            if step % 4 == 0 { try await log.moveAll() }
        }
        try await log.moveAll()
        #expect(try await count(store) == 10)
        try await store.write { try $0.db.execute(sql: "DELETE FROM tracking_points") }
        let again = try PointLog(store)
        #expect(again.waiting(ofRun: "r").isEmpty)
        try await again.moveAll()
        #expect(try await count(store) == 0)
    }

    @Test func appendsDuringMovesAreNeitherLostNorKeptTwice() async throws {
        let store = try store()
        let log = try PointLog(store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<4 {
                group.addTask {
                    for step in 0..<500 {
                        #expect(try log.append([Self.point("k\(client)", Int64(step))], run: "r\(client % 2)"))
                        if step % 50 == 0 { try await log.moveAll() }
                    }
                }
            }
            try await group.waitForAll()
        }
        try await log.moveAll()
        #expect(try await count(store) == 2000)
        let left = try PointLog(store)
        try await left.moveAll()
        #expect(try await count(store) == 2000)
    }

    @Test func aRefusedMoveKeepsThePointsAndIsTriedAgain() async throws {
        let store = try store()
        let log = try PointLog(store)
        try await store.write { try $0.db.execute(sql: "ALTER TABLE tracking_points RENAME TO away") }
        #expect(try log.append([Self.point("a", 1)], run: "r"))
        await #expect(throws: (any Error).self) { try await log.moveAll() }
        #expect(try log.append([Self.point("a", 2)], run: "r"))
        #expect(log.waiting(ofRun: "r").map(\.step) == [1, 2])
        // Killed now, both are still there.
        #expect(try PointLog(store).waiting(ofRun: "r").map(\.step).sorted() == [1, 2])
        try await store.write { try $0.db.execute(sql: "ALTER TABLE away RENAME TO tracking_points") }
        try await log.moveAll()
        #expect(try await count(store) == 2)
    }
}
