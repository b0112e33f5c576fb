import Contracts
import Core
import Foundation
import Testing

/// What every `JobQueue` keeps to. Uses kinds of its own, so that it can run against a queue in use (whose server must not
/// run jobs by itself). `advance` lets that many seconds pass on the queue's clock.
package func checkJobQueue(_ queue: any JobQueue, advance: (Double) async throws -> Void) async throws {
    try await checkJobLifecycle(queue, advance: advance)
    try await checkJobFailures(queue)
    try await checkJobCancellation(queue)
    try await checkStaleLease(queue, advance: advance)
    try await checkJobLog(queue)
    try await checkJobRefusals(queue)
}

private func freshKind() -> String { "contract-\(UUID().uuidString)" }

private func submit(_ queue: any JobQueue, _ kind: String, name: String = "a job", attempts: Int = 3) async throws
    -> Job
{
    try await queue.submit(JobRequest(kind: kind, name: name, payload: ["a": [1, 2.5, .null]], maxAttempts: attempts))
}

private func lease(_ queue: any JobQueue, _ kind: String, worker: String = "w", seconds: Double = 60) async throws
    -> JobLease?
{
    try await queue.lease(jobID: nil, kinds: [kind], worker: worker, seconds: seconds)
}

package func expectCode(_ code: NestboxError.Code, _ body: () async throws -> Void) async {
    do {
        try await body()
        Issue.record("expected \(code.rawValue)")
    } catch let error as NestboxError {
        #expect(error.code == code, "\(error)")
    } catch {
        Issue.record("expected \(code.rawValue), not \(error)")
    }
}

/// Oldest first, once each; progress, result and times are kept.
package func checkJobLifecycle(_ queue: any JobQueue, advance: (Double) async throws -> Void) async throws {
    let kind = freshKind()
    let first = try await submit(queue, kind, name: "first")
    try await advance(0.01)
    let second = try await submit(queue, kind, name: "second")
    #expect(first.state == .queued && first.attempt == 0 && first.payload == ["a": [1, 2.5, .null]])
    #expect(try await queue.job(id: first.id) == first)
    let listed = try await queue.jobs(state: .queued, limit: 1000).filter { $0.kind == kind }
    #expect(listed.map(\.name) == ["second", "first"])
    #expect(try await queue.jobs(state: nil, limit: 1).count == 1)

    let held = try #require(try await lease(queue, kind, worker: "w1"))
    #expect(held.job.id == first.id && held.job.state == .running && held.job.attempt == 1)
    #expect(held.job.startedAt != nil && held.job.leaseUntil != nil)
    let byName = try #require(try await queue.lease(jobID: second.id, kinds: [], worker: "w2", seconds: 60))
    #expect(byName.job.id == second.id && byName.token != held.token)
    #expect(try await lease(queue, kind) == nil)

    let progress = JobProgress(fraction: 0.5, message: "half ünd half")
    let status = try await queue.renew(id: first.id, token: held.token, seconds: 60, progress: progress)
    #expect(!status.cancelRequested)
    #expect(try await queue.job(id: first.id).progress == progress)
    let done = try await queue.finish(id: first.id, token: held.token, .succeeded(["x": 1]))
    #expect(done.state == .succeeded && done.result == ["x": 1] && done.progress.fraction == 1)
    #expect(done.finishedAt != nil && done.leaseUntil == nil && done.error == nil)
    // The answer was lost and the worker says it again.
    #expect(try await queue.finish(id: first.id, token: held.token, .succeeded(["x": 1])) == done)
    await expectCode(.conflict) {
        _ = try await queue.renew(id: first.id, token: held.token, seconds: 60, progress: nil)
    }
    _ = try await queue.finish(id: second.id, token: byName.token, .cancelled)
    #expect(try await queue.job(id: second.id).state == .cancelled)
    #expect(try await queue.log(id: first.id, offset: 0).text == "")
}

