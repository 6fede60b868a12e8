import EventLoop

/// Waiting that gives up, while what is waited for goes on.
enum Patience {
    /// What the task gives, or `nil` when it takes longer.
    @LoopActor
    static func value<Value: Sendable>(of task: Task<Value, Never>, millis: UInt64) async -> Value? {
        await withCheckedContinuation { continuation in
            let timer = LoopTimer()
            var waiting: CheckedContinuation<Value?, Never>? = continuation
            func end(_ value: Value?) {
                waiting?.resume(returning: value)
                waiting = nil
            }
            timer.start(after: millis) { end(nil) }
            Loop.task {
                end(await task.value)
                timer.stop()
            }
        }
    }
}
