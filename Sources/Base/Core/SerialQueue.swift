/// Runs asynchronous bodies one after another, in the order of their calls; the next starts when the one before has ended.
///
/// An actor alone does not do that: it lets others in at every `await`. A body runs to its end even when its caller is
/// cancelled, so that what it has begun on disk is finished or undone.
public actor SerialQueue {
    private var last: Task<Void, Never>?

    public init() {}

    public func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let previous = last
        let task = Task {
            await previous?.value
            return try await body()
        }
        last = Task { _ = await task.result }
        return try await task.value
    }
}
