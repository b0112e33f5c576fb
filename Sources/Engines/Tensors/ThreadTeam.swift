import CKernels
import Core

/// A fixed team of threads with cheap fork and join: workers spin for about 50 µs after their last work and then park.
///
/// Callers from several threads take turns. A body must not run its own team.
public final class ThreadTeam: @unchecked Sendable {
    // Unchecked: the pointer never changes, and the C side serialises its callers.
    let handle: OpaquePointer
    public let width: Int

    /// `width` threads, the caller's own included; width 1 makes none. Throws when the system refuses a thread.
    public init(width: Int) throws {
        guard let handle = nb_team_create(Int32(clamping: width)) else {
            throw NestboxError.invalid(
                "a team of \(width) compute threads could not be made", hint: "set the number of threads to 1 … 1024")
        }
        self.handle = handle
        self.width = width
    }

    deinit { nb_team_destroy(handle) }

    /// Calls `body(thread index, width)` once on each thread, and returns when all have ended.
    public func run(_ body: (Int, Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                nb_team_run(
                    handle,
                    { context, index, width in
                        context!.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(Int(index), Int(width))
                    }, UnsafeMutableRawPointer(mutating: pointer))
            }
        }
    }
}
