import CLibuv
import CLinux

/// The actor of everything that touches the network; its executor is the process's one event loop.
///
/// Objects isolated to it call each other synchronously. The thread starts on first use and lives as long as
/// the process. Code on it must not block: see `Loop.offload`.
@globalActor
package actor LoopActor {
    package static let shared = LoopActor()

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        LoopThread.shared.asUnownedSerialExecutor()
    }
}

/// The event loop as seen by code that is not an object of it.
///
/// Every member may be used on any thread unless it says otherwise.
package enum Loop {
    /// Whether the caller runs on the loop's thread.
    package static var isCurrent: Bool { clinux_on_loop_thread() }

    /// Traps off the loop's thread: a call from elsewhere is a bug of the caller.
    package static func preconditionOnLoop() {
        precondition(clinux_on_loop_thread(), "not on the event loop's thread")
    }

    /// Runs `body` as the loop's own code; for C callbacks, which run on the loop but cannot say so.
    ///
    /// Traps elsewhere.
    package static func assumeIsolated<T>(_ body: @LoopActor () throws -> T) rethrows -> T {
        preconditionOnLoop()
        return try withoutActuallyEscaping(body) { body in
            // The only cast of its kind: a function's isolation is a promise about the thread it runs on,
            // which was just checked; its calling convention is the same without it. `MainActor` does
            // likewise.
            try unsafeBitCast(body, to: (() throws -> T).self)()
        }
    }

    /// Runs `body` on the loop, soon and in order of calling, never before this function returned.
    package static func enqueue(_ body: @escaping @LoopActor () -> Void) {
        LoopThread.shared.enqueue(body)
    }

    /// Returns in the loop's next turn: what this one has to say to others has then been said, unless there is very
    /// much of it.
    ///
    /// For work on the thread pool that nobody waits for: its threads would take the processors from the loop's.
    @LoopActor
    package static func nextTurn() async {
        await pause(milliseconds: 0)
    }

    /// Returns after so long, also in a task that is cancelled.
    @LoopActor
    package static func pause(milliseconds: UInt64) async {
        let timer = LoopTimer()
        await withUnsafeContinuation { (waiter: UnsafeContinuation<Void, Never>) in
            // Nobody else holds the timer until then.
            timer.start(after: milliseconds) { withExtendedLifetime(timer) { waiter.resume() } }
        }
    }

    /// Monotonic time that does not count suspend; of use only as a difference.
    package static var nowNanoseconds: UInt64 { uv_hrtime() }

    /// That this process may use at once, at least 1.
    package static var processors: Int { Int(uv_available_parallelism()) }

    /// Runs blocking work on libuv's thread pool (4 threads unless the environment's `UV_THREADPOOL_SIZE`
    /// says otherwise), then hands its value to `then` on the loop.
    ///
    /// Work starts in order of calling.
    @LoopActor
    package static func offload<T: Sendable>(
        _ work: @escaping @Sendable () -> T,
        then: @escaping @LoopActor (T) -> Void
    ) {
        OffloadedWork.queue(OffloadedValue(work: work, then: then))
    }

    /// Runs blocking work on libuv's thread pool and waits for it without blocking.
    ///
    /// Cancellation does not stop it.
    ///
    /// Errors keep their type where the closure states it: `{ () throws(StoreError) in … }`.
    package static func offload<T: Sendable, E: Error>(
        _ work: @escaping @Sendable () throws(E) -> T
    ) async throws(E) -> T {
        let result = await withUnsafeContinuation { (waiter: UnsafeContinuation<Result<T, E>, Never>) in
            let request = OffloadedValue(
                work: { () -> Result<T, E> in
                    do throws(E) { return .success(try work()) } catch { return .failure(error) }
                },
                then: { waiter.resume(returning: $0) }
            )
            if isCurrent {
                assumeIsolated { OffloadedWork.queue(request) }
            } else {
                enqueue { OffloadedWork.queue(request) }
            }
        }
        return try result.get()
    }
}

/// One call on the thread pool, without its type: the C callbacks are not generic.
///
/// `run` happens on a pool thread, then `finish` on the loop. Unchecked: libuv hands the object from one to
/// the other through its own locks, and nobody else holds it.
private class OffloadedWork: @unchecked Sendable {
    func run() {}
    @LoopActor func finish() {}

    @LoopActor
    static func queue(_ work: OffloadedWork) {
        let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
        request.initialize(to: uv_work_t())
        request.pointee.data = Unmanaged.passRetained(work).toOpaque()
        let status = uv_queue_work(LoopThread.shared.loop, request, uvWorkCallback, uvAfterWorkCallback)
        precondition(status == 0, "uv_queue_work fails only for a missing callback")
    }
}

// C callbacks are plain functions: a closure inside an isolated function would itself be isolated, and trap
// on a pool thread.

private func uvWorkCallback(_ request: UnsafeMutablePointer<uv_work_t>?) {
    guard let data = request?.pointee.data else { return }
    Unmanaged<OffloadedWork>.fromOpaque(data).takeUnretainedValue().run()
}

private func uvAfterWorkCallback(_ request: UnsafeMutablePointer<uv_work_t>?, _ status: Int32) {
    guard let request, let data = request.pointee.data else { return }
    let work = Unmanaged<OffloadedWork>.fromOpaque(data).takeRetainedValue()
    request.deallocate()
    Loop.assumeIsolated { work.finish() }
}

// `value` is written on the pool and read on the loop afterwards, never by both at a time.
private final class OffloadedValue<T: Sendable>: OffloadedWork, @unchecked Sendable {
    private let work: @Sendable () -> T
    private let then: @LoopActor (T) -> Void
    private var value: T?

    init(work: @escaping @Sendable () -> T, then: @escaping @LoopActor (T) -> Void) {
        self.work = work
        self.then = then
    }

    override func run() {
        value = work()
    }

    override func finish() {
        if let value { then(value) }
    }
}
