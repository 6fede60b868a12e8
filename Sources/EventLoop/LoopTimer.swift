import CLibuv

/// A timer of the loop.
///
/// Dropping it stops it; it may be dropped on any thread.
///
/// libuv's clock counts whole milliseconds, so a timer may fire up to 1 ms early by a nanosecond clock: a
/// deadline in nanoseconds is rounded up, plus one.
@LoopActor
package final class LoopTimer {
    private let handle: Handle

    /// Makes a stopped timer.
    package init() {
        do {
            handle = try Handle(UV_TIMER, "timer") {
                uv_timer_init($0, $1.assumingMemoryBound(to: uv_timer_t.self))
            }
        } catch {
            preconditionFailure("uv_timer_init cannot fail")
        }
    }

    /// Starts over when it is running.
    ///
    /// With `every` 0 it fires once and forgets the handler before calling it.
    package func start(
        after milliseconds: UInt64,
        every repeatMilliseconds: UInt64 = 0,
        _ handler: @escaping @LoopActor () -> Void
    ) {
        let handle = handle
        if repeatMilliseconds > 0 {
            handle.setOnEvent { _, _ in handler() }
        } else {
            handle.setOnEvent { [unowned handle] _, _ in
                handle.setOnEvent(nil)
                handler()
            }
        }
        // The loop's idea of now is from the last time it waited; a long turn would make the timer early.
        uv_update_time(LoopThread.shared.loop)
        uv_timer_start(handle.as(uv_timer_t.self), uvTimerCallback, milliseconds, repeatMilliseconds)
    }

    /// Forgets the handler; the timer may be started again.
    package func stop() {
        uv_timer_stop(handle.as(uv_timer_t.self))
        handle.setOnEvent(nil)
    }

    isolated deinit {
        handle.close()
    }
}

private func uvTimerCallback(_ timer: UnsafeMutablePointer<uv_timer_t>?) {
    guard let handle = Handle.from(timer?.pointee.data) else { return }
    Loop.assumeIsolated { handle.onEvent?(0, 0) }
}
