import Dispatch
import Foundation

/// Manners of a worker's process. Called by the `nestbox worker` command, first of all.
package enum WorkerProcess {
    /// Environment of a child: its secret, the name under which it leases, and the server's process.
    package static let tokenVariable = "NESTBOX_TOKEN"
    package static let nameVariable = "NESTBOX_WORKER"
    package static let parentVariable = "NESTBOX_PARENT"

    /// Ends this process together with the server that started it, yields the processor to others, and offers itself
    /// first when memory runs out. Does nothing of that for a worker that was started by hand.
    package static func settle(environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard let parent = environment[parentVariable].flatMap({ pid_t($0) }) else { return }
        #if os(Linux)
        setParentDeathSignal(SIGKILL)
        // Refused without privilege in some containers; then the system chooses as it would anyway.
        try? "500".write(toFile: "/proc/self/oom_score_adj", atomically: false, encoding: .utf8)
        #endif
        // The server may have died before the line above, and other systems have no such signal.
        let watch = Thread {
            while getppid() == parent { usleep(500_000) }
            _exit(EXIT_FAILURE)
        }
        watch.name = "parent watch"
        watch.start()
    }

    #if os(Linux)
    /// prctl(PR_SET_PDEATHSIG): the kernel sends `signal` when the parent dies. Looked up by name, because Swift does
    /// not import variadic C functions; its arguments are all words, which every Linux ABI passes as a plain call's.
    private static func setParentDeathSignal(_ signal: Int32) {
        typealias Prctl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        guard let symbol = dlsym(nil, "prctl") else { return }
        let setParentDeathSignal: Int32 = 1
        _ = unsafeBitCast(symbol, to: Prctl.self)(setParentDeathSignal, UInt(signal), 0, 0, 0)
    }
    #endif

    /// The name to lease under: what the runner gave, or host and process.
    package static func name(environment: [String: String] = ProcessInfo.processInfo.environment) -> String {
        environment[nameVariable] ?? "\(ProcessInfo.processInfo.hostName)/\(getpid())"
    }

    /// Runs `body` and cancels it on SIGTERM or SIGINT, so that it can still say how it ended.
    package static func cancelledBySignals<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws
        -> T
    {
        let task = Task { try await body() }
        let sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { task.cancel() }
            source.activate()
            return source
        }
        defer { for source in sources { source.cancel() } }
        // A task of its own is not cancelled with the one that waits for it.
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
