import Contracts
import Core
import Foundation
import Storage
import Synchronization

/// Metric points that are acknowledged and not yet in `telemetry.db`, kept in files beside it so that a killed process loses none.
///
/// A transaction for each request costs more than all else about logging a point. So points are appended to a file, and ten times a
/// second one transaction takes over all of them. Storing a point twice stores it once, and the order does not matter: after a
/// kill everything still in the files is simply stored again.
///
/// Two files take turns. One takes what comes while the points of the other move, which then is emptied.
final class PointLog: Sendable {
    private struct State: ~Copyable {
        var first: Journal
        var second: Journal
        /// Which of the two takes points.
        var takesSecond = false
        /// The other one is empty.
        var otherIsFree = false
        var waiting: [String: [MetricPoint]] = [:]
        var moving: [String: [MetricPoint]] = [:]
        var waitingCount = 0
        var appended = 0
        var moved = 0
        var move: Task<Void, any Error>?
        var isScheduled = false

        mutating func append(_ record: [UInt8]) throws {
            if takesSecond { try second.append(record) } else { try first.append(record) }
        }

        private mutating func restart(second isSecond: Bool) -> Bool {
            do {
                if isSecond { try second.restart() } else { try first.restart() }
                return true
            } catch {
                // Its points are in the database already, and would only be stored again.
                return false
            }
        }

        /// Hands over everything that waits, and lets the other file take what comes if it is free.
        mutating func take() {
            if otherIsFree {
                takesSecond.toggle()
                otherIsFree = false
            }
            swap(&waiting, &moving)
            waitingCount = 0
        }

        mutating func finish(upTo count: Int) {
            moved = count
            moving = [:]
            move = nil
            // What they hold was appended before this move began, or has moved before. Forgotten at once, or the points of a run
            // that is deleted for good now would be stored again at the next start.
            otherIsFree = restart(second: !takesSecond)
            if waiting.isEmpty { _ = restart(second: takesSecond) }
        }

        mutating func giveBack() {
            waiting.merge(moving) { $1 + $0 }
            waitingCount = waiting.values.reduce(0) { $0 + $1.count }
            moving = [:]
            move = nil
        }
    }

    /// More than these would make the transaction that takes them over a long one.
    private static let mostWaiting = 20_000
    /// Readers do not wait for it. Longer ones make fewer transactions, each of which costs readers their cached pages.
    private static let pause = Duration.milliseconds(100)

    private let telemetry: Store
    private let state: Mutex<State>

    /// Opens the two files; what a killed process left in them waits like new points.
    init(_ telemetry: Store) throws {
        self.telemetry = telemetry
        var left: [String: [MetricPoint]] = [:]
        let read = { (record: ArraySlice<UInt8>) in
            let (run, points) = try PointRecord.decode(record)
            left[run, default: []] += points
        }
        let first = try Journal.open(Self.files(telemetry.path)[0], recovered: read)
        let second = try Journal.open(Self.files(telemetry.path)[1], recovered: read)
        let count = left.values.reduce(0) { $0 + $1.count }
        state = Mutex(State(first: first, second: second, waiting: left, waitingCount: count, appended: count))
    }

    static func files(_ database: String) -> [String] { [database + "-points0", database + "-points1"] }

    /// False, with nothing kept, when so much is waiting that the caller should wait as well.
    func append(_ points: [MetricPoint], run: String) throws -> Bool {
        let record = PointRecord.encode(points, run: run)
        let (isTaken, schedules) = try state.withLock { state in
            guard state.waitingCount < Self.mostWaiting else { return (false, false) }
            try state.append(record)
            state.waiting[run, default: []] += points
            state.waitingCount += points.count
            state.appended += points.count
            defer { state.isScheduled = true }
            return (true, !state.isScheduled)
        }
        if schedules {
            Task {
                try? await Task.sleep(for: Self.pause)
                state.withLock { $0.isScheduled = false }
                // A disk that refuses now is asked again by the next append or reader, and `log` reports what it says.
                try? await moveAll()
            }
        }
        return isTaken
    }

    /// The points of a run that are not in the database yet. Ask here first and there afterwards, or a point may move in between.
    func waiting(ofRun run: String) -> [MetricPoint] {
        state.withLock { ($0.moving[run] ?? []) + ($0.waiting[run] ?? []) }
    }

    var isFull: Bool { state.withLock { $0.waitingCount >= Self.mostWaiting } }

    /// Returns when everything that was appended before is in the database. Throws what keeps it out; the points stay in the files.
    func moveAll() async throws {
        let goal = state.withLock { $0.appended }
        while true {
            let task = state.withLock { state -> Task<Void, any Error>? in
                if state.moved >= goal { return nil }
                if let running = state.move { return running }
                state.take()
                let points = state.moving, count = state.appended
                // A task of its own: a reader that gives up must not undo it.
                let task = Task { try await self.move(points, upTo: count) }
                state.move = task
                return task
            }
            guard let task else { return }
            try await task.value
        }
    }

    private func move(_ points: [String: [MetricPoint]], upTo count: Int) async throws {
        do {
            try await telemetry.write { context in
                for (run, points) in points { try MetricTable.insert(points, run: run, in: context.db) }
            }
        } catch {
            state.withLock { $0.giveBack() }
            throw error
        }
        state.withLock { $0.finish(upTo: count) }
    }
}

/// A run's points as bytes: run id and count, then of each point its key, value, time and step.
enum PointRecord {
    static func encode(_ points: [MetricPoint], run: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 + points.count * 56)
        append(run, to: &bytes)
        append(UInt64(points.count), to: &bytes)
        for point in points {
            append(point.key, to: &bytes)
            append(point.value.bitPattern, to: &bytes)
            append(UInt64(bitPattern: point.timestamp.milliseconds), to: &bytes)
            append(UInt64(bitPattern: point.step), to: &bytes)
        }
        return bytes
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        append(UInt64(text.utf8.count), to: &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    /// Throws `internal` for bytes that `encode` never made.
    static func decode(_ record: ArraySlice<UInt8>) throws -> (run: String, points: [MetricPoint]) {
        var rest = record
        let run = try text(&rest)
        let count = try number(&rest)
        var points: [MetricPoint] = []
        for _ in 0..<count {
            points.append(
                MetricPoint(
                    key: try text(&rest), value: Double(bitPattern: try number(&rest)),
                    timestamp: Timestamp(milliseconds: Int64(bitPattern: try number(&rest))),
                    step: Int64(bitPattern: try number(&rest))))
        }
        guard rest.isEmpty else { throw broken }
        return (run, points)
    }

    private static func number(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
        guard rest.count >= 8 else { throw broken }
        defer { rest.removeFirst(8) }
        return rest.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func text(_ rest: inout ArraySlice<UInt8>) throws -> String {
        let length = try number(&rest)
        guard length <= rest.count else { throw broken }
        defer { rest.removeFirst(Int(length)) }
        return String(decoding: rest.prefix(Int(length)), as: UTF8.self)
    }

    private static var broken: NestboxError {
        NestboxError(
            .internalError, "a record of metric points beside telemetry.db cannot be read",
            hint:
                "move the files telemetry.db-points0 and -points1 away and start again; points of the last moments are in them"
        )
    }
}
