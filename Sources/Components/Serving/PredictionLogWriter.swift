import Contracts
import Core
import Foundation
import GRDB
import Logging
import ServiceLifecycle
import Storage
import Synchronization
import Tables

/// One answered request, on its way to the log.
struct LoggedRequest: Sendable {
    let prediction: Prediction
    let at: Timestamp
    /// Row after row, in the order of the model's inputs.
    let cells: [Cell]
    let model: ServedModel
    let recorder: ServingRecorder
    /// Which of the request's rows are meant: a request is cut without copying it.
    var rows: Range<Int>

    init(prediction: Prediction, at: Timestamp, cells: [Cell], model: ServedModel, recorder: ServingRecorder) {
        self.prediction = prediction
        self.at = at
        self.cells = cells
        self.model = model
        self.recorder = recorder
        rows = prediction.outputs.indices
    }

    /// The same request in parts of at most `count` rows.
    func parts(of count: Int) -> [LoggedRequest] {
        stride(from: rows.lowerBound, to: rows.upperBound, by: count).map { start in
            var part = self
            part.rows = start..<min(start + count, rows.upperBound)
            return part
        }
    }

    func lines() -> [PredictionLogTable.Line] {
        rows.map { row in
            .init(
                id: prediction.id, row: row, at: at, deployment: prediction.deployment, model: prediction.model,
                version: prediction.version, inputs: model.reader.json(cells, row: row), output: prediction.outputs[row]
            )
        }
    }
}

/// Takes answered requests into a bounded buffer and writes them to `telemetry.db` behind the answers' backs.
///
/// `append` costs a lock and an array append. What does not fit, or cannot be written, is counted as dropped.
package final class PredictionLogWriter: Service {
    package struct Limits: Sendable {
        /// Rows waiting to be written.
        package var bufferedRows: Int
        /// Rows kept in the log, and seconds for which they are kept.
        package var keptRows: Int
        package var keptSeconds: Double

        package init(bufferedRows: Int = 50_000, keptRows: Int = 1_000_000, keptSeconds: Double = 90 * 86_400) {
            self.bufferedRows = bufferedRows
            self.keptRows = keptRows
            self.keptSeconds = keptSeconds
        }
    }

    private struct Buffer {
        var requests: [LoggedRequest] = []
        var rows = 0
        /// The newest write, which waits for the ones before it.
        var writing: Task<Void, Never>?
    }

    /// One transaction's worth: the writer's other clients wait some ten milliseconds for it.
    private static let rowsPerWrite = 2000
    private static let interval = Duration.milliseconds(100)
    /// In intervals: once a minute.
    private static let pruneEvery = 600

    private let store: Store
    private let limits: Limits
    private let logger = Logger(label: "nestbox.serving.log")
    private let buffer = Mutex(Buffer())

    init(store: Store, limits: Limits) {
        self.store = store
        self.limits = limits
    }

    func append(_ request: LoggedRequest) {
        let taken = buffer.withLock { buffer in
            let taken = min(request.rows.count, max(0, limits.bufferedRows - buffer.rows))
            guard taken > 0 else { return 0 }
            var kept = request
            kept.rows = 0..<taken
            buffer.requests.append(kept)
            buffer.rows += taken
            return taken
        }
        if taken < request.rows.count { request.recorder.dropped(rows: request.rows.count - taken) }
    }

    /// Writes what is waiting, and returns when it and everything before it is committed.
    package func flush() async {
        let task: Task<Void, Never>? = buffer.withLock { buffer in
            guard !buffer.requests.isEmpty else { return buffer.writing }
            let (requests, previous) = (buffer.requests, buffer.writing)
            buffer.requests = []
            buffer.rows = 0
            let task = Task {
                await previous?.value
                await write(requests)
            }
            buffer.writing = task
            return task
        }
        await task?.value
    }

    /// Writes ten times a second and prunes once a minute; writes what is left when the server stops.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var round = 0
            while !Task.isCancelled {
                await flush()
                if round % Self.pruneEvery == 0 { await pruneReporting() }
                round += 1
                try? await Task.sleep(for: Self.interval)
            }
        }
        await flush()
    }

    private func pruneReporting() async {
        do {
            try await prune()
        } catch {
            logger.warning("old predictions could not be removed: \(error)")
        }
    }

    /// Removes rows beyond the limits of number and age. Returns how many.
    @discardableResult
    package func prune() async throws -> Int {
        let limits = limits
        var total = 0
        while true {
            let removed = try await store.write { context in try PredictionLogTable.prune(limits, in: context) }
            total += removed
            if removed < PredictionLogTable.pruneStep { return total }
        }
    }

    private func write(_ requests: [LoggedRequest]) async {
        var group: [LoggedRequest] = []
        var rows = 0
        for request in requests {
            // A request larger than a group is cut, so that no transaction is long.
            for part in request.parts(of: Self.rowsPerWrite) {
                group.append(part)
                rows += part.rows.count
                if rows >= Self.rowsPerWrite {
                    await writeGroup(group)
                    group = []
                    rows = 0
                }
            }
        }
        if !group.isEmpty { await writeGroup(group) }
    }

    private func writeGroup(_ group: [LoggedRequest]) async {
        do {
            // Text is made on a compute thread: the writer's thread is everybody's.
            let lines = try await ComputePool.shared.run { group.flatMap { $0.lines() } }
            try await store.write { context in try PredictionLogTable.insert(lines, in: context) }
        } catch {
            for request in group { request.recorder.dropped(rows: request.rows.count) }
            logger.error("the predictions of \(group.count) requests could not be logged: \(error)")
        }
    }
}