/// Retryable failures wait and come back until no attempt is left; others end at once; a retry by hand starts afresh.
package func checkJobFailures(_ queue: any JobQueue) async throws {
    let kind = freshKind()
    let error = ErrorBody.Detail(code: "unavailable", message: "no luck", hint: "try again")
    let job = try await submit(queue, kind, attempts: 2)
    let held = try #require(try await lease(queue, kind))
    let waiting = try await queue.finish(id: job.id, token: held.token, .failed(error, retryable: true))
    #expect(waiting.state == .queued && waiting.attempt == 1 && waiting.error == error)
    let due = try #require(waiting.notBefore)
    // On a busy machine the wait may be over by now; it is never cut short.
    var early = try await lease(queue, kind)
    if early == nil { early = try await queue.lease(jobID: job.id, kinds: [], worker: "w", seconds: 60) }
    if let start = early?.job.startedAt { #expect(start >= due) }
    _ = try await queue.cancel(id: job.id)

    let hopeless = try await submit(queue, kind)
    let hold = try #require(try await lease(queue, kind))
    let failed = try await queue.finish(id: hopeless.id, token: hold.token, .failed(error, retryable: false))
    #expect(failed.state == .failed && failed.error == error && failed.finishedAt != nil)
    let again = try await queue.retry(id: hopeless.id)
    #expect(again.state == .queued && again.attempt == 0 && again.error == nil && again.finishedAt == nil)
    let third = try #require(try await lease(queue, kind))
    #expect(third.job.id == hopeless.id)
    await expectCode(.conflict) { _ = try await queue.retry(id: hopeless.id) }
    await expectCode(.conflict) { _ = try await queue.finish(id: hopeless.id, token: hold.token, .cancelled) }
    _ = try await queue.finish(id: hopeless.id, token: third.token, .succeeded(.null))
}

/// Queued ends at once; running is asked and ends when the worker says so; finished is refused.
package func checkJobCancellation(_ queue: any JobQueue) async throws {
    let kind = freshKind()
    let queued = try await submit(queue, kind)
    #expect(try await queue.cancel(id: queued.id).state == .cancelled)
    #expect(try await lease(queue, kind) == nil)
    #expect(try await queue.cancel(id: queued.id).state == .cancelled)

    let running = try await submit(queue, kind)
    let held = try #require(try await lease(queue, kind))
    let asked = try await queue.cancel(id: running.id)
    #expect(asked.state == .running && asked.cancelRequested)
    #expect(try await queue.renew(id: running.id, token: held.token, seconds: 60, progress: nil).cancelRequested)
    // Whatever the worker says went wrong while it stopped: it was cancelled.
    let error = ErrorBody.Detail(code: "internal", message: "stopped", hint: nil)
    #expect(
        try await queue.finish(id: running.id, token: held.token, .failed(error, retryable: true)).state == .cancelled)

    let quick = try await submit(queue, kind)
    let quickHold = try #require(try await lease(queue, kind))
    _ = try await queue.cancel(id: quick.id)
    #expect(try await queue.finish(id: quick.id, token: quickHold.token, .succeeded(1)).state == .succeeded)
    await expectCode(.conflict) { _ = try await queue.cancel(id: quick.id) }
}

/// A lease that ran out goes to exactly one of many takers, and its old holder is refused.
package func checkStaleLease(_ queue: any JobQueue, advance: (Double) async throws -> Void) async throws {
    let kind = freshKind()
    let job = try await submit(queue, kind, attempts: 2)
    let old = try #require(try await lease(queue, kind, worker: "lost", seconds: 0.2))
    try await advance(0.5)
    let taken = try await withThrowingTaskGroup(of: JobLease?.self) { group in
        for index in 0..<8 { group.addTask { try await lease(queue, kind, worker: "taker \(index)") } }
        return try await group.reduce(into: [JobLease]()) { if let lease = $1 { $0.append(lease) } }
    }
    #expect(taken.count == 1)
    let new = try #require(taken.first)
    #expect(new.job.id == job.id && new.job.attempt == 2 && new.token != old.token)
    #expect(new.job.error?.message.contains("worker lost") == true)
    await expectCode(.conflict) { _ = try await queue.renew(id: job.id, token: old.token, seconds: 60, progress: nil) }
    await expectCode(.conflict) { _ = try await queue.finish(id: job.id, token: old.token, .succeeded(1)) }
    #expect(try await queue.finish(id: job.id, token: new.token, .succeeded(2)).result == 2)

    let last = try await submit(queue, kind, attempts: 1)
    _ = try #require(try await lease(queue, kind, seconds: 0.2))
    try await advance(0.5)
    #expect(try await lease(queue, kind) == nil)
    #expect(try await queue.job(id: last.id).state == .failed)
}

