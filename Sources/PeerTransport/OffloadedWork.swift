import EventLoop

/// Runs blocking work off the loop and knows when none is left, so that the store can be closed after the
/// swarm.
@LoopActor
final class OffloadedWork {
    private var running = 0
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value,
        then: @escaping @LoopActor (Value) -> Void
    ) {
        running += 1
        Loop.offload(work) { value in
            // `then` may start more work: only after it may the count reach zero.
            then(value)
            self.running -= 1
            if self.running == 0 { self.wakeWaiters() }
        }
    }

    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            run(work) { continuation.resume(returning: $0) }
        }
    }

    /// Returns when nothing runs.
    func untilIdle() async {
        // What waited for the last work may have begun more before this is resumed.
        while running > 0 { await withCheckedContinuation { waiters.append($0) } }
    }

    private func wakeWaiters() {
        let woken = waiters
        waiters = []
        for waiter in woken { waiter.resume() }
    }
}