/// Lines come from whoever holds the lease; an offset behind the end leads back to it.
package func checkJobLog(_ queue: any JobQueue) async throws {
    let kind = freshKind()
    let job = try await submit(queue, kind)
    #expect(try await queue.log(id: job.id, offset: 7) == JobLogChunk(text: "", nextOffset: 0))
    let held = try #require(try await lease(queue, kind))
    try await queue.appendLog(id: job.id, token: held.token, text: "one\ntwö\n")
    try await queue.appendLog(id: job.id, token: held.token, text: "three\n")
    #expect(try await queue.log(id: job.id, offset: 0) == JobLogChunk(text: "one\ntwö\nthree\n", nextOffset: 15))
    #expect(try await queue.log(id: job.id, offset: 9) == JobLogChunk(text: "three\n", nextOffset: 15))
    for offset in [16, 1 << 40, Int64.max] {
        #expect(try await queue.log(id: job.id, offset: offset) == JobLogChunk(text: "", nextOffset: 15))
    }
    await expectCode(.conflict) { try await queue.appendLog(id: job.id, token: "other", text: "x\n") }
    let large = String(repeating: "x", count: 300_000)
    await expectCode(.payloadTooLarge) { try await queue.appendLog(id: job.id, token: held.token, text: large) }
    _ = try await queue.finish(id: job.id, token: held.token, .cancelled)
    await expectCode(.conflict) { try await queue.appendLog(id: job.id, token: held.token, text: "late\n") }
}

/// What comes from outside and makes no sense is refused.
package func checkJobRefusals(_ queue: any JobQueue) async throws {
    let kind = freshKind()
    let nobody = "0123456789abcdef"
    await expectCode(.notFound) { _ = try await queue.job(id: nobody) }
    await expectCode(.notFound) { _ = try await queue.cancel(id: nobody) }
    await expectCode(.notFound) { _ = try await queue.retry(id: nobody) }
    await expectCode(.notFound) { _ = try await queue.log(id: nobody, offset: 0) }
    await expectCode(.notFound) { _ = try await queue.lease(jobID: nobody, kinds: [], worker: "w", seconds: 1) }
    await expectCode(.notFound) { _ = try await queue.renew(id: nobody, token: "t", seconds: 1, progress: nil) }
    await expectCode(.notFound) { _ = try await queue.finish(id: nobody, token: "t", .cancelled) }
    for request in [
        JobRequest(kind: "", name: "n", payload: .null), JobRequest(kind: kind, name: "", payload: .null),
        JobRequest(kind: kind, name: "n", payload: .null, maxAttempts: 0),
        JobRequest(kind: kind, name: "n", payload: .null, timeoutSeconds: -1),
    ] { await expectCode(.invalidArgument) { _ = try await queue.submit(request) } }
    await expectCode(.invalidArgument) { _ = try await queue.jobs(state: nil, limit: 0) }
    let job = try await submit(queue, kind)
    for offset in [-1, Int64.min] {
        do {
            _ = try await queue.log(id: job.id, offset: offset)
            Issue.record("expected a refusal of offset \(offset)")
        } catch let error as NestboxError {
            #expect(error.code == .invalidArgument && error.message.contains("\(offset)") && error.hint != nil)
        }
    }
    for seconds in [0, -1, 1e9] {
        await expectCode(.invalidArgument) { _ = try await lease(queue, kind, seconds: seconds) }
    }
    await expectCode(.invalidArgument) { _ = try await lease(queue, kind, worker: "") }
    let held = try #require(try await lease(queue, kind))
    await expectCode(.invalidArgument) {
        _ = try await queue.renew(
            id: job.id, token: held.token, seconds: 1, progress: JobProgress(fraction: 2, message: ""))
    }
    _ = try await queue.finish(id: job.id, token: held.token, .cancelled)
}
